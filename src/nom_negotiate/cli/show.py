"""`nom show`: everything about one negotiation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from nom_negotiate.cli import completion
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import own_autopilots, show_negotiation

if TYPE_CHECKING:
    from nom_negotiate.core.negotiation import Negotiation


@click.command(
    epilog="""\b
Examples:
  nom show alice_bob_C_1704312345
  nom show alice_bob_C_1704312345 --as alice@stonybrook.edu --json
""",
)
@click.argument("negotiation_id", metavar="ID", shell_complete=completion.any_ids)
@common
@click.pass_obj
def show(app: App, negotiation_id: str) -> None:
    """Show one negotiation, and draw its prices.

    Active or archived. Where nobody is named with --as, the whole data root is looked
    through for it.
    """
    print_one(app, app.look(negotiation_id))


def print_one(app: App, found: Negotiation) -> None:
    """Print all there is to a negotiation."""
    desk = app.open_desk()
    on = own_autopilots(desk, app.address, [found])
    show_negotiation(app.out, found, desk.now(), app.address, on)
