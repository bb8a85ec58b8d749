"""What was filed last, for those who ask what the market pays.

Rules of the room:

- A hint: it looks where something changed last, and gives up early. What is missed or cannot be
  read is missing in a median, and nothing else.
- Bounded: one look at each party's room, into a few rooms, and few files of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from heapq import nlargest
from typing import Final, TypeVar

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, address_of_directory
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.party import Listing, ListingStatus
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.layout import Layout

T = TypeVar("T")

ROOMS: Final = 32
"""How many parties are looked at."""

TRIES: Final = 8
"""How many of a party's listings are read to find one that stands."""

# As `core.outcome` names them. A name is only a label: the record says what it is.
_NAME: Final = re.compile(r"([0-9]{1,15})_(buy|sell)_([A-Za-z0-9]+)_")
_LISTED: Final = re.compile(r"([0-9]{1,15})_(?:buy|sell)_([A-Za-z0-9]+)\.json$")


def parties(layout: Layout, room: str) -> list[Address]:
    """Return the parties that changed a room of theirs last, newest first."""
    seen: list[tuple[int, str]] = []
    try:
        names = os.listdir(layout.teams)
    except FileNotFoundError:
        return []
    for name in names:
        try:
            seen.append((os.lstat(f"{layout.teams}/{name}/{room}").st_mtime_ns, name))
        except OSError:
            # ENOENT, ENOTDIR, EACCES: there is nothing to see here.
            continue
    found: list[Address] = []
    for _, name in sorted(seen, reverse=True):
        if len(found) == ROOMS:
            break
        # What is no party's takes no party's place.
        party = address_of_directory(name)
        if party is not None and bounded.has_room(layout, party, room):
            found.append(party)
    return found


def transactions(layout: Layout, chemical: str, at_most: int) -> list[Transaction]:
    """Return the last transactions over a chemical, newest first, one side of each."""
    named: dict[str, list[tuple[int, str]]] = {"buy": [], "sell": []}
    for _, room, names in _rooms(layout, "transactions"):
        for name in names:
            match = _NAME.match(name)
            if match is not None and match[3] == chemical:
                named[match[2]].append((int(match[1]), f"{room}/{name}"))
    found: dict[str, Transaction] = {}
    # Each deal is filed twice. The other side is read where there are few of the one.
    for side in named.values():
        for _, path in nlargest(at_most, side) if len(found) < at_most else ():
            record = _read(path, codec.decode_transaction)
            if record is not None and record.chemical == chemical:
                found.setdefault(record.negotiation_id or path, record)
    return sorted(found.values(), key=lambda each: each.timestamp, reverse=True)[:at_most]


def listings(layout: Layout, chemical: str, at_most: int) -> list[Listing]:
    """Return of each party the last listing over a chemical that stands and says a price."""
    found = []
    for party, room, names in _rooms(layout, "listings"):
        posted = [
            (int(match[1]), name)
            for name in names
            if (match := _LISTED.match(name)) and match[2] == chemical
        ]
        for _, name in nlargest(TRIES, posted):
            listing = _read(f"{room}/{name}", codec.decode_listing)
            if (
                listing is not None
                and listing.user == party
                and listing.chemical == chemical
                and listing.price is not None
                and listing.status is ListingStatus.ACTIVE
            ):
                found.append(listing)
                break
        if len(found) >= at_most:
            break
    return found


def _rooms(layout: Layout, name: str) -> Iterator[tuple[Address, str, list[str]]]:
    """Yield the parties that changed a room of theirs last, with its path and what is in it."""
    for party in parties(layout, name):
        room = layout.room(party, name)
        try:
            yield party, room, os.listdir(room)
        except OSError:
            # EACCES: in an isolated root a party's transactions are its own.
            continue


def _read(path: str, decode: Callable[[bytes], T]) -> T | None:
    """Return a record, None where its owner keeps it from us, or has packed it; or it is none."""
    try:
        data = bounded.read_record(path)
        return None if data is None else decode(data)
    except (OSError, RecordError):
        return None
