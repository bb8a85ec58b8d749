"""What each namespace held at each instant, and whether a snapshot or an outcome is one of them.

The simulation can do what nobody else can: watch. After each change of a namespace its files
are noted, so that "two states that existed at the same moment" is a question with an answer.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from tests.faults.memory_os import HOME, MemoryOS
from tests.simulation import model

from nom_negotiate.core.snapshot import Snapshot

ROOT: Final = f"{HOME}/data"
ROOMS: Final = ("negotiations", "negotiations_archive")
OUTCOME: Final = "outcome.json"
STATE: Final = "_state.json"

Files = Mapping[str, bytes]


class Place(NamedTuple):
    """A namespace, wherever it is: the directory of its initiator and its id."""

    team: str
    id: str


class Violation(AssertionError):
    """Tells that something was promised which is not so."""


class Instants:
    """The contents of all namespaces, from the first instant to the last.

    Args:
        memory: what is watched.
    """

    def __init__(self, memory: MemoryOS) -> None:
        self._memory = memory
        self.of: dict[Place, list[Files]] = {}

    def begin_anew(self) -> None:
        """Forget what was, and note what is: the power has failed."""
        self.of = {place: [files] for place, files in namespaces(self._memory).items()}

    def note(self, path: str) -> Place | None:
        """Note what has changed under this name; return the namespace that is new by it."""
        parts = path.split("/")
        if len(parts) not in (7, 8) or parts[5] not in ROOMS or parts[6].startswith("."):
            return None
        place = Place(parts[4], parts[6])
        files = self._now("/".join(parts[:7]))
        if files is None:
            return None
        log = self.of.get(place)
        if log is None:
            self.of[place] = [files]
            return place
        if files != log[-1]:
            if OUTCOME in files and OUTCOME not in log[-1]:
                self._check_outcome(place, files)
            if OUTCOME in log[-1] and files.get(OUTCOME) != log[-1][OUTCOME]:
                raise Violation(f"the outcome of {place.id} was changed")
            log.append(files)
        return None

    def at(self, place: Place) -> int:
        """Return the number of the instant that is now."""
        return max(len(self.of.get(place, ())) - 1, 0)

    def check_snapshot(self, place: Place, since: int, snapshot: Snapshot) -> None:
        """Check that what was read was so at one instant since then."""
        said = set(snapshot.digests.values())
        decided = snapshot.outcome is not None
        for files in self.of.get(place, [])[since:]:
            if said == set(_digests(files)) and decided == (OUTCOME in files):
                return
        raise Violation(f"what was read of {place.id} never was: {snapshot}")

    def _check_outcome(self, place: Place, files: Files) -> None:
        outcome = json.loads(files[OUTCOME])
        said = {basis["sha256"] for basis in outcome["states"].values()}
        before = [then for then in self.of[place] if set(_digests(then)) == said]
        if not before:
            raise Violation(f"the outcome of {place.id} is decided from what never was: {outcome}")
        if outcome["outcome"] == "agreed":
            found = model.read({**files, **before[-1]}, place.team)
            then = model.read(before[-1], place.team)
            if found is None or then is None or (then.end, then.deal) != ("agreed", found.deal):
                raise Violation(f"nobody agreed on this in {place.id}: {outcome}")

    def _now(self, path: str) -> Files | None:
        disk = self._memory.disk
        try:
            found = disk.find(path, follow=False).inode
        except OSError:
            return None
        if found is None:
            return None
        return {
            name: disk.inodes[inode].content
            for name, inode in disk.inodes[found].entries.items()
            if _says(name, disk.inodes[inode].content)
        }


def _says(name: str, content: bytes) -> bool:
    return name.endswith(STATE) or (name == OUTCOME and is_whole(content))


def _digests(files: Files) -> list[str]:
    return [_digest(data) for name, data in files.items() if name != OUTCOME]


@functools.lru_cache(maxsize=4096)
def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def is_whole(data: bytes) -> bool:
    """Return whether a record has its end."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def namespaces(memory: MemoryOS) -> dict[Place, Files]:
    """Return what all namespaces hold, without an outcome of which a power cut left a part."""
    found: dict[Place, dict[str, bytes]] = {}
    for path, content in memory.tree().items():
        match path.split("/"):
            case [_, _, team, room, id_, name] if room in ROOMS and id_[0] != ".":
                if type(content) is bytes and _says(name, content):
                    found.setdefault(Place(team, id_), {})[name] = content
    return dict(found)
