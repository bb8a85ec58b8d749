"""Who watches a data root: where something has changed, whoever changed it.

Two ways to find out, each enough for being right:

- *Notifications* of the kernel are what makes it quick. They come from the doorbell, which our
  own writers ring; from the rooms of the parties; and from the namespaces themselves, as far as
  `watches.MAX_WATCHES` reach. Those that are left out cost nobody but writers who ring no bell.
- A *scan* compares what everything looked like with what it looks like: a directory by its
  times and inode, its state files by theirs, so that one that is written in place is seen, too.

Rules of the room:

- The scan is the truth, and goes on however well the kernel tells: seldom where it tells of all,
  as often as costs little of a processor where it does not. Notifications that were thrown away
  and watches that were removed make it come at once.
- Nothing is written here, and no link is followed but one of ours to a namespace.
- What looks the same a moment after it changed may have changed once more within the same step
  of the clock. It is named again, once it has looked the same for longer than that. No clock of
  another host is asked for it.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from nom_negotiate.core.identity import Address, address_of_directory, directory_name, is_id
from nom_negotiate.store.files import bounded, doorbell, inotify, namespace, watches
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.inotify import Heard
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, Layout
from nom_negotiate.store.files.watches import Watches
from nom_negotiate.store.port import Looked, Namespace
from nom_negotiate.store.reading import OUTCOME_NAME, STATE_SUFFIX

if TYPE_CHECKING:
    from nom_negotiate.store.files.store import FileStore

TOLD_SCAN_S: Final = 30.0
"""Seconds between two scans where the kernel tells of all changes."""

PART_SCAN_S: Final = 2.0
"""The same where it tells of those of our own writers only."""

BARE_SCAN_S: Final = 1.0
"""The same where it tells of none."""

NO_ROOT_S: Final = 0.25
"""The same where there is no data root yet."""

SCAN_SHARE: Final = 0.05
"""Of a processor, at most, for scanning."""

STEP_S: Final = 2.0
"""The coarsest step of the times of files; FAT has it."""

OLD_NS: Final = 3600 * 10**9
"""What was changed that long ago was not changed a moment ago, whosever clock it was."""

MAX_STATES: Final = 8
"""State files of a namespace whose times are compared; who has more changes its directory's."""

_COMING: Final = inotify.CREATED | inotify.MOVED_TO
_GOING: Final = inotify.DELETED | inotify.MOVED_FROM
_WRITTEN: Final = _COMING | inotify.CLOSED

Stamp = tuple[int, int, int, int]
"""Of a file or directory: times of change, mtime and ctime, in nanoseconds; inode; size."""

_NOTHING: Final = {errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG}


def _stamp(path: str) -> Stamp | None:
    """Return what a path looks like, None where there is nothing or it cannot be looked at."""
    try:
        found = os.lstat(path)
    except OSError as error:
        if error.errno in _NOTHING:
            return None
        raise
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size


class _Seen:
    """What something looked like, and whether that is certain to be its last look."""

    __slots__ = ("_certain", "_since", "look")

    def __init__(self) -> None:
        self.look: tuple[Stamp | None, ...] = ()
        self._since = 0.0
        self._certain = False

    def is_as(self, look: tuple[Stamp | None, ...]) -> bool:
        """Return whether it looks as it did, and was looked at since it began to."""
        now = time.monotonic()
        if look != self.look:
            self.look, self._since = look, now
            newest = max((max(stamp[:2]) for stamp in look if stamp is not None), default=0)
            self._certain = newest < time.time_ns() - OLD_NS
            return False
        if self._certain or now - self._since < STEP_S:
            return True
        self._certain = True
        return False


class _Watched(watches.Watched):
    """A directory, and what it looked like."""

    __slots__ = ("seen",)

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.seen = _Seen()


class _Teams(_Watched):
    """The directory of all parties."""

    __slots__ = ()


class _Bell(_Watched):
    """The doorbell."""

    __slots__ = ()


class _Room(_Watched):
    """One of the rooms of a party."""

    __slots__ = ("home",)

    def __init__(self, path: str, home: _Home) -> None:
        super().__init__(path)
        self.home = home


class _Space(_Watched):
    """The namespace of an active negotiation, by the name that a home has for it."""

    __slots__ = ("home", "names", "place")

    def __init__(self, path: str, home: _Home, place: Namespace) -> None:
        super().__init__(path)
        self.home = home
        self.place = place
        self.names: list[str] = []

    def has_changed(self) -> bool | None:
        """Return whether it may have changed; None where it is not there."""
        own = _stamp(self.path)
        if own is None:
            return None
        if self.seen.look[:1] != (own,):
            try:
                names = [name for name in os.listdir(self.path) if _is_word(name)]
            except OSError:
                # ENOENT, EACCES: what can be read of it is said by whoever reads it.
                names = []
            self.names = sorted(names)[:MAX_STATES]
        files = tuple(_stamp(f"{self.path}/{name}") for name in self.names)
        return not self.seen.is_as((own, *files))


class _Names:
    """Names of what is in an archive: eight bytes each, and no way back to the name."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def __contains__(self, name: str) -> bool:
        number = hash(name)
        at = bisect_left(self._hashes, number)
        return at < len(self._hashes) and self._hashes[at] == number

    def add(self, name: str) -> bool:
        """Add a name; return whether it was not there."""
        if name in self:
            return False
        insort(self._hashes, hash(name))
        return True

    def fill(self, names: list[str]) -> None:
        """Hold these names."""
        self._hashes = array("q", sorted(map(hash, names)))


class _Home:
    """What is watched of one party."""

    def __init__(self, layout: Layout, party: Address) -> None:
        self.party = party
        self.active = _Room(layout.room(party, ACTIVE), self)
        self.archive = _Room(layout.room(party, ARCHIVE), self)
        self.listings = _Room(layout.room(party, "listings"), self)
        self.spaces: dict[str, _Space] = {}
        self.archived = _Names()


class FileWatching:
    """What changes in a data root, or at one party, told as it happens or found by scans.

    Args:
        store: of the data root.
        party: only what concerns this party; None for everybody.
        negotiation_id: only negotiations of this id, and no listings.
        notice: told in one line, once, why changes are found later than they could be.
    """

    def __init__(
        self,
        store: FileStore,
        party: Address | None,
        negotiation_id: str | None,
        notice: Callable[[str], object],
    ) -> None:
        self._layout = store.layout
        self._party = party
        self._only = negotiation_id
        self._teams = _Teams(self._layout.teams)
        self._bell = _Bell(self._layout.doorbell)
        self._homes: dict[str, _Home] = {}
        self._unwatched = False
        self._rung: set[Namespace] = set()
        self._begun = False
        self._next_scan = 0.0
        self._found = Looked([], [], [], [])
        self._watches = Watches(
            self._layout,
            notice,
            "what changes is found by looking through everything now and then",
        )

    # ------------------------------------------------------------------ for who watches

    def look(self, *, scan: bool = False) -> Looked:
        """Return where something may have changed since the last call. Does not wait."""
        with reported("see what has changed"):
            self._hear()
            begun = time.monotonic()
            if scan or begun >= self._next_scan or self._is_new():
                # One that does not come to its end is made again.
                self._next_scan = 0.0
                self._scan()
                self._begun = True
                now = time.monotonic()
                self._next_scan = now + self._pause(now - begun)
        # Kept until here: what was found before the disk refused is named by the next look.
        (places, archived, gone, listings), self._found = self._found, Looked([], [], [], [])
        return Looked(
            list(dict.fromkeys(places)),
            list(dict.fromkeys(archived)),
            list(dict.fromkeys(gone)),
            list(dict.fromkeys(listings)),
        )

    def wait(self, timeout_s: float) -> None:
        """Return when something may have changed, after `wake`, or after so many seconds."""
        self._watches.wait(min(timeout_s, self._next_scan - time.monotonic()))

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""
        self._watches.wake()

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        self._watches.close()

    def _is_new(self) -> bool:
        """Return whether there is a data root by now, where there was none."""
        return self._teams.seen.look == (None,) and bounded.is_directory(self._teams.path)

    def _pause(self, cost_s: float) -> float:
        if self._teams.seen.look == (None,):
            return NO_ROOT_S
        if self._watches.is_deaf or self._watches.is_remote:
            least = BARE_SCAN_S
        else:
            least = PART_SCAN_S if self._unwatched else TOLD_SCAN_S
        return max(least, cost_s / SCAN_SHARE)

    # ------------------------------------------------------------------ what the kernel tells

    def _hear(self) -> None:
        for watched, heard in self._watches.read():
            if watched is None:
                self._next_scan = 0.0
            elif isinstance(watched, _Space):
                self._hear_of_space(watched, heard)
            elif heard.what & watches.SELF:
                self._next_scan = 0.0
                self._watches.forget(watched)
            elif isinstance(watched, _Room):
                self._hear_of_room(watched, heard)
            elif isinstance(watched, _Bell):
                self._hear_bell(heard)
            elif self._party is None or heard.name == directory_name(self._party):
                # A party has come or gone.
                self._next_scan = 0.0

    def _hear_of_space(self, space: _Space, heard: Heard) -> None:
        if heard.what & watches.SELF:
            self._watches.forget(space)
            self._check(space.home, space.place.id)
        elif _is_word(heard.name):
            self._found.places.append(space.place)

    def _hear_of_room(self, room: _Room, heard: Heard) -> None:
        home = room.home
        if room is home.listings:
            if not heard.name.startswith("."):
                self._found.listings.append(home.party)
        elif self._is_wanted(heard.name):
            self._check(home, heard.name)

    def _hear_bell(self, heard: Heard) -> None:
        if heard.name == doorbell.UNFINISHED:
            if heard.what & inotify.DELETED:
                # A pass has come to its end: see what has become of what was rung for.
                for place in self._rung:
                    self._ring(place)
                self._rung.clear()
            return
        rung = doorbell.place_of(heard.name)
        if rung is not None:
            if self._is_wanted(rung.id):
                self._rung.add(rung)
                self._ring(rung)
        elif heard.name == doorbell.SCAN and not heard.what & inotify.DELETED:
            # The name of what was rung for is too long for a hint.
            self._next_scan = 0.0

    def _ring(self, place: Namespace) -> None:
        home = self._homes.get(directory_name(self._party or place.initiator))
        if home is None:
            # Its party is new.
            self._next_scan = 0.0
        else:
            self._check(home, place.id)

    # ------------------------------------------------------------------ watches

    def _watch(self, watched: _Watched, what: int) -> None:
        """Let the kernel watch a directory, where it is not watched yet and may be."""
        try:
            self._watches.add(watched, what)
        except OSError as error:
            # The doorbell is the poller's where parties have Unix users of their own. Of the rest,
            # ENOSPC, ENOMEM: there are no more watches; ENOENT, ENOTDIR: it is not there yet, or
            # not any more; EACCES: it is kept from us.
            if error.errno != errno.EACCES or not isinstance(watched, _Bell):
                self._unwatched = True

    # ------------------------------------------------------------------ the scan

    def _scan(self) -> None:
        self._unwatched = False
        # Each watch comes before the look: what changes in between is heard.
        self._watch(self._bell, _WRITTEN | inotify.DELETED)
        self._watch(self._teams, _COMING | _GOING)
        self._teams.seen.is_as((_stamp(self._teams.path),))
        if self._party is not None:
            homes = [directory_name(self._party)]
        else:
            homes = self._names_in(self._teams)
        for name in homes:
            if name not in self._homes:
                self._add_home(name)
        for name in self._homes.keys() - set(homes):
            self._drop_home(self._homes.pop(name))
        for home in self._homes.values():
            # All rooms before all namespaces: where there are not enough watches, rooms have them.
            for room in self._rooms(home):
                self._watch(room, _WRITTEN | _GOING)
        for home in self._homes.values():
            for space in home.spaces.values():
                self._watch(space, _WRITTEN)
            self._scan_home(home)

    def _add_home(self, name: str) -> None:
        party = address_of_directory(name)
        if party is not None and bounded.is_directory(self._layout.party(party)):
            self._homes[name] = _Home(self._layout, party)

    def _drop_home(self, home: _Home) -> None:
        for room in self._rooms(home):
            self._watches.forget(room)
        for space in home.spaces.values():
            self._watches.forget(space)
            self._found.gone.append(space.place)

    def _scan_home(self, home: _Home) -> None:
        if self._has_changed(home.active):
            names = set(filter(self._is_wanted, self._names_in(home.active)))
            for name in sorted(names - home.spaces.keys()):
                self._check(home, name)
        for name, space in list(home.spaces.items()):
            changed = space.has_changed()
            if changed is None:
                self._check(home, name)
            elif changed:
                self._found.places.append(space.place)
        if self._has_changed(home.archive):
            self._scan_archive(home)
        if home.listings in self._rooms(home):
            self._scan_listings(home)

    def _rooms(self, home: _Home) -> tuple[_Room, ...]:
        listings = () if self._only else (home.listings,)
        return (home.active, home.archive, *listings)

    def _scan_archive(self, home: _Home) -> None:
        names = [name for name in self._names_in(home.archive) if self._is_wanted(name)]
        if not self._begun and self._party is None:
            # What was there before is no news.
            home.archived.fill(names)
            return
        for name in names:
            if name not in home.archived and not self._check_archived(home, name):
                # A link comes before what it leads to: look again, whatever the room looks like.
                home.archive.seen = _Seen()
        if not self._begun:
            self._found.archived.clear()

    def _scan_listings(self, home: _Home) -> None:
        names = sorted(name for name in self._names_in(home.listings) if not name.startswith("."))
        look = (_stamp(home.listings.path), *(_stamp(f"{home.listings.path}/{n}") for n in names))
        if not home.listings.seen.is_as(look):
            self._found.listings.append(home.party)

    def _has_changed(self, room: _Room) -> bool:
        found = _stamp(room.path)
        before = room.seen.look[0] if room.seen.look else None
        if found is not None and before is not None and before[2] != found[2]:
            # Another directory is in its place, and the kernel watches the former one.
            self._watches.forget(room)
            self._watch(room, _WRITTEN | _GOING)
        return not room.seen.is_as((found,))

    def _names_in(self, watched: _Watched) -> list[str]:
        try:
            if not bounded.is_directory(watched.path):
                return []
            return os.listdir(watched.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            # EACCES: its owner keeps it from us. The other rooms go on.
            path = self._watches.shown(watched.path)
            self._watches.say(watched.path, f"cannot list {path}: {error.strerror}")
            return []

    def _is_wanted(self, name: str) -> bool:
        return is_id(name) if self._only is None else name == self._only

    # ------------------------------------------------------------------ one negotiation

    def _check(self, home: _Home, name: str) -> None:
        """See whether a negotiation is active, archived or gone, and name it as such."""
        place = self._active(home, name)
        if place is not None:
            space = home.spaces.get(name)
            if space is None:
                space = home.spaces[name] = _Space(self._layout.namespace(place), home, place)
                self._watch(space, _WRITTEN)
                space.has_changed()
            self._found.places.append(place)
            return
        space = home.spaces.pop(name, None)
        if space is not None:
            self._watches.forget(space)
        if self._check_archived(home, name) or space is None:
            return
        if _stamp(f"{home.archive.path}/{name}") is None:
            self._found.gone.append(space.place)

    def _active(self, home: _Home, name: str) -> Namespace | None:
        entry = f"{home.active.path}/{name}"
        try:
            mode = os.lstat(entry).st_mode
        except OSError:
            # ENOENT, or a room that is no directory or kept from us.
            return None
        if stat.S_ISDIR(mode):
            return Namespace(name, home.party)
        if not stat.S_ISLNK(mode) or self._party is None:
            # The initiator's directory is looked at itself.
            return None
        place = namespace.linked_to(self._layout, entry)
        if place is None or place.archived or place.id != name:
            return None
        return place if bounded.is_directory(self._layout.namespace(place)) else None

    def _check_archived(self, home: _Home, name: str) -> bool:
        """Name a negotiation where it is in the archive and was not before; return whether."""
        entry = f"{home.archive.path}/{name}"
        try:
            mode = os.lstat(entry).st_mode
        except OSError:
            # ENOENT, or a room that is no directory or kept from us.
            return False
        place: Namespace | None = None
        if stat.S_ISDIR(mode):
            place = Namespace(name, home.party, archived=True)
        elif stat.S_ISLNK(mode) and self._party is not None:
            # The link comes before what it leads to.
            target = namespace.linked_to(self._layout, entry)
            if target is not None and target.archived and target.id == name:
                there = bounded.is_directory(self._layout.namespace(target))
                place = target if there else None
        if place is None or not home.archived.add(name):
            return False
        space = home.spaces.pop(name, None)
        if space is not None:
            self._watches.forget(space)
        self._found.archived.append(place)
        return True


def _is_word(name: str) -> bool:
    """Return whether a file of a namespace says something: a state or the outcome."""
    return name.endswith(STATE_SUFFIX) or name == OUTCOME_NAME
