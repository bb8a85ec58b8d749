"""A data root in memory at some time, and what its parties were told."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.faults.memory_os import HOME, MemoryOS
from tests.support import Clock

from nom_negotiate import Desk, FileStore, Party
from nom_negotiate.store.files.atomic import Disk

ROOT = f"{HOME}/data"


class Fact(NamedTuple):
    """What a call has reported as done, and what must therefore be so from then on.

    Attributes:
        name: for the message of a failure.
        holds: asserts it.
        at_once: whether it is so even before the next poll.
    """

    name: str
    holds: Callable[[Scene], None]
    at_once: bool


class Scene:
    """One data root, its clock, and the facts that its parties rely on.

    Args:
        memory: has to be installed while the scene is used.
        clock: of the desk and of the files.
        disk: makes the disk of each store.
        facts: what was reported as done before.
    """

    def __init__(
        self,
        memory: MemoryOS,
        clock: Clock,
        disk: Callable[[], Disk] = Disk,
        facts: tuple[Fact, ...] = (),
    ) -> None:
        self.memory = memory
        self.clock = clock
        memory.disk.clock = clock
        self._disk = disk
        self.facts = facts

    @property
    def store(self) -> FileStore:
        """A store as a new process has it."""
        return FileStore(ROOT, disk=self._disk())

    @property
    def desk(self) -> Desk:
        """A desk as a new process has it."""
        self.act_as(None)
        return self._desk()

    def party(self, address: str) -> Party:
        self.act_as(address)
        return self._desk().party(address)

    def _desk(self) -> Desk:
        return Desk(self.store, clock=self.clock, validators=(), after_settlement=())

    def act_as(self, address: str | None) -> None:
        """Let what follows be done by the Unix user of a party, or of the poller."""

    def reported(self, name: str, holds: Callable[[Scene], None], *, at_once: bool = True) -> None:
        """Remember that a call has returned, and what is to be so from now on."""
        self.facts = (*self.facts, Fact(name, holds, at_once))

    def check_facts(self, *, at_once: bool = False) -> None:
        """Assert that whatever was reported as done is so, or what is so before a poll."""
        for fact in self.facts:
            try:
                if fact.at_once or not at_once:
                    fact.holds(self)
            except Exception as error:
                raise AssertionError(f"no longer so: {fact.name}: {error!r}") from error
