"""L1: whole lists in one file each, from before the events.

In `teams/<team>/`: `profile.json`, `offers_made.json {offers[]}`, `offers_received.json
{interests[]}` (its own buy orders, in spite of the name), `advertisements.json {ads[]}`,
`transactions.json {transactions[]}`. In `marketplace/`: `active_offers.json {offers[],
buyOrders[]}` and `completed_trades.json {trades[]}`.

- What a team's own file says overrides the market's list, which was made from it.
- A trade in the market's list stands for both sides. It fills in a side whose own books
  lack it, and the time, which the books of the teams do not have.
- The other files of a team are private, and not opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy import fields, listing
from nom_negotiate.legacy.fields import Refused, first
from nom_negotiate.legacy.files import read_object
from nom_negotiate.legacy.listing import Listing, Team
from nom_negotiate.legacy.owners import Owners
from nom_negotiate.legacy.part import BEFORE_EVENTS, OrderEvent, Part
from nom_negotiate.legacy.profiles import profile_fact
from nom_negotiate.legacy.records import Subject
from nom_negotiate.legacy.transactions import both_sides, time_in_id, transaction

# file name -> the list in it, and the event that stands for an entry of that list
_ORDERS: Final = {
    listing.OFFERS: (("offers", "add_offer"),),
    listing.BUY_ORDERS: (("interests", "add_buy_order"),),
    listing.ADS: (("ads", "add_ad"),),
    listing.LISTED: (("offers", "add_offer"), ("buyOrders", "add_buy_order")),
}


def read_snapshots(listed: Listing, known: Iterable[Address] = ()) -> Part:
    """Return what the snapshots say.

    Args:
        listed: the source.
        known: addresses that other generations name. They help where a team has no
            profile, and its directory name alone would have to do.
    """
    part = listed.parts["L1"]
    trades: list[tuple[dict[str, Any], str]] = []
    for path in listed.market:
        if path.name == listing.TRADES:
            trades = _items(part, listed, path, "trades", "transaction")
        else:
            _take_orders(part, listed, path, team=None)
    profiles = {team.path: _take_profile(part, listed, team) for team in listed.teams}
    owners = Owners([*known, *_traders(trades), *filter(None, profiles.values())])
    times = {_trade_id(trade): trade.get("timestamp") for trade, _ in trades}
    for team in listed.teams:
        if team.snapshots:
            _take_team(part, listed, team, profiles[team.path], owners, times)
    _take_missing_sides(part, trades)
    return part


def _take_profile(part: Part, listed: Listing, team: Team) -> Address | None:
    if listing.PROFILE not in team.snapshots:
        return None
    path = team.path / listing.PROFILE
    shown = listed.shown(path)
    try:
        fact = profile_fact(read_object(path), team=None, at=BEFORE_EVENTS, path=shown)
    except Refused as refused:
        part.refuse(shown, refused, "profile")
        return None
    part.profiles.append(fact)
    return fact.address


def _take_team(
    part: Part,
    listed: Listing,
    team: Team,
    owner: Address | None,
    owners: Owners,
    times: dict[str | None, Any],
) -> None:
    if owner is None:
        try:
            owner = owners.of(team.path.name)
        except Refused as refused:
            part.refuse(listed.shown(team.path), refused)
            return
    for name in sorted(team.snapshots & _ORDERS.keys()):
        _take_orders(part, listed, team.path / name, team=owner)
    if listing.TRANSACTIONS in team.snapshots:
        _take_transactions(part, listed, team.path / listing.TRANSACTIONS, owner, times)


def _take_orders(part: Part, listed: Listing, path: Path, team: Address | None) -> None:
    for key, type in _ORDERS[path.name]:
        for record, shown in _items(part, listed, path, key, "order"):
            part.events.append(
                OrderEvent(
                    at=BEFORE_EVENTS,
                    type=type,
                    payload=record,
                    team=team,
                    generation="L1",
                    path=shown,
                )
            )


def _take_transactions(
    part: Part, listed: Listing, path: Path, owner: Address, times: dict[str | None, Any]
) -> None:
    for record, shown in _items(part, listed, path, "transactions", "transaction"):
        try:
            at = times.get(_trade_id(record))
            part.transactions.append(
                transaction(
                    record,
                    owner=owner,
                    generation="L1",
                    path=shown,
                    at=time_in_id(record) if at is None else fields.seconds(at, "timestamp"),
                )
            )
        except Refused as refused:
            part.refuse(shown, refused, "transaction")


def _take_missing_sides(part: Part, trades: list[tuple[dict[str, Any], str]]) -> None:
    known = {(one.owner, one.id) for one in part.transactions}
    for trade, shown in trades:
        try:
            sides = both_sides(trade, generation="L1", path=shown, at=time_in_id(trade))
        except Refused as refused:
            part.refuse(shown, refused, "transaction")
            continue
        part.transactions += [side for side in sides if (side.owner, side.id) not in known]


def _items(
    part: Part, listed: Listing, path: Path, key: str, subject: Subject
) -> list[tuple[dict[str, Any], str]]:
    """Return the objects in the list under `key`, each with its own path."""
    shown = listed.shown(path)
    try:
        items = fields.sequence(read_object(path).get(key), key)
    except Refused as refused:
        part.refuse(shown, refused, subject)
        return []
    found = []
    for number, item in enumerate(items):
        where = f"{shown}#{key}/{number}"
        if isinstance(item, dict):
            found.append((item, where))
        else:
            part.refuse(where, "not an object", subject)
    return found


def _traders(trades: list[tuple[dict[str, Any], str]]) -> list[Address]:
    found = []
    for trade, _ in trades:
        for key in ("buyerId", "sellerId"):
            try:
                found.append(fields.address(trade.get(key), key))
            except Refused:
                continue  # reported when the trade itself is read
    return found


def _trade_id(record: dict[str, Any]) -> str | None:
    id = first(record, "transactionId", "id")
    return id if isinstance(id, str) else None
