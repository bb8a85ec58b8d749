"""How the cost grows with history: negotiations that have ended and lie in the archives."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from benchmarks import ours
from benchmarks.crowd import forked, together
from benchmarks.market import TEAMS, Case, cases
from benchmarks.pairs import Contestant, Sample, in_turns, timed
from benchmarks.results import Found, Table, counted, number
from benchmarks.setting import Setting

TITLE = "History: archived negotiations"
ROOM_GB = 16.0
ACTIVE = 100
PASS, SCAN, SAY = "an idle pass", "a full scan", "`Party.say`, durable"


def run(setting: Setting) -> Found:
    """Work beside archives of growing size, in turns."""
    found = Found()
    names = {size: f"{counted(size)} archived" for size in setting.sizes.archived}
    roots = {size: setting.directory / f"data-{size}" for size in names}
    active = cases(ACTIVE)
    for size, root in roots.items():
        ours.new_root(root, TEAMS)
        ours.plant(root, active)
        _plant_by_several(root, cases(size, first=ACTIVE + 1))
    ours.calm(*roots.values())
    everybody = [_beside(names[size], root, active) for size, root in roots.items()]
    found.add(in_turns(everybody, rounds=4 * setting.sizes.rounds, budget_s=setting.sizes.seconds))
    found.tables.append(
        Table(
            f"By archived negotiations, {ACTIVE} active, {TEAMS} teams (ms, medians)",
            ["", *map(counted, names)],
            [
                [figure, *(number(found.median(name, figure).median) for name in names.values())]
                for figure in (PASS, SCAN, SAY)
            ],
            note=(
                "In directories, not in packs. The hourly sweep, which does look at the archives,"
                " was made before."
            ),
        )
    )
    return found


def _beside(name: str, root: Path, active: list[Case]) -> Contestant:
    desk, scanner = ours.desk(root), ours.desk(root)
    updates = ours.Updates(root, active)
    calls = {
        PASS: timed("", partial(ours.idle_pass, desk), repeat=3),
        SCAN: timed("", partial(ours.full_scan, scanner)),
        SAY: timed("", updates.say),
    }

    def turn() -> Sample:
        return {figure: one.turn()["ms"] for figure, one in calls.items()}

    return Contestant(name, turn)


def _plant_by_several(root: Path, ended: list[Case]) -> None:
    """Plant with a process for each processor: a million take a while."""
    share = os.cpu_count() or 1
    with together() as children:
        for part in range(share):
            children.append(forked(partial(ours.plant_archived, root, ended[part::share])))
