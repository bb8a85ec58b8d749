"""`nom prefs`: what a party wants, for its own eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from nom_negotiate import codec
from nom_negotiate.cli.app import App, common, full_id
from nom_negotiate.cli.group import Entry, LazyGroup
from nom_negotiate.cli.output import Column, Span, Table, line, visible

if TYPE_CHECKING:
    from nom_negotiate.party import Party
    from nom_negotiate.preferences import Held

_HERE: Final = "nom_negotiate.cli.prefs"

TABLE: Final = (
    Entry("set", f"{_HERE}:set_preferences", "Say what you want."),
    Entry("show", f"{_HERE}:show_preferences", "Show what you have said."),
    Entry("clear", f"{_HERE}:clear_preferences", "Forget what you have said."),
)


@click.group(
    cls=LazyGroup,
    table=TABLE,
    epilog="""\b
Examples:
  nom prefs set C --buy --as alice@stonybrook.edu --reservation-price 6 --target-quantity 1000
  nom prefs show --as alice@stonybrook.edu
""",
)
@common
def prefs() -> None:
    """Say what you want, for yourself.

    It is kept in your private room. `nom suggest` and `nom autopilot` go by it. The counterparty
    sees none of it.
    """


_buy = click.option("--buy", is_flag=True, help="As a buyer of that chemical.")
_sell = click.option("--sell", is_flag=True, help="As a seller of that chemical.")
_what = click.argument("what", metavar="CHEMICAL|ID")


@click.command(
    "set",
    epilog="""\b
Examples:
  nom prefs set C --buy --as alice@stonybrook.edu --reservation-price 6 --target-quantity 1000
  nom prefs set alice_bob_C_1704312345 --as bob@stonybrook.edu --reservation-price 4.20 \\
      --target-quantity 800 --target-price 5.50 --shortfall 0.1
""",
)
@_what
@_buy
@_sell
@click.option(
    "--reservation-price",
    required=True,
    metavar="NUMBER",
    help="Per unit, the most you pay, or the least you take.",
)
@click.option("--target-quantity", required=True, metavar="NUMBER", help="How many units you want.")
@click.option("--target-price", metavar="NUMBER", help="Per unit, what you hope for.")
@click.option(
    "--shortfall",
    metavar="NUMBER",
    help="What each missing unit costs you, as a part of a useful one.  [default: 0]",
)
@click.option(
    "--excess",
    metavar="NUMBER",
    help="What each unit too many costs you, likewise.  [default: 1]",
)
@common
@click.pass_obj
def set_preferences(
    app: App,
    what: str,
    buy: bool,
    sell: bool,
    reservation_price: str,
    target_quantity: str,
    target_price: str | None,
    shortfall: str | None,
    excess: str | None,
) -> None:
    """Say what you want.

    Of a chemical, or in one negotiation. With --buy or --sell it is said of a chemical, and holds
    in each negotiation of which nothing else is said. It replaces all that was said of the same
    before.
    """
    from nom_negotiate import preferences

    party, bound = _bound(app, what, buy, sell)
    found = preferences.set_preferences(
        party,
        reservation_price=reservation_price,
        target_quantity=target_quantity,
        target_price=target_price,
        shortfall=shortfall,
        excess=excess,
        **bound,
    )
    held = preferences.Held(
        bound.get("negotiation_id"), bound.get("chemical"), bound.get("role"), found
    )
    if app.out.as_json:
        app.out.json(_shape(held))
    else:
        app.out.table(_table([held]))


@click.command(
    "show",
    epilog="""\b
Example:
  nom prefs show --as alice@stonybrook.edu
""",
)
@common
@click.pass_obj
def show_preferences(app: App) -> None:
    """Show what you have said."""
    from nom_negotiate import preferences

    found = list(preferences.preferences(app.party()))
    for held in found:
        if held.problem:
            app.out.notice(f"left out what you want of {_whereof(held)}: {held.problem}")
    readable = [held for held in found if held.preferences is not None]
    if app.out.as_json:
        app.out.json([_shape(held) for held in readable])
    elif readable:
        app.out.table(_table(readable))
    if not found:
        app.out.hint("you have said nothing yet; say what you want with `nom prefs set`")


@click.command(
    "clear",
    epilog="""\b
Examples:
  nom prefs clear C --buy --as alice@stonybrook.edu
  nom prefs clear alice_bob_C_1704312345 --as bob@stonybrook.edu
""",
)
@_what
@_buy
@_sell
@common
@click.pass_obj
def clear_preferences(app: App, what: str, buy: bool, sell: bool) -> None:
    """Forget what you have said."""
    from nom_negotiate import preferences

    party, bound = _bound(app, what, buy, sell)
    cleared = preferences.clear_preferences(party, **bound)
    if app.out.as_json:
        app.out.json({"cleared": cleared})
    else:
        app.out.lines([line("forgotten" if cleared else "nothing was said of it")])


def _bound(app: App, what: str, buy: bool, sell: bool) -> tuple[Party, dict[str, Any]]:
    from nom_negotiate.core.terms import Role

    if buy and sell:
        raise click.UsageError("say either --buy or --sell, or neither and an id")
    party = app.party()
    if buy or sell:
        return party, {"chemical": what, "role": Role.BUYER if buy else Role.SELLER}
    if what in party.desk.settings.chemicals:
        raise click.UsageError(f"say --buy or --sell with the chemical {what}")
    return party, {"negotiation_id": full_id(party.desk.store, party.address, what)}


def _shape(held: Held) -> dict[str, Any]:
    assert held.preferences is not None, "what cannot be read has no shape"
    fields = codec.builtins(held.preferences)
    # The salt is nobody's wish.
    for name in ("schema", "salt"):
        fields.pop(name, None)
    return {
        "negotiation_id": held.negotiation_id,
        "chemical": held.chemical,
        "role": held.role,
        **fields,
    }


def _whereof(held: Held) -> str:
    return visible(held.negotiation_id or f"{held.chemical} as a {held.role}")


def _table(found: list[Held]) -> Table:
    from nom_negotiate.core.terms import plain

    columns = (
        Column("OF"),
        Column("RESERVATION PRICE", right=True),
        Column("TARGET QUANTITY", right=True),
        Column("TARGET PRICE", right=True),
        Column("SHORTFALL", right=True, rank=2),
        Column("EXCESS", right=True, rank=1),
    )
    rows = []
    for held in found:
        wanted = held.preferences
        assert wanted is not None, "what cannot be read is left out"
        numbers = (
            wanted.reservation_price,
            wanted.target_quantity,
            wanted.target_price,
            wanted.shortfall,
            wanted.excess,
        )
        shown = [Span("-" if number is None else plain(number)) for number in numbers]
        rows.append([Span(_whereof(held), "title"), *shown])
    return Table(columns, rows)
