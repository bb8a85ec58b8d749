"""The sums over all transactions, computed in fractions: nothing is ever rounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from nom_negotiate import Side, Transaction


def assert_conserved(filed: Iterable[Transaction]) -> None:
    """Check that bought equals sold, and paid received, for each chemical, to the last digit."""
    quantity: dict[tuple[str, Side], Fraction] = defaultdict(Fraction)
    money: dict[tuple[str, Side], Fraction] = defaultdict(Fraction)
    chemicals = set()
    for one in filed:
        chemicals.add(one.chemical)
        quantity[one.chemical, one.type] += Fraction(one.quantity)
        money[one.chemical, one.type] += Fraction(one.quantity) * Fraction(one.price)
    for chemical in chemicals:
        assert quantity[chemical, Side.BUY] == quantity[chemical, Side.SELL]
        assert money[chemical, Side.BUY] == money[chemical, Side.SELL]
