"""The doorbell: empty files that tell the poller where somebody has written.

Rules of the room:

- A hint is only a hint. One that is lost costs time, until the next scan; one too many costs
  one look. So ringing never fails, and nothing here is synced.
- A writer rings after its change, the poller takes a hint away before it looks. So a change
  that it does not see has left a hint that it will see.
- Whose hint it is stands in its name: the directory of the initiator, a colon, the id. A
  name that begins with a colon is for the poller as a whole.
"""

from __future__ import annotations

import os
from typing import Final

from nom_negotiate.core.identity import (
    MAX_NAME_BYTES,
    address_of_directory,
    check_id,
    directory_name,
)
from nom_negotiate.errors import InputError
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.port import Namespace

SCAN: Final = ":scan"
"""Asks for a look at everything."""

UNFINISHED: Final = ":unfinished"
"""Lies there while a pass works: one that is found there was cut short."""


def ring(disk: Disk, layout: Layout, place: Namespace) -> None:
    """Tell the poller that somebody has written in a namespace."""
    name = name_of(place)
    if len(name) > MAX_NAME_BYTES // 4 and len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        name = SCAN
    leave(disk, layout, name)


def name_of(place: Namespace) -> str:
    """Return the name of the hint that means a negotiation."""
    return f"{directory_name(place.initiator)}:{place.id}"


def leave(disk: Disk, layout: Layout, name: str) -> None:
    """Leave one hint; without one, the next scan finds what there is."""
    try:
        disk.leave_hint(f"{layout.doorbell}/{name}")
    except OSError:
        # No doorbell yet, a full disk, no right to ring: whatever it is, nothing depends on it.
        return


def rung(layout: Layout) -> list[str]:
    """Return the names of all hints, in no order."""
    try:
        return os.listdir(layout.doorbell)
    except (FileNotFoundError, NotADirectoryError):
        return []


def take(disk: Disk, layout: Layout, name: str) -> bool:
    """Take a hint away; return False where somebody else has."""
    try:
        disk.discard(f"{layout.doorbell}/{name}")
    except FileNotFoundError:
        return False
    except OSError:
        # EISDIR, EPERM: no hint of anybody's. It is looked at each time, and told by `nom doctor`.
        return True
    return True


def is_hint(name: str) -> bool:
    """Return whether a name in the doorbell says something to the poller."""
    return name in (SCAN, UNFINISHED) or place_of(name) is not None


def place_of(name: str) -> Namespace | None:
    """Return the negotiation that a hint means, None where it means none."""
    directory, _, negotiation_id = name.partition(":")
    try:
        initiator = address_of_directory(directory)
        return None if initiator is None else Namespace(check_id(negotiation_id), initiator)
    except InputError:
        return None
