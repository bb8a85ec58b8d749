"""Arguments and options that several commands have, each defined once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from nom_negotiate.cli import completion

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


def conditions(function: F) -> F:
    """Give a command `--delivery`, `--payment` and `--quality`, as they were typed."""
    for name, what in (
        ("quality", "What it has to be like, in words."),
        ("payment", "When and how it is paid, in words."),
        ("delivery", "Where, when and how it changes hands, in words."),
    ):
        function = click.option(f"--{name}", metavar="TEXT", help=what)(function)
    return function


active_id = click.argument("negotiation_id", metavar="ID", shell_complete=completion.active_ids)

indicative = click.option(
    "--indicative",
    is_flag=True,
    help="Do not commit to it: the deal then needs your acceptance as well.",
)

valid_until = click.option(
    "--valid-until",
    metavar="WHEN",
    help="When the offer lapses: from now (90m, 24h, 2d), or unix seconds.",
)

revision = click.option(
    "--revision",
    type=int,
    metavar="N",
    help="Refuse if your own state is not at this revision any more (see --json).",
)

idle = click.option("--idle", metavar="TIME", help="Silence after which it expires: 90m, 24h, 2d.")

life = click.option("--life", metavar="TIME", help="When it expires in any case: 90m, 24h, 2d.")
