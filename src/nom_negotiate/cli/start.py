"""`nom start`: begin a negotiation with a first offer."""

from __future__ import annotations

from typing import Unpack

import click

from nom_negotiate.cli import arguments, completion
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import say_negotiation


@click.command(
    epilog="""\b
Examples:
  nom start bob@stonybrook.edu C --as alice@stonybrook.edu --buy --price 5.50 --quantity 1000
  nom start bob@stonybrook.edu N --as alice@stonybrook.edu --sell --price 12 --quantity 40 \\
      --indicative --message "only this week" --valid-until 2d --delivery "FOB Rotterdam"
""",
)
@click.argument("counterparty", shell_complete=completion.addresses)
@click.argument("chemical", shell_complete=completion.chemicals)
@click.option("--buy", is_flag=True, help="You buy.")
@click.option("--sell", is_flag=True, help="You sell.")
@arguments.terms()
@arguments.opening
@common
@click.pass_obj
def start(
    app: App,
    counterparty: str,
    chemical: str,
    buy: bool,
    sell: bool,
    price: str,
    quantity: str,
    **said: Unpack[arguments.Opened],
) -> None:
    """Start a negotiation with an offer.

    The offer is firm unless you say --indicative: the counterparty's acceptance alone then
    makes it a deal. An address that is mentioned for the first time gets its directory.
    """
    from nom_negotiate.core.terms import Role

    if buy == sell:
        raise click.UsageError("say either --buy or --sell")
    party = app.party()
    started = party.start(
        counterparty,
        chemical=chemical,
        role=Role.BUYER if buy else Role.SELLER,
        price=price,
        quantity=quantity,
        **arguments.start_options(said, party.desk.now()),
    )
    say_negotiation(app.out, started, party.address)
