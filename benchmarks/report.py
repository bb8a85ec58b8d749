"""From results to docs/performance.md. Measures nothing, so it may be repeated.

The document is made from `measured.json` alone, which is checked in beside the code: the results
of all sections without their samples. A test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.results import Bar, number, read

HERE: Final = Path(__file__).parent
RESULTS: Final = HERE / "results"
MEASURED: Final = HERE / "measured.json"
DOCUMENT: Final = HERE.parent / "docs" / "performance.md"
ORDER: Final = (
    "poll",
    "process",
    "scan",
    "settle",
    "update",
    "writers",
    "endured",
    "archived",
)
BARS: Final = range(1, 8)

HEAD: Final = """\
# Performance

What the library costs beside its peers, and how the cost grows. This page is written by
`./dev bench` from what it has measured; [the benchmarks](../benchmarks/README.md) say how, and on
what. Those who are compared take turns in the same run; a ratio is one of two medians, with the
interval that a bootstrap gives for 95 %. Figures belong to one machine, ratios travel better.

## The bars

"""

PEERS: Final = """\
## Who is compared

- **The original's algorithm**, re-expressed: list every team and every negotiation, read and parse
  every state file, no fsync anywhere.
- **SQLite**, WAL with `synchronous=FULL`: four tables, a partial index that serves the poll,
  prepared statements; one connection a process.
- **Redis** with `appendfsync always`: a hash a negotiation, a ready set kept by the script that
  makes an offer, one script a step, over a Unix socket.
- **Bare operations**: the system calls alone, in plain Python, without locks, checks or rules.
- **One locked file**: all states in one JSON file behind a `filelock`.

All of them do the same work: an update is what one offer changes; an idle pass decides that nothing
is to be done; settling marks the negotiation, writes two transactions and archives.
"""


def render(measured: Mapping[str, Any]) -> str:
    """Return the document for what was measured, by section."""
    parts = [HEAD, *_bars(measured), "\n", PEERS]
    for name in ORDER:
        section = measured.get(name)
        parts += [f"\n## {name}\n\nNot measured.\n"] if section is None else _section(section)
    return "".join(parts)


def _bars(measured: Mapping[str, Any]) -> Iterator[str]:
    found = [Bar(**bar) for name in ORDER for bar in measured.get(name, {}).get("bars", [])]
    rows = []
    for which in BARS:
        ours = [bar for bar in found if bar.number == which]
        if not ours:
            rows.append([str(which), "", "", "", "not measured"])
        for bar in ours:
            rows.append([str(which), _what(bar), _required(bar), _measured(bar), _yes(bar.met)])
    yield from _table(["bar", "what", "required", "measured", "met"], rows)
    met = sum(bar.met for bar in found)
    yield f"\n{met} of {len(found)} met.\n"


def _yes(met: bool) -> str:
    return "yes" if met else "**no**"


def _what(bar: Bar) -> str:
    return f"{bar.what} ({bar.note})" if bar.note else bar.what


def _required(bar: Bar) -> str:
    return f"{'≥' if bar.at_least else '≤'} {_amount(bar.required)}{_unit(bar)}"


def _measured(bar: Bar) -> str:
    value = f"{_amount(bar.value)}{_unit(bar)}"
    if bar.low is None or bar.high is None:
        return value
    return f"{value} ({_amount(bar.low)} … {_amount(bar.high)})"


def _amount(value: float) -> str:
    return f"{value:g}" if value == int(value) and value < 100 else number(value)


def _unit(bar: Bar) -> str:
    return f" {bar.unit}" if bar.unit else ""


def _section(section: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {section['title']}\n"
    for table in section["tables"]:
        yield f"\n{table['title'][:1].upper()}{table['title'][1:]}:\n\n"
        yield from _table(table["head"], table["rows"])
        if table["note"]:
            yield f"\n{table['note']}\n"
    yield (
        f"\nMeasured {section['measured']}, in {section['took_s']} s, on {section['machine']};"
        f" {section['volume']}. Load before: {section['load_before']}; after:"
        f" {section['load_after']}.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    for row in rows:
        yield _row(row)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def write(results: Path, document: Path, measured: Path) -> None:
    """Write the document, and what it is made from, anew.

    Args:
        results: the directory with a file for each section.
        document: where the page goes.
        measured: where the results without their samples go.
    """
    found = {}
    for name in ORDER:
        kept = read(results / f"{name}.json")
        if kept is not None:
            found[name] = {key: value for key, value in kept.items() if key != "samples"}
    text = json.dumps(found, indent=1, ensure_ascii=False)
    measured.write_text(text + "\n", encoding="utf-8")
    document.write_text(render(found), encoding="utf-8")
