"""L3: one file an event, `event_<unix with 6 decimals>_<type>.json`.

Each is `{type, payload, timestamp, teamId, teamName}`. A team's own are in its directory;
those that change the standing orders are in `marketplace/events/` again, and the old
reader looked for orders only there. They are reduced in file-name order.

Of the team's events a record needs five: `init` and `update_profile` say who it is,
`add_transaction` is its books, `close_negotiation` may carry the reason of a rejection, and
`add_reaction` says how it liked what was offered. The others are not opened: offers are in the
negotiation files, and production, inventory, funds and shadow prices are private.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from nom_negotiate.core.state import MAX_LEVEL
from nom_negotiate.legacy import fields
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.files import read_object
from nom_negotiate.legacy.listing import Listing
from nom_negotiate.legacy.orders import is_order_event
from nom_negotiate.legacy.part import OrderEvent, Part, ProfileFact
from nom_negotiate.legacy.profiles import profile_fact
from nom_negotiate.legacy.records import OldReaction, Subject
from nom_negotiate.legacy.transactions import transaction

TEAM_TYPES: Final[dict[str, Subject]] = {
    "init": "profile",
    "update_profile": "profile",
    "add_transaction": "transaction",
    "close_negotiation": "negotiation",
    "add_reaction": "negotiation",
}
"""The types of team events that a record needs, and what they become."""

_NAME: Final = re.compile(r"event_([0-9]{1,12}(?:\.[0-9]{1,9})?)_")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of L3 or L4.

    Attributes:
        at: unix seconds, exact.
        team: who sent it, unchecked.
        team_name: its display name then, unchecked.
    """

    type: str
    payload: dict[str, Any]
    at: Decimal
    team: Any
    team_name: Any
    path: str


def read_events(listing: Listing) -> Part:
    """Return what the events of the marketplace and of the teams say."""
    part = listing.parts["L3"]
    for path in listing.events:
        shown = listing.shown(path)
        try:
            take_market_event(part, _event(path, shown))
        except Refused as refused:
            part.refuse(shown, refused, "order")
    for team in listing.teams:
        for name in team.events:
            shown = listing.shown(team.path / name)
            try:
                take_team_event(part, _event(team.path / name, shown))
            except Refused as refused:
                part.refuse(shown, refused, _subject(name))
    return part


def take_market_event(part: Part, event: Event) -> None:
    """Keep the event for the reduction, if it changes the standing orders."""
    if is_order_event(event.type):
        part.events.append(
            OrderEvent(
                at=event.at,
                type=event.type,
                payload=event.payload,
                team=event.team,
                generation=part.generation,
                path=event.path,
            )
        )


def take_team_event(part: Part, event: Event) -> None:
    """Put what the event says about its team into `part`.

    Raises:
        Refused: where it is of no type that a record needs, or a field makes no sense.
    """
    match event.type:
        case "init" | "update_profile":
            part.profiles.append(_profile(event))
        case "add_transaction":
            part.transactions.append(
                transaction(
                    event.payload,
                    owner=fields.address(event.team, "teamId"),
                    generation=part.generation,
                    path=event.path,
                    at=int(event.at),
                )
            )
        case "close_negotiation":
            _take_reason(part, event.payload)
        case "add_reaction":
            _take_reaction(part, event)
        case _:
            raise Refused("its name and its type differ")


def _profile(event: Event) -> ProfileFact:
    record = event.payload
    if event.type == "init":
        record = fields.mapping(event.payload.get("profile") or {}, "profile")
    if not record:
        # An init without a profile was written to change the inventory. It still says
        # that the team exists, and what it was called then.
        record = {"teamName": event.team_name}
    return profile_fact(record, team=event.team, at=event.at, path=event.path)


def _take_reason(part: Part, payload: dict[str, Any]) -> None:
    reason = fields.reason(payload.get("reason"))
    if payload.get("status") == "rejected" and reason is not None:
        part.reasons[fields.label(payload.get("negotiationId"), "negotiationId")] = reason


def _take_reaction(part: Part, event: Event) -> None:
    level = event.payload.get("level")
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= MAX_LEVEL:
        raise Refused(f"level must be a whole number from 0 to {MAX_LEVEL}")
    team = fields.address(event.team, "teamId")
    about = fields.label(event.payload.get("negotiationId"), "negotiationId")
    # Events come in their order: the last one is how the team likes it now.
    part.reactions[about, team] = OldReaction(by=team, level=level, at=int(event.at))


def _event(path: Path, shown: str) -> Event:
    record = read_object(path)
    type = record.get("type")
    if not isinstance(type, str):
        raise Refused("type must be text")
    return Event(
        type=type,
        payload=fields.mapping(record.get("payload"), "payload"),
        at=_time(path.name, record.get("timestamp")),
        team=record.get("teamId"),
        team_name=record.get("teamName"),
        path=shown,
    )


def _time(name: str, timestamp: Any) -> Decimal:
    # The name decides, as it did for the old reader; the content says the same in a float.
    match = _NAME.match(name)
    if match is not None:
        return Decimal(match[1])
    return Decimal(fields.seconds(timestamp, "timestamp"))


def _subject(name: str) -> Subject:
    return next(
        (subject for type, subject in TEAM_TYPES.items() if name.endswith(f"_{type}.json")),
        "source",
    )
