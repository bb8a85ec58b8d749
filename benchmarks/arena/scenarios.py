"""Scenarios between a buyer and a seller, drawn at random.

Rules of the room:

- A scenario follows from its seed and its ranges alone.
- `TUNED` is what the policy and the model were fitted on, `HELD_OUT` what they are judged on:
  other seeds, and other grids, limits, targets, deadlines and shapes of utility.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Utility = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Ranges:
    """From where a scenario is drawn."""

    prices: tuple[int, int] = (10, 40)
    quantities: tuple[int, int] = (5, 20)
    deadline: tuple[int, int] = (20, 100)
    seller_limit: tuple[float, float] = (-0.10, 0.30)
    buyer_limit: tuple[float, float] = (0.70, 1.10)
    target: tuple[float, float] = (0.3, 1.0)
    additive: float = 0.5
    price_weight: tuple[float, float] = (0.4, 0.8)
    reserved: tuple[float, float] = (0.05, 0.35)
    soft_limit: tuple[float, float] = (0.5, 1.0)
    curved: float = 0.0
    whole_prices: float = 0.5
    price_scale: tuple[float, float] = (2.0, 200.0)


TUNED: Final = Ranges()
HELD_OUT: Final = Ranges(
    prices=(8, 80),
    quantities=(3, 30),
    deadline=(12, 130),
    seller_limit=(-0.15, 0.5),
    buyer_limit=(0.5, 1.15),
    target=(0.15, 1.0),
    price_weight=(0.3, 0.9),
    soft_limit=(0.1, 1.0),
    curved=0.3,
    price_scale=(0.5, 5_000.0),
)


@dataclass(frozen=True, slots=True)
class Side:
    """One party's private numbers.

    Attributes:
        limit: the reservation price.
        target: the quantity that is wanted.
        worth: of each outcome: 0 like no deal, 1 the best.
        reserved: what no deal is worth in the measure that NegMAS's negotiators see.
        plain: whether they see what is worse than no deal on the same scale, and so below 0 if it
            is much worse; otherwise it is drawn together into what is left from 0 to `reserved`.
    """

    buying: bool
    limit: float
    target: float
    worth: dict[tuple[float, float], float]
    reserved: float
    plain: bool = False

    def seen(self) -> dict[tuple[float, float], float]:
        """Return the utility as NegMAS's negotiators see it: at most 1, no deal `reserved`."""
        if self.plain:
            kept = self.reserved
            return {outcome: kept + (1 - kept) * worth for outcome, worth in self.worth.items()}
        low = min(0.0, *self.worth.values())
        return {
            outcome: self.reserved + (1 - self.reserved) * worth
            if worth >= 0
            else self.reserved * (1 - worth / low)
            for outcome, worth in self.worth.items()
        }


@dataclass(frozen=True, slots=True)
class Scenario:
    """What two parties negotiate about."""

    seed: int
    shape: str
    prices: tuple[float, ...]
    quantities: tuple[float, ...]
    deadline: int
    buyer: Side
    seller: Side
    market: float | None

    @property
    def best_product(self) -> tuple[float, float]:
        """Return what both gain at the Nash point."""
        pairs = self.pairs()
        return max(pairs, key=lambda pair: pair[0] * pair[1])

    def pairs(self) -> list[tuple[float, float]]:
        """Return what both gain in each outcome that neither loses in; (0, 0) is among them."""
        return [(0.0, 0.0)] + [
            (worth, self.seller.worth[outcome])
            for outcome, worth in self.buyer.worth.items()
            if worth >= 0 and self.seller.worth[outcome] >= 0
        ]


def draw(seed: int, ranges: Ranges = TUNED) -> Scenario:
    """Return the scenario of a seed: always the same."""
    while True:
        scenario = _draw(seed, ranges)
        if any(mine > 0 and theirs > 0 for mine, theirs in scenario.pairs()):
            return scenario
        seed += 1_000_003


def _draw(seed: int, ranges: Ranges) -> Scenario:
    rng = random.Random(seed)
    n_prices, n_quantities = rng.randint(*ranges.prices), rng.randint(*ranges.quantities)
    low = rng.uniform(*ranges.price_scale)
    if rng.random() < ranges.whole_prices:
        first, step = round(low), max(1, round(low * rng.uniform(0.01, 0.08)))
        prices = tuple(float(first + step * i) for i in range(n_prices))
    else:
        width = low * rng.uniform(0.3, 2.0)
        prices = tuple(round(low + width * i / (n_prices - 1), 4) for i in range(n_prices))
    unit = rng.choice([1, 5, 10, 50, 100])
    quantities = tuple(float(unit * (i + 1)) for i in range(n_quantities))
    span = prices[-1] - prices[0]
    seller_limit = max(0.0, prices[0] + span * rng.uniform(*ranges.seller_limit))
    buyer_limit = prices[0] + span * rng.uniform(*ranges.buyer_limit)
    top = quantities[-1]
    targets = [
        min(quantities, key=lambda q: abs(q - goal))
        for goal in (top * rng.uniform(*ranges.target) for _ in range(2))
    ]
    shape = "additive" if rng.random() < ranges.additive else "surplus"
    reserved = rng.uniform(*ranges.reserved)
    sides = []
    for buying, limit, target in (
        (True, buyer_limit, targets[0]),
        (False, seller_limit, targets[1]),
    ):
        if shape == "additive":
            utility = _additive(buying, limit, target, prices, quantities, rng, ranges)
            kept = reserved
        else:
            utility = _surplus(buying, limit, target, rng, ranges)
            kept = reserved if rng.random() < 0.5 else 0.0
        worth = _normalised(utility, prices, quantities)
        if not kept:
            # Nothing is worse than no deal to somebody who sees no deal as 0 and nothing below.
            worth = {outcome: max(0.0, value) for outcome, value in worth.items()}
        sides.append(Side(buying, round(max(limit, 0.0), 4), target, worth, kept))
    middle = (seller_limit + buyer_limit) / 2 + span * rng.gauss(0, 0.08)
    market = None if rng.random() < 0.3 else round(max(prices[0], middle), 4)
    return Scenario(
        seed, shape, prices, quantities, rng.randint(*ranges.deadline), sides[0], sides[1], market
    )


def _surplus(
    buying: bool, limit: float, target: float, rng: random.Random, ranges: Ranges
) -> Utility:
    excess = rng.choice([0.0, 0.5, 1.0])
    bend = rng.uniform(0.6, 1.6) if rng.random() < ranges.curved else 1.0

    def utility(price: float, quantity: float) -> float:
        margin = limit - price if buying else price - limit
        useful = min(quantity, target) - excess * max(0.0, quantity - target)
        if margin <= 0 or useful <= 0:
            return -abs(margin * useful)
        return float(margin * useful**bend)

    return utility


def _additive(
    buying: bool,
    limit: float,
    target: float,
    prices: tuple[float, ...],
    quantities: tuple[float, ...],
    rng: random.Random,
    ranges: Ranges,
) -> Utility:
    weight = rng.uniform(*ranges.price_weight)
    bend = rng.uniform(0.6, 1.6) if rng.random() < ranges.curved else 1.0
    reach = max(target - quantities[0], quantities[-1] - target) or 1.0
    best = prices[0] if buying else prices[-1]
    # What no deal is worth: the limit with the wanted quantity, or less, so that quantity makes
    # up for a price beyond the limit.
    reserved = (1 - weight) * rng.choice([1.0, 1.0, rng.uniform(*ranges.soft_limit)])

    def utility(price: float, quantity: float) -> float:
        gain = (limit - price) / ((limit - best) or 1.0)
        gain = gain**bend if gain > 0 else gain
        fit = 1 - abs(quantity - target) / reach
        return float(weight * gain + (1 - weight) * fit - reserved)

    return utility


def _normalised(
    utility: Utility, prices: tuple[float, ...], quantities: tuple[float, ...]
) -> dict[tuple[float, float], float]:
    raw = {(p, q): utility(p, q) for p in prices for q in quantities}
    best = max(raw.values())
    if best <= 0:
        return dict.fromkeys(raw, -1.0)
    return {outcome: value / best for outcome, value in raw.items()}
