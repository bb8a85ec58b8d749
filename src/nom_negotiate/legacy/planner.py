"""From the old data and a data root to a plan; `plan` has the rules of this room."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator

from nom_negotiate import codec
from nom_negotiate.core.identity import Address
from nom_negotiate.core.party import Profile
from nom_negotiate.core.times import MAX_SECONDS
from nom_negotiate.legacy.assignment import Negotiations
from nom_negotiate.legacy.books import Books
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.files import read_object
from nom_negotiate.legacy.plan import Left, Plan, PlannedParty
from nom_negotiate.legacy.records import OldData, Unreadable
from nom_negotiate.legacy.target import Target
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.installation import NewParty

_OURS = "nom."
"""Begins the name of each of our schemas."""


def make_plan(store: FileStore, old: OldData, now: int) -> Plan:
    """Return what a migration of `old` would add to the store at `now`. Changes nothing.

    Raises:
        ConfigurationError: where the data root is a file, or its settings are broken.
        StoreError: where it cannot be read.
    """
    return plan_for(Target(store), old, now)


def plan_for(target: Target, old: OldData, now: int) -> Plan:
    """Return what a migration would add to a target that has been looked at."""
    in_place = source_name(str(old.root)) == source_name(target.store.layout.root)
    left: list[Left] = []
    parties = tuple(_parties(target, old, now, left))
    books = Books(target, in_place)
    listings = tuple(books.listings(old.orders))
    negotiations = Negotiations(target, old, now, in_place, listings)
    transactions = tuple(books.transactions(old.transactions, negotiations.ids))
    unreadable = (
        Left(one.subject, one.path, one.reason)
        for one in old.unreadable
        if not (in_place and _is_ours(old, one))
    )
    return Plan(
        old=old,
        in_place=in_place,
        at=now,
        parties=parties,
        negotiations=tuple(negotiations.planned),
        transactions=transactions,
        listings=listings,
        left=(*left, *negotiations.left, *books.left, *unreadable),
        notes=(*negotiations.notes, *books.notes),
        resumes=source_name(str(old.root)) in target.journal.open,
    )


def source_name(path: str) -> str:
    """Return under which name the journal knows a source."""
    return os.path.realpath(path)


def _parties(target: Target, old: OldData, now: int, left: list[Left]) -> Iterator[PlannedParty]:
    profiles = {profile.address: profile for profile in old.profiles}
    names, times = _mentions(old)
    layout = target.store.layout
    for party in sorted(old.addresses()):
        obstacle = target.obstacle(party)
        if obstacle is not None:
            path = layout.relative(layout.party(party))
            left.append(Left("profile", path, obstacle, party, "parties"))
            continue
        known = profiles.get(party)
        created = None if known is None else known.created_at
        first = times.get(party, now) if created is None else created
        profile = Profile(
            address=party,
            display_name=names.get(party, party) if known is None else known.display_name,
            # A year beyond what a profile can hold was a slip of somebody's clock.
            created=min(first, MAX_SECONDS - 1),
        )
        lacks = target.installation.missing(party)
        complete = not (lacks.whole or lacks.rooms or lacks.profile)
        yield PlannedParty(
            profile=profile,
            new=None if complete else NewParty(party, codec.encode(profile)),
            has_profile=known is not None,
            keeps_profile=not lacks.profile,
        )


def _mentions(old: OldData) -> tuple[dict[Address, str], dict[Address, int]]:
    """Return the latest name of everybody in negotiations, and when they were first mentioned."""
    names: dict[Address, str] = {}
    times: defaultdict[Address, list[int]] = defaultdict(list)
    for one in old.negotiations:
        names |= {one.initiator: one.initiator_name, one.responder: one.responder_name}
        for party in (one.initiator, one.responder):
            times[party].append(one.created_at)
    for trade in old.transactions:
        for party in (trade.owner, trade.counterparty):
            times[party].append(trade.timestamp)
    for order in old.orders:
        times[order.owner].append(order.created_at)
    for namespace in old.namespaces:
        for state in namespace.states:
            times[state.user].append(state.last_updated)
    return names, {party: min(found) for party, found in times.items()}


def _is_ours(old: OldData, one: Unreadable) -> bool:
    """Return whether the readers refused a file because it is of the new layout."""
    if one.subject not in ("namespace", "transaction"):
        return False
    try:
        schema = read_object(old.root / one.path).get("schema")
    except Refused:
        return False
    return isinstance(schema, str) and schema.startswith(_OURS)
