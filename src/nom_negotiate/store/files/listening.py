"""A poller's ear: it sleeps until the doorbell is rung.

Rules of the room:

- What is heard is a hint: a pass is made then, and finds what there is. Without notifications
  passes come at their usual times.
- A pass rings for what it could not finish. Neither that, nor what another poller rings for, may
  make passes chase each other: such a hint alone is waited with, longer each time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from importlib import import_module
from typing import TYPE_CHECKING, Final

from nom_negotiate.store.files import doorbell, inotify
from nom_negotiate.store.files.inotify import Inotify
from nom_negotiate.store.files.waiter import Waiter

if TYPE_CHECKING:
    from nom_negotiate.store.files.store import FileStore

FIRST_PAUSE_S: Final = 0.1
"""How long a hint is waited with that only says what the last pass could not finish."""

_RUNG: Final = inotify.CREATED | inotify.CLOSED | inotify.MOVED_TO

# What a pass needs that finds a deal. Whoever sleeps until there is one is not to spend the time
# then.
_SOON: Final = ("agenda", "archive", "isolation", "mending", "namespace", "settlement")


class Listening:
    """Sleep until the doorbell of a data root is rung.

    Args:
        store: of the data root.
        notice: told in one line, once, where notifications do not come.
    """

    def __init__(self, store: FileStore, notice: Callable[[str], object]) -> None:
        self._layout = store.layout
        self._notice = notice
        self._pause_s = FIRST_PAUSE_S
        self._watch = -1
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify()
        except OSError as error:
            # ENOSYS, EMFILE, ENFILE, ENOMEM.
            self._deaf(error)
        self._waiter = Waiter(self._inotify)
        self._listen()
        for name in _SOON:
            import_module(f"nom_negotiate.store.files.{name}")

    def _deaf(self, error: OSError) -> None:
        self._notice(f"the system tells of no changes: {error.strerror}; polling by the clock only")
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None

    def _listen(self) -> None:
        if self._inotify is None or self._watch >= 0:
            return
        try:
            self._watch = self._inotify.add(
                self._layout.doorbell,
                _RUNG | inotify.DELETED | inotify.SELF_DELETED | inotify.SELF_MOVED,
            )
        except (FileNotFoundError, NotADirectoryError):
            # The first pass makes it.
            return
        except OSError as error:
            # ENOSPC, ENOMEM: no more watches; EACCES: not ours.
            self._waiter.close()
            self._deaf(error)
            self._waiter = Waiter(None)

    def sleep(
        self,
        timeout_s: float,
        is_over: Callable[[], bool],
        *,
        unfinished: Collection[str] = (),
        busy: bool = False,
    ) -> bool:
        """Return True when the doorbell is rung, False after so many seconds or `wake`.

        To be called after a pass: what was rung meanwhile ends the sleep before it begins.

        Args:
            timeout_s: seconds.
            is_over: whether `wake` was called in order to end all of it.
            unfinished: ids that the pass itself has rung for.
            busy: whether there was no pass, for another one was running.
        """
        begun = time.monotonic()
        ends = begun + timeout_s
        was_deaf = self._watch < 0
        self._listen()
        heard, passed = self._heard()
        left = self._left()
        # What was rung for during the pass and still lies there has come too late for it. What
        # lies there and was not heard is no hint of anybody's, and is not hurried for.
        late = left if was_deaf and self._watch >= 0 else left & heard
        if passed if busy else late - set(unfinished):
            self._pause_s = FIRST_PAUSE_S
            return True
        while not is_over() and (remaining := ends - time.monotonic()) > 0:
            self._waiter.wait(remaining)
            heard, passed = self._heard()
            if heard - set(unfinished) or (busy and passed):
                self._pause_s = FIRST_PAUSE_S
                return True
            if heard:
                ends = min(ends, begun + self._pause_s)
                self._pause_s *= 2
        return False

    def _left(self) -> set[str]:
        """Return the ids that somebody has rung for and no pass has looked at."""
        places = map(doorbell.place_of, doorbell.rung(self._layout))
        return {place.id for place in places if place is not None}

    def _heard(self) -> tuple[set[str], bool]:
        """Return the ids that were rung for since the last call, and whether a pass has ended."""
        ids: set[str] = set()
        passed = False
        if self._inotify is None:
            return ids, passed
        for heard in self._inotify.read():
            place = doorbell.place_of(heard.name)
            if heard.what & inotify.OVERFLOWED:
                ids |= self._left()
            elif heard.watch != self._watch:
                # Of a directory that is not the doorbell any more.
                continue
            elif heard.what & (inotify.SELF_DELETED | inotify.SELF_MOVED | inotify.IGNORED):
                # Somebody has taken it away: the next pass makes it, and the next sleep hears it.
                self._inotify.remove(self._watch)
                self._watch = -1
            elif heard.name == doorbell.UNFINISHED:
                passed = passed or bool(heard.what & inotify.DELETED)
            elif place is not None and heard.what & _RUNG:
                ids.add(place.id)
        return ids, passed

    def wake(self) -> None:
        """End the sleep. From any thread or signal handler."""
        self._waiter.wake()

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        self._waiter.close()
        if self._inotify is not None:
            self._inotify.close()
