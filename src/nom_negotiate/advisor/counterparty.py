"""What the counterparty seems to like, read from its own offers.

Rules of the room:

- A guess is one of a few simple laws; the one under which its offers give ground most
  steadily is believed. Nothing here claims to know its limit.
- Its first offer is what it likes best: 1. What it likes less is worth less, without bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from nom_negotiate.advisor.situation import Situation, Spoken
from nom_negotiate.advisor.utility import Table

WEIGHTS: Final = (0.6, 0.5, 0.7, 0.4, 0.8, 0.9)
"""Of the price beside the quantity, where both add up; the first is believed of somebody who
has hardly spoken."""

LIMITS: Final = (0.0, 0.2, 0.4)
"""Where on the grid its limit may be, where margin and quantity multiply."""

ENOUGH: Final = 4
"""Different offers that a guess needs."""

MOST: Final = 40
"""Offers that a guess looks at, the latest."""


@dataclass(frozen=True, slots=True)
class Taste:
    """One law of what the counterparty likes.

    Attributes:
        sign: 1 if it likes a high price, -1 if it likes a low one.
        weight: of the price beside the quantity; None if margin and quantity multiply.
        origin: the price that counts as 0, for the sum its first price.
        scale: prices from 0 to 1.
        target: the quantity that it likes best.
        reach: quantities from 1 to 0.
    """

    sign: float
    weight: float | None
    origin: float
    scale: float
    target: float
    reach: float

    def liking(self, price: float, quantity: float) -> float:
        """Return how well it likes an outcome."""
        return self.likings([price], [quantity])[0][0]

    def likings(self, prices: Sequence[float], quantities: Sequence[float]) -> list[list[float]]:
        """Return how well it likes each outcome of two grids: by quantity, then by price."""
        gains = [self.sign * (price - self.origin) / self.scale for price in prices]
        if self.weight is None:
            useful = [min(quantity, self.target) / self.target for quantity in quantities]
            return [[gain * part for gain in gains] for part in useful]
        rest = 1 - self.weight
        gains = [1 + self.weight * gain for gain in gains]
        off = [rest * abs(quantity - self.target) / self.reach for quantity in quantities]
        return [[gain - lost for gain in gains] for lost in off]


def taste(s: Situation, table: Table) -> Taste:
    """Return the law that fits the counterparty's offers best."""
    span = (table.p[-1] - table.p[0]) or 1.0
    reach = (table.q[-1] - table.q[0]) or 1.0
    sign = 1.0 if s.buying else -1.0
    if not s.received:
        origin = table.p[-1] if s.buying else table.p[0]
        return Taste(sign, WEIGHTS[0], origin, span, float(s.target), reach)
    first = s.received[0]
    sums = [Taste(sign, weight, first.p, span, first.q, reach) for weight in WEIGHTS]
    # What was said again tells nothing new.
    offers = [first, *(b for a, b in pairwise(s.received) if (a.p, a.q) != (b.p, b.q))][-MOST:]
    if len({(o.p, o.q) for o in offers}) < ENOUGH:
        return sums[0]
    products = []
    for part in LIMITS:
        limit = table.p[0] + part * span if s.buying else table.p[-1] - part * span
        if (margin := sign * (first.p - limit)) > 0:
            products.append(Taste(sign, None, limit, margin, first.q, reach))
    return min([*sums, *products], key=lambda law: _unrest(law, offers))


def _unrest(law: Taste, offers: Sequence[Spoken]) -> float:
    """Return how much a law makes of the offers going back and forth: 1 for a steady fall."""
    likings = [law.liking(o.p, o.q) for o in offers]
    travelled = sum(abs(b - a) for a, b in pairwise(likings))
    covered = max(likings) - min(likings)
    return travelled / covered if covered > 0 else 1.0
