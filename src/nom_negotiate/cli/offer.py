"""`nom offer`: answer with other terms."""

from __future__ import annotations

from typing import Unpack

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Examples:
  nom offer alice_bob_C_1704312345 --as bob@stonybrook.edu --price 6 --quantity 900
  nom offer alice_bob_C_1704312345 --as bob@stonybrook.edu --price 6 --quantity 900 \\
      --valid-until 90m --reason "my stock is low" --payment "30 days net"
""",
)
@arguments.active_id
@arguments.terms()
@arguments.offering
@click.option("--reason", metavar="TEXT", help="Why you turn the offer on the table down.")
@arguments.revision
@common
@click.pass_obj
def offer(
    app: App,
    negotiation_id: str,
    price: str,
    quantity: str,
    reason: str | None,
    revision: int | None,
    **said: Unpack[arguments.Offered],
) -> None:
    """Make a counter-offer.

    Offers alternate: it answers the counterparty's offer, or replaces your own once that
    has lapsed. It says all of its terms: what an earlier one said of --delivery, --payment or
    --quality does not go on by itself.
    """
    party, found = app.acting_on(negotiation_id)
    after = party.offer(
        found,
        price=price,
        quantity=quantity,
        reason=reason,
        revision=revision,
        **arguments.offer_options(said, party.desk.now()),
    )
    say_negotiation(app.out, after, party.address)
