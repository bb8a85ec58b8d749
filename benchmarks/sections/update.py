"""Bar 5: one state update, durable and relaxed, and with more and more teams around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks import ours
from benchmarks.market import CHEMICAL, TEAMS, Case, Offering, cases, short, team
from benchmarks.pairs import Contestant, Sample, in_turns, timed
from benchmarks.peers import raw
from benchmarks.peers.sqlite import Database
from benchmarks.results import Found, Table, counted, number
from benchmarks.setting import Setting

TITLE = "One state update"
ROOM_GB = 1.0
SPREAD = 40
"""Negotiations that take turns, so that none of them grows long."""
GUARDED = "the store's pen, guarded"
PLAIN = "the store's pen, unguarded"
OFFER, SAY = "`Party.offer`", "`Party.say`"
RAW_DURABLE = "bare write, fsync, rename, fsync of the directory"
RAW_RELAXED = "bare write and rename"
SQLITE, REDIS = "SQLite FULL, one offer", "Redis, one offer"


def run(setting: Setting) -> Found:
    """Update in turns."""
    found = Found()
    _one_update(setting, found)
    _teams(setting, found)
    return found


def said(name: str, *, durable: bool) -> str:
    """Return the name of a contestant."""
    return f"{name}, {'durable' if durable else 'relaxed'}"


def _one_update(setting: Setting, found: Found) -> None:
    market = cases(SPREAD + 5)
    everybody: list[Contestant] = []
    for durable in (True, False):
        root = setting.directory / f"data-{durable}"
        ours.new_root(root, TEAMS)
        ours.open_doorbell(root)
        ours.plant(root, market)
        everybody += [
            _pen(GUARDED, root, market[-1], durable=durable, guarded=True),
            _pen(PLAIN, root, market[-2], durable=durable, guarded=False),
            *_party(root, market[:SPREAD], durable=durable),
            _raw(root, market[-3], durable=durable),
        ]
    database = Database(setting.directory / "market.db")
    database.fill(market)
    everybody.append(timed(SQLITE, _offers(market, database.offer)))
    found.add(
        _with_redis(setting, market, everybody)
        if setting.redis
        else in_turns(everybody, rounds=setting.sizes.updates, budget_s=setting.sizes.seconds)
    )
    database.close()
    for durable, bare, at_most in ((True, RAW_DURABLE, 1.25), (False, RAW_RELAXED, 1.5)):
        for name, note in (
            (GUARDED, "what a party's action writes: its lock, both sides still stand, the write"),
            (PLAIN, "for comparison: its lock and the write alone"),
        ):
            full = said(name, durable=durable)
            found.compare(5, f"{full} / {bare}", full, bare, at_most=at_most, note=note)
    mine = [said(name, durable=True) for name in (GUARDED, PLAIN, OFFER, SAY)]
    peers = [SQLITE, *([REDIS] if setting.redis else [])]
    found.show("One durable update (ms)", [*mine, RAW_DURABLE, *peers])
    relaxed = [said(name, durable=False) for name in (GUARDED, PLAIN, OFFER, SAY)]
    found.show("One relaxed update: `durable=False` (ms)", [*relaxed, RAW_RELAXED])


def _with_redis(
    setting: Setting, market: list[Case], everybody: list[Contestant]
) -> dict[str, dict[str, list[float]]]:
    from benchmarks.peers import redis

    with redis.server(setting.directory / "redis") as socket:
        client = redis.Client(socket)
        client.fill(market)
        try:
            return in_turns(
                [*everybody, timed(REDIS, _offers(market, client.offer))],
                rounds=setting.sizes.updates,
                budget_s=setting.sizes.seconds,
            )
        finally:
            client.close()


def _pen(name: str, root: Path, case: Case, *, durable: bool, guarded: bool) -> Contestant:
    pen = ours.Pen(root, case, durable=durable, guarded=guarded)
    return timed(said(name, durable=durable), pen.update, before=pen.prepare)


def _party(root: Path, market: list[Case], *, durable: bool) -> list[Contestant]:
    half = len(market) // 2
    # Messages and offers in negotiations of their own: each finds its files equally long.
    offers = ours.Updates(root, market[:half], durable=durable)
    words = ours.Updates(root, market[half:], durable=durable)
    return [
        timed(said(OFFER, durable=durable), offers.offer),
        timed(said(SAY, durable=durable), words.say),
    ]


def _raw(root: Path, case: Case, *, durable: bool) -> Contestant:
    data = ours.Pen(root, case).content()
    path = f"{root}/teams/{case.initiator}/negotiations/{case.id}"
    name = f"{case.initiator.partition('@')[0]}_state.json"
    call = partial(raw.update, f"{path}/{name}", data, durable=durable)
    return timed(RAW_DURABLE if durable else RAW_RELAXED, call)


def _offers(market: list[Case], offer: Offering) -> Callable[[], None]:
    """Return what makes the next offer at a peer, in each negotiation in turn."""
    turns = count()

    def make() -> None:
        turn = next(turns)
        case, side = market[turn % len(market)], turn // len(market) % 2
        offer(case, side, f"5.{turn % 89 + 10}", "950", f"{turn:064x}")

    return make


def _teams(setting: Setting, found: Found) -> None:
    """Grow the number of parties around two that negotiate."""
    names = {teams: f"with {counted(teams)} teams" for teams in setting.sizes.teams}
    figures = ("an update (the store's pen, guarded), durable", "`Party.say`, durable")
    everybody: list[Contestant] = []
    roots: list[Path] = []
    for teams, name in names.items():
        root = setting.directory / f"teams-{teams}"
        ours.new_root(root, teams)
        # The parties are the last ones, which a lookup over all comes to last.
        one, other = team(teams - 2), team(teams - 1)
        market = [
            case._replace(
                initiator=one,
                responder=other,
                id=f"{short(one)}_{short(other)}_{CHEMICAL}_{case.at - case.number}",
            )
            for case in cases(SPREAD)
        ]
        ours.plant(root, market)
        everybody.append(_among(name, root, market, figures))
        roots.append(root)
    ours.calm(*roots)
    found.add(in_turns(everybody, rounds=setting.sizes.updates, budget_s=setting.sizes.seconds))
    first, last = names[setting.sizes.teams[0]], names[setting.sizes.teams[-1]]
    for figure in figures:
        found.compare(5, f"{figure}: {last} / {first}", last, first, at_most=1.1, figure=figure)
    found.tables.append(
        Table(
            "By the number of teams (ms, medians)",
            ["", *names.values()],
            [
                [figure, *(number(found.median(name, figure).median) for name in names.values())]
                for figure in (*figures, "an idle pass")
            ],
        )
    )


def _among(name: str, root: Path, market: list[Case], figures: tuple[str, str]) -> Contestant:
    pen = ours.Pen(root, market[-1])
    updates = ours.Updates(root, market[:-1])
    desk = ours.desk(root)
    calls = {
        figures[0]: timed("", pen.update, before=pen.prepare),
        figures[1]: timed("", updates.say),
        "an idle pass": timed("", partial(ours.idle_pass, desk)),
    }

    def turn() -> Sample:
        return {figure: one.turn()["ms"] for figure, one in calls.items()}

    return Contestant(name, turn)
