"""What a party's file cannot rightly say, and whether an outcome follows from the files.

Rules of the room:

- Nothing that this library writes, and nothing that a client of the original format writes,
  is doubted here. Clocks that differ by `CLOCK_S` are not doubted either.
- A doubt is a reason in words; what follows from it is for others to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Deal, Kind, Outcome
from nom_negotiate.core.state import Offer, PartyState
from nom_negotiate.core.terms import Role

CLOCK_S: Final = 2 * 24 * 3600
"""How far the clocks of two hosts, or of one before and after a jump, may lie apart."""

REWRITE: Final = "let its author write it again, or move it away"


def ahead(state: PartyState, now: int) -> str | None:
    """Return why a state that speaks from the future cannot count at `now`, or None.

    It could neither expire nor be late.
    """
    latest = _latest(state)
    if latest <= now + CLOCK_S:
        return None
    return (
        f"speaks of {_date(latest)}, more than two days ahead of the clock here ({_date(now)});"
        f" set the clock of its author right, and {REWRITE}"
    )


def _latest(state: PartyState) -> int:
    latest, created, offer = state.last_updated, state.created, state.offer
    if created is not None and created > latest:
        latest = created
    if offer is not None and offer.timestamp > latest:
        latest = offer.timestamp
    for past in state.history:
        if past.timestamp > latest:
            latest = past.timestamp
    for message in state.messages:
        if message.timestamp > latest:
            latest = message.timestamp
    return latest


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def dated_back(state: PartyState, other: PartyState) -> str | None:
    """Return why an acceptance cannot be as old as it says, or None.

    One that is dated long before the offer that it accepts would be in time whenever it was
    written.
    """
    accepted = _accepted(state)
    if accepted is None:
        return None
    offered = [
        offer.timestamp
        for offer in _offers(other)
        if offer.round == accepted.round and not offer.accepts
    ]
    if not offered or accepted.timestamp >= min(offered) - CLOCK_S:
        return None
    return (
        f"accepts on {_date(accepted.timestamp)} what was offered on {_date(min(offered))};"
        f" {REWRITE}"
    )


def gone_back(state: PartyState, other: PartyState) -> str | None:
    """Return why a state must be older than one that its author wrote before, or None.

    The counterparty has accepted a round in which nobody has made an offer: it had seen one. A
    program that counts no rounds is not doubted.
    """
    accepted = _accepted(other)
    if accepted is None or state.schema is None:
        return None
    rounds = [offer.round for offer in (*_offers(state), *_offers(other)) if not offer.accepts]
    if None in rounds or accepted.round is None:
        return None
    latest = max((number for number in rounds if number is not None), default=0)
    if accepted.round <= latest:
        return None
    return (
        f"has gone back to round {latest}: {other.user} accepted round {accepted.round}; {REWRITE}"
    )


def miscounted(state: PartyState) -> str | None:
    """Return why the revision cannot be right, or None: each change says one thing at most."""
    said = len(state.history) + len(state.messages)
    if state.schema is None or said <= state.revision:
        return None
    return (
        f"says {said} things before its offer and is only at revision {state.revision}; add one"
        " to the revision with each change, or let its author write it again"
    )


def accepts(state: PartyState) -> bool:
    """Return whether a party says that it has accepted a certain offer."""
    return state.offer is not None and state.offer.accepts and state.schema is not None


def _accepted(state: PartyState) -> Offer | None:
    return state.offer if accepts(state) else None


def _offers(state: PartyState) -> tuple[Offer, ...]:
    return (*state.history, *(() if state.offer is None else (state.offer,)))


def borne_out(
    outcome: Outcome, states: Mapping[Address, PartyState], digests: Mapping[Address, str]
) -> bool:
    """Return whether an agreement that is to be settled may have been decided here.

    A real outcome stands whatever its parties write afterwards, so one party cannot refute it:
    it is enough that the file of one is still the one that it was decided from, or still tells
    of the commitment. Where neither does, both must have been rewritten or removed since; a
    file that is not newer than what the outcome names was never what it says.
    """
    deal = outcome.deal
    if outcome.outcome is not Kind.AGREED or deal is None or not outcome.transactions:
        return True
    parties = (deal.buyer, deal.seller)
    if any(
        (party in outcome.states and outcome.states[party].sha256 == digests.get(party))
        or (party in states and _commits(states[party], party, deal))
        for party in parties
    ):
        return True
    return all(_rewritten(outcome, party, states.get(party)) for party in parties)


def _commits(state: PartyState, party: Address, deal: Deal) -> bool:
    role, other = (Role.BUYER, deal.seller) if party == deal.buyer else (Role.SELLER, deal.buyer)
    said = (state, *(_saying(state, past) for past in state.history))
    return any(each.commitment_key(role, other) == deal.agreement_key for each in said)


def _saying(state: PartyState, past: Offer) -> PartyState:
    return msgspec.structs.replace(state, offer=past, status=getattr(past, "status", state.status))


def _rewritten(outcome: Outcome, party: Address, state: PartyState | None) -> bool:
    basis = outcome.states.get(party)
    if basis is None or state is None:
        return basis is not None
    if state.schema is None:
        return state.last_updated >= outcome.at
    return state.revision > basis.revision
