"""Locks between processes of one host: a party's own, the poller's, a migration's.

Rules of the room:

- The kernel lets go of a lock when its holder dies: nothing is left to be broken.
- A lock keeps work from being done twice at once. No invariant rests on it, with one
  exception: unpacking a month while it is packed.
- A lock file stays when it is let go: whoever removed it could split those who wait.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import Final

from nom_negotiate.store.files import atomic

TIMEOUT_S: Final = 10.0
"""How long a writer waits for another one of its party."""

FIRST_PAUSE_S: Final = 0.000_5
LONGEST_PAUSE_S: Final = 0.05
"""Pauses between two tries, each twice the one before.

Two writers of a party, who hold it for a millisecond, hardly wait for each other. Where many
wait, long pauses leave the processor to whoever has the lock.
"""


class exclusive:  # noqa: N801  (it reads as an adjective: `with exclusive(path, 10) as mine:`)
    """Hold the lock of that file during the block; the value says whether it was to be had.

    Args:
        path: of the lock file, which is made where there is none.
        timeout_s: seconds to wait for another holder; 0 to leave at once.

    Raises:
        OSError: where the lock file cannot be opened.
    """

    __slots__ = ("_fd", "_path", "_timeout_s")

    def __init__(self, path: str, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._fd: int | None = None

    def __enter__(self) -> bool:
        self._fd = _taken(self._path, self._timeout_s)
        return self._fd is not None

    def __exit__(self, *_: object) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            try:
                # Said aloud: a child that was forked meanwhile has the file open, too.
                fcntl.flock(fd, fcntl.LOCK_UN)
            finally:
                os.close(fd)


def _taken(path: str, timeout_s: float) -> int | None:
    """Return the lock file, open and locked; None where it was not to be had."""
    deadline = time.monotonic() + timeout_s
    while True:
        fd = atomic.open_lock(path)
        found = None
        try:
            if not _locked(fd, deadline):
                return None
            if os.fstat(fd).st_nlink:
                found = fd
                return found
            # Somebody removed it before it was locked: another one has its name, or none.
        finally:
            if found is None:
                os.close(fd)


def _locked(fd: int, deadline: float) -> bool:
    pause = FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE_S)
