"""Actors that take turns, one primitive of the file system at a time, as a seed will have it.

An *actor* is a process: a greenlet that runs the product's own code. Before each primitive
(and each lock) the `os` in memory tells the scheduler, and the scheduler says who goes on. All
that it decides comes from one `random.Random`, so that a seed is a schedule.

What can happen to an actor:

- it is *killed*: nothing that it still tries while its stack unwinds happens, since a killed
  process runs no clean-up, and the kernel lets go of its locks;
- it is *stopped* for some hundred steps, and goes on as if nothing had been;
- it *waits* for a lock, and at times its patience ends before the lock is free;
- the *power* fails: that kills everybody, and the disk keeps what it keeps.

Where nobody can go on, the run has failed.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Set
from typing import Any, Final, NamedTuple

from greenlet import getcurrent, greenlet

FIRST_PID: Final = 1000
MAX_STEPS: Final = 60_000
"""Of one schedule: far more than any needs, so that one that never ends fails."""


class Killed(BaseException):
    """Unwinds the stack of a process that is no more."""


class Stuck(AssertionError):
    """Tells that nobody can go on, or that somebody goes on for ever."""


class Weight(enum.IntEnum):
    """How much an interruption before a step may matter."""

    LOOKS = 0
    READS = 1
    """It reads a state, or looks whether that is still the same."""
    CHANGES = 2
    COMMITS = 3
    """It makes visible what was prepared, a rename or a link, or comes after such a step."""


COMMITS: Final = frozenset({"rename", "link", "symlink"})
READS: Final = "_state.json"


class Dangers(NamedTuple):
    """How likely it is at one step that something befalls the actor whose step it is.

    Attributes:
        kill: before a primitive that changes the disk; before others a tenth of it.
        stop: the actor is not scheduled for some hundred steps.
        cut: the power fails, before a primitive that changes the disk.
        give_up: somebody who waits for a lock has waited for long enough.
    """

    kill: float = 0.0
    stop: float = 0.0
    cut: float = 0.0
    give_up: float = 0.0


class Stepped(NamedTuple):
    """One line of the trace."""

    actor: str
    primitive: str
    arguments: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.actor}: {self.primitive}({', '.join(map(_short, self.arguments))})"


def _short(argument: Any) -> str:
    text = repr(argument)
    return text if len(text) <= 120 else f"{text[:50]}...{text[-60:]}"


class Actor:
    """One process.

    Attributes:
        name: for the trace.
        pid: differs from that of all others of the schedule.
        alive: false once it has been killed.
        asleep_until: the number of the step at which it is scheduled again.
        waits_for: the lock that it waits for.
        gave_up: its patience has ended.
        has_committed: its last step has made something visible.
        done: true when its stack is gone.
    """

    def __init__(self, name: str, pid: int, body: Callable[[], None]) -> None:
        self.name = name
        self.pid = pid
        self.alive = True
        self.asleep_until = 0
        self.waits_for: str | None = None
        self.gave_up = False
        self.has_committed = False
        self.done = False
        self.defect: BaseException | None = None
        self._body = body
        self.greenlet = greenlet(self._run)

    def __repr__(self) -> str:
        return f"{self.name} ({self.pid})"

    def _run(self) -> None:
        try:
            self._body()
        except Killed:
            pass
        except BaseException as defect:
            self.defect = defect
        self.done = True


Policy = Callable[["Scheduler", list[Actor], Actor | None, Weight], Actor]
"""Says who goes on: of those who can, with the one before if it could go on, and the weight of
the step that it stands before."""


class Scheduler:
    """Run actors to their end.

    Args:
        rng: decides.
        policy: says who goes on.
        dangers: what may befall them.
        on_step: called at each step, before anything else.
        is_free: says whether a lock that somebody waits for can be had.
        on_turn: called with the actor whose turn it is.
        on_death: called with an actor that was killed, once its stack is gone.
        on_cut: called when the power has failed, once everybody is dead.
    """

    def __init__(
        self,
        rng: random.Random,
        policy: Policy,
        dangers: Dangers,
        *,
        is_free: Callable[[str], bool] = lambda path: True,
        on_step: Callable[[], object] = lambda: None,
        on_turn: Callable[[Actor], object] = lambda actor: None,
        on_death: Callable[[Actor], object] = lambda actor: None,
        on_cut: Callable[[], object] = lambda: None,
    ) -> None:
        self.rng = rng
        self.policy = policy
        self.dangers = dangers
        self.is_free = is_free
        self.on_step = on_step
        self.on_turn = on_turn
        self.on_death = on_death
        self.on_cut = on_cut
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.trace: list[Stepped] = []
        self.steps = 0
        self.cuts = 0
        self._next: Actor | None = None
        self._pids = FIRST_PID
        self._cutting = False
        self._hub: greenlet | None = None

    # For those who set it up

    def spawn(self, name: str, body: Callable[[], None]) -> Actor:
        """Add an actor."""
        self._pids += 1
        actor = Actor(name, self._pids, body)
        self.actors.append(actor)
        return actor

    def run(self) -> None:
        """Let the actors go on until all of them are done.

        Raises:
            Stuck: where nobody can go on, or somebody does for ever.
        """
        self._hub = getcurrent()
        try:
            while living := [actor for actor in self.actors if not actor.done]:
                self._resume(self._chosen(living))
        finally:
            self._end_all()

    # For the `os` in memory

    def step(self, primitive: str, arguments: tuple[Any, ...], changes: bool) -> None:
        """Stand before a primitive until it is this actor's turn; may never return."""
        actor = self.current
        if actor is None:
            return
        if not actor.alive:
            raise Killed
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise Stuck(f"no end after {MAX_STEPS} steps")
        self.on_step()
        self._endanger(actor, changes)
        ready = self._ready()
        going = actor if actor in ready else None
        weight = Weight.COMMITS if actor.has_committed else _weight(primitive, arguments, changes)
        actor.has_committed = primitive in COMMITS
        chosen = self.policy(self, ready, going, weight) if ready else None
        if chosen is not actor:
            self._next = chosen
            self._give_way(actor)
        self.trace.append(Stepped(actor.name, primitive, arguments))

    def wait(self, path: str, timeout_s: float) -> bool:
        """Let others go on until a lock is free; return False where patience ended before."""
        actor = self.current
        if actor is None or timeout_s <= 0:
            return False
        actor.waits_for, actor.gave_up = path, False
        self.trace.append(Stepped(actor.name, "wait", (path,)))
        self._give_way(actor)
        actor.waits_for = None
        return not actor.gave_up

    # Turns

    def _give_way(self, actor: Actor) -> None:
        assert self._hub is not None
        self._hub.switch()
        if not actor.alive:
            raise Killed

    def _ready(self) -> list[Actor]:
        return [
            actor
            for actor in self.actors
            if not actor.done
            and actor.asleep_until <= self.steps
            and (actor.waits_for is None or actor.gave_up or self.is_free(actor.waits_for))
        ]

    def _chosen(self, living: list[Actor]) -> Actor:
        chosen, self._next = self._next, None
        if chosen is not None and not chosen.done:
            return chosen
        ready = self._ready()
        if ready:
            return self.policy(self, ready, None, Weight.LOOKS)
        asleep = [actor for actor in living if actor.asleep_until > self.steps]
        if not asleep:
            raise Stuck(f"nobody can go on: {[(a, a.waits_for) for a in living]}")
        first = min(asleep, key=lambda actor: actor.asleep_until)
        first.asleep_until = 0
        return self._chosen(living)

    def _resume(self, actor: Actor) -> None:
        self.current = actor
        self.on_turn(actor)
        actor.greenlet.switch()
        self.current = None
        if actor.defect is not None:
            raise actor.defect
        if self._cutting:
            self._cut()
        elif actor.done and not actor.alive:
            self.on_death(actor)

    # What befalls them

    def _endanger(self, actor: Actor, changes: bool) -> None:
        dangers, roll = self.dangers, self.rng.random()
        if changes and roll < dangers.cut:
            self.trace.append(Stepped(actor.name, "THE POWER FAILS", ()))
            self._cutting = True
            actor.alive = False
            raise Killed
        roll -= dangers.cut
        if 0 <= roll < (dangers.kill if changes else dangers.kill / 10):
            self.trace.append(Stepped(actor.name, "KILLED", ()))
            actor.alive = False
            raise Killed
        roll -= dangers.kill
        if 0 <= roll < dangers.stop:
            self.trace.append(Stepped(actor.name, "STOPPED", ()))
            actor.asleep_until = self.steps + self.rng.choice((30, 100, 300, 1000))
        roll -= dangers.stop
        if 0 <= roll < dangers.give_up:
            for tired in self.actors:
                if tired.waits_for is not None and not tired.done:
                    self.trace.append(Stepped(tired.name, "gives up waiting", (tired.waits_for,)))
                    tired.gave_up = True
                    break

    def _cut(self) -> None:
        self._cutting = False
        self.cuts += 1
        self._end_all()
        self.actors.clear()
        self.on_cut()

    def _end_all(self) -> None:
        """Unwind the stacks of those who are left; nothing that they try happens."""
        for actor in self.actors:
            if actor.done:
                continue
            actor.alive = False
            if not actor.greenlet:
                actor.done = True
                continue
            self.current = actor
            actor.greenlet.throw(Killed)
            self.current = None
            assert actor.done, f"{actor} survived"


def _weight(primitive: str, arguments: tuple[Any, ...], changes: bool) -> Weight:
    if changes:
        return Weight.COMMITS if primitive in COMMITS else Weight.CHANGES
    named = arguments and isinstance(arguments[0], str) and arguments[0].endswith(READS)
    return Weight.READS if named else Weight.LOOKS


# Who goes on


def uniform(sched: Scheduler, ready: list[Actor], going: Actor | None, weight: Weight) -> Actor:
    """Anybody, at each step."""
    return sched.rng.choice(ready)


def sticky(stay: float) -> Policy:
    """Mostly the one who went before."""

    def choose(sched: Scheduler, ready: list[Actor], going: Actor | None, weight: Weight) -> Actor:
        if going is not None and sched.rng.random() < stay:
            return going
        return sched.rng.choice(ready)

    return choose


def at_changes(leave: float) -> Policy:
    """The one who went before, but for some of the moments before it changes the disk."""

    def choose(sched: Scheduler, ready: list[Actor], going: Actor | None, weight: Weight) -> Actor:
        if going is None or (weight >= Weight.CHANGES and sched.rng.random() < leave):
            return sched.rng.choice(ready)
        return going

    return choose


class Ranked:
    """The actor of the highest rank, and at a few chosen steps it falls to the lowest.

    Finds what takes few interruptions at the right places: "A Randomized Scheduler with
    Probabilistic Guarantees of Finding Bugs", Burckhardt et al., 2010.

    Args:
        rng: chooses.
        depth: how often somebody falls.
        length: of how many steps these are some; the first ones.
        weights: of the steps of these weights.
    """

    def __init__(self, rng: random.Random, depth: int, length: int, weights: Set[Weight]) -> None:
        self.falls = set(rng.sample(range(length), depth))
        self.weights = weights
        self.met = 0
        self.ranks: dict[int, float] = {}

    def __call__(
        self, sched: Scheduler, ready: list[Actor], going: Actor | None, weight: Weight
    ) -> Actor:
        for actor in ready:
            if actor.pid not in self.ranks:
                self.ranks[actor.pid] = sched.rng.random()
        if going is not None and weight in self.weights:
            if self.met in self.falls:
                self.ranks[going.pid] = -self.met
            self.met += 1
        return max(ready, key=lambda actor: self.ranks[actor.pid])
