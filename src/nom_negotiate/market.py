"""Listings: the standing buy and sell orders of the parties, each its author's own file.

Rules of the room:

- A listing is written with its author's own pen, under the author's lock.
- A listing says what everybody may know. What a party would really pay or take is no part
  of it, and nothing here looks into `private/`.
- What is left of a listing follows from its author's transactions: it is counted each time. It is
  written down for those who cannot read these: by the pass that settles a deal, where it may
  write for the author, and by the author's own next call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Unpack

import msgspec

from nom_negotiate.core import rules
from nom_negotiate.core.identity import Address, check_listing_id, parse_address
from nom_negotiate.core.listings import (
    ROLE_OF,
    Listed,
    best_first,
    check_stands,
    left_of,
    noted,
    says,
)
from nom_negotiate.core.outcome import Side
from nom_negotiate.core.party import Listing, ListingStatus
from nom_negotiate.core.terms import Number, parse_number
from nom_negotiate.errors import InputError, NotFound, RecordError, RuleViolation, StoreError

# These know this room, too: a party answers listings, and a desk shows them.
if TYPE_CHECKING:
    from nom_negotiate.core.negotiation import Negotiation
    from nom_negotiate.desk import Desk
    from nom_negotiate.party import Party
    from nom_negotiate.party.options import StartOptions
    from nom_negotiate.store.port import Store, Writer

MAX_STANDING = 1000
"""Listings of one party that stand at once: each costs everybody who looks a file to read."""


def post(
    party: Party,
    *,
    side: str,
    chemical: str,
    price: Number | None = None,
    quantity: Number | None = None,
    text: str | None = None,
) -> Listing:
    """Post a listing of one's own; durable when it returns.

    Args:
        party: the author.
        side: `buy` or `sell`: what the author wants to do.
        chemical: what is wanted or offered.
        price: per unit, what to bid (buy) or ask (sell). Everybody reads it: it need not be the
            limit. None to leave it open.
        quantity: in units; deals use it up, and the listing is closed when nothing is left. None
            to leave it open: then it stands until its author closes it.
        text: what else there is to say, at most 2,000 characters. Everybody reads it.

    Raises:
        InputError: for a value that is none.
        RuleViolation: `closed_root`, `too_many_listings`.
    """
    desk = party.desk
    rules.check_chemical(chemical, desk.settings.chemicals)
    wanted = _side(side)
    amount = None if quantity is None else parse_number(quantity, "quantity", positive=True)
    limit = None if price is None else parse_number(price, "price")
    said = None if text is None else rules.check_text(text, "text")
    desk.admit(party.address)
    now = desk.now()
    with desk.store.writer(party.address) as pen:
        known = note(desk.store, pen, now)
        standing = sum(each.status is ListingStatus.ACTIVE for each in known)
        if standing >= MAX_STANDING:
            raise RuleViolation(
                "too_many_listings", f"{party.address} has {standing} listings, which is the most"
            )
        taken = {listing.id for listing in known}
        seconds = now
        while (listing_id := f"{seconds}_{wanted}_{chemical}") in taken:
            seconds += 1
        listing = Listing(
            id=listing_id,
            user=party.address,
            type=wanted,
            chemical=chemical,
            price=limit,
            quantity=amount,
            text=said,
            created=now,
        )
        pen.write_listing(listing)
    return listing


def close(party: Party, listing_id: str) -> Listing:
    """Close a listing of one's own; durable when it returns, idempotent.

    What is being negotiated goes on, and counts against what was left.

    Raises:
        NotFound: `unknown_listing`.
    """
    check_listing_id(listing_id)
    store, now = party.desk.store, party.desk.now()
    if store.known(party.address):
        with store.writer(party.address) as pen:
            for listing in note(store, pen, now):
                if listing.id == listing_id:
                    if listing.status is ListingStatus.CLOSED:
                        return listing
                    closed = _closed(listing, now)
                    pen.write_listing(closed)
                    return closed
    raise NotFound("unknown_listing", f"{party.address} has no listing {listing_id!a}")


def respond(
    party: Party,
    author: str,
    listing_id: str,
    *,
    price: Number | None = None,
    quantity: Number | None = None,
    **said: Unpack[StartOptions],
) -> Negotiation:
    """Answer a listing with a first offer, which starts a negotiation with its author.

    The author is the initiator: it has asked for it. It has said nothing yet but its listing,
    which commits it to nothing; this party's offer is the first word.

    Args:
        party: who answers.
        author: whose listing it is.
        listing_id: which.
        price: per unit; None for the price of the listing.
        quantity: in units; None for all that is left of the listing.
        said: what else `Party.start` takes: `firm`, `valid_until`, `delivery`, `payment`,
            `quality`, `message`, `idle_s`, `life_s`, `max_rounds`, `again`.

    Raises:
        NotFound: `unknown_listing`.
        InputError: `missing_terms`, where neither the listing nor the caller says a number.
        RuleViolation: `self_negotiation`, `listing_closed`, `not_listed`, and what `Party.start`
            raises.
    """
    if party.address == parse_address(author):
        raise RuleViolation(
            "self_negotiation",
            f"{party.address} cannot answer a listing of its own",
            hint="answer one of another party",
        )
    found = find(party.desk, author, listing_id)
    listing = found.listing
    check_stands(found)
    return party.start(
        listing.user,
        chemical=listing.chemical,
        role=ROLE_OF[listing.type].other,
        price=_stated(price, listing.price, "price", listing),
        quantity=_stated(quantity, found.left, "quantity", listing),
        listing=listing.id,
        **said,
    )


def find(desk: Desk, author: str, listing_id: str) -> Listed:
    """Return one listing, and what is left of it.

    Raises:
        NotFound: `unknown_listing`, where there is none that can be read.
    """
    address = parse_address(author)
    check_listing_id(listing_id)
    listing = desk.store.listing(address, listing_id) if desk.store.known(address) else None
    if listing is None:
        raise NotFound("unknown_listing", f"{address} has no listing {listing_id!a}")
    return _rows(desk, address, [listing])[0]


def listings(desk: Desk, *, chemical: str | None = None, closed: bool = False) -> Iterator[Listing]:
    """Yield the listings of all parties as their authors left them, by author and id.

    Files that cannot be read are left out, and told to the desk's `notice`.

    Args:
        desk: whose data root to look at.
        chemical: only those of this chemical.
        closed: those that their authors have closed, too.
    """
    for author in desk.store.parties():
        for listing in _of(desk, author):
            wanted = chemical in (None, listing.chemical)
            if wanted and (closed or listing.status is ListingStatus.ACTIVE):
                yield listing


def _of(desk: Desk, author: Address) -> list[Listing]:
    found, problems = desk.store.listings(author)
    desk.tell(problems)
    return found


def view(
    desk: Desk,
    *,
    chemical: str | None = None,
    side: str | None = None,
    text: str | None = None,
    min_price: Number | None = None,
    max_price: Number | None = None,
    party: str | None = None,
    closed: bool = False,
) -> list[Listed]:
    """Return the listings of all parties with what is left of each, best price first.

    Sales before purchases, by chemical; then the lowest price of those who sell and the highest
    of those who buy; without a price at last; of equal ones the oldest. Reads each listing once,
    and of a party with one that stands those transactions that may count against it. Files that
    cannot be read are left out, and told to the desk's `notice`.

    Args:
        desk: whose data root to look at.
        chemical: only those of this chemical.
        side: only those whose author wants to `buy`, or to `sell`.
        text: only those that say each of these words, in whatever case: in their text, id or
            chemical, or in the address or display name of their author.
        min_price: only those with a price, of at least this.
        max_price: only those with a price, of at most this.
        party: only those of this author.
        closed: those that are closed, or of which nothing is left, too.

    Raises:
        InputError: for a value that is none.
    """
    wanted = None if side is None else _side(side)
    least = None if min_price is None else parse_number(min_price, "min_price")
    most = None if max_price is None else parse_number(max_price, "max_price")
    authors = desk.store.parties() if party is None else [parse_address(party)]

    def asked_for(listing: Listing) -> bool:
        return (
            chemical in (None, listing.chemical)
            and wanted in (None, listing.type)
            and (closed or listing.status is ListingStatus.ACTIVE)
            and (least is None or (listing.price is not None and listing.price >= least))
            and (most is None or (listing.price is not None and listing.price <= most))
        )

    rows: list[Listed] = []
    for author in authors:
        rows += _rows(desk, author, [each for each in _of(desk, author) if asked_for(each)])
    return best_first(
        row for row in rows if (closed or row.stands) and (text is None or says(row, text))
    )


def _rows(desk: Desk, author: Address, found: list[Listing]) -> list[Listed]:
    if not found:
        return []
    try:
        profile = desk.store.profile(author)
    except RecordError:
        # Who it is can be told without it; the doctor tells what is wrong with it.
        profile = None
    name = None if profile is None else profile.display_name
    left = _left(desk.store, author, found)
    return [Listed(listing=each, display_name=name, left=left[each.id]) for each in found]


def _left(store: Store, author: Address, found: Iterable[Listing]) -> dict[str, Decimal | None]:
    """Return what is left of each of an author's listings."""
    counted = [each for each in found if _is_counted(each)]
    left = {each.id: _as_noted(each) for each in found}
    if counted:
        try:
            dealt = store.dealt(author, counted)
        except StoreError as error:
            if error.code != "denied":
                raise
            # Parties that are Unix users of their own do not read each other's transactions.
            return left
        left |= {each.id: left_of(each, dealt.get(each.id, {}).values()) for each in counted}
    return left


def _is_counted(listing: Listing) -> bool:
    # Of one that is closed it was written down when that was done.
    return listing.status is ListingStatus.ACTIVE and listing.quantity is not None


def _as_noted(listing: Listing) -> Decimal | None:
    if listing.quantity is None or listing.left is None:
        return listing.quantity
    return min(listing.left, listing.quantity)


def note(store: Store, pen: Writer, now: int) -> list[Listing]:
    """Write down what deals have left of an author's listings, and return these by id.

    Closes those of which nothing is left. Removes those that were closed as long ago as what has
    ended is packed after: the transactions remember them. Idempotent; to be done by each call in
    which an author deals with its listings or with what has become of them.

    Args:
        store: where they are.
        pen: of their author.
        now: unix seconds.
    """
    author, keep_s = pen.party, store.settings().pack_after_s
    known = store.listings(author)[0]
    left = _left(store, author, known)
    kept = []
    for listing in known:
        if keep_s and listing.closed_at is not None and listing.closed_at < now - keep_s:
            pen.remove_listing(listing.id)
            continue
        amount, after = left[listing.id], listing
        if _is_counted(listing) and amount is not None and amount != _as_noted(listing):
            after = msgspec.structs.replace(listing, left=noted(amount))
            if not amount:
                after = _closed(after, now)
            if after != listing and not pen.write_listing(after, seen=listing):
                # A program has rewritten it, or taken it away: its word counts.
                after = listing
        kept.append(after)
    return kept


def _closed(listing: Listing, now: int) -> Listing:
    return msgspec.structs.replace(listing, status=ListingStatus.CLOSED, closed_at=now)


def _side(text: str) -> Side:
    try:
        return Side(text)
    except ValueError:
        raise InputError("invalid_text", f"side must be buy or sell, found {text[:24]!a}") from None


def _stated(given: Number | None, listed: Decimal | None, field: str, listing: Listing) -> Number:
    if given is not None:
        return given
    if listed is None:
        raise InputError(
            "missing_terms",
            f"the listing {listing.id} of {listing.user} leaves its {field} open",
            hint=f"say a {field}",
        )
    return noted(listed)
