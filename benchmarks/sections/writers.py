"""Bar 6: many processes that update at the same moment, each in a negotiation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from benchmarks import crowd, ours
from benchmarks.market import Case, Offering, pairs_of_their_own
from benchmarks.pairs import Contestant, Sample, in_turns
from benchmarks.peers import raw
from benchmarks.peers.locked import LockedFile
from benchmarks.peers.sqlite import Database
from benchmarks.results import Found, Table, counted, number
from benchmarks.setting import Setting

TITLE = "Many writers at once"
ROOM_GB = 1.0
PEN = "nom_negotiate, look and write (the store, guarded)"
WRITE = "nom_negotiate, write only (the store, unguarded)"
OFFER = "nom_negotiate, `Party.offer`"
SQLITE, REDIS, LOCKED = "SQLite FULL", "Redis", "one locked file"
BARE = "bare write, fsync, rename, fsync of the directory"
LEVEL = 1.1
"""What still counts as level with somebody."""


def run(setting: Setting) -> Found:
    """Let go more and more processes, in turns."""
    found = Found()
    sizes = setting.sizes
    most = sizes.writers[-1]
    with ExitStack() as stack:
        *market, spare = pairs_of_their_own(most + 1)
        everybody = contestants(setting, market, spare, stack)
        for writers in sizes.writers:
            for each in (1, sizes.each):
                found.add(
                    in_turns(
                        [one(writers, each) for one in everybody],
                        rounds=sizes.rounds,
                        budget_s=sizes.seconds if writers == most else sizes.seconds / 5,
                    )
                )
    for each, wall, p99 in ((1, 10, 25), (sizes.each, 4, 20)):
        mine = at(PEN, most, each)
        label = f"{counted(most)} processes, {each} each"
        sqlite, locked = at(SQLITE, most, each), at(LOCKED, most, each)
        found.compare(6, f"{label}: {SQLITE} / ours", sqlite, mine, at_least=wall, figure="wall")
        found.compare(
            6, f"{label}: p99 of {SQLITE} / ours", sqlite, mine, at_least=p99, figure="p99"
        )
        if setting.redis:
            found.compare(
                6,
                f"{label}: ours / {REDIS}",
                mine,
                at(REDIS, most, each),
                at_most=LEVEL,
                figure="wall",
                note=f"level with it: at most {LEVEL} times",
            )
        found.compare(6, f"{label}: {LOCKED} / ours", locked, mine, at_least=5, figure="wall")
    names = [PEN, WRITE, OFFER, BARE, SQLITE, *([REDIS] if setting.redis else []), LOCKED]
    for each in (1, sizes.each):
        found.tables.append(_table(found, names, sizes.writers, each))
    return found


def at(name: str, writers: int, each: int) -> str:
    """Return the name of a contestant with so many processes."""
    return f"{name}, {writers} x {each}"


def _table(found: Found, names: list[str], writers: tuple[int, ...], each: int) -> Table:
    rows = []
    for name in names:
        cells = []
        for processes in writers:
            contestant = at(name, processes, each)
            wall, p99 = (found.median(contestant, figure) for figure in ("wall", "p99"))
            cells.append(f"{number(wall.median)} / {number(p99.median)}")
        rows.append([name, *cells])
    what = "one durable update" if each == 1 else f"{each} durable updates"
    head = ["processes", *map(counted, writers)]
    return Table(f"{what} each: wall time / p99 of one (ms, medians over the rounds)", head, rows)


AtSize = Callable[[int, int], Contestant]


def contestants(
    setting: Setting, market: list[Case], spare: Case, stack: ExitStack
) -> list[AtSize]:
    """Return everybody, each to be told how many processes make how many updates.

    Each has made an update in this process, in the spare negotiation: what that imports is there
    before anybody is forked, as it is in a process that has been at work for a while.
    """
    ids = count(1)
    root = setting.directory / "data"
    everybody = [*market, spare]
    ours.new_root(root, 2 * len(everybody))
    ours.open_doorbell(root)
    database = setting.directory / "market.db"
    filled = Database(database)
    filled.fill(everybody)
    stack.callback(filled.close)
    locked = setting.directory / "market.json"
    file = LockedFile(locked)
    file.fill(everybody)
    found = []
    for name, prepare in ((PEN, _pen), (WRITE, _write), (OFFER, _party), (BARE, _bare)):
        first = spare._replace(id=f"{spare.id}{next(ids):06}")
        ours.plant(root, [first])
        prepare(root, first)(0)
        found.append(_ours(name, root, market, prepare, ids))
    for offer in (filled.offer, file.offer):
        offer(spare, 0, "5.1", "950", f"{0:064x}")
    found += [
        _peer(SQLITE, market, lambda: Database(database).offer),
        _peer(LOCKED, market, lambda: LockedFile(locked).offer),
    ]
    if setting.redis:
        from benchmarks.peers import redis

        socket = stack.enter_context(redis.server(setting.directory / "redis"))
        client = redis.Client(socket)
        client.fill(everybody)
        client.offer(spare, 0, "5.1", "950", f"{0:064x}")
        client.close()
        found.append(_peer(REDIS, market, lambda: redis.Client(socket).offer))
    return found


def _peer(name: str, market: list[Case], connect: Callable[[], Offering]) -> AtSize:
    def prepare(process: int) -> Callable[[int], object]:
        case, offer = market[process], connect()

        def update(turn: int) -> None:
            offer(case, turn % 2, f"5.{turn + 10}", "950", f"{turn:064x}")

        return update

    return lambda writers, each: Contestant(
        at(name, writers, each), lambda: crowd.run(writers, each, prepare)
    )


def _ours(
    name: str,
    root: Path,
    market: list[Case],
    prepare: Callable[[Path, Case], Callable[[int], object]],
    ids: Iterator[int],
) -> AtSize:
    def turn(writers: int, each: int) -> Sample:
        # New negotiations for each turn: what was said in the last one would make them longer.
        fresh = [case._replace(id=f"{case.id}{next(ids):06}") for case in market[:writers]]
        ours.plant(root, fresh)
        return crowd.run(writers, each, lambda process: prepare(root, fresh[process]))

    return lambda writers, each: Contestant(at(name, writers, each), lambda: turn(writers, each))


def _pen(root: Path, case: Case) -> Callable[[int], object]:
    pen = ours.Pen(root, case)

    def update(turn: int) -> None:
        # As the peers do: look what the other side has said, then write.
        pen.prepare()
        pen.update()

    return update


def _write(root: Path, case: Case) -> Callable[[int], object]:
    pen = ours.Pen(root, case, guarded=False)
    return lambda turn: pen.update()


def _party(root: Path, case: Case) -> Callable[[int], object]:
    updates = ours.Updates(root, [case])
    return lambda turn: updates.offer()


def _bare(root: Path, case: Case) -> Callable[[int], object]:
    path = f"{root}/teams/{case.initiator}/negotiations/{case.id}"
    name = f"{case.initiator.partition('@')[0]}_state.json"
    data = ours.Pen(root, case).content()
    return lambda turn: raw.update(f"{path}/{name}", data, durable=True)
