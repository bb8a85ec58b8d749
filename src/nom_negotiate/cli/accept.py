"""`nom accept`: take the offer on the table."""

from __future__ import annotations

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Examples:
  nom accept alice_bob_C_1704312345 --as alice@stonybrook.edu
  nom accept alice_bob_C_1704312345 --as alice@stonybrook.edu --round 2
""",
)
@arguments.active_id
@click.option(
    "--round", "seen", type=int, metavar="N", help="Refuse if another round is on the table."
)
@arguments.revision
@common
@click.pass_obj
def accept(app: App, negotiation_id: str, seen: int | None, revision: int | None) -> None:
    """Accept the offer on the table.

    A firm offer is a deal with that; an indicative one waits for its author's acceptance.
    Name the --round that you saw, and you never accept something unseen.
    """
    from nom_negotiate.core.negotiation import Phase

    party, found = app.acting_on(negotiation_id)
    after = party.accept(found, round=seen, revision=revision)
    say_negotiation(app.out, after, party.address)
    if after.phase is Phase.AGREED and after.outcome is None:
        app.out.hint("the next poll settles the deal (nom poll)")
