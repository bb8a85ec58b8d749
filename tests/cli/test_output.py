"""What others wrote is shown so that it can do no harm, and columns stand under each other."""

from __future__ import annotations

import pytest

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
