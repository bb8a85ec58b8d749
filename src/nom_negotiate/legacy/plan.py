"""What a migration would add to a data root, thing by thing, and what it leaves out and why.

Rules of the room:

- Planning changes nothing, not even by taking a lock or making the data root.
- What is there already stays as it is, and is planned as such: a plan after a run has nothing
  to do. The ids of what was carried over before are kept; the others are given in the order of
  creation, so that a run that was killed gives the same ones when it is repeated.
- Whatever cannot become ours is left out with a reason, and stops nothing else.
- Every file is decoded once by those who will read it, before anybody writes it.
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from dataclasses import dataclass

from nom_negotiate.core.identity import Address
from nom_negotiate.core.party import Profile
from nom_negotiate.legacy.records import Generation, OldData, Subject
from nom_negotiate.legacy.records import Kind as OrderKind
from nom_negotiate.legacy.records import Side as OldSide
from nom_negotiate.legacy.records import Status as OldStatus
from nom_negotiate.store.files.installation import NewFile, NewNamespace, NewOutcome, NewParty
from nom_negotiate.store.port import Namespace


@dataclass(frozen=True, slots=True)
class PlannedParty:
    """Somebody whom the old data name.

    Attributes:
        profile: what the old data say of them, as it will lie in the data root.
        new: what to add; None where nothing is missing.
        has_profile: whether the old data have a profile of them.
        keeps_profile: whether there is one in the data root already, which stays.
    """

    profile: Profile
    new: NewParty | None
    has_profile: bool
    keeps_profile: bool

    @property
    def address(self) -> Address:
        """Return whose it is."""
        return self.profile.address

    @property
    def there(self) -> bool:
        """Return whether nothing of it is to be added."""
        return self.new is None


@dataclass(frozen=True, slots=True)
class PlannedNegotiation:
    """An old negotiation.

    Attributes:
        place: where it is, or will be.
        status: what it was. An agreed namespace of L5 that was never executed is pending.
        turn: who is to answer; None where it has ended.
        new: what to add; None where it is there.
        unlinked: whether it is there and its responder's link is not.
        path: in the source.
    """

    legacy_id: str
    generation: Generation
    place: Namespace
    responder: Address
    chemical: str
    status: OldStatus
    offers: int
    turn: Address | None
    new: NewNamespace | NewOutcome | None
    unlinked: bool
    path: str

    @property
    def there(self) -> bool:
        """Return whether nothing of it is to be added."""
        return self.new is None and not self.unlinked


@dataclass(frozen=True, slots=True)
class PlannedTransaction:
    """One side of an old trade.

    Attributes:
        key: what it was before, unique for its owner.
        new: what to add; None where it is there.
    """

    legacy_id: str
    owner: Address
    side: OldSide
    name: str
    key: str
    new: NewFile | None
    path: str

    @property
    def there(self) -> bool:
        """Return whether nothing of it is to be added."""
        return self.new is None


@dataclass(frozen=True, slots=True)
class PlannedListing:
    """An old standing order.

    Attributes:
        new: what to add; None where it is there.
    """

    id: str
    owner: Address
    kind: OrderKind
    new: NewFile | None
    path: str

    @property
    def there(self) -> bool:
        """Return whether nothing of it is to be added."""
        return self.new is None

    @property
    def key(self) -> str:
        """Return what it was before, unique for its owner."""
        return f"{self.kind}:{self.id}"


Planned = PlannedParty | PlannedNegotiation | PlannedTransaction | PlannedListing


@dataclass(frozen=True, slots=True)
class Left:
    """Something of the old data that is not carried over.

    Attributes:
        subject: what it is or would have become.
        id: where it has one.
        path: in the source.
        reason: why.
        kind: which row of the figures it belongs to; None for what became no record at all.
    """

    subject: Subject
    path: str
    reason: str
    id: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something that is carried over, and that an operator should know of."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a plan: how much of one kind there is, and what becomes of it."""

    name: str
    source: int
    new: int
    there: int
    left: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a migration would do.

    Attributes:
        old: the source, as read.
        in_place: whether the source is the data root itself.
        at: unix seconds for which it was made.
        resumes: whether an earlier run from this source has not come to its end.
    """

    old: OldData
    in_place: bool
    at: int
    parties: tuple[PlannedParty, ...] = ()
    negotiations: tuple[PlannedNegotiation, ...] = ()
    transactions: tuple[PlannedTransaction, ...] = ()
    listings: tuple[PlannedListing, ...] = ()
    left: tuple[Left, ...] = ()
    notes: tuple[Note, ...] = ()
    resumes: bool = False

    @property
    def unreadable(self) -> int:
        """Return how much of the source became no record; it is a part of `left`."""
        return sum(one.kind is None for one in self.left)

    @property
    def things(self) -> tuple[Planned, ...]:
        """Return everything, in the order in which it is added: what goes on comes last."""
        ended = sorted(self.negotiations, key=lambda one: one.status == "pending")
        return (*self.parties, *self.listings, *self.transactions, *ended)

    @property
    def todo(self) -> int:
        """Return how many things are to be added."""
        return sum(not one.there for one in self.things)

    def figures(self) -> tuple[Figure, ...]:
        """Return how much of each kind there is, and what becomes of it."""
        left = collections.Counter(one.kind for one in self.left if one.kind is not None)
        named = [(kind_of(one), one.there) for one in self.things]
        there = collections.Counter(kind for kind, is_there in named if is_there)
        new = collections.Counter(kind for kind, is_there in named if not is_there)
        return tuple(
            Figure(kind, new[kind] + there[kind] + left[kind], new[kind], there[kind], left[kind])
            for kind in KINDS
        )


KINDS = (
    "parties",
    "pending negotiations",
    "accepted negotiations",
    "rejected negotiations",
    "transactions",
    "offers to sell",
    "buy orders",
    "advertisements",
)

ORDERS: Mapping[OrderKind, str] = {
    "offer": "offers to sell",
    "buy_order": "buy orders",
    "ad": "advertisements",
}


def kind_of(one: Planned) -> str:
    """Return which row of the figures a thing belongs to."""
    match one:
        case PlannedParty():
            return "parties"
        case PlannedNegotiation():
            return f"{one.status} negotiations"
        case PlannedTransaction():
            return "transactions"
        case PlannedListing():
            return ORDERS[one.kind]
