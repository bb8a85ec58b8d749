"""`nom say`: a remark to the counterparty."""

from __future__ import annotations

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Example:
  nom say alice_bob_C_1704312345 "could you deliver on Monday?" --as alice@stonybrook.edu
""",
)
@arguments.active_id
@click.argument("text")
@arguments.revision
@common
@click.pass_obj
def say(app: App, negotiation_id: str, text: str, revision: int | None) -> None:
    """Leave a message.

    The counterparty sees it with `nom show`. It changes nothing about the offers, but it
    keeps the negotiation from expiring in silence.
    """
    party, found = app.acting_on(negotiation_id)
    after = party.say(found, text, revision=revision)
    say_negotiation(app.out, after, party.address)
