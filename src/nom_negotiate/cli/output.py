"""The one place that writes: data to stdout, everything else to stderr.

Rules of the room:

- A person at a terminal gets colour and tables that fold; a pipe gets plain, aligned text
  that is never wrapped or cut, so that an id can be taken out of it.
- What other people wrote goes through `visible` first: no control character, no terminal
  escape and no change of writing direction reaches the terminal.
- With --json stdout has JSON, and each line on stderr is a JSON object. What a terminal might
  obey is escaped there, too, as JSON does it.
- rich is imported for a terminal only.
"""

from __future__ import annotations

import io
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import click

from nom_negotiate import codec
from nom_negotiate.cli.names import Names

MIN_WIDTH: Final = 20
PIPE_WIDTH: Final = 80

# Joiners that emoji and some scripts need. They are invisible and move nothing.
_HARMLESS: Final = frozenset("\u200c\u200d")


class Span(NamedTuple):
    """A piece of text in one style.

    Attributes:
        text: without line feeds.
        style: a key of `colour.STYLES`, or empty.
    """

    text: str
    style: str = ""


Line = Sequence[Span]


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: its heading.
        right: align its cells to the right.
        fold: may be folded where the terminal is narrow.
        rank: where folding is not enough, the columns of the highest rank are left out
            first; those of rank 0 never are.
    """

    title: str
    right: bool = False
    fold: bool = False
    rank: int = 0


class Table(NamedTuple):
    """Rows of cells under headings."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Span]]


def line(*parts: str | Span) -> list[Span]:
    """Return a line of these parts."""
    return [Span(part) if isinstance(part, str) else part for part in parts]


def visible(text: str) -> str:
    r"""Return somebody else's text with all that is not plainly printable escaped, on one line.

    Control characters, terminal escapes, invisible and direction-changing characters come
    out as `\n`, `\x1b`, `\u202e` and the like.
    """
    if text.isascii() and text.isprintable():
        # Nearly all of it; a long table would take twice as long.
        return text
    return "".join(
        char if _harmless(char) else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _harmless(char: str) -> bool:
    category = unicodedata.category(char)
    return char in _HARMLESS or (category[0] != "C" and category not in ("Zl", "Zp"))


def cells(text: str) -> int:
    """Return how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    bare = sum(unicodedata.category(char) in ("Mn", "Me", "Cf") for char in text)
    return len(text) + wide - bare


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return the text filled up with blanks to `width` columns."""
    blanks = " " * (width - cells(text))
    return blanks + text if right else text + blanks


class ReaderGone(Exception):
    """Nobody reads stdout any more.

    click would end the process on a `BrokenPipeError` by its own rules.
    """


@contextmanager
def _watched() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # What is buffered cannot be delivered, and must not be tried again at exit.
        sys.stdout = io.StringIO()
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from None
        from nom_negotiate.store.files.errnos import store_error

        raise store_error(error, "write the output") from error


class Output:
    """Where one run of `nom` writes.

    Attributes:
        as_json: whether --json was given.
        names: what the parties call themselves that are told of.
    """

    def __init__(self) -> None:
        self.as_json = False
        self.names = Names()

    def prepare(self) -> None:
        """Make stdout take every character: what its encoding lacks is escaped."""
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")

    def flush(self) -> None:
        """Deliver what is buffered, so that a full disk or a closed pipe shows here.

        Raises:
            ReaderGone: where the other end of the pipe is closed.
            StoreError: where the file that stdout is cannot be written.
        """
        with _watched():
            sys.stdout.flush()

    # What the receiver can take

    @property
    def width(self) -> int:
        """Return the columns that a drawing may use."""
        import shutil  # a drawing has use for it, and most commands draw nothing

        return max(MIN_WIDTH, shutil.get_terminal_size((PIPE_WIDTH, 24)).columns)

    @property
    def unicode(self) -> bool:
        """Return whether stdout can take box drawing characters."""
        try:
            "├┤└│─→▶◀●★┊·…".encode(sys.stdout.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    @property
    def for_a_person(self) -> bool:
        """Return whether stdout is a terminal, or is to be treated as one."""
        if os.environ.get("FORCE_COLOR"):
            return not os.environ.get("NO_COLOR")
        return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    # Data

    def json(self, value: Any) -> None:
        """Print a value as indented JSON, UTF-8 whatever the encoding of stdout."""
        self._bytes(codec.encode_output(value))

    def text_of_json(self, text: str) -> None:
        """Print JSON that was written already, UTF-8 as well."""
        self._bytes(text.encode() + b"\n")

    def json_line(self, value: Mapping[str, Any]) -> None:
        """Print a value as one line of JSON."""
        self._bytes(codec.encode_line(value))

    def lines(self, lines: Iterable[Line]) -> None:
        """Print lines."""
        if self.for_a_person:
            # Imported here: a pipe does without it, and `nom poll` starts once a minute.
            from nom_negotiate.cli import colour

            with _watched():
                colour.print_lines(lines)
            return
        for spans in lines:
            text = "".join(span.text for span in spans).rstrip()
            with _watched():
                sys.stdout.write(f"{text}\n")

    def text(self, text: str) -> None:
        """Print one line without any style."""
        self.lines([line(text)])

    def table(self, table: Table) -> None:
        """Print a table."""
        if self.for_a_person:
            from nom_negotiate.cli import colour

            with _watched():
                colour.print_table(table)
            return
        self.lines(plain_table(table))

    def _bytes(self, data: bytes) -> None:
        data = _escaped(data)
        with _watched():
            # What was printed as text comes first.
            sys.stdout.flush()
            sys.stdout.buffer.write(data)

    # Everything else

    def notice(self, text: str) -> None:
        """Tell on stderr what was not asked for."""
        shown = visible(text)
        self._tell({"notice": shown}, f"nom: {shown}")

    def hint(self, text: str) -> None:
        """Tell a person on stderr what to do next; programs are told nothing."""
        if not self.as_json:
            click.echo(f"nom: {visible(text)}", err=True)

    def error(self, code: str, message: str, hint: str, exit_status: int) -> None:
        """Tell on stderr, in one line, what went wrong and what to do."""
        shown, advice = visible(message), visible(hint)
        said = {"code": code, "message": shown, "hint": advice, "exit_status": exit_status}
        self._tell({"error": said}, f"nom: {shown}; {advice}" if advice else f"nom: {shown}")

    def help(self, text: str) -> None:
        """Print the help of a command that was called without what it needs, on stderr."""
        click.echo(text, err=True)

    def _tell(self, record: Mapping[str, Any], text: str) -> None:
        if self.as_json:
            click.echo(codec.encode_line(record), nl=False, err=True)
        else:
            click.echo(text, err=True)


def _escaped(data: bytes) -> bytes:
    """Return JSON that says the same, and that a terminal can be shown.

    JSON need not escape what is above U+001F: a control character of eight bits, or one that
    turns the writing round.
    """
    if data.isascii():
        return data
    import json

    return "".join(
        char if char == "\n" or _harmless(char) else json.dumps(char)[1:-1]
        for char in data.decode()
    ).encode()


def plain_table(table: Table) -> list[Line]:
    """Return the lines of a table, aligned and as wide as they need to be."""
    rows = [[Span(column.title) for column in table.columns], *table.rows]
    widths = natural_widths(table)
    return [
        [
            Span(padded(cell.text, width, right=column.right) + "  ", cell.style)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ]
        for row in rows
    ]


def natural_widths(table: Table) -> list[int]:
    """Return how wide each column of a table wants to be."""
    columns = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.columns)
    return [
        max(cells(column.title), *(cells(cell.text) for cell in found), 0)
        for column, found in zip(table.columns, columns, strict=True)
    ]
