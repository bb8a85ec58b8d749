"""Advice to one party: what to offer, when to accept, and how likely the other is to agree.

Rules of the room:

- Pure: no file, no clock, no randomness; equal arguments give equal answers.
- It knows nothing of desks and stores, and the core knows nothing of it.
- It sees one's own preferences and what both have said. Nothing that it returns may be shown
  to the counterparty but the offer itself.

All functions share their arguments:

    own_role: `buyer` or `seller`.
    history: what was said so far, oldest first: mappings with `round`, `by` (`own` or
        `opponent`), `price` and `quantity`. An entry that cannot be understood is passed over;
        if it is the last one, nothing is on the table. None or empty: nothing was said.
    deadline_rounds: how many rounds there are. A round is one offer of each party.
    round_no: which round this is, from 1; or from 0, if there are as many own offers in the
        history as this number says.
    own_reservation_price: beyond this price nothing is offered or accepted, unless
        `own_utility` says that it is better than no deal.
    own_target_quantity: what one wants, in units.
    market_price: None if it is not known.
    price_grid, quantity_grid: what may be offered; None for steps of our own. Offers of the
        counterparty need not be on them.
    own_utility: a callable of a price and a quantity: 0 is as good as no deal, more is better.
        It alone then decides what may be agreed to: whoever has a limit that nothing makes up
        for lets it be negative beyond that limit, as `Surplus` does.
        It must be a pure function, for its values are kept. It is called with numbers of the
        grids, and for offers off the grids with others of the same type. What it raises on or
        answers with no finite number is never agreed to. A utility function of NegMAS is taken
        as it is (one outcome, and a `reserved_value`). None for margin times useful
        quantity: see `Surplus`.
    session_id: anything that tells negotiations apart; it moves the floor of the target a
        little, so that it is not the same in each. No state is kept under it.
    moves_first: whether one's own offer comes first in each round; then it is also the last one
        that can be accepted. None to tell it from the history.

A price and a quantity may be `Decimal`, int, float or str. What is returned is one of the
caller's own numbers: an element of the grid for an offer to make, the number in the history
for one to accept (a string as its `Decimal`). On steps of our own it is a float where the
reservation price (the target quantity) is one, and a `Decimal` otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nom_negotiate.advisor import acceptance
from nom_negotiate.advisor import advice as _advice
from nom_negotiate.advisor.advice import Advice, should_auto_accept
from nom_negotiate.advisor.numbers import Number, required
from nom_negotiate.advisor.policy import Action, decide
from nom_negotiate.advisor.situation import OwnUtility, understand
from nom_negotiate.advisor.utility import Surplus, table

__all__ = [
    "Action",
    "Advice",
    "Number",
    "OwnUtility",
    "Surplus",
    "acceptance_probability",
    "advise",
    "should_auto_accept",
    "suggest",
]


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Return those of a function's arguments that say what the situation is.

    The functions share them and each shows them all in its signature: to pass them on by name,
    one by one, would say the same list three times more.
    """
    others = ("session_id", "price", "quantity")
    return {name: value for name, value in given.items() if name not in others}


def suggest(
    own_role: str,
    history: Iterable[object] | None,
    deadline_rounds: int,
    round_no: int,
    own_reservation_price: Number,
    own_target_quantity: Number,
    market_price: Number | None,
    *,
    price_grid: Iterable[Number] | None = None,
    quantity_grid: Iterable[Number] | None = None,
    own_utility: OwnUtility | None = None,
    session_id: str | None = None,
    moves_first: bool | None = None,
) -> tuple[Action, Any, Any]:
    """Return what to do now: `accept`, `counter` or `end`, a price and a quantity.

    Never anything that is worth no more than no deal, price and quantity together. With
    `end`, price and quantity are None.

    Raises:
        InputError: `invalid_number` or `invalid_text`, for an argument of the caller's own that
            is none. What stands in the history is no reason to raise.
    """
    situation = understand(**_asked(locals()))
    decision = decide(situation, table(situation), session_id=session_id)
    return decision.action, decision.price, decision.quantity


def advise(
    own_role: str,
    history: Iterable[object] | None,
    deadline_rounds: int,
    round_no: int,
    own_reservation_price: Number,
    own_target_quantity: Number,
    market_price: Number | None,
    *,
    price_grid: Iterable[Number] | None = None,
    quantity_grid: Iterable[Number] | None = None,
    own_utility: OwnUtility | None = None,
    session_id: str | None = None,
    moves_first: bool | None = None,
) -> Advice:
    """Return what `suggest` says, with its figures and its reasons in plain sentences.

    For one's own eyes: it tells of one's limits.

    Raises:
        InputError: as `suggest` does.
    """
    situation = understand(**_asked(locals()))
    return _advice.advise(situation, session_id)


def acceptance_probability(
    own_role: str,
    history: Iterable[object] | None,
    deadline_rounds: int,
    round_no: int,
    own_reservation_price: Number,
    own_target_quantity: Number,
    market_price: Number | None,
    price: Number,
    quantity: Number,
    *,
    price_grid: Iterable[Number] | None = None,
    quantity_grid: Iterable[Number] | None = None,
    own_utility: OwnUtility | None = None,
    session_id: str | None = None,
    moves_first: bool | None = None,
) -> float:
    """Return the probability that the counterparty accepts `price` and `quantity`, offered now.

    0 where it can accept no more: an offer of the second mover in the last round.
    `session_id` has no influence.

    Raises:
        InputError: as `suggest` does, and for `price` and `quantity`.
    """
    situation = understand(**_asked(locals()))
    return acceptance.probability(
        situation,
        table(situation),
        float(required(price, "price")),
        float(required(quantity, "quantity", positive=True)),
    )
