"""Directories that the kernel watches for somebody, and what it tells of them.

Rules of the room:

- What is told is a hint, and what is not told is said: that notifications were thrown away,
  that a watch was removed, that there are none to be had. Each is said once, and whoever watches
  goes on without.
- Watches are few, and others want some, too: there are at most `MAX_WATCHES`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Final

from nom_negotiate.store.files import bounded, inotify, mounted
from nom_negotiate.store.files.inotify import Heard, Inotify
from nom_negotiate.store.files.layout import Layout, shown
from nom_negotiate.store.files.waiter import Waiter

MAX_WATCHES: Final = 4096
"""Directories that one watcher lets the kernel watch: rooms first, then namespaces."""

SELF: Final = inotify.SELF_DELETED | inotify.SELF_MOVED
"""A directory is not any more where it was."""


class Watched:
    """A directory, watched by the kernel or not."""

    __slots__ = ("path", "watch")

    def __init__(self, path: str) -> None:
        self.path = path
        self.watch = -1


class Watches:
    """The kernel's watches of directories of one data root. For one thread, but for `wake`.

    Args:
        layout: of the data root.
        notice: told in one line, once for each reason, what is not told.
        otherwise: ends these lines: what becomes of what is not told.

    Attributes:
        is_remote: whether other hosts may change what is there: nobody tells of that.
    """

    def __init__(self, layout: Layout, notice: Callable[[str], object], otherwise: str) -> None:
        self._layout = layout
        self._notice = notice
        self._otherwise = otherwise
        self._told: set[str] = set()
        self._watched: dict[int, Watched] = {}
        self._most = MAX_WATCHES
        self.is_remote = mounted.mounted(layout.root).is_remote
        if self.is_remote:
            self.say("remote", "the data root is on a file system that other hosts may write")
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify()
        except OSError as error:
            # ENOSYS, EMFILE, ENFILE, ENOMEM.
            self.say("none", f"the system tells of no changes: {error.strerror}")
        else:
            # Others want to watch, too.
            self._most = min(MAX_WATCHES, inotify.most_watches() // 4 or MAX_WATCHES)
        self._waiter = Waiter(self._inotify)

    def __del__(self) -> None:
        if hasattr(self, "_waiter"):
            self.close()

    @property
    def is_deaf(self) -> bool:
        """Return whether the kernel tells of nothing at all."""
        return self._inotify is None

    @property
    def has_more(self) -> bool:
        """Return whether more directories may be watched."""
        return not self.is_deaf and len(self._watched) < self._most

    def say(self, topic: str, why: str) -> None:
        """Say why something is not told, unless that was said before."""
        if topic not in self._told:
            self._told.add(topic)
            self._notice(f"{why}; {self._otherwise}")

    def shown(self, path: str) -> str:
        """Return a path as a line names it."""
        return shown(self._layout.relative(path))

    def all(self) -> list[Watched]:
        """Return what is watched."""
        return list(self._watched.values())

    def add(self, watched: Watched, what: int) -> None:
        """Let the kernel watch a directory, unless it does or tells of nothing.

        Args:
            watched: which.
            what: what is to be told, of `inotify`; that it goes away is told, too.

        Raises:
            OSError: ENOSPC or ENOMEM where there are no more watches; ENOENT, ENOTDIR, EACCES.
        """
        if watched.watch >= 0 or self._inotify is None:
            return
        if not self.has_more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), watched.path)
        try:
            watch = self._inotify.add(watched.path, what | SELF)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                self._most = len(self._watched)
                self.say("most", "the system has no more watches to give")
            raise
        former = self._watched.get(watch)
        if former is not None:
            # The same directory under another name, or taken up anew.
            former.watch = -1
        self._watched[watch] = watched
        watched.watch = watch

    def forget(self, watched: Watched) -> None:
        """Do not watch a directory any more. Fine where it is not watched."""
        if watched.watch >= 0 and self._inotify is not None:
            self._watched.pop(watched.watch, None)
            self._inotify.remove(watched.watch)
            watched.watch = -1

    def read(self) -> Iterator[tuple[Watched | None, Heard]]:
        """Yield what was told since the last call, and of what; None where something was not."""
        if self._inotify is None:
            return
        for heard in self._inotify.read():
            if heard.what & inotify.OVERFLOWED:
                self.say("overflow", "the system has thrown away what it would have told")
                yield None, heard
                continue
            watched = self._watched.get(heard.watch)
            if watched is None:
                # What it was about is not watched any more.
                continue
            if not heard.what & (inotify.IGNORED | inotify.UNMOUNTED):
                yield watched, heard
                continue
            self._watched.pop(watched.watch, None)
            watched.watch = -1
            if bounded.is_directory(watched.path):
                self.say("removed", f"the watch of {self.shown(watched.path)} was removed")
                yield None, heard

    def wait(self, timeout_s: float) -> None:
        """Return when there is something to read, after `wake`, or after so many seconds."""
        self._waiter.wait(timeout_s)

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""
        self._waiter.wake()

    def close(self) -> None:
        """Give back what is held. Idempotent."""
        self._waiter.close()
        if self._inotify is not None:
            self._inotify.close()
