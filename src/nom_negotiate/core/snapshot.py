"""What a namespace held at one moment, and what was stepped over in it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nom_negotiate.core.evidence import ahead
from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.state import PartyState
from nom_negotiate.core.terms import Role


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the data root that was reported and stepped over.

    Attributes:
        path: relative to the data root.
        reason: what was expected, what was found, and what to do.
    """

    path: str
    reason: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a namespace held at one moment.

    Attributes:
        id: the name of the namespace.
        initiator: the party whose directory holds it.
        responder: None where no file says yet who it is.
        states: the state of each party that has written one, by address.
        digests: sha256 of the bytes of each of those states, lower-case hex.
        outcome: the decision, once there is one.
        problems: files that were stepped over. Where one of them might change what the
            parties say, `decidable` is false.
        archived: true once it has been moved to the archive.
        paths: where each of those states was found, relative to the data root.
    """

    id: str
    initiator: Address
    responder: Address | None
    states: Mapping[Address, PartyState]
    digests: Mapping[Address, str]
    outcome: Outcome | None = None
    problems: tuple[Problem, ...] = ()
    decidable: bool = True
    archived: bool = False
    paths: Mapping[Address, str] = msgspec.field(default_factory=dict)

    def as_of(self, now: int) -> Snapshot:
        """Return what of it counts at `now` (unix seconds); of the same moment, the same again.

        A state that speaks from the future is a problem, and decides nothing until then.
        """
        if self.outcome is not None:
            return self
        early = []
        for party, state in self.states.items():
            reason = ahead(state, now)
            if reason is not None:
                early.append(Problem(path=self.paths.get(party, self.id), reason=reason))
        if not early or set(early) <= set(self.problems):
            return self
        return msgspec.structs.replace(self, problems=(*self.problems, *early), decidable=False)

    def concerns(self, party: Address) -> bool:
        """Return whether `party` is one of the two, or may be: where nobody said who is."""
        return party == self.initiator or self.responder in (None, party)

    def other(self, party: Address) -> Address | None:
        """Return the counterparty of `party`."""
        return self.responder if party == self.initiator else self.initiator

    @property
    def opening(self) -> PartyState | None:
        """Return the state that says when it began, and how long it may last.

        The initiator's; or the responder's, where that one answers a listing and so has spoken
        first. None where nobody says so.
        """
        own = self.states.get(self.initiator)
        if own is not None and own.created is not None:
            return own
        theirs = self._responders()
        if theirs is not None and theirs.listing is not None and theirs.created is not None:
            return theirs
        return own

    @property
    def listing(self) -> str | None:
        """Return the id of the initiator's listing that this answers, None for none.

        What the initiator says counts: it is its own listing. The responder's word does where
        the initiator has not spoken yet, or writes the original format, which has no word for it.
        """
        own = self.states.get(self.initiator)
        if own is not None and own.schema is not None:
            return own.listing
        theirs = self._responders()
        return None if theirs is None else theirs.listing

    def _responders(self) -> PartyState | None:
        return None if self.responder is None else self.states.get(self.responder)

    def role(self, party: Address) -> Role | None:
        """Return the role of `party`: its own word, else the opposite of the other's."""
        own = self.states.get(party)
        if own is not None and own.role is not None:
            return own.role
        other = self.other(party)
        theirs = None if other is None else self.states.get(other)
        return theirs.role.other if theirs is not None and theirs.role is not None else None
