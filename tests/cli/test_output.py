"""What others wrote is shown so that it can do no harm, and columns stand under each other."""

from __future__ import annotations

import re

import pytest

from nom_negotiate.cli import colour
from nom_negotiate.cli.output import Column, Span, Table, cells, padded, plain_table, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("für Özgür 東京 🧪", "für Özgür 東京 🧪"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202edcba", r"abc\u202edcba"),
        ("a\u2066b\u2069", r"a\u2066b\u2069"),
        ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
        ("a\u2028b", r"a\u2028b"),
        ("a\udcffb", r"a\udcffb"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_what_could_move_a_cursor_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_wide_character_takes_two_columns_and_a_mark_none() -> None:
    assert cells("東京") == 4
    assert cells("e\u0301") == 1
    assert padded("東京", 6) == "東京  "
    assert padded("7", 3, right=True) == "  7"


def test_a_plain_table_is_aligned_and_never_cut() -> None:
    table = Table(
        (Column("ID", fold=True), Column("PRICE", right=True)),
        [[Span("a" * 90), Span("5.5")], [Span("東京"), Span("1000")]],
    )
    lines = ["".join(span.text for span in line).rstrip() for line in plain_table(table)]
    assert {cells(line) for line in lines} == {90 + 2 + 5}
    assert lines[1].startswith("a" * 90)


def on_terminal(
    table: Table, columns: int, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch
) -> list[str]:
    """Return the lines that a terminal of so many columns shows, without colour."""
    patch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    patch.setenv("COLUMNS", str(columns))
    patch.setenv("NO_COLOR", "1")
    colour.print_table(table)
    # rich says how bold the titles are even so.
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    return [line.rstrip() for line in shown.splitlines()]


def test_on_a_terminal_what_may_be_folded_goes_on_below_in_its_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(
        (Column("ID"), Column("TEXT", fold=True), Column("PRICE", right=True)),
        [
            [
                Span("1704312345_sell_C"),
                Span("sealed, on campus, and 東京都渋谷区神宮前"),
                Span("5"),
            ],
            [Span("1704312345_buy_N"), Span("x" * 20), Span("12.25")],
        ],
    )
    assert on_terminal(table, 42, capsys, monkeypatch) == [
        "ID                 TEXT              PRICE",
        "1704312345_sell_C  sealed, on            5",
        "                   campus, and",
        "                   東京都渋谷区神宮",
        "                   前",
        f"1704312345_buy_N   {'x' * 16}  12.25",
        f"                   {'x' * 4}",
    ]
    unfolded = on_terminal(table, 80, capsys, monkeypatch)
    assert len(unfolded) == 3
    assert "sealed, on campus, and 東京都渋谷区神宮前      5" in unfolded[1]


def test_on_a_terminal_what_matters_least_is_left_out_and_no_id_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(
        (Column("ID"), Column("POSTED", rank=2), Column("CHEMICAL", rank=1)),
        [[Span("i" * 30), Span("3m ago"), Span("C")]],
    )
    assert on_terminal(table, 42, capsys, monkeypatch)[0].split() == ["ID", "CHEMICAL"]
    assert on_terminal(table, 20, capsys, monkeypatch) == ["ID", "i" * 30]
