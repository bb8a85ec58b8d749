"""Who a team is: facts from profile files and events, reduced to one profile an address.

Of a profile only the address, the display name and the time of creation are carried.
Funds and settings stay behind: they are private, and no business of a negotiation.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy import fields
from nom_negotiate.legacy.part import ProfileFact
from nom_negotiate.legacy.records import OldProfile


def profile_fact(record: dict[str, Any], *, team: Any, at: Decimal, path: str) -> ProfileFact:
    """Return what a profile says.

    Args:
        record: the profile; its `email` is who it is about.
        team: who that is where the profile has no `email`, unchecked.
        at: unix seconds, exact; a later fact overrides an earlier one.
        path: of the record.

    Raises:
        Refused: where the address or the time of creation makes no sense.
    """
    created_at = record.get("createdAt")
    email = record.get("email")
    return ProfileFact(
        at=at,
        # The old program left "" where it did not know.
        address=fields.address(team if email in (None, "") else email, "email"),
        display_name=fields.name(record.get("teamName"), "") or None,
        created_at=None if created_at is None else fields.seconds(created_at, "createdAt"),
        path=path,
    )


def reduce_profiles(facts: Iterable[ProfileFact]) -> list[OldProfile]:
    """Return one profile an address: its latest name, its earliest time, its first path."""
    found: dict[Address, OldProfile] = {}
    for fact in sorted(facts, key=lambda fact: fact.at):
        known = found.get(fact.address) or OldProfile(
            fact.address, fact.address, fact.created_at, fact.path
        )
        times = [at for at in (known.created_at, fact.created_at) if at is not None]
        found[fact.address] = OldProfile(
            address=fact.address,
            display_name=fact.display_name or known.display_name,
            created_at=min(times, default=None),
            path=known.path,
        )
    return list(found.values())
