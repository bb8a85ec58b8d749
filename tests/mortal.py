"""A disk that ends its process at the k-th change, as of a kill -9."""

from __future__ import annotations

import os
from typing import Any

from nom_negotiate.store.files.atomic import Disk

KILLED = 77


class Deaths:
    """Counts the changes of all disks of this process; the one numbered `at` is its end."""

    count = 0
    at = 0

    @classmethod
    def next(cls) -> None:
        cls.count += 1
        if cls.count == cls.at:
            os._exit(KILLED)


def _mortal(name: str) -> Any:
    change = getattr(Disk, name)

    def changed(self: Disk, *arguments: Any) -> Any:
        Deaths.next()
        return change(self, *arguments)

    return changed


class MortalDisk(Disk):
    """A disk that may be the last thing a process touches; half a write included."""

    _rename = _mortal("_rename")
    _link = _mortal("_link")
    _symlink = _mortal("_symlink")
    _unlink = _mortal("_unlink")
    _mkdir = _mortal("_mkdir")
    _rmdir = _mortal("_rmdir")
    _open = _mortal("_open")
    _chmod = _mortal("_chmod")
    _sync = _mortal("_sync")

    def _write(self, fd: int, data: bytes) -> None:
        half = len(data) // 2
        super()._write(fd, data[:half])
        Deaths.next()
        super()._write(fd, data[half:])
