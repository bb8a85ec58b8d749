"""A read-only walk over a data root, for whoever wants to look at it as it is.

Rules of the room:

- Nothing is followed and nothing is changed: a link is an entry with its text.
- What lies here and does not belong is an entry like any other, with what is wrong with it.
- `private/` and `spare/` are named and not entered; hidden names (locks, temporary files) are
  left out.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, address_of_directory, directory_name
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.party import Listing, Profile
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded, namespace
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, PACK_SUFFIX, PACKS, SPARE, Layout
from nom_negotiate.store.files.packs import Packs
from nom_negotiate.store.port import Namespace, PackSummary

Record = Snapshot | Transaction | Listing | Profile | PackSummary


class EntryKind(enum.StrEnum):
    """What an entry is."""

    DIRECTORY = "directory"
    FILE = "file"
    LINK = "link"


class Entry(NamedTuple):
    """One line of the drawing.

    Attributes:
        depth: 0 for the root itself.
        last: whether it is the last one in its directory.
        name: in its directory; the whole path for the root.
        kind: what it is; a file is everything that is neither a directory nor a link.
        link: what a link says.
        record: what a negotiation's directory, a transaction, a listing, a profile or a pack holds;
            of a party that is looked at alone, what its links lead to, too.
        problem: what is wrong with it.
    """

    depth: int
    last: bool
    name: str
    kind: EntryKind
    link: str | None = None
    record: Record | None = None
    problem: str | None = None


_TEAMS: Final = "teams"
_PRIVATE: Final = "private"
_DECODERS: Final[dict[str, Callable[[bytes], Record]]] = {
    "init.json": codec.decode_profile,
    "transactions": codec.decode_transaction,
    "listings": codec.decode_listing,
}


def walk(layout: Layout, party: Address | None) -> Iterator[Entry]:
    """Yield the entries of the root, or of one party's directory, in the order of a drawing."""
    if party is None:
        yield Entry(0, True, layout.root, EntryKind.DIRECTORY)
        yield from _Walk(layout, None).directory(layout.root, 1)
        return
    home = layout.party(party)
    yield Entry(0, True, directory_name(party), EntryKind.DIRECTORY)
    yield from _Walk(layout, party).directory(home, 1)


class _Walk:
    """A walk over the root, or over one party's directory and what its links lead to."""

    def __init__(self, layout: Layout, party: Address | None) -> None:
        self.layout = layout
        self.packs = Packs(layout)
        self.party = party

    def directory(self, path: str, depth: int) -> Iterator[Entry]:
        try:
            with os.scandir(path) as found:
                entries = sorted((e for e in found if e.name[0] != "."), key=lambda e: e.name)
        except FileNotFoundError:
            # Archived meanwhile, or there is no root yet.
            return
        for entry in entries:
            last = entry is entries[-1]
            if entry.is_symlink():
                yield self.link(entry, depth, last)
            elif entry.is_dir(follow_symlinks=False):
                yield from self.below(entry, depth, last)
            else:
                yield self.file(entry, depth, last)

    def below(self, entry: os.DirEntry[str], depth: int, last: bool) -> Iterator[Entry]:
        found = Entry(depth, last, entry.name, EntryKind.DIRECTORY)
        rooms = self.rooms(entry)
        place = _negotiation(rooms)
        if len(rooms) == 1 and address_of_directory(entry.name) is None:
            found = found._replace(problem="is no party's directory")
        if place is not None:
            found = self.negotiation(found, place)
        yield found
        if rooms[1:] in ([_PRIVATE], [SPARE]):
            return
        try:
            yield from self.directory(entry.path, depth + 1)
        except PermissionError:
            # Its owner keeps it from this user; the rest of the root can be looked at.
            reason = "this user may not look into it"
            yield Entry(depth + 1, True, "...", EntryKind.FILE, problem=reason)

    def link(self, entry: os.DirEntry[str], depth: int, last: bool) -> Entry:
        found = Entry(depth, last, entry.name, EntryKind.LINK, link=os.readlink(entry.path))
        target = namespace.linked_to(self.layout, entry.path)
        if target is None:
            return found._replace(problem="leads to no negotiation")
        if not os.path.isdir(self.layout.namespace(target)):
            return found._replace(problem="leads to a negotiation that is not there")
        return found if self.party is None else self.followed(found, target, self.party)

    def followed(self, found: Entry, target: Namespace, party: Address) -> Entry:
        seen = self.negotiation(found, target)
        if isinstance(seen.record, Snapshot) and not seen.record.concerns(party):
            return found._replace(problem="leads to a negotiation of others")
        return seen

    def negotiation(self, found: Entry, place: Namespace) -> Entry:
        snapshot = namespace.read_snapshot(self.layout, place)
        if snapshot is None:
            return found
        problems = "; ".join(f"{p.path.rpartition('/')[2]} {p.reason}" for p in snapshot.problems)
        return found._replace(record=snapshot, problem=problems or None)

    def file(self, entry: os.DirEntry[str], depth: int, last: bool) -> Entry:
        found = Entry(depth, last, entry.name, EntryKind.FILE)
        rooms = self.rooms(entry)
        if len(rooms) == 3 and rooms[1] == PACKS:
            return self.pack(found, rooms[0])
        decode = _DECODERS.get(rooms[1] if len(rooms) in (2, 3) else "")
        if decode is None or not entry.name.endswith(".json"):
            return found
        try:
            data = bounded.read_record(entry.path)
            return found if data is None else found._replace(record=decode(data))
        except RecordError as error:
            return found._replace(problem=error.message)

    def pack(self, found: Entry, home: str) -> Entry:
        party, month = address_of_directory(home), found.name.removesuffix(PACK_SUFFIX)
        summaries = [] if party is None else self.packs.summaries(party)
        summary = next((one for one in summaries if one.month == month), None)
        if summary is None or found.name == month:
            return found._replace(problem="is no pack")
        problems = "; ".join(problem.reason for problem in summary.problems)
        return found._replace(record=summary, problem=problems or None)

    def rooms(self, entry: os.DirEntry[str]) -> list[str]:
        """Return the names that lead from `teams/` to an entry; none for other places."""
        top, *rooms = self.layout.relative(entry.path).split("/")
        return rooms if top == _TEAMS else []


def _negotiation(rooms: list[str]) -> Namespace | None:
    if len(rooms) != 3 or rooms[1] not in (ACTIVE, ARCHIVE):
        return None
    owner = address_of_directory(rooms[0])
    return None if owner is None else Namespace(rooms[2], owner, rooms[1] == ARCHIVE)
