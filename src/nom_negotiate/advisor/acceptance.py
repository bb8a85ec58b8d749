"""How likely the counterparty is to accept a price and a quantity.

Rules of the room:

- A logistic model: the weighted sum of `features`, through the logistic function. The weights
  are in coefficients.py, written by `benchmarks/refit_acceptance.py`.
- An offer that cannot be accepted any more has probability 0, without a model.
"""

from __future__ import annotations

import math
from typing import Final

from nom_negotiate.advisor.coefficients import WEIGHTS
from nom_negotiate.advisor.counterparty import Reading, read
from nom_negotiate.advisor.situation import Situation
from nom_negotiate.advisor.utility import Table

RECENT: Final = 5
"""Their offers that a recent concession is measured over."""

KNOTS: Final = (-0.5, -0.25, -0.1, -0.03, 0.0, 0.05, 0.15)
"""Where the effect of what they would gain over what they last asked for may change its slope."""


def probability(
    s: Situation, table: Table, price: float, quantity: float, reading: Reading | None = None
) -> float:
    """Return the probability that an offer made now is accepted.

    Args:
        s: the situation.
        table: what the outcomes are worth.
        price: of the offer.
        quantity: of the offer.
        reading: what the counterparty's offers tell, if it is known already.
    """
    if s.over or s.round > s.last_offer:
        return 0.0
    reading = reading or read(s, table)
    score = sum(
        WEIGHTS[name] * value
        for name, value in features(s, table, reading, price, quantity).items()
    )
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def features(
    s: Situation, table: Table, reading: Reading, price: float, quantity: float
) -> dict[str, float]:
    """Return what the model looks at, by name; each is bounded."""
    law = reading.law
    span = (table.p[-1] - table.p[0]) or 1.0
    reach = (table.q[-1] - table.q[0]) or 1.0
    sign = 1.0 if s.buying else -1.0
    liking = law.liking(price, quantity)
    heard = [law.liking(o.p, o.q) for o in s.received] or [1.0]
    tried = max((law.liking(o.p, o.q) for o in s.made), default=liking - 1)
    last, lowest = heard[-1], min(heard)
    recent = heard[-RECENT:]
    asked = min(recent)
    t = s.time
    t4, t16 = t**4, t**16
    ending = 1.0 if s.round == s.last_offer else 0.0
    final = ending if s.first else 0.0
    gap = _bounded(liking - asked)
    fit = abs(quantity - law.target)
    latest = s.received[-1] if s.received else None
    ground = _bounded(1 - lowest)
    values = {
        "one": 1.0,
        "silent": 0.0 if s.received else 1.0,
        "liking": _bounded(liking),
        "over_last": _bounded(liking - last),
        "over_lowest": _bounded(liking - lowest),
        "over_own_best": _bounded(liking - tried),
        "no_better_than_refused": 1.0 if liking <= tried + 1e-9 else 0.0,
        "price_from_last": _bounded(sign * (price - latest.p) / span) if latest else 0.0,
        "quantity_from_target": _bounded(fit / reach),
        "quantity_from_last": _bounded(abs(quantity - latest.q) / reach) if latest else 0.0,
        "ground": ground,
        "recent_ground": _bounded(recent[0] - last),
        "last_ground": _bounded(recent[-2] - last) if len(recent) > 1 else 0.0,
        "market": _bounded(sign * (price - s.market) / span) if s.market else 0.0,
        "time": t,
        "time_4": t4,
        "time_16": t16,
        "left": 1 / (1 + s.rounds_left),
        "ending": ending,
        "final": final,
        "dominated": float(
            any(
                sign * (price - o.p) >= -1e-9 and fit <= abs(o.q - law.target) + 1e-9
                for o in s.received
            )
        ),
        "ground_time": ground * t,
        "ground_time_16": ground * t16,
        "liking_time_4": _bounded(liking) * t4,
        "liking_ending": _bounded(liking) * ending,
        "liking_final": _bounded(liking) * final,
        "ground_ending": ground * ending,
    }
    clock = reading.clock
    over = 0.0 if clock is None else _bounded(liking - clock.liking(s.answered))
    values["clocked"] = 0.0 if clock is None else 1.0
    values["over_clock"] = max(-0.1, min(0.1, over))
    values["over_clock_spread"] = (
        0.0 if clock is None else max(-3.0, min(3.0, over / (clock.spread + 0.02)))
    )
    for knot in KNOTS:
        bend = max(0.0, gap - knot)
        values[f"gap{knot:+.2f}"] = bend
        values[f"gap{knot:+.2f}_time_16"] = bend * t16
        values[f"gap{knot:+.2f}_ground"] = bend * ground
    return values


def _bounded(value: float) -> float:
    return max(-1.5, min(1.5, value))
