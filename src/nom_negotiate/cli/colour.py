"""The same lines and tables for a terminal. The only module that imports rich.

Nothing here reads markup in what it prints, and nothing is highlighted on a guess: a style
is put where a command put it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from rich.console import Console
from rich.text import Text

from nom_negotiate.cli.output import (
    Line,
    Span,
    Table,
    cells,
    natural_widths,
    padded,
    plain_table,
)

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
    widths = _widths(fitted, console.width)
    if sum(widths) + _between(fitted) > console.width:
        print_lines(plain_table(fitted))
        return
    titles = [Span(column.title, "title") for column in fitted.columns]
    print_lines(
        line for row in (titles, *fitted.rows) for line in _folded(row, fitted, widths, console)
    )


def _folded(
    row: Sequence[Span], table: Table, widths: Sequence[int], console: Console
) -> Iterator[Line]:
    """Yield the lines that a row takes. A table of rich would take ten times as long."""
    parts = [_broken(cell.text, width, console) for cell, width in zip(row, widths, strict=True)]
    for each in zip_longest(*parts, fillvalue=""):
        yield [
            Span(padded(text, width, right=column.right) + "  ", cell.style)
            for text, width, column, cell in zip(each, widths, table.columns, row, strict=True)
        ]


def _broken(text: str, width: int, console: Console) -> list[str]:
    if cells(text) <= width:
        return [text]
    return [part.plain.rstrip() for part in Text(text).wrap(console, width, overflow="fold")]


def _fitted(table: Table, width: int) -> Table:
    while _least_width(table) > width and any(column.rank for column in table.columns):
        worst = max(column.rank for column in table.columns)
        kept = [n for n, column in enumerate(table.columns) if column.rank < worst]
        table = Table(
            [table.columns[n] for n in kept], [[row[n] for n in kept] for row in table.rows]
        )
    return table


def _least_width(table: Table) -> int:
    return sum(_widths(table, 0)) + _between(table)


def _between(table: Table) -> int:
    return 2 * (len(table.columns) - 1)


def _widths(table: Table, width: int) -> list[int]:
    """Return how wide each column is to be, so that all of them fit `width` if they can.

    The widest of those that may be folded gives first.
    """
    widths = natural_widths(table)
    too_much = sum(widths) + _between(table) - width
    while too_much > 0:
        wide = [n for n, column in enumerate(table.columns) if column.fold]
        widest = max(wide, key=lambda n: widths[n], default=None)
        if widest is None or widths[widest] <= _FOLDED_COLUMNS:
            break
        widths[widest] -= 1
        too_much -= 1
    return widths


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
