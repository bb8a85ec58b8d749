"""What one reader has found: the tray between the readers and the merge.

Rules of the room:

- Every reader fills one `Part` and returns it. It is the only thing in this package that
  changes, and nobody keeps it after the merge.
- Events stay events here: orders and profiles are reduced over all generations at once,
  because a later generation may withdraw what an earlier one listed.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.records import (
    Counts,
    Generation,
    OldNamespace,
    OldNegotiation,
    OldReaction,
    OldTransaction,
    Subject,
    Unreadable,
)

BEFORE_EVENTS = Decimal(-1)
"""The time of what L1 lists: it was there before the first event."""


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """A change of the standing orders.

    Attributes:
        at: unix seconds, exact; orders the events of different generations.
        team: who sent it, unchecked.
    """

    at: Decimal
    type: str
    payload: dict[str, Any]
    team: Any
    generation: Generation
    path: str


@dataclass(frozen=True, slots=True)
class ProfileFact:
    """What one file says about a team: a name, a time of creation, or neither."""

    at: Decimal
    address: Address
    display_name: str | None
    created_at: int | None
    path: str


@dataclass(slots=True)
class Part:
    """The finds of one generation.

    Attributes:
        reasons: why negotiations were rejected, by id.
        reactions: the latest of each team, by id of the negotiation.
        events: in the order in which they are to be reduced.
    """

    generation: Generation
    negotiations: list[OldNegotiation] = field(default_factory=list)
    transactions: list[OldTransaction] = field(default_factory=list)
    namespaces: list[OldNamespace] = field(default_factory=list)
    events: list[OrderEvent] = field(default_factory=list)
    profiles: list[ProfileFact] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    reactions: dict[tuple[str, Address], OldReaction] = field(default_factory=dict)
    unreadable: list[Unreadable] = field(default_factory=list)
    tally: collections.Counter[str] = field(default_factory=collections.Counter)

    def refuse(self, path: str, why: Refused | str, subject: Subject = "source") -> None:
        """Note that what is at `path` became no record."""
        self.unreadable.append(Unreadable(path, str(why), subject))

    def counts(self) -> Counts:
        """Return the tally as a record."""
        return Counts(**self.tally)

    def addresses(self) -> set[Address]:
        """Return everybody who is named in here."""
        found = {fact.address for fact in self.profiles}
        for negotiation in self.negotiations:
            found |= {negotiation.initiator, negotiation.responder}
        for transaction in self.transactions:
            found |= {transaction.owner, transaction.counterparty}
        return found
