"""How a negotiation ended, and the two transactions that follow from an agreement.

Rules of the room:

- An outcome is decided once. Everything after it is derived: `mirrored` gives the same
  two transactions from the same outcome, whoever calls it and however often.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from nom_negotiate.core.fields import always
from nom_negotiate.core.identity import Address, short_name
from nom_negotiate.core.terms import Condition, Role, Terms, terms_of
from nom_negotiate.core.times import Seconds

OUTCOME_SCHEMA: Final = "nom.outcome/1"
TRANSACTION_SCHEMA: Final = "nom.transaction/1"


class Kind(enum.StrEnum):
    """The four ways in which a negotiation ends."""

    AGREED = "agreed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Deal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who trades what with whom.

    Attributes:
        price: per unit.
        quantity: in units.
        delivery: where, when and how it changes hands; None where that was left open.
        payment: when and how it is paid; None where that was left open.
        quality: what it has to be like; None where that was left open.
    """

    buyer: Address
    seller: Address
    chemical: str
    price: Decimal
    quantity: Decimal
    agreement_key: str
    delivery: Condition | None = None
    payment: Condition | None = None
    quality: Condition | None = None

    @property
    def terms(self) -> Terms:
        """Return what was agreed."""
        return terms_of(self)


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one party that an outcome was decided from.

    Attributes:
        revision: of that state.
        sha256: of the bytes of the file, lower-case hex.
    """

    revision: int
    sha256: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one decision on a negotiation: the content of `outcome.json`.

    Attributes:
        outcome: how it ended.
        at: unix seconds at which it was decided.
        by: who ended it, for `rejected` and `withdrawn`; None where nobody did.
        reason: why, in words; None where nobody said.
        deal: the terms, for `agreed`.
        states: what it was decided from, by address.
        transactions: the names of the two transaction files, by address, for `agreed`; none
            for a migrated agreement, which was executed before.
        listing: id of the initiator's listing that it counts against; None for none.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = always(lambda: OUTCOME_SCHEMA)
    negotiation_id: str
    outcome: Kind
    at: Seconds
    initiator: Address
    responder: Address | None = None
    chemical: str
    by: Address | None = None
    reason: str | None = None
    deal: Deal | None = None
    states: Mapping[Address, Basis] = always(dict)
    transactions: Mapping[Address, str] = always(dict)
    listing: str | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Side(enum.StrEnum):
    """What a transaction is for its owner."""

    BUY = "buy"
    SELL = "sell"

    @classmethod
    def of(cls, role: Role) -> Side:
        """Return the side of a role."""
        return cls.BUY if role is Role.BUYER else cls.SELL


class Transaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One side of a settled deal: the content of a file in `transactions/`.

    Attributes:
        type: `buy` or `sell`, from the owner's side.
        price: per unit.
        quantity: in units.
        counterparty: the other side.
        timestamp: unix seconds of the outcome.
        settled: false until the owner marks it.
        delivery: where, when and how it changes hands; None where that was left open.
        payment: when and how it is paid; None where that was left open.
        quality: what it has to be like; None where that was left open.
        listing: id of the listing that it counts against, the owner's or the counterparty's;
            None for none.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = always(lambda: TRANSACTION_SCHEMA)
    type: Side
    chemical: str
    price: Decimal
    quantity: Decimal
    counterparty: Address
    negotiation_id: str
    timestamp: Seconds
    settled: bool = always(bool)
    agreement_key: str | None = None
    delivery: Condition | None = None
    payment: Condition | None = None
    quality: Condition | None = None
    listing: str | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """Return what was agreed."""
        return terms_of(self)

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what tells this transaction from any other of its owner.

        Marking it as settled, or noting something in it, does not change this.
        """
        return (self.negotiation_id, self.type, self.agreement_key, self.extra.get("legacy_id"))


def transaction_name(side: Side, chemical: str, counterparty: Address, seconds: int) -> str:
    """Return the file name that a transaction would like to have."""
    link = "from" if side is Side.BUY else "to"
    return f"{seconds}_{side}_{chemical}_{link}_{short_name(counterparty)}.json"


def next_name(name: str, attempt: int) -> str:
    """Return the name to try at the `attempt`-th time: `x.json`, `x_2.json`, `x_3.json` ..."""
    return name if attempt == 1 else f"{name.removesuffix('.json')}_{attempt}.json"


def preferred_names(deal: Deal, seconds: int) -> dict[Address, str]:
    """Return the transaction file name each party would like to have, by address."""
    return {
        deal.buyer: transaction_name(Side.BUY, deal.chemical, deal.seller, seconds),
        deal.seller: transaction_name(Side.SELL, deal.chemical, deal.buyer, seconds),
    }


def mirrored(outcome: Outcome) -> dict[Address, Transaction]:
    """Return the two transactions that an outcome of `agreed` stands for, by address.

    Deterministic; empty for any other outcome, and for one that names no transactions.
    """
    deal = outcome.deal
    if outcome.outcome is not Kind.AGREED or deal is None or not outcome.transactions:
        return {}

    def side(of: Side, counterparty: Address) -> Transaction:
        return Transaction(
            type=of,
            chemical=deal.chemical,
            price=deal.price,
            quantity=deal.quantity,
            counterparty=counterparty,
            negotiation_id=outcome.negotiation_id,
            timestamp=outcome.at,
            agreement_key=deal.agreement_key,
            delivery=deal.delivery,
            payment=deal.payment,
            quality=deal.quality,
            listing=outcome.listing,
        )

    return {deal.buyer: side(Side.BUY, deal.seller), deal.seller: side(Side.SELL, deal.buyer)}
