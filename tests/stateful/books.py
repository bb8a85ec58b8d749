"""What is right in the books, and a validator that has an opinion on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction

from nom_negotiate import Outcome, Side, Store, Transaction


def assert_conserved(filed: Iterable[Transaction]) -> None:
    """Check that bought equals sold, and paid received, for each chemical, to the last digit.

    Computed in fractions: nothing is ever rounded.
    """
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


def over_dear_deals(proposed: Outcome, store: Store) -> str | None:
    """Object to what costs more than a thousand: a validator."""
    assert proposed.deal is not None
    return "too dear" if proposed.deal.price > 1000 else None
