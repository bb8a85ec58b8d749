"""Contestants, measured in turns: the one way in which anything here is timed.

Rules of the room:

- Contestants that are compared take their turns in the same run. Each round begins at another
  one and goes on in an order of its own, so that a busy minute of the machine meets them all.
- What a contestant needs before or after its turn is not timed.
- A figure is a median over rounds, with the minimum and the quartiles beside it. A ratio is one
  of two medians, with the interval that a bootstrap over the rounds gives: figures differ from
  machine to machine, ratios much less.
- The first turn of each is thrown away.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Sample = Mapping[str, float]
"""What one turn gives: figures by their names, such as `ms`."""

MS: Final = "ms"
RESAMPLES: Final = 1000
LEAST_ROUNDS: Final = 3


def nothing() -> None:
    """Do nothing: for turns that need no preparation."""


@dataclass(frozen=True)
class Contestant:
    """One of those that are compared.

    Attributes:
        name: how its figures are called.
        turn: does it once, and returns its figures.
        every: takes part in each so many rounds; for those that are slow.
    """

    name: str
    turn: Callable[[], Sample]
    every: int = 1


def timed(
    name: str,
    call: Callable[[], object],
    *,
    before: Callable[[], object] = nothing,
    after: Callable[[], object] = nothing,
    repeat: int = 1,
    every: int = 1,
) -> Contestant:
    """Return a contestant whose figure is how long a call takes, in milliseconds.

    Args:
        name: how it is called.
        call: what is timed.
        before: prepares it; not timed.
        after: cleans up or checks; not timed.
        repeat: calls in one turn, of which the mean counts; for what takes microseconds.
        every: see `Contestant`.
    """

    def turn() -> Sample:
        before()
        began = time.perf_counter_ns()
        for _ in range(repeat):
            call()
        took = time.perf_counter_ns() - began
        after()
        return {MS: took / repeat / 1e6}

    return Contestant(name, turn, every)


def in_turns(
    contestants: Sequence[Contestant],
    *,
    rounds: int,
    budget_s: float = float("inf"),
    seed: int = 1,
) -> dict[str, dict[str, list[float]]]:
    """Let the contestants take their turns; return the samples by contestant and figure.

    Args:
        contestants: who takes part.
        rounds: how many there are, besides the first one, which does not count.
        budget_s: seconds after which no further round begins; `LEAST_ROUNDS` are made in any case.
        seed: of the order.
    """
    chance = random.Random(seed)
    samples: dict[str, dict[str, list[float]]] = {one.name: {} for one in contestants}
    # What was made before stays: nobody's turn pays for looking through it.
    gc.collect()
    gc.freeze()
    until = time.monotonic() + budget_s
    for number in range(-1, rounds):
        if number >= LEAST_ROUNDS and time.monotonic() > until:
            break
        # The slow ones meet in the same rounds: in the first, and in each so many after it.
        due = [one for one in contestants if number < 0 or number % one.every == 0]
        for one in chance.sample(due, len(due)):
            gc.collect()
            gc.disable()
            try:
                figures = one.turn()
            finally:
                gc.enable()
            if number >= 0:
                for figure, value in figures.items():
                    samples[one.name].setdefault(figure, []).append(value)
    gc.unfreeze()
    return samples


@dataclass(frozen=True)
class Summary:
    """What is said of one figure of one contestant.

    Attributes:
        median: over the rounds.
        least: the smallest.
        low: the first quartile.
        high: the third quartile.
        rounds: how many there were.
    """

    median: float
    least: float
    low: float
    high: float
    rounds: int


def summary(values: Sequence[float]) -> Summary:
    """Return what is said of these samples."""
    if len(values) < 2:
        low = high = values[0]
    else:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(statistics.median(values), min(values), low, high, len(values))


@dataclass(frozen=True)
class Ratio:
    """How one contestant's median relates to another's.

    Attributes:
        value: the ratio of the medians.
        low: where the interval that holds 95 % of the resampled ratios begins.
        high: where it ends.
    """

    value: float
    low: float
    high: float


def ratio(ones: Sequence[float], others: Sequence[float], *, seed: int = 1) -> Ratio:
    """Return the ratio of the median of `ones` to that of `others`."""
    chance = random.Random(seed)

    def resampled(values: Sequence[float]) -> float:
        return statistics.median(chance.choices(values, k=len(values)))

    found = sorted(resampled(ones) / resampled(others) for _ in range(RESAMPLES))
    value = statistics.median(ones) / statistics.median(others)
    return Ratio(value, found[round(0.025 * RESAMPLES)], found[round(0.975 * RESAMPLES) - 1])


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
