"""Every crash point of a use case: run it once, and stop it in memory at each of its steps.

A use case is run once, undisturbed. After each primitive that changes the disk, and in the
middle of each write, a copy of the memory is kept: that is what a program has done that was
stopped there (and before the next primitive, between the two nothing changes). Nothing of the
program runs on in a copy, no handler and no `finally`, as after SIGKILL.

From each copy follow worlds. *The process died*: all that was done is there, nothing is open,
no lock is held; what was not synced is still not durable. *The power failed*: each thing that
`power` says it may leave. Worlds that are the same are looked at once.

In each world a new process goes on; see `Recovery`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple, Protocol

from tests.faults import power
from tests.faults.invariants import lasting, nothing_left_over, polled, torn
from tests.faults.memory_host import installed
from tests.faults.memory_os import MemoryOS, Step
from tests.faults.scene import ROOT, Fact, Scene
from tests.support import HOUR, Clock

from nom_negotiate.errors import NomError
from nom_negotiate.store.files.atomic import Disk

A_LITTLE_LATER: Final = 30.0
MUCH_LATER: Final = 2.0 * HOUR
"""When a left-over is old enough to be removed."""


class UseCase(Protocol):
    """Something that somebody does, and what comes of it."""

    name: str
    scene: type[Scene]
    refusals: frozenset[str]
    """Codes with which it may be refused when it is done again."""

    def prepare(self, scene: Scene) -> None:
        """Do what comes before it."""

    def act(self, scene: Scene) -> None:
        """Do it, and say what was reported."""

    def recover(self, scene: Scene) -> None:
        """Go on after a crash: poll, and assert that all is well."""

    def done(self, scene: Scene) -> None:
        """Assert what is so when it was done again, and polled."""


class Point(NamedTuple):
    """A place at which a program was stopped.

    Attributes:
        where: its last step.
        memory: what it had done.
        facts: what had been reported as done.
    """

    where: str
    memory: MemoryOS
    facts: tuple[Fact, ...]


class World(NamedTuple):
    """What is there when the next process begins."""

    name: str
    memory: MemoryOS
    facts: tuple[Fact, ...]


@dataclass
class Tally:
    """What was run.

    Attributes:
        primitives: that change the disk.
        points: at which a program was stopped.
        worlds: distinct ones, each recovered from.
        cuts: power cuts, by whether all that they may leave was run.
        again: points at which a recovery was stopped.
        worlds_again: distinct worlds that followed from those.
        torn: worlds in which a power cut has left a record without its end, by where it lies.
    """

    primitives: int = 0
    points: int = 0
    worlds: int = 0
    cuts: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    again: int = 0
    worlds_again: int = 0
    torn: Counter[str] = field(default_factory=Counter)


class Effort(NamedTuple):
    """How much is tried.

    Attributes:
        worlds: for each point, at most so many by a power cut.
        recoveries: every how manieth world's recovery is stopped, too; 0 for none.
        stops: for each of those, at how many points.
        worlds_again: for each of these, at most so many worlds by a power cut.
    """

    worlds: int = 64
    recoveries: int = 3
    stops: int = 5
    worlds_again: int = 4


class Faults(NamedTuple):
    """What goes wrong while a use case is run, to see whether the enumeration notices.

    Attributes:
        forgets: the number of the fsync that is not done, the poller's hints apart.
        delays: the number of the change, or fsync, that is done after the next one, likewise.
    """

    forgets: int | None = None
    delays: int | None = None


NO_FAULTS: Final = Faults()


class CrashNotSurvived(AssertionError):
    """A world in which something does not hold."""


def enumerate_crashes(
    case: UseCase,
    effort: Effort,
    *,
    disk: Callable[[], Disk] = Disk,
    faults: Faults = NO_FAULTS,
    seed: int = 1,
    backwards: bool = False,
) -> Tally:
    """Run a use case with a stop at every point, and recover in every world.

    Args:
        case: which one.
        effort: how much is tried.
        disk: makes the disks of its stores.
        faults: what goes wrong while it is run.
        seed: of what is left to chance.
        backwards: the last stop first, where what is wrong is to be seen late.

    Raises:
        CrashNotSurvived: at the first world in which something does not hold.
    """
    tally = Tally()
    rng = Random(seed)
    points = stops(case, disk, faults)
    tally.primitives = sum(1 for point in points if point.where.startswith("after "))
    seen: set[object] = set()
    for point in reversed(points) if backwards else points:
        tally.points += 1
        for world in worlds(point, rng, effort.worlds, seen, tally.cuts):
            tally.worlds += 1
            tally.torn.update(torn(world.memory.tree()))
            recover(case, world, disk)
            if effort.recoveries and tally.worlds % effort.recoveries == 0:
                _stop_recovery(case, world, disk, effort, rng, tally)
    return tally


def stops(
    case: UseCase, disk: Callable[[], Disk] = Disk, faults: Faults = NO_FAULTS
) -> list[Point]:
    """Return every point at which the use case can be stopped."""
    scene = case.scene(MemoryOS(Clock()), Clock(), disk)
    with installed(scene.memory):
        case.prepare(scene)
    syncs, changes = itertools.count(), itertools.count()
    if faults.forgets is not None:
        scene.memory.forgets = lambda path: counts(path) and next(syncs) == faults.forgets
    if faults.delays is not None:
        scene.memory.delays = lambda path: counts(path) and next(changes) == faults.delays
    return _run_stopped(scene, case.act)


def counts(path: str) -> bool:
    """Return whether a change is none of the poller's hints, which nothing relies on."""
    return not path.startswith(power.POLLER)


def _run_stopped(scene: Scene, act: Callable[[Scene], None]) -> list[Point]:
    points = [Point("before the first step", scene.memory.fork(), scene.facts)]

    def step(step: Step) -> None:
        if step.changes and step.when != "before":
            points.append(Point(_named(scene.memory, step), scene.memory.fork(), scene.facts))

    scene.memory.step = step
    with installed(scene.memory):
        act(scene)
    scene.memory.step = None
    # The last step may have come before the call returned.
    points.append(Point("when it had returned", scene.memory.fork(), scene.facts))
    return points


def _named(memory: MemoryOS, step: Step) -> str:
    """Return what a step did, with the path of what is open instead of its number."""
    first, *others = step.arguments
    if isinstance(first, int) and first in memory.disk.fds:
        step = step._replace(arguments=(memory.disk.fds[first].path, *others))
    return str(step).replace(f"{ROOT}/", "")


def worlds(
    point: Point, rng: Random, limit: int, seen: set[object], cuts: dict[bool, int]
) -> Iterator[World]:
    """Yield the worlds that may follow from a stop, and that were not seen yet."""
    died = point.memory.fork()
    died.close_all()
    cut = power.worlds(point.memory, rng, limit)
    cuts[cut.complete] += 1
    every = [("the process died", died), *(("the power failed", one) for one in cut.all)]
    for what, memory in every:
        # What follows from a world follows from what is there, and what was reported; and from
        # whether the machine was started anew, because then no hint is believed.
        key = (len(point.facts), memory.boot, hash(repr(memory.tree())))
        if key not in seen:
            seen.add(key)
            yield World(f"{what} {point.where}", memory, point.facts)


def recover(case: UseCase, world: World, disk: Callable[[], Disk] = Disk) -> None:
    """Let the next process go on in a world, do the same again, and look at it much later."""
    # The world may be needed once more.
    scene = case.scene(world.memory.fork(), Clock(), disk, world.facts)
    try:
        with installed(scene.memory):
            scene.clock.now = world.memory.disk.clock() + A_LITTLE_LATER
            case.recover(scene)
            _do_again(case, scene)
            polled(scene)
            case.done(scene)
            scene.clock.forward(MUCH_LATER)
            polled(scene)
            nothing_left_over(scene.memory.tree())
            case.done(scene)
            before = lasting(scene.memory.tree())
            polled(scene)
            assert lasting(scene.memory.tree()) == before, "a poll that changes something"
    except Exception as error:
        raise CrashNotSurvived(f"{case.name}: {world.name}: {error}") from error


def _do_again(case: UseCase, scene: Scene) -> None:
    try:
        case.act(scene)
    except NomError as error:
        if error.code not in case.refusals:
            raise AssertionError(f"refused when done again: {error.code}: {error}") from error


def _stop_recovery(
    case: UseCase,
    world: World,
    disk: Callable[[], Disk],
    effort: Effort,
    rng: Random,
    tally: Tally,
) -> None:
    scene = case.scene(world.memory.fork(), Clock(), disk, world.facts)
    scene.clock.now = world.memory.disk.clock() + A_LITTLE_LATER
    points = _run_stopped(scene, case.recover)
    seen: set[object] = set()
    for point in rng.sample(points, min(effort.stops, len(points))):
        tally.again += 1
        cuts = {True: 0, False: 0}
        for after in worlds(point, rng, effort.worlds_again, seen, cuts):
            tally.worlds_again += 1
            tally.torn.update(torn(after.memory.tree()))
            name = f"{world.name}; then, recovering, {after.name}"
            recover(case, World(name, after.memory, after.facts), disk)
