"""Comparing the old data with what became of them, figure by figure and thing by thing.

Rules of the room:

- The source is read anew, and the data root with the eyes of whoever uses it: through the
  store and the merged view.
- What a plan leaves out with a reason is no difference; the plan lists it.
- A negotiation that its parties, or a poll, have carried on since is no difference as long as
  the old offers are its beginning. Nor is a listing that its author has closed, or a
  transaction that its owner has marked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.party import ListingStatus
from nom_negotiate.core.terms import plain
from nom_negotiate.errors import Difference
from nom_negotiate.legacy.comparison import Mismatch, compare_namespace, compare_negotiation
from nom_negotiate.legacy.plan import (
    ORDERS,
    Plan,
    PlannedListing,
    PlannedNegotiation,
    PlannedParty,
    PlannedTransaction,
    kind_of,
)
from nom_negotiate.legacy.planner import plan_for
from nom_negotiate.legacy.records import (
    OldData,
    OldNamespace,
    OldNegotiation,
    OldOrder,
    OldTransaction,
)
from nom_negotiate.legacy.target import LEGACY_KIND, Target
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.port import Namespace

# Sums of products of two numbers of 15 digits within 10^-20 .. 10^20: exact, never rounded.
_EXACT = Context(prec=200)


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure: what the source says, and what the data root does."""

    name: str
    source: str
    target: str

    @property
    def equal(self) -> bool:
        """Return whether both say the same."""
        return self.source == self.target


@dataclass(frozen=True, slots=True)
class Verification:
    """What a comparison found.

    Attributes:
        plan: what would still have to be done, and what is left out.
        figures: of both sides.
        mismatches: each thing that is not what it should be.
    """

    plan: Plan
    figures: tuple[Compared, ...]
    mismatches: tuple[Mismatch, ...]

    @property
    def differences(self) -> int:
        """Return how many differences there are."""
        # Each figure that differs does so for things that do.
        return len(self.mismatches) or sum(not figure.equal for figure in self.figures)

    def check(self) -> None:
        """Return if there is no difference.

        Raises:
            Difference: `differences_found`.
        """
        if self.differences:
            found = self.differences
            some = "1 difference" if found == 1 else f"{found} differences"
            raise Difference("differences_found", f"{some} between the old data and the data root")


def verify(store: FileStore, old: OldData, now: int) -> Verification:
    """Compare the old data with what became of them in the store. Changes nothing.

    Args:
        store: the data root.
        old: the source.
        now: unix seconds.
    """
    target = Target(store)
    plan = plan_for(target, old, now)
    return _Verifier(target, plan, now).result()


class _Verifier:
    """Goes through the old data, and counts what it finds of them."""

    def __init__(self, target: Target, plan: Plan, now: int) -> None:
        self.target = target
        self.plan = plan
        self.now = now
        self.mismatches: list[Mismatch] = []
        self.counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.sums: tuple[defaultdict[str, Decimal], defaultdict[str, Decimal]] = (
            defaultdict(Decimal),
            defaultdict(Decimal),
        )

    def result(self) -> Verification:
        source, found = self.counts
        for party in self.plan.parties:
            self.party(party)
        self.negotiations()
        self.transactions()
        self.orders()
        figures = [
            Compared(name, str(source[name]), str(found[name]))
            for name in dict.fromkeys((*source, *found))
        ]
        was, became = self.sums
        figures += [
            Compared(name, plain(was[name]), plain(became[name]))
            for name in sorted({*was, *became})
        ]
        return Verification(self.plan, tuple(figures), tuple(self.mismatches))

    def differs(self, subject: str, id: str, field: str, expected: object, found: object) -> None:
        self.mismatches.append(Mismatch(subject, id, field, str(expected), str(found)))

    def compare(self, subject: str, id: str, pairs: Iterable[tuple[str, Any, Any]]) -> None:
        for field, expected, found in pairs:
            if expected != found:
                self.differs(subject, id, field, expected, found)

    def count(self, kind: str, source: int, found: int) -> None:
        self.counts[0][kind] += source
        self.counts[1][kind] += found

    # Who

    def party(self, party: PlannedParty) -> None:
        address = party.address
        known = self.target.store.known(address)
        self.count("parties", 1, known)
        if not known:
            self.differs("party", address, "directory", "there", "missing")
            return
        profile = self.target.profile(address)
        if party.has_profile:
            self.count("profiles", 1, profile is not None)
        if profile is None:
            self.differs("party", address, "profile", "there", "missing or malformed")
            return
        self.compare("party", address, [("address", address, profile.address)])
        made = self.target.journal.parties.get(address)
        # A profile that was there before the migration stays, whatever it says.
        if party.has_profile and made is not None and made.profile is not None:
            expected = party.profile
            self.compare(
                "party",
                address,
                [
                    ("display name", expected.display_name, profile.display_name),
                    ("created", expected.created, profile.created),
                ],
            )

    # What they haggled over

    def negotiations(self) -> None:
        planned = {one.path: one for one in self.plan.negotiations}
        settled = self.settled()
        everything: tuple[OldNamespace | OldNegotiation, ...] = (
            *self.plan.old.namespaces,
            *self.plan.old.negotiations,
        )
        for old in everything:
            one = planned.get(old.path)
            if one is None:
                continue
            places = self.places(one)
            self.count(kind_of(one), 1, len(places))
            if len(places) != 1:
                said = "missing" if not places else ", ".join(map(_where, places))
                self.differs("negotiation", one.legacy_id, "carried over", "once", said)
                self.count("offers made", one.offers, 0)
                continue
            snapshot = self.target.store.snapshot(places[0])
            linked = self.target.installation.linked(places[0], one.responder)
            if isinstance(old, OldNamespace):
                found, offers = compare_namespace(old, one, snapshot, self.now)
            else:
                found, offers = compare_negotiation(old, snapshot, self.now)
            self.mismatches += found
            self.count("offers made", one.offers, offers)
            if not linked:
                self.differs("negotiation", one.legacy_id, "link of its responder", "there", "none")
            if one.status == "accepted" and places[0].id in settled:
                self.differs("negotiation", one.legacy_id, "executed", "once", "once more since")

    def places(self, one: PlannedNegotiation) -> list[Namespace]:
        found = self.target.places(one.legacy_id, one.place.initiator, one.responder)
        if found or not self.plan.in_place or one.new is not None:
            return found
        # An original that lies in the data root itself has no mark.
        place = self.target.store.find(one.place.initiator, one.place.id)
        return [] if place is None else [place]

    def settled(self) -> set[str]:
        """Return the negotiations that were settled here, and not by the old program."""
        return {
            filed.transaction.negotiation_id
            for party in self.target.store.parties()
            for filed in self.target.store.transactions(party)[0]
            if filed.transaction.agreement_key is not None
        }

    # What they traded

    def transactions(self) -> None:
        planned = {(one.owner, one.key): one for one in self.plan.transactions}
        for old in self.plan.old.transactions:
            one = planned.get((old.owner, f"{old.side}:{old.id}"))
            # A second execution may share the id of the first, and is left out.
            if one is None or one.path != old.path:
                continue
            found = self.filed(one)
            self.count("transactions", 1, len(found))
            self.add_up(0, old.owner, old)
            for transaction in found:
                self.add_up(1, old.owner, transaction)
            if len(found) == 1:
                self.compare("transaction", old.id, _traded(old, found[0]))
            else:
                said = f"{len(found)} times" if found else "missing"
                self.differs("transaction", old.id, f"carried over at {old.owner}", "once", said)

    def filed(self, one: PlannedTransaction) -> list[Transaction]:
        found = self.target.transactions(one.owner).get((one.side, one.legacy_id), [])
        if not found and self.plan.in_place:
            found = [
                filed
                for filed in self.target.store.transactions(one.owner)[0]
                if filed.name == one.name
            ]
        return [filed.transaction for filed in found]

    def add_up(self, which: int, owner: Address, one: OldTransaction | Transaction) -> None:
        verb = (
            "bought"
            if (one.side if isinstance(one, OldTransaction) else one.type) == "buy"
            else "sold"
        )
        sums = self.sums[which]
        money = _EXACT.multiply(one.price, one.quantity)
        units, paid = f"{owner}: units {verb}", f"{owner}: money for units {verb}"
        sums[units] = _EXACT.add(sums[units], one.quantity)
        sums[paid] = _EXACT.add(sums[paid], money)

    # What they want

    def orders(self) -> None:
        planned = {(one.owner, one.key): one for one in self.plan.listings}
        for old in self.plan.old.orders:
            one = planned.get((old.owner, f"{old.kind}:{old.id}"))
            if one is not None:
                self.order(old, one)

    def order(self, old: OldOrder, one: PlannedListing) -> None:
        found = self.target.listings(one.owner).get(one.id)
        is_it = found is not None and found.extra.get(LEGACY_KIND) == old.kind
        self.count(ORDERS[old.kind], 1, is_it)
        if found is None or not is_it:
            self.differs("listing", old.id, f"carried over to {old.owner}", "once", "missing")
            return
        closed = found.status is ListingStatus.CLOSED
        self.compare(
            "listing",
            old.id,
            [
                ("author", old.owner, found.user),
                ("side", old.side, found.type),
                ("chemical", old.chemical, found.chemical),
                ("price", old.price, found.price),
                ("quantity", old.quantity, found.quantity),
                ("created", old.created_at, found.created),
                ("closed", closed, found.closed_at is not None),
            ],
        )


def _where(place: Namespace) -> str:
    return f"{place.id} at {place.initiator}"


def _traded(old: OldTransaction, found: Transaction) -> Iterator[tuple[str, Any, Any]]:
    yield "side", old.side, found.type
    yield "chemical", old.chemical, found.chemical
    yield "price", old.price, found.price
    yield "quantity", old.quantity, found.quantity
    yield "counterparty", old.counterparty, found.counterparty
    yield "time", old.timestamp, found.timestamp
