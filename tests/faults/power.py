"""What a power cut may leave of a disk in memory. This docstring is the judge.

What is durable, so that every power cut leaves it:

- The content of a file, its mode and its owner, as they were at the last fsync of the file.
- The names in a directory as they were at the last fsync of that directory.

What is not durable yet, each apart from all others:

- A *file* that was changed since its last fsync is as it was then, or whole, or in between.
  One that was never synced is empty, or has half of what was written, or all of it. One that
  was only appended to has what was synced, or that and half of the rest, or all of it. One
  that was written over is as it was, or empty, or has half of the new, or all of it.
- The *mode and owner* of an inode, where they were changed since its last fsync, are the old
  ones or the new ones. Those that it was made with come with its name.
- A *change of a name* (create, link, symlink, unlink, mkdir, rmdir, rename) that was made in a
  directory since its last fsync is there or not. What orders them: a change of a name needs
  the earlier changes of that same name, and nothing else. So a later change may be there
  and an earlier one of another name not, in the same directory too. A name may be there whose
  file has no content.
- A rename is one change: both of its names or neither, as on every file system with a journal.
  It is durable when both of its directories were synced; between the two, what has become of
  its name in the one that was comes with it. (On those with a journal one of them is enough;
  nothing here relies on that.)
- What a symbolic link says is there when its name is.

A directory to which no durable name leads takes what is in it along, synced or not. A file
that lost its last name is gone. After the cut nothing is open and no lock is held; what is
there then is durable.

What is not modelled: a device that loses what it has acknowledged; blocks of one file that
arrive in another order than from its beginning; times.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from random import Random
from typing import Final, NamedTuple

from tests.faults.memory_disk import ROOT, Attributes, Change, Inode, MemoryDisk
from tests.faults.memory_os import MemoryOS

Names = dict[tuple[int, str], int | None]
"""What some names stand for, by directory and name; None where they are not there."""

Choice = tuple[int, ...]
Held = tuple[bytes, Attributes]
"""What an inode holds in a world."""

POLLER: Final = "/memory/data/poller"

MANY: Final = 512
"""Changes that hang together are not followed into more worlds than that."""


class Worlds(NamedTuple):
    """What a power cut may leave.

    Attributes:
        all: distinct ones.
        complete: whether there are no others.
    """

    all: list[MemoryOS]
    complete: bool


def worlds(memory: MemoryOS, rng: Random, limit: int) -> Worlds:
    """Return all that a power cut may leave where it is at most `limit`, else a sample.

    A sample has the extremes (nothing that is not durable, all of it, each change missing
    alone, each change there alone) before it has any by chance.
    """
    assert limit > 0
    memory.disk.collect()
    _keep_hints(memory.disk)
    cut = _Cut(memory.disk)
    every = list(islice(cut.every(), 4 * limit + 1))
    complete = cut.complete and len(every) <= 4 * limit
    found = _distinct(cut, every if complete else cut.some(rng, limit), limit + 1)
    if len(found) > limit:
        complete = False
        found = _distinct(cut, cut.some(rng, limit), limit)
    left = [memory.over(disk) for disk in found]
    for each in left:
        each.boot += 1
    return Worlds(left, complete)


def _keep_hints(disk: MemoryDisk) -> None:
    """Take what the poller leaves as hints to be durable at once.

    After a power cut nobody believes them, whatever they say, and each would double the worlds.
    `tests/contract/test_hints.py` is about those that are lost or wrong.
    """
    try:
        room = disk.find(POLLER).inode
    except FileNotFoundError:
        return
    if room is None:
        return
    entries = disk.inodes[room].entries
    bell = entries.get("doorbell")
    for change in list(disk.pending):
        for slot in change.slots:
            if slot.directory in (room, bell) and slot.name != "doorbell":
                disk.keep(slot.directory, slot.name)
    hints = [*disk.inodes[bell].entries.values()] if bell is not None else []
    for id_ in (*hints, *(entries[name] for name in ("scan", "swept") if name in entries)):
        disk.sync(id_)


def _distinct(cut: _Cut, choices: Iterable[tuple[Choice, Choice]], limit: int) -> list[MemoryDisk]:
    found: dict[object, MemoryDisk] = {}
    for chosen, versions in choices:
        disk, key = cut.world(chosen, versions)
        found.setdefault(key, disk)
        if len(found) == limit:
            break
    return list(found.values())


class _Cut:
    """The choices that a power cut has.

    Attributes:
        groups: for the changes that hang together by their names, each what may come of them,
            all of it last.
        none: of each group, the outcome in which nothing has come of it.
        versions: of each inode of which there may be several; the oldest first.
        complete: whether that is all.
    """

    def __init__(self, disk: MemoryDisk) -> None:
        self.disk = disk
        self.complete = True
        self.groups: list[list[Names]] = []
        self.none: Choice = ()
        for group in _grouped(disk.pending):
            outcomes = self._outcomes(group)
            if len(outcomes) > 1:
                self.groups.append(outcomes)
                self.none += (outcomes.index(self._before(group)),)
        self.versions: dict[int, list[Held]] = {}
        for id_, inode in disk.inodes.items():
            held = list(_versions(inode))
            if len(held) > 1:
                self.versions[id_] = held

    def _outcomes(self, group: Sequence[Change]) -> list[Names]:
        found: list[Names] = []
        names = self._before(group)
        for number, made in enumerate(self._made(group, 0, frozenset(), names)):
            if number == MANY:
                self.complete = False
                break
            if made not in found:
                found.append(made)
        for change in group:
            names = _with(names, change)
        if names in found:
            found.remove(names)
        return [*found, names] if found else [names]

    def _before(self, group: Sequence[Change]) -> Names:
        return {
            (slot.directory, slot.name): self.disk.inodes[slot.directory].durable.get(slot.name)
            for change in group
            for slot in change.slots
        }

    def _made(
        self, group: Sequence[Change], n: int, missing: frozenset[tuple[int, str]], names: Names
    ) -> Iterator[Names]:
        """Yield what comes of the n-th and the later changes: each is there or not."""
        if n == len(group):
            yield names
            return
        mine = {(slot.directory, slot.name) for slot in group[n].slots}
        yield from self._made(group, n + 1, missing | mine, names)
        if not mine & missing:
            yield from self._made(group, n + 1, missing, _with(names, group[n]))

    # Which worlds

    def every(self) -> Iterator[tuple[Choice, Choice]]:
        for chosen in product(*(range(len(group)) for group in self.groups)):
            there = self._there(chosen)
            choices = [
                range(len(held)) if id_ in there else range(1)
                for id_, held in self.versions.items()
            ]
            for versions in product(*choices):
                yield chosen, versions

    def some(self, rng: Random, limit: int) -> Iterator[tuple[Choice, Choice]]:
        """Yield the extremes, then some by chance; more than `limit`, as some are equal."""
        none = self.none
        full = tuple(len(group) - 1 for group in self.groups)
        extremes = [none, full]
        for n, group in enumerate(self.groups):
            for outcome in range(len(group)):
                extremes.append((*full[:n], outcome, *full[n + 1 :]))
                extremes.append((*none[:n], outcome, *none[n + 1 :]))
        oldest = tuple(0 for _ in self.versions)
        newest = tuple(len(held) - 1 for held in self.versions.values())
        yield from ((chosen, oldest) for chosen in extremes[:2])
        yield from ((chosen, newest) for chosen in extremes)
        yield from ((chosen, oldest) for chosen in extremes[2:])
        for _ in range(4 * limit):
            yield (
                tuple(rng.randrange(len(group)) for group in self.groups),
                tuple(rng.randrange(len(held)) for held in self.versions.values()),
            )

    def _entries(self, chosen: Choice) -> dict[int, dict[str, int]]:
        found: dict[int, dict[str, int]] = {}
        for group, outcome in zip(self.groups, chosen, strict=True):
            for (directory, name), id_ in group[outcome].items():
                if directory not in found:
                    found[directory] = dict(self.disk.inodes[directory].durable)
                if id_ is None:
                    found[directory].pop(name, None)
                else:
                    found[directory][name] = id_
        return found

    def _there(self, chosen: Choice) -> set[int]:
        entries = self._entries(chosen)
        known = {ROOT}
        waiting = [ROOT]
        while waiting:
            id_ = waiting.pop()
            inode = self.disk.inodes[id_]
            if inode.kind == stat.S_IFDIR:
                new = set(entries.get(id_, inode.durable).values()) - known
                known |= new
                waiting += new
        return known

    # One world

    def world(self, chosen: Choice, versions: Choice) -> tuple[MemoryDisk, object]:
        """Return a disk as it is after the cut, and what tells it from others."""
        held = {
            id_: all_[version]
            for (id_, all_), version in zip(self.versions.items(), versions, strict=True)
        }
        made = _Made(self.disk, self._entries(chosen), held)
        made.copy(ROOT, ROOT)
        return made.after, tuple(made.seen)


class _Made:
    """A disk that is made from what a power cut has left of another."""

    def __init__(
        self,
        before: MemoryDisk,
        entries: Mapping[int, Mapping[str, int]],
        held: Mapping[int, Held],
    ) -> None:
        self.before = before
        self.entries = entries
        self.held = held
        self.after = MemoryDisk(before.clock)
        self.after.last_id = before.last_id
        self.after.inodes.clear()
        self.seen: list[object] = []

    def copy(self, id_: int, parent: int) -> None:
        """Copy what is left of an inode and what is below it."""
        if id_ in self.after.inodes:
            copy = self.after.inodes[id_]
            assert copy.kind != stat.S_IFDIR, "a directory with two names"
            copy.links += 1
            self.seen.append(id_)
            return
        inode = self.before.inodes[id_]
        copy = self.after.inodes[id_] = Inode(inode.kind, inode.number, inode.attributes, 0)
        if id_ != ROOT:
            self.after.last_number += 1
            copy.number = self.after.last_number
        copy.links = 1
        copy.parent = parent
        copy.mtime_ns, copy.ctime_ns = inode.mtime_ns, inode.ctime_ns
        copy.content, copy.attributes = self.held.get(id_, (inode.content, inode.attributes))
        copy.synced, copy.durable_attributes = copy.content, copy.attributes
        self.seen.append((id_, copy.content, copy.attributes))
        if inode.kind == stat.S_IFDIR:
            names = dict(sorted(self.entries.get(id_, inode.durable).items()))
            copy.entries = copy.durable = names
            self.seen.append(tuple(names))
            for child in names.values():
                self.copy(child, id_)


def _grouped(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the changes in groups that have no name in common, each in order."""
    groups: list[list[Change]] = []
    for change in changes:
        met = [group for group in groups if any(change.meets(other) for other in group)]
        groups = [group for group in groups if group not in met]
        groups.append([*(one for group in met for one in group), change])
    # By the order in which they were made, where several groups became one.
    place = {id(change): n for n, change in enumerate(changes)}
    for group in groups:
        group.sort(key=lambda change: place[id(change)])
    return groups


def _with(names: Names, change: Change) -> Names:
    made = {(slot.directory, slot.name): slot.inode for slot in change.slots}
    return {**names, **made}


def _versions(inode: Inode) -> Iterator[Held]:
    owners = dict.fromkeys((inode.durable_attributes, inode.attributes))
    contents = dict.fromkeys(_contents(inode))
    for owner in owners:
        for content in contents:
            yield content, owner


def _contents(inode: Inode) -> Iterator[bytes]:
    """Yield what a power cut may leave of a file, the oldest first and the newest last."""
    new = inode.content
    if inode.dirty:
        old = inode.synced or b""
        yield old
        if new.startswith(old):
            yield old + new[len(old) : (len(old) + len(new)) // 2]
        else:
            yield b""
            yield new[: len(new) // 2]
    yield new
