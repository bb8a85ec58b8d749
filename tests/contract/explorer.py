"""Every order in which actors that share a store can run, one step at a time.

An *actor* is a plain function that is given a store. The store that it gets stops it before
each *step*: a look at a namespace, a write, a decision. The explorer lets one actor at a time
take one step, and runs the whole again for every other order. What an actor does next depends
only on what its steps have shown it, so a situation (the bytes in the store, and what each
actor has seen) that was met before need not be followed again: the orders that are left out
end in a way that has been looked at.

Nothing waits for time to pass, and every order that fails is printed as a list that runs
again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nom_negotiate.errors import NomError
from nom_negotiate.store.port import Store

Actor = Callable[[Store], Any]


class Abandoned(BaseException):
    """Ends an actor in the middle: what follows has been looked at."""


@dataclass
class Result:
    """How an actor ended: what it returned, or the error that it met."""

    value: Any = None
    error: NomError | None = None

    @property
    def done(self) -> bool:
        """Whether the actor was told that it has done what it wanted."""
        return self.error is None

    def __repr__(self) -> str:
        return "done" if self.error is None else f"{self.error.code}: {self.error.message}"


@dataclass
class Run:
    """One order, run to its end."""

    store: Any
    results: list[Result]
    order: list[str]
    noted: list[Any]

    def __str__(self) -> str:
        return "\n".join([*self.order, *map(repr, self.results)])


def _taken() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass
class _Thread:
    """An actor that stands before its next step."""

    name: str
    # Two locks that are passed to and fro, each taken by one side and released by the other.
    resume: threading.Lock = field(default_factory=_taken)
    stopped: threading.Lock = field(default_factory=_taken)
    step: str = "start"
    open: Callable[[], bool] = lambda: True
    seen: str = ""
    finished: bool = False
    abandoned: bool = False
    result: Result = field(default_factory=Result)
    defect: BaseException | None = None

    def gate(self, step: str, open_: Callable[[], bool] = lambda: True) -> None:
        """Stop before a step until the explorer lets it happen."""
        self.step, self.open = step, open_
        self.stopped.release()
        self.resume.acquire()
        if self.abandoned:
            raise Abandoned

    def saw(self, what: object) -> None:
        """Remember what a step has shown; everything the actor does next follows from that."""
        self.seen = hashlib.sha256(f"{self.seen} {what!r}".encode()).hexdigest()

    def run(self, actor: Actor, store: Any) -> None:
        _here.thread = self
        self.resume.acquire()
        try:
            if not self.abandoned:
                self.result = Result(actor(store))
        except NomError as error:
            self.result = Result(error=error)
        except Abandoned:
            pass
        except BaseException as defect:
            self.defect = defect
        self.finished = True
        self.stopped.release()


_here = threading.local()


def current() -> _Thread | None:
    """Return the actor whose step this is; None outside a run."""
    return getattr(_here, "thread", None)


class World:
    """What one run needs: a fresh store, and how to hand it to an actor.

    Args:
        store: shared by the actors.
        stepped: returns the store as one actor sees it: it calls `gate` before each step.
        digest: returns what the store holds, as something that can be compared.
        note: called after each step; what it returns is collected in `Run.noted`.
    """

    def __init__(
        self,
        store: Any,
        stepped: Callable[[Any, _Thread, set[str]], Any],
        digest: Callable[[Any], Any],
        note: Callable[[Any], Any] = lambda store: None,
    ) -> None:
        self.store = store
        self.stepped = stepped
        self.digest = digest
        self.note = note


def explore(
    make: Callable[[], World],
    actors: Sequence[tuple[str, Actor]],
    *,
    interruptions: int | None = None,
) -> Iterator[Run]:
    """Yield a run for every order of the actors' steps that can end differently.

    Args:
        make: returns a fresh world.
        actors: by name.
        interruptions: how often in an order another actor goes on though the one before
            could have; None for no bound. Few are enough for nearly every race that there is,
            and their number grows with a power of this one.
    """
    search = _Search(make, actors, interruptions)
    ended = 0
    while search.waiting:
        run = search.one(search.waiting.pop())
        if run is not None:
            ended += 1
            yield run
    # A step that neither changes nor shows anything would look like one that was tried before.
    assert ended, "no order came to its end"


class _Search:
    def __init__(
        self,
        make: Callable[[], World],
        actors: Sequence[tuple[str, Actor]],
        interruptions: int | None,
    ) -> None:
        self.make = make
        self.actors = actors
        self.interruptions = interruptions
        self.known: set[Any] = set()
        self.waiting: list[list[int]] = [[]]

    def one(self, prefix: list[int]) -> Run | None:
        """Run one order that begins with `prefix`; None where it leads to what is known."""
        world = self.make()
        held: set[str] = set()
        threads = [_Thread(name) for name, _ in self.actors]
        bodies = [
            threading.Thread(target=thread.run, args=(actor, stepped), daemon=True)
            for thread, (_, actor) in zip(threads, self.actors, strict=True)
            for stepped in [world.stepped(world.store, thread, held)]
        ]
        for body in bodies:
            body.start()
        try:
            return self.followed(world, threads, prefix)
        finally:
            for thread in threads:
                if not thread.finished:
                    thread.abandoned = True
                    thread.resume.release()
            for body in bodies:
                body.join()

    def followed(self, world: World, threads: list[_Thread], prefix: list[int]) -> Run | None:
        taken: list[int] = []
        order: list[str] = []
        noted: list[Any] = []
        interrupted = 0
        while not all(thread.finished for thread in threads):
            ready = [n for n, t in enumerate(threads) if not t.finished and t.open()]
            assert ready, f"nobody can go on: {[t.step for t in threads]}"
            going = taken[-1] if taken and taken[-1] in ready else None
            if len(taken) < len(prefix):
                chosen = prefix[len(taken)]
            else:
                chosen = ready[0] if going is None else going
                key: tuple[Any, ...] = (
                    world.digest(world.store),
                    *((thread.step, thread.seen) for thread in threads),
                )
                if self.interruptions is not None:
                    key = (*key, going, interrupted)
                if key in self.known:
                    return None
                self.known.add(key)
                if going is None or self.interruptions is None or interrupted < self.interruptions:
                    self.waiting.extend([*taken, other] for other in ready if other != chosen)
            interrupted += going is not None and chosen != going
            thread = threads[chosen]
            taken.append(chosen)
            order.append(f"{thread.name}: {thread.step}")
            thread.resume.release()
            thread.stopped.acquire()
            if thread.defect is not None:
                raise AssertionError("\n".join(order)) from thread.defect
            noted.append(world.note(world.store))
        return Run(world.store, [thread.result for thread in threads], order, noted)


class SteppedStore:
    """A store that stops its actor before each call that another actor could matter to."""

    # What two actors of these tests can do to each other; anything else never changes.
    STEPS = ("find", "snapshot", "conclude", "settle", "archive")

    def __init__(self, store: Any, thread: _Thread, held: set[str]) -> None:
        self._store = store
        self._thread = thread
        self._held = held

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name not in self.STEPS:
            return call

        def stepped(*args: Any, **options: Any) -> Any:
            self._thread.gate(name)
            return self._seen(name, call, *args, **options)

        return stepped

    def _seen(self, name: str, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            value = call(*args, **options)
        except Exception as error:
            self._thread.saw(error)
            raise
        self._thread.saw(value)
        return value

    @contextmanager
    def writer(self, party: Any) -> Iterator[Any]:
        self._thread.gate(f"lock {party}", lambda: party not in self._held)
        self._held.add(party)
        try:
            with self._store.writer(party) as pen:
                yield _SteppedPen(pen, self)
        finally:
            self._held.discard(party)


class _SteppedPen:
    def __init__(self, pen: Any, store: SteppedStore) -> None:
        self._pen = pen
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pen, name)

    def write(self, *args: Any, **options: Any) -> Any:
        self._store._thread.gate("write")
        return self._store._seen("write", self._pen.write, *args, **options)
