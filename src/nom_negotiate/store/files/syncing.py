"""`syncfs`: one barrier for everything that was changed on one file system.

Python has no call for it, so the C library is asked for it. Before Linux 5.8 it did not tell
of data that could not be written; there, and on other systems, it is not offered.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, Final

OLDEST: Final = (5, 8)


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux") or _release() < OLDEST:
        return None
    # Imported here: only a pass that concludes many deals needs it.
    import ctypes

    try:
        call: Any = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        # A C library without it.
        return None
    call.argtypes, call.restype = [ctypes.c_int], ctypes.c_int

    def syncfs(fd: int) -> int:
        return 0 if call(fd) == 0 else ctypes.get_errno()

    return syncfs


def _release() -> tuple[int, ...]:
    parts = os.uname().release.split("-")[0].split(".")[:2]
    return tuple(int(part) for part in parts if part.isdigit())


def is_offered() -> bool:
    """Return whether `sync_file_system` can be called."""
    return _syncfs() is not None


def sync_file_system(fd: int) -> None:
    """Return when all changes of the file system of an open directory are durable.

    Raises:
        OSError: where they are not; also for data that could not be written since the
            directory was opened.
    """
    syncfs = _syncfs()
    assert syncfs is not None, "asked for where it is not offered"
    number = syncfs(fd)
    if number:
        raise OSError(number, os.strerror(number))
