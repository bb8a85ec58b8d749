"""`nom start`: begin a negotiation with a first offer."""

from __future__ import annotations

import click

from nom_negotiate.cli import arguments, completion, values
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
@arguments.indicative
@arguments.valid_until
@arguments.conditions
@click.option("--message", metavar="TEXT", help="A remark to go with it.")
@arguments.idle
@arguments.life
@click.option("--max-rounds", type=int, metavar="N", help="Cap on the offers of both sides.")
@click.option("--again", is_flag=True, help="Allow a second one over the same chemical.")
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
    indicative: bool,
    valid_until: str | None,
    delivery: str | None,
    payment: str | None,
    quality: str | None,
    message: str | None,
    idle: str | None,
    life: str | None,
    max_rounds: int | None,
    again: bool,
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
        firm=not indicative,
        valid_until=values.parse_time(valid_until, "--valid-until", party.desk.now()),
        delivery=delivery,
        payment=payment,
        quality=quality,
        message=message,
        idle_s=values.parse_optional_duration(idle, "--idle"),
        life_s=values.parse_optional_duration(life, "--life"),
        max_rounds=max_rounds,
        again=again,
    )
    say_negotiation(app.out, started, party.address)
