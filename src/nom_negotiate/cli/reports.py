"""What a pass did, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable

from nom_negotiate.cli.output import Line, Span, line, visible
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.core.outcome import Kind
from nom_negotiate.poller import Report

_STYLES = {Kind.AGREED: "good", Kind.REJECTED: "bad", Kind.WITHDRAWN: "bad", Kind.EXPIRED: "dim"}


def did_something(report: Report) -> bool:
    """Return whether a pass ended a negotiation, packed something or found a problem."""
    return any(report.of(kind) for kind in Kind) or bool(report.packed or report.problems)


def lines_of_report(report: Report) -> list[Line]:
    """Return a line for each negotiation that ended and each problem, and one to sum up."""
    lines: list[Line] = []
    for kind in Kind:
        for negotiation_id in report.of(kind):
            lines.append(line(Span(f"{kind.value:<10}", _STYLES[kind]), visible(negotiation_id)))
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
    ended = [f"{len(report.of(kind))} {kind.value}" for kind in Kind if report.of(kind)]
    if report.packed:
        ended.append(f"{report.packed} packed")
    problems = len(report.problems)
    if problems:
        ended.append(f"{problems} problem" + ("s" if problems > 1 else ""))
    figures = [f"{len(report.active)} active", *(ended or ["nothing to do"])]
    return f"{', '.join(figures)}; {report.duration_ms:.1f} ms"
