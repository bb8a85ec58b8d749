"""`nom react`: how one likes the counterparty's offer."""

from __future__ import annotations

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Example:
  nom react alice_bob_C_1704312345 80 --as bob@stonybrook.edu
""",
)
@arguments.active_id
@click.argument("level", type=int)
@arguments.revision
@common
@click.pass_obj
def react(app: App, negotiation_id: str, level: int, revision: int | None) -> None:
    """Tell how you like the offer, from 0 to 100.

    The counterparty sees it. LEVEL is from 0, not at all, to 100, very much. It binds nobody,
    takes the place of any reaction before, and keeps nothing from expiring.
    """
    party, found = app.acting_on(negotiation_id)
    after = party.react(found, level, revision=revision)
    say_negotiation(app.out, after, party.address)
