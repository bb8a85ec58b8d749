"""What a chemical trades at: a median, and how far prices spread around it.

Rules of the room:

- It is taken from what was settled and what stands listed, and only from what the caller's Unix
  user may read. In an isolated root that is its own transactions and everybody's listings.
- Whoever posts many listings counts once, and the two who negotiate do not count: what a
  counterparty asks of everybody is no measure of what it asks here.
- Bounded: a few of the most recent ones count, however many there are.
"""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from statistics import quantiles
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.store.port import Store

AT_MOST: Final = 50
"""How many transactions, and how many listings."""


class MarketPrice(NamedTuple):
    """What a chemical trades at.

    Attributes:
        median: per unit.
        low: a quarter of the prices is lower.
        high: a quarter of the prices is higher.
        transactions: how many settled ones count.
        listings: how many standing ones count: one of each party, the last that it posted.
    """

    median: Decimal
    low: Decimal
    high: Decimal
    transactions: int
    listings: int


def market_price(
    store: Store, chemical: str, *, without: Collection[Address] = ()
) -> MarketPrice | None:
    """Return what a chemical trades at, None where nobody can tell.

    Args:
        store: where to look.
        chemical: which.
        without: whose listings do not count.
    """
    settled = [each.price for each in store.recent_transactions(chemical, AT_MOST)]
    listed = [
        each.price
        for each in store.recent_listings(chemical, AT_MOST)
        if each.price is not None and each.user not in without
    ]
    prices = sorted(settled + listed)
    if not prices:
        return None
    low, median, high = (
        quantiles(prices, n=4, method="inclusive") if len(prices) > 1 else prices * 3
    )
    return MarketPrice(median, low, high, len(settled), len(listed))
