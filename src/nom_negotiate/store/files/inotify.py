"""inotify: what Linux tells of changes in directories, as they happen.

Python has no call for it, so the C library is asked for it. One open file listens to any number
of directories, and needs no thread. Unlike the packages that wrap it, this says when the kernel
has thrown notifications away.

Rules of the room:

- A notification is a hint: that something of that name has changed. Whoever gets it looks.
- What is heard here is told as it is: an overflow, and a watch that the kernel has removed, too.
"""

from __future__ import annotations

import errno
import functools
import os
import struct
import sys
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

CLOSED: Final = 0x008
"""A file that was open for writing was closed."""
MOVED_FROM: Final = 0x040
MOVED_TO: Final = 0x080
CREATED: Final = 0x100
DELETED: Final = 0x200
SELF_DELETED: Final = 0x400
SELF_MOVED: Final = 0x800

UNMOUNTED: Final = 0x2000
OVERFLOWED: Final = 0x4000
IGNORED: Final = 0x8000

OF_DIRECTORY: Final = 0x4000_0000
"""What has come, gone or changed there is a directory itself."""

_ONLY_DIRECTORY: Final = 0x0100_0000
_FOLLOW_NO_LINK: Final = 0x0200_0000

_HEAD: Final = struct.Struct("iIII")
_READ_BYTES: Final = 64 * 1024

WATCHES_PATH: Final = "/proc/sys/fs/inotify/max_user_watches"


class Heard(NamedTuple):
    """One notification.

    Attributes:
        watch: of which directory, as `add` has numbered it; -1 for an overflow.
        what: which of the constants above, one or several.
        name: in that directory; empty where it is about the directory itself.
        rename: a number that the two notifications of one rename have in common; 0 for others.
    """

    watch: int
    what: int
    name: str
    rename: int = 0


@functools.cache
def _library() -> Any:
    """Return the C library where it has the calls, else None."""
    if not sys.platform.startswith("linux"):
        return None
    # Imported here: only who waits for changes needs it.
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        library.inotify_init1.argtypes = [ctypes.c_int]
        library.inotify_add_watch.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32]
        library.inotify_rm_watch.argtypes = [ctypes.c_int, ctypes.c_int]
    except (OSError, AttributeError):
        # A C library without it.
        return None
    return library


def _failed(path: str | None = None) -> OSError:
    import ctypes

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), path)


def most_watches() -> int:
    """Return how many directories all processes of a user may watch; 0 where nobody says."""
    try:
        with open(WATCHES_PATH, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


class Inotify:
    """An open inotify instance. Not for several threads at once.

    Raises:
        OSError: ENOSYS where this system has none, EMFILE where the user has too many.
    """

    def __init__(self) -> None:
        self._fd = -1
        self._library = _library()
        if self._library is None:
            raise OSError(errno.ENOSYS, "this system has no inotify")
        self._fd = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise _failed()

    def __del__(self) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the open file, which is readable when there is something to read."""
        return self._fd

    def add(self, path: str, what: int) -> int:
        """Watch a directory; return the number that its notifications carry.

        A directory that is watched already keeps its number.

        Raises:
            OSError: ENOENT, ENOTDIR, EACCES; ENOSPC where the user has too many watches.
        """
        # Deeds of others on the directory itself are told unasked where it goes away.
        what |= _ONLY_DIRECTORY | _FOLLOW_NO_LINK
        number: int = self._library.inotify_add_watch(self._fd, os.fsencode(path), what)
        if number < 0:
            raise _failed(path)
        return number

    def remove(self, watch: int) -> None:
        """Stop watching a directory; IGNORED is heard of it once more. Fine where it is gone."""
        self._library.inotify_rm_watch(self._fd, watch)

    def read(self) -> Iterator[Heard]:
        """Yield what has been heard, in order; nothing where there is nothing.

        Equal notifications that follow each other are one.
        """
        while True:
            try:
                data = os.read(self._fd, _READ_BYTES)
            except BlockingIOError:
                return
            at = 0
            while at < len(data):
                watch, what, rename, length = _HEAD.unpack_from(data, at)
                at += _HEAD.size
                name = data[at : at + length].rstrip(b"\0")
                at += length
                yield Heard(watch, what, os.fsdecode(name), rename)

    def close(self) -> None:
        """Close it, with all of its watches. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
