"""`nom listing`: standing orders, and answering them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Unpack

import click

from nom_negotiate.cli import arguments, completion, shapes, wording
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.group import Entry, LazyGroup
from nom_negotiate.cli.output import Column, Span, Table, line, visible
from nom_negotiate.cli.views import say_negotiation

# The help of a command imports no record.
if TYPE_CHECKING:
    from nom_negotiate.cli.names import Names
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.listings import Listed
    from nom_negotiate.core.party import Listing
    from nom_negotiate.desk import Desk

_HERE: Final = "nom_negotiate.cli.listing"

TABLE: Final = (
    Entry("post", f"{_HERE}:post", "Post a listing."),
    Entry("ls", f"{_HERE}:list_market", "List what is offered and wanted, best price first."),
    Entry("close", f"{_HERE}:close", "Close a listing of one's own."),
    Entry("respond", f"{_HERE}:respond", "Answer a listing with an offer."),
)


@click.group(
    cls=LazyGroup,
    table=TABLE,
    epilog="""\b
Examples:
  nom listing post C --sell --price 5.50 --quantity 1000 --as alice@stonybrook.edu
  nom listing ls C --sell
  nom listing respond 1704312345_sell_C --quantity 300 --as bob@stonybrook.edu
""",
)
@common
def listing() -> None:
    """Post standing orders, and answer them.

    A listing invites everybody and commits nobody. What is agreed on in answer to it counts
    against its quantity, and it is closed when nothing is left.
    """


def _side(buy: bool, sell: bool) -> str | None:
    if buy and sell:
        raise click.UsageError("say either --buy or --sell")
    return "buy" if buy else "sell" if sell else None


@click.command(
    epilog="""\b
Examples:
  nom listing post C --sell --price 5.50 --quantity 1000 --as alice@stonybrook.edu
  nom listing post N --buy --text "any purity, delivered on campus" --as bob@stonybrook.edu
""",
)
@click.argument("chemical", shell_complete=completion.chemicals)
@click.option("--buy", is_flag=True, help="You want to buy.")
@click.option("--sell", is_flag=True, help="You want to sell.")
@arguments.terms(required=False)
@click.option("--text", metavar="TEXT", help="What else there is to say; everybody reads it.")
@common
@click.pass_obj
def post(
    app: App,
    chemical: str,
    buy: bool,
    sell: bool,
    price: str | None,
    quantity: str | None,
    text: str | None,
) -> None:
    """Post a listing.

    Everybody can read it, its price too: that need not be the most or the least that you
    would agree to. Without --quantity no deal uses it up, and it stands until you close it.
    """
    from nom_negotiate import market

    side = _side(buy, sell)
    if side is None:
        raise click.UsageError("say either --buy or --sell")
    party = app.party()
    posted = market.post(
        party, side=side, chemical=chemical, price=price, quantity=quantity, text=text
    )
    _say(app, posted)


@click.command(
    "ls",
    epilog="""\b
Examples:
  nom listing ls
  nom listing ls C --sell --max-price 6 --text "campus" --json
""",
)
@click.argument("chemical", required=False, shell_complete=completion.chemicals)
@click.option("--buy", is_flag=True, help="Those who want to buy.")
@click.option("--sell", is_flag=True, help="Those who want to sell.")
@click.option("--text", metavar="WORDS", help="Those that say each of these words.")
@click.option("--min-price", metavar="NUMBER", help="Those with a price of at least this.")
@click.option("--max-price", metavar="NUMBER", help="Those with a price of at most this.")
@click.option(
    "--of",
    "author",
    metavar="ADDRESS",
    shell_complete=completion.addresses,
    help="Those of this party.",
)
@click.option("--mine", is_flag=True, help="Those of the party that acts.")
@click.option("--closed", is_flag=True, help="Those that are closed or used up, too.")
@common
@click.pass_obj
def list_market(
    app: App,
    chemical: str | None,
    buy: bool,
    sell: bool,
    text: str | None,
    min_price: str | None,
    max_price: str | None,
    author: str | None,
    mine: bool,
    closed: bool,
) -> None:
    """List what is offered and wanted, best price first.

    Sales before purchases, by chemical: then the lowest price of those who sell and the highest
    of those who buy, without a price at last, and of equal ones the oldest.
    """
    if mine and author is not None:
        raise click.UsageError("say either --of or --mine")
    side = _side(buy, sell)
    if mine:
        party = app.party()
        author = party.address
    desk = app.desk()
    if chemical is not None:
        from nom_negotiate.core import rules

        rules.check_chemical(chemical, desk.settings.chemicals)
    found = desk.listings(
        chemical=chemical,
        side=side,
        text=text,
        min_price=min_price,
        max_price=max_price,
        party=author,
        closed=closed,
    )
    if app.out.as_json:
        app.out.json([shapes.of_listed(row, app.out.names) for row in found])
        return
    if found:
        app.out.table(_table(found, desk.now(), app.out.names))
    else:
        app.out.hint(f"no such listings in {visible(os.path.abspath(app.root))}")


@click.command(
    epilog="""\b
Example:
  nom listing close 1704312345_sell_C --as alice@stonybrook.edu
""",
)
@click.argument("listing_id", metavar="ID", shell_complete=completion.own_listings)
@common
@click.pass_obj
def close(app: App, listing_id: str) -> None:
    """Close a listing of one's own.

    What is being negotiated over it goes on.
    """
    from nom_negotiate import market

    party = app.party()
    _, found = _meant(party.desk, listing_id, party.address)
    _say(app, market.close(party, found))


@click.command(
    epilog="""\b
Examples:
  nom listing respond 1704312345_sell_C --as bob@stonybrook.edu
  nom listing respond 1704312345_sell_C --of alice@stonybrook.edu --price 5.20 --quantity 300 \\
      --delivery "FOB Rotterdam" --as bob@stonybrook.edu
""",
)
@click.argument("listing_id", metavar="ID", shell_complete=completion.listings)
@click.option(
    "--of",
    "author",
    metavar="ADDRESS",
    shell_complete=completion.addresses,
    help="Whose listing it is, where two have one of that id.",
)
@click.option("--price", metavar="NUMBER", help="Per unit. [that of the listing]")
@click.option("--quantity", metavar="NUMBER", help="How many units. [all that is left]")
@arguments.opening
@common
@click.pass_obj
def respond(
    app: App,
    listing_id: str,
    author: str | None,
    price: str | None,
    quantity: str | None,
    **said: Unpack[arguments.Opened],
) -> None:
    """Answer a listing with an offer.

    This starts a negotiation with the author of the listing, who is its initiator and is to
    answer. You sell where the listing says buy, and buy where it says sell. The offer is firm
    unless you say --indicative. What you agree on counts against the listing; where less than
    that is left by then, the deal is refused.
    """
    from nom_negotiate import market
    from nom_negotiate.core.identity import parse_address

    party = app.party()
    named = None if author is None else parse_address(author)
    owner, found = _meant(party.desk, listing_id, named, but=party.address)
    started = market.respond(
        party,
        owner,
        found,
        price=price,
        quantity=quantity,
        **arguments.start_options(said, party.desk.now()),
    )
    say_negotiation(app.out, started, party.address)


def _meant(
    desk: Desk, beginning: str, author: Address | None, *, but: Address | None = None
) -> tuple[Address, str]:
    """Return whose listing begins so, and its id; those that stand come before closed ones.

    Args:
        desk: where to look.
        beginning: of the id, or all of it.
        author: whose listings to look through; None for those of everybody.
        but: whose listings come last: nobody answers its own.

    Raises:
        InputError: `invalid_id`.
        NotFound: `unknown_listing`.
        Conflict: `ambiguous_listing`.
    """
    from nom_negotiate.core.identity import check_listing_id
    from nom_negotiate.core.party import ListingStatus
    from nom_negotiate.errors import Conflict, NotFound

    check_listing_id(beginning)
    authors = desk.store.parties() if author is None else [author]
    known: list[Listing] = []
    for one in authors:
        found, problems = desk.store.listings(one)
        # The one that is meant may be among them.
        desk.tell(problems)
        known += found
    whole = [each for each in known if each.id == beginning]
    found = whole or [each for each in known if each.id.startswith(beginning)]
    for preferred in (
        [each for each in found if each.user != but and each.status is ListingStatus.ACTIVE],
        [each for each in found if each.user != but],
        found,
    ):
        if len(preferred) > 1:
            shown = ", ".join(f"{each.id} of {each.user}" for each in preferred[:3])
            raise Conflict(
                "ambiguous_listing",
                f"{len(preferred)} listings begin with {beginning}: {shown}"
                + (", ..." if len(preferred) > 3 else ""),
            )
        if preferred:
            return preferred[0].user, preferred[0].id
    whose = "nobody has" if author is None else f"{author} has no"
    a = " a" if author is None else ""
    raise NotFound("unknown_listing", f"{whose}{a} listing {beginning!a}")


def _say(app: App, found: Listing) -> None:
    """Print what an author's action left behind: as JSON, or in a line."""
    if app.out.as_json:
        app.out.json(shapes.of_listing(found))
        return
    style = "good" if found.status == "active" else "dim"
    app.out.lines(
        [
            line(
                Span(visible(found.id), "title"),
                "  ",
                Span(found.status.value, style),
                f"  {wording.listing(found)}",
            )
        ]
    )


_COLUMNS: Final = (
    Column("ID"),
    Column("BY", fold=True),
    Column("WANTS TO"),
    Column("CHEMICAL", rank=1),
    Column("PRICE", right=True),
    Column("LEFT", right=True),
    Column("POSTED", rank=2),
    Column("TEXT", fold=True),
)


def _table(found: list[Listed], now: int, names: Names) -> Table:
    from nom_negotiate.core.terms import plain

    rows = []
    for row in found:
        each = row.listing
        price = "-" if each.price is None else plain(each.price)
        style = "" if row.stands else "dim"
        rows.append(
            [
                Span(visible(each.id), "title"),
                Span(names.beside(each.user, visible(each.user)), style),
                Span(each.type.value if row.stands else f"{each.type.value} (closed)", style),
                Span(visible(each.chemical), style),
                Span(price, style),
                Span(_left(row), style),
                Span(wording.relative(each.created, now), "dim"),
                Span(visible(each.text or ""), style),
            ]
        )
    return Table(_COLUMNS, rows)


def _left(row: Listed) -> str:
    from nom_negotiate.core.terms import plain

    quantity = row.listing.quantity
    if quantity is None or row.left is None:
        return "-"
    if row.left == quantity:
        return plain(quantity)
    return f"{plain(row.left)} of {plain(quantity)}"
