"""What the counterparty's own offers tell: what it likes, and whether it goes by the clock.

Rules of the room:

- What it likes is one of a few simple laws; the one under which its offers give ground most
  steadily is believed.
- Its first offer is what it likes best: 1. What it likes less is worth less, without bound.
- Where it will end is said only of one that plainly follows a law of time; of nobody else is
  anything foretold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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

PLAIN: Final = 0.03
"""Of the ground that it has given: who is off a law of time by no more plainly follows it."""

POWERS: Final = (0.8, 10.0)
"""Of a law of time. Who gives most of its ground earlier has shown where it ends; who gives all of
it later may mean anything."""

TICKS: Final = 10
"""Latest offers that a law of time is fitted to, and as many of those before."""

PARTS: Final = (-0.2, 0.0, 0.2, 0.4, 0.6)
"""Of the grid of prices, where its limit is looked for first."""

SHARES: Final = (0.8, 0.6, 0.4)
"""Of the quantity of its first offer that it may want."""

FINER: Final = (0.1, 0.05, 0.025)
"""Steps in which a weight or a limit is looked for, after the coarse ones."""


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
        excess: what a unit above the target costs it, as a part of one that is missing.
    """

    sign: float
    weight: float | None
    origin: float
    scale: float
    target: float
    reach: float
    excess: float

    def liking(self, price: float, quantity: float) -> float:
        """Return how well it likes an outcome."""
        return self._gain(price) * self._part(quantity) - self._lost(quantity)

    def likings(self, prices: Sequence[float], quantities: Sequence[float]) -> list[list[float]]:
        """Return how well it likes each outcome of two grids: by quantity, then by price."""
        gains = [self._gain(price) for price in prices]
        found = []
        for quantity in quantities:
            part, lost = self._part(quantity), self._lost(quantity)
            found.append([gain * part - lost for gain in gains])
        return found

    def _gain(self, price: float) -> float:
        gain = self.sign * (price - self.origin) / self.scale
        return gain if self.weight is None else 1 + self.weight * gain

    def _part(self, quantity: float) -> float:
        if self.weight is not None:
            return 1.0
        over = quantity - self.target
        return (quantity if over <= 0 else max(0.0, self.target - self.excess * over)) / self.target

    def _lost(self, quantity: float) -> float:
        if self.weight is None:
            return 0.0
        over = quantity - self.target
        return (1 - self.weight) * (self.excess * over if over > 0 else -over) / self.reach


@dataclass(frozen=True, slots=True)
class Clock:
    """A law of time: by a time, it has given ground of `depth` times that time to the `power`.

    Attributes:
        depth: the ground it has given when the time is over.
        power: 1 is steadily, above it late, below it early.
        spread: how far its offers lie off the law, as a part of the ground it has given.
    """

    depth: float
    power: float
    spread: float

    def liking(self, time: float) -> float:
        """Return how well it likes what it asks for at a time."""
        return 1 - self.depth * float(time**self.power)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the counterparty's offers tell.

    Attributes:
        law: what it likes.
        clock: the law of time that it plainly follows; None if it does not.
    """

    law: Taste
    clock: Clock | None


def read(s: Situation, table: Table) -> Reading:
    """Return what the counterparty's offers tell."""
    span = (table.p[-1] - table.p[0]) or 1.0
    reach = (table.q[-1] - table.q[0]) or 1.0
    sign = 1.0 if s.buying else -1.0
    if not s.received:
        origin = table.p[-1] if s.buying else table.p[0]
        return Reading(Taste(sign, WEIGHTS[0], origin, span, float(s.target), reach, 1.0), None)
    first = s.received[0]
    start = table.p[0] if s.buying else table.p[-1]

    def summed(weight: float, excess: float = 1.0, share: float = 1.0) -> Taste:
        return Taste(sign, weight, first.p, span, share * first.q, reach, excess)

    def multiplied(part: float, excess: float = 0.0, share: float = 1.0) -> Taste:
        limit = start + sign * part * span
        return Taste(sign, None, limit, sign * (first.p - limit), share * first.q, reach, excess)

    # What was said again tells nothing new.
    offers = [first, *(b for a, b in pairwise(s.received) if (a.p, a.q) != (b.p, b.q))][-MOST:]
    if len({(o.p, o.q) for o in offers}) < ENOUGH:
        return Reading(summed(WEIGHTS[0]), None)
    found = _timed(s, summed, multiplied)
    if found is not None:
        return found
    laws = [*map(summed, WEIGHTS), *filter(_sound, map(multiplied, LIMITS))]
    return Reading(min(laws, key=lambda law: _unrest(law, offers)), None)


def _sound(law: Taste) -> bool:
    return law.scale > 0


def _timed(
    s: Situation, summed: Callable[..., Taste], multiplied: Callable[..., Taste]
) -> Reading | None:
    """Return the taste and the law of time that its offers plainly follow, if they do.

    A coarse look at all kinds of taste, and a finer one around the best.
    """
    ticks = _ticks(s)
    if len(ticks) < ENOUGH:
        return None
    best: tuple[float, Clock, Taste] | None = None
    around: tuple[Callable[..., Taste], float, float, float] | None = None

    def look(make: Callable[..., Taste], number: float, excess: float, share: float = 1.0) -> None:
        nonlocal best, around
        law = make(number, excess, share)
        clock = _clock(law, ticks) if _sound(law) else None
        if clock is not None and (best is None or clock.spread < best[0]):
            best, around = (clock.spread, clock, law), (make, number, excess, share)

    for excess in (1.0, 0.0):
        for weight in (0.3, 0.5, 0.7, 0.9):
            look(summed, weight, excess)
        for part in PARTS:
            look(multiplied, part, excess)
    # Whom too much costs nothing may have begun with more than it wants.
    for part in PARTS:
        for share in SHARES:
            look(multiplied, part, 0.0, share)
    for step in FINER:
        if around is not None:
            make, number, excess, share = around
            for other in (number - step, number + step):
                if make is multiplied or 0 < other <= 1:
                    look(make, other, excess, share)
            if share < 1:
                look(make, number, excess, share - step / 2)
                look(make, number, excess, share + step / 2)
    if best is None or best[0] > PLAIN:
        return None
    return Reading(best[2], best[1])


def _ticks(s: Situation) -> list[tuple[float, Spoken]]:
    """Return its offers with the logarithm of their time: the latest, and some of those before."""
    # It speaks once in a round; counted back from now, for old rounds may be missing.
    missing = (s.round - 1 if s.first else s.round) - len(s.received)
    timed = [
        (math.log((missing + number) / (s.rounds + 1)), offer)
        for number, offer in enumerate(s.received, 1)
        if missing + number > 0
    ]
    before = timed[:-TICKS]
    return before[:: max(1, math.ceil(len(before) / TICKS))] + timed[-TICKS:]


def _clock(law: Taste, ticks: Sequence[tuple[float, Spoken]]) -> Clock | None:
    """Return the law of time that fits best under a taste, if it gives ground at all.

    Least squares of the logarithms, weighted so that they are nearly those of the ground itself.
    """
    given = [(x, 1 - law.liking(o.p, o.q)) for x, o in ticks]
    total = sum_x = sum_l = sum_xx = sum_xl = 0.0
    for x, y in given:
        if y > 0.01:
            weight, log = y * y, math.log(y)
            total += weight
            sum_x += weight * x
            sum_l += weight * log
            sum_xx += weight * x * x
            sum_xl += weight * x * log
    bend = sum_xx * total - sum_x * sum_x
    if bend <= 1e-12:
        return None
    power = (sum_xl * total - sum_x * sum_l) / bend
    if not POWERS[0] <= power <= POWERS[1]:
        return None
    depth = math.exp((sum_l - power * sum_x) / total)
    off = sum((y - depth * math.exp(power * x)) ** 2 for x, y in given) / len(given)
    return Clock(depth, power, math.sqrt(off) / max(y for _, y in given))


def _unrest(law: Taste, offers: Sequence[Spoken]) -> float:
    """Return how much a law makes of the offers going back and forth: 1 for a steady fall."""
    likings = [law.liking(o.p, o.q) for o in offers]
    travelled = sum(abs(b - a) for a, b in pairwise(likings))
    covered = max(likings) - min(likings)
    return travelled / covered if covered > 0 else 1.0
