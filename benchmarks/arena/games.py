"""One game: two negotiators, one scenario, NegMAS's alternating offers.

How the two clocks map onto each other: a NegMAS *step* is one of our rounds, in which each
negotiator moves once, so `deadline_rounds` is `n_steps` and `round_no` is `step + 1`. NegMAS's
`relative_time` in a step is (step + 1) / (n_steps + 1), which never reaches 1. Who was added
first moves first in each step: its offer in the last step can still be accepted, the second
mover's cannot.
"""

from __future__ import annotations

import importlib
import random
import time
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from negmas.outcomes import make_issue, make_os
from negmas.preferences import MappingUtilityFunction
from negmas.sao import ResponseType, SAOMechanism, SAONegotiator, SAOResponse

from benchmarks.arena.scenarios import Scenario, Side
from nom_negotiate import advisor

BUILT_IN: Final = {
    "Boulware": ("negmas.sao", "BoulwareTBNegotiator"),
    "Linear": ("negmas.sao", "LinearTBNegotiator"),
    "Conceder": ("negmas.sao", "ConcederTBNegotiator"),
    "TitForTat": ("negmas.sao", "NaiveTitForTatNegotiator"),
    "MiCRO": ("negmas.sao", "MiCRONegotiator"),
}
STRONG: Final = {
    name: ("negmas_genius_agents", name)
    for name in (
        "HardHeaded",
        "Gahboninho",
        "CUHKAgent",
        "OMACAgent",
        "TheFawkes",
        "AgentK",
        "Atlas3",
        "ParsAgent",
        "Caduceus",
        "YXAgent",
        "PonPokoAgent",
        "AgentGG",
    )
}
OTHERS: Final = {
    name: ("negmas_genius_agents", name)
    for name in (
        "NiceTitForTat",
        "IAMhaggler2011",
        "TheNegotiatorReloaded",
        "AgentLG",
        "MetaAgent2013",
        "RandomDance",
        "ParsCat",
        "Rubick",
        "AgentHerb",
        "Agent33",
        "KakeSoba",
        "SAGA",
    )
}
ADVISOR: Final = "advisor"


class Advised(SAONegotiator):  # type: ignore[misc]
    """Play as the advisor says."""

    def __init__(self, *args: Any, scenario: Scenario, side: Side, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scenario, self.side = scenario, side
        self.history: list[dict[str, Any]] = []
        self.seconds: list[float] = []

    def __call__(self, state: Any, dest: str | None = None) -> Any:
        """Answer what is on the table: NegMAS calls it once in each step."""
        offer = state.current_offer
        if offer is not None:
            # A first mover hears in step n what was said in step n - 1.
            self.history.append(self._entry("opponent", offer, state.step + 1 - int(self.first)))
        began = time.perf_counter()
        action, price, quantity = self.suggestion(state)
        self.seconds.append(time.perf_counter() - began)
        if action == "accept":
            return SAOResponse(ResponseType.ACCEPT_OFFER, offer)
        if action == "end":
            return SAOResponse(ResponseType.END_NEGOTIATION, None)
        outcome = (price, quantity)
        self.history.append(self._entry("own", outcome, state.step + 1))
        return SAOResponse(ResponseType.REJECT_OFFER, outcome)

    @property
    def first(self) -> bool:
        """Return whether this one moves first in each step."""
        return bool(self.nmi.negotiator_ids[0] == self.id)

    def arguments(self, state: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what the advisor's functions are called with."""
        s, side = self.scenario, self.side
        return (
            "buyer" if side.buying else "seller",
            list(self.history),
            s.deadline,
            state.step + 1,
            side.limit,
            side.target,
            s.market,
        ), {
            "price_grid": s.prices,
            "quantity_grid": s.quantities,
            "own_utility": self.utility,
        }

    def utility(self, price: float, quantity: float) -> float:
        """Return what an outcome is worth."""
        return self.side.worth[price, quantity]

    def suggestion(self, state: Any) -> tuple[str, Any, Any]:
        """Return what the advisor says."""
        positional, named = self.arguments(state)
        return advisor.suggest(*positional, **named)

    def _entry(self, by: str, offer: Any, round_no: int) -> dict[str, Any]:
        return {"round": round_no, "by": by, "price": offer[0], "quantity": offer[1]}


@dataclass(slots=True)
class Played:
    """What came of one game.

    Attributes:
        mine: the advantage of the seat that is looked at, 0 without a deal.
        theirs: of the other seat.
        seconds: of each call of the advisor.
    """

    mine: float
    theirs: float
    agreement: tuple[float, float] | None
    round: int
    seconds: list[float] = field(default_factory=list)
    trace: list[tuple[int, bool, tuple[float, float]]] = field(default_factory=list)


def play(
    scenario: Scenario,
    me: str,
    other: str,
    *,
    buying: bool,
    first: bool,
    seed: int,
    advised: type[Advised] = Advised,
) -> Played:
    """Play one game; the same arguments give the same game.

    Args:
        scenario: what is negotiated about.
        me: who sits in the seat that is looked at.
        other: who sits opposite.
        buying: whether the seat is the buyer's.
        first: whether the seat moves first.
        seed: of `random` and of numpy: the negotiators use both.
        advised: the class that plays for `advisor`.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    space = make_os(
        [
            make_issue(list(scenario.prices), "price"),
            make_issue(list(scenario.quantities), "quantity"),
        ]
    )
    game = SAOMechanism(outcome_space=space, n_steps=scenario.deadline, sync_calls=True)
    mine = scenario.buyer if buying else scenario.seller
    theirs = scenario.seller if buying else scenario.buyer
    seats = [(me, mine), (other, theirs)]
    players = {}
    for index in (0, 1) if first else (1, 0):
        name, side = seats[index]
        ufun = MappingUtilityFunction(
            side.seen(), outcome_space=space, reserved_value=side.reserved
        )
        players[index] = _negotiator(name, scenario, side, advised)
        game.add(players[index], ufun=ufun)
    game.run()
    deal = game.agreement
    seen = players[0]
    return Played(
        mine=mine.worth[deal] if deal else 0.0,
        theirs=theirs.worth[deal] if deal else 0.0,
        agreement=deal,
        round=game.state.step,
        seconds=seen.seconds if isinstance(seen, Advised) else [],
        trace=[(e.step, e.negotiator == seen.id, e.offer) for e in game.full_trace],
    )


def _negotiator(name: str, scenario: Scenario, side: Side, advised: type[Advised]) -> Any:
    if name == ADVISOR:
        return advised(name=name, scenario=scenario, side=side)
    module, cls = (BUILT_IN | STRONG | OTHERS)[name]
    return getattr(importlib.import_module(module), cls)(name=name)
