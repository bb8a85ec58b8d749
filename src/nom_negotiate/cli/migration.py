"""What `nom migrate` prints, for people and for programs.

As in `shapes`, others build on the keys of the JSON: they may grow, and none goes away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nom_negotiate.cli.output import Column, Line, Output, Span, Table, line, visible
from nom_negotiate.legacy.comparison import Mismatch
from nom_negotiate.legacy.plan import Figure, Left, Note, Plan
from nom_negotiate.legacy.rollback import Obstacle, Undoing
from nom_negotiate.legacy.run import Done
from nom_negotiate.legacy.verify import Verification

# For people


def say_plan(out: Output, found: Plan, root: str, new: str) -> None:
    """Print a plan, or what has become of it; `new` heads the column of what was missing."""
    if not out.as_json:
        out.lines(_heading(found, root))
        out.table(_figures(found.figures(), new))
        _say_rest(out, found)
        return
    out.json(_plan_shape(found, root))


def say_done(out: Output, done: Done, root: str) -> None:
    """Print what a run has done."""
    if out.as_json:
        out.json(_run_shape(done, root))
        return
    say_plan(out, done.plan, root, "ADDED")
    if not done.added:
        out.flush()
        out.hint("everything was there already; nothing was changed")


def say_verification(out: Output, found: Verification, root: str) -> None:
    """Print the figures of both sides, and what differs."""
    if out.as_json:
        out.json(_verification_shape(found, root))
        return
    out.lines(_heading(found.plan, root))
    out.table(_compared(found))
    if found.mismatches:
        out.lines([[], *map(_mismatch_line, found.mismatches)])
    _say_rest(out, found.plan)
    out.flush()


def _heading(found: Plan, root: str) -> list[Line]:
    generations = ", ".join(found.old.generations)
    place = " (in place)" if found.in_place else ""
    return [
        line("from  ", Span(visible(str(found.old.root)), "title"), f"  {generations}"),
        line("to    ", Span(visible(root), "title"), place),
        [],
    ]


def _figures(figures: Iterable[Figure], new: str) -> Table:
    titles = ("SOURCE", new, "THERE", "LEFT OUT")
    columns = [Column("KIND"), *(Column(title, right=True) for title in titles)]
    rows = [
        [
            Span(one.name),
            Span(str(one.source)),
            Span(str(one.new)),
            Span(str(one.there)),
            Span(str(one.left), "bad" if one.left else ""),
        ]
        for one in figures
    ]
    return Table(columns, rows)


def _say_rest(out: Output, found: Plan) -> None:
    lines = [*map(_left_line, found.left), *map(_note_line, found.notes)]
    if lines:
        out.lines([[], *lines])


def _left_line(left: Left) -> Line:
    said = f" {left.id}" if left.id is not None else ""
    where = visible(f"{left.path}{said}")
    return line(Span("left out  ", "bad"), f"{where}: {visible(left.reason)}")


def _note_line(note: Note) -> Line:
    return line(Span("note      ", "warn"), f"{visible(note.path)}: {visible(note.text)}")


def _compared(found: Verification) -> Table:
    columns = [Column("FIGURE"), Column("SOURCE", right=True), Column("HERE", right=True)]
    rows = [
        [
            Span(visible(one.name)),
            Span(one.source),
            Span(one.target, "" if one.equal else "bad"),
        ]
        for one in found.figures
    ]
    return Table(columns, rows)


def _mismatch_line(one: Mismatch) -> Line:
    what = visible(f"{one.subject} {one.id}: {one.field}")
    said = visible(f"expected {one.expected}, found {one.found}")
    return line(Span("differs   ", "bad"), f"{what}: {said}")


def _obstacle_line(one: Obstacle) -> Line:
    return line(Span("stays     ", "warn"), f"{visible(one.path)} {visible(one.reason)}")


def say_obstacles(out: Output, obstacles: Iterable[Obstacle]) -> None:
    """Print what stands in the way of a rollback."""
    if out.as_json:
        out.json({"removed": {}, "obstacles": list(map(_obstacle_shape, obstacles))})
    else:
        out.lines(map(_obstacle_line, obstacles))
    # The error that follows on stderr comes after it.
    out.flush()


def say_undone(out: Output, done: Undoing) -> None:
    """Print what a rollback has done."""
    if out.as_json:
        out.json(_undoing_shape(done))
        return
    out.lines(map(_obstacle_line, done.stays))
    removed = ", ".join(f"{count} {kind}" for kind, count in done.removed.items())
    out.text(f"removed   {removed or 'nothing'}")
    if done.missing:
        out.hint(f"{done.missing} more had gone before")
    if done.damaged:
        out.notice(f"{done.damaged} lines of the journal cannot be read; what they name stays")


# For programs


def _plan_shape(found: Plan, root: str) -> dict[str, Any]:
    return {
        **_about(found, root),
        "todo": found.todo,
        "counts": _counts(found),
        "figures": [_figure_shape(one) for one in found.figures()],
        "parties": [
            {"address": one.address, "keeps_profile": one.keeps_profile, "there": one.there}
            for one in found.parties
        ],
        "negotiations": _negotiations(found),
        "transactions": [
            {
                "legacy_id": one.legacy_id,
                "owner": one.owner,
                "type": one.side,
                "name": one.name,
                "there": one.there,
            }
            for one in found.transactions
        ],
        "listings": [
            {"id": one.id, "user": one.owner, "kind": one.kind, "there": one.there}
            for one in found.listings
        ],
        **_rest(found),
    }


def _about(found: Plan, root: str) -> dict[str, Any]:
    return {
        "source": visible(str(found.old.root)),
        "data": visible(root),
        "in_place": found.in_place,
        "generations": found.old.generations,
    }


def _counts(found: Plan) -> Mapping[str, Any]:
    """Return what there is to carry over, in the words of the old program's own reader."""
    kinds = [one.kind for one in found.listings]
    statuses = [one.status for one in found.negotiations]
    return {
        "parties": len(found.parties),
        "profiles": sum(one.has_profile for one in found.parties),
        "negotiations": {
            status: statuses.count(status) for status in ("pending", "accepted", "rejected")
        },
        "negotiation_offers": sum(one.offers for one in found.negotiations),
        "transactions": len(found.transactions),
        "active_offers": kinds.count("offer"),
        "active_buy_orders": kinds.count("buy_order"),
        "active_ads": kinds.count("ad"),
        "left": len(found.left),
        "unreadable": found.unreadable,
    }


def _figure_shape(one: Figure) -> dict[str, Any]:
    return {
        "kind": one.name,
        "source": one.source,
        "new": one.new,
        "there": one.there,
        "left": one.left,
    }


def _negotiations(found: Plan) -> list[dict[str, Any]]:
    return [
        {
            "legacy_id": one.legacy_id,
            "id": one.place.id,
            "generation": one.generation,
            "initiator": one.place.initiator,
            "responder": one.responder,
            "chemical": one.chemical,
            "status": one.status,
            "offers": one.offers,
            "turn": one.turn,
            "archived": one.place.archived,
            "there": one.there,
            "path": visible(one.path),
        }
        for one in found.negotiations
    ]


def _rest(found: Plan) -> dict[str, Any]:
    return {
        "left": [
            {"subject": one.subject, "id": one.id, "path": one.path, "reason": one.reason}
            for one in found.left
        ],
        "notes": [{"path": one.path, "text": one.text} for one in found.notes],
    }


def _run_shape(done: Done, root: str) -> dict[str, Any]:
    return {
        **_about(done.plan, root),
        "added": done.added,
        "counts": _counts(done.plan),
        "figures": [_figure_shape(one) for one in done.plan.figures()],
        "negotiations": _negotiations(done.plan),
        **_rest(done.plan),
    }


def _verification_shape(found: Verification, root: str) -> dict[str, Any]:
    return {
        **_about(found.plan, root),
        "equal": not found.differences,
        "counts": _counts(found.plan),
        "figures": [
            {"name": one.name, "source": one.source, "here": one.target, "equal": one.equal}
            for one in found.figures
        ],
        "differences": [
            {
                "subject": one.subject,
                "id": one.id,
                "field": one.field,
                "expected": one.expected,
                "found": one.found,
            }
            for one in found.mismatches
        ],
        **_rest(found.plan),
    }


def _undoing_shape(done: Undoing) -> dict[str, Any]:
    return {
        "removed": done.removed,
        "missing": done.missing,
        "stays": list(map(_obstacle_shape, done.stays)),
        "damaged_lines": done.damaged,
    }


def _obstacle_shape(one: Obstacle) -> dict[str, str]:
    return {"path": one.path, "reason": one.reason}
