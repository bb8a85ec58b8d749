"""Bar 7: many negotiations at once for a long time; see `benchmarks.endurance`."""

from __future__ import annotations

from benchmarks.endurance import POLLERS, WRITERS, Endured, endure
from benchmarks.results import Bar, Found, Table, counted, number
from benchmarks.setting import Setting

TITLE = "Endurance"
ROOM_GB = 10.0
FLAT = 0.9
"""The least that the last tenth may be of the first."""


def run(setting: Setting) -> Found:
    """Endure once; there is nothing to compare it with but its own beginning."""
    done = endure(
        setting.directory,
        negotiations=setting.sizes.crowd,
        updates=setting.sizes.endured,
    )
    found = Found()
    found.samples["endurance"] = {"updates a second": done.per_second}
    found.bars += _bars(done)
    what = (
        f"{counted(done.negotiations)} negotiations at once, {WRITERS} writers, {POLLERS} pollers,"
        f" {counted(done.updates)} durable updates"
    )
    found.tables += [
        Table(
            f"Updates a second, by tenths ({what})",
            [f"{part + 1}" for part in range(len(done.per_second))],
            [[number(value) for value in done.per_second]],
        ),
        Table(
            "What came of it",
            ["", ""],
            [
                ["deals settled exactly once", counted(done.deals)],
                ["passes", counted(done.passes)],
                ["resident memory of each poller at the end (MB)", _each(done.resident_mb)],
                ["the same at most (MB)", _each(done.peak_mb)],
                ["found wrong", counted(len(done.wrong))],
            ],
            note="; ".join(done.wrong[:5]),
        ),
    ]
    return found


def _bars(done: Endured) -> list[Bar]:
    flat = done.per_second[-1] / done.per_second[0]
    return [
        Bar(
            7,
            f"last / first tenth of {counted(done.updates)} updates, by updates a second",
            FLAT,
            True,
            flat,
            note=f"flat: at least {FLAT}",
        ),
        Bar(7, "resident memory of the pollers, at most", 80, False, max(done.peak_mb), unit="MB"),
        Bar(
            7,
            f"found wrong: {counted(done.deals)} deals, each settled exactly once, no word lost",
            0,
            False,
            len(done.wrong),
            unit="findings",
        ),
    ]


def _each(values: list[float]) -> str:
    return ", ".join(number(value) for value in values)
