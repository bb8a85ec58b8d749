"""Whoever asks while the archive is packed and unpacked is told what they were told before.

Packers and readers, one primitive at a time; some are killed, and the power fails. In some
schedules the lock fails to hold, and two of them pack the same at once. What is asked for has
ended long ago, so that each answer has one right value.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from tests.faults.memory_host import installed
from tests.faults.memory_os import MemoryOS, Step
from tests.simulation import setting
from tests.simulation.instants import ROOT
from tests.simulation.scheduler import Actor, Scheduler
from tests.simulation.setting import Locks
from tests.support import ALICE, BOB, DAY, NOON

from nom_negotiate import Conflict, Desk, FileStore, NotFound, Party

SOAK = os.environ.get("NOM_SOAK") == "1"
SCHEDULES = 2000 if SOAK else 40
"""In each of two blocks. With NOM_SOAK=1 about five minutes on one core."""

pytestmark = pytest.mark.timeout(3600 if SOAK else 300)

LONG_AFTER = NOON + 100 * DAY

_archive: list[MemoryOS] = []


def desk(now: int = LONG_AFTER) -> Desk:
    return Desk(FileStore(ROOT), clock=lambda: now, validators=(), after_settlement=())


def archive() -> MemoryOS:
    """Return a disk with two deals and a withdrawal, all of them over and settled."""
    if not _archive:
        memory = MemoryOS(lambda: float(NOON))
        with installed(memory):
            old = desk(NOON)
            alice, bob = old.party(ALICE), old.party(BOB)
            for one, other, end in (("C", BOB, "accept"), ("N", BOB, "accept"), ("D", BOB, "")):
                deal = alice.start(other, chemical=one, role="buyer", price=5, quantity=10)
                (bob.accept if end else alice.withdraw)(deal.id)
            old.poll()
            for party in (alice, bob):
                for name, _ in party.transactions():
                    party.mark_settled(name)
        for inode in list(memory.disk.inodes):
            memory.disk.sync(inode)
        _archive.append(memory)
    return _archive[0].fork()


def answers(desk: Desk) -> dict[str, Callable[[], Any]]:
    """Return all that can be asked, each by itself."""
    asked: dict[str, Callable[[], Any]] = {
        "negotiations": lambda: sorted(repr(n.outcome) for n in desk.archive()),
        "figures": desk.stats,
    }
    for party in (desk.party(ALICE), desk.party(BOB)):
        asked[f"transactions of {party}"] = party.transactions
        for chemical in "CND":
            id_ = f"alice_bob_{chemical}_{NOON}"
            asked[f"{id_} of {party}"] = functools.partial(_outcome, party, id_)
    return asked


def _outcome(party: Party, id_: str) -> object:
    return party.negotiation(id_).outcome


class Packing:
    """One schedule of packers and readers."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.memory = archive()
        self.memory.disk.clock = lambda: float(LONG_AFTER)
        self.memory.kill = self._signal  # type: ignore[attr-defined]
        with installed(self.memory):
            self.expected = {name: ask() for name, ask in answers(desk()).items()}
        self.sched = Scheduler(
            rng,
            setting.policy(rng, long=True),
            setting.dangers(rng),
            is_free=lambda path: True,
            on_turn=self._turn,
            on_death=lambda actor: self.locks.died(actor),
            on_cut=self._cut,
        )
        self.fails = rng.random() < 0.3
        self.locks = Locks(lambda: self.sched.current, self.sched.wait, lambda path: self.fails)

    def _signal(self, pid: int, signal: int) -> None:
        if not any(actor.pid == pid and not actor.done for actor in self.sched.actors):
            raise ProcessLookupError

    def _turn(self, actor: Actor) -> None:
        self.memory.pid = actor.pid

    def _cut(self) -> None:
        self.memory.disk = self.rng.choice(list(self.memory.worlds(self.rng, 12))).disk
        self.locks.held.clear()

    def _told(self, step: Step) -> None:
        if step.when != "after":
            self.sched.step(step.name, step.arguments, step.changes)

    def _work(self) -> None:
        for _ in range(self.rng.randint(1, 2)):
            try:
                # Unpacking rests on the lock; packing twice at once does not.
                if self.fails or self.rng.random() < 0.7:
                    packing = desk().pack(DAY)
                else:
                    packing = desk().unpack(f"alice_bob_{self.rng.choice('CND')}_{NOON}")
            except (Conflict, NotFound):
                # The other one is at it; or it is not packed now.
                continue
            # Without a lock each may take away what the other reads.
            assert self.fails or not packing.problems, packing

    def _read(self) -> None:
        asked = answers(desk())
        for name in self.rng.sample(list(asked), 3):
            assert asked[name]() == self.expected[name], name

    def run(self) -> None:
        with installed(self.memory, self.locks):
            self.memory.step = self._told
            for name in ("packer", "packer", "reader", "reader"):
                self.sched.spawn(name, self._work if name == "packer" else self._read)
            self.sched.run()
            self.memory.step = None
            for _ in range(2):
                for name, ask in answers(desk()).items():
                    assert ask() == self.expected[name], name
                assert not desk().pack(DAY).problems
            # A link that leads nowhere, left by a power cut, is for the hourly sweep.
            tree = self.memory.tree()
            left = [p for p, what in tree.items() if f"_{NOON}" in p and not isinstance(what, str)]
            assert not left


@pytest.mark.parametrize("block", range(2))
def test_whoever_asks_while_it_is_packed_is_told_the_same(block: int) -> None:
    for seed in range(block * SCHEDULES, (block + 1) * SCHEDULES):
        schedule = Packing(seed)
        try:
            schedule.run()
        except Exception as error:
            lines = "\n".join(map(str, schedule.sched.trace[-40:]))
            raise AssertionError(f"seed {seed}: {error!r}\n{lines}") from error


class Stop(BaseException):
    """Ends a packer as a signal does."""


def test_a_pack_is_durable_though_somebody_else_has_made_its_directory_and_died() -> None:
    memory = archive()
    expected: dict[str, Any]

    def stopped(step: Step) -> None:
        if step.name == "mkdir" and step.when == "after":
            raise Stop

    with installed(memory):
        expected = {name: ask() for name, ask in answers(desk()).items()}
        memory.step = stopped
        with pytest.raises(Stop):
            desk().pack(DAY)
        memory.step = None
        memory.close_all()
        assert desk().pack(DAY).negotiations == 3
    for world in memory.worlds(random.Random(1), 20):
        with installed(world):
            assert {name: ask() for name, ask in answers(desk()).items()} == expected
