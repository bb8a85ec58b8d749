"""What a migration adds to a data root, each thing whole or not at all.

Rules of the room:

- A thing appears whole under its name, or not at all: a party with its rooms and profile, a
  file with its content, a negotiation with both states, its outcome and its link. So whoever
  reads or polls meanwhile never finds half of one.
- What was there already stays as it is. A name that is taken is told, never overwritten.
- No directory of a party is followed out of the root: see `obstacle`.

`removal` says how it is taken away again.
"""

from __future__ import annotations

import copy
import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from typing import Final, NamedTuple, TypeVar

from nom_negotiate.core.identity import Address
from nom_negotiate.core.packed import Packed, PackedKind
from nom_negotiate.core.party import Settings
from nom_negotiate.errors import Conflict, RecordError
from nom_negotiate.store.files import bounded, mending, namespace
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.layout import PARTY_ROOMS, PRIVATE, PROFILE, Layout
from nom_negotiate.store.files.logbook import Logbook
from nom_negotiate.store.files.store import FileStore
from nom_negotiate.store.packed import place_of
from nom_negotiate.store.port import Namespace
from nom_negotiate.store.reading import OUTCOME_NAME

T = TypeVar("T")

MARK: Final = "migration-"
"""Begins the temporary names of a migration. Only one runs at a time, so whatever the next
one finds under such a name is left over."""

ROOMS: Final = (*PARTY_ROOMS, PRIVATE)

TRANSACTIONS: Final = "transactions"

UNREADABLE: Final = "unreadable"
"""Stands for the digest of what is no regular file, or too large: it matches none."""

NOT_EMPTY: Final = {errno.ENOTEMPTY, errno.EEXIST}
"""What removing a directory meets that has something in it."""


class NewParty(NamedTuple):
    """A party to be added: what is missing of its rooms and its profile."""

    party: Address
    profile: bytes


class NewFile(NamedTuple):
    """A file to be added to a room of a party."""

    party: Address
    room: str
    name: str
    data: bytes


class NewNamespace(NamedTuple):
    """A negotiation to be added: its files by name."""

    place: Namespace
    responder: Address
    files: Mapping[str, bytes]


class NewOutcome(NamedTuple):
    """An outcome to be added to a negotiation that is there."""

    place: Namespace
    data: bytes


class AddedParty(NamedTuple):
    """What was missing of a party, and is there now.

    Attributes:
        whole: whether its directory was.
        rooms: those that were.
        profile: whether its profile was.
    """

    whole: bool
    rooms: tuple[str, ...]
    profile: bool


class Installation:
    """Adds things to a data root and takes them away.

    Args:
        store: the data root. Changes go through its disk.

    Attributes:
        logbook: of the migrations of this root.
    """

    def __init__(self, store: FileStore) -> None:
        self.layout: Layout = store.layout
        self._store = store
        self.disk: Disk = store.disk
        self._packed = store.packed
        self.logbook = Logbook(store.layout, store.disk)

    # The data root itself

    def set_up(self) -> None:
        """Set the data root up where it was not, with the default settings."""
        with self.batch() as batch, reported("set up the data root"):
            if not os.path.lexists(self.layout.config):
                store = copy.copy(self._store)
                store.disk = batch.disk
                store.initialise(Settings())
            for path in (self.layout.teams, self.layout.poller):
                if not os.path.lexists(path):
                    batch.disk.make_directory(path)

    @contextmanager
    def batch(self) -> Iterator[Installation]:
        """Yield an installation whose changes are durable when the block has ended."""
        with self.disk.batch(MARK) as disk:
            batch = copy.copy(self)
            batch.disk = disk
            yield batch

    def confirm(self, party: Address) -> None:
        """Make durable what an earlier run has added to a party and did not come to syncing."""
        with reported(f"sync the directory of {party}"):
            home = self.layout.party(party)
            for path in (self.layout.teams, home, *(f"{home}/{room}" for room in ROOMS)):
                self.disk.confirm(path)

    def sweep(self, places: Iterable[Namespace] = ()) -> None:
        """Remove what a migration that was cut short has left under temporary names.

        Args:
            places: of the negotiations that it may have been at work in.
        """
        with reported("remove what an earlier migration left over"):
            rooms = [self.layout.root, self.layout.teams, *map(self.layout.namespace, places)]
            for party in self._store.parties():
                if self.obstacle(party) is None:
                    home = self.layout.party(party)
                    rooms += [home, *(f"{home}/{room}" for room in PARTY_ROOMS)]
            found = [entry for room in rooms for entry in _left_over(room)]
            for room in rooms if found else ():
                # Whoever moved them from their places may not have come to syncing that: none
                # may come back there with something missing.
                self.disk.confirm(room)
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    self.disk.remove_tree(entry.path)
                else:
                    self.disk.remove(entry.path)

    # Looking

    def obstacle(self, party: Address) -> str | None:
        """Return why nothing can be added to the party's directory; None where it can.

        A link there would lead out of the data root.
        """
        home = self.layout.party(party)
        for path in (home, *(f"{home}/{room}" for room in ROOMS)):
            if os.path.islink(path):
                return f"{self.layout.relative(path)} is a symbolic link; not followed"
            if os.path.lexists(path) and not os.path.isdir(path):
                return f"expected a directory, found a file: {self.layout.relative(path)}"
        return None

    def missing(self, party: Address) -> AddedParty:
        """Return what a party lacks."""
        home = self.layout.party(party)
        return AddedParty(
            whole=not os.path.lexists(home),
            rooms=tuple(room for room in ROOMS if not os.path.lexists(f"{home}/{room}")),
            profile=not os.path.lexists(self.layout.profile(party)),
        )

    def has_any_of(self, party: Address, added: AddedParty) -> bool:
        """Return whether something that was added of a party is still there."""
        now = self.missing(party)
        rooms = set(added.rooms) - set(now.rooms)
        return bool(rooms or (added.whole and not now.whole) or (added.profile and not now.profile))

    def names(self, party: Address, room: str) -> set[str]:
        """Return every name that is taken in a room, packed or not."""
        with reported(f"list the {room} of {party}"):
            packed = self._packed.names(party) if room == TRANSACTIONS else set()
            try:
                return packed | set(os.listdir(self.layout.room(party, room)))
            except FileNotFoundError:
                return packed

    def taken(self, place: Namespace, responder: Address) -> bool:
        """Return whether one of the two parties has something under the id of `place`.

        The responder's link to a place that is not there yet does not count: it is what a
        run that was killed has left of this very negotiation.
        """
        for party in (place.initiator, responder):
            for archived in (False, True):
                entry = self.layout.entry(party, place.id, archived=archived)
                if not os.path.lexists(entry):
                    continue
                target = namespace.linked_to(self.layout, entry)
                if target is None or target._replace(archived=False) != place._replace(
                    archived=False
                ):
                    return True
                if os.path.lexists(self.layout.namespace(target)):
                    return True
            if self._packed.find(party, place.id) is not None:
                return True
        return False

    def linked(self, place: Namespace, responder: Address) -> bool:
        """Return whether the responder finds the negotiation."""
        entry = self.layout.entry(responder, place.id, archived=place.archived)
        return os.path.lexists(entry) or self._packed.find(responder, place.id) == place

    def digest(self, party: Address, room: str, name: str) -> str | None:
        """Return the sha256 of a file of a party, packed or not; None where there is none."""
        found = digest_of(f"{self.layout.room(party, room)}/{name}")
        if found is None and room == TRANSACTIONS:
            return _readable(lambda: self._packed.digest(party, name), UNREADABLE)
        return found

    def profile_digest(self, party: Address) -> str | None:
        """Return the sha256 of a party's profile; None where there is none."""
        return digest_of(self.layout.profile(party))

    def digests(self, place: Namespace) -> dict[str, str] | None:
        """Return the sha256 of each file of a negotiation by name; None where it is gone.

        One that is packed is as good as there.
        """
        found = digests_of(self.layout.namespace(place))
        if found is None and place.archived:
            return _readable(lambda: self._packed.digests(place), {"": UNREADABLE})
        return found

    # What is packed

    @contextmanager
    def unpacked(
        self, places: Collection[Namespace], files: Collection[tuple[Address, str]]
    ) -> Iterator[None]:
        """Unpack what is packed of these, and keep the poller from packing it in the block.

        Args:
            places: negotiations.
            files: transactions by their owners and names.

        Raises:
            Conflict: `busy`, where something is packed and a pass is running.
        """
        parties = {place.initiator for place in places} | {party for party, _ in files}
        if not any(map(self._packed.has_any, parties)):
            yield
            return
        # Imported here: hardly anybody has packed what he takes away again.
        from nom_negotiate.store.files.unpacking import UnpackingRun

        def meant(record: Packed) -> bool:
            if record.kind is PackedKind.TRANSACTION:
                return (record.party, record.id) in files
            return place_of(record) in places

        with self._store.polling() as free:
            if not free:
                raise Conflict("busy", "a pass is running, and some of this is packed")
            UnpackingRun(self.disk, self.layout, self._packed.packs).run(meant, parties)
            yield

    # Adding

    def add_party(self, new: NewParty) -> AddedParty:
        """Add a party, or what it lacks; return what was added."""
        with reported(f"make a directory for {new.party}"):
            lacks = self.missing(new.party)
            if lacks.whole:
                if self._make_party(new):
                    return lacks
                lacks = self.missing(new.party)
            mending.complete(self.disk, self.layout, new.party)
            path = self.layout.profile(new.party)
            added = lacks.profile and self.disk.create(path, new.profile)
            return AddedParty(whole=False, rooms=lacks.rooms, profile=added)

    def _make_party(self, new: NewParty) -> bool:
        hidden = self.disk.temporary_directory(self.layout.teams)
        for room in ROOMS:
            self.disk.make_directory(f"{hidden}/{room}", 0o700 if room == PRIVATE else 0o755)
        self.disk.replace(f"{hidden}/{PROFILE}", new.profile)
        return self._placed(hidden, self.layout.party(new.party))

    def add_file(self, new: NewFile) -> bool:
        """Add a file; return False where its name is taken."""
        with reported(f"write {new.name} of {new.party}"):
            path = f"{self.layout.room(new.party, new.room)}/{new.name}"
            return self.disk.create(path, new.data)

    def add_namespace(self, new: NewNamespace) -> bool:
        """Add a negotiation with its link; return False where its id is taken."""
        place = new.place
        link = self.layout.entry(new.responder, place.id, archived=place.archived)
        path = self.layout.namespace(place)
        with reported(f"write the negotiation {place.id}"):
            linked = self.disk.link_to(self.layout.link_text(place), link)
            if not linked and namespace.linked_to(self.layout, link) != place:
                return False
            hidden = self.disk.temporary_directory(os.path.dirname(path))
            for name, data in new.files.items():
                self.disk.replace(f"{hidden}/{name}", data)
            if self._placed(hidden, path):
                return True
            if linked:
                self.disk.remove(link)
            return False

    def _placed(self, hidden: str, path: str) -> bool:
        try:
            self.disk.move(hidden, path)
        except OSError as error:
            if error.errno not in namespace.TAKEN:
                raise
            self.disk.remove_tree(hidden)
            return False
        return True

    def add_link(self, place: Namespace, responder: Address) -> bool:
        """Add a responder's link that a run did not come to; return whether it was missing."""
        with reported(f"link {place.id} at {responder}"):
            link = self.layout.entry(responder, place.id, archived=place.archived)
            return self.disk.link_to(self.layout.link_text(place), link)

    def add_outcome(self, new: NewOutcome) -> bool:
        """Add an outcome to a negotiation; return False where there is one, or it is gone."""
        with reported(f"conclude {new.place.id}"):
            try:
                path = f"{self.layout.namespace(new.place)}/{OUTCOME_NAME}"
                return self.disk.create(path, new.data)
            except FileNotFoundError:
                return False


def _readable(look: Callable[[], T | None], otherwise: T) -> T | None:
    try:
        return look()
    except RecordError:
        return otherwise


def _left_over(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return [entry for entry in entries if entry.name.startswith(TEMPORARY + MARK)]
    except FileNotFoundError:
        return []


def digest_of(path: str) -> str | None:
    """Return the sha256 of a file, None where there is none; `UNREADABLE` matches no other."""
    try:
        data = bounded.read_record(path)
    except RecordError:
        return UNREADABLE
    return None if data is None else sha256(data).hexdigest()


def digests_of(directory: str) -> dict[str, str] | None:
    """Return the sha256 of each file in a directory by name, None where it is not there.

    Temporary files do not count: a write that was cut short said nothing.
    """
    try:
        names = [name for name in os.listdir(directory) if not name.startswith(TEMPORARY)]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return {name: digest_of(f"{directory}/{name}") or UNREADABLE for name in names}
