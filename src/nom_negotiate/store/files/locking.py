"""Locks between processes of one host: a party's own, the poller's, a migration's.

Rules of the room:

- The kernel lets go of a lock when its holder dies: nothing is left to be broken.
- A lock keeps work from being done twice at once. No invariant rests on it, with one
  exception: unpacking a month while it is packed.
- A lock file stays when it is let go: whoever removed it could split those who wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exclusive(path: str, timeout_s: float) -> Iterator[bool]:
    """Hold the lock of that file during the block; the value says whether it was to be had.

    Args:
        path: of the lock file, which is made where there is none.
        timeout_s: seconds to wait for another holder; 0 to leave at once.

    Raises:
        OSError: where the lock file cannot be opened.
    """
    # Imported here: whoever only reads does without it.
    import filelock

    lock = filelock.FileLock(path, timeout=timeout_s)
    try:
        lock.acquire()
    except filelock.Timeout:
        # An OSError, too: it must not be taken for trouble of the disk.
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
