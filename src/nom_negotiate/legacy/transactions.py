"""A transaction, as every generation but the second has them.

Old transactions differ in names only: `type` (buy, sell) or `role` (buyer, seller);
`pricePerUnit`, `pricePerGallon` or `price`. L1 has no time: the trade's entry in the
market's own list has one, and so has the id, `<prefix>_<unix>_<8 hex>`.
"""

from __future__ import annotations

from typing import Any

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy import fields
from nom_negotiate.legacy.fields import Refused, first
from nom_negotiate.legacy.records import Generation, OldTransaction


def transaction(
    record: dict[str, Any],
    *,
    owner: Address,
    generation: Generation,
    path: str,
    id: str | None = None,
    at: int | None = None,
) -> OldTransaction:
    """Return the transaction in `record`.

    Args:
        record: the object of the file, or the payload of the event.
        owner: in whose books it stands.
        generation: where it comes from.
        path: of the record.
        id: for a format without ids; otherwise the record's `transactionId`, which both
            sides of a trade share, or else its `id`.
        at: unix seconds, where the record itself has no time.

    Raises:
        Refused: where a field is missing or makes no sense.
    """
    if id is None:
        id = first(record, "transactionId", "id")
    negotiation = first(record, "negotiationId", "negotiation_id")
    return OldTransaction(
        id=fields.label(id, "id"),
        generation=generation,
        owner=owner,
        side=fields.side(first(record, "type", "role"), "type"),
        chemical=fields.label(record.get("chemical"), "chemical"),
        quantity=fields.quantity(record.get("quantity")),
        price=fields.price(first(record, "pricePerUnit", "pricePerGallon", "price")),
        counterparty=fields.address(record.get("counterparty"), "counterparty"),
        timestamp=fields.seconds(record.get("timestamp"), "timestamp", at),
        negotiation_id=None if negotiation is None else fields.label(negotiation, "negotiation_id"),
        settled=record.get("settled") is True,
        path=path,
    )


def both_sides(
    record: dict[str, Any], *, generation: Generation, path: str, at: int | None = None
) -> tuple[OldTransaction, OldTransaction]:
    """Return the buyer's and the seller's transaction of a trade in the market's list.

    Raises:
        Refused: where a field is missing or makes no sense.
    """
    buyer = fields.address(record.get("buyerId"), "buyerId")
    seller = fields.address(record.get("sellerId"), "sellerId")

    def one(side: str, owner: Address, counterparty: Address) -> OldTransaction:
        return transaction(
            {**record, "type": side, "counterparty": counterparty},
            owner=owner,
            generation=generation,
            path=path,
            at=at,
        )

    return one("buy", buyer, seller), one("sell", seller, buyer)


def time_in_id(record: dict[str, Any]) -> int | None:
    """Return the unix seconds in the id of `record`, or None where it has none."""
    for key in ("id", "transactionId"):
        parts = str(record.get(key)).split("_")
        if len(parts) == 3 and parts[1].isascii() and parts[1].isdigit() and len(parts[1]) < 12:
            try:
                return fields.seconds(int(parts[1]), key)
            except Refused:
                continue
    return None
