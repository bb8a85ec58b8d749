"""What a party might say next: the advisor, at the desk.

Rules of the room:

- Nothing is written. What is returned is for the party's own eyes: it tells of its limits.
- *Rounds* of the desk are offers; the advisor's are pairs of them. `_time_left` says how many
  offers are left, and who makes the last one follows from that: it is the first in the
  advisor's last round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any

from nom_negotiate.advisor.advice import Advice, advise
from nom_negotiate.advisor.numbers import price_steps, quantity_steps
from nom_negotiate.advisor.situation import Situation, understand
from nom_negotiate.advisor.utility import Surplus
from nom_negotiate.closing import CLOSING, LAST_OFFER
from nom_negotiate.core import rules
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.preferences import EXCESS, MAX_ROUNDS, SHORTFALL, Preferences
from nom_negotiate.core.terms import Role, Terms, parse_number, parse_terms, plain
from nom_negotiate.endgame import ACCEPT, COUNTER, closed, ending, kept, offered_back, offers
from nom_negotiate.errors import InputError, RuleViolation
from nom_negotiate.market_price import MarketPrice, market_price
from nom_negotiate.party import Party
from nom_negotiate.preferences import preferences_in


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do now, and why. For the party's own eyes.

    Attributes:
        negotiation_id: in which negotiation.
        round: of the offer on the table that it answers.
        action: `accept`, `counter` or `end`.
        price: of the offer to accept or to make; None to end.
        quantity: likewise.
        worth: of that to oneself: 0 like no deal, 1 the best one could make.
        offered: the worth of the offer on the table.
        acceptance: the probability that the counterparty accepts the offer to make.
        confidence: from 0 to 1, how much this rests on what the counterparty has shown.
        offers_left: how many offers, of both sides, it reckons with.
        market: what the chemical trades at; None where nobody can tell.
        over_market: the price relative to the median, as a part of it (0.02: 2 % above).
        reasons: plain sentences, with the figures used.
    """

    negotiation_id: str
    round: int
    action: str
    price: Decimal | None
    quantity: Decimal | None
    worth: float
    offered: float | None
    acceptance: float
    confidence: float
    offers_left: int
    market: MarketPrice | None
    over_market: float | None
    reasons: tuple[str, ...]

    @property
    def terms(self) -> Terms | None:
        """Return price and quantity, None to end."""
        if self.price is None or self.quantity is None:
            return None
        return parse_terms(self.price, self.quantity)


def suggest(party: Party, negotiation_id: str) -> Suggestion:
    """Return what a party might say next in one of its negotiations.

    Raises:
        NotFound: `unknown_negotiation`, `no_preferences`.
        RuleViolation: `not_your_turn`, `nothing_on_table`, `concluded`.
        RecordError: where a record cannot be read.
        StoreError: `denied`, where the party's private room is somebody else's.
    """
    seen = party.negotiation(negotiation_id)
    if not seen.phase.open:
        raise rules.concluded(seen)
    if seen.on_table is None:
        raise RuleViolation("nothing_on_table", f"nobody has made an offer in {seen.id} yet")
    if seen.turn != party.address:
        raise RuleViolation(
            "not_your_turn",
            f"your own offer is on the table of {seen.id}: it is {seen.turn}'s turn",
        )
    return consider(party, seen, preferences_in(party, seen))


def consider(
    party: Party,
    seen: Negotiation,
    wanted: Preferences,
    *,
    max_rounds: int | None = None,
    look: Callable[[Party, Negotiation], MarketPrice | None] | None = None,
) -> Suggestion:
    """Return what a party whose turn it is might say, as `suggest` does.

    Args:
        party: whose turn it is.
        seen: a look at the negotiation.
        wanted: what the party wants of it.
        max_rounds: a cap on the offers of both sides together, beside that of the negotiation.
        look: how to tell the market price; None for `market_around`.
    """
    now, table, role = party.desk.now(), seen.on_table, role_in(seen, party.address)
    assert table is not None, "whose turn it is has something to answer"
    left = _time_left(seen, party.address, now, max_rounds)
    if table.reason == LAST_OFFER:
        # After one's own next offer, it can only accept or reject.
        left = min(left, 1)
    market = (look or market_around)(party, seen)
    situation = _situation(party.address, role, seen, wanted, market, left)
    # What nobody else knows is in it: whoever knows this code cannot reckon back from an offer.
    session = f"{seen.id} {party.address} {wanted.secret}"
    time_left = f"there is time for {offers(left)}, of both sides together"
    advice = _without_market(advise(situation, session, time_left=time_left))
    heard = sum(move.by != party.address for move in seen.offers)
    advice = dataclasses.replace(advice, confidence=1.0 if left == 0 else heard / (heard + 3))
    if left <= CLOSING + 1:
        advice = closed(advice, situation, seen, role, wanted, left, now)
    advice = kept(advice, situation, seen, role, wanted)
    if advice.action == ACCEPT and table.lapsed(now):
        advice = offered_back(advice, situation, table)
    if left == 0 and advice.action == COUNTER:
        advice = ending(advice, table, now)
    over = None
    if market is not None and market.median and advice.price is not None:
        over = float(advice.price / market.median) - 1
    return Suggestion(
        negotiation_id=seen.id,
        round=table.round,
        action=advice.action,
        price=advice.price,
        quantity=advice.quantity,
        worth=advice.worth,
        offered=advice.offered,
        acceptance=advice.acceptance,
        confidence=advice.confidence,
        offers_left=left,
        market=market,
        over_market=over,
        reasons=(*advice.reasons, *_in_market(market, over), *_in_words(table)),
    )


def market_around(party: Party, seen: Negotiation) -> MarketPrice | None:
    """Return what the chemical of a negotiation trades at, but for the two who negotiate."""
    return market_price(party.desk.store, seen.chemical, without=tuple(seen.roles))


def _situation(
    own: Address,
    role: Role,
    seen: Negotiation,
    wanted: Preferences,
    market: MarketPrice | None,
    left: int,
) -> Situation:
    """Return what the advisor looks at, where so many offers are left, one's own next one first."""
    made = sum(move.by == own for move in seen.offers)
    # Whoever makes the last offer moves first in the last round: the other can only accept.
    first = left % 2 == 1
    return understand(
        role.value,
        _history(seen.moves, own, first=first),
        made + 1 + left // 2,
        made + 1,
        wanted.reservation_price,
        wanted.target_quantity,
        None if market is None else market.median,
        price_grid=_prices(role, seen, wanted, market),
        quantity_grid=_quantities(role, seen, wanted),
        own_utility=utility(role, wanted),
        moves_first=first,
    )


def _without_market(advice: Advice) -> Advice:
    """Return advice without its sentence on the market price, which `_in_market` tells in full."""
    if advice.over_market is None:
        return advice
    return dataclasses.replace(advice, over_market=None, reasons=advice.reasons[:-1])


def _in_market(market: MarketPrice | None, over: float | None) -> tuple[str, ...]:
    """Return a sentence on how the price compares with the market, where that is known."""
    if market is None:
        return ()
    counted = [
        f"{number} {what}{'' if number == 1 else 's'}"
        for number, what in (
            (market.transactions, "settled deal"),
            (market.listings, "listing"),
        )
        if number
    ]
    spread = (
        f", half of them from {_short(market.low)} to {_short(market.high)}"
        if market.transactions + market.listings > 1
        else ""
    )
    price = (
        f"the market price of {_short(market.median)}, the median of"
        f" {' and '.join(counted)}{spread}"
    )
    if over is None:
        return (f"For comparison: {price}.",)
    where = "at" if round(over, 3) == 0 else f"{abs(over):.1%} {'above' if over > 0 else 'below'}"
    return (f"The price is {where} {price}.",)


def _short(price: Decimal) -> str:
    return plain(Decimal(f"{price:.6g}"))


def _in_words(table: Move) -> tuple[str, ...]:
    """Return a sentence on what the advisor knows nothing of, where there is any."""
    names = list(table.terms.conditions)
    if not names:
        return ()
    return (f"The offer on the table also speaks of {' and '.join(names)}: judge that yourself.",)


def _prices(
    role: Role, seen: Negotiation, wanted: Preferences, market: MarketPrice | None
) -> tuple[Decimal, ...]:
    """Return the prices to choose from: from what is hoped for to the reservation price.

    Hoped for is the target price; where nobody has said one, a third to two thirds beyond the
    reservation price, differently each time and by a secret, for whoever hears the first offer
    must not reckon back from it; or the market price. What was said may be better than either.
    """
    limit, buying = float(wanted.reservation_price), role is Role.BUYER
    hoped = [float(move.price) for move in seen.moves]
    if wanted.target_price is not None:
        hoped.append(float(wanted.target_price))
    else:
        part = (1 + float(wanted.varied(f"{seen.id} hoped for"))) / 3
        hoped += [limit * (1 - part) if buying else limit * (1 + part) or 1.0]
        hoped += [float(market.median)] if market is not None else []
    low, high = (min(limit, *hoped), limit) if buying else (limit, max(limit, *hoped))
    steps = price_steps(low, high, wanted.reservation_price)
    return tuple(_writable(steps, positive=False)) or (wanted.reservation_price,)


def _quantities(role: Role, seen: Negotiation, wanted: Preferences) -> tuple[Decimal, ...]:
    """Return the quantities to choose from: tenths of the target, and what was asked for below."""
    asked = [move.quantity for move in seen.moves if seen.roles.get(move.by) is not role]
    steps = quantity_steps(wanted.target_quantity, asked)
    return tuple(_writable(steps, positive=True)) or (wanted.target_quantity,)


def _writable(steps: Iterable[Decimal], *, positive: bool) -> Iterator[Decimal]:
    """Yield the numbers that an offer can hold: none of 10^20 or more, or of 21 decimals."""
    for step in steps:
        with suppress(InputError):
            yield parse_number(step, "step", positive=positive)


def utility(role: Role, wanted: Preferences) -> Surplus:
    """Return the worth of a deal as the advisor computes it."""
    return Surplus(
        role is Role.BUYER,
        float(wanted.reservation_price),
        float(wanted.target_quantity),
        float(SHORTFALL if wanted.shortfall is None else wanted.shortfall),
        float(EXCESS if wanted.excess is None else wanted.excess),
    )


def role_in(seen: Negotiation, party: Address) -> Role:
    """Return the role of a party that has something to answer."""
    role = seen.roles.get(party)
    if role is None:
        raise RuleViolation(
            "nothing_on_table",
            f"the counterparty of {seen.id} has not said yet who and what it is",
            hint="wait for its first offer",
        )
    return role


def _time_left(seen: Negotiation, own: Address, now: int, max_rounds: int | None) -> int:
    """Return how many more offers, of both sides together, there is time for.

    Those that the caps on rounds leave; MAX_ROUNDS in all where there is none, and then always
    one more. Where answers come so slowly that the negotiation ends before: as many as come
    until then at the same pace, and at least one. An autopilot, which has a cap of its own, waits
    for the counterparty only; a person takes as long again as before.
    """
    caps = [cap for cap in (seen.limits.max_rounds, max_rounds) if cap is not None]
    left = max(0, min(caps) - seen.round) if caps else max(1, MAX_ROUNDS - seen.round)
    waits: dict[bool, list[int]] = {True: [], False: []}
    for before, move in pairwise(seen.offers):
        waits[move.by == own].append(max(0, move.at - before.at))
    pace_s = median(waits[False] or [0])
    if max_rounds is None:
        pace_s += median(waits[True] or [0])
    if left and pace_s:
        ends = seen.created + seen.limits.life_s
        left = min(left, 1 + 2 * max(0, int((ends - now) / pace_s)))
    return left


def _history(moves: tuple[Move, ...], own: Address, *, first: bool) -> list[dict[str, Any]]:
    """Return the moves as the advisor takes them. To accept is to offer the same."""
    made, told = 0, []
    for move in moves:
        mine = move.by == own
        made += mine
        told.append(
            {
                "round": max(1, made if mine or first else made + 1),
                "by": "own" if mine else "opponent",
                "price": move.price,
                "quantity": move.quantity,
            }
        )
    return told
