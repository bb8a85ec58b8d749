"""The contest: everybody plays the same games in the same seat, and what is made of it.

Rules of the room:

- A *game* is a scenario, a counterparty, a role and who moves first. All contestants play all
  games, so that a comparison is paired; the interval of a ratio resamples scenarios, for the
  games of one scenario are not independent.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, quantiles
from typing import Final

from benchmarks.arena.games import Played, play
from benchmarks.arena.scenarios import Scenario

RESAMPLES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Game:
    """One game without the contestant."""

    index: int
    scenario: Scenario
    other: str
    buying: bool
    first: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What one contestant made of all games.

    Attributes:
        advantages: (u - reserved) / (max - reserved), 0 without a deal; by game.
        agreed: the part of the games that ended in a deal.
        welfare: the mean of what both gained together.
        nash: the mean distance to the Nash point, over games.
        below: deals below no deal.
        seconds: of each call of the advisor.
    """

    advantages: list[float]
    agreed: float
    welfare: float
    nash: float
    below: int
    seconds: list[float]

    @property
    def mean(self) -> float:
        """Return the mean advantage."""
        return mean(self.advantages)


def games(
    others: Sequence[str], scenarios: int, draw: Callable[[int], Scenario], seed: int
) -> Iterator[Game]:
    """Yield the games: each counterparty in each scenario, roles and first moves in turns."""
    for index in range(scenarios):
        scenario = draw(seed + index)
        for number, other in enumerate(others):
            turn = index + number
            yield Game(
                index,
                scenario,
                other,
                buying=turn % 2 == 0,
                first=turn // 2 % 2 == 0,
                seed=seed + 1_009 * index + number,
            )


def contend(name: str, contest: Sequence[Game]) -> Standing:
    """Let one contestant play all games."""
    played = [_played(name, game) for game in contest]
    distances = []
    for result, game in zip(played, contest, strict=True):
        buyer, seller = game.scenario.best_product
        mine, theirs = (buyer, seller) if game.buying else (seller, buyer)
        distances.append(((result.mine - mine) ** 2 + (result.theirs - theirs) ** 2) ** 0.5)
    return Standing(
        advantages=[result.mine for result in played],
        agreed=mean(result.agreement is not None for result in played),
        welfare=mean(result.mine + result.theirs for result in played),
        nash=mean(distances),
        below=sum(result.mine < -1e-9 for result in played),
        seconds=[second for result in played for second in result.seconds],
    )


def _played(name: str, game: Game) -> Played:
    return play(
        game.scenario, name, game.other, buying=game.buying, first=game.first, seed=game.seed
    )


def ratio(
    ours: Standing,
    other: Standing,
    contest: Sequence[Game],
    counts: Callable[[str], bool] = lambda other: True,
) -> tuple[float, float, float] | None:
    """Return how many times the other's mean advantage ours is, with the 95 % interval.

    None where the other gained nothing, in sum or in a sample of the scenarios: there is no ratio.

    Args:
        ours: what we made of the games.
        other: what it made of them.
        contest: the games.
        counts: whether games against a counterparty of this name count.
    """
    blocks: dict[int, tuple[float, float]] = {}
    for game, mine, its in zip(contest, ours.advantages, other.advantages, strict=True):
        if not counts(game.other):
            continue
        before = blocks.get(game.index, (0.0, 0.0))
        blocks[game.index] = (before[0] + mine, before[1] + its)
    sums = list(blocks.values())
    if sum(its for _, its in sums) <= 0:
        return None
    rng = random.Random(1)
    found = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(sums, k=len(sums))
        its = sum(b for _, b in drawn)
        if its <= 0:
            return None
        found.append(sum(a for a, _ in drawn) / its)
    found.sort()
    return (
        sum(mine for mine, _ in sums) / sum(its for _, its in sums),
        found[int(0.025 * RESAMPLES)],
        found[int(0.975 * RESAMPLES)],
    )


def percentile(values: Sequence[float], hundredth: int) -> float:
    """Return a percentile of at least two values."""
    return quantiles(values, n=100)[hundredth - 1]
