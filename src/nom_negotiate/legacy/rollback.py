"""Taking away again what runs from one source have added, and nothing else.

Rules of the room:

- What was added is what the journal says. What has another content by now has been used since:
  as long as there is any of that, nothing at all is removed, unless that is asked for.
- A party that has other things by now keeps its directory, its rooms and its profile.
- The order is that of the runs, backwards. Each thing is looked at once more as it goes: see
  `store.files.removal`. A rollback that was killed is completed by the next one.
- When nothing of any source is left the journal goes, and with it what was made of the root
  itself: the tree is then what it was before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from nom_negotiate.core.identity import Address
from nom_negotiate.errors import Conflict, NotFound, RuleViolation
from nom_negotiate.legacy import journal
from nom_negotiate.legacy.journal import (
    Journal,
    MadeFile,
    MadeNamespace,
    MadeOutcome,
    MadeParty,
    Undone,
)
from nom_negotiate.legacy.planner import source_name
from nom_negotiate.legacy.run import Progress, restore, silent
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.installation import AddedParty, Installation
from nom_negotiate.store.files.removal import Removal
from nom_negotiate.store.port import Namespace
from nom_negotiate.store.reading import OUTCOME_NAME

Thing = MadeFile | MadeNamespace | MadeOutcome


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that was added and is no longer what it was."""

    path: str
    reason: str


class RollbackRefused(RuleViolation):
    """Refuse to take away what has been used since.

    Attributes:
        obstacles: what that is.
    """

    def __init__(self, obstacles: Iterable[Obstacle]) -> None:
        self.obstacles = tuple(obstacles)
        first = self.obstacles[0]
        more = len(self.obstacles) - 1
        also = f", and {more} more" if more else ""
        super().__init__("rollback_refused", f"{first.path} {first.reason}{also}")


@dataclass(slots=True)
class Undoing:
    """What a rollback has done.

    Attributes:
        removed: how many things of each kind are gone.
        missing: how many had gone before.
        stays: what was added and was left where it is, and why.
        damaged: how many lines of the journal cannot be read; what they stand for stays.
        gone: the parties that are.
    """

    removed: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    stays: list[Obstacle] = field(default_factory=list)
    damaged: int = 0
    gone: list[Address] = field(default_factory=list)

    def count(self, kind: str) -> None:
        """Note that one thing of a kind is gone."""
        self.removed[kind] = self.removed.get(kind, 0) + 1


def rollback(
    store: FileStore,
    source: str | os.PathLike[str],
    now: int,
    *,
    force: bool = False,
    progress: Progress = silent,
) -> Undoing:
    """Take away what runs from `source` have added; durable when it returns, and repeatable.

    Does nothing where nothing was migrated, or all of it was taken away before.

    Args:
        store: the data root.
        source: the old data directory, or the directory that has it as `data`. It need not be
            there any more.
        now: unix seconds.
        force: also what has been used since. What followed from it stays: the transactions of
            a deal, and what the parties did elsewhere.
        progress: called after each thing.

    Raises:
        NotFound: `unknown_source`, where things were migrated, and none of them from there.
        RollbackRefused: `rollback_refused`; nothing was removed.
        Conflict: `busy`, where another migration of this root is running; `moved`, where
            something was used at this very moment: that stays, and the rest is gone.
    """
    installation = Installation(store)
    logbook = installation.logbook
    found = journal.decode(logbook.read())
    name = _source(found, os.fspath(source), store)
    if not logbook.is_there():
        return Undoing()
    with logbook.alone():
        restore(installation)
        found = journal.decode(logbook.read())
        result = _taken_away(installation, found, name, force, progress)
        if name in found.things:
            gone = tuple(result.gone)
            logbook.append(journal.encode([Undone(at=now, source=name, parties=gone)]))
        if not set(found.things) - {name}:
            Removal(installation).finish(found.made or logbook.remains())
    return result


def _taken_away(
    installation: Installation, found: Journal, source: str, force: bool, progress: Progress
) -> Undoing:
    undo = _Undo(installation, found, source)
    obstacles = [] if force else undo.obstacles()
    if obstacles:
        raise RollbackRefused(obstacles)
    result = undo.carry_out(force, progress)
    if undo.late and not force:
        # Somebody acted between the look and the removal. The journal keeps it.
        raise Conflict(
            "moved",
            f"{undo.late[0].path} {undo.late[0].reason}; the rest was taken away",
            hint="look at what has gone on, then repeat with --force",
        )
    return result


def _source(found: Journal, given: str, store: FileStore) -> str:
    names = [source_name(given), source_name(os.path.join(given, "data"))]
    for name in names:
        if name in found.things:
            return name
    if not found.things:
        # A rollback that was killed at its very end, or none at all.
        return names[0]
    known = ", ".join(found.sources)
    raise NotFound(
        "unknown_source",
        f"nothing in {store.layout.root} was migrated from {given}, but from {known}",
    )


class _Undo:
    """One rollback: what the journal says of one source, against what there is.

    Attributes:
        late: what was changed between the look and the removal, and stays.
    """

    def __init__(self, installation: Installation, found: Journal, source: str) -> None:
        self._at = installation
        self._layout = installation.layout
        self._journal = found
        self._things: list[Thing] = list(found.things.get(source, {}).values())
        self._result = Undoing(damaged=found.damaged)
        self.late: list[Obstacle] = []

    # Looking

    def obstacles(self) -> list[Obstacle]:
        """Return what has been used since."""
        found = [self._obstacle(thing) for thing in self._things]
        found += [self._obstacle_of(party) for party in self._journal.parties.values()]
        return [one for one in found if one is not None]

    def _obstacle(self, thing: Thing) -> Obstacle | None:
        match thing:
            case MadeNamespace():
                return self._obstacle_in(thing)
            case MadeFile():
                digest = self._at.digest(thing.party, thing.room, thing.name)
                if digest in (None, thing.sha256):
                    return None
                return Obstacle(self._path(thing), "was changed since")
            case MadeOutcome():
                digests = self._at.digests(thing.place)
                if digests is None:
                    return Obstacle(self._path(thing), "has been archived since")
                if digests.get(OUTCOME_NAME) in (None, thing.sha256):
                    return None
                return Obstacle(self._path(thing), "has another outcome since")

    def _obstacle_in(self, thing: MadeNamespace) -> Obstacle | None:
        digests = self._at.digests(thing.place)
        if digests == thing.files:
            return None
        if digests is None and self._moved(thing) is None:
            return None
        what = "has ended since" if digests is None else "has gone on since"
        return Obstacle(self._path(thing), what)

    def _moved(self, thing: MadeNamespace) -> Namespace | None:
        archived = thing.place._replace(archived=True)
        moved = archived != thing.place and self._at.digests(archived) is not None
        return archived if moved else None

    def _obstacle_of(self, made: MadeParty) -> Obstacle | None:
        if made.profile is None:
            return None
        if self._at.profile_digest(made.party) in (None, made.profile):
            return None
        path = self._layout.relative(self._layout.profile(made.party))
        return Obstacle(path, "was changed since")

    def _path(self, thing: Thing | MadeParty) -> str:
        match thing:
            case MadeParty():
                path = self._layout.party(thing.party)
            case MadeFile():
                path = f"{self._layout.room(thing.party, thing.room)}/{thing.name}"
            case _:
                path = self._layout.namespace(thing.place)
        return self._layout.relative(path)

    # Removing

    def carry_out(self, force: bool, progress: Progress) -> Undoing:
        """Remove everything, the last first, and what it leaves empty."""
        todo: list[Thing | MadeParty] = [*self._journal.parties.values(), *self._things]
        progress(0, len(todo))
        with self._unpacked(), self._at.batch() as batch:
            removal = Removal(batch)
            for number, thing in enumerate(reversed(todo), 1):
                owner = thing.party if isinstance(thing, MadeParty | MadeFile) else thing.initiator
                obstacle = self._at.obstacle(owner)
                if obstacle is not None:
                    self._result.stays.append(Obstacle(self._path(thing), obstacle))
                elif isinstance(thing, MadeParty):
                    self._remove_party(removal, thing, force)
                else:
                    self._remove(removal, thing, force)
                progress(number, len(todo))
        return self._result

    def _unpacked(self) -> AbstractContextManager[None]:
        """Unpack what of it is packed by now, and keep it so."""
        places: set[Namespace] = set()
        files: set[tuple[Address, str]] = set()
        for thing in self._things:
            match thing:
                case MadeNamespace():
                    places.add(thing.place._replace(archived=True))
                case MadeFile(room="transactions"):
                    files.add((thing.party, thing.name))
        return self._at.unpacked(places, files)

    def _remove(self, removal: Removal, thing: Thing, force: bool) -> None:
        match thing:
            case MadeNamespace():
                place = (force and self._moved(thing)) or thing.place
                there = self._at.digests(place) is not None
                digests = None if force else thing.files
                gone = removal.remove_namespace(place, thing.responder, digests)
                self._note(thing, "negotiations", there, gone)
            case MadeFile():
                there = self._at.digest(thing.party, thing.room, thing.name) is not None
                digest = None if force else thing.sha256
                gone = removal.remove_file(thing.party, thing.room, thing.name, digest)
                self._note(thing, thing.room, there, gone)
            case MadeOutcome():
                there = OUTCOME_NAME in (self._at.digests(thing.place) or {})
                gone = removal.remove_outcome(thing.place, None if force else thing.sha256)
                self._note(thing, "outcomes", there, gone)

    def _note(self, thing: Thing, kind: str, there: bool, gone: bool) -> None:
        if not gone:
            self.late.append(Obstacle(self._path(thing), "was changed at this moment"))
        elif there:
            self._result.count(kind)
        else:
            self._result.missing += 1

    def _remove_party(self, removal: Removal, made: MadeParty, force: bool) -> None:
        added = AddedParty(made.whole, made.rooms, made.profile is not None)
        there = self._at.has_any_of(made.party, added)
        if not removal.remove_party(made.party, added, None if force else made.profile):
            self._result.stays.append(Obstacle(self._path(made), "is in use"))
            return
        self._result.gone.append(made.party)
        if there:
            self._result.count("parties")
        else:
            self._result.missing += 1
