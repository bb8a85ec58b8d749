"""Bar 3: the full scan, with what it remembers and without."""

from __future__ import annotations

from functools import partial

from benchmarks import ours
from benchmarks.market import TEAMS, cases
from benchmarks.pairs import Contestant, Sample, in_turns, timed
from benchmarks.peers import raw
from benchmarks.results import Found, counted
from benchmarks.setting import Setting

TITLE = "The full scan"
ROOM_GB = 1.0
CACHED = "full scan, nothing changed"
UNCACHED = "full scan, everything forgotten"
DISTRUSTFUL = "`poll(scan=True)`, which trusts no hint"
STAT = "bare stat of each namespace directory"
READ = "bare open, read and parse of each state file, names derived"


def run(setting: Setting) -> Found:
    """Scan in turns with the bare operations."""
    found = Found()
    size = setting.sizes.known
    root, bare = setting.directory / "data", setting.directory / "forgotten"
    for one in (root, bare):
        # The second root, because forgetting in the first would disturb who remembers it.
        ours.new_root(one, TEAMS)
        ours.plant(one, cases(size))
    ours.calm(root, bare)
    desk = ours.desk(root)

    def forgotten() -> Sample:
        ours.forget(bare)
        stranger = ours.desk(bare)
        return timed(UNCACHED, partial(ours.full_scan, stranger)).turn()

    found.add(
        in_turns(
            [
                timed(CACHED, partial(ours.full_scan, desk)),
                Contestant(UNCACHED, forgotten),
                timed(DISTRUSTFUL, partial(ours.distrustful_scan, desk)),
                timed(STAT, partial(raw.stat_each, root)),
                timed(READ, partial(raw.read_each, root)),
            ],
            rounds=setting.sizes.rounds,
            budget_s=setting.sizes.seconds,
        )
    )
    among = f"{counted(size)} unchanged"
    found.compare(3, f"full scan of {among} / {STAT}", CACHED, STAT, at_most=1.5)
    found.compare(3, f"the same with no cache / {READ}", UNCACHED, READ, at_most=1.4)
    found.show(
        f"A look at {counted(size)} negotiations (ms)", [CACHED, STAT, UNCACHED, DISTRUSTFUL, READ]
    )
    return found
