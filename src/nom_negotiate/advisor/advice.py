"""Advice with its reasons, for a person, and the simple rule of acceptance.

Rules of the room:

- What is said is said to one's own side: it names figures that the counterparty must not see.
- Two or three plain sentences, with the figures that were used, and no word of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from nom_negotiate.advisor import acceptance
from nom_negotiate.advisor.numbers import Number, required
from nom_negotiate.advisor.policy import Action, Decision, decide
from nom_negotiate.advisor.situation import BUYER, SELLER, OwnUtility, Situation
from nom_negotiate.advisor.utility import Surplus, Table, table
from nom_negotiate.errors import InputError

PRICE_TOLERANCE: Final = Decimal("0.05")
QUANTITY_SHARE: Final = Decimal("0.9")


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do now, and why. For one's own eyes: it tells of one's limits.

    Attributes:
        action: `accept`, `counter` or `end`.
        price: of the offer to accept or to make; None to end.
        quantity: likewise.
        worth: of that outcome to oneself: 0 like no deal, 1 the best that the grids allow.
        offered: the worth of the offer on the table; None if there is none.
        acceptance: the probability that the counterparty accepts the offer to make; 1 for an
            offer to accept, which is a promise already, 0 to end.
        confidence: from 0 to 1, how much the advice rests on what the counterparty has shown:
            n/(n + 3) after n of its offers, and 1 in the last round, where nothing follows.
        over_market: the price relative to the market price, as a part of that (0.02: 2 % above);
            None if either is not known.
        reasons: two or three plain sentences, with the figures used.
    """

    action: Action
    price: Any
    quantity: Any
    worth: float
    offered: float | None
    acceptance: float
    confidence: float
    over_market: float | None
    reasons: tuple[str, ...]


def advise(s: Situation, session_id: str | None, *, time_left: str | None = None) -> Advice:
    """Return advice for a situation, with its reasons.

    Args:
        s: the situation.
        session_id: tells negotiations apart.
        time_left: what the reasons say of the time; None for the rounds that follow.
    """
    worths = table(s)
    decision = decide(s, worths, session_id=session_id)
    chance = {"accept": 1.0, "end": 0.0}.get(decision.action)
    if chance is None:
        chance = acceptance.probability(s, worths, float(decision.price), float(decision.quantity))
    over = None
    if s.market and decision.price is not None:
        over = float(decision.price) / s.market - 1
    heard = len(s.received)
    return Advice(
        action=decision.action,
        price=decision.price,
        quantity=decision.quantity,
        worth=decision.worth,
        offered=decision.on_table,
        acceptance=chance,
        confidence=1.0 if s.over or s.rounds_left == 0 else heard / (heard + 3),
        over_market=over,
        reasons=_reasons(s, decision, chance, over, time_left),
    )


def appraise(s: Situation, price: Any, quantity: Any) -> tuple[float, float]:
    """Return what an offer of one's own is worth, and the probability that it is accepted now."""
    worths = table(s)
    return worths.of(price, quantity), acceptance.probability(
        s, worths, float(price), float(quantity)
    )


def should_auto_accept(
    own_role: str,
    price: Number,
    quantity: Number,
    *,
    target_price: Number,
    target_quantity: Number,
    own_reservation_price: Number,
    own_utility: OwnUtility | None = None,
    price_tolerance: Number = PRICE_TOLERANCE,
    quantity_share: Number = QUANTITY_SHARE,
) -> bool:
    """Return whether an offer is good enough to take it without haggling.

    That is: its price is within `price_tolerance` of the target price or better, its quantity
    at least `quantity_share` of the target quantity, and it is not worse than no deal. The
    bounds themselves are good enough, computed exactly.

    Args:
        own_role: `buyer` or `seller`.
        price: what is offered, per unit.
        quantity: what is offered, in units.
        target_price: what one hopes for.
        target_quantity: what one wants.
        own_reservation_price: beyond it nothing is accepted, whatever the rule says.
        own_utility: of a price and a quantity, 0 like no deal; None for margin times useful
            quantity.
        price_tolerance: a part of the target price.
        quantity_share: a part of the target quantity.

    Raises:
        InputError: `invalid_number` or `invalid_text`, for an argument that is none.
    """
    if own_role not in (BUYER, SELLER):
        raise InputError("invalid_text", "own_role must be buyer or seller")
    buying = own_role == BUYER
    given = required(price, "price")
    amount = required(quantity, "quantity", positive=True)
    exact = {
        name: Decimal(str(required(value, name)))
        for name, value in (
            ("price", price),
            ("quantity", quantity),
            ("target_price", target_price),
            ("target_quantity", target_quantity),
            ("own_reservation_price", own_reservation_price),
            ("price_tolerance", price_tolerance),
            ("quantity_share", quantity_share),
        )
    }
    slack = exact["target_price"] * exact["price_tolerance"]
    limit = exact["own_reservation_price"]
    if buying:
        near = exact["price"] <= min(exact["target_price"] + slack, limit)
    else:
        near = exact["price"] >= max(exact["target_price"] - slack, limit)
    if not near or exact["quantity"] < exact["target_quantity"] * exact["quantity_share"]:
        return False
    utility = own_utility or Surplus(buying, float(limit), float(exact["target_quantity"]))
    return Table(utility, (given,), (amount,)).of(given, amount) >= 0


def _reasons(
    s: Situation, decision: Decision, chance: float, over: float | None, time_left: str | None
) -> tuple[str, ...]:
    if decision.action == "end":
        told = [
            "The time is over."
            if s.over
            else "No price and quantity that you could offer is worth more to you than no deal."
        ]
        if decision.on_table is not None:
            told.append("The offer on the table is not worth more either.")
        return tuple(told)
    what = f"{decision.quantity} at {decision.price}"
    worth = f"worth {decision.worth:.2f} to you (no deal is 0, the best you could offer is 1)"
    last = "this is the last round" if s.rounds_left == 0 else f"{s.rounds_left} rounds follow"
    last = last if time_left is None else time_left
    if decision.action == "accept":
        if s.rounds_left == 0 and time_left is None:
            why = "this is the last round, and nothing better can follow"
        else:
            why = f"you aim at {min(decision.target, 1.0):.2f} now, and {last}"
        told = [f"{what} is {worth}: {why}."]
    else:
        told = [f"{what} is {worth}, and {last}."]
        if decision.on_table is not None:
            judged = (
                f"worth {decision.on_table:.2f}" if decision.on_table > 0 else "worse than no deal"
            )
            told.append(
                f"Their offer is {judged} to you; that they accept yours now has a probability"
                f" of {percent(chance)}."
            )
        else:
            told.append(f"That they accept it now has a probability of {percent(chance)}.")
    if over is not None and s.market is not None:
        side = "above" if over >= 0 else "below"
        told.append(f"The price is {abs(over):.1%} {side} the market price of {s.market:g}.")
    return tuple(told)


def percent(chance: float) -> str:
    """Return a probability in words."""
    if chance == 0:
        return "0 %, for they can accept no more"
    if chance < 0.01:
        return "less than 1 %"
    return f"{min(chance, 0.99):.0%}".replace("%", " %")
