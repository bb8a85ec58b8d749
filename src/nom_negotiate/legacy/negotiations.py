"""L2: one file a negotiation, `negotiations/negotiation_<id>.json`.

A file holds the whole negotiation, offers oldest first. `type` is from the initiator's
side; older files lack it, and mean buy. `sessionNumber` may be missing or null. Closing
adds `acceptedBy, acceptedAt` or `rejectedBy, rejectedAt`, later also `rejection_reason`;
where the old program itself rejected, `rejectedBy` is the word `system`.
"""

from __future__ import annotations

from typing import Any, Final, cast

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy import fields
from nom_negotiate.legacy.fields import Refused, first
from nom_negotiate.legacy.files import read_object
from nom_negotiate.legacy.listing import Listing
from nom_negotiate.legacy.part import Part
from nom_negotiate.legacy.records import Generation, OldNegotiation, OldOffer, Status

_CLOSING: Final = {
    "pending": None,
    "accepted": ("acceptedBy", "acceptedAt"),
    "rejected": ("rejectedBy", "rejectedAt"),
}

_ITSELF: Final = "system"


def read_negotiations(listing: Listing) -> Part:
    """Return the negotiations of L2."""
    part = listing.parts["L2"]
    for path in listing.negotiations:
        shown = listing.shown(path)
        try:
            part.negotiations.append(
                negotiation(read_object(path), generation="L2", path=shown),
            )
        except Refused as refused:
            part.refuse(shown, refused, "negotiation")
    return part


def negotiation(record: dict[str, Any], *, generation: Generation, path: str) -> OldNegotiation:
    """Return the negotiation in `record`.

    Raises:
        Refused: where a field is missing or makes no sense, or somebody has a part in it
            who is neither initiator nor responder. A negotiation with one bad offer is
            refused whole: without it the others could be mistaken for all.
    """
    initiator = fields.address(record.get("initiatorId"), "initiatorId")
    responder = fields.address(record.get("responderId"), "responderId")
    parties = (initiator, responder)
    created_at = fields.seconds(record.get("createdAt"), "createdAt")
    updated_at = fields.seconds(record.get("updatedAt"), "updatedAt", created_at)
    status = _status(record.get("status"))
    offers = _offers(record.get("offers"), parties, created_at)
    last_offer_by = _party(record.get("lastOfferBy"), "lastOfferBy", parties)
    closed_by, closed_at = _closing(record, status, parties, updated_at)
    return OldNegotiation(
        id=fields.label(record.get("id"), "id"),
        generation=generation,
        chemical=fields.label(record.get("chemical"), "chemical"),
        side=fields.side(record.get("type"), "type", "buy"),
        initiator=initiator,
        responder=responder,
        initiator_name=fields.name(record.get("initiatorName"), initiator),
        responder_name=fields.name(record.get("responderName"), responder),
        session=fields.session(record.get("sessionNumber")),
        offers=offers,
        status=status,
        last_offer_by=offers[-1].by if offers and last_offer_by is None else last_offer_by,
        created_at=created_at,
        updated_at=updated_at,
        closed_by=closed_by,
        closed_at=closed_at,
        reason=fields.reason(first(record, "rejection_reason", "rejectionReason")),
        ad_id=fields.reference(record.get("adId")),
        path=path,
    )


def _status(value: Any) -> Status:
    if not isinstance(value, str) or value not in _CLOSING:
        shown = ascii(value) if isinstance(value, str) and len(value) < 40 else "something else"
        raise Refused(f"status must be pending, accepted or rejected, found {shown}")
    return cast("Status", value)


def _offers(value: Any, parties: tuple[Address, Address], created_at: int) -> tuple[OldOffer, ...]:
    offers = []
    for number, item in enumerate(fields.sequence(value, "offers")):
        record = fields.mapping(item, f"offers[{number}]")
        by = _party(record.get("fromTeamId"), f"offers[{number}].fromTeamId", parties)
        if by is None:
            raise Refused(f"offers[{number}].fromTeamId is missing")
        offers.append(
            OldOffer(
                by=by,
                price=fields.price(record.get("price"), f"offers[{number}].price"),
                quantity=fields.quantity(record.get("quantity"), f"offers[{number}].quantity"),
                at=fields.seconds(
                    record.get("createdAt"), f"offers[{number}].createdAt", created_at
                ),
            )
        )
    return tuple(offers)


def _closing(
    record: dict[str, Any], status: Status, parties: tuple[Address, Address], updated_at: int
) -> tuple[Address | None, int | None]:
    keys = _CLOSING[status]
    if keys is None:
        return None, None
    by, at = keys
    closer = None if record.get(by) == _ITSELF else _party(record.get(by), by, parties)
    return closer, fields.seconds(record.get(at), at, updated_at)


def _party(value: Any, field: str, parties: tuple[Address, Address]) -> Address | None:
    if value is None:
        return None
    found = fields.address(value, field)
    if found not in parties:
        raise Refused(f"{field} is neither initiator nor responder, but {found!a}")
    return found
