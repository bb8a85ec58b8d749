"""How large everything is, and where it happens."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

Counts = tuple[int, ...]


@dataclass(frozen=True)
class Sizes:
    """How much is measured; each may be said on the command line as `name=value`.

    Attributes:
        active: negotiations that go on, for the growth of a pass; the bars are about the
            first, the last but one and the last.
        known: negotiations of the whole process and of the full scan.
        deals: that are settled at once.
        updates: rounds of single updates.
        teams: for the growth with parties; the bar is about the first and the last.
        archived: negotiations that have ended, for the growth with history.
        writers: processes at once; the bars are about the last.
        each: updates of each writer, in the longer of its two runs.
        rounds: the most for everything else.
        seconds: after which a section begins no further round.
        crowd: negotiations at once of the endurance run.
        endured: updates of the endurance run.
    """

    active: Counts = (10, 100, 1_000, 10_000, 100_000)
    known: int = 10_000
    deals: int = 1_000
    updates: int = 300
    teams: Counts = (2, 20, 200, 2_000)
    archived: Counts = (0, 10_000, 1_000_000)
    writers: Counts = (1, 8, 20, 80)
    each: int = 50
    rounds: int = 25
    seconds: int = 30
    crowd: int = 10_000
    endured: int = 100_000

    def changed(self, words: list[str]) -> Self:
        """Return the sizes with what `name=value` says, where a value may be a list of counts.

        Raises:
            ValueError: for a name that there is not, or a value that is no count.
        """
        kinds = {one.name: getattr(self, one.name) for one in fields(self)}
        changes: dict[str, int | Counts] = {}
        for word in words:
            name, _, value = word.partition("=")
            if name not in kinds:
                raise ValueError(f"expected one of {', '.join(kinds)}, found {name}")
            counts = tuple(int(part) for part in value.split(","))
            changes[name] = counts if isinstance(kinds[name], tuple) else counts[0]
        return replace(self, **changes)  # type: ignore[arg-type]


QUICK = Sizes(
    active=(10, 100, 1_000),
    known=500,
    deals=50,
    updates=30,
    teams=(2, 50),
    archived=(0, 1_000),
    writers=(1, 8),
    each=5,
    rounds=5,
    seconds=5,
    crowd=200,
    endured=2_000,
)


@dataclass(frozen=True)
class Setting:
    """What a section is told.

    Attributes:
        sizes: how much is to be measured.
        directory: an empty one on the volume, for the section alone.
        redis: whether there is a server to compare with.
    """

    sizes: Sizes
    directory: Path
    redis: bool


def soak() -> bool:
    """Return whether the long versions are asked for, as for the tests."""
    return os.environ.get("NOM_SOAK") == "1"
