"""A scan: look through the rooms of all parties, and tell what has changed since the last one.

Rules of the room:

- What is as the last scan has seen it goes on, and so does what two reads and a listing prove to
  be quiet (`quiet.py`). All the rest is to be looked at.
- Where another party's room cannot be read, that stops nobody else's deal: it is told, and the
  next pass scans again.
- Most of the time of a scan goes into `_compared` and `_look_at`, once for each negotiation.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import stat
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from nom_negotiate.core.identity import Address, directory_name, is_id
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.core.state import Limits
from nom_negotiate.store.files import bounded, oddities, quiet
from nom_negotiate.store.files.errnos import store_error
from nom_negotiate.store.files.layout import ACTIVE
from nom_negotiate.store.files.scancache import Cache, Rows, ScanFile
from nom_negotiate.store.port import Namespace

if TYPE_CHECKING:
    from nom_negotiate.store.files.store import FileStore


_Looked = tuple[int, int, int]
"""Of a directory when it was listed: times of change in nanoseconds, mtime and ctime; inode."""

_NEVER: Final[_Looked] = (-1, -1, 0)
"""Of a directory whose times are too fresh to be compared with."""

_NOTHING: Final = Rows()


class _Room(NamedTuple):
    """What a scan has found in the room of one party.

    Attributes:
        same: its negotiations that are as the last scan has seen them, by name.
        lost: names of links that were there before.
    """

    same: list[str]
    lost: set[str]


_place: Callable[[tuple[str, Address, bool]], Namespace] = functools.partial(
    tuple.__new__, Namespace
)
"""Make a namespace of its three parts, in a third of the time that `Namespace` takes."""


class Scan:
    """What a look through everything has found.

    Args:
        store: where.
        file: what the last scan has left, and where this one is written down.
        now: unix seconds.
        limits: of the data root, where a negotiation has none of its own.
        rung: namespaces that somebody asks to look at.
        trusting: whether what is unchanged since the last scan may be passed over.
        old_ns: what has changed before that time of the disk's clock cannot have changed again
            within the same time stamp.

    Attributes:
        places: to look at, by initiator and id.
        unchanged: what goes on and need not be looked at.
        problems: what was met on the way.
        failed: whether a room could not be looked through.
    """

    def __init__(
        self,
        store: FileStore,
        file: ScanFile,
        now: int,
        limits: Limits,
        *,
        rung: Collection[Namespace],
        trusting: bool,
        old_ns: int,
    ) -> None:
        self._store = store
        self._layout = store.layout
        self._file = file
        self._now = now
        self._old_ns = old_ns
        self._limits = limits
        self.places: list[Namespace] = []
        self.unchanged: list[Namespace] = []
        self.problems: list[Problem] = []
        self.failed = False
        self._looked: dict[Namespace, _Looked] = {}
        # By home: what is as it was, what was found quiet, what else is in the room, and links in
        # it that are in place.
        self._same: dict[str, list[str]] = {}
        self._found: dict[str, Rows] = {}
        self._others: dict[str, set[str]] = {}
        self._linked: defaultdict[str, set[str]] = defaultdict(set)
        self._rooms: set[str] = set()
        self._cache: Cache = {}
        if trusting:
            found = file.glance()
            # A copy: the store may have kept the other one.
            self._cache = {} if found is None else dict(file.cache(found[0]))
            self.problems += oddities.of_root(self._layout)
        else:
            self.problems += store.mend()
        self._look_through(rung)
        self._is_as_it_was = (
            trusting and bool(self._cache) and not self.places and not any(self._found.values())
        )
        self._mend(thorough=not trusting)

    def _look_through(self, rung: Collection[Namespace]) -> None:
        self._parties = [(party, directory_name(party)) for party in self._store.parties()]
        links: defaultdict[str, set[str]] = defaultdict(set)
        for rows in self._cache.values():
            for responder, name in zip(rows.responders, rows.names, strict=True):
                links[responder].add(name)
        rooms = {
            home: self._room(party, home, self._cache.get(home, _NOTHING), links[home])
            for party, home in self._parties
        }
        lost = {home: room.lost for home, room in rooms.items() if room.lost}
        if rung or lost:
            self._look_again(self._parties, rooms, rung, lost)
        for party, home in self._parties:
            names = sorted(rooms[home].same + self._found[home].names)
            self.unchanged += [_place((name, party, False)) for name in names]
            self._same[home] = rooms[home].same
        self.places.sort(key=lambda place: (place.initiator, place.id))

    def _mend(self, *, thorough: bool) -> None:
        if thorough:
            # Something may be left over in these: they are not certainly quiet.
            for place in self.places:
                self._others[directory_name(place.initiator)].add(place.id)
        for party, home in self._parties:
            others = self._others.pop(home, set())
            self.problems += self._store.mend_party(party, others, thorough=thorough)

    def write(self, at_rest: Mapping[Namespace, tuple[int, Address]]) -> None:
        """Write down what the next scan need not look at.

        Args:
            at_rest: what a look at `places` has found to need none until something is written, or
                it is due: the unix second after which it expires, and who has a link to it.
        """
        if self._is_as_it_was:
            self._file.confirm(self._now)
            return
        for place, (due, responder) in at_rest.items():
            looked = self._looked.get(place, _NEVER)
            self._note_quiet(
                directory_name(place.initiator), place.id, *looked, due, directory_name(responder)
            )
        kept: Cache = {}
        dues = _Dues()
        for home, found in self._found.items():
            known, same = self._cache.pop(home, _NOTHING), self._same[home]
            if found or len(same) < len(known):
                kept[home] = _merged(known, set(same), found, dues, home)
            else:
                kept[home] = known
            dues.add(home, kept[home].dues, kept[home].names)
        self._file.write(self._now, kept, dues.latest_first())

    def _look_again(
        self,
        parties: Sequence[tuple[Address, str]],
        rooms: Mapping[str, _Room],
        rung: Collection[Namespace],
        lost: Mapping[str, set[str]],
    ) -> None:
        """Put among the places what is the same, and yet is to be looked at."""
        for party, home in parties:
            again = {
                name: (mtime_ns, ctime_ns, inode)
                for name, mtime_ns, ctime_ns, inode, _, responder in self._cache.get(home, _NOTHING)
                # Somebody asks for a look, or its responder does not find it any more.
                if Namespace(name, party) in rung or name in lost.get(responder, ())
            }
            same = rooms[home].same
            for name in again.keys() & same:
                self._looked[Namespace(name, party)] = again[name]
                self.places.append(Namespace(name, party))
            same[:] = [name for name in same if name not in again]

    def _room(self, party: Address, home: str, known: Rows, links: set[str]) -> _Room:
        """Look through a party's room.

        Args:
            party: whose.
            home: the name of its directory.
            known: what the last scan has seen of its own negotiations.
            links: names of the links that it had then.
        """
        self._found[home] = Rows()
        try:
            # Through open directories: a link in the place of a room leads nowhere.
            fd = bounded.open_below(self._layout.teams, self._layout.room(party, ACTIVE))
        except OSError as error:
            # One party's room stops nobody else's deal. What is wrong with it is told.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                # It may be full of what was rung for: those hints are gone by now.
                self._scan_failed(party, error)
            return _Room([], links)
        try:
            if known or links:
                names = set(os.listdir(fd))
                same, changed = self._compared(fd, names, known)
                # What is as it was, links included, needs no look at each name for itself.
                others = names.difference(known.names, links)
                new = sorted(others)
            else:
                same, changed, (new, others) = [], [], _sorted_out(fd)
                names = set()
            # The links to what was found quiet before this room was listed are accounted for.
            self._others[home] = others - self._linked.pop(home, set())
            self._look_at(fd, party, home, [*changed, *new])
        finally:
            os.close(fd)
        return _Room(same, links - names)

    def _compared(self, room: int, names: set[str], known: Rows) -> tuple[list[str], list[str]]:
        """Return which of the known ones are as they were, and the others that are there."""
        same: list[str] = []
        changed: list[str] = []
        look, now = os.stat, self._now
        for name, mtime_ns, ctime_ns, inode, due, _ in known:
            if name not in names:
                continue
            try:
                status = look(name, dir_fd=room, follow_symlinks=False)
            except FileNotFoundError:
                # Archived by another pass since it was listed.
                continue
            # Nearly all of a scan is spent here: no more is made of it than it takes.
            if (
                status.st_ctime_ns == ctime_ns
                and status.st_mtime_ns == mtime_ns
                and status.st_ino == inode
                and due >= now
            ):
                same.append(name)
            else:
                changed.append(name)
        return same, changed

    def _look_at(self, room: int, party: Address, home: str, names: Sequence[str]) -> None:
        """Take up what is certainly quiet, and what is to be looked at."""
        mine = self._others[home]
        certain = quiet.Room(self._layout, party, room, self._now, self._limits, self._rooms)
        # Where Unix users own the files, only a proper look tells whose they are.
        isolated, linked, note = self._store.owners.isolated, self._linked, self._note_quiet
        for name in names:
            found = None if isolated else certain.quiet(name)
            if found is not None:
                note(home, name, *found)
                mine.discard(name)
                theirs = self._others.get(found[4])
                if theirs is None:
                    # Listed later.
                    linked[found[4]].add(name)
                else:
                    theirs.discard(name)
                continue
            try:
                status = os.stat(name, dir_fd=room, follow_symlinks=False)
            except FileNotFoundError:
                # Archived by another pass since it was listed.
                continue
            if stat.S_ISDIR(status.st_mode) and is_id(name):
                place = Namespace(name, party)
                self._looked[place] = status.st_mtime_ns, status.st_ctime_ns, status.st_ino
                self.places.append(place)
                mine.discard(name)

    def _note_quiet(
        self, home: str, name: str, mtime_ns: int, ctime_ns: int, inode: int, due: int, by: str
    ) -> None:
        # One that changed a moment ago may change again within the same time stamp.
        if 0 <= mtime_ns < self._old_ns > ctime_ns:
            self._found[home].add(name, mtime_ns, ctime_ns, inode, due, by)
        else:
            self._found[home].add(name, *_NEVER, due, by)

    def _scan_failed(self, party: Address, error: OSError) -> None:
        told = store_error(error, f"list the negotiations of {party}")
        path = self._layout.relative(self._layout.room(party, ACTIVE))
        self.problems.append(Problem(path=path, reason=f"{told.message}; {told.hint}"))
        self.failed = True


class _Dues:
    """What is due when: a column each, as `Rows` has it."""

    def __init__(self) -> None:
        self._at = array("q")
        self._homes: list[str] = []
        self._names: list[str] = []

    def add(self, home: str, at: Sequence[int], names: Sequence[str]) -> None:
        self._at.extend(at)
        self._homes += itertools.repeat(home, len(names))
        self._names += names

    def latest_first(self) -> Iterator[tuple[int, str]]:
        """Yield what `Due` has."""
        for n in sorted(range(len(self._at)), key=self._at.__getitem__, reverse=True):
            yield self._at[n], f"{self._homes[n]}:{self._names[n]}"


def _merged(known: Rows, same: set[str], found: Rows, dues: _Dues, home: str) -> Rows:
    """Return, by name, what is kept in the cache; the rest is due all the same."""
    rows = [row for row in known if row[0] in same]
    if not rows and _NEVER[1] not in found.ctimes and found.names == sorted(found.names):
        # As after the first scan of all.
        return found
    merged = Rows()
    for row in sorted([*rows, *found]):
        if row[1:4] == _NEVER:
            dues.add(home, row[4:5], row[:1])
        else:
            merged.add(*row)
    return merged


def _sorted_out(room: int) -> tuple[list[str], set[str]]:
    """Return the names in a room that are no links, in order, and all of them."""
    names: list[str] = []
    everything: set[str] = set()
    with os.scandir(room) as entries:
        for entry in entries:
            everything.add(entry.name)
            if not entry.is_symlink():
                names.append(entry.name)
    return sorted(names), everything
