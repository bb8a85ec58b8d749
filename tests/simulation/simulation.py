"""One schedule: a few parties, a poller or two, and what befalls them, all drawn from a seed.

`run` plays it on a disk in memory and judges it:

- while it goes on, each snapshot that is read, and each outcome (`instants`);
- at each power cut, that what was reported as done is there (`judging`);
- at its end and after one more poll, that each negotiation has a linear history
  (`linearizability`), and the invariants of the whole tree (`books`): no listing is overdrawn, no
  autopilot has said what its party would not, and nobody is told what a party keeps to itself.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import pytest
from tests.faults.memory_host import installed
from tests.faults.memory_os import Step
from tests.simulation import books, model, setting
from tests.simulation.history import Call, History
from tests.simulation.instants import ROOT, Instants, Place, Violation, namespaces
from tests.simulation.judging import Cut, check_durable, check_endings, check_start, judge
from tests.simulation.linearizability import BEGINNINGS
from tests.simulation.scenes import FLY, SCENES, Scene, Word
from tests.simulation.scheduler import Actor, Scheduler
from tests.simulation.setting import Locks, Time, template
from tests.support import ALICE, BOB, CAROL, DAY

from nom_negotiate import Desk, FileStore, Negotiation, Party, autopilot, market
from nom_negotiate.autopilot import Pilots, turn_off, turn_on
from nom_negotiate.poller import Report
from nom_negotiate.preferences import set_preferences
from nom_negotiate.store.files import namespace
from nom_negotiate.store.files.atomic import Disk

STAGED: Final = 0.75
"""The share of schedules that begin with a scene; in others each actor makes some calls."""

TRACE: Final = 60
"""Lines of the trace that a failure shows."""


Choice = tuple[str, str | None, dict[str, Any]]
"""A verb, the id of a negotiation, and the other arguments."""


class Failed(AssertionError):
    """Tells what went wrong in a schedule, and how to see it again."""

    def __init__(self, seed: int, why: BaseException, run: Simulation) -> None:
        self.seed = seed
        self.why = why
        lines = run.sched.trace[-TRACE:]
        super().__init__(
            f"{type(why).__name__}: {why}\n\n"
            f"the last steps of {run.sched.steps}:\n" + "\n".join(map(str, lines)) + "\n\n"
            f"the calls:\n{run.history}\n\n"
            f"again: NOM_SEED={seed} {run.forced}pytest tests/simulation/test_simulation.py -k seed"
        )


@dataclass
class Part:
    """What is left to do of one actor; whoever comes after it goes on with it."""

    name: str
    party: str | None
    calls: int
    word: Word | None = None


@dataclass(frozen=True)
class Played:
    """What one schedule was."""

    seed: int
    steps: int
    calls: int
    digest: str
    cuts: int
    deaths: int
    ends: tuple[str, ...]


class Kept(NamedTuple):
    """What a party has kept to itself about a negotiation, and what it had said by then.

    Attributes:
        party: whose.
        id: of the negotiation.
        limit: its reservation price from then on; None where its autopilot was turned off.
        moves: how many offers and acceptances it had made.
    """

    party: str
    id: str
    limit: str | None
    moves: int


class Simulation:
    """One schedule.

    Args:
        seed: decides everything.
        scene: the name of the scene, if that is not for the seed to decide.
    """

    def __init__(self, seed: int, scene: str | None = None) -> None:
        self.seed = seed
        self.rng = rng = random.Random(seed)
        self.forced = "" if scene is None else f"NOM_SCENE='{scene}' "
        self.scene: Scene | None = None
        if rng.random() < STAGED or scene is not None:
            self.scene = SCENES[scene or rng.choice(list(SCENES))]
        self.time = Time(rng)
        few = self.scene is not None or rng.random() < 0.7
        self.cast = (ALICE, BOB) if few else (ALICE, BOB, CAROL)
        nobody = self.scene.nobody if self.scene else rng.random() < 0.1
        self.memory = template(() if nobody else self.cast)
        self.memory.disk.clock = self.time
        self.memory.kill = self._signal  # type: ignore[attr-defined]
        self.sched = Scheduler(
            rng,
            setting.policy(rng, long=self.scene is None),
            setting.dangers(rng),
            is_free=self._is_free,
            on_step=self.time.go_on,
            on_turn=self._turn,
            on_death=self._died,
            on_cut=self._cut,
        )
        self.fails = rng.random() < 0.5
        self.locks = Locks(
            lambda: self.sched.current,
            self.sched.wait,
            lambda path: self.fails and path == f"{ROOT}/poller/lock",
        )
        self.history = History(lambda: self.sched.steps)
        self.instants = Instants(self.memory)
        self.calls: dict[Actor | None, Call] = {}
        self.opened: dict[int, Actor | None] = {}
        self.latest: dict[str, Negotiation] = {}
        self.parts: dict[Actor, Part] = {}
        self.cuts: list[Cut] = []
        self.names = Counter[str]()
        self.deaths = 0
        self.batches = 0
        self.torn: set[str] = set()
        self.listing = ""
        self.kept: list[Kept] = []

    # What it is made of

    def _cast_parts(self) -> list[Part]:
        rng = self.rng
        if self.scene is not None:
            parts = [
                Part(_name(word.party), word.party, 4 if word is FLY else 1, word)
                for word in self.scene.at_once
            ]
        else:
            parts = [Part(_name(party), party, rng.randint(1, 4)) for party in self.cast]
            if rng.random() < 0.2:
                parts.append(Part("alice", ALICE, rng.randint(1, 4)))
            for _ in range(rng.choice((0, 1, 1, 1, 2, 2))):
                parts.append(Part(_name(None), None, rng.randint(1, 3)))
        rng.shuffle(parts)
        return parts

    # What the scheduler tells

    def _is_free(self, path: str) -> bool:
        inode = self.memory.disk.find(path).inode
        return inode not in self.locks.held

    def _signal(self, pid: int, signal: int) -> None:
        assert signal == 0, "the store asks whether a process lives, and sends it nothing"
        if not any(actor.pid == pid and not actor.done for actor in self.sched.actors):
            raise ProcessLookupError(errno.ESRCH, "no such process")

    def _turn(self, actor: Actor) -> None:
        self.memory.pid = actor.pid

    def _died(self, actor: Actor) -> None:
        self.deaths += 1
        self.locks.died(actor)
        for fd in [fd for fd, owner in self.opened.items() if owner is actor]:
            del self.opened[fd]
            if fd in self.memory.disk.fds:
                self.memory._closed(fd)
        part = self.parts.get(actor)
        if part is not None and part.calls:
            self._spawn(part)

    def _cut(self) -> None:
        worlds = list(self.memory.worlds(self.rng, self.rng.choice((3, 12))))
        self.memory.disk = self.rng.choice(worlds).disk
        self.locks.held.clear()
        self.opened.clear()
        self.instants.begin_anew()
        # What an earlier one has left may lie there still.
        torn = {*books.torn(self.memory)}
        if torn - self.torn and not self.batches:
            raise Violation(f"torn, and nothing was done in a batch: {torn - self.torn}")
        self.torn, self.batches = torn, 0
        self.cuts.append(self._left())
        check_durable(self.history.calls, self.memory)
        going, self.parts = [part for part in self.parts.values() if part.calls], {}
        # As many as there were, though not each of them: one may have had a successor.
        for part in {id(part): part for part in going}.values():
            self._spawn(part)

    def _left(self) -> Cut:
        there = namespaces(self.memory).items()
        left = {place: model.read(files, place.team) for place, files in there}
        return Cut(self.history.moment(), left)

    def _told(self, step: Step) -> None:
        """Be told of a primitive by the `os` in memory."""
        if step.when != "after":
            self.sched.step(step.name, step.arguments, step.changes)
        elif step.name == "open":
            self.opened.setdefault(self.memory.disk.last_fd, self.sched.current)
        elif step.name in ("rename", "link", "unlink"):
            path = step.arguments[0 if step.name == "unlink" else 1]
            new = self.instants.note(path)
            call = self.calls.get(self.sched.current)
            if new is not None and call is not None and call.verb in BEGINNINGS:
                call.negotiation = new.id

    # The actors

    def _spawn(self, part: Part) -> None:
        self.names[part.name] += 1
        name = f"{part.name} {self.names[part.name]}"
        actor = self.sched.spawn(name, lambda: self._play(part, name))
        self.parts[actor] = part

    def _desk(self) -> Desk:
        return Desk(FileStore(ROOT), clock=self._clock, validators=(), after_settlement=())

    def _clock(self) -> float:
        now = self.time.now
        call = self.calls.get(self.sched.current)
        if call is not None:
            call.times.append(int(now))
        return now

    def _play(self, part: Part, name: str) -> None:
        desk = self._desk()
        while part.calls:
            part.calls -= 1
            if part.word is FLY:
                Pilots(desk, every_s=0, notice=self._noticed).look_through()
            elif part.party is None:
                self._poll(desk, name, scan=self.rng.random() < 0.3)
            elif part.word is None:
                self._act(desk, name, part.party)
            else:
                self._act(desk, name, part.party, self._said(part.word))

    def _poll(self, desk: Desk, name: str, *, scan: bool) -> Call:
        call = Call(name, None, "poll", None, {"scan": scan})
        self._call(call, lambda: desk.poll(scan=scan))
        return call

    def _act(self, desk: Desk, name: str, party: str, choice: Choice | None = None) -> None:
        verb, negotiation, options = self._choice(party) if choice is None else choice
        call = Call(name, party, verb, negotiation, options)
        arguments = dict(options)
        actor = desk.party(party)
        if verb == "start":
            other = arguments.pop("counterparty")
            self._call(call, lambda: actor.start(other, **arguments))
        elif verb == "respond":
            author = arguments.pop("author")
            self._call(call, lambda: market.respond(actor, author, self.listing, **arguments))
        elif verb == "close":
            call.negotiation = None
            self._call(call, lambda: market.close(actor, self.listing))
        else:
            assert negotiation is not None
            self._in(call, actor, negotiation, arguments)

    def _in(self, call: Call, actor: Party, id_: str, arguments: dict[str, Any]) -> None:
        """Do something in a negotiation, or about it in the party's own room."""
        if call.verb == "look":
            self._call(call, lambda: actor.negotiation(id_))
        elif call.verb == "turn_off":
            call.negotiation = None
            self._call(call, lambda: turn_off(actor, id_))
            if call.fate == "done":
                self._keep(actor, id_, None)
        elif call.verb == "prefer":
            call.negotiation = None
            wanted = {"target_quantity": 10, "salt": "salt", **arguments}
            self._call(call, lambda: set_preferences(actor, negotiation_id=id_, **wanted))
            if call.fate == "done":
                self._keep(actor, id_, arguments["reservation_price"])
        else:
            self._call(call, lambda: getattr(actor, call.verb)(id_, **arguments))

    def _keep(self, party: Party, id_: str, limit: str | None) -> None:
        moves = books.moves(self.memory, party.address, id_)
        self.kept.append(Kept(party.address, id_, limit, len(moves)))

    def _flown(self, seat: Party, verb: str, id_: str, options: Any, body: Any) -> Any:
        """Let an autopilot say something, as its party would."""
        asked = {name: each for name, each in options.items() if name != "revision"}
        call = Call("autopilot", seat.address, verb, id_, asked)
        try:
            self._call(call, lambda: body(id_, **options))
        finally:
            # It is based on what it has seen, and on what its party keeps to itself.
            call.is_judged = False
        if call.error is not None:
            raise call.error
        return call.found

    def _noticed(self, text: str) -> None:
        books.check_silence(text, self._limits())

    def _limits(self) -> set[str]:
        return {kept.limit for kept in self.kept if kept.limit is not None}

    def _call(self, call: Call, body: Callable[[], Any]) -> None:
        actor = self.sched.current
        self.calls[actor] = call
        try:
            self.history.record(call, body)
        finally:
            del self.calls[actor]
        if call.found is not None:
            self.latest[call.found.id] = call.found
        if call.report is not None:
            books.check_told(self.memory, call.report.agreed)
        if call.code == "unknown_negotiation" and self.time.has_jumped:
            # The link of a start that took a day by the clock is taken for one that was left,
            # and comes back with the next poll.
            call.is_judged = False
        if call.verb == "start":
            check_start(call, self.history.calls, in_order=not self.time.has_jumped)
        problems = [] if call.report is None else [p.reason for p in call.report.problems]
        if call.code == "store_failed":
            problems.append(str(call))
        for problem in problems:
            # A file that was begun a day ago by the clock is taken for one that was left.
            if not (self.time.has_jumped and os.strerror(errno.ENOENT) in problem):
                raise Violation(f"met trouble: {problem}")

    # What they do

    def _choice(self, party: str) -> Choice:
        rng = self.rng
        mine = [n for n in self.latest.values() if party in (n.initiator, n.responder)]
        if not mine or rng.random() < 0.07:
            return "start", None, self._start(party)
        seen = mine[-1] if rng.random() < 0.8 else rng.choice(mine)
        table = seen.on_table
        own = table is not None and table.by == party
        weights = (
            {"withdraw": 45, "say": 20, "offer": 20, "accept": 3, "reject": 3, "look": 9}
            if own
            else {"accept": 50, "offer": 20, "reject": 10, "say": 10, "withdraw": 3, "look": 7}
        ) | {"mark_read": 10, "react": 6}
        [verb] = rng.choices(list(weights), list(weights.values()))
        options: dict[str, Any] = {}
        if verb == "offer":
            options = self._terms()
            if rng.random() < 0.2:
                options["delivery"] = rng.choice(("FOB", "fob"))
        elif verb == "accept" and table is not None and rng.random() < 0.6:
            options = {"round": table.round if rng.random() < 0.9 else max(table.round - 1, 1)}
        elif verb == "say":
            options = {"text": "well"}
        elif verb == "react":
            options = {"level": rng.choice((0, 80))}
        return verb, seen.id, options

    def _said(self, word: Word) -> Choice:
        assert word.party is not None
        if word.verb == "start":
            return "start", None, self._start(word.party)
        if word.verb == "respond":
            return "respond", None, {"author": ALICE, "price": 5, "quantity": 10, **word.options}
        about = list(self.latest)[word.of] if self.latest else None
        return word.verb, about, self._terms() if word.verb == "offer" else dict(word.options)

    def _terms(self) -> dict[str, Any]:
        rng = self.rng
        terms: dict[str, Any] = {"price": rng.choice((5, 6)), "quantity": 10}
        if rng.random() < 0.25:
            terms["firm"] = False
        if rng.random() < 0.4:
            terms["valid_until"] = int(self.time.now) + rng.choice((1, 5, 30, DAY))
        return terms

    def _start(self, party: str) -> dict[str, Any]:
        rng = self.rng
        other = rng.choice([one for one in self.cast if one != party])
        options = self._terms()
        options.update(counterparty=other, chemical=rng.choice("CN"), role="buyer")
        if rng.random() < 0.4:
            options["idle_s"] = rng.choice((20, 60, 300))
        if rng.random() < 0.1:
            options["life_s"] = 300
        if rng.random() < 0.2:
            options["max_rounds"] = rng.choice((2, 3))
        if rng.random() < 0.2:
            options["message"] = "hello"
        if rng.random() < 0.3:
            options["again"] = True
        return options

    # A schedule

    def run(self) -> Played:
        """Play the schedule and judge it.

        Raises:
            Failed: where something is not as it was promised.
        """
        try:
            with self._installed():
                self._prologue()
                self.memory.step = self._told
                for part in self._cast_parts():
                    self._spawn(part)
                self.sched.run()
                self.memory.step = None
                self._epilogue()
        except Exception as error:
            raise Failed(self.seed, error, self) from error
        return self._played()

    def _prologue(self) -> None:
        """Let happen what most races are about, one call after another."""
        rng = self.rng
        if self.scene is not None and self.scene.listed:
            posted = market.post(
                self._desk().party(ALICE), side="sell", chemical="C", quantity=self.scene.listed
            )
            self.listing = posted.id
            for word in self.scene.before:
                assert word.party is not None
                self._act(self._desk(), _name(word.party), word.party, self._said(word))
        elif self.scene is not None and not self.scene.nobody:
            start = {**self._start(ALICE), **self.scene.start}
            if start["valid_until"] is not None:
                start["valid_until"] += int(self.time.now)
            self._act(self._desk(), "alice", ALICE, ("start", None, start))
            for _ in range(self.scene.more):
                self._act(self._desk(), "alice", ALICE, ("start", None, {**start, "again": True}))
            for word in self.scene.before:
                assert word.party is not None
                self._act(self._desk(), _name(word.party), word.party, self._said(word))
            for party, limit in self.scene.wanted.items():
                [id_] = self.latest
                actor = self._desk().party(party)
                set_preferences(
                    actor,
                    negotiation_id=id_,
                    reservation_price=limit,
                    target_quantity=10,
                    salt="salt",
                )
                turn_on(actor, id_)
                self._keep(actor, id_, limit)
            if self.scene.last_second:
                deal = next(iter(self.latest.values()))
                table = deal.on_table
                lapses = None if table is None else table.valid_until
                self.time.stand_at(lapses or deal.expires_at)
        elif self.scene is None and rng.random() < 0.8:
            self._act(self._desk(), "alice", ALICE, ("start", None, self._start(ALICE)))
        self.time.latest = self.time.now
        self.instants.begin_anew()

    def _epilogue(self) -> None:
        desk = self._desk()
        self._poll(desk, "at last", scan=False)
        found = self._poll(desk, "after all", scan=True).report
        if not (self.deaths or self.cuts or self.time.has_jumped):
            # Whoever has written has rung: a scan finds nothing that was left.
            self._check_found(found)
        judge(self.history.calls, self.cuts, self._left())
        check_endings(self.history.calls, books.outcomes(self.memory))
        books.check(self.memory)
        if not self.fails:
            # What is left of a listing is counted under the poller's lock: two who both hold it
            # may grant the same rest twice.
            books.check_listings(self.memory)
        books.check_told_nobody(self.memory, self._limits())
        for kept in self.kept:
            books.check_kept(self.memory, *kept)
        self._check_wanted()
        if not (self.deaths or self.cuts or self.rng.random() < 0.1):
            return
        # Whoever has left something half done is gone for long.
        self.time.now = self.time.latest + 2 * DAY
        report = desk.poll(scan=True)
        if report.problems:
            raise Violation(f"the last poll met trouble: {report.problems}")
        books.check(self.memory)
        books.check_figures(self.memory, desk)
        books.check_swept(self.memory)

    def _check_wanted(self) -> None:
        # Of one that was cut off nobody knows whether it counts.
        perhaps = {
            call.options["reservation_price"]
            for call in self.history.calls
            if call.verb == "prefer" and call.fate != "done"
        }
        last = {(kept.party, kept.id): kept.limit for kept in self.kept if kept.limit}
        for (party, id_), limit in last.items():
            books.check_wanted(self.memory, party, id_, {limit, *perhaps})

    def _check_found(self, report: Report | None) -> None:
        assert report is not None
        found = [*report.agreed, *report.rejected, *report.withdrawn]
        if not self.fails:
            # Two at once may spoil the due list: then it waits for a scan.
            found += report.expired
        if found:
            raise Violation(f"a pass did not see what was rung for: {found}")

    def _played(self) -> Played:
        digest = hashlib.sha256()
        for line in self.sched.trace:
            digest.update(repr(line).encode())
        left = self._left().left
        return Played(
            self.seed,
            self.sched.steps,
            len(self.history.calls),
            digest.hexdigest(),
            len(self.cuts),
            self.deaths,
            tuple(state.end or "open" for state in left.values() if state),
        )

    @contextmanager
    def _installed(self) -> Iterator[None]:
        look = namespace.read_snapshot

        def watched(layout: Any, place: Any, *rest: Any, **options: Any) -> Any:
            at = Place(os.path.basename(layout.party(place.initiator)), place.id)
            since = self.instants.at(at)
            snapshot = look(layout, place, *rest, **options)
            if snapshot is not None and snapshot.decidable and self.sched.current is not None:
                self.instants.check_snapshot(at, since, snapshot)
            return snapshot

        def together(disk: Disk, root: str) -> Any:
            self.batches += 1
            return shared(disk, root)

        class Seat(autopilot._Seat):
            def accept(self, negotiation_id: str, **options: Any) -> Any:
                return run._flown(self, "accept", negotiation_id, options, super().accept)

            def offer(self, negotiation_id: str, **options: Any) -> Any:
                return run._flown(self, "offer", negotiation_id, options, super().offer)

            def reject(self, negotiation_id: str, **options: Any) -> Any:
                return run._flown(self, "reject", negotiation_id, options, super().reject)

        run, shared = self, Disk.together
        with installed(self.memory, self.locks), pytest.MonkeyPatch.context() as patch:
            patch.setattr(namespace, "read_snapshot", watched)
            patch.setattr(Disk, "together", together)
            patch.setattr(autopilot, "_Seat", Seat)
            patch.setattr("nom_negotiate.poller.time", _Still)
            yield


def _name(party: str | None) -> str:
    return "poller" if party is None else party.partition("@")[0]


class _Still:
    """A stopwatch that says the same in each run."""

    @staticmethod
    def perf_counter() -> float:
        return 0.0


def play(seed: int, scene: str | None = None) -> Played:
    """Play and judge the schedule of a seed."""
    return Simulation(seed, scene).run()
