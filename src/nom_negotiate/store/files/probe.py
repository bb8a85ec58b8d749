"""What the file system of a data root must be able to do, tried out once at `init`."""

from __future__ import annotations

import os

from nom_negotiate.errors import ConfigurationError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.errnos import is_passing, store_error


def check_file_system(disk: Disk, root: str) -> None:
    """Refuse a root whose file system cannot rename over, link, or hold relative links.

    Leaves nothing behind.

    Raises:
        ConfigurationError: `unsupported_file_system`, naming what it cannot do.
        StoreError: where it cannot be written at all.
    """
    try:
        room = disk.temporary_directory(root)
    except OSError as error:
        raise store_error(error, "write to the data root") from error
    try:
        _try_out(disk, room)
    finally:
        disk.remove_tree(room)


def _try_out(disk: Disk, room: str) -> None:
    steps = (
        ("replace a file by a rename", lambda: disk.replace(f"{room}/a", b"1")),
        ("replace a file by a rename", lambda: disk.replace(f"{room}/a", b"2")),
        ("create a file by a hard link", lambda: disk.create(f"{room}/b", b"3")),
        ("hold symbolic links", lambda: disk.link_to("a", f"{room}/c")),
    )
    for ability, step in steps:
        try:
            step()
        except OSError as error:
            if is_passing(error):
                raise store_error(error, "write to the data root") from error
            raise _unsupported(room, ability, error.strerror or str(error)) from error
    if disk.create(f"{room}/a", b"4"):
        raise _unsupported(room, "create a file only where there is none", "it replaced one")
    if os.readlink(f"{room}/c") != "a":
        raise _unsupported(room, "hold relative symbolic links", "it changed the link")
    if bounded.read_record(f"{room}/a") != b"2":
        raise _unsupported(room, "replace a file by a rename", "the old content is still read")


def _unsupported(room: str, ability: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        "unsupported_file_system",
        f"the file system of {os.path.dirname(room)} cannot {ability}: {why}",
    )
