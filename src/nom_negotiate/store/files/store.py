"""The file store: the protocol of `store.port` over one directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from nom_negotiate import codec
from nom_negotiate.core.identity import (
    Address,
    address_of_directory,
    check_id,
)
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.party import Isolation, Listing, Profile, Settings
from nom_negotiate.errors import (
    ConfigurationError,
    Conflict,
    InputError,
    RecordError,
    StoreError,
)
from nom_negotiate.store.files import archive as archives
from nom_negotiate.store.files import bounded, locking, mending, namespace, probe, settlement
from nom_negotiate.store.files.atomic import FILE_MODE, Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.isolation import SHARED, Owners, UnixOwners, isolate
from nom_negotiate.store.files.layout import (
    ACTIVE,
    ARCHIVE,
    PARTY_ROOMS,
    PRIVATE,
    PROFILE,
    Layout,
)
from nom_negotiate.store.files.packroom import PackRoom
from nom_negotiate.store.files.writer import FileWriter
from nom_negotiate.store.port import PACK_AT_MOST, Filed, Namespace, Packing, PackSummary

if TYPE_CHECKING:
    from nom_negotiate.store.files.tree import Entry

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
        self._owners: Owners | None = None
        self._packed = PackRoom(self.layout, lambda: self.owners)

    # Set-up

    def initialise(self, settings: Settings) -> bool:
        """Set the root up, or change its settings; return whether it was new."""
        self._refuse_file()
        root = self.layout.root
        with reported("set up the data root"):
            missing = []
            while not os.path.isdir(root):
                missing.append(root)
                root = os.path.dirname(root)
            for path in reversed(missing):
                self.disk.make_directory(path)
            probe.check_file_system(self.disk, self.layout.root)
            # The settings first: whoever comes after a crash takes a root that has directories
            # to be set up, and would go on with the defaults.
            data = codec.encode(settings)
            new = self.disk.create(self.layout.config, data)
            if not new and bounded.read_record(self.layout.config) != data:
                self.disk.replace(self.layout.config, data)
            for path in (self.layout.teams, self.layout.poller):
                self.disk.make_directory(path)
            return new

    def is_set_up(self) -> bool:
        """Return whether there is anything here yet: a set-up, or a party."""
        return any(map(os.path.lexists, (self.layout.config, self.layout.teams)))

    def settings(self) -> Settings:
        """Return how the root was set up; the defaults where it was not."""
        self._refuse_file()
        with reported("read the settings"):
            try:
                data = bounded.read_record(self.layout.config)
                return Settings() if data is None else codec.decode_settings(data)
            except RecordError as error:
                raise ConfigurationError(
                    "malformed_settings", f"{self.layout.config}: {error.message}"
                ) from None

    def _refuse_file(self) -> None:
        root = self.layout.root
        if os.path.lexists(root) and not os.path.isdir(root):
            raise ConfigurationError(
                "unusable_root", f"expected a directory as data root, found a file: {root}"
            )

    @property
    def owners(self) -> Owners:
        """Return whom the files of this root tell apart. Looked at once."""
        if self._owners is None:
            if self.settings().isolation is Isolation.UNIX:
                with reported("see who owns the data root"):
                    self._owners = UnixOwners(self.layout)
                # Whatever the umask: who is not in the market cannot reach the root.
                self.disk.file_mode = FILE_MODE
            else:
                self._owners = SHARED
        return self._owners

    def isolate(self, poller: int, poller_group: int, market: int) -> None:
        """Give the root to the poller's Unix user; its settings say `unix` already.

        Idempotent. For root only.

        Args:
            poller: uid of the poller.
            poller_group: gid of a group that nobody else is in.
            market: gid of the group in which the poller and all parties' users are.

        Raises:
            ConfigurationError: `needs_root`.
        """
        with reported("give the data root to the poller"):
            isolate(self.disk, self.layout, poller, poller_group, market)
        self._owners = None

    def unix_users(self) -> tuple[int, int, int]:
        """Return uid and gid of the poller, and the gid of the market."""
        with reported("see who owns the data root"):
            poller, teams = os.stat(self.layout.poller), os.stat(self.layout.teams)
        return poller.st_uid, poller.st_gid, teams.st_gid

    def hand_over(self, party: Address, uid: int, gid: int) -> None:
        """Give a party's directory to its Unix user. Idempotent; for root only.

        Raises:
            ConfigurationError: `needs_root`, `not_isolated`.
        """
        owners = self.owners
        if not isinstance(owners, UnixOwners):
            raise ConfigurationError(
                "not_isolated", f"{self.layout.root} knows no Unix users of parties"
            )
        with reported(f"give the directory of {party} to its Unix user"):
            owners.hand_over(self.disk, party, uid, gid)

    # Parties

    def parties(self) -> list[Address]:
        """Return every party, sorted."""
        self._refuse_file()
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
        directory = self.layout.party(party)
        with reported(f"make a directory for {party}"):
            if not os.path.isdir(self.layout.teams):
                self.initialise(self.settings())
            new = not os.path.lexists(directory) and self._make_party(profile)
            mending.complete(self.disk, self.layout, party)
            if not os.path.lexists(self.layout.profile(party)):
                self.disk.create(self.layout.profile(party), codec.encode(profile))
            return new

    def _make_party(self, profile: Profile) -> bool:
        """Make a party's directory, whole at once; return False where it is there by now."""
        hidden = self.disk.temporary_directory(self.layout.teams)
        try:
            for room in PARTY_ROOMS:
                self.disk.make_directory(f"{hidden}/{room}")
            self.disk.make_directory(f"{hidden}/{PRIVATE}", mode=0o700)
            self.disk.create(f"{hidden}/{PROFILE}", codec.encode(profile))
            self.disk.move(hidden, self.layout.party(profile.address))
        except BaseException as error:
            if os.path.isdir(hidden):
                self.disk.remove_tree(hidden)
            if isinstance(error, OSError) and error.errno in namespace.TAKEN:
                # Another process has made it at the same moment.
                return False
            raise
        return True

    @contextmanager
    def writer(self, party: Address) -> Iterator[FileWriter]:
        """Take the party's own lock and return its pen."""
        if not self.known(party):
            # Taking the lock would make the directory of somebody who was never admitted.
            raise StoreError("store_failed", f"cannot take the lock of {party}: no such party")
        owners = self.owners
        owners.check_writer(party)
        with ExitStack() as held:
            with reported(f"take the lock of {party}"):
                lock = locking.exclusive(self.layout.lock(party), LOCK_TIMEOUT_S)
                if not held.enter_context(lock):
                    raise Conflict(
                        "busy",
                        f"another writer of {party} held its lock for {LOCK_TIMEOUT_S:g} seconds",
                    )
            yield FileWriter(party, self.disk, self.layout, self._packed, owners)

    # Negotiations

    def namespaces(
        self, party: Address | None = None, *, archived: bool = False
    ) -> Iterator[Namespace]:
        """Yield the negotiations of one party, or of all, each once; for each party by id."""
        if party is not None:
            yield from self._entries(party, archived=archived, links=True)
            return
        for owner in self.parties():
            try:
                yield from self._entries(owner, archived=archived, links=False)
            except StoreError:
                # One party's directory stops nobody else's deal. `mend` reports it.
                if archived:
                    raise

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
            return namespace.read_snapshot(self.layout, place, self.owners)

    def conclude(self, place: Namespace, outcome: Outcome) -> Outcome:
        """Record the outcome unless there is one; return the one that stands."""
        with reported(f"conclude {place.id}"):
            return namespace.conclude(self.disk, self.layout, place, outcome, self.owners)

    def settle(self, outcome: Outcome) -> dict[Address, Filed]:
        """Place the two transactions of an agreed outcome; return them."""
        with reported(f"settle {outcome.negotiation_id}"):
            return settlement.settle(self.disk, self.layout, self._packed, outcome)

    def archive(self, place: Namespace, responder: Address | None) -> Namespace:
        """Move a concluded negotiation to both parties' archives; return where it is now."""
        with reported(f"archive {place.id}"):
            return archives.archive(self.disk, self.layout, place, responder)

    def repair_link(self, place: Namespace, responder: Address) -> bool:
        """Make sure that the responder finds the negotiation; return whether it did not."""
        with reported(f"link {place.id} at {responder}"):
            if self.owners.isolated:
                namespace.clear_names(self.disk, self.layout, place, responder, self.owners)
            return mending.repair_link(self.disk, self.layout, place, responder)

    def mend(self) -> list[Problem]:
        """Finish what a crash left half done outside the namespaces; report what is odd."""
        with reported("look for what was left half done"):
            for directory in (self.layout.root, self.layout.teams, self.layout.poller):
                mending.sweep(self.disk, directory)
        return [problem for party in self.parties() for problem in self._mend(party)]

    def _mend(self, party: Address) -> Iterator[Problem]:
        try:
            with reported(f"look for what was left half done at {party}"):
                yield from mending.mend(self.disk, self.layout, party, self.owners)
        except StoreError as error:
            path = self.layout.relative(self.layout.party(party))
            yield Problem(path=path, reason=f"{error.message}; {error.hint}")

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
        self.owners.check_poller()
        with ExitStack() as held:
            with reported("take the poller's lock"):
                if not os.path.isdir(self.layout.poller):
                    self.initialise(self.settings())
                free = held.enter_context(locking.exclusive(self.layout.poller_lock, 0))
            yield free

    def log_pass(self, line: bytes) -> None:
        """Append one line to the stats log. Not durable."""
        with reported("write the stats log"):
            self.disk.append(self.layout.stats_log, line)

    def passes(self) -> Iterator[bytes]:
        """Yield the lines of the stats log, oldest first."""
        with reported("read the stats log"):
            try:
                file = bounded.open_log(self.layout.stats_log)
            except FileNotFoundError:
                return
            with file:
                yield from file

    # Looking at all of it

    def tree(self, party: Address | None = None) -> Iterator[Entry]:
        """Yield what lies under the root, or at one party, in the order of a drawing.

        For people to look at; only a store of files has it.
        """
        # Imported here: the poller does without it.
        from nom_negotiate.store.files.tree import walk

        with reported("look through the data root"):
            yield from walk(self.layout, party)
