"""The timeline draws how the prices of the two sides approached each other."""

from __future__ import annotations

import textwrap

import msgspec
import pytest
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk, MemoryStore, Negotiation
from nom_negotiate.cli.output import cells
from nom_negotiate.cli.timeline import ASCII, UNICODE, Glyphs, draw


def haggled(*prices: str, accept: bool = False, other: str = BOB) -> Negotiation:
    """Let a buyer and a seller name prices in turn."""
    desk = Desk(MemoryStore(), clock=Clock(), validators=(), after_settlement=())
    buyer, seller = desk.party(ALICE), desk.party(other)
    found = buyer.start(other, chemical="C", role="buyer", price=prices[0], quantity="10")
    for number, price in enumerate(prices[1:], start=1):
        who = seller if number % 2 else buyer
        found = who.offer(found.id, price=price, quantity="10")
    if accept:
        found = (seller if len(prices) % 2 else buyer).accept(found.id)
    return found


def drawn(found: Negotiation, width: int = 60, glyphs: Glyphs = UNICODE) -> list[str]:
    return ["".join(span.text for span in line).rstrip() for line in draw(found, width, glyphs)]


def picture(text: str) -> list[str]:
    return textwrap.dedent(text).strip("\n").splitlines()


def test_the_gap_closes_until_the_price_is_agreed() -> None:
    found = haggled("5.5", "7", "5.9", "6.4", "6.1", accept=True)
    assert drawn(found) == picture(
        """
                 5.5                                  7
                 ├────────────────────────────────────┤
        1 alice  ▶                                      5.5
        2 bob    ┊····································◀   7  gap 1.5
        3 alice  ──────────▶··························┊ 5.9  gap 1.1
        4 bob              ┊···········◀─────────────── 6.4  gap 0.5
        5 alice            ─────▶······┊                6.1  gap 0.3
        5 bob                   ★───────                6.1  agreed
          ▶ buyer   ◀ seller   ··· gap   ★ agreed
        """
    )


def test_it_needs_no_more_than_ascii() -> None:
    found = haggled("5.5", "7", "5.9", "6.4", "6.1", accept=True)
    lines = drawn(found, glyphs=ASCII)
    assert all(line.isascii() for line in lines)
    assert lines[2:] == picture(
        """
        1 alice  >                                      5.5
        2 bob    |....................................<   7  gap 1.5
        3 alice  ---------->..........................| 5.9  gap 1.1
        4 bob              |...........<--------------- 6.4  gap 0.5
        5 alice            ----->......|                6.1  gap 0.3
        5 bob                   *-------                6.1  agreed
          > buyer   < seller   ... gap   * agreed
        """
    )


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
def test_it_fits_the_width_or_leaves_the_least_out(width: int) -> None:
    lines = drawn(haggled("5.5", "7", "5.9", "6.4", accept=True), width)
    rows = lines[:-1]
    assert max(cells(line) for line in rows) <= max(width, 22)
    assert ("gap 1.5" in rows[3]) == (width >= 40)
    assert ("alice" in rows[2]) == (width >= 30)


def test_one_offer_stands_in_the_middle() -> None:
    lines = drawn(haggled("5.5"), 40, ASCII)
    marker = lines[2].index(">")
    assert abs(marker - lines[0].index("5.5") - 1) <= 1
    assert "gap" not in lines[2]


def test_sides_that_have_passed_each_other_overlap() -> None:
    assert drawn(haggled("7", "6"), glyphs=ASCII)[3].endswith("6  overlap 1")
    assert drawn(haggled("6", "6"), glyphs=ASCII)[3].endswith("6  no gap")


@pytest.mark.parametrize("prices", [("0", "99999999999999900000"), ("0.00000000000000000001", "0")])
def test_prices_of_any_size_are_drawn(prices: tuple[str, str]) -> None:
    lines = drawn(haggled(*prices), 80, ASCII)
    assert len(lines) == 5
    assert any("<" in line for line in lines[2:4])


def test_long_names_are_cut_and_equal_ones_are_told_apart() -> None:
    found = haggled("5", "6", other="a.very.long.local.part@stonybrook.edu")
    assert drawn(found)[3].startswith("2 a.very.long… ")
    found = haggled("5", "6", other="alice@b.edu")
    assert drawn(found)[2].startswith("1 alice@stony… ")
    assert drawn(found)[3].startswith("2 alice@b.edu ")


def test_nothing_is_drawn_where_nobody_has_offered() -> None:
    found = haggled("5")
    assert draw(msgspec.structs.replace(found, moves=()), 80, ASCII) == []
