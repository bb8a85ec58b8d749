"""Listings: the standing buy and sell orders of the parties, each its author's own file.

Rules of the room:

- A listing is written by its author only, through the author's own `Party`.
- A listing says what everybody may know. What a party would really pay or take is no part
  of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from nom_negotiate.core import rules
from nom_negotiate.core.identity import check_id
from nom_negotiate.core.outcome import Side
from nom_negotiate.core.party import Listing, ListingStatus
from nom_negotiate.core.terms import Number, parse_number
from nom_negotiate.desk import Desk
from nom_negotiate.errors import InputError, NotFound
from nom_negotiate.party import Party


def post(
    party: Party,
    *,
    side: str,
    chemical: str,
    price: Number | None = None,
    quantity: Number | None = None,
) -> Listing:
    """Post a listing of one's own; durable when it returns.

    Args:
        party: the author.
        side: `buy` or `sell`: what the author wants to do.
        chemical: what is wanted or offered.
        price: per unit, the most (buy) or the least (sell); None to leave it open.
        quantity: in units; None to leave it open.

    Raises:
        InputError: for a value that is none.
        RuleViolation: `closed_root`.
    """
    desk = party.desk
    rules.check_chemical(chemical, desk.settings.chemicals)
    if side not in (Side.BUY, Side.SELL):
        raise InputError("invalid_text", f"side must be buy or sell, found {side[:24]!a}")
    amount = None if quantity is None else parse_number(quantity, "quantity", positive=True)
    limit = None if price is None else parse_number(price, "price")
    desk.admit(party.address)
    now = desk.now()
    with desk.store.writer(party.address) as pen:
        taken = {listing.id for listing in desk.store.listings(party.address)[0]}
        seconds = now
        while (listing_id := f"{seconds}_{side}_{chemical}") in taken:
            seconds += 1
        listing = Listing(
            id=listing_id,
            user=party.address,
            type=Side(side),
            chemical=chemical,
            price=limit,
            quantity=amount,
            created=now,
        )
        pen.write_listing(listing)
    return listing


def close(party: Party, listing_id: str) -> Listing:
    """Close a listing of one's own; durable when it returns, idempotent.

    Raises:
        NotFound: `unknown_listing`.
    """
    check_id(listing_id)
    desk = party.desk
    if desk.store.known(party.address):
        with desk.store.writer(party.address) as pen:
            for listing in desk.store.listings(party.address)[0]:
                if listing.id == listing_id:
                    if listing.status is ListingStatus.CLOSED:
                        return listing
                    closed = msgspec.structs.replace(
                        listing, status=ListingStatus.CLOSED, closed_at=desk.now()
                    )
                    pen.write_listing(closed)
                    return closed
    raise NotFound("unknown_listing", f"{party.address} has no listing {listing_id!a}")


def listings(desk: Desk, *, chemical: str | None = None, closed: bool = False) -> Iterator[Listing]:
    """Yield the listings of all parties, by author and id.

    Files that cannot be read are left out, and told to the desk's `notice`.

    Args:
        desk: whose data root to look at.
        chemical: only those of this chemical.
        closed: those that are closed, too.
    """
    for party in desk.store.parties():
        found, problems = desk.store.listings(party)
        desk.tell(problems)
        for listing in found:
            wanted = chemical in (None, listing.chemical)
            if wanted and (closed or listing.status is ListingStatus.ACTIVE):
                yield listing
