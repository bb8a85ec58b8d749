"""What one pass of the poller has to look at, and what it leaves for the next.

Three kinds of passes, each looking at more than the one before:

- Most look only where the doorbell was rung, and at what is due. They cost what changed.
- A *scan* looks through the rooms of all parties, once in `SCAN_EVERY_S`: it finds what was
  written by those who ring no bell, and what of the hints was lost. A namespace whose
  directory has not changed since the last scan is not read again.
- One that trusts no hint reads every negotiation, and mends what a crash left anywhere. It
  is made once in an hour, on demand, and where there is no scan to go by.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from nom_negotiate.core.identity import Address, directory_name, is_id
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.store.files import bounded, doorbell, oddities
from nom_negotiate.store.files.errnos import reported, store_error
from nom_negotiate.store.files.isolation import UnixOwners
from nom_negotiate.store.files.layout import ACTIVE
from nom_negotiate.store.files.scancache import FRESH_NS, Cache, Due, Header, ScanFile, Seen
from nom_negotiate.store.port import SCAN_EVERY_S, Namespace

if TYPE_CHECKING:
    from nom_negotiate.store.files.store import FileStore


_Looked = tuple[int, int, int]
"""Of a directory when it was listed: times of change in nanoseconds, mtime and ctime; inode."""


class _Room(NamedTuple):
    """What a scan has found in the room of one party.

    Attributes:
        same: its negotiations that are as the last scan has seen them, by name.
        others: names that are neither negotiations nor links that were there before.
        lost: names of links that were there before.
    """

    same: list[str]
    others: set[str]
    lost: set[str]


_place: Callable[[tuple[str, Address, bool]], Namespace] = functools.partial(
    tuple.__new__, Namespace
)
"""Make a namespace of its three parts, in a third of the time that `Namespace` takes."""


class FileAgenda:
    """What to look at in one pass, under the poller's lock.

    Args:
        store: where.
        now: unix seconds.
        scan: whether to look through everything.
        trusting: whether what is unchanged since the last scan may be passed over.

    Attributes:
        places: to look at, by initiator and id.
        unchanged: what goes on and need not be looked at; only a scan knows.
        problems: what was met on the way.
        scanned: whether everything was looked through.
        scan_again: to be set where the next pass is to look through everything, too.
    """

    def __init__(self, store: FileStore, now: int, *, scan: bool, trusting: bool) -> None:
        self._store = store
        self._layout = store.layout
        self._disk = store.disk
        self._now = now
        self._file = ScanFile(store.layout.scan, store.disk, store.scanned)
        self.problems: list[Problem] = []
        self.unchanged: list[Namespace] = []
        self.scanned = scan
        self.scan_again = False
        self._looked: dict[Namespace, _Looked] = {}
        self._quiet: dict[Namespace, tuple[int, Address]] = {}
        self._cache: Cache = {}
        self._header: Header | None = None
        self._is_as_it_was = False
        hints = doorbell.rung(self._layout)
        self._disk_now_ns = self._begin()
        rung = self._take(hints)
        self.places: list[Namespace] = []
        if scan:
            self._scan(set(rung), trusting=trusting)
        else:
            found = self._file.glance()
            self._header = None if found is None else found[0]
            due = [] if self._header is None else self._file.pop(self._header, now)
            if due is None:
                # What is due cannot be told: the next pass scans.
                self._header = None
            places = {*rung, *filter(None, map(doorbell.place_of, due or ()))}
            self.places = sorted(places, key=lambda place: (place.initiator, place.id))
            self._lay_out()

    def quiet(self, place: Namespace, due: int, responder: Address) -> None:
        """Note that a namespace needs no look until something is written, or it is due.

        Args:
            place: one that was looked at.
            due: unix second after which it expires.
            responder: who has a link to it.
        """
        self._quiet[place] = (due, responder)

    def again(self, place: Namespace) -> None:
        """Ask the next pass to look at a namespace: this one could not do what it called for."""
        doorbell.ring(self._disk, self._layout, place)

    def close(self) -> None:
        """Leave for the next pass what this one knows. Only after it has done all."""
        if self.scan_again:
            doorbell.leave(self._disk, self._layout, doorbell.SCAN)
        with suppress(OSError):
            self._note()
            self._disk.discard(f"{self._layout.doorbell}/{doorbell.UNFINISHED}")

    # The beginning

    def _begin(self) -> int:
        """Leave the mark of a pass that works; return the time by the disk's own clock."""
        mark = f"{self._layout.doorbell}/{doorbell.UNFINISHED}"
        try:
            try:
                self._disk.leave_hint(mark)
            except FileNotFoundError:
                # A root from before there was one.
                self._store.lay_out_poller()
                self._disk.leave_hint(mark)
            return os.lstat(mark).st_mtime_ns
        except OSError:
            # A full disk. Nothing is fresh enough to be trusted then.
            return 0

    def _take(self, hints: list[str]) -> list[Namespace]:
        rung = []
        for name in hints:
            place = doorbell.place_of(name)
            if place is not None:
                if doorbell.take(self._disk, self._layout, name):
                    rung.append(place)
            elif name == doorbell.SCAN:
                doorbell.take(self._disk, self._layout, name)
        return rung

    def _lay_out(self) -> None:
        owners = self._store.owners
        if isinstance(owners, UnixOwners):
            # Whoever has started a negotiation has used up what was laid out.
            for party in dict.fromkeys(place.initiator for place in self.places):
                with reported(f"lay out namespaces of {party}"):
                    self.problems += owners.prepare(self._disk, party)

    # A scan

    def _scan(self, rung: set[Namespace], *, trusting: bool) -> None:
        cache: Cache = {}
        if trusting:
            found = self._file.glance()
            cache = {} if found is None else self._file.cache(found[0])
            self.problems += oddities.of_root(self._layout)
        else:
            self.problems += self._store.mend()
        parties = [(party, directory_name(party)) for party in self._store.parties()]
        links: defaultdict[str, set[str]] = defaultdict(set)
        for rows in cache.values():
            for name, seen in rows.items():
                links[seen.responder].add(name)
        rooms = {
            home: self._room(party, cache.get(home, {}), links[home]) for party, home in parties
        }
        lost = {home: room.lost for home, room in rooms.items() if room.lost}
        for party, home in parties:
            places = [_place((name, party, False)) for name in rooms[home].same]
            if not (rung or lost):
                self.unchanged += places
                continue
            known = cache.get(home, {})
            for place in places:
                seen = known[place.id]
                if place in rung or place.id in lost.get(seen.responder, ()):
                    # Somebody asks for a look, or its responder does not find it any more.
                    self._looked[place] = seen[:3]
                    self.places.append(place)
                else:
                    self.unchanged.append(place)
        self._cache = cache
        self.places.sort(key=lambda place: (place.initiator, place.id))
        self._is_as_it_was = trusting and bool(cache) and not self.places
        if trusting:
            for party, home in parties:
                self.problems += self._store.mend_party(party, rooms[home].others)

    def _room(self, party: Address, known: Mapping[str, Seen], links: set[str]) -> _Room:
        """Look through a party's room.

        Args:
            party: whose.
            known: what the last scan has seen of its own negotiations.
            links: names of the links that it had then.
        """
        try:
            # Through open directories: a link in the place of a room leads nowhere.
            fd = bounded.open_below(self._layout.teams, self._layout.room(party, ACTIVE))
        except OSError as error:
            # One party's room stops nobody else's deal. What is wrong with it is told.
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                # It may be full of what was rung for: those hints are gone by now.
                self._scan_failed(party, error)
            return _Room([], set(), links)
        try:
            names = set(os.listdir(fd))
            # In the order of the cache, which is that of the names.
            own = [name for name in known if name in names]
            same, changed = self._compared(fd, own, known)
            # What is as it was, links included, needs no look at each name for itself.
            new = [name for name in sorted(names - known.keys() - links) if is_id(name)]
            changed += self._compared(fd, new, {})[1]
        finally:
            os.close(fd)
        gone = links - names
        for name, looked in changed:
            place = Namespace(name, party)
            self._looked[place] = looked
            self.places.append(place)
        names -= links
        names.difference_update(same, (name for name, _ in changed))
        return _Room(same, names, gone)

    def _compared(
        self, room: int, names: Sequence[str], known: Mapping[str, Seen]
    ) -> tuple[list[str], list[tuple[str, _Looked]]]:
        """Return which directories are as they were, and the others, as they are now."""
        same: list[str] = []
        changed: list[tuple[str, _Looked]] = []
        look, now, unseen = os.stat, self._now, (0, 0, 0, 0, "")
        for name in names:
            try:
                status = look(name, dir_fd=room, follow_symlinks=False)
            except FileNotFoundError:
                # Archived by another pass since it was listed.
                continue
            # Nearly all of a scan is spent here: no more is made of it than it takes.
            mtime_ns, ctime_ns, inode, due, _ = known.get(name, unseen)
            if (
                status.st_ctime_ns == ctime_ns
                and status.st_mtime_ns == mtime_ns
                and status.st_ino == inode
                and due >= now
            ):
                same.append(name)
            elif stat.S_ISDIR(status.st_mode):
                changed.append((name, (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)))
        return same, changed

    def _scan_failed(self, party: Address, error: OSError) -> None:
        told = store_error(error, f"list the negotiations of {party}")
        path = self._layout.relative(self._layout.room(party, ACTIVE))
        self.problems.append(Problem(path=path, reason=f"{told.message}; {told.hint}"))
        self.scan_again = True

    # The end

    def _note(self) -> None:
        if self._is_as_it_was:
            self._file.confirm(self._now)
        elif self.scanned:
            self._write()
        elif self._header is None:
            doorbell.leave(self._disk, self._layout, doorbell.SCAN)
        else:
            # What is due after that is found by the next scan.
            until = self._header.at + SCAN_EVERY_S
            new = [
                Due(due, doorbell.name_of(place))
                for place, (due, _) in self._quiet.items()
                if due < until
            ]
            if not self._file.push(self._header, new):
                doorbell.leave(self._disk, self._layout, doorbell.SCAN)

    def _write(self) -> None:
        kept: Cache = {}
        due: list[Due] = []
        for place in self.unchanged:
            home = directory_name(place.initiator)
            seen = kept.setdefault(home, {})[place.id] = self._cache[home][place.id]
            due.append(Due(seen.due, f"{home}:{place.id}"))
        for place, (at, responder) in self._quiet.items():
            due.append(Due(at, doorbell.name_of(place)))
            looked = self._looked.get(place)
            # One that changed a moment ago may change again within the same time stamp.
            if looked is not None and max(looked[:2]) + FRESH_NS < self._disk_now_ns:
                seen = Seen(*looked, at, directory_name(responder))
                kept.setdefault(directory_name(place.initiator), {})[place.id] = seen
        for home, rows in kept.items():
            kept[home] = dict(sorted(rows.items()))
        self._file.write(self._now, kept, due)
