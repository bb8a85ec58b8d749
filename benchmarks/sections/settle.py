"""Bar 4: many agreed deals are settled in one pass."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks import ours
from benchmarks.market import TEAMS, Case, cases
from benchmarks.pairs import Contestant, in_turns, timed
from benchmarks.peers import original, raw
from benchmarks.peers.sqlite import Database
from benchmarks.results import Found, counted
from benchmarks.setting import Setting

TITLE = "Settling agreed deals"
ROOM_GB = 1.0
OURS, RELAXED = "nom_negotiate, durable", "nom_negotiate, `durable=False`"
RAW = "bare file operations, no sync"
ORIGINAL = "the original's algorithm, no sync"
EACH, ONE = "SQLite FULL, a commit each", "SQLite FULL, one commit"
CALLS, PIPELINED = "Redis, a call each", "Redis, pipelined"


def run(setting: Setting) -> Found:
    """Settle the same deals in turns, each time in a market of its own."""
    found = Found()
    deals = cases(setting.sizes.deals)
    kept: list[int] = []
    with ExitStack() as stack:
        found.add(
            in_turns(
                contestants(setting, deals, kept, stack),
                rounds=setting.sizes.rounds,
                budget_s=2 * setting.sizes.seconds,
            )
        )
    what = f"settling {counted(len(deals))} deals"
    found.compare(4, f"{what}, durable / {RAW}", OURS, RAW, at_most=1.5)
    found.compare(4, f"{EACH} / ours", EACH, OURS, at_least=2.5)
    found.compare(4, f"{ORIGINAL} / ours", ORIGINAL, OURS, at_least=3)
    redis = [CALLS, PIPELINED] if setting.redis else []
    found.show(
        f"Settling {counted(len(deals))} agreed deals of {TEAMS} teams (ms)",
        [OURS, RELAXED, RAW, ORIGINAL, EACH, ONE, *redis],
        note=(
            "Each turn has a market of its own, made durable before the clock starts: both states"
            " read, two transactions a deal, the negotiation archived. The bare operations read"
            " and parse the same states and create, link and move the same files. Of"
            f" {counted(2 * len(deals))} transactions the original's algorithm had at best"
            f" {counted(max(kept))} left: its names are those of a pair and a second."
        ),
    )
    return found


def contestants(
    setting: Setting, deals: list[Case], kept: list[int], stack: ExitStack
) -> list[Contestant]:
    """Return everybody; `kept` is told how many transactions the original has left."""
    home = setting.directory
    template = home / "template"
    new_market(template, deals)
    found = [
        _ours(home / "durable", deals, durable=True),
        _ours(home / "relaxed", deals, durable=False),
        _files(RAW, home / "raw", template, raw.settle_each, partial(_check_all, deals)),
        _files(ORIGINAL, home / "original", template, original.one_pass, kept.append),
        _sqlite(EACH, home / "each.db", deals, commit_each=True),
        _sqlite(ONE, home / "one.db", deals, commit_each=False),
    ]
    if setting.redis:
        from benchmarks.peers import redis

        client = redis.Client(stack.enter_context(redis.server(home / "redis")))
        stack.callback(client.close)

        def agreed() -> None:
            client.fill(deals)
            client.agree(deals)

        for name, pipelined in ((CALLS, False), (PIPELINED, True)):
            settle = Counted(partial(client.settle, pipelined=pipelined))
            found.append(timed(name, settle, before=agreed, after=partial(settle.check, deals)))
    return found


class Counted:
    """A call that says how many it has settled, so that it can be checked after its time.

    Args:
        call: what is called.
    """

    def __init__(self, call: Callable[[], int]) -> None:
        self._call = call
        self._count = 0

    def __call__(self) -> None:
        """Settle."""
        self._count = self._call()

    def check(self, deals: list[Case]) -> None:
        """Refuse a turn that has not settled them all."""
        if self._count != len(deals):
            raise RuntimeError(f"expected {len(deals)} settled deals, found {self._count}")


def new_market(root: Path, deals: list[Case]) -> None:
    """Make a data root in which all deals are agreed, as the parties leave it.

    A poller has seen them before that, as one that comes by each minute has.
    """
    shutil.rmtree(root, ignore_errors=True)
    ours.new_root(root, TEAMS)
    ours.plant(root, deals)
    ours.distrustful_scan(ours.desk(root, durable=False))
    ours.agree(root, deals)


def _ours(root: Path, deals: list[Case], *, durable: bool) -> Contestant:
    settle = Counted(lambda: len(ours.idle_pass(ours.desk(root, durable=durable)).agreed))

    def before() -> None:
        new_market(root, deals)
        os.sync()

    def after() -> None:
        settle.check(deals)
        _check_all(deals, transactions(root))

    return timed(OURS if durable else RELAXED, settle, before=before, after=after)


def _files(
    name: str,
    root: Path,
    template: Path,
    call: Callable[[Path], int],
    judge: Callable[[int], object],
) -> Contestant:
    settle = Counted(partial(call, root))

    def before() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(template, root, symlinks=True)
        os.sync()

    def after() -> None:
        judge(transactions(root))

    return timed(name, settle, before=before, after=after)


def _sqlite(name: str, path: Path, deals: list[Case], *, commit_each: bool) -> Contestant:
    database: list[Database] = []

    def call() -> int:
        return database[-1].settle(commit_each=commit_each)

    settle = Counted(call)

    def before() -> None:
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        database.append(Database(path))
        database[-1].fill(deals)
        database[-1].agree(deals)
        os.sync()

    def after() -> None:
        settle.check(deals)
        database.pop().close()

    return timed(name, settle, before=before, after=after)


def _check_all(deals: list[Case], count: int) -> None:
    if count != 2 * len(deals):
        raise RuntimeError(f"expected {2 * len(deals)} transactions, found {count}")


def transactions(root: Path) -> int:
    """Return how many transactions there are, over all teams."""
    return sum(len(os.listdir(team)) for team in (root / "teams").glob("*/transactions"))
