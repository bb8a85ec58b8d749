"""`nom withdraw`: take one's own offer from the table."""

from __future__ import annotations

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Example:
  nom withdraw alice_bob_C_1704312345 --as alice@stonybrook.edu --reason "bought elsewhere"
""",
)
@arguments.active_id
@click.option("--reason", metavar="TEXT", help="Why.")
@arguments.revision
@common
@click.pass_obj
def withdraw(app: App, negotiation_id: str, reason: str | None, revision: int | None) -> None:
    """Withdraw one's own offer.

    That ends the negotiation.
    """
    party, found = app.acting_on(negotiation_id)
    after = party.withdraw(found, reason=reason, revision=revision)
    say_negotiation(app.out, after, party.address)
