"""What a party might say next: the advisor, at the desk.

Rules of the room:

- Nothing is written. What is returned is for the party's own eyes: it tells of its limits.
- *Rounds* of the desk are offers; the advisor's are pairs of them. `_time_left` says how many
  offers are left, and who makes the last one follows from that: it is the first in the
  advisor's last round.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from nom_negotiate.advisor.advice import Advice, advise
from nom_negotiate.advisor.numbers import price_steps
from nom_negotiate.advisor.situation import understand
from nom_negotiate.advisor.utility import Surplus
from nom_negotiate.core import rules
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.preferences import EXCESS, MAX_ROUNDS, SHORTFALL, Preferences
from nom_negotiate.core.terms import Role, Terms, parse_terms, plain
from nom_negotiate.errors import RuleViolation
from nom_negotiate.market_price import MarketPrice, market_price
from nom_negotiate.party import Party
from nom_negotiate.preferences import preferences_in

ACCEPT: Final = "accept"
COUNTER: Final = "counter"
END: Final = "end"


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
    party: Party, seen: Negotiation, wanted: Preferences, *, max_rounds: int | None = None
) -> Suggestion:
    """Return what a party whose turn it is might say, as `suggest` does.

    Args:
        party: whose turn it is.
        seen: a look at the negotiation.
        wanted: what the party wants of it.
        max_rounds: a cap on the offers of both sides together, beside that of the negotiation.
    """
    now, table, role = party.desk.now(), seen.on_table, role_in(seen, party.address)
    assert table is not None, "whose turn it is has something to answer"
    left = _time_left(seen, now, max_rounds)
    own_offers = sum(move.by == party.address for move in seen.offers)
    # Whoever makes the last offer moves first in the last round: the other can only accept.
    first = left % 2 == 1
    market = market_price(party.desk.store, seen.chemical, viewer=party.address)
    situation = understand(
        role.value,
        _history(seen.moves, party.address, first=first),
        own_offers + 1 + left // 2,
        own_offers + 1,
        wanted.reservation_price,
        wanted.target_quantity,
        None if market is None else market.median,
        price_grid=_prices(role, seen, wanted, market),
        own_utility=utility(role, wanted),
    )
    advice = advise(
        dataclasses.replace(situation, first=first), session_id=f"{seen.id} {party.address}"
    )
    if left == 1 and advice.action == COUNTER:
        advice = _safer(advice, table, wanted, role)
    if advice.action == ACCEPT and table.lapsed(now):
        # The same terms, offered back, are what can still be agreed.
        advice = dataclasses.replace(advice, action=COUNTER)
    if left == 0 and advice.action == COUNTER:
        advice = _ending(advice)
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
        over_market=advice.over_market,
        reasons=(*advice.reasons, *_in_words(table)),
    )


def _safer(advice: Advice, table: Move, wanted: Preferences, role: Role) -> Advice:
    """Return advice to accept where that is worth more than the last offer one could make.

    The last offer is accepted or it is not: it is worth what it brings times the probability.
    """
    offered, hoped = advice.offered, advice.acceptance * advice.worth
    if offered is None or offered <= 0 or offered < hoped or not wanted.allows(role, table.terms):
        return advice
    return dataclasses.replace(
        advice,
        action=ACCEPT,
        price=table.price,
        quantity=table.quantity,
        worth=offered,
        acceptance=1.0,
        reasons=(
            f"{plain(table.quantity)} at {plain(table.price)} is worth {offered:.2f} to you, for"
            " certain (no deal is 0, the best you could offer is 1).",
            f"Yours would be the last offer: one of {advice.quantity} at {advice.price} is worth"
            f" {advice.worth:.2f}, with a probability of {advice.acceptance:.0%}.",
        ),
    )


def _in_words(table: Move) -> tuple[str, ...]:
    """Return a sentence on what the advisor knows nothing of, where there is any."""
    names = list(table.terms.conditions)
    if not names:
        return ()
    return (f"The offer on the table also speaks of {' and '.join(names)}: judge that yourself.",)


def _ending(advice: Advice) -> Advice:
    """Return advice to end it: what one would like to say, nobody can say any more."""
    return dataclasses.replace(
        advice,
        action=END,
        price=None,
        quantity=None,
        worth=0.0,
        acceptance=0.0,
        over_market=None,
        reasons=(
            "All rounds have been used: there is no offer to make any more.",
            "What is on the table cannot be accepted, or is worth no more to you than no deal.",
        ),
    )


def _prices(
    role: Role, seen: Negotiation, wanted: Preferences, market: MarketPrice | None
) -> tuple[Decimal, ...]:
    """Return the prices to choose from: from what is hoped for to the reservation price.

    Hoped for is the target price; where nobody has said one, half as much again beyond the
    reservation price, or the market price. What was said may be better than either.
    """
    limit, buying = float(wanted.reservation_price), role is Role.BUYER
    hoped = [float(move.price) for move in seen.moves]
    if wanted.target_price is not None:
        hoped.append(float(wanted.target_price))
    else:
        hoped += [limit * 0.5 if buying else limit * 1.5 or 1.0]
        hoped += [float(market.median)] if market is not None else []
    low, high = (min(limit, *hoped), limit) if buying else (limit, max(limit, *hoped))
    steps = price_steps(low, high, wanted.reservation_price)
    return tuple(Decimal(plain(price)) for price in steps)


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


def _time_left(seen: Negotiation, now: int, max_rounds: int | None) -> int:
    """Return how many more offers, of both sides together, there is time for.

    Those that the caps on rounds leave; MAX_ROUNDS in all where there is none, and then always
    one more. Where the offers come so slowly that the negotiation ends before: as many as come
    until then at the same pace, and at least one.
    """
    caps = [cap for cap in (seen.limits.max_rounds, max_rounds) if cap is not None]
    left = max(0, min(caps) - seen.round) if caps else max(1, MAX_ROUNDS - seen.round)
    offers = seen.offers
    if left and len(offers) > 1 and offers[-1].at > offers[0].at:
        pace_s = (offers[-1].at - offers[0].at) / (len(offers) - 1)
        ends = seen.created + seen.limits.life_s
        left = min(left, max(1, int((ends - now) / pace_s)))
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
