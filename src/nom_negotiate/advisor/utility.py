"""What an outcome is worth to oneself: 0 like no deal, 1 the best that the grids allow.

Rules of the room:

- A utility that the caller gives is believed for every outcome that it can judge; one that
  it cannot judge (it raises, or gives no finite number) is never agreed to.
- Without one, the worth of a deal is margin times useful quantity: `Surplus`.
"""

from __future__ import annotations

import functools
import math
import operator
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Final

from nom_negotiate.advisor.numbers import like
from nom_negotiate.advisor.situation import OwnUtility, Situation

MOST_OUTCOMES: Final = 1_200
"""How many outcomes are looked at; a larger grid is thinned out."""

SPOTS: Final = 12
"""Outcomes by which a utility is known again."""

NEVER: Final = -math.inf
"""The worth of an outcome that nobody can judge."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """Margin times useful quantity.

    Of a quantity up to the target everything is useful. Each unit that is missing costs
    `shortfall`, and each above the target `excess`, as parts of a useful unit.

    Attributes:
        buying: whether a lower price is the better one.
        limit: the reservation price, at which a deal is worth nothing.
        target: the quantity that one wants.
        shortfall: what a missing unit costs, 0 or more.
        excess: what a unit too many costs, 0 or more.
    """

    buying: bool
    limit: float
    target: float
    shortfall: float = 0.0
    excess: float = 1.0

    def __call__(self, price: Any, quantity: Any) -> float:
        """Return the surplus, negative beyond the limit."""
        p, q = float(price), float(quantity)
        margin = self.limit - p if self.buying else p - self.limit
        useful = min(q, self.target)
        useful -= self.shortfall * max(0.0, self.target - q)
        useful -= self.excess * max(0.0, q - self.target)
        worth = margin * useful
        return -abs(worth) if margin < 0 or useful < 0 else worth


class Table:
    """The worth of all outcomes of the grids, normalised.

    Attributes:
        prices: ascending, as the caller gave them; `p` are their floats.
        quantities: ascending, as the caller gave them; `q` are their floats.
        worth: by quantity, then by price.
        best: what 1 stands for, in the caller's own measure; 0 if no outcome beats no deal.
    """

    __slots__ = ("_utility", "best", "p", "prices", "q", "quantities", "worth")

    def __init__(
        self, utility: OwnUtility, prices: tuple[Any, ...], quantities: tuple[Any, ...]
    ) -> None:
        self.prices, self.quantities = prices, quantities
        self.p = [float(price) for price in prices]
        self.q = [float(quantity) for quantity in quantities]
        utility = self._utility = _two_armed(utility)
        raw = [[_judge(utility, price, quantity) for price in prices] for quantity in quantities]
        self.best = max(0.0, max(map(max, raw)))
        scale = self.best or 1.0
        self.worth = [[value / scale for value in row] for row in raw]

    def of(self, price: Any, quantity: Any) -> float:
        """Return the worth of any outcome, on the grids or not."""
        i = nearest(self.p, float(price))
        j = nearest(self.q, float(quantity))
        if same(self.p[i], float(price)) and same(self.q[j], float(quantity)):
            return self.worth[j][i]
        value = _judge(
            self._utility, like(price, self.prices[i]), like(quantity, self.quantities[j])
        )
        return value / (self.best or 1.0)


def table(situation: Situation) -> Table:
    """Return the worth of all outcomes; computed once for equal arguments."""
    s = situation
    per_price, per_quantity = _shares(len(s.prices), len(s.quantities))
    prices = thinned(s.prices, per_price, float(s.limit))
    quantities = thinned(s.quantities, per_quantity, float(s.target))
    utility = s.own_utility or Surplus(s.buying, float(s.limit), float(s.target))
    # Whoever reuses an object for another negotiation gets other answers here.
    ask = _two_armed(utility)
    spots = tuple(_judge(ask, price, quantity) for price, quantity in _spots(prices, quantities))
    try:
        return _table(_Asked(utility), spots, prices, quantities)
    except TypeError:  # a callable that cannot be hashed
        return Table(utility, prices, quantities)


@functools.lru_cache(maxsize=32)
def _table(
    asked: _Asked, _spots: tuple[float, ...], prices: tuple[Any, ...], quantities: tuple[Any, ...]
) -> Table:
    return Table(asked.utility, prices, quantities)


def _spots(prices: Sequence[Any], quantities: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield a few outcomes from all over the grids."""
    for step in range(SPOTS):
        yield (
            prices[step * (len(prices) - 1) // (SPOTS - 1)],
            quantities[step * 5 % SPOTS * (len(quantities) - 1) // (SPOTS - 1)],
        )


class _Asked:
    """A utility, equal to another one that is the same function of the same things.

    A lambda that is written where it is handed over is a new one each time.
    """

    __slots__ = ("_made_of", "utility")

    def __init__(self, utility: OwnUtility) -> None:
        self.utility = utility
        self._made_of: tuple[object, ...] | None = None
        if isinstance(utility, FunctionType) and not utility.__kwdefaults__:
            try:
                cells = [cell.cell_contents for cell in utility.__closure__ or ()]
            except ValueError:  # one of them is not set yet
                return
            self._made_of = (utility.__code__, *cells, *(utility.__defaults__ or ()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Asked):
            return NotImplemented
        if self._made_of is None or other._made_of is None:
            return bool(self.utility == other.utility)
        return len(self._made_of) == len(other._made_of) and all(
            map(operator.is_, self._made_of, other._made_of)
        )

    def __hash__(self) -> int:
        if self._made_of is None:
            return hash(self.utility)
        return hash(tuple(map(id, self._made_of)))


def _two_armed(utility: OwnUtility) -> OwnUtility:
    # A utility function of NegMAS takes one outcome, and says itself what no deal is worth.
    no_deal = getattr(utility, "reserved_value", None)
    if no_deal is None:
        return utility
    reserved = float(no_deal)
    return lambda p, q: float(utility((p, q))) - reserved  # type: ignore[call-arg]


def _judge(utility: OwnUtility, price: Any, quantity: Any) -> float:
    # Whatever a caller's function does at an outcome that it does not know (a table raises
    # KeyError, a root ValueError): not knowing is the answer.
    try:
        value = float(utility(price, quantity))
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return NEVER
    return value if math.isfinite(value) else NEVER


def _shares(prices: int, quantities: int) -> tuple[int, int]:
    if prices * quantities <= MOST_OUTCOMES:
        return prices, quantities
    quantities = min(quantities, max(25, MOST_OUTCOMES // prices))
    return min(prices, MOST_OUTCOMES // quantities), quantities


def thinned(values: tuple[Any, ...], most: int, keep: float) -> tuple[Any, ...]:
    """Return about `most` of `values`, evenly, with both ends and what is nearest to `keep`."""
    if len(values) <= most:
        return values
    plain = [float(value) for value in values]
    last = len(values) - 1
    chosen = {round(index * last / (most - 1)) for index in range(most)}
    chosen.add(nearest(plain, keep))
    return tuple(values[index] for index in sorted(chosen))


def nearest(ascending: Sequence[float], number: float) -> int:
    """Return the index of the value nearest to `number`; of two, the lower."""
    index = bisect_left(ascending, number)
    if index == len(ascending) or (
        index > 0 and number - ascending[index - 1] <= ascending[index] - number
    ):
        index -= 1
    return index


def same(one: float, other: float) -> bool:
    """Return whether two numbers are one, whatever types they have come through."""
    return math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
