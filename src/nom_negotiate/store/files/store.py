"""The file store: the protocol of `store.port` over one directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from nom_negotiate import codec
from nom_negotiate.core.identity import (
    Address,
    address_of_directory,
    check_id,
    state_file_name,
)
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome, Transaction
from nom_negotiate.core.party import Listing, Profile, Settings
from nom_negotiate.core.state import PartyState
from nom_negotiate.errors import ConfigurationError, Conflict, InputError, RecordError
from nom_negotiate.store.files import archive as archives
from nom_negotiate.store.files import bounded, mending, namespace, probe, settlement
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, PARTY_ROOMS, Layout
from nom_negotiate.store.port import Filed, Namespace

LOCK_TIMEOUT_S: Final = 10.0

T = TypeVar("T")


class FileStore:
    """Keep everything as files under one root.

    Any number of processes on one host may use the same root at once.

    Args:
        root: the data root; made by `initialise` where it does not exist.
        durable: fsync what is written. Without it, a power cut may lose what was
            reported as done; a crash of the process does not.
        disk: the primitives that change the disk; for tests.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, durable: bool = True, disk: Disk | None = None
    ) -> None:
        self.layout = Layout(os.path.abspath(os.fspath(root)))
        self.disk = Disk(durable=durable) if disk is None else disk

    # Set-up

    def initialise(self, settings: Settings) -> bool:
        """Set the root up, or change its settings; return whether it was new."""
        root = self.layout.root
        if os.path.lexists(root) and not os.path.isdir(root):
            raise ConfigurationError(
                "unusable_root", f"expected a directory as data root, found a file: {root}"
            )
        with reported("set up the data root"):
            missing = []
            while not os.path.isdir(root):
                missing.append(root)
                root = os.path.dirname(root)
            for path in reversed(missing):
                self.disk.make_directory(path)
            probe.check_file_system(self.disk, self.layout.root)
            for path in (self.layout.teams, self.layout.poller):
                self.disk.make_directory(path)
            data = codec.encode(settings)
            if self.disk.create(self.layout.config, data):
                return True
            if bounded.read_record(self.layout.config) != data:
                self.disk.replace(self.layout.config, data)
            return False

    def settings(self) -> Settings:
        """Return how the root was set up; the defaults where it was not."""
        root = self.layout.root
        if os.path.lexists(root) and not os.path.isdir(root):
            raise ConfigurationError(
                "unusable_root", f"expected a directory as data root, found a file: {root}"
            )
        with reported("read the settings"):
            try:
                data = bounded.read_record(self.layout.config)
                return Settings() if data is None else codec.decode_settings(data)
            except RecordError as error:
                raise ConfigurationError(
                    "malformed_settings", f"{self.layout.config}: {error.message}"
                ) from None

    # Parties

    def parties(self) -> list[Address]:
        """Return every party, sorted."""
        with reported("list the parties"):
            try:
                names = os.listdir(self.layout.teams)
            except FileNotFoundError:
                return []
        found = (address_of_directory(name) for name in names)
        return sorted(
            party
            for party in found
            if party is not None and os.path.isdir(self.layout.party(party))
        )

    def known(self, party: Address) -> bool:
        """Return whether the party has a directory."""
        return os.path.isdir(self.layout.party(party))

    def profile(self, party: Address) -> Profile | None:
        """Return who the party is, None where it has not been said."""
        with reported(f"read the profile of {party}"):
            data = bounded.read_record(self.layout.profile(party))
        return None if data is None else codec.decode_profile(data)

    def add_party(self, profile: Profile) -> bool:
        """Make room for a party; return whether it is new. An existing profile stays."""
        party = profile.address
        with reported(f"make a directory for {party}"):
            if not os.path.isdir(self.layout.teams):
                self.initialise(Settings())
            new = self.disk.make_directory(self.layout.party(party))
            for room in PARTY_ROOMS:
                self.disk.make_directory(self.layout.room(party, room))
            self.disk.make_directory(self.layout.room(party, "private"), mode=0o700)
            if not os.path.lexists(self.layout.profile(party)):
                self.disk.create(self.layout.profile(party), codec.encode(profile))
            return new

    @contextmanager
    def writer(self, party: Address) -> Iterator[FileWriter]:
        """Take the party's own lock and return its pen."""
        # Imported here: readers and the poller's idle pass do without it.
        import filelock

        lock = filelock.FileLock(self.layout.lock(party), timeout=LOCK_TIMEOUT_S)
        try:
            with reported(f"take the lock of {party}"):
                lock.acquire()
        except filelock.Timeout:
            raise Conflict(
                "busy", f"another writer of {party} held its lock for {LOCK_TIMEOUT_S:g} seconds"
            ) from None
        try:
            yield FileWriter(party, self.disk, self.layout)
        finally:
            lock.release()

    # Negotiations

    def namespaces(
        self, party: Address | None = None, *, archived: bool = False
    ) -> Iterator[Namespace]:
        """Yield the negotiations of one party, or of all, each once; for each party by id."""
        if party is not None:
            yield from self._entries(party, archived=archived, links=True)
            return
        for owner in self.parties():
            yield from self._entries(owner, archived=archived, links=False)

    def _entries(self, party: Address, *, archived: bool, links: bool) -> Iterator[Namespace]:
        room = self.layout.room(party, ARCHIVE if archived else ACTIVE)
        with reported(f"list the negotiations of {party}"):
            try:
                with os.scandir(room) as entries:
                    found = sorted((entry.name, entry.is_symlink(), entry) for entry in entries)
            except FileNotFoundError:
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

    def find(self, party: Address, negotiation_id: str) -> Namespace | None:
        """Return the party's negotiation of that id, active or archived."""
        check_id(negotiation_id)
        for archived in (False, True):
            entry = self.layout.entry(party, negotiation_id, archived=archived)
            target = namespace.linked_to(self.layout, entry)
            if target is None:
                target = Namespace(negotiation_id, party, archived)
            elif target.id != negotiation_id:
                continue
            # A link may still say where the namespace was before it was archived.
            for place in (target, target._replace(archived=True)):
                path = self.layout.namespace(place)
                if os.path.isdir(path) and not os.path.islink(path):
                    return place
        return None

    def snapshot(self, place: Namespace) -> Snapshot | None:
        """Return what the namespace held at one moment, None where it is gone."""
        with reported(f"read {place.id}"):
            return namespace.read_snapshot(self.layout, place)

    def conclude(self, place: Namespace, outcome: Outcome) -> Outcome:
        """Record the outcome unless there is one; return the one that stands."""
        with reported(f"conclude {place.id}"):
            return namespace.conclude(self.disk, self.layout, place, outcome)

    def settle(self, outcome: Outcome) -> dict[Address, Filed]:
        """Place the two transactions of an agreed outcome; return them."""
        with reported(f"settle {outcome.negotiation_id}"):
            return settlement.settle(self.disk, self.layout, outcome)

    def archive(self, place: Namespace, responder: Address | None) -> Namespace:
        """Move a concluded negotiation to both parties' archives; return where it is now."""
        with reported(f"archive {place.id}"):
            return archives.archive(self.disk, self.layout, place, responder)

    def repair_link(self, place: Namespace, responder: Address) -> bool:
        """Make sure that the responder finds the negotiation; return whether it did not."""
        with reported(f"link {place.id} at {responder}"):
            return mending.repair_link(self.disk, self.layout, place, responder)

    def mend(self) -> list[Problem]:
        """Finish what a crash left half done outside the namespaces; report what is odd."""
        with reported("look for what was left half done"):
            return [
                problem
                for party in self.parties()
                for problem in mending.mend(self.disk, self.layout, party)
            ]

    # Transactions and listings

    def transactions(self, party: Address) -> tuple[list[Filed], list[Problem]]:
        """Return the party's transactions by name, and what could not be read."""
        found, problems = self._records(party, "transactions", codec.decode_transaction)
        return [Filed(name, record) for name, record in found], problems

    def listings(self, party: Address) -> tuple[list[Listing], list[Problem]]:
        """Return the party's listings by id, and what could not be read."""
        found, problems = self._records(party, "listings", codec.decode_listing)
        return [record for _, record in found], problems

    def _records(
        self, party: Address, room: str, decode: Callable[[bytes], T]
    ) -> tuple[list[tuple[str, T]], list[Problem]]:
        found: list[tuple[str, T]] = []
        problems: list[Problem] = []
        directory = self.layout.room(party, room)
        with reported(f"read the {room} of {party}"):
            try:
                names = sorted(os.listdir(directory))
            except FileNotFoundError:
                names = []
            for name in names:
                if name.startswith(".") or not name.endswith(".json"):
                    continue
                path = f"{directory}/{name}"
                try:
                    data = bounded.read_record(path)
                    if data is not None:
                        found.append((name, decode(data)))
                except RecordError as error:
                    reason = f"{error.message}; {error.hint}"
                    problems.append(Problem(path=self.layout.relative(path), reason=reason))
        return found, problems

    # The poller's room

    @contextmanager
    def polling(self) -> Iterator[bool]:
        """Take the poller's lock; the value says whether it was free. Never waits."""
        import filelock

        lock = filelock.FileLock(self.layout.poller_lock, timeout=0)
        with reported("take the poller's lock"):
            if not os.path.isdir(self.layout.poller):
                self.initialise(self.settings())
            try:
                lock.acquire()
            except filelock.Timeout:
                yield False
                return
        try:
            yield True
        finally:
            lock.release()

    def log_pass(self, line: bytes) -> None:
        """Append one line to the stats log. Not durable."""
        with reported("write the stats log"):
            self.disk.append(self.layout.stats_log, line)

    def passes(self) -> Iterator[bytes]:
        """Yield the lines of the stats log, oldest first."""
        with reported("read the stats log"):
            try:
                file = open(self.layout.stats_log, "rb")  # noqa: SIM115
            except FileNotFoundError:
                return
            with file:
                yield from file


class FileWriter:
    """The pen of one party over files, valid while its lock is held."""

    def __init__(self, party: Address, disk: Disk, layout: Layout) -> None:
        self._party = party
        self._disk = disk
        self._layout = layout

    @property
    def party(self) -> Address:
        """Return whose files this writes."""
        return self._party

    def create(
        self,
        responder: Address,
        chemical: str,
        seconds: int,
        first_state: Callable[[str], PartyState],
    ) -> Namespace:
        """Create a negotiation with its first state; both parties find it, or neither."""
        with reported("start a negotiation"):
            return namespace.create(
                self._disk,
                self._layout,
                (self._party, responder),
                chemical,
                seconds,
                first_state,
            )

    def write(self, place: Namespace, state: PartyState) -> bool:
        """Replace this party's own state, whole and durable; False where the place is gone."""
        assert state.user == self._party, "a pen writes its own party's state only"
        assert state.counterparty is not None, "a state is written to somebody"
        name = state_file_name(self._party, state.counterparty)
        data = codec.encode(state)
        with reported(f"write your state of {place.id}"):
            try:
                self._disk.replace(f"{self._layout.namespace(place)}/{name}", data)
            except FileNotFoundError:
                # It was concluded, and moved to the archive, under this writer's hands.
                return False
            return True

    def replace_transaction(self, name: str, transaction: Transaction) -> None:
        """Replace one of this party's own transaction files."""
        with reported(f"write {name}"):
            self._disk.replace(
                f"{self._layout.room(self._party, 'transactions')}/{name}",
                codec.encode(transaction),
            )

    def write_transaction(self, name: str, transaction: Transaction) -> str:
        """Add a transaction of this party under `name`, or the next free name; return it."""
        with reported(f"write {name}"):
            room = self._layout.room(self._party, "transactions")
            return settlement.place(self._disk, room, name, transaction).name

    def write_listing(self, listing: Listing) -> None:
        """Write one of this party's own listings."""
        assert listing.user == self._party, "a pen writes its own party's listings only"
        check_id(listing.id)
        with reported(f"write the listing {listing.id}"):
            self._disk.replace(
                f"{self._layout.room(self._party, 'listings')}/{listing.id}.json",
                codec.encode(listing),
            )
