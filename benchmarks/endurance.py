"""Many negotiations at once, writers and pollers as processes, for a long time.

    python -m benchmarks.endurance DIR [--negotiations N] [--updates N] [--relaxed]

Works in a new data root in DIR, prints what came of it as JSON, and fails where anything was lost,
or settled twice or not at all. A hundred thousand updates without options; with NOM_SOAK=1, the
project's one flag for long versions, a million.

How it goes: the data root holds N negotiations of 200 parties. Eight writers share them out; each
picks one of its own at random and makes the next step in it as the party whose turn it is: mostly
an offer or a message, one time in ten an acceptance. Whatever is agreed is replaced by a new
negotiation of the same pair, so that N go on all the time, while the archives grow. All of that
counts as updates. Two pollers pass over the root meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import ours
from benchmarks.crowd import failures, forked, together
from benchmarks.market import CHEMICAL, Case, cases
from benchmarks.results import memory
from benchmarks.setting import Sizes, soak
from nom_negotiate import Conflict, Desk, NomError, Side

WRITERS: Final = 8
POLLERS: Final = 2
PARTIES: Final = 200
PARTS: Final = 10
PAUSE_S: Final = 0.05
"""Between two passes of a poller."""


@dataclass
class Endured:
    """What came of a run.

    Attributes:
        negotiations: how many went on at once.
        updates: how many there were.
        deals: how many were agreed, and settled exactly once.
        passes: of both pollers.
        per_second: updates a second, all writers together, in each tenth of their updates.
        resident_mb: of each poller's process at the end.
        peak_mb: of each poller's process at most.
        wrong: what should not be; nothing where all is well.
    """

    negotiations: int
    updates: int
    deals: int = 0
    passes: int = 0
    per_second: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass
class Open:
    """A negotiation as its writer knows it.

    Attributes:
        id: of the negotiation.
        initiator: who started it.
        responder: the other one.
        turn: whose answer is due.
        round: of the offer on the table.
        messages: how many were left in it.
    """

    id: str
    initiator: str
    responder: str
    turn: str
    round: int
    messages: int = 0

    @property
    def waiting(self) -> str:
        """Return who has made the last offer."""
        return self.responder if self.turn == self.initiator else self.initiator


class Writer:
    """One process that haggles.

    Args:
        desk: where.
        number: of the process, which is the seed of its choices.
        market: its share of the negotiations.
    """

    def __init__(self, desk: Desk, number: int, market: Iterable[Case]) -> None:
        self._desk = desk
        self._chance = random.Random(number)
        self.open = [
            Open(case.id, case.initiator, case.responder, case.initiator, 2) for case in market
        ]
        self.deals: list[str] = []

    def make(self, updates: int) -> list[float]:
        """Make that many updates; return when it began, and when each tenth had ended."""
        marks = [time.monotonic()]
        for done in range(1, updates + 1):
            while not self._step():
                pass
            if done * PARTS // updates > (done - 1) * PARTS // updates:
                marks.append(time.monotonic())
        return marks

    def _step(self) -> bool:
        place = self._chance.randrange(len(self.open))
        found = self.open[place]
        try:
            if not found.id:
                self.open[place] = self._started(found)
            else:
                self._answer(found)
        except Conflict as error:
            if error.code != "busy":
                raise
            # Another writer acts for the same party all the time: it was told to try again.
            return False
        return True

    def _started(self, before: Open) -> Open:
        new = self._desk.party(before.initiator).start(
            before.responder,
            chemical=CHEMICAL,
            role="buyer",
            price=self._price(),
            quantity=self._chance.randint(1, 1000),
            again=True,
        )
        return Open(new.id, before.initiator, before.responder, before.responder, 1)

    def _answer(self, found: Open) -> None:
        party = self._desk.party(found.turn)
        what = self._chance.random()
        if what < 0.1:
            party.accept(found.id, round=found.round)
            self.deals.append(found.id)
            # The next step in this place starts a new one.
            found.id = ""
        elif what < 0.7:
            party.offer(found.id, price=self._price(), quantity=self._chance.randint(1, 1000))
            found.turn, found.round = found.waiting, found.round + 1
        else:
            party.say(found.id, f"{self._price()} is my last word")
            found.messages += 1

    def _price(self) -> str:
        return f"{self._chance.randint(1, 9)}.{self._chance.randint(10, 99)}"


def endure(directory: Path, *, negotiations: int, updates: int, durable: bool = True) -> Endured:
    """Run it in `directory`, which is empty; return what came of it.

    The process must have one thread only: it forks.
    """
    root = directory / "data"
    market = cases(negotiations, PARTIES)
    ours.new_root(root, PARTIES)
    ours.plant(root, market)
    # What a poller does once, before the clock starts.
    ours.distrustful_scan(ours.desk(root, durable=durable))

    gate, opener = os.pipe()
    with together() as pollers, together() as writers:
        for number in range(POLLERS):
            poll = partial(_become_poller, root, directory, number, gate, durable)
            pollers.append(forked(poll))
        os.close(gate)
        for number in range(WRITERS):
            write = partial(_write, root, directory, number, market, updates, durable)
            writers.append(forked(write))
        failed = failures(writers)
        # The end of this file is what the pollers wait for.
        os.close(opener)
    if failed:
        raise RuntimeError(f"{failed} writers have failed; what they met is above")
    return _judged(root, directory, Endured(negotiations, updates))


def _write(
    root: Path, directory: Path, number: int, market: list[Case], updates: int, durable: bool
) -> None:
    writer = Writer(ours.desk(root, durable=durable), number, market[number::WRITERS])
    share = updates // WRITERS + (number < updates % WRITERS)
    marks = writer.make(share)
    told = {
        "marks": marks,
        "updates": share,
        "deals": writer.deals,
        "open": [asdict(one) for one in writer.open if one.id],
    }
    (directory / f"writer-{number}.json").write_text(json.dumps(told), encoding="utf-8")


def _become_poller(root: Path, directory: Path, number: int, gate: int, durable: bool) -> None:
    """Poll in a new program: one that is forked has its parent's memory for its own."""
    os.set_inheritable(gate, True)
    told = (str(root), str(directory), str(number), str(gate), str(int(durable)))
    os.execve(
        sys.executable,
        [sys.executable, "-m", "benchmarks.endurance_poller", *told],
        {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )


def poll_until_closed(root: Path, directory: Path, number: int, gate: int, durable: bool) -> None:
    """Poll until the gate is closed, and write down what came of it."""
    os.set_blocking(gate, False)
    desk = ours.desk(root, durable=durable)
    passes = 0
    with (directory / f"settled-{number}").open("w", encoding="utf-8") as settled:
        wrong: list[str] = []
        while True:
            report = ours.idle_pass(desk)
            passes += not report.busy
            # To a file: what this poller remembers for the judge is none of its own memory.
            settled.writelines(f"{name}\n" for name in report.agreed)
            wrong += [f"{one.path}: {one.reason}" for one in report.problems]
            wrong += [f"{name} has expired" for name in report.expired]
            try:
                if os.read(gate, 1) == b"":
                    break
            except BlockingIOError:
                time.sleep(PAUSE_S)
    told = {"passes": passes, "memory": memory(), "wrong": wrong}
    (directory / f"poller-{number}.json").write_text(json.dumps(told), encoding="utf-8")


# What must be true afterwards


def _judged(root: Path, directory: Path, found: Endured) -> Endured:
    desk = ours.desk(root)
    settled: Counter[str] = Counter()
    while agreed := ours.distrustful_scan(desk).agreed:
        settled.update(agreed)
    for number in range(POLLERS):
        told = json.loads((directory / f"poller-{number}.json").read_text(encoding="utf-8"))
        found.passes += told["passes"]
        found.resident_mb.append(told["memory"]["VmRSS"])
        found.peak_mb.append(told["memory"]["VmHWM"])
        found.wrong += told["wrong"]
        lines = (directory / f"settled-{number}").read_text(encoding="utf-8").splitlines()
        settled.update(lines)
    writers = [
        json.loads((directory / f"writer-{number}.json").read_text(encoding="utf-8"))
        for number in range(WRITERS)
    ]
    found.per_second = _per_second(writers)
    deals = [name for writer in writers for name in writer["deals"]]
    found.deals = len(deals)
    found.wrong += _reported_once(deals, settled)
    found.wrong += _settled_once(desk, deals)
    opened = [Open(**one) for writer in writers for one in writer["open"]]
    found.wrong += _nothing_lost(desk, opened)
    return found


def _per_second(writers: list[dict[str, list[float]]]) -> list[float]:
    """Return how many updates a second all writers made together, in each tenth."""
    found = [0.0] * PARTS
    for writer in writers:
        marks = writer["marks"]
        if len(marks) != PARTS + 1:
            # Fewer updates than tenths.
            return []
        for part in range(PARTS):
            took = marks[part + 1] - marks[part]
            share = writer["updates"]
            found[part] += float(share) / PARTS / took  # type: ignore[arg-type]
    return found


def _reported_once(deals: list[str], settled: Counter[str]) -> list[str]:
    expected = Counter(deals)
    wrong = [f"{name} was agreed {times} times" for name, times in expected.items() if times > 1]
    for name in settled.keys() | expected.keys():
        if settled[name] != expected[name]:
            wrong.append(f"{name}: reported as settled {settled[name]} times")
    return wrong


def _settled_once(desk: Desk, deals: list[str]) -> list[str]:
    sides: Counter[tuple[str, Side]] = Counter()
    balance = Decimal(0)
    for party in desk.parties():
        for _, one in party.transactions():
            sides[one.negotiation_id, one.type] += 1
            worth = one.price * one.quantity
            balance += worth if one.type is Side.BUY else -worth
    expected = {(name, side) for name in deals for side in Side}
    wrong = [
        f"{name}: expected one transaction to {side}, found {sides[name, side]}"
        for name, side in expected | sides.keys()
        if sides[name, side] != ((name, side) in expected)
    ]
    return wrong + ([f"paid and received differ by {balance}"] if balance else [])


def _nothing_lost(desk: Desk, opened: list[Open]) -> list[str]:
    wrong = []
    for one in opened:
        try:
            found = desk.party(one.responder).negotiation(one.id)
        except NomError as error:
            wrong.append(f"{one.id}: {error.message}")
            continue
        said = (found.phase.open, found.round, len(found.messages))
        if said != (True, one.round, one.messages):
            wrong.append(f"{one.id}: expected round {one.round}, {one.messages} messages: {said}")
    return wrong


def main(arguments: list[str]) -> int:
    """Run it as a program."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance")
    parser.add_argument("directory", type=Path, metavar="DIR", help="an empty one")
    parser.add_argument("--negotiations", type=int, default=Sizes().crowd, metavar="N")
    parser.add_argument("--updates", type=int, default=full_size(), metavar="N")
    parser.add_argument("--relaxed", action="store_true", help="durable=False")
    told = parser.parse_args(arguments)
    found = endure(
        told.directory,
        negotiations=told.negotiations,
        updates=told.updates,
        durable=not told.relaxed,
    )
    print(json.dumps(asdict(found), indent=1))
    return 1 if found.wrong else 0


def full_size() -> int:
    """Return how many updates a run makes unless it is told."""
    return 1_000_000 if soak() else Sizes().endured


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
