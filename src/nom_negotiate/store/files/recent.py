"""What was filed last, for those who ask what the market pays.

Rules of the room:

- A hint: it looks where something changed last, and gives up early. What is missed or cannot be
  read is missing in a median, and nothing else.
- Bounded: one look at each party's room, into a few rooms, and few files of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from heapq import nlargest
from itertools import islice
from typing import Final

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, address_of_directory
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.party import Listing, ListingStatus
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.layout import Layout

ROOMS: Final = 32
"""How many parties are looked at."""

# As `core.outcome` names them. A name is only a label: the record says what it is.
_NAME: Final = re.compile(r"([0-9]{1,15})_(buy|sell)_([A-Za-z0-9]+)_")


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
    for party in parties(layout, "transactions"):
        room = layout.room(party, "transactions")
        try:
            names = os.listdir(room)
        except OSError:
            # EACCES: in an isolated root a party's transactions are its own.
            continue
        for name in names:
            match = _NAME.match(name)
            if match is not None and match[3] == chemical:
                named[match[2]].append((int(match[1]), f"{room}/{name}"))
    found: dict[str, Transaction] = {}
    # Each deal is filed twice. The other side is read where there are few of the one.
    for side in named.values():
        for _, path in nlargest(at_most, side) if len(found) < at_most else ():
            try:
                data = bounded.read_record(path)
                record = None if data is None else codec.decode_transaction(data)
            except (OSError, RecordError):
                # Its owner keeps it from us, or has packed it; or it is none.
                continue
            if record is not None and record.chemical == chemical:
                found.setdefault(record.negotiation_id or path, record)
    return sorted(found.values(), key=lambda each: each.timestamp, reverse=True)[:at_most]


def standing(found: Iterable[Listing], chemical: str, at_most: int) -> list[Listing]:
    """Return the first listings over a chemical that stand."""
    wanted = (
        listing
        for listing in found
        if listing.chemical == chemical and listing.status is ListingStatus.ACTIVE
    )
    return list(islice(wanted, at_most))
