"""`nom doctor`: what does not belong in a data root, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import click

from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Line, Span, line, visible
from nom_negotiate.doctor import Diagnosis, Verdict, examine
from nom_negotiate.store.files.inspection import Finding, Severity

MOST_OF_A_KIND: Final = 20
"""Findings of one kind that a person is shown; a program is given all."""

KEY_WIDTH: Final = 20

_STYLES: Final = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: "dim"}

_COUNTED: Final = {
    "parties": ("party", "parties"),
    "active": ("active negotiation", "active negotiations"),
    "archived": ("archived negotiation", "archived negotiations"),
    "deals": ("deal", "deals"),
    "transactions": ("transaction", "transactions"),
    "listings": ("listing", "listings"),
    "links": ("link", "links"),
    "packs": ("pack", "packs"),
    "packed": ("packed record", "packed records"),
    "temporary": ("write in hand", "writes in hand"),
}


@click.command(
    epilog="""\b
Examples:
  nom doctor
  nom doctor --repair
  nom doctor --no-mount --json --data /srv/nom/data
""",
)
@click.option("--repair", is_flag=True, help="Put right what has one right answer.")
@click.option("--no-mount", is_flag=True, help="Look at the files only, not at the mount.")
@common
@click.pass_obj
def doctor(app: App, repair: bool, no_mount: bool) -> None:
    """Find and mend what does not belong.

    Looks through the data root and tries out its mount. Prints what is wrong, the worst first,
    each with what to do. Changes nothing without --repair; with it, what does not belong is
    moved to poller/aside/ and can be put back, and no state of a party is ever changed. Exits
    with 0 where all is well (notes do not count), with 10 where something was mended, and with
    11 where something is left that needs a person.
    """
    found = examine(app.open_desk(), repair=repair, mount=not no_mount)
    if app.out.as_json:
        app.out.json(_shape(found))
    else:
        app.out.lines(_lines(found))
    # The line on stderr comes after it.
    app.out.flush()
    found.check()


def _shape(found: Diagnosis) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "findings": [shape_of_finding(one) for one in found.findings],
        "counted": found.counted,
        "mount": {key: visible(value) for key, value in found.mount.items()},
    }


def shape_of_finding(one: Finding) -> dict[str, Any]:
    """Return a finding as `--json` prints it."""
    return {
        "severity": one.severity,
        "code": one.code,
        "path": visible(one.path),
        "found": visible(one.reason),
        "remedy": one.remedy,
        "repaired": one.repaired,
    }


def _lines(found: Diagnosis) -> Iterable[Line]:
    yield from lines_of_mount(found.mount)
    looked = [
        f"{count} {one if count == 1 else many}"
        for key, (one, many) in _COUNTED.items()
        if (count := found.counted.get(key))
    ]
    yield line(
        Span(f"{'looked at':<{KEY_WIDTH}}", "dim"), ", ".join(looked) or "an empty data root"
    )
    if found.findings:
        yield []
    told: Counter[tuple[str, bool]] = Counter()
    for one in found.findings:
        kind = one.code, one.repaired
        told[kind] += 1
        if told[kind] <= MOST_OF_A_KIND:
            yield from lines_of_finding(one)
    for (code, _), count in told.items():
        if count > MOST_OF_A_KIND:
            yield line(f"and {count - MOST_OF_A_KIND} more {code}; --json has all of them")
    yield []
    yield line(Span(_sum(found), _VERDICTS[found.verdict]))


def lines_of_mount(figures: Mapping[str, str]) -> Iterable[Line]:
    """Return a line for each ability of a mount."""
    for key, value in figures.items():
        yield line(Span(f"{key:<{KEY_WIDTH}}", "dim"), visible(value))


def lines_of_finding(one: Finding) -> Iterable[Line]:
    """Return what is wrong and what to do about it."""
    style = "good" if one.repaired else _STYLES[one.severity]
    word = "mended" if one.repaired else one.severity.value
    yield line(Span(f"{word:<9}", style), Span(visible(one.path), "title"), f"  {one.code}")
    yield line(" " * 9, visible(one.reason))
    if not one.repaired:
        yield line(" " * 9, Span(f"to do: {one.remedy}", "dim"))


_VERDICTS: Final = {
    Verdict.CLEAN: "good",
    Verdict.MENDED: "good",
    Verdict.NEEDS_A_PERSON: "bad",
}


def _sum(found: Diagnosis) -> str:
    notes = sum(one.severity is Severity.NOTE and not one.repaired for one in found.findings)
    mended = sum(one.repaired for one in found.findings)
    parts = {
        "needs a person" if len(found.open) == 1 else "need a person": len(found.open),
        "mended": mended,
        "only noted": notes,
    }
    counts = ", ".join(f"{count} {name}" for name, count in parts.items() if count)
    if found.verdict is Verdict.CLEAN:
        return f"clean ({counts})" if counts else "clean"
    return counts
