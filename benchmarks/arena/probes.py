"""Probe offers: what the counterparty accepts and what not, beside what the model says.

A probing game is played as the advisor would, but for one own offer in a few, which is drawn at
random instead: from the whole grid, from what is worth a random part of the best to oneself or
to the other, or what the advisor suggests. Whether the other accepts it is seen in the game itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.arena import games
from benchmarks.arena.scenarios import Scenario
from nom_negotiate.advisor import acceptance, policy
from nom_negotiate.advisor.counterparty import read
from nom_negotiate.advisor.situation import understand
from nom_negotiate.advisor.utility import table

SHARES: Final = (0.12, 0.12, 0.12, 0.5)
"""Of one's own offers that are drawn at random; by game, for what they have heard of us is part of
what the model looks at."""


@dataclass(slots=True)
class Probe:
    """One probe: what the model looks at, what it says, how it was drawn, and what came of it."""

    features: dict[str, float]
    said: float
    kind: str
    accepted: bool = False


class Prober(games.Advised):
    """Play as the advisor says, and make a random offer now and then."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.probes: list[Probe] = []
        self.probed_last = False
        self.rng = random.Random(random.random())
        self.share = self.rng.choice(SHARES)

    def suggestion(self, state: Any) -> tuple[str, Any, Any]:
        """Return what to do: as the advisor says, or a probe."""
        last = self.scenario.deadline - 1 if self.first else self.scenario.deadline - 2
        late = state.step >= last - 3 and self.rng.random() < 0.3
        if state.step > last or not (late or self.rng.random() < self.share):
            self.probed_last = False
            return super().suggestion(state)
        self.probed_last = True
        positional, named = self.arguments(state)
        situation = understand(*positional, **named)
        worths = table(situation)
        kind, (price, quantity) = self._drawn(situation, worths)
        reading = read(situation, worths)
        named_features = acceptance.features(situation, worths, reading, price, quantity)
        try:
            said = acceptance.probability(situation, worths, price, quantity, reading)
        except KeyError:  # while there are no weights for these features yet
            said = 0.5
        self.probes.append(Probe(named_features, said, kind))
        return "counter", price, quantity

    def _drawn(self, situation: Any, worths: Any) -> tuple[str, tuple[float, float]]:
        lot = self.rng.random()
        worth = self.side.worth
        if lot < 0.35:
            return "anything", self.rng.choice(list(worth))
        if lot < 0.55:
            goal = self.rng.random()
            return "good for us", self.rng.choice([o for o, w in worth.items() if w >= goal])
        if lot < 0.85:
            goal = self.rng.random()
            theirs = (self.scenario.seller if self.side.buying else self.scenario.buyer).worth
            drawn = self.rng.sample(list(theirs), min(20, len(theirs)))
            return "good for them", min(drawn, key=lambda o: abs(theirs[o] - goal))
        decision = policy.decide(situation, worths)
        if decision.action != "counter":
            return "anything", self.rng.choice(list(worth))
        return "advised", (decision.price, decision.quantity)


def gather(
    opponents: list[str], scenarios: int, draw: Callable[[int], Scenario], seed: int
) -> list[Probe]:
    """Play against each opponent and return all probes."""
    found: list[Probe] = []
    for index in range(scenarios):
        scenario = draw(seed + index)
        for number, name in enumerate(opponents):
            seats: list[Prober] = []

            def seat(*args: Any, _seats: list[Prober] = seats, **kwargs: Any) -> Prober:
                _seats.append(Prober(*args, **kwargs))
                return _seats[0]

            played = games.play(
                scenario,
                games.ADVISOR,
                name,
                buying=(index + number) % 2 == 0,
                first=(index + number) // 2 % 2 == 0,
                seed=seed + 101 * index + number,
                advised=seat,  # type: ignore[arg-type]
            )
            prober = seats[0]
            mine = prober.history[-1] if prober.history else None
            if played.agreement and mine and mine["by"] == "own" and prober.probed_last:
                prober.probes[-1].accepted = True
            found += prober.probes
    return found
