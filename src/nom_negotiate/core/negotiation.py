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
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Kind, Outcome
from nom_negotiate.core.state import Limits, Message, Offer, PartyState, PastOffer, Status
from nom_negotiate.core.terms import Role, Terms


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
        problems: files that were stepped over. Where there are any, `decidable` is false.
        archived: true once it has been moved to the archive.
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

    def other(self, party: Address) -> Address | None:
        """Return the counterparty of `party`."""
        return self.responder if party == self.initiator else self.initiator

    def role(self, party: Address) -> Role | None:
        """Return the role of `party`: its own word, else the opposite of the other's."""
        own = self.states.get(party)
        if own is not None and own.role is not None:
            return own.role
        other = self.other(party)
        theirs = None if other is None else self.states.get(other)
        return theirs.role.other if theirs is not None and theirs.role is not None else None


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


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the haggling: an offer, or the acceptance of one.

    Attributes:
        by: who made it.
        round: 1 for the first offer; an acceptance carries the round that it accepts.
        firm: true where its author is committed by it alone.
        at: unix seconds.
        accepts: true for an acceptance.
        valid_until: unix seconds; None for no limit.
        reason: why the offer before it was turned down.
    """

    by: Address
    round: int
    price: Decimal
    quantity: Decimal
    firm: bool
    at: int
    accepts: bool = False
    valid_until: int | None = None
    reason: str | None = None

    @property
    def terms(self) -> Terms:
        """Return price and quantity."""
        return Terms(price=self.price, quantity=self.quantity)

    def lapsed(self, now: int) -> bool:
        """Return whether it can no longer be accepted at `now`."""
        return self.valid_until is not None and now > self.valid_until


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A message with its author."""

    by: Address
    at: int
    text: str


class Negotiation(msgspec.Struct, frozen=True, kw_only=True):
    """What two parties' states mean together at one time.

    Attributes:
        moves: offers and acceptances of both sides, oldest first.
        turn: who is to answer; None where the phase is not open or nobody has offered.
        created: unix seconds of the beginning.
        expires_at: unix seconds after which, with no further word, it expires.
        revisions: the revision of each party's own file; 0 where it has written none.
        agreed_at: unix seconds at which the later of two matching commitments was made.
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

    @property
    def buyer(self) -> Address | None:
        """Return the party that buys."""
        return next((a for a, role in self.roles.items() if role is Role.BUYER), None)

    @property
    def seller(self) -> Address | None:
        """Return the party that sells."""
        return next((a for a, role in self.roles.items() if role is Role.SELLER), None)


def view(snapshot: Snapshot, now: int, defaults: Limits) -> Negotiation:
    """Return what the snapshot means at `now`.

    Args:
        snapshot: two states of the same moment.
        now: unix seconds.
        defaults: the limits of a negotiation that says none itself.
    """
    initiators = snapshot.states.get(snapshot.initiator)
    limits = (initiators.limits if initiators else None) or defaults
    moves = _moves(snapshot)
    created = _created(snapshot, moves)
    expires_at = min(_last_word(snapshot) + limits.idle_s, created + limits.life_s)
    agreed_at = _agreed_at(snapshot, moves, created, limits)
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
    )


def _moves(snapshot: Snapshot) -> tuple[Move, ...]:
    said = [
        (state.user, offer, status)
        for state in snapshot.states.values()
        for offer, status in (
            *((past, past.status) for past in state.history),
            *(((state.offer, _said_with(state)),) if state.offer is not None else ()),
        )
    ]
    if any(offer.round is None for _, offer, _ in said):
        return _number(snapshot, said)
    said.sort(key=lambda s: (s[1].round, s[1].accepts, s[1].timestamp, s[0] != snapshot.initiator))
    return tuple(_move(by, o, status, o.round or 0, o.accepts) for by, o, status in said)


def _said_with(state: PartyState) -> Status:
    # A rejected state keeps its author's last offer, and no longer tells whether that was
    # firm; it binds nobody any more.
    return Status.PENDING if state.status is Status.REJECTED else state.status


def _number(snapshot: Snapshot, said: list[tuple[Address, Offer, Status]]) -> tuple[Move, ...]:
    # The original format has neither rounds nor a mark on an acceptance: the order of time
    # gives the rounds, and the same terms from the other side, agreed, are an acceptance.
    said.sort(key=lambda s: (s[1].timestamp, s[1].accepts, s[0] != snapshot.initiator))
    moves: list[Move] = []
    for by, offer, status in said:
        last = moves[-1] if moves else None
        accepts = offer.accepts or (
            last is not None
            and status is Status.AGREED
            and last.by != by
            and last.terms == offer.terms
            and not isinstance(offer, PastOffer)
        )
        number = (last.round if last else 0) + (0 if accepts and last else 1)
        moves.append(_move(by, offer, status, number, accepts))
    return tuple(moves)


def _move(by: Address, offer: Offer, status: Status, number: int, accepts: bool) -> Move:
    return Move(
        by=by,
        round=number,
        price=offer.price,
        quantity=offer.quantity,
        firm=status is Status.AGREED,
        at=offer.timestamp,
        accepts=accepts,
        valid_until=offer.valid_until,
        reason=offer.reason,
    )


def _messages(snapshot: Snapshot) -> tuple[Spoken, ...]:
    said: list[tuple[Address, Message]] = [
        (state.user, message) for state in snapshot.states.values() for message in state.messages
    ]
    said.sort(key=lambda pair: pair[1].timestamp)
    return tuple(Spoken(by=by, at=m.timestamp, text=m.text) for by, m in said)


def _created(snapshot: Snapshot, moves: tuple[Move, ...]) -> int:
    initiators = snapshot.states.get(snapshot.initiator)
    if initiators is not None and initiators.created is not None:
        return initiators.created
    times = [move.at for move in moves] + [s.last_updated for s in snapshot.states.values()]
    return min(times, default=0)


def _last_word(snapshot: Snapshot) -> int:
    return max((state.last_updated for state in snapshot.states.values()), default=0)


def _agreed_at(
    snapshot: Snapshot, moves: tuple[Move, ...], created: int, limits: Limits
) -> int | None:
    """Return when both committed to the same key, or None where they did not, or too late.

    What counts is when the later commitment was written: an agreement made in time stands,
    however late it is found.
    """
    if snapshot.responder is None or len(snapshot.states) != 2 or not snapshot.decidable:
        return None
    first, second = sorted(snapshot.states.values(), key=lambda state: state.committed_at)
    keys = [_key(snapshot, state) for state in (first, second)]
    if keys[0] is None or keys[0] != keys[1]:
        return None
    at = second.committed_at
    lapses = [s.offer.valid_until for s in (first, second) if s.offer is not None]
    earlier = [time for time in _words(snapshot) if time < at] or [at]
    end = min(
        created + limits.life_s,
        max(earlier) + limits.idle_s,
        *(time for time in lapses if time is not None),
    )
    return at if at <= end else None


def _key(snapshot: Snapshot, state: PartyState) -> str | None:
    role, other = snapshot.role(state.user), snapshot.other(state.user)
    return None if role is None or other is None else state.commitment_key(role, other)


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

    Who made the last move withdraws, who received it rejects. Where both ended it, the
    earlier one counts; in the same second, the initiator's.
    """
    endings = [s for s in snapshot.states.values() if s.status is Status.REJECTED]
    if not endings:
        return None
    state = min(endings, key=lambda s: (s.last_updated, s.user != snapshot.initiator))
    withdrawn = bool(moves) and moves[-1].by == state.user
    return state, Kind.WITHDRAWN if withdrawn else Kind.REJECTED
