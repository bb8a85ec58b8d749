"""What a section has found: samples, tables and bars, kept as JSON.

Rules of the room:

- A section is one file in `results/`, written when it has ended well. Rendering needs nothing
  else, so it may be repeated without measuring.
- A table holds text that is ready to be read, a bar the figures that it is judged by.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.pairs import MS, Ratio, Sample, Summary, ratio, summary

Samples = Mapping[str, Mapping[str, Sequence[float]]]


@dataclass(frozen=True)
class Bar:
    """One thing that is required.

    Attributes:
        number: of the bar.
        what: is compared with what.
        required: the most, or the least, that is allowed.
        at_least: whether more is better.
        value: what was measured.
        low: where the interval of what was measured begins; None where it is no ratio of medians.
        high: where it ends.
        unit: of the value; empty for a ratio.
        note: what else there is to say.
    """

    number: int
    what: str
    required: float
    at_least: bool
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    note: str = ""

    @property
    def met(self) -> bool:
        """Return whether the value is as required."""
        return self.value >= self.required if self.at_least else self.value <= self.required


@dataclass(frozen=True)
class Table:
    """A table of a section, in text.

    Attributes:
        title: what it shows.
        head: of the columns.
        rows: of text.
        note: what a reader must know.
    """

    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""


@dataclass
class Found:
    """What a section has found.

    Attributes:
        bars: what it says to the bars.
        tables: what it shows.
        samples: all samples, by contestant and figure.
    """

    bars: list[Bar] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, samples: Mapping[str, dict[str, list[float]]]) -> None:
        """Keep more samples."""
        self.samples.update(samples)

    def of(self, contestant: str, figure: str = MS) -> list[float]:
        """Return the samples of one figure."""
        return self.samples[contestant][figure]

    def median(self, contestant: str, figure: str = MS) -> Summary:
        """Return what is said of one figure."""
        return summary(self.of(contestant, figure))

    def compare(
        self,
        number: int,
        what: str,
        one: str,
        other: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        figure: str = MS,
        note: str = "",
    ) -> None:
        """Add a bar for the ratio of two contestants' medians."""
        found: Ratio = ratio(self.of(one, figure), self.of(other, figure))
        required = at_least if at_most is None else at_most
        assert required is not None, "a bar is at most or at least"
        self.bars.append(
            Bar(
                number,
                what,
                required,
                at_most is None,
                found.value,
                found.low,
                found.high,
                note=note,
            )
        )

    def show(self, title: str, names: Sequence[str], *, figure: str = MS, note: str = "") -> None:
        """Add a table of contestants with their medians and spread."""
        rows = []
        for name in names:
            if figure not in self.samples.get(name, {}):
                rows.append([name, "not measured", "", "", ""])
                continue
            told = self.median(name, figure)
            spread = f"{number(told.low)} … {number(told.high)}"
            rows.append([name, number(told.median), spread, number(told.least), str(told.rounds)])
        head = ["", "median", "quartiles", "least", "rounds"]
        self.tables.append(Table(title, head, rows, note))


def number(value: float) -> str:
    """Return a figure as people read it: three digits, and thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.4f}"


def counted(value: int) -> str:
    """Return a count as people read it."""
    return f"{value:,}"


def memory(pid: int | str = "self") -> Sample:
    """Return how much memory a process holds, and has held at most, in MB."""
    told: dict[str, float] = {}
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM"):
            told[name] = int(value.split()[0]) / 1000
    return told


def load() -> str:
    """Return the load of the machine now."""
    try:
        return Path("/proc/loadavg").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return " ".join(f"{value:.2f}" for value in os.getloadavg())


def machine() -> str:
    """Return what was measured on, in one line."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (FileNotFoundError, StopIteration):
        # Not Linux, or a processor that has no name there: what Python knows is said.
        pass
    return (
        f"{os.cpu_count()} processors ({model}), {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}"
    )


def write(path: Path, head: Mapping[str, Any], found: Found) -> None:
    """Keep what a section has found."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**head, **asdict(found)}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any] | None:
    """Return what a section has found, None where it was not measured."""
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return kept
