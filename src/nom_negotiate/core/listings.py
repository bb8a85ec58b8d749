"""What is left of a listing, who may answer it, and which of many is the best.

Rules of the room:

- What is left is never counted down anywhere: it follows from the quantity and from the
  transactions of the listing's author that carry its id, each of which is there exactly once.
- A listing is an invitation and commits nobody: a deal is what two parties agree on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

import msgspec

from nom_negotiate.core.evidence import CLOCK_S
from nom_negotiate.core.outcome import Outcome, Side, Transaction
from nom_negotiate.core.party import Listing, ListingStatus
from nom_negotiate.core.terms import MAX_DIGITS, Role, plain
from nom_negotiate.errors import RuleViolation

# As `preferred_names` makes them. What is named otherwise has to be read to be told.
_NAME: Final = re.compile(r"([0-9]{1,11})_(buy|sell)_([A-Za-z0-9]+)_(?:from|to)_.+")

# Sums and differences of numbers within 10^-20 .. 10^20: exact, never rounded.
_EXACT: Final = Context(prec=200)
_WRITTEN: Final = Context(prec=MAX_DIGITS, rounding=ROUND_FLOOR)

ROLE_OF: Final = {Side.BUY: Role.BUYER, Side.SELL: Role.SELLER}
"""What the author of a listing is in a negotiation that answers it."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A listing as others see it: one row of the market.

    Attributes:
        listing: as its author has posted it.
        display_name: of its author; None where there is no profile.
        left: how much of its quantity no deal has used up; None where the quantity is open.
    """

    listing: Listing
    display_name: str | None
    left: Decimal | None

    @property
    def stands(self) -> bool:
        """Return whether it can be answered: its author has not closed it, and some is left."""
        return self.listing.status is ListingStatus.ACTIVE and self.left != 0


class Counted:
    """Which of an author's transactions may count against some of its listings.

    Args:
        listings: of one author.

    Attributes:
        since: unix seconds before which no deal can count against any of them.
    """

    def __init__(self, listings: Iterable[Listing]) -> None:
        self._ids: dict[tuple[str, Side, str], str] = {}
        self._since: dict[tuple[str, str], int] = {}
        for listing in listings:
            # The poller's clock may be behind that of the author.
            since = max(0, listing.created - CLOCK_S)
            kind = listing.type.value, listing.chemical
            self._since[kind] = min(since, self._since.get(kind, since))
            self._ids[listing.id, listing.type, listing.chemical] = listing.id
        self.since = min(self._since.values(), default=0)

    def may(self, name: str) -> bool:
        """Return whether a transaction file of that name may count.

        Names begin with the second of the outcome and say side and chemical, so that those of
        other deals and from before the listings need not be read. One that says none of this may.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            return True
        since = self._since.get((found[2], found[3]))
        return since is not None and int(found[1]) >= since

    def against(self, transaction: Transaction) -> str | None:
        """Return the id of the listing that a transaction counts against, None for none."""
        if transaction.listing is None:
            return None
        return self._ids.get((transaction.listing, transaction.type, transaction.chemical))


def is_bound(outcome: Outcome, listing: Listing) -> bool:
    """Return whether an agreement would count against the listing, and so is limited by it."""
    deal = outcome.deal
    if deal is None or listing.quantity is None:
        return False
    side = Side.BUY if deal.buyer == outcome.initiator else Side.SELL
    return (outcome.initiator, outcome.listing, side, deal.chemical) == (
        listing.user,
        listing.id,
        listing.type,
        listing.chemical,
    )


def left_of(listing: Listing, dealt: Iterable[Decimal]) -> Decimal | None:
    """Return what deals of these quantities leave of a listing; None where nothing limits it.

    Exact, and never below zero: its author may have made it smaller since.
    """
    left = listing.quantity
    if left is None:
        return None
    for quantity in dealt:
        left = _EXACT.subtract(left, quantity)
    return max(Decimal(plain(left)), Decimal(0))


def noted(left: Decimal) -> Decimal:
    """Return what can be written of an amount that is left: at most 15 digits, rounded down."""
    return Decimal(plain(_WRITTEN.plus(left)))


def shortage(left: Decimal, listing_id: str) -> str:
    """Return why a deal over more than is left is not concluded."""
    if not left:
        return f"nothing of the listing {listing_id} is left"
    return f"only {plain(left)} of the listing {listing_id} are left"


def check_stands(found: Listed) -> None:
    """Refuse to answer a listing that stands no more.

    Raises:
        RuleViolation: `listing_closed`.
    """
    listing = found.listing
    if found.left == 0:
        # It is closed then, or will be.
        raise RuleViolation("listing_closed", shortage(Decimal(0), listing.id))
    if not found.stands:
        raise RuleViolation("listing_closed", f"{listing.user} has closed the listing {listing.id}")


def check_left(found: Listed, quantity: Decimal) -> None:
    """Refuse to agree on more than is left.

    Raises:
        RuleViolation: `not_listed`.
    """
    if found.left is not None and quantity > found.left:
        raise RuleViolation("not_listed", shortage(found.left, found.listing.id))


def check_answer(found: Listed, role: Role, chemical: str, quantity: Decimal) -> None:
    """Refuse an answer that the listing does not ask for.

    Args:
        found: what is answered.
        role: of whoever answers.
        chemical: that the answer is over.
        quantity: of the first offer.

    Raises:
        RuleViolation: `listing_closed`, `not_listed`.
    """
    check_stands(found)
    listing = found.listing
    if (role.other, chemical) != (ROLE_OF[listing.type], listing.chemical):
        raise RuleViolation(
            "not_listed",
            f"{listing.user} wants to {listing.type} {listing.chemical} by the listing"
            f" {listing.id}; nobody can {Side.of(role)} {chemical} by it",
        )
    check_left(found, quantity)


def best_first(found: Iterable[Listed]) -> list[Listed]:
    """Return listings in the order of the market; the same whatever order they come in.

    Sales before purchases and by chemical; then the best price for whoever answers, which is the
    lowest of those who sell and the highest of those who buy, and none at last; then the oldest.
    """

    def rank(row: Listed) -> tuple[object, ...]:
        listing = row.listing
        price = listing.price
        ranked = Decimal(0) if price is None else price
        if listing.type is Side.BUY:
            ranked = ranked.copy_negate()
        return (
            listing.type is Side.BUY,
            listing.chemical,
            price is None,
            ranked,
            listing.created,
            listing.user,
            listing.id,
        )

    return sorted(found, key=rank)


def says(row: Listed, text: str) -> bool:
    """Return whether a listing says each word of `text`, in whatever case.

    Looked for in what its author has written: text, address and display name, id, chemical.
    """
    listing = row.listing
    said = (listing.text, listing.user, row.display_name, listing.id, listing.chemical)
    whole = "\n".join(each for each in said if each is not None).casefold()
    return all(word in whole for word in text.casefold().split())
