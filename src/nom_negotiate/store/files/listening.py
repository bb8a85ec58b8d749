"""A poller's ear: it sleeps until somebody has written.

Rules of the room:

- What is heard is a hint: a pass is made then, and finds what there is. What is not heard waits
  for a pass by the clock, and for the scan.
- Our own writers ring the doorbell. For those who know nothing of it, it is rung here: the ear
  hears of their state files from the kernel, in as many namespaces as may be watched. What is
  renamed from one of our temporary names is left to its author, who rings after it: else there
  would be two passes for each word.
- Nothing is compared and nothing remembered of what was written: that is what scans are for. An
  ear costs the same with 100,000 negotiations.
- Passes write no states, so they do not wake themselves. A pass rings for what it could not
  finish. Neither that, nor what another poller rings for, may make passes chase each other: such
  a hint alone is waited with, longer each time.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Collection
from importlib import import_module
from typing import TYPE_CHECKING, Final

from nom_negotiate.core.identity import Address, address_of_directory, is_id
from nom_negotiate.store.files import doorbell, inotify, watches
from nom_negotiate.store.files.atomic import TEMPORARY
from nom_negotiate.store.files.inotify import Heard
from nom_negotiate.store.files.layout import ACTIVE
from nom_negotiate.store.files.watches import Watched, Watches
from nom_negotiate.store.port import SCAN_EVERY_S, Namespace
from nom_negotiate.store.reading import STATE_SUFFIX

if TYPE_CHECKING:
    from nom_negotiate.store.files.store import FileStore

FIRST_PAUSE_S: Final = 0.1
"""How long a hint is waited with that only says what the last pass could not finish."""

MISSED_EVERY_S: Final = 30.0
"""Seconds between two looks at all that is watched, where notifications go on being lost."""

MAX_RENAMES: Final = 1024
"""Renames of which one half was heard, and the other may come."""

_RUNG: Final = inotify.CREATED | inotify.CLOSED | inotify.MOVED_TO
_COMING: Final = inotify.CREATED | inotify.MOVED_TO
# Not what is created: it is empty until it is closed.
_WRITTEN: Final = inotify.CLOSED | inotify.MOVED_TO

# What a pass needs that finds a deal. Whoever sleeps until there is one is not to spend the time
# then.
_SOON: Final = ("agenda", "archive", "isolation", "mending", "namespace", "settlement")


class _Home(Watched):
    """The directory of a party that has no room of active negotiations yet."""

    __slots__ = ("party",)

    def __init__(self, path: str, party: Address) -> None:
        super().__init__(path)
        self.party = party


class _Room(_Home):
    """A party's room of active negotiations."""

    __slots__ = ()


class _Space(Watched):
    """The namespace of an active negotiation."""

    __slots__ = ("place",)

    def __init__(self, path: str, place: Namespace) -> None:
        super().__init__(path)
        self.place = place


class Listening:
    """Sleep until somebody has written in a data root.

    It begins with a hint that asks the first pass for a scan: nobody has listened before.

    Args:
        store: of the data root.
        notice: told in one line, once for each reason, why a deal may have to wait.
    """

    def __init__(self, store: FileStore, notice: Callable[[str], object]) -> None:
        self._layout = store.layout
        self._disk = store.disk
        self._pause_s = FIRST_PAUSE_S
        self._renames: set[int] = set()
        # Whether the kernel has left something out, and from when on that is made up for.
        self._missed = False
        self._make_up_at = 0.0
        # Whether something is not watched, and from when on that is tried again.
        self._unwatched = False
        self._try_at = 0.0
        self._watches = Watches(self._layout, notice, "a deal may have to wait for the clock")
        self._bell = Watched(self._layout.doorbell)
        self._teams = Watched(self._layout.teams)
        self._watch_all()
        doorbell.leave(self._disk, self._layout, doorbell.SCAN)
        for name in _SOON:
            import_module(f"nom_negotiate.store.files.{name}")

    # ------------------------------------------------------------------ for who sleeps

    def sleep(
        self,
        timeout_s: float,
        is_over: Callable[[], bool],
        *,
        unfinished: Collection[str] = (),
        busy: bool = False,
    ) -> bool:
        """Return True when somebody has written, False after so many seconds or `wake`.

        To be called after a pass: what was written meanwhile ends the sleep before it begins.

        Args:
            timeout_s: seconds.
            is_over: whether `wake` was called in order to end all of it.
            unfinished: ids that the pass itself has rung for.
            busy: whether there was no pass, for another one was running.
        """
        begun = time.monotonic()
        ends = begun + timeout_s
        was_deaf = self._bell.watch < 0
        self._listen()
        heard, passed = self._heard()
        left = self._left()
        # What was rung for during the pass and still lies there has come too late for it. What
        # lies there and was not heard is no hint of anybody's, and is not hurried for.
        late = left if was_deaf and self._bell.watch >= 0 else {*left, doorbell.SCAN} & heard
        if passed if busy else late - set(unfinished):
            self._pause_s = FIRST_PAUSE_S
            return True
        if late and not busy:
            ends = min(ends, begun + self._next_pause())
        while not is_over() and (remaining := ends - time.monotonic()) > 0:
            if self._missed:
                remaining = min(remaining, self._make_up_at - time.monotonic())
            self._watches.wait(remaining)
            heard, passed = self._heard()
            if heard - set(unfinished) or (busy and passed):
                self._pause_s = FIRST_PAUSE_S
                return True
            if heard:
                ends = min(ends, begun + self._next_pause())
        return False

    def _next_pause(self) -> float:
        """Return how long a hint is waited with that only says what could not be finished."""
        pause_s = self._pause_s
        self._pause_s *= 2
        return pause_s

    def wake(self) -> None:
        """End the sleep. From any thread or signal handler."""
        self._watches.wake()

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        self._watches.close()

    # ------------------------------------------------------------------ what is heard

    def _left(self) -> set[str]:
        """Return the ids that somebody has rung for and no pass has looked at."""
        places = map(doorbell.place_of, doorbell.rung(self._layout))
        return {place.id for place in places if place is not None}

    def _heard(self) -> tuple[set[str], bool]:
        """Return the ids that were rung for since the last call, and whether a pass has ended."""
        ids: set[str] = set()
        passed = False
        for watched, heard in self._watches.read():
            if watched is None:
                self._missed = True
                ids |= self._left()
            elif watched is self._bell and heard.name == doorbell.UNFINISHED:
                passed = passed or bool(heard.what & inotify.DELETED)
            else:
                ids |= self._hear(watched, heard)
        if self._missed and time.monotonic() >= self._make_up_at:
            ids |= self._make_up()
        return ids, passed

    def _hear(self, watched: Watched, heard: Heard) -> set[str]:
        """Return the ids that one notification is about."""
        if heard.what & watches.SELF:
            return self._lose(watched)
        if watched is self._bell:
            place = doorbell.place_of(heard.name)
            return {place.id} if place is not None and heard.what & _RUNG else set()
        if heard.what & inotify.MOVED_FROM:
            self._note_rename(heard)
        elif isinstance(watched, _Space):
            if _is_state(heard.name) and not self._is_ours(heard):
                return self._ring(watched.place)
        elif heard.what & inotify.OF_DIRECTORY:
            return self._hear_of_new(watched, heard)
        return set()

    def _hear_of_new(self, watched: Watched, heard: Heard) -> set[str]:
        """Return the ids that a new directory is about."""
        if isinstance(watched, _Room):
            if is_id(heard.name):
                return self._begin(watched.party, heard.name, 1 if self._is_ours(heard) else 0)
        elif isinstance(watched, _Home):
            if heard.name == ACTIVE:
                self._watches.forget(watched)
                return self._welcome(watched.party)
        elif (party := address_of_directory(heard.name)) is not None:
            return self._welcome(party)
        return set()

    def _lose(self, watched: Watched) -> set[str]:
        """Go on without a directory that was removed or has another name."""
        self._watches.forget(watched)
        # Another one may be in its place, or this very one: the kernel tells of a rename there
        # first, and to the directory itself last, when it may be watched already.
        if isinstance(watched, _Space):
            return self._begin(watched.place.initiator, watched.place.id, 0)
        if isinstance(watched, _Home):
            return self._welcome(watched.party)
        if watched is self._teams:
            self._missed = True
        return set()

    def _note_rename(self, heard: Heard) -> None:
        if heard.name.startswith(TEMPORARY):
            if len(self._renames) >= MAX_RENAMES:
                self._renames.clear()
            self._renames.add(heard.rename)

    def _is_ours(self, heard: Heard) -> bool:
        """Return whether one of our writers has placed it, who rings after it."""
        if heard.rename not in self._renames:
            return False
        self._renames.discard(heard.rename)
        return True

    def _ring(self, place: Namespace) -> set[str]:
        doorbell.ring(self._disk, self._layout, place)
        return {place.id}

    def _make_up(self) -> set[str]:
        """Ring for all that may have been written, where the kernel has not told of everything."""
        self._missed = False
        self._make_up_at = time.monotonic() + MISSED_EVERY_S
        self._watch_all()
        doorbell.leave(self._disk, self._layout, doorbell.SCAN)
        for watched in self._watches.all():
            if isinstance(watched, _Space):
                # Also what was written in place, of which no scan but the hourly one knows.
                self._ring(watched.place)
        return {*self._left(), doorbell.SCAN}

    # ------------------------------------------------------------------ what is watched

    def _listen(self) -> None:
        """Watch what has come since, and what there was no watch for."""
        if self._bell.watch < 0:
            # The first pass makes it.
            self._watch(self._bell, _RUNG | inotify.DELETED)
        if self._watches.has_more and (
            self._teams.watch < 0 or (self._unwatched and time.monotonic() >= self._try_at)
        ):
            self._watch_all()

    def _watch_all(self) -> None:
        """Watch all there is, as far as watches reach: each room before any namespace."""
        self._unwatched = False
        self._try_at = time.monotonic() + SCAN_EVERY_S
        self._watch(self._bell, _RUNG | inotify.DELETED)
        self._watch(self._teams, _COMING)
        parties = map(address_of_directory, self._directories(self._teams))
        rooms = [self._enter(party) for party in parties if party is not None]
        # What was written before is for a scan to find.
        for room in filter(None, rooms):
            for name in self._negotiations(room):
                if self._unwatched:
                    return
                self._attend(room.party, name)

    def _enter(self, party: Address) -> _Room | None:
        """Watch a party's room; where there is none yet, its directory, for it to come."""
        room = _Room(self._layout.room(party, ACTIVE), party)
        if self._watch(room, _COMING | inotify.MOVED_FROM):
            return room
        home = _Home(self._layout.party(party), party)
        if not self._watch(home, _COMING):
            return None
        if self._watch(room, _COMING | inotify.MOVED_FROM):
            # It came in between.
            self._watches.forget(home)
            return room
        return None

    def _welcome(self, party: Address) -> set[str]:
        """Watch a party's room that is new; return the ids of what was written in it by then."""
        room = self._enter(party)
        ids: set[str] = set()
        if room is not None:
            for name in self._negotiations(room):
                ids |= self._begin(party, name, 0)
        return ids

    def _begin(self, party: Address, name: str, told: int) -> set[str]:
        """Watch a namespace that is new; return its id if more is in it than was rung for.

        Args:
            party: in whose room it is.
            name: its own.
            told: how many states its author rings for.
        """
        # The watch comes before the look: what is written in between is heard.
        space = self._attend(party, name)
        try:
            states = sum(map(_is_state, os.listdir(space.path)))
        except OSError:
            # ENOENT, ENOTDIR, EACCES: there is nothing that could be heard of.
            return set()
        return self._ring(space.place) if states > told else set()

    def _attend(self, party: Address, name: str) -> _Space:
        place = Namespace(name, party)
        space = _Space(self._layout.namespace(place), place)
        self._watch(space, _WRITTEN | inotify.MOVED_FROM)
        return space

    def _watch(self, watched: Watched, what: int) -> bool:
        """Let the kernel watch a directory; return whether it does."""
        try:
            self._watches.add(watched, what)
        except OSError as error:
            # ENOENT, ENOTDIR: it is not there yet, or not any more.
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                self._unwatched = True
                self._watches.say("most", "there are more negotiations than may be watched")
            elif error.errno == errno.EACCES:
                path = self._watches.shown(watched.path)
                self._watches.say(path, f"cannot watch {path}: {error.strerror}")
        return watched.watch >= 0

    def _negotiations(self, room: _Room) -> list[str]:
        return [name for name in self._directories(room) if is_id(name)]

    def _directories(self, watched: Watched) -> list[str]:
        if watched.watch < 0:
            return []
        try:
            with os.scandir(watched.path) as entries:
                return [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        except OSError:
            # ENOENT, ENOTDIR: it has gone since. EIO: the pass tells of it.
            return []


def _is_state(name: str) -> bool:
    return name.endswith(STATE_SUFFIX) and not name.startswith(".")
