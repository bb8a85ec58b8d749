"""From the finds of each generation to one picture, each thing once.

Rules of the room:

- A negotiation that two generations have: the one that was updated last counts; at the same
  second, the later generation. A reason or an advertisement that only the other one has is
  taken over. Of the reactions of a team the latest counts.
- A transaction that two generations have, by owner and id: the later generation counts,
  because it knows the time. Where the two do not say the same, that is reported.
- Orders and profiles are reduced over all generations at once.
- Pure: nothing is read here, and the result does not depend on the order of the parts.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy.orders import reduce_orders
from nom_negotiate.legacy.part import Part
from nom_negotiate.legacy.profiles import reduce_profiles
from nom_negotiate.legacy.records import OldData, OldNegotiation, OldReaction, OldTransaction


def merge(root: Path, parts: Iterable[Part]) -> OldData:
    """Return one picture of all parts."""
    parts = sorted(parts, key=lambda part: part.generation)
    negotiations = _merge_negotiations(parts)
    transactions = _merge_transactions(parts)
    shelves = reduce_orders([part.events for part in parts])
    for generation, count in collections.Counter(shelves.closed).items():
        next(part for part in parts if part.generation == generation).tally.update(
            closed_orders=count
        )
    unreadable = [one for part in parts for one in part.unreadable] + shelves.unreadable
    return OldData(
        root=root,
        negotiations=tuple(sorted(negotiations, key=lambda one: (one.created_at, one.id))),
        transactions=tuple(
            sorted(transactions, key=lambda one: (one.timestamp, one.owner, one.id))
        ),
        orders=tuple(sorted(shelves.orders, key=lambda one: (one.created_at, one.id, one.kind))),
        profiles=tuple(
            sorted(
                reduce_profiles(fact for part in parts for fact in part.profiles),
                key=lambda one: one.address,
            )
        ),
        namespaces=tuple(
            sorted((one for part in parts for one in part.namespaces), key=lambda one: one.path)
        ),
        unreadable=tuple(sorted(unreadable, key=lambda one: (one.path, one.reason))),
        counts={
            part.generation: part.counts()
            for part in parts
            if part.tally["files"] or part.namespaces
        },
    )


def _merge_negotiations(parts: Sequence[Part]) -> list[OldNegotiation]:
    kept: dict[str, OldNegotiation] = {}
    for part in parts:
        for one in part.negotiations:
            other = kept.get(one.id)
            if other is not None:
                part.tally["duplicates"] += 1
                one = _newer(other, one)
            kept[one.id] = one
    reasons: dict[str, str] = {}
    reactions: dict[tuple[str, Address], OldReaction] = {}
    for part in parts:
        reasons |= part.reasons
        for key, later in part.reactions.items():
            if key not in reactions or reactions[key].at <= later.at:
                reactions[key] = later
    return [
        dataclasses.replace(
            one,
            reason=reasons.get(one.id)
            if one.status == "rejected" and one.reason is None
            else one.reason,
            # Of anybody else it was never shown.
            reactions=tuple(
                reaction
                for party in (one.initiator, one.responder)
                if (reaction := reactions.get((one.id, party))) is not None
            ),
        )
        for one in kept.values()
    ]


def _newer(earlier: OldNegotiation, later: OldNegotiation) -> OldNegotiation:
    if later.updated_at >= earlier.updated_at:
        winner, loser = later, earlier
    else:
        winner, loser = earlier, later
    if winner.ad_id is None:
        winner = dataclasses.replace(winner, ad_id=loser.ad_id)
    if winner.reason is None and winner.status == loser.status:
        return dataclasses.replace(winner, reason=loser.reason)
    return winner


def _merge_transactions(parts: Sequence[Part]) -> list[OldTransaction]:
    kept: dict[tuple[Address, str], OldTransaction] = {}
    for part in parts:
        for one in part.transactions:
            key = (one.owner, one.id)
            other = kept.get(key)
            if other is not None:
                part.tally["duplicates"] += 1
                if _content(one) != _content(other):
                    part.refuse(other.path, f"says something else than {one.path}", "transaction")
            kept[key] = one
    return list(kept.values())


def _content(one: OldTransaction) -> tuple[object, ...]:
    return (one.side, one.chemical, one.quantity, one.price, one.counterparty)
