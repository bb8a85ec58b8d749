"""A party's private room: what nobody else may read.

Rules of the room:

- The directory is the party's alone (0700), and so is each file in it (0600): whatever the umask
  is, and wherever the directory may be moved to.
- A file is replaced as a whole and durably, through a temporary name. One of a crash is swept
  by a pass that trusts no hint; in an isolated root, where the poller may not look into the room,
  by the next write.
- Nothing here is followed: a link in the place of the room or of a file is refused.
"""

from __future__ import annotations

import copy
import os
from typing import Final

from nom_negotiate.core.identity import MAX_NAME_BYTES, Address, check_id
from nom_negotiate.errors import InputError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import PRIVATE, Layout

MODE: Final = 0o600
SUFFIX: Final = ".json"


def names(layout: Layout, party: Address) -> list[str]:
    """Return the names of all records, sorted; what has no name for one is left out."""
    try:
        found = os.listdir(bounded.check_room(layout, party, PRIVATE))
    except FileNotFoundError:
        return []
    named = (record_named(name) for name in found)
    return sorted(name for name in named if name is not None)


def record_named(file: str) -> str | None:
    """Return the name of the record in a file of that name, None where there can be none."""
    if not file.endswith(SUFFIX):
        return None
    try:
        return check_id(file.removesuffix(SUFFIX))
    except InputError:
        # Hidden, or not to be shown to anybody: whoever put it there knows what it is.
        return None


def read(layout: Layout, party: Address, name: str) -> bytes | None:
    """Return the content of a record, None where there is none.

    Raises:
        RecordError: where it is no regular file, or larger than 256 KiB.
    """
    try:
        room = bounded.check_room(layout, party, PRIVATE)
    except FileNotFoundError:
        return None
    return bounded.read_record(f"{room}/{_file(name)}")


def write(disk: Disk, layout: Layout, party: Address, name: str, data: bytes) -> None:
    """Give a record its content, durably."""
    # Imported here: only who writes sweeps.
    from nom_negotiate.store.files import mending

    path = f"{layout.room(party, PRIVATE)}/{_file(name)}"
    if not os.path.lexists(os.path.dirname(path)):
        disk.make_directory(os.path.dirname(path), 0o700)
    room = bounded.check_room(layout, party, PRIVATE)
    mending.sweep(disk, room)
    own = copy.copy(disk)
    own.file_mode = MODE
    own.replace(path, data)


def discard(disk: Disk, layout: Layout, party: Address, name: str) -> bool:
    """Remove a record, durably; return whether it was there."""
    path = f"{layout.room(party, PRIVATE)}/{_file(name)}"
    if not os.path.lexists(path):
        return False
    bounded.check_room(layout, party, PRIVATE)
    disk.remove(path)
    return True


def _file(name: str) -> str:
    check_id(name)
    if len(name.encode("utf-8", "replace")) + len(SUFFIX) > MAX_NAME_BYTES:
        raise InputError("invalid_id", f"{name[:60]!a}... is too long to keep anything under it")
    return name + SUFFIX
