"""`syncfs`: one barrier for everything that was changed on one file system.

Python has no call for it, so the C library is asked for it. Before Linux 5.8 it did not tell
of data that could not be written; there, and on other systems, it is not offered.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import threading

OLDEST: Final = (5, 8)

AHEAD_EVERY: Final = 400
"""Changes after which the disk is given something to do, while more of them are made."""


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


class Ahead:
    """Write what a later barrier would wait for, while more is being changed.

    Nothing relies on it: the kernel may write at any time, and the barrier still waits for
    everything. A thread does nothing but that one call, and ends before the barrier does: no
    stranger's code that may fork runs beside it.

    Args:
        fd: of a directory of the file system, opened for this alone: an error is told once to
            each that was opened before it, and has to be told to the barrier.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._changes = 0
        self._thread: threading.Thread | None = None

    def changed(self) -> None:
        """Take note of a change; now and then, begin to write."""
        self._changes += 1
        if self._changes % AHEAD_EVERY == 0 and not self._is_writing():
            # Imported here: small batches do without it.
            import threading

            self._thread = threading.Thread(target=self._write, daemon=True)
            self._thread.start()

    def _is_writing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _write(self) -> None:
        # Whatever is wrong with the disk, the barrier is told of it, too.
        with suppress(OSError):
            sync_file_system(self._fd)

    def end(self) -> None:
        """Return when nothing is being written ahead any more."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
