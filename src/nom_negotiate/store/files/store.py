"""The file store: the protocol of `store.port` over one directory."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nom_negotiate.core.identity import Address, check_id, is_id
from nom_negotiate.errors import InputError, StoreError
from nom_negotiate.store.files import bounded, hints
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE
from nom_negotiate.store.files.parties import Parties
from nom_negotiate.store.port import (
    PACK_AT_MOST,
    Filed,
    Namespace,
    Packing,
    PackSummary,
    Waiting,
)

# Each use imports what it needs: an idle poll looks at a few hints, and at no negotiation.
if TYPE_CHECKING:
    from nom_negotiate.core.negotiation import Problem, Snapshot
    from nom_negotiate.core.outcome import Outcome
    from nom_negotiate.store.files import settlement
    from nom_negotiate.store.files.agenda import FileAgenda
    from nom_negotiate.store.files.listening import Listening
    from nom_negotiate.store.files.tree import Entry
    from nom_negotiate.store.files.watching import FileWatching


class FileStore(Parties):
    """Keep everything as files under one root.

    Any number of processes on one host may use the same root at once.

    Args:
        root: the data root; made by `initialise` where it does not exist.
        durable: fsync what is written. Without it, a power cut may lose what was
            reported as done; a crash of the process does not.
        disk: the primitives that change the disk; for tests.
    """

    # What a batch has of its own: what it has met, and what it has announced.
    _met: settlement.Met | None = None
    _announced: set[Namespace] | None = None

    # Negotiations

    def namespaces(
        self, party: Address | None = None, *, archived: bool = False
    ) -> Iterator[Namespace]:
        """Yield the negotiations of one party, or of all, each once; for each party by id."""
        if party is not None:
            yield from self._places(party, archived=archived, links=True)
            return
        for owner in self.parties():
            try:
                yield from self._places(owner, archived=archived, links=False)
            except StoreError:
                # One party's directory stops nobody else's deal. `mend` reports it.
                if archived:
                    raise

    def _places(self, party: Address, *, archived: bool, links: bool) -> Iterable[Namespace]:
        if not archived:
            return self._entries(party, archived=False, links=links)

        def unpacked() -> list[Namespace]:
            return list(self._entries(party, archived=True, links=links))

        with reported(f"read the packs of {party}"):
            return self.packed.places(party, unpacked, initiated=not links)

    def _entries(self, party: Address, *, archived: bool, links: bool) -> Iterator[Namespace]:
        from nom_negotiate.store.files import namespace

        with reported(f"list the negotiations of {party}"):
            try:
                room = bounded.check_room(self.layout, party, ARCHIVE if archived else ACTIVE)
                with os.scandir(room) as entries:
                    found = sorted((entry.name, entry.is_symlink(), entry) for entry in entries)
            except FileNotFoundError:
                return
            except NotADirectoryError:
                if links:
                    raise
                # One party's room is nobody else's trouble; `mend` reports it.
                return
            names = [
                (name, is_link)
                for name, is_link, entry in found
                if not name.startswith(".")
                and (links if is_link else entry.is_dir(follow_symlinks=False))
            ]
        for name, is_link in names:
            try:
                check_id(name)
            except InputError:
                continue
            if not is_link:
                yield Namespace(name, party, archived)
                continue
            target = namespace.linked_to(self.layout, f"{room}/{name}")
            if target is not None and target.id == name and target.archived == archived:
                yield target

    def between(self, party: Address, other: Address) -> Iterator[Namespace]:
        """Yield what two parties negotiate, active only, and maybe what they negotiate with others.

        Both have an entry of the same name for it: so two listings tell which few to look at.
        """
        with reported(f"list the negotiations of {party} and {other}"):
            names = self._names(party) & self._names(other)
        for name in sorted(names):
            place = self.find(party, name)
            if place is not None and not place.archived:
                yield place

    def _names(self, party: Address) -> set[str]:
        try:
            names = os.listdir(bounded.check_room(self.layout, party, ACTIVE))
        except FileNotFoundError:
            return set()
        return {name for name in names if is_id(name)}

    def find(self, party: Address, negotiation_id: str) -> Namespace | None:
        """Return the party's negotiation of that id, active or archived."""
        from nom_negotiate.store.files import namespace

        check_id(negotiation_id)
        with reported(f"look for {negotiation_id}"):
            return (
                namespace.find(self.layout, party, negotiation_id)
                or self.packed.find(party, negotiation_id)
                # Asked again: it may have been unpacked in between.
                or namespace.find(self.layout, party, negotiation_id)
            )

    def snapshot(self, place: Namespace) -> Snapshot | None:
        """Return what the namespace held at one moment, None where it is gone."""
        from nom_negotiate.store.files.namespace import read_snapshot

        with reported(f"read {place.id}"):
            found = read_snapshot(self.layout, place, self.owners)
            if found is not None or not place.archived:
                return found
            # Asked again at last: it may have been unpacked in between.
            return self.packed.snapshot(place) or read_snapshot(self.layout, place, self.owners)

    def unfinished(self, initiator: Address) -> Iterator[Namespace]:
        """Yield those of the party's own active negotiations that have an outcome already."""
        from nom_negotiate.store.reading import OUTCOME_NAME

        with reported(f"look at the outcomes of {initiator}"):
            for place in self._entries(initiator, archived=False, links=False):
                if os.path.lexists(f"{self.layout.namespace(place)}/{OUTCOME_NAME}"):
                    yield place

    def conclude(self, place: Namespace, outcome: Outcome) -> Outcome:
        """Record the outcome unless there is one; return the one that stands."""
        from nom_negotiate.store.files import namespace

        with reported(f"conclude {place.id}"):
            try:
                return namespace.conclude(self.disk, self.layout, place, outcome, self.owners)
            except FileNotFoundError:
                packed = self.packed.snapshot(place)
                if packed is None or packed.outcome is None:
                    raise
                return packed.outcome

    def discard_torn(self, snapshot: Snapshot) -> bool:
        """Remove an outcome that a power cut has left without its content.

        Nothing can have followed from it, and where something has it stays: then it was damaged
        in another way, and a person has to see to it.
        """
        from nom_negotiate.store import reading
        from nom_negotiate.store.files import torn

        place = Namespace(snapshot.id, snapshot.initiator)
        with reported(f"look at the outcome of {place.id}"):
            directory = self.layout.namespace(place)
            path = f"{directory}/{reading.OUTCOME_NAME}"
            if not bounded.is_directory(directory) or not torn.is_there(path):
                return False
            for party in (snapshot.initiator, snapshot.responder):
                filed, _ = self.transactions(party) if party is not None else ([], [])
                if any(each.transaction.negotiation_id == place.id for each in filed):
                    return False
            return torn.discard(self.disk, path)

    def settle(self, outcome: Outcome) -> dict[Address, Filed]:
        """Place the two transactions of an agreed outcome; return them."""
        from nom_negotiate.store.files.settlement import Met, settle

        with reported(f"settle {outcome.negotiation_id}"):
            return settle(self.disk, self.layout, outcome, self._met or Met(self.packed))

    def announce(self, place: Namespace, responder: Address | None) -> None:
        """Let the responder find a concluded negotiation in its archive, before it is there."""
        from nom_negotiate.store.files import archive as archives

        with reported(f"archive {place.id}"):
            archives.announce(self.disk, self.layout, place, responder)
        if self._announced is not None:
            self._announced.add(place)

    def archive(self, place: Namespace, responder: Address | None) -> Namespace:
        """Move a concluded negotiation to both parties' archives; return where it is now."""
        from nom_negotiate.store.files import archive as archives

        with reported(f"archive {place.id}"):
            try:
                if self._announced is not None and place in self._announced:
                    return archives.move(self.disk, self.layout, place, responder)
                return archives.archive(self.disk, self.layout, place, responder)
            except FileNotFoundError:
                if self.packed.snapshot(place) is None:
                    raise
                return place._replace(archived=True)

    def repair_link(self, place: Namespace, responder: Address) -> bool:
        """Make sure that the responder finds the negotiation; return whether it did not."""
        from nom_negotiate.store.files import mending, namespace

        with reported(f"link {place.id} at {responder}"):
            if self.owners.isolated:
                namespace.clear_names(self.disk, self.layout, place, responder, self.owners)
            return mending.repair_link(self.disk, self.layout, place, responder)

    def mend(self) -> list[Problem]:
        """Remove what a crash left over beside the parties; report what is odd there."""
        from nom_negotiate.core.negotiation import Problem
        from nom_negotiate.store.files import mending, oddities

        found = []
        for directory in (self.layout.root, self.layout.teams, self.layout.poller):
            try:
                with reported("remove what was left over"):
                    mending.sweep(self.disk, directory)
            except StoreError as error:
                # What somebody else has left, root for example, must not stop a pass.
                path = os.path.relpath(directory, self.layout.root)
                found.append(Problem(path=path, reason=f"{error.message}; {error.hint}"))
        with reported("look at the data root"):
            return found + list(oddities.of_root(self.layout))

    def mend_party(
        self, party: Address, names: Collection[str], *, thorough: bool
    ) -> list[Problem]:
        """Do for one party what a scan must not leave for later.

        Args:
            party: whose directory.
            names: what in its room of active negotiations nobody has accounted for.
            thorough: look for what was left over in all of its rooms, too.
        """
        return list(self._mend(party, names, thorough))

    def _mend(self, party: Address, names: Collection[str], thorough: bool) -> Iterator[Problem]:
        from nom_negotiate.core.negotiation import Problem
        from nom_negotiate.store.files import mending

        try:
            with reported(f"look for what was left half done at {party}"):
                yield from mending.mend(
                    self.disk, self.layout, party, names, self.owners, thorough=thorough
                )
        except StoreError as error:
            path = self.layout.relative(self.layout.party(party))
            yield Problem(path=path, reason=f"{error.message}; {error.hint}")

    # What a pass has to do

    def waiting(self, now: int) -> Waiting:
        """Return what there is to do. Takes no lock, and costs the same whatever is there."""
        return hints.glance(self.layout, self.disk, now)

    @contextmanager
    def attend(self, now: int, *, scan: bool, trusting: bool = True) -> Iterator[FileAgenda]:
        """Yield what one pass has to look at; to be called under the poller's lock."""
        from nom_negotiate.store.files.agenda import FileAgenda

        with reported("see what there is to do"):
            found = FileAgenda(self, now, scan=scan, trusting=trusting)
        yield found
        found.close()

    @contextmanager
    def batch(self) -> Iterator[FileStore]:
        """Yield this store for many changes that share barriers."""
        from nom_negotiate.store.files.settlement import Met

        together = copy.copy(self)
        together._met, together._announced = Met(self.packed), set()
        with ExitStack() as until_then:
            with reported("begin to do many things at once"):
                together.disk = until_then.enter_context(self.disk.together(self.layout.root))
            yield together

    def barrier(self) -> None:
        """Make durable what was changed in a batch."""
        with reported("make what was done durable"):
            self.disk.barrier()

    def watching(
        self,
        party: Address | None = None,
        negotiation_id: str | None = None,
        *,
        notice: Callable[[str], object],
    ) -> FileWatching:
        """Begin to watch for changes, whoever makes them."""
        # Imported here: only who watches needs it.
        from nom_negotiate.store.files.watching import FileWatching

        with reported("watch for changes"):
            return FileWatching(self, party, negotiation_id, notice)

    def listening(self, notice: Callable[[str], object]) -> Listening:
        """Begin to listen for whoever writes."""
        # Imported here: `nom poll` does without.
        from nom_negotiate.store.files.listening import Listening

        with reported("listen for what is written"):
            return Listening(self, notice)

    # Retention

    def pack(
        self, before: int, *, party: Address | None = None, at_most: int = PACK_AT_MOST
    ) -> Packing:
        """Pack what ended before a time: archived negotiations and settled transactions."""
        # Imported here: a poll does without it, but for one in an hour.
        from nom_negotiate.store.files.packing import PackingRun

        parties = self.parties() if party is None else [party]
        run = PackingRun(
            self.disk,
            self.layout,
            self.packed.packs,
            self.owners,
            before=before,
            at_most=at_most,
        )
        places = (
            place
            for owner in parties
            for place in self._entries(owner, archived=True, links=party is not None)
        )
        return run.run(places, parties)

    def unpack(self, what: str, party: Address | None = None) -> Packing:
        """Put back what is packed, the same bytes under the same names."""
        from nom_negotiate.core.packed import Packed, month_of
        from nom_negotiate.store.files.unpacking import UnpackingRun
        from nom_negotiate.store.packed import is_meant

        def meant(record: Packed) -> bool:
            return what == month_of(record.at) or is_meant(record, what)

        parties = self.parties() if party is None else [party]
        run = UnpackingRun(self.disk, self.layout, self.packed.packs, self.owners)
        return run.run(meant, parties)

    def packs(self, party: Address) -> list[PackSummary]:
        """Return what the party's packs hold, by month."""
        if not self.packed.has_any(party):
            return []
        with reported(f"read the packs of {party}"):
            return self.packed.packs.retried(lambda: self.packed.packs.summaries(party))

    def sweep(self) -> list[Problem]:
        """Remove what was left over where `mend` does not look; report what is odd."""
        from nom_negotiate.store.files import mending

        with reported("look for what was left over"):
            mending.sweep(self.disk, f"{self.layout.root}/migration")
        return [problem for party in self.parties() for problem in self._swept(party)]

    def _swept(self, party: Address) -> Iterator[Problem]:
        from nom_negotiate.core.negotiation import Problem
        from nom_negotiate.store.files import mending

        try:
            with reported(f"look for what was left over in the archive of {party}"):
                mending.sweep_packs(self.disk, self.layout, party)
                yield from mending.sweep_archive(self.disk, self.layout, party)
        except StoreError as error:
            path = self.layout.relative(self.layout.room(party, ARCHIVE))
            yield Problem(path=path, reason=f"{error.message}; {error.hint}")

    # Looking at all of it

    def tree(self, party: Address | None = None) -> Iterator[Entry]:
        """Yield what lies under the root, or at one party, in the order of a drawing.

        For people to look at; only a store of files has it.
        """
        # Imported here: the poller does without it.
        from nom_negotiate.store.files.tree import walk

        with reported("look through the data root"):
            yield from walk(self.layout, party)
