"""The merged view: what two state files say together.

Rules of the room:

- A `Snapshot` is two states that existed at the same moment; a `Negotiation` is what
  they mean at a given time. `view` is the only way from one to the other.
- Nothing is stored here and nothing decided: see `rules` and `outcome`.

Who may act follows from the last move. A *move* is an offer or an acceptance; the last
one lies on the table, and the other party is to answer it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.moves import Move as Move
from nom_negotiate.core.moves import moves_of
from nom_negotiate.core.outcome import Kind, Outcome
from nom_negotiate.core.snapshot import Problem as Problem
from nom_negotiate.core.snapshot import Snapshot as Snapshot
from nom_negotiate.core.state import Limits, PartyState, Reaction, ReadMark, Status
from nom_negotiate.core.terms import Role


class Phase(enum.StrEnum):
    """How far a negotiation has come."""

    INITIATED = "initiated"
    IN_PROGRESS = "in_progress"
    AGREED = "agreed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"

    @property
    def open(self) -> bool:
        """Return whether the parties may still act."""
        return self in (Phase.INITIATED, Phase.IN_PROGRESS)


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its author.

    Attributes:
        at: unix seconds.
        read: whether the other party has marked it as read.
    """

    by: Address
    at: int
    text: str
    read: bool = False


class Negotiation(msgspec.Struct, frozen=True, kw_only=True):
    """What two parties' states mean together at one time.

    Attributes:
        moves: offers and acceptances of both sides, oldest first.
        turn: who is to answer; None where the phase is not open or nobody has offered.
        created: unix seconds of the beginning.
        expires_at: unix seconds after which, with no further word, it expires.
        revisions: the revision of each party's own file; 0 where it has written none.
        agreed_at: unix seconds at which the later of two matching commitments was made.
        read: how far each party has read what the other said, where it has marked that.
        reactions: how each party likes what is offered, where it says so.
        listing: id of the initiator's listing that it answers; None for none.
    """

    id: str
    initiator: Address
    responder: Address | None
    chemical: str
    roles: Mapping[Address, Role | None]
    phase: Phase
    turn: Address | None
    moves: tuple[Move, ...]
    messages: tuple[Spoken, ...]
    created: int
    expires_at: int
    limits: Limits
    revisions: Mapping[Address, int]
    outcome: Outcome | None
    archived: bool
    agreed_at: int | None = None
    read: Mapping[Address, ReadMark] = msgspec.field(default_factory=dict)
    reactions: Mapping[Address, Reaction] = msgspec.field(default_factory=dict)
    listing: str | None = None

    @property
    def offers(self) -> tuple[Move, ...]:
        """Return the offers of both sides, oldest first, without acceptances."""
        return tuple(move for move in self.moves if not move.accepts)

    @property
    def on_table(self) -> Move | None:
        """Return the last move: what is to be answered."""
        return self.moves[-1] if self.moves else None

    @property
    def round(self) -> int:
        """Return the highest round so far, 0 before the first offer."""
        return max((move.round for move in self.moves), default=0)

    def said_to(self, party: Address) -> tuple[Spoken, ...]:
        """Return the messages that the counterparty of `party` has left, oldest first."""
        return tuple(message for message in self.messages if message.by != party)

    def unread(self, party: Address) -> int:
        """Return how many messages `party` has not marked as read.

        0 where it has ended: nothing is written there any more, so no mark could say otherwise.
        """
        if not self.phase.open:
            return 0
        return sum(not message.read for message in self.said_to(party))

    @property
    def buyer(self) -> Address | None:
        """Return the party that buys."""
        return next((a for a, role in self.roles.items() if role is Role.BUYER), None)

    @property
    def seller(self) -> Address | None:
        """Return the party that sells."""
        return next((a for a, role in self.roles.items() if role is Role.SELLER), None)


class Course(NamedTuple):
    """When it began and would end, and whether it was agreed in time: see `Negotiation`."""

    created: int
    expires_at: int
    limits: Limits
    agreed_at: int | None


def course_of(
    snapshot: Snapshot, defaults: Limits, moves: Callable[[], tuple[Move, ...]]
) -> Course:
    """Return the course that the states have taken, whatever time it is.

    Args:
        snapshot: two states of the same moment.
        defaults: the limits of a negotiation that says none itself.
        moves: returns `moves_of` the snapshot; mostly nobody has to ask.
    """
    opening = snapshot.opening
    limits = (opening.limits if opening else None) or defaults
    created = _created(snapshot, opening, moves)
    silent_since = max(created, _last_word(snapshot))
    expires_at = min(silent_since + limits.idle_s, created + limits.life_s)
    return Course(created, expires_at, limits, _agreed_at(snapshot, moves, created, limits))


def view(snapshot: Snapshot, now: int, defaults: Limits) -> Negotiation:
    """Return what the snapshot means at `now`.

    Args:
        snapshot: two states of the same moment.
        now: unix seconds.
        defaults: the limits of a negotiation that says none itself.
    """
    snapshot = snapshot.as_of(now)
    moves = moves_of(snapshot)
    created, expires_at, limits, agreed_at = course_of(snapshot, defaults, lambda: moves)
    phase = _phase(snapshot, moves, agreed_at, expires_at, now)
    parties = [snapshot.initiator] + ([snapshot.responder] if snapshot.responder else [])
    turn = snapshot.other(moves[-1].by) if moves and phase.open else None
    return Negotiation(
        id=snapshot.id,
        initiator=snapshot.initiator,
        responder=snapshot.responder,
        chemical=next((s.chemical for s in snapshot.states.values()), ""),
        roles={party: snapshot.role(party) for party in parties},
        phase=phase,
        turn=turn,
        moves=moves,
        messages=_messages(snapshot),
        created=created,
        expires_at=expires_at,
        limits=limits,
        revisions={
            party: snapshot.states[party].revision if party in snapshot.states else 0
            for party in parties
        },
        outcome=snapshot.outcome,
        archived=snapshot.archived,
        agreed_at=agreed_at,
        read={s.user: s.read for s in snapshot.states.values() if s.read is not None},
        reactions={s.user: s.reaction for s in snapshot.states.values() if s.reaction is not None},
        listing=snapshot.listing,
    )


def _messages(snapshot: Snapshot) -> tuple[Spoken, ...]:
    said = [
        Spoken(
            by=state.user,
            at=message.timestamp,
            text=message.text,
            read=mark is not None and mark.covers(number, message),
        )
        for state in snapshot.states.values()
        for mark in (_mark_of(snapshot, state),)
        for number, message in enumerate(state.messages)
    ]
    said.sort(key=lambda spoken: spoken.at)
    return tuple(said)


def _mark_of(snapshot: Snapshot, state: PartyState) -> ReadMark | None:
    """Return how far the counterparty has read what `state` says."""
    reader = next((other for other in snapshot.states.values() if other is not state), None)
    return None if reader is None else reader.read


def _created(
    snapshot: Snapshot, opening: PartyState | None, moves: Callable[[], tuple[Move, ...]]
) -> int:
    if opening is not None and opening.created is not None:
        return opening.created
    times = [move.at for move in moves()] + [s.last_updated for s in snapshot.states.values()]
    return min(times, default=0)


def _last_word(snapshot: Snapshot) -> int:
    return max([state.last_updated for state in snapshot.states.values()], default=0)


def _agreed_at(
    snapshot: Snapshot, moves: Callable[[], tuple[Move, ...]], created: int, limits: Limits
) -> int | None:
    """Return when both committed to the same key, or None where they did not, or too late.

    What counts is when the later commitment was written: an agreement made in time stands,
    however late it is found.
    """
    if snapshot.responder is None or len(snapshot.states) != 2 or not snapshot.decidable:
        return None
    one, other = snapshot.states.values()
    agreed = _commitment(snapshot, one)
    if agreed is None or agreed != _commitment(snapshot, other):
        return None
    # The order of the moves, not of the clocks: whoever accepts may have a clock that is behind.
    if _accepts_last(other, one):
        first, second = one, other
    elif _accepts_last(one, other):
        first, second = other, one
    else:
        last = {move.by: number for number, move in enumerate(moves())}
        first, second = sorted((one, other), key=lambda state: last.get(state.user, -1))
    at = second.committed_at
    lapses = [s.offer.valid_until for s in (first, second) if s.offer is not None]
    # Silence does not begin before the negotiation: a migrated one has older offers.
    silent_since = max([created, *(time for time in _words(snapshot) if time < at)])
    end = min(
        created + limits.life_s,
        silent_since + limits.idle_s,
        *(time for time in lapses if time is not None),
    )
    return at if at <= end else None


def _accepts_last(state: PartyState, other: PartyState) -> bool:
    """Return whether `state` accepts the last offer of all, by the rounds that both count."""
    mine, theirs = state.offer, other.offer
    if None in (state.schema, other.schema) or mine is None or theirs is None:
        return False
    last = theirs.round
    return (
        last is not None
        and mine.accepts
        and mine.round == last
        and not theirs.accepts
        and all(
            past.round is not None and past.round < last
            for past in (*state.history, *other.history)
        )
    )


def _commitment(snapshot: Snapshot, state: PartyState) -> tuple[object, ...] | None:
    """Return what the key of a party's commitment is over, None where it is committed to nothing.

    Two of them are equal exactly where their keys are.
    """
    role, other, offer = snapshot.role(state.user), snapshot.other(state.user), state.offer
    if state.status is not Status.AGREED or offer is None or role is None or other is None:
        return None
    buyer, seller = (state.user, other) if role is Role.BUYER else (other, state.user)
    return buyer, seller, state.negotiation_id, state.chemical, offer.terms


def _words(snapshot: Snapshot) -> list[int]:
    return [
        time
        for state in snapshot.states.values()
        for time in (
            state.last_updated,
            *(past.timestamp for past in state.history),
            *(message.timestamp for message in state.messages),
            *((state.offer.timestamp,) if state.offer is not None else ()),
        )
    ]


def _phase(
    snapshot: Snapshot,
    moves: tuple[Move, ...],
    agreed_at: int | None,
    expires_at: int,
    now: int,
) -> Phase:
    if snapshot.outcome is not None:
        return Phase(snapshot.outcome.outcome.value)
    if agreed_at is not None:
        return Phase.AGREED
    ending = ended_by(snapshot, moves)
    if ending is not None:
        return Phase(ending[1].value)
    if now > expires_at:
        return Phase.EXPIRED
    # A state without a word in it (a migrated party that never answered) does not count.
    spoken = {state.user for state in snapshot.states.values() if state.offer or state.messages}
    return Phase.IN_PROGRESS if len(spoken) > 1 else Phase.INITIATED


def ended_by(snapshot: Snapshot, moves: tuple[Move, ...]) -> tuple[PartyState, Kind] | None:
    """Return the state that ended the negotiation and how, or None while nobody has.

    Its author says whether it is withdrawn or rejected: a word of the other side may have
    crossed. Where the author does not say, who made the last move withdraws, and who received
    it rejects; an acceptance that came after the end does not count then. Where both ended it,
    the earlier one counts; in the same second, the initiator's.
    """
    endings = [s for s in snapshot.states.values() if s.status is Status.REJECTED]
    if not endings:
        return None
    state = min(endings, key=lambda s: (s.last_updated, s.user != snapshot.initiator))
    withdrawn = state.withdrawn
    if withdrawn is None:
        made = list(moves)
        while made and made[-1].accepts and made[-1].at > state.last_updated:
            made.pop()
        withdrawn = bool(made) and made[-1].by == state.user
    return state, Kind.WITHDRAWN if withdrawn else Kind.REJECTED
