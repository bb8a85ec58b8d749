"""Arguments and options that several commands have, each defined once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click

from nom_negotiate.cli import completion, values

if TYPE_CHECKING:
    from nom_negotiate.party.options import OfferOptions, StartOptions

F = TypeVar("F", bound=Callable[..., Any])


def terms(*, required: bool = True) -> Callable[[F], F]:
    """Give a command `--price` and `--quantity`, as they were typed."""

    def decorate(function: F) -> F:
        quantity = click.option(
            "--quantity", required=required, metavar="NUMBER", help="How many units."
        )
        price = click.option(
            "--price", required=required, metavar="NUMBER", help="Per unit: 5.50, with a point."
        )
        return price(quantity(function))

    return decorate


active_id = click.argument("negotiation_id", metavar="ID", shell_complete=completion.active_ids)

revision = click.option(
    "--revision",
    type=int,
    metavar="N",
    help="Refuse if your own state is not at this revision any more (see --json).",
)

idle = click.option("--idle", metavar="TIME", help="Silence after which it expires: 90m, 24h, 2d.")

life = click.option("--life", metavar="TIME", help="When it expires in any case: 90m, 24h, 2d.")


class Offered(TypedDict):
    """What the options of an offer give, as it was typed."""

    indicative: bool
    valid_until: str | None
    delivery: str | None
    payment: str | None
    quality: str | None


class Opened(Offered):
    """What the options of a first offer give, as it was typed."""

    message: str | None
    idle: str | None
    life: str | None
    max_rounds: int | None
    again: bool


_OFFERING: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--indicative",
        is_flag=True,
        help="Do not commit to it: the deal then needs your acceptance as well.",
    ),
    click.option(
        "--valid-until",
        metavar="WHEN",
        help="When the offer lapses: from now (90m, 24h, 2d), or unix seconds.",
    ),
    click.option(
        "--delivery", metavar="TEXT", help="Where, when and how it changes hands, in words."
    ),
    click.option("--payment", metavar="TEXT", help="When and how it is paid, in words."),
    click.option("--quality", metavar="TEXT", help="What it has to be like, in words."),
)

_OPENING: tuple[Callable[[Any], Any], ...] = (
    *_OFFERING,
    click.option("--message", metavar="TEXT", help="A remark to go with it."),
    idle,
    life,
    click.option("--max-rounds", type=int, metavar="N", help="Cap on the offers of both sides."),
    click.option("--again", is_flag=True, help="Allow a second one over the same chemical."),
)


def offering(function: F) -> F:
    """Give a command what may be said with an offer besides its numbers: see `Offered`."""
    return _given(_OFFERING, function)


def opening(function: F) -> F:
    """Give a command what may be said with a first offer besides its numbers: see `Opened`."""
    return _given(_OPENING, function)


def _given(options: tuple[Callable[[Any], Any], ...], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def offer_options(said: Offered, now: int) -> OfferOptions:
    """Return what a party is to say with an offer.

    Raises:
        InputError: `invalid_time`.
    """
    return {
        "firm": not said["indicative"],
        "valid_until": values.parse_time(said["valid_until"], "--valid-until", now),
        "delivery": said["delivery"],
        "payment": said["payment"],
        "quality": said["quality"],
    }


def start_options(said: Opened, now: int) -> StartOptions:
    """Return what a party is to say with a first offer.

    Raises:
        InputError: `invalid_time`.
    """
    return {
        **offer_options(said, now),
        "message": said["message"],
        "idle_s": values.parse_optional_duration(said["idle"], "--idle"),
        "life_s": values.parse_optional_duration(said["life"], "--life"),
        "max_rounds": said["max_rounds"],
        "again": said["again"],
    }
