"""The same lines and tables for a terminal. The only module that imports rich.

Nothing here reads markup in what it prints, and nothing is highlighted on a guess: a style
is put where a command put it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from nom_negotiate.cli.output import Line, Span, Table, natural_widths, plain_table

STYLES: Final = {
    "": "",
    "title": "bold",
    "buyer": "cyan",
    "seller": "magenta",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "dim": "dim",
}

# Wide enough for every table: where colour is forced into a pipe, nothing may be folded.
_PIPE_COLUMNS: Final = 10_000

# What is left of a column that is folded.
_FOLDED_COLUMNS: Final = 16


def print_lines(lines: Iterable[Line]) -> None:
    """Print lines. The terminal folds what is too long for it."""
    console = _console()
    for spans in lines:
        text = _text(*spans)
        text.rstrip()
        console.print(text, soft_wrap=True)


def print_table(table: Table) -> None:
    """Print a table so that it fits the terminal.

    What may be folded is folded, then columns are left out. Where that does not do either,
    the terminal folds the lines: an id is never cut.
    """
    console = _console()
    fitted = _fitted(table, console.width)
    if _least_width(fitted) > console.width:
        print_lines(plain_table(fitted))
        return
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=_style("title"))
    for column in fitted.columns:
        drawn.add_column(
            Text(column.title),
            justify="right" if column.right else "left",
            no_wrap=not column.fold,
            overflow="fold",
        )
    for row in fitted.rows:
        drawn.add_row(*(_text(cell) for cell in row))
    console.print(drawn)


def _fitted(table: Table, width: int) -> Table:
    while _least_width(table) > width and any(column.rank for column in table.columns):
        worst = max(column.rank for column in table.columns)
        kept = [n for n, column in enumerate(table.columns) if column.rank < worst]
        table = Table(
            [table.columns[n] for n in kept], [[row[n] for n in kept] for row in table.rows]
        )
    return table


def _least_width(table: Table) -> int:
    widths = [
        min(width, _FOLDED_COLUMNS) if column.fold else width
        for column, width in zip(table.columns, natural_widths(table), strict=True)
    ]
    return sum(widths) + 2 * (len(widths) - 1)


def _console() -> Console:
    return Console(
        file=sys.stdout,
        force_terminal=True,
        highlight=False,
        markup=False,
        emoji=False,
        width=None if sys.stdout.isatty() else _PIPE_COLUMNS,
    )


def _text(*spans: Span) -> Text:
    return Text.assemble(*((span.text, _style(span.style)) for span in spans))


def _style(name: str) -> str:
    return "" if os.environ.get("NO_COLOR") else STYLES[name]
