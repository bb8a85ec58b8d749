"""The haggling, drawn: rounds downwards, prices across, the gap between the sides closing.

A row shows one move. Its author's marker stands at its price, a trail leads to it from where
that side stood before, and dots fill the gap to the other side. Plain text; nothing is read
from the terminal: the width and the character set are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from nom_negotiate.cli import wording
from nom_negotiate.cli.names import Names
from nom_negotiate.cli.output import Line, Span, cells, line, padded
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.terms import Role, plain

MIN_CHART: Final = 12
MAX_NAME: Final = 12


class Glyphs(NamedTuple):
    """The characters of a drawing, each one column wide."""

    buyer: str
    seller: str
    unknown: str
    agreed: str
    stands: str
    trail: str
    gap: str
    axis: str
    ends: str
    cut: str


UNICODE: Final = Glyphs("▶", "◀", "●", "★", "┊", "─", "·", "─", "├┤", "…")
ASCII: Final = Glyphs(">", "<", "o", "*", "|", "-", ".", "-", "++", "~")


class _Row(NamedTuple):
    """A move, and where both sides stood before it."""

    move: Move
    role: Role | None
    before: Decimal | None
    other: Decimal | None
    other_role: Role | None

    @property
    def gap(self) -> Decimal | None:
        """Return the seller's price less the buyer's, once both have said one."""
        if self.other is None or self.role is None:
            return None
        difference = self.move.price - self.other
        return difference if self.role is Role.SELLER else -difference


class _Widths(NamedTuple):
    round: int
    name: int
    chart: int
    price: int
    gap: int


def draw(
    negotiation: Negotiation, width: int, glyphs: Glyphs, names: Names | None = None
) -> list[Line]:
    """Return the lines of the drawing; none before the first offer.

    Args:
        negotiation: whose moves to draw.
        width: columns that it may use. Where they are too few for everything, the gap's
            figure is left out first, then the names.
        glyphs: `UNICODE` or `ASCII`.
        names: what the parties call themselves, for the legend.
    """
    rows = _rows(negotiation)
    if not rows:
        return []
    prices = [row.move.price for row in rows]
    low, high = min(prices), max(prices)
    widths = _fit(negotiation, rows, width)
    drawn = [_axis(low, high, widths, glyphs, labels=labels) for labels in (True, False)]
    drawn += [_drawn(negotiation, row, (low, high), widths, glyphs) for row in rows]
    return [*drawn, _legend(negotiation, glyphs, names or Names())]


def _rows(negotiation: Negotiation) -> list[_Row]:
    stands: dict[Address, Decimal] = {}
    rows = []
    for move in negotiation.moves:
        other = next((party for party in stands if party != move.by), None)
        rows.append(
            _Row(
                move=move,
                role=negotiation.roles.get(move.by),
                before=stands.get(move.by),
                other=None if other is None else stands[other],
                other_role=None if other is None else negotiation.roles.get(other),
            )
        )
        stands[move.by] = move.price
    return rows


def _fit(negotiation: Negotiation, rows: Sequence[_Row], width: int) -> _Widths:
    full = _Widths(
        round=len(str(rows[-1].move.round)),
        name=min(MAX_NAME, max(cells(wording.name(negotiation, r.move.by)) for r in rows)) + 1,
        chart=0,
        price=max(len(plain(row.move.price)) for row in rows) + 1,
        gap=max(len(_gap_text(row)) for row in rows) + 2,
    )
    for fitted in (full, full._replace(gap=0), full._replace(gap=0, name=0)):
        chart = width - sum(fitted) - 2
        if chart >= MIN_CHART:
            break
    else:
        chart = MIN_CHART
    return fitted._replace(chart=chart)


def _axis(
    low: Decimal, high: Decimal, widths: _Widths, glyphs: Glyphs, *, labels: bool
) -> list[Span]:
    left = " " * (widths.round + widths.name + 2)
    if labels:
        first, last = plain(low), plain(high)
        if low == high:
            text = first.center(widths.chart).rstrip()
        else:
            between = max(1, widths.chart - len(first) - len(last))
            text = f"{first}{' ' * between}{last}"
    else:
        text = glyphs.ends[0] + glyphs.axis * (widths.chart - 2) + glyphs.ends[1]
    return line(left, Span(text, "dim"))


def _drawn(
    negotiation: Negotiation,
    row: _Row,
    ends: tuple[Decimal, Decimal],
    widths: _Widths,
    glyphs: Glyphs,
) -> list[Span]:
    number = str(row.move.round).rjust(widths.round)
    who = wording.name(negotiation, row.move.by)
    if cells(who) > MAX_NAME:
        who = who[: MAX_NAME - 1] + glyphs.cut
    style = _style(row.role)
    name = Span(padded(f" {who}", widths.name), style) if widths.name else Span("")
    price = Span(plain(row.move.price).rjust(widths.price), "good" if row.move.accepts else "")
    gap = Span(f"  {_gap_text(row)}", "good" if row.move.accepts else "dim")
    chart = _chart(row, ends, widths.chart, glyphs)
    return [Span(number), name, Span("  "), *chart, price, gap if widths.gap else Span("")]


def _chart(row: _Row, ends: tuple[Decimal, Decimal], width: int, glyphs: Glyphs) -> list[Span]:
    canvas = [Span(" ")] * width

    def fill(start: int, end: int, glyph: str, style: str) -> None:
        for place in range(min(start, end), max(start, end) + 1):
            canvas[place] = Span(glyph, style)

    here, style = _place(row.move.price, ends, width), _style(row.role)
    if row.other is not None:
        fill(here, _place(row.other, ends, width), glyphs.gap, "dim")
    if row.before is not None:
        fill(_place(row.before, ends, width), here, glyphs.trail, style)
    if row.other is not None:
        # After the trail: a step past the other side must not hide where that one stands.
        canvas[_place(row.other, ends, width)] = Span(glyphs.stands, _style(row.other_role))
    canvas[here] = _marker(row, glyphs)
    return canvas


def _place(price: Decimal, ends: tuple[Decimal, Decimal], width: int) -> int:
    low, high = ends
    if low == high:
        return width // 2
    # A drawing may round; whoever compares prices does not.
    return round(float((price - low) / (high - low)) * (width - 1))


def _marker(row: _Row, glyphs: Glyphs) -> Span:
    if row.move.accepts:
        return Span(glyphs.agreed, "good")
    if row.role is None:
        return Span(glyphs.unknown)
    return Span(glyphs.buyer if row.role is Role.BUYER else glyphs.seller, _style(row.role))


def _gap_text(row: _Row) -> str:
    if row.move.accepts:
        return "agreed"
    if row.gap is None:
        return ""
    if row.gap < 0:
        return f"overlap {plain(-row.gap)}"
    return f"gap {plain(row.gap)}" if row.gap else "no gap"


def _style(role: Role | None) -> str:
    return "" if role is None else role.value


def _legend(negotiation: Negotiation, glyphs: Glyphs, names: Names) -> list[Span]:
    parts: list[str | Span] = ["  "]
    for party, glyph, role in (
        (negotiation.buyer, glyphs.buyer, Role.BUYER),
        (negotiation.seller, glyphs.seller, Role.SELLER),
    ):
        if party is not None:
            parts += [Span(glyph, _style(role)), f" {names.beside(party, role.value)}   "]
    parts += [f"{glyphs.gap * 3} gap"]
    if any(move.accepts for move in negotiation.moves):
        parts += ["   ", Span(glyphs.agreed, "good"), " agreed"]
    return line(*parts)
