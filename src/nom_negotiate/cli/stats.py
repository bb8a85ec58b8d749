"""`nom stats`: the figures of a data root."""

from __future__ import annotations

from typing import Any

import click
import orjson

from nom_negotiate import codec
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Column, Span, Table, line, visible
from nom_negotiate.cli.wording import clock, relative
from nom_negotiate.core.terms import plain
from nom_negotiate.figures import Stats, Volume


@click.command(
    epilog="""\b
Examples:
  nom stats
  nom stats --json --data /srv/nom/data
""",
)
@common
@click.pass_obj
def stats(app: App) -> None:
    """Show the figures of a data root.

    Over all parties, what was bought of a chemical must be what was sold of it, and what
    was paid what was received; a line that says otherwise names a chemical whose
    transaction files were changed or lost.
    """
    desk = app.desk()
    found = desk.stats()
    last = _last_pass(found)
    if app.out.as_json:
        app.out.json(_shape(found, last))
        return
    told = {
        "parties": str(found.parties),
        "active": str(found.active),
        "ended": ", ".join(f"{count} {kind}" for kind, count in found.ended.items()) or "0",
        "transactions": f"{found.transactions}, {found.settled} of them settled"
        + (f"; {found.carried_over} carried over from old data" if found.carried_over else ""),
        "last pass": "none yet" if last is None else _pass(last, desk.now()),
    }
    app.out.lines(line(f"{key:<14}{value}") for key, value in told.items())
    if found.volumes:
        app.out.lines([[]])
        app.out.table(_volumes(found.volumes))


def _shape(found: Stats, last: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "parties": found.parties,
        "active": found.active,
        "ended": found.ended,
        "transactions": found.transactions,
        "settled": found.settled,
        "carried_over": found.carried_over,
        "volumes": {
            chemical: {**codec.builtins(volume), "conserved": volume.conserved}
            for chemical, volume in sorted(found.volumes.items())
        },
        "last_pass": last,
    }


def _last_pass(found: Stats) -> dict[str, Any] | None:
    try:
        line = orjson.loads(found.last_pass or b"null")
    except orjson.JSONDecodeError:
        # A crash can cut the last line of a log short.
        return None
    return line if isinstance(line, dict) else None


def _pass(last: dict[str, Any], now: int) -> str:
    at = last.get("time")
    when = f"{relative(at, now)} ({clock(at)}): " if isinstance(at, int) else ""
    counts = [f"{count} {visible(key)}" for key, count in last.items() if key != "time" and count]
    return when + ", ".join(counts).replace(" duration_ms", " ms")


def _volumes(volumes: dict[str, Volume]) -> Table:
    columns = [
        Column("CHEMICAL"),
        *(Column(title, right=True) for title in ("BOUGHT", "SOLD", "PAID", "RECEIVED")),
        Column("BALANCE"),
    ]
    rows = []
    for chemical, volume in sorted(volumes.items()):
        numbers = (volume.bought, volume.sold, volume.paid, volume.received)
        balance = Span("conserved", "good") if volume.conserved else Span("DIFFERS", "bad")
        rows.append([Span(visible(chemical)), *(Span(plain(n)) for n in numbers), balance])
    return Table(columns, rows)
