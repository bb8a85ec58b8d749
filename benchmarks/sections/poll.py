"""Bar 1: a pass that finds nothing to do, over ten and over a hundred thousand negotiations."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import ours
from benchmarks.market import TEAMS, Case, cases
from benchmarks.pairs import Contestant, in_turns, timed
from benchmarks.peers import original
from benchmarks.peers.sqlite import Database
from benchmarks.results import Bar, Found, Table, counted, number
from benchmarks.setting import Setting

TITLE = "An idle pass inside a process"
ROOM_GB = 8.0
TURN_MS = 2.0
OURS, SCAN = "nom_negotiate, a pass", "nom_negotiate, a full scan"
ORIGINAL = "the original's algorithm"
JOIN, MARK = "SQLite, join on the partial index", "SQLite, marks of the writers"
REDIS = "Redis, ready set"


def run(setting: Setting) -> Found:
    """Let everybody poll markets of growing size, in turns."""
    found = Found()
    sizes = setting.sizes.active
    with ExitStack() as stack:
        quick, slow = contestants(setting, stack)
        found.add(in_turns(quick, rounds=4 * setting.sizes.rounds, budget_s=setting.sizes.seconds))
        found.add(in_turns(slow, rounds=setting.sizes.rounds, budget_s=setting.sizes.seconds))
    first, large, largest = sizes[0], sizes[-2], sizes[-1]
    for size in (large, largest):
        pass_, label = at(OURS, size), f"with {counted(size)} active"
        found.compare(
            1,
            f"idle pass {label} / with {counted(first)}",
            pass_,
            at(OURS, first),
            at_most=1.2,
        )
        found.compare(
            1, f"the original's algorithm / ours, {label}", at(ORIGINAL, size), pass_, at_least=1000
        )
        found.compare(
            1,
            f"indexed SQLite poll / ours, {label}",
            at(JOIN, size),
            pass_,
            at_least=20,
            note="the join on the partial index of what is agreed",
        )
    names = [OURS, JOIN, MARK, *([REDIS] if setting.redis else []), SCAN, ORIGINAL]
    found.tables.append(
        Table(
            f"An idle pass, by active negotiations, {TEAMS} teams (ms, medians)",
            ["", *map(counted, sizes)],
            [
                [name, *(number(found.median(at(name, size)).median) for size in sizes)]
                for name in names
            ],
            note=(
                "With *marks of the writers* whoever writes a state looks at the other one, too,"
                " and marks the negotiation as ready in the same commit, so that the poll looks at"
                " an empty index. No bar is about it: it is the best that SQLite can do, and each"
                " client must be trusted with the mark."
            ),
        )
    )
    found.show(
        f"The same with {counted(large)} active, with their spread (ms)",
        [at(name, large) for name in names],
    )
    _memory(setting, found)
    return found


def at(name: str, size: int) -> str:
    """Return the name of a contestant at a size."""
    return f"{name}, {counted(size)} active"


def contestants(setting: Setting, stack: ExitStack) -> tuple[list[Contestant], list[Contestant]]:
    """Return those that hardly look, and those that look at everything."""
    quick: list[Contestant] = []
    slow: list[Contestant] = []
    look = _redis(setting, stack) if setting.redis else None
    roots = {size: root_of(setting, size) for size in setting.sizes.active}
    for size, root in roots.items():
        ours.new_root(root, TEAMS)
        ours.plant(root, cases(size))
    ours.calm(*roots.values())
    for index, (size, root) in enumerate(roots.items()):
        market = cases(size)
        desk = ours.desk(root)
        database = Database(setting.directory / f"{size}.db")
        stack.callback(database.close)
        database.fill(market)
        quick += [
            often(at(OURS, size), partial(ours.idle_pass, desk)),
            often(at(JOIN, size), database.look),
            often(at(MARK, size), database.look_at_marks),
        ]
        if look is not None:
            quick.append(often(at(REDIS, size), look(index, market)))
        every = 2 if size >= 50_000 else 1
        scanner = ours.desk(root)
        slow += [
            timed(at(SCAN, size), partial(ours.full_scan, scanner), every=every),
            timed(at(ORIGINAL, size), partial(original.one_pass, root), every=every),
        ]
    return quick, slow


def _redis(setting: Setting, stack: ExitStack) -> Callable[[int, list[Case]], Callable[[], object]]:
    """Return what fills one of a server's databases and returns its poll."""
    from benchmarks.peers import redis

    socket = stack.enter_context(redis.server(setting.directory / "redis"))

    def look(database: int, market: list[Case]) -> Callable[[], object]:
        client = redis.Client(socket, database)
        stack.callback(client.close)
        client.fill(market)
        return client.look

    return look


def root_of(setting: Setting, size: int) -> Path:
    """Return the data root that holds so many."""
    return setting.directory / f"data-{size}"


def often(name: str, call: Callable[[], object]) -> Contestant:
    """Return a contestant that calls so often in a turn that the turn can be timed."""
    call()
    began = time.perf_counter()
    call()
    took_ms = (time.perf_counter() - began) * 1000
    # What takes seconds is no idle pass, but must come to an end, too.
    return timed(
        name,
        call,
        repeat=max(1, min(100, int(TURN_MS / took_ms))),
        every=1 if took_ms < 200 else 10,
    )


def _memory(setting: Setting, found: Found) -> None:
    rows = []
    for size in setting.sizes.active:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.poller_memory", str(root_of(setting, size))],
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(done.stdout)
        rows.append([counted(size), *(number(told[name]) for name in ("VmRSS", "VmHWM"))])
        if size == setting.sizes.active[-1]:
            found.bars.append(
                Bar(
                    7,
                    f"memory of a poller that has scanned {counted(size)} active",
                    80,
                    False,
                    told["VmHWM"],
                    unit="MB",
                    note="its peak; the bar itself is about the endurance run below",
                )
            )
    head = ["active", "resident after it (MB)", "at most (MB)"]
    title = "Memory of a poller's process: both full scans, then twenty idle passes"
    found.tables.append(Table(title, head, rows))
