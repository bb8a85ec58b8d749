"""What a pass did, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nom_negotiate import codec
from nom_negotiate.cli.output import Line, Span, line, visible

if TYPE_CHECKING:
    from nom_negotiate.core.negotiation import Problem
    from nom_negotiate.report import Report

# The values of `Kind`, which an idle poll does not import.
_STYLES = {"agreed": "good", "rejected": "bad", "withdrawn": "bad", "expired": "dim"}


def shape(report: Report) -> dict[str, Any]:
    """Return a report as `--json` prints it. Others build on its keys, as on those of `shapes`."""
    found = {**vars(report), "problems": [codec.builtins(each) for each in report.problems]}
    # For the loop; a person finds each of the unfinished under the problems.
    del found["unfinished"], found["places"]
    return found


def did_something(report: Report) -> bool:
    """Return whether a pass ended a negotiation, packed something or found a problem."""
    return any(ended(report).values()) or bool(report.packed or report.problems)


def ended(report: Report) -> dict[str, list[str]]:
    """Return the ids of the negotiations that ended, by the way in which they did."""
    return {kind: getattr(report, kind) for kind in _STYLES}


def lines_of_report(report: Report) -> list[Line]:
    """Return a line for each negotiation that ended and each problem, and one to sum up."""
    lines: list[Line] = []
    for kind, ids in ended(report).items():
        lines += [line(Span(f"{kind:<10}", _STYLES[kind]), visible(each)) for each in ids]
    return [*lines, *lines_of_problems(report.problems), line(summary(report))]


def lines_of_problems(problems: Iterable[Problem]) -> list[Line]:
    """Return a line for each problem."""
    return [
        line(
            Span(f"{'problem':<10}", "warn"),
            f"{visible(problem.path)}: {visible(problem.reason)}",
        )
        for problem in problems
    ]


def summary(report: Report) -> str:
    """Return the figures of a pass."""
    done = [f"{len(ids)} {kind}" for kind, ids in ended(report).items() if ids]
    if report.packed:
        done.append(f"{report.packed} packed")
    problems = len(report.problems)
    if problems:
        done.append(f"{problems} problem" + ("s" if problems > 1 else ""))
    # Only a scan knows how many there are.
    active = [f"{len(report.active)} active"] if report.scanned else []
    figures = [*active, *(done or ["nothing to do"])]
    return f"{', '.join(figures)}; {report.duration_ms:.1f} ms"
