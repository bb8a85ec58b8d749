"""Scenarios between a buyer and a seller, in another hand than `scenarios`.

Rules of the room:

- The same kind of scenario, written down in the plainest way and independently: other grids, other
  limits, other meanings of "additive" and of "no deal". What holds in one generator only is no
  finding.
- What negotiators see is the plain utility: below no deal it goes on falling, into negative numbers
  where it does, except where a shape says otherwise.
"""

from __future__ import annotations

import random
from typing import Final

from benchmarks.arena.scenarios import Scenario, Side, Utility

SHAPES: Final = (
    "surplus, not below 0",
    "surplus",
    "surplus, no deal worth something",
    "additive, no deal worth 0",
    "additive, no deal near the limit",
    "additive, no deal at random",
    "additive, no deal far below the limit",
)
"""By seed, in turns."""


def draw(seed: int) -> Scenario:
    """Return the scenario of a seed: always the same."""
    while True:
        scenario = _draw(seed)
        if any(mine > 0 and theirs > 0 for mine, theirs in scenario.pairs()):
            return scenario
        seed += 1_000_003


def _draw(seed: int) -> Scenario:
    rng = random.Random(seed)
    shape = SHAPES[seed % len(SHAPES)]
    n_prices, n_quantities = rng.randint(11, 51), rng.randint(5, 21)
    low = rng.choice([1, 5, 10, 50, 100])
    high = low * rng.uniform(1.5, 3)
    span = high - low
    prices = tuple(round(low + span * i / (n_prices - 1), 2) for i in range(n_prices))
    unit = rng.choice([1, 10, 100])
    quantities = tuple(float(unit * (i + 1)) for i in range(n_quantities))
    if rng.random() < 0.5:
        least, most = low + span * rng.uniform(0.0, 0.4), low + span * rng.uniform(0.6, 1.0)
    else:
        middle, half = rng.uniform(0.3, 0.7), rng.uniform(0.08, 0.3)
        least, most = low + span * max(0, middle - half), low + span * min(1, middle + half)
    wanted = quantities[n_quantities // 3 :]
    targets = rng.choice(wanted), rng.choice(wanted)
    excess = rng.choice([0.0, 0.0, 0.5])
    by_chance = rng.uniform(0.1, 0.4)
    sides = []
    for buying, limit, target in zip((True, False), (most, least), targets, strict=True):
        weight = rng.uniform(0.3, 0.7)
        if shape.startswith("surplus"):
            utility, no_deal = _surplus(buying, limit, target, excess), 0.0
        else:
            utility = _additive(buying, weight, target, prices, quantities)
            no_deal = {
                SHAPES[3]: 0.0,
                SHAPES[4]: utility(limit, target) * rng.uniform(0.7, 1),
                SHAPES[5]: by_chance,
                SHAPES[6]: utility(limit, quantities[0]),
            }[shape]
        raw = {(p, q): utility(p, q) for p in prices for q in quantities}
        sides.append(_side(shape, buying, limit, target, raw, no_deal, by_chance))
    market = None
    if rng.random() >= 0.3:
        market = (least + most) / 2 + span * rng.gauss(0, 0.05)
    return Scenario(
        seed, shape, prices, quantities, rng.randint(20, 100), sides[0], sides[1], market
    )


def _side(
    shape: str,
    buying: bool,
    limit: float,
    target: float,
    raw: dict[tuple[float, float], float],
    no_deal: float,
    by_chance: float,
) -> Side:
    best = max(raw.values())
    if best - no_deal <= 1e-9:
        return Side(buying, limit, target, dict.fromkeys(raw, -1.0), 0.0, plain=True)
    worth = {outcome: (value - no_deal) / (best - no_deal) for outcome, value in raw.items()}
    if shape == SHAPES[0]:
        worth = {outcome: max(0.0, value) for outcome, value in worth.items()}
    if shape == SHAPES[2]:
        return Side(buying, limit, target, worth, by_chance)
    return Side(buying, limit, target, worth, no_deal / best, plain=True)


def _surplus(buying: bool, limit: float, target: float, excess: float) -> Utility:
    def utility(price: float, quantity: float) -> float:
        margin = limit - price if buying else price - limit
        useful = min(quantity, target) - excess * max(0.0, quantity - target)
        return margin * max(0.0, useful)

    return utility


def _additive(
    buying: bool,
    weight: float,
    target: float,
    prices: tuple[float, ...],
    quantities: tuple[float, ...],
) -> Utility:
    low, high = prices[0], prices[-1]
    reach = max(target - quantities[0], quantities[-1] - target) or 1.0

    def utility(price: float, quantity: float) -> float:
        gain = (high - price if buying else price - low) / (high - low)
        return weight * gain + (1 - weight) * (1 - abs(quantity - target) / reach)

    return utility
