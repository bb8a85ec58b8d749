"""Who gets what is left of a listing, where more was agreed on than is left.

Rules of the room:

- A deal over more than is left is refused, with the reason; whoever agreed first comes first.
- It is refused for what is filed, and never for what is merely under way: that may still fail.
  Such a deal waits until the other one is settled, and is judged then.
- What is left is noted in the author's name when a pass is through, where nobody has the author's
  lock. A note follows from what is filed: one that is missing changes nothing.
- Each deal counts once: by its transaction, or, from its outcome until that is there, as under
  way. What a crash has cut short is looked for on the disk, where no hint need tell of it.
"""

from __future__ import annotations

import enum
from contextlib import suppress
from decimal import Decimal

from nom_negotiate.core import listings
from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Kind, Outcome
from nom_negotiate.core.party import Listing
from nom_negotiate.errors import NomError
from nom_negotiate.store.port import Store


class Verdict(enum.Enum):
    """What becomes of an agreement for now, besides being refused."""

    GRANTED = "it may be concluded"
    WAITS = "another one is under way, which would leave too little"


class Allotments:
    """The listings that one pass has to do with, and what deals have used up of them.

    To be used under the poller's lock: nobody else concludes or settles meanwhile.

    Args:
        store: where listings and transactions are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[tuple[Address, str], _Allotment] = {}
        self._cut_short: dict[Address, list[Outcome]] = {}
        self._reduced: set[Address] = set()

    def judge(self, proposed: Outcome) -> Verdict | str:
        """Return whether an agreement may be concluded now, or why never.

        One that is granted is under way from then on.
        """
        allotment = self._of(proposed)
        return Verdict.GRANTED if allotment is None else allotment.judge(proposed)

    def drop(self, granted: Outcome) -> None:
        """Note that an agreement which was granted did not come about."""
        allotment = self._of(granted)
        if allotment is not None:
            allotment.under_way.pop(granted.negotiation_id, None)

    def settled(self, outcome: Outcome) -> None:
        """Note that the transactions of an agreement are there."""
        if outcome.listing is None:
            return
        self._reduced.add(outcome.initiator)
        if (outcome.initiator, outcome.listing) not in self._found:
            # Nobody has asked yet: it will be found among the others.
            return
        allotment = self._of(outcome)
        if allotment is not None:
            allotment.settled(outcome)

    def note(self, now: int) -> None:
        """Write down what is left of the listings that deals were settled against.

        To be called when these deals are durable.
        """
        if not self._reduced:
            return
        # Imported here: most passes have to do with no listing.
        from nom_negotiate import market

        for author in sorted(self._reduced):
            # A full disk, or a party that is a Unix user of its own: its own next call does it.
            with suppress(NomError), self._store.try_writer(author) as pen:
                if pen is not None:
                    market.note(self._store, pen, now)

    def _of(self, outcome: Outcome) -> _Allotment | None:
        """Return what limits an agreement, None where nothing does."""
        if outcome.listing is None or outcome.deal is None:
            return None
        key = (outcome.initiator, outcome.listing)
        if key not in self._found:
            listing = self._store.listing(*key)
            if listing is None:
                # Its author has agreed, too, and has taken the limit away.
                return None
            self._found[key] = self._read(listing)
        allotment = self._found[key]
        return allotment if listings.is_bound(outcome, allotment.listing) else None

    def _read(self, listing: Listing) -> _Allotment:
        if listing.user not in self._cut_short:
            places = list(self._store.unfinished(listing.user))
            snapshots = [self._store.snapshot(place) for place in places]
            self._cut_short[listing.user] = [
                found.outcome for found in snapshots if found is not None and found.outcome
            ]
        filed = self._store.dealt(listing.user, [listing]).get(listing.id, {})
        allotment = _Allotment(listing, dict(filed))
        for outcome in self._cut_short[listing.user]:
            if outcome.outcome is Kind.AGREED and listings.is_bound(outcome, listing):
                allotment.begin(outcome)
        return allotment


class _Allotment:
    """One listing, with the quantities of its deals by negotiation."""

    def __init__(self, listing: Listing, filed: dict[str, Decimal]) -> None:
        self.listing = listing
        self.filed = filed
        self.under_way: dict[str, Decimal] = {}

    def judge(self, proposed: Outcome) -> Verdict | str:
        filed, under_way = self.filed, self.under_way
        mine = proposed.negotiation_id
        left = self._left({key: each for key, each in filed.items() if key != mine})
        if _quantity(proposed) > left:
            return listings.shortage(left, self.listing.id)
        others = {key: each for key, each in {**under_way, **filed}.items() if key != mine}
        if _quantity(proposed) > self._left(others):
            return Verdict.WAITS
        self.begin(proposed)
        return Verdict.GRANTED

    def begin(self, outcome: Outcome) -> None:
        self.under_way[outcome.negotiation_id] = _quantity(outcome)

    def settled(self, outcome: Outcome) -> None:
        self.filed[outcome.negotiation_id] = _quantity(outcome)
        self.under_way.pop(outcome.negotiation_id, None)

    def _left(self, dealt: dict[str, Decimal]) -> Decimal:
        left = listings.left_of(self.listing, dealt.values())
        assert left is not None, "its quantity limits it"
        return left


def _quantity(outcome: Outcome) -> Decimal:
    assert outcome.deal is not None, "an agreement has a deal"
    return outcome.deal.quantity
