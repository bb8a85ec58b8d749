"""What a schedule is set in, as the seed has it: a disk, time, locks, dangers, who goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.faults.memory_host import MemoryLocks, installed
from tests.faults.memory_os import MemoryOS
from tests.simulation.instants import ROOT
from tests.simulation.scheduler import (
    Dangers,
    Policy,
    Ranked,
    Weight,
    at_changes,
    sticky,
    uniform,
)
from tests.support import DAY, NOON

from nom_negotiate import Desk, FileStore


class Time:
    """The clock of everybody: it goes on by chance, and in some schedules it jumps."""

    def __init__(self, rng: random.Random) -> None:
        self.now = float(NOON)
        self.latest = self.now
        self.has_jumped = False
        self._rng = rng
        self._tick = rng.choice((0.0, 0.002, 0.02, 0.1))
        self._seconds = rng.choice((1, 10, 40))
        self._jumps = rng.choice((0.0,) * 6 + (0.002,))
        self._jump = rng.choice((-DAY, -3600, 3600, DAY))
        self._last_second: int | None = None

    def __call__(self) -> float:
        return self.now

    def stand_at(self, now: int) -> None:
        """Stand still for some steps at the last second of something, and then be past it."""
        self.now = float(max(now, int(self.now)))
        self._tick = 0.0
        self._last_second = self._rng.randrange(150)

    def go_on(self) -> None:
        if self._last_second is not None:
            self._last_second -= 1
            if self._last_second < 0:
                self.now += 1
                self._last_second = None
        roll = self._rng.random()
        if roll < self._tick:
            self.now += self._rng.random() * self._seconds
        elif roll > 1 - self._jumps:
            # There and back.
            self.now += self._jump
            self._jump = -self._jump
            self.has_jumped = True
        self.latest = max(self.latest, self.now)


class Locks(MemoryLocks):
    """Locks, of which the poller's may be one that everybody can have."""

    def __init__(
        self,
        holder: Callable[[], object],
        wait: Callable[[str, float], bool],
        fails: Callable[[str], bool],
    ) -> None:
        super().__init__(holder, wait)
        self._fails = fails

    @contextmanager
    def exclusive(self, memory: MemoryOS, path: str, timeout_s: float) -> Iterator[bool]:
        if self._fails(path):
            yield True
            return
        with super().exclusive(memory, path, timeout_s) as had:
            yield had


def template(parties: tuple[str, ...]) -> MemoryOS:
    """Return a disk with a data root and these parties in it, durable."""
    if parties not in _TEMPLATES:
        memory = MemoryOS(lambda: float(NOON))
        with installed(memory):
            desk = Desk(FileStore(ROOT), clock=lambda: NOON, validators=(), after_settlement=())
            desk.initialise()
            for party in parties:
                desk.add_party(party)
        _TEMPLATES[parties] = memory
    return _TEMPLATES[parties].fork()


_TEMPLATES: dict[tuple[str, ...], MemoryOS] = {}


def policy(rng: random.Random, *, long: bool) -> Policy:
    """Return one who says who goes on."""
    kind = rng.random()
    if kind < 0.05:
        return uniform
    if kind < 0.15:
        return sticky(rng.choice((0.8, 0.95, 0.99)))
    if kind < 0.3:
        return at_changes(rng.choice((0.1, 0.3, 0.6)))
    weights, lengths = rng.choice(
        (
            (set(Weight), (100, 200)),
            ({Weight.READS}, (4, 8)),
            ({Weight.CHANGES, Weight.COMMITS}, (25, 50)),
            ({Weight.COMMITS}, (6, 12)),
            ({Weight.READS, Weight.COMMITS}, (10, 20)),
        )
    )
    length = rng.choice(lengths)
    if long:
        length *= 4
    return Ranked(rng, rng.randint(1, 4), length, weights)


def dangers(rng: random.Random) -> Dangers:
    """Return what may befall everybody."""
    kind = rng.random()
    if kind < 0.45:
        return Dangers(give_up=0.0005)
    if kind < 0.6:
        return Dangers(kill=rng.choice((0.01, 0.05)), give_up=0.002)
    if kind < 0.7:
        return Dangers(stop=0.01, give_up=0.002)
    if kind < 0.9:
        return Dangers(cut=rng.choice((0.005, 0.02)))
    return Dangers(kill=0.01, stop=0.005, cut=0.005, give_up=0.002)
