"""A disk in memory: inodes, names, open files, and what of it a power cut could take.

What stands here is the state; `memory_os` is the `os` over it, `power` says what is left of it
when the power fails, and the docstring there is the model.

An inode is never changed in place but replaced by a changed copy (`edit`), and its dictionary
of entries likewise, so that `fork` copies one dictionary and no bytes.
"""

from __future__ import annotations

import copy
import errno
import heapq
import os
import stat
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

ROOT: Final = 1
MAX_LINKS: Final = 40
FIRST_FD: Final = 10_000
"""Far from what the real os gives out: one that strays there is refused."""


class Attributes(NamedTuple):
    """The mode (without the kind) and the owner of an inode."""

    mode: int
    uid: int
    gid: int


class Inode:
    """A file, a link or a directory.

    Attributes:
        kind: as in the mode: S_IFREG, S_IFLNK or S_IFDIR.
        number: what `stat` says. Free again when neither a name nor a descriptor holds it.
        content: of a file; what a link says, encoded.
        synced: the content that is durable; None where none is.
        entries: of a directory.
        durable: those of its entries that a power cut leaves.
        attributes: as they are.
        durable_attributes: as a power cut may leave them.
        links: how many names it has; for a directory 1 or 0.
        parent: of a directory: the id of the directory that it is in.
    """

    __slots__ = (
        "attributes",
        "content",
        "ctime_ns",
        "durable",
        "durable_attributes",
        "entries",
        "kind",
        "links",
        "mtime_ns",
        "number",
        "parent",
        "synced",
    )

    def __init__(self, kind: int, number: int, attributes: Attributes, now_ns: int) -> None:
        self.kind = kind
        self.number = number
        self.content = b""
        self.synced: bytes | None = None
        self.entries: Mapping[str, int] = {}
        self.durable: Mapping[str, int] = {}
        self.attributes = attributes
        self.durable_attributes = attributes
        self.links = 0
        self.parent = ROOT
        self.mtime_ns = now_ns
        self.ctime_ns = now_ns

    @property
    def dirty(self) -> bool:
        """Whether its content is not yet durable."""
        return self.kind == stat.S_IFREG and self.content is not self.synced


class Slot(NamedTuple):
    """What a change makes of one name: `inode` is None where it is taken away."""

    directory: int
    name: str
    inode: int | None


class Change(NamedTuple):
    """A change of one name, or of the two of a rename, which happens whole or not at all.

    Attributes:
        slots: its names.
        synced: the directories of these that were synced since.
    """

    slots: tuple[Slot, ...]
    synced: frozenset[int] = frozenset()

    def touches(self, directory: int, name: str | None = None) -> bool:
        """Return whether it is in this directory, and about this name if one is given."""
        return any(slot.directory == directory and name in (None, slot.name) for slot in self.slots)

    @property
    def whole(self) -> bool:
        """Whether all of its directories were synced."""
        return all(slot.directory in self.synced for slot in self.slots)

    def followed_by(self, later: Change) -> Change:
        """Return both as one change."""
        slots = {(slot.directory, slot.name): slot for slot in (*self.slots, *later.slots)}
        synced = {
            slot.directory
            for slot in slots.values()
            if all(
                slot.directory in one.synced or not one.touches(slot.directory)
                for one in (self, later)
            )
        }
        return Change(tuple(slots.values()), frozenset(synced))

    def meets(self, other: Change) -> bool:
        """Return whether both are about the same name."""
        return any(
            mine.directory == theirs.directory and mine.name == theirs.name
            for mine in self.slots
            for theirs in other.slots
        )


class Descriptor:
    """An open file."""

    __slots__ = ("flags", "inode", "offset", "path")

    def __init__(self, inode: int, flags: int, path: str) -> None:
        self.inode = inode
        self.flags = flags
        self.offset = 0
        self.path = path


class Place(NamedTuple):
    """Where a path leads: a name in a directory, and what has it; None where nothing has.

    `name` is None where the path ends in `..` or is the root itself.
    """

    directory: int
    name: str | None
    inode: int | None


def refusal(number: int, path: object = None) -> OSError:
    return OSError(number, os.strerror(number), path)


class MemoryDisk:
    """The state of a disk, and the changes of it that keep it consistent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.inodes: dict[int, Inode] = {}
        self.fds: dict[int, Descriptor] = {}
        self.pending: list[Change] = []
        self.last_id = ROOT
        self.last_fd = FIRST_FD
        self.free: list[int] = []
        self.last_number = ROOT
        root = Inode(stat.S_IFDIR, ROOT, Attributes(0o755, 0, 0), self.now_ns())
        root.links = 1
        self.inodes[ROOT] = root

    def fork(self) -> MemoryDisk:
        """Return a copy that is independent of this one."""
        self.collect()
        twin = copy.copy(self)
        twin.inodes = self.inodes.copy()
        twin.fds = {fd: copy.copy(open_) for fd, open_ in self.fds.items()}
        twin.pending = self.pending.copy()
        twin.free = self.free.copy()
        return twin

    def collect(self) -> None:
        """Forget the inodes that no name, no descriptor and no power cut leads to any more."""
        by_directory: dict[int, list[Change]] = {}
        for change in self.pending:
            for slot in change.slots:
                by_directory.setdefault(slot.directory, []).append(change)
        waiting = [ROOT, *(open_.inode for open_ in self.fds.values())]
        known: set[int] = set()
        while waiting:
            id_ = waiting.pop()
            if id_ in known:
                continue
            known.add(id_)
            inode = self.inodes[id_]
            waiting += inode.entries.values()
            waiting += inode.durable.values()
            for change in by_directory.get(id_, ()):
                for slot in change.slots:
                    waiting.append(slot.directory)
                    if slot.inode is not None:
                        waiting.append(slot.inode)
        self.pending = [change for change in self.pending if change.slots[0].directory in known]
        if len(known) != len(self.inodes):
            self.inodes = {id_: self.inodes[id_] for id_ in self.inodes if id_ in known}

    def now_ns(self) -> int:
        return int(self.clock() * 1_000_000_000)

    # Inodes

    def edit(self, id_: int) -> Inode:
        """Return a copy of an inode that has taken its place, to be changed at once."""
        inode = self.inodes[id_] = copy.copy(self.inodes[id_])
        return inode

    def make(self, kind: int, attributes: Attributes) -> int:
        """Return the id of a new inode that has no name yet."""
        self.last_id += 1
        inode = Inode(kind, self._number(), attributes, self.now_ns())
        self.inodes[self.last_id] = inode
        return self.last_id

    def _number(self) -> int:
        # The smallest one, as on ext4: a number comes back as soon as it may.
        if self.free:
            return heapq.heappop(self.free)
        self.last_number += 1
        return self.last_number

    def let_go(self, id_: int) -> None:
        """Give the number of an inode back if nothing holds it any more."""
        inode = self.inodes[id_]
        if inode.links == 0 and not any(open_.inode == id_ for open_ in self.fds.values()):
            heapq.heappush(self.free, inode.number)

    # Names

    def apply(self, *slots: Slot) -> None:
        """Change one name, or the two of a rename."""
        before = [self.inodes[slot.directory].entries.get(slot.name) for slot in slots]
        now_ns = self.now_ns()
        for slot in slots:
            directory = self.edit(slot.directory)
            entries = dict(directory.entries)
            if slot.inode is None:
                del entries[slot.name]
            else:
                entries[slot.name] = slot.inode
            directory.entries = entries
            directory.mtime_ns = directory.ctime_ns = now_ns
        for id_, links in _counted(slots, before).items():
            inode = self.edit(id_)
            inode.links += links
            inode.ctime_ns = now_ns
        for slot in slots:
            if slot.inode is not None and self.inodes[slot.inode].kind == stat.S_IFDIR:
                self.edit(slot.inode).parent = slot.directory
        for old in before:
            if old is not None and self.inodes[old].links == 0:
                self.let_go(old)
        self.pending.append(Change(slots))

    def sync(self, id_: int) -> None:
        """Make durable what an inode holds: the content of a file, the names of a directory."""
        inode = self.edit(id_)
        inode.synced = inode.content
        inode.durable_attributes = inode.attributes
        if inode.kind == stat.S_IFDIR:
            self._commit(id_)

    def keep(self, directory: int, name: str) -> None:
        """Make one name of a directory durable, and no other."""
        self._commit(directory, name)

    def _commit(self, directory: int, name: str | None = None) -> None:
        kept: list[Change] = []
        for change in self.pending:
            if change.touches(directory, name):
                change = change._replace(synced=change.synced | {directory})
            met = [earlier for earlier in kept if change.meets(earlier)]
            if change.whole and not met:
                for slot in change.slots:
                    inode = self.edit(slot.directory)
                    inode.durable = changed(inode.durable, slot)
            elif len(met) == 1 and directory in change.synced & met[0].synced:
                # A rename that waits for its other directory, and what became of its name here:
                # this directory has been synced with both.
                kept[kept.index(met[0])] = met[0].followed_by(change)
            else:
                kept.append(change)
        self.pending = kept

    # Paths

    def find(self, path: str, *, follow: bool = True, start: int = ROOT) -> Place:
        """Return where a path leads.

        Raises:
            OSError: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG.
        """
        if not path:
            raise refusal(errno.ENOENT, path)
        if "\0" in path:
            raise ValueError("embedded null byte")
        if path[-1] == "/" and path.strip("/"):
            below = self.find(path.rstrip("/"), start=start)
            if below.inode is not None and self.inodes[below.inode].kind != stat.S_IFDIR:
                raise refusal(errno.ENOTDIR, path)
            return below
        at = ROOT if path[0] == "/" else start
        place = Place(at, None, at)
        parts = path.split("/")[::-1]
        links = 0
        inodes = self.inodes
        while parts:
            name = parts.pop()
            if not name:
                continue
            directory = inodes[at]
            if directory.kind != stat.S_IFDIR:
                raise refusal(errno.ENOTDIR, path)
            if name == ".":
                place = Place(at, None, at)
                continue
            if name == "..":
                at = directory.parent
                place = Place(at, None, at)
                continue
            if len(name) > 63 and len(os.fsencode(name)) > 255:
                raise refusal(errno.ENAMETOOLONG, path)
            found = directory.entries.get(name)
            place = Place(at, name, found)
            if found is None:
                if parts:
                    raise refusal(errno.ENOENT, path)
                return place
            if inodes[found].kind == stat.S_IFLNK and (parts or follow):
                links += 1
                if links > MAX_LINKS:
                    raise refusal(errno.ELOOP, path)
                text = os.fsdecode(inodes[found].content)
                if text[0] == "/":
                    at = ROOT
                    place = Place(at, None, at)
                parts += text.split("/")[::-1]
                continue
            at = found
        return place


def changed(entries: Mapping[str, int], slot: Slot) -> dict[str, int]:
    """Return the entries of a directory after a change of one name."""
    found = dict(entries)
    if slot.inode is None:
        found.pop(slot.name, None)
    else:
        found[slot.name] = slot.inode
    return found


def _counted(slots: tuple[Slot, ...], before: list[int | None]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for slot, old in zip(slots, before, strict=True):
        if old is not None:
            counts[old] = counts.get(old, 0) - 1
        if slot.inode is not None:
            counts[slot.inode] = counts.get(slot.inode, 0) + 1
    return counts
