"""One old negotiation, compared with the one that it became."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Negotiation, Snapshot, view
from nom_negotiate.core.outcome import Kind
from nom_negotiate.core.state import Limits
from nom_negotiate.core.terms import Role, plain
from nom_negotiate.legacy.plan import PlannedNegotiation
from nom_negotiate.legacy.records import OldNamespace, OldNegotiation, OldState
from nom_negotiate.legacy.target import MARK

Pair = tuple[str, Any, Any]
"""A field, what it should be, and what it is."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One thing that is not what it should be.

    Attributes:
        id: of the old thing.
        field: of it.
    """

    subject: str
    id: str
    field: str
    expected: str
    found: str


def compare_negotiation(
    old: OldNegotiation, snapshot: Snapshot | None, now: int
) -> tuple[list[Mismatch], int]:
    """Return what differs, and how many of the old offers are there."""
    if snapshot is None:
        return [Mismatch("negotiation", old.id, "directory", "there", "gone at this moment")], 0
    seen = view(snapshot, now, Limits())
    offers = [(offer.by, offer.price, offer.quantity, offer.at) for offer in old.offers]
    found = [(move.by, move.price, move.quantity, move.at) for move in seen.offers]
    pairs: list[Pair] = [*_about(old, seen), *_readable(snapshot)]
    there = 0
    for number, offer in enumerate(offers):
        is_there = number < len(found) and found[number] == offer
        there += is_there
        if not is_there:
            shown = _shown(*found[number]) if number < len(found) else "none"
            pairs.append((f"offer {number + 1}", _shown(*offer), shown))
    if old.status == "pending":
        pairs += _goes_on(old, seen)
    else:
        pairs += _has_ended(old, seen)
    return _mismatches(old.id, pairs), there


def _about(old: OldNegotiation, seen: Negotiation) -> Iterator[Pair]:
    yield "initiator", old.initiator, seen.initiator
    yield "responder", old.responder, seen.responder
    yield "chemical", old.chemical, seen.chemical
    role = Role.BUYER if old.side == "buy" else Role.SELLER
    yield "role of the initiator", role, seen.roles.get(old.initiator)


def _readable(snapshot: Snapshot) -> Iterator[Pair]:
    for problem in snapshot.problems:
        yield problem.path, "a readable file", problem.reason


def _goes_on(old: OldNegotiation, seen: Negotiation) -> Iterator[Pair]:
    untouched = len(seen.moves) == len(old.offers) and seen.outcome is None
    if untouched and seen.phase.open:
        last = old.last_offer_by
        turn = old.responder if last == old.initiator else old.initiator
        yield "turn", turn, seen.turn
        table = seen.on_table
        yield "on the table", "firm", "firm" if table is not None and table.firm else "not firm"
    yield "archived", seen.outcome is not None and seen.archived, seen.archived


def _has_ended(old: OldNegotiation, seen: Negotiation) -> Iterator[Pair]:
    outcome = seen.outcome
    yield "archived", True, seen.archived
    if outcome is None:
        yield "outcome", old.status, "none"
        return
    kind = Kind.AGREED if old.status == "accepted" else Kind.REJECTED
    yield "outcome", kind, outcome.outcome
    yield "time of the outcome", old.closed_at, outcome.at
    yield "new transactions", "none", ", ".join(outcome.transactions.values()) or "none"
    if old.status == "rejected":
        yield "rejected by", old.closed_by, outcome.by
        if old.reason is not None:
            yield "reason", old.reason, outcome.reason
    else:
        table, deal = old.offers[-1], outcome.deal
        terms = "none" if deal is None else f"{plain(deal.quantity)} at {plain(deal.price)}"
        yield "deal", f"{plain(table.quantity)} at {plain(table.price)}", terms


def compare_namespace(
    old: OldNamespace, planned: PlannedNegotiation, snapshot: Snapshot | None, now: int
) -> tuple[list[Mismatch], int]:
    """Return what differs, and how many of the old offers are there."""
    if snapshot is None:
        return [Mismatch("negotiation", old.id, "directory", "there", "gone at this moment")], 0
    seen = view(snapshot, now, Limits())
    pairs: list[Pair] = [
        ("initiator", old.initiator, seen.initiator),
        ("responder", planned.responder, seen.responder),
        ("chemical", planned.chemical, seen.chemical),
        *_readable(snapshot),
    ]
    for state in old.states:
        pairs += _said(state, snapshot, seen)
    if planned.status != "pending":
        pairs.append(("ended", True, seen.outcome is not None))
    if planned.status == "accepted" and seen.outcome is not None:
        pairs.append(("outcome", Kind.AGREED, seen.outcome.outcome))
        pairs.append(("new transactions", {}, dict(seen.outcome.transactions)))
    there = min(planned.offers, sum(not move.accepts for move in seen.moves))
    return _mismatches(old.id, pairs), there


def _said(old: OldState, snapshot: Snapshot, seen: Negotiation) -> Iterator[Pair]:
    """Yield what one party said first: its file of the original holds no more than that."""
    if old.role is not None:
        yield f"role of {old.user}", old.role, seen.roles.get(old.user)
    state = snapshot.states.get(old.user)
    said = [] if state is None else [*state.history, *filter(None, [state.offer])]
    if old.price is None or (not said and old.status == "rejected"):
        # Nothing offered; or the other side's terms, copied to turn them down.
        return
    if not said:
        yield f"offer of {old.user}", "there", "none"
        return
    first = said[0]
    renewed = first.extra.get(MARK)
    at = renewed.get("at", first.timestamp) if isinstance(renewed, dict) else first.timestamp
    yield f"terms of {old.user}", (old.price, old.quantity), (first.price, first.quantity)
    if not first.accepts:
        expected = old.last_updated if old.offered_at is None else old.offered_at
        yield f"time of the offer of {old.user}", expected, at


def _mismatches(id: str, pairs: list[Pair]) -> list[Mismatch]:
    return [
        Mismatch("negotiation", id, field, str(expected), str(found))
        for field, expected, found in pairs
        if expected != found
    ]


def _shown(by: Address, price: Any, quantity: Any, at: int) -> str:
    return f"{plain(quantity)} at {plain(price)} by {by}, {at}"
