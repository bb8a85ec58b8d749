"""The same as `test_interleavings`, one change of the file system at a time.

A store that keeps everything in memory writes in one step, behind a lock. The file store has
no lock between parties: it prepares a file, looks whether what it relies on still stands,
renames, and voids what others have prepared meanwhile. Here each of these is a step of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.contract.explorer import Actor, Run, World, current, explore
from tests.contract.test_interleavings import (
    ID,
    End,
    acting,
    common_key,
    desk,
    firm_offer,
    polling,
    settled_once,
)
from tests.support import ALICE, BOB, DAY, NOON

from nom_negotiate import Desk, FileStore, Kind, Negotiation, Phase
from nom_negotiate.store.files import doorbell, namespace
from nom_negotiate.store.files.atomic import TEMPORARY, Disk

Ends = Callable[..., Iterator[End]]

# Of three actors not every order: that takes some minutes. NOM_INTERRUPTIONS=all does it.
BOUND = os.environ.get("NOM_INTERRUPTIONS", "2")
INTERRUPTIONS = None if BOUND == "all" else int(BOUND)


class SteppedDisk(Disk):
    """A disk that stops its actor before each change that another actor can find."""

    def __init__(self, thread: Any) -> None:
        super().__init__(durable=False)
        self.thread = thread
        self.numbers = itertools.count()

    def overtake(self, directory: str) -> None:
        self.thread.gate("overtake")
        super().overtake(directory)

    def _temporary(self, directory: str, prefix: str = TEMPORARY) -> str:
        # The same name in each run, so that situations can be compared.
        return f"{directory}/{prefix}{self.thread.name}-{next(self.numbers)}"

    def leave_hint(self, path: str) -> None:
        self.thread.gate("ring")
        with self.shown("rung"):
            super().leave_hint(path)

    def discard(self, path: str) -> None:
        self.thread.gate("take")
        with self.shown("taken"):
            super().discard(path)

    @contextmanager
    def shown(self, done: str) -> Iterator[None]:
        """Tell the actor what came of a step that may have changed nothing."""
        try:
            yield
        except OSError as error:
            self.thread.saw(error)
            raise
        self.thread.saw(done)

    def replace_hint(self, path: str, data: bytes, more: Iterable[bytes] = ()) -> None:
        # No step: only a pass reads it, under the lock.
        Disk(durable=False).replace_hint(path, data, more)

    def _open(self, path: str, flags: int) -> int:
        if TEMPORARY in path:
            self.thread.gate("prepare")
        return super()._open(path, flags)

    def _rename(self, source: str, target: str) -> None:
        self.thread.gate("rename")
        super()._rename(source, target)

    def _link(self, source: str, target: str) -> None:
        self.thread.gate("link")
        super()._link(source, target)


class SteppedFiles:
    """A file store that stops its actor before each look and each change."""

    def __init__(self, shared: FileStore, thread: Any, held: set[str]) -> None:
        self.thread = thread
        self.held = held
        self.store = FileStore(shared.layout.root, disk=SteppedDisk(thread))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def find(self, party: Any, negotiation_id: str) -> Any:
        found = self.store.find(party, negotiation_id)
        self.thread.saw(found)
        return found

    @contextmanager
    def writer(self, party: Any) -> Iterator[Any]:
        self.thread.gate(f"lock {party}", lambda: party not in self.held)
        self.held.add(party)
        try:
            with self.store.writer(party) as pen:
                yield pen
        finally:
            self.held.discard(party)


@pytest.fixture(autouse=True)
def looks_are_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every look a step, also the one by which a guard is checked."""
    for name in ("read_snapshot", "_stands_as_ever"):
        monkeypatch.setattr(namespace, name, stepped(getattr(namespace, name)))


def stepped(look: Callable[..., Any]) -> Callable[..., Any]:
    def looked(*asked: Any) -> Any:
        thread = current()
        if thread is None:
            return look(*asked)
        thread.gate("look")
        found = look(*asked)
        thread.saw(found)
        return found

    return looked


def contents(store: FileStore) -> Any:
    """Return what a later step can find, as something to compare."""
    found: list[Any] = [("doorbell", os.path.isdir(store.layout.doorbell))]
    found += [("rung", name) for name in doorbell.rung(store.layout)]
    show = store.layout.relative
    waiting = [store.layout.teams]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    found.append((show(entry.path), os.readlink(entry.path)))
                elif entry.is_dir():
                    waiting.append(entry.path)
                elif entry.name != ".lock":
                    found.append((show(entry.path), Path(entry.path).read_bytes()))
    return tuple(sorted(found, key=repr))


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    """Return a function that yields how each order of the actors' steps ends."""
    numbers = itertools.count()

    def make(template: Path) -> World:
        root = tmp_path / str(next(numbers))
        shutil.copytree(template, root, symlinks=True)
        return World(FileStore(root, durable=False), SteppedFiles, contents, common_key)

    def run(
        prepare: Callable[[Desk], object],
        actors: Mapping[str, Actor],
        *,
        last_poll: int = NOON,
        interruptions: int | None = None,
    ) -> Iterator[End]:
        template = tmp_path / "template"
        prepare(desk(FileStore(template, durable=False)))
        orders = explore(lambda: make(template), list(actors.items()), interruptions=interruptions)
        for order in orders:
            yield ended(order, actors, last_poll)
            shutil.rmtree(order.store.layout.root)

    return run


def ended(run: Run, actors: Mapping[str, Actor], last_poll: int) -> End:
    report = desk(run.store, last_poll).poll()
    assert not report.problems, run
    found: Negotiation = desk(run.store, last_poll).negotiation(ID)
    end = End(run, dict(zip(actors, run.results, strict=True)), found)
    settled_once(end)
    left = [path for path, _ in contents(run.store) if TEMPORARY in path]
    assert not left, f"{left}\n{end}"
    return end


@pytest.mark.parametrize("polls", [0, 1], ids=["alone", "and a poll"])
def test_an_offer_is_accepted_or_withdrawn(ends: Ends, polls: int) -> None:
    actors = {"accept": acting(BOB, "accept"), "withdraw": acting(ALICE, "withdraw")}
    if polls:
        actors["poll"] = polling()
    refusals = Counter[str]()
    for end in ends(firm_offer, actors, interruptions=INTERRUPTIONS if polls else None):
        accepted, withdrawn = end.results["accept"], end.results["withdraw"]
        assert accepted.done != withdrawn.done, end
        assert (end.outcome is Kind.AGREED) == accepted.done, end
        refused = accepted.error or withdrawn.error
        assert refused is not None, end
        refusals[refused.code] += 1
    # Each way in which one of them is told, the rarest included: an acceptance that was
    # written in the instant between the other's guard and the other's rename.
    assert polls or set(refusals) == {"already_accepted", "concluded", "moved"}


def test_a_lapsed_offer_is_accepted_in_time_or_replaced(ends: Ends) -> None:
    lapse = NOON + 100
    actors = {
        "accept": acting(BOB, "accept", at=lapse, round=1),
        "offer": acting(ALICE, "offer", at=lapse + 1, price=6, quantity=10),
    }
    results = Counter[bool]()
    for end in ends(lambda desk: firm_offer(desk, valid_until=lapse), actors, last_poll=lapse + 1):
        accepted, offered = end.results["accept"], end.results["offer"]
        assert accepted.done != offered.done, end
        assert (end.outcome is Kind.AGREED) == accepted.done, end
        results[accepted.done] += 1
        if offered.done:
            assert end.found.turn == BOB, end
            assert end.found.on_table is not None, end
            assert end.found.on_table.round == 2, end
    assert set(results) == {True, False}


@pytest.mark.parametrize(("verb", "after"), [("accept", Kind.AGREED), ("say", None)])
def test_the_last_second_counts_or_the_actor_is_told(
    ends: Ends, verb: str, after: Kind | None
) -> None:
    options = {"text": "one moment"} if verb == "say" else {}
    actors = {
        verb: acting(BOB, verb, at=NOON + DAY, **options),
        "poll": polling(NOON + DAY + 1),
    }
    results = Counter[bool]()
    for end in ends(firm_offer, actors, last_poll=NOON + DAY + 1):
        done = end.results[verb].done
        assert end.outcome is (after if done else Kind.EXPIRED), end
        results[done] += 1
    assert set(results) == {True, False}


@pytest.mark.parametrize(("verb", "options"), [("mark_read", {}), ("react", {"level": 80})])
def test_an_acceptance_holds_whatever_is_marked_at_the_same_moment(
    ends: Ends, verb: str, options: dict[str, Any]
) -> None:
    def talked(desk: Desk) -> None:
        firm_offer(desk)
        desk.party(BOB).say(ID, "hm")

    actors = {"accept": acting(BOB, "accept"), "mark": acting(ALICE, verb, **options)}
    for end in ends(talked, actors):
        assert end.results["accept"].done, end
        assert end.results["mark"].done or verb == "react", end
        assert end.outcome is Kind.AGREED, end


def test_a_read_mark_in_the_last_second_is_done_and_keeps_nothing_alive(ends: Ends) -> None:
    def talked(desk: Desk) -> None:
        firm_offer(desk)
        desk.party(BOB).say(ID, "hm")

    actors = {"read": acting(ALICE, "mark_read", at=NOON + DAY), "poll": polling(NOON + DAY + 1)}
    for end in ends(talked, actors, last_poll=NOON + DAY + 1):
        assert end.results["read"].done, end
        assert end.outcome is Kind.EXPIRED, end


@pytest.mark.parametrize("scans", [True, False], ids=["a scan", "a pass that hears the bell"])
def test_a_withdrawal_and_a_poll_agree(ends: Ends, scans: bool) -> None:
    def accepted_in_part(desk: Desk) -> None:
        firm_offer(desk, firm=False)
        if not scans:
            desk.poll()
        desk.party(BOB).accept(ID)

    actors = {"withdraw": acting(BOB, "withdraw"), "poll": polling()}
    for end in ends(accepted_in_part, actors):
        assert end.results["poll"].value.scanned is scans, end
        assert end.results["withdraw"].done, end
        assert end.outcome is Kind.WITHDRAWN, end


def test_two_pollers_whose_lock_does_not_hold_settle_once(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def no_lock(store: Any) -> Iterator[bool]:
        yield True

    monkeypatch.setattr(FileStore, "polling", no_lock)

    def accepted(desk: Desk) -> None:
        firm_offer(desk)
        desk.party(BOB).accept(ID)

    for end in ends(accepted, {"one": polling(), "other": polling()}):
        reports = [result.value for result in end.results.values()]
        assert not any(report.problems for report in reports), end
        assert end.outcome is Kind.AGREED, end
        assert end.found.phase is Phase.AGREED, end
