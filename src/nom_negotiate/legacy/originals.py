"""From a namespace of L5, the original of our own layout, to the negotiation that it becomes.

Rules of the room:

- Pure. The same namespace, id and time give the same bytes.
- A namespace that leaves open who trades what with whom is refused, with the reason. A role
  that only one party states is inferred for the other.
- Who offered what in which order, and who accepted or ended it, is what the merged view makes
  of such files wherever they lie.
- Each party said in its own file whether it had agreed, so that is kept as it is: there an
  indicative offer stays indicative, and a firm one firm.
- Two parties that had agreed on the same terms have a deal. Where it was executed, it is
  archived as such. Where it was not, it goes on as agreed: the next poll settles it, as the
  old poller would have. The original knew no expiry, so the acceptance counts from the
  migration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.moves import moves_of
from nom_negotiate.core.negotiation import Move, Snapshot, ended_by
from nom_negotiate.core.outcome import Kind
from nom_negotiate.core.state import STATE_SCHEMA, Limits, Offer, PartyState, Status
from nom_negotiate.core.terms import Role
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.records import OldNamespace, OldState
from nom_negotiate.legacy.records import Status as OldStatus
from nom_negotiate.legacy.states import Draft, Ending, keyed
from nom_negotiate.legacy.target import mark


@dataclass(frozen=True, slots=True)
class Original:
    """A namespace of which it is known who trades what with whom.

    Attributes:
        roles: of both parties.
        states: of those who wrote one.
        moves: offers and acceptances, oldest first.
        agreed: whether both are committed to the same terms.
        ended: when, by whom and how it was ended; None where it was not.
    """

    old: OldNamespace
    initiator: Address
    responder: Address
    chemical: str
    roles: Mapping[Address, Role]
    states: Mapping[Address, OldState]
    moves: tuple[Move, ...]
    agreed: bool
    ended: Ending | None

    @property
    def created_at(self) -> int:
        """Return when it was first spoken in, in unix seconds."""
        times = [state.last_updated for state in self.states.values()]
        times += [s.offered_at for s in self.states.values() if s.offered_at is not None]
        return min(times)

    @property
    def status(self) -> OldStatus:
        """Return what it is in the words of the other generations, unless it was executed."""
        return "pending" if self.ended is None else "rejected"


def judge(old: OldNamespace) -> Original:
    """Return who trades what with whom in a namespace.

    Raises:
        Refused: where its files do not say, or contradict each other.
    """
    states = {state.user: state for state in old.states}
    if not states:
        raise Refused("an empty namespace: no state file in it can be read")
    if old.responder is None:
        raise Refused("neither a state file nor a link says who the other party is")
    if old.responder == old.initiator:
        raise Refused("both parties are the same")
    chemicals = {state.chemical for state in old.states if state.chemical is not None}
    if len(chemicals) != 1:
        found = " and ".join(sorted(chemicals)) or "none"
        raise Refused(f"expected one chemical in its state files, found {found}")
    if any(state.status == "agreed" and state.price is None for state in old.states):
        raise Refused("a state file says agreed and has no offer")
    roles = _roles(old, old.responder)
    chemical = chemicals.pop()
    snapshot = _snapshot(old, old.responder, chemical)
    moves = moves_of(snapshot)
    if not moves:
        raise Refused("nobody has made an offer in it")
    firm = [move for move in moves if move.firm]
    return Original(
        old=old,
        initiator=old.initiator,
        responder=old.responder,
        chemical=chemical,
        roles=roles,
        states=states,
        moves=moves,
        agreed=len(firm) == 2 and firm[0].terms == firm[1].terms,
        ended=_ended(snapshot, moves),
    )


def _snapshot(old: OldNamespace, responder: Address, chemical: str) -> Snapshot:
    states = {
        state.user: PartyState(
            schema=None,
            negotiation_id=old.id,
            user=state.user,
            counterparty=None,
            role=None if state.role is None else Role(state.role),
            chemical=chemical,
            offer=None
            if state.price is None or state.quantity is None
            else Offer(
                price=state.price,
                quantity=state.quantity,
                timestamp=_offered_at(state),
            ),
            status=Status(state.status),
            last_updated=state.last_updated,
        )
        for state in old.states
    }
    return Snapshot(
        id=old.id, initiator=old.initiator, responder=responder, states=states, digests={}
    )


def _offered_at(state: OldState) -> int:
    return state.last_updated if state.offered_at is None else state.offered_at


def _roles(old: OldNamespace, responder: Address) -> dict[Address, Role]:
    said = {state.user: Role(state.role) for state in old.states if state.role is not None}
    if not said:
        raise Refused("no state file says who buys and who sells")
    if len(said) == 2 and len(set(said.values())) == 1:
        raise Refused(f"both parties say that they are the {next(iter(said.values()))}")
    pair = (old.initiator, responder)
    known = next(party for party in pair if party in said)
    return {party: said[known] if party == known else said[known].other for party in pair}


def _ended(snapshot: Snapshot, moves: tuple[Move, ...]) -> Ending | None:
    found = ended_by(snapshot, moves)
    if found is None:
        return None
    state, kind = found
    return Ending(kind, state.last_updated, by=state.user)


def draft(
    original: Original, id: str, now: int, limits: Limits, executed_at: int | None = None
) -> Draft:
    """Return what a namespace becomes.

    Args:
        original: the namespace.
        id: the one it will have.
        now: unix seconds of the migration.
        limits: how long it may last if it goes on.
        executed_at: unix seconds at which its deal was executed; None where it was not.
    """
    live = executed_at is None and original.ended is None
    states = [_state(original, party, id, now, limits, live) for party in original.roles]
    initiator, responder = states
    about = mark(id=original.old.id)
    return Draft((initiator, responder), _ending(original, executed_at), about)


def _ending(original: Original, executed_at: int | None) -> Ending | None:
    if executed_at is None:
        return original.ended
    return Ending(Kind.AGREED, executed_at, terms=original.moves[-1].terms)


def _state(
    original: Original, party: Address, id: str, now: int, limits: Limits, live: bool
) -> PartyState:
    old = original.states.get(party)
    first = party == original.initiator
    about: dict[str, Any] = {"id": original.old.id, "generation": "L5"}
    if old is not None:
        about["updated"] = old.last_updated
    said = original.created_at if old is None else old.last_updated
    latest = max(now, *(_offered_at(state) for state in original.states.values()))
    offer = _offer(original, party, latest if live else None)
    return keyed(
        PartyState(
            schema=STATE_SCHEMA,
            negotiation_id=id,
            user=party,
            counterparty=original.responder if first else original.initiator,
            role=original.roles[party],
            chemical=original.chemical,
            offer=offer,
            status=Status.PENDING if old is None else Status(old.status),
            last_updated=latest if live else said,
            revision=0 if offer is None else 1,
            created=(latest if live else original.created_at) if first else None,
            limits=limits if first else None,
            extra=mark(**about),
        )
    )


def _offer(original: Original, party: Address, renewed_at: int | None) -> Offer | None:
    move = next((move for move in original.moves if move.by == party), None)
    if move is None:
        # Nothing offered; or the other side's terms, copied to turn them down.
        return None
    old = original.states[party]
    offer = Offer(
        price=move.price,
        quantity=move.quantity,
        timestamp=old.last_updated if move.accepts else _offered_at(old),
        round=move.round,
        accepts=move.accepts,
    )
    if move.accepts and renewed_at is not None:
        extra = mark(at=offer.timestamp)
        return msgspec.structs.replace(offer, timestamp=renewed_at, extra=extra)
    return offer
