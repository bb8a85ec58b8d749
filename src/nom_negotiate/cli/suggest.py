"""`nom suggest`: what one might say next, and why."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Line, Span, line, visible

if TYPE_CHECKING:
    from nom_negotiate.suggestion import Suggestion


@click.command(
    epilog="""\b
Examples:
  nom suggest alice_bob_C_1704312345 --as alice@stonybrook.edu
  nom suggest alice_bob_C_1704312345 --as alice@stonybrook.edu --json
""",
)
@arguments.active_id
@common
@click.pass_obj
def suggest(app: App, negotiation_id: str) -> None:
    """Say what you might answer, and why.

    It goes by what you have said with `nom prefs set`, by what both of you have offered, and by
    what the chemical trades at. Nothing is written, and nobody else is told.
    """
    party, found = app.acting_on(negotiation_id)
    suggestion = party.suggest(found)
    if app.out.as_json:
        app.out.json(shape(suggestion))
    else:
        app.out.lines(lines(suggestion))


def shape(found: Suggestion) -> dict[str, Any]:
    """Return a suggestion as `--json` prints it."""
    market = None if found.market is None else found.market._asdict()
    return {**asdict(found), "market": market, "reasons": list(found.reasons)}


def lines(found: Suggestion) -> list[Line]:
    """Return a suggestion as a person reads it."""
    from nom_negotiate.core.terms import plain

    terms = found.terms
    if terms is None:
        said = Span("reject it", "bad")
    else:
        what = f"{plain(terms.quantity)} at {plain(terms.price)}"
        accepts = found.action == "accept"
        said = Span(f"accept {what}" if accepts else f"offer {what}", "good" if accepts else "warn")
    told: list[Line] = [
        line(Span(visible(found.negotiation_id), "title"), "  ", said),
        *(line(f"  {visible(reason)}") for reason in found.reasons),
    ]
    told.append(line(Span(f"  Confidence {found.confidence:.0%}.", "dim")))
    return told
