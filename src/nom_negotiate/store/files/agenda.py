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

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.core.state import Limits
from nom_negotiate.store.files import doorbell
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.isolation import UnixOwners
from nom_negotiate.store.files.scancache import FRESH_NS, Due, Header, ScanFile
from nom_negotiate.store.port import SCAN_EVERY_S, Namespace

if TYPE_CHECKING:
    from nom_negotiate.store.files.scan import Scan
    from nom_negotiate.store.files.store import FileStore


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
        self.places: list[Namespace] = []
        self.scanned = scan
        self.scan_again = False
        self._quiet: dict[Namespace, tuple[int, Address]] = {}
        self._header: Header | None = None
        self._scan: Scan | None = None
        # Before a hint is taken: settings that cannot be read end the pass.
        limits = store.settings().limits if scan else Limits()
        hints = doorbell.rung(self._layout)
        begun_ns = self._begin()
        rung = self._take(hints)
        if scan:
            self._look_through(set(rung), limits, trusting=trusting, begun_ns=begun_ns)
        else:
            self._look_where_it_rang(rung)

    def _look_through(
        self, rung: set[Namespace], limits: Limits, *, trusting: bool, begun_ns: int
    ) -> None:
        from nom_negotiate.store.files.scan import Scan  # most passes do without

        self._scan = found = Scan(
            self._store,
            self._file,
            self._now,
            limits,
            rung=rung,
            trusting=trusting,
            old_ns=begun_ns - FRESH_NS,
        )
        self.places, self.unchanged = found.places, found.unchanged
        self.problems, self.scan_again = found.problems, found.failed

    def _look_where_it_rang(self, rung: list[Namespace]) -> None:
        found = self._file.glance()
        self._header = None if found is None else found[0]
        due = [] if self._header is None else self._file.pop(self._header, self._now)
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

    # The end

    def _note(self) -> None:
        if self._scan is not None:
            self._scan.write(self._quiet)
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
