"""`nom reject`: turn the offer on the table down, and end it or go on with a better one."""

from __future__ import annotations

from typing import Unpack

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Examples:
  nom reject alice_bob_C_1704312345 --as bob@stonybrook.edu --reason "sold to somebody else"
  nom reject alice_bob_C_1704312345 --as bob@stonybrook.edu --reason "too low" \\
      --price 6 --quantity 900
""",
)
@arguments.active_id
@click.option("--reason", metavar="TEXT", help="Why.")
@arguments.terms(required=False)
@arguments.offering
@arguments.revision
@common
@click.pass_obj
def reject(
    app: App,
    negotiation_id: str,
    reason: str | None,
    price: str | None,
    quantity: str | None,
    revision: int | None,
    **said: Unpack[arguments.Offered],
) -> None:
    """Reject the offer on the table.

    That ends the negotiation, unless you give --price and --quantity: then you make a
    counter-offer in the same step, and it goes on. The options of a counter-offer are those of
    `nom offer`.
    """
    counters = any(each not in (None, False) for each in (price, quantity, *said.values()))
    if counters and (price is None or quantity is None):
        raise click.UsageError("a counter-offer needs both --price and --quantity")
    party, found = app.acting_on(negotiation_id)
    after = party.reject(
        found,
        reason=reason,
        price=price,
        quantity=quantity,
        revision=revision,
        **arguments.offer_options(said, party.desk.now()),
    )
    say_negotiation(app.out, after, party.address)
