"""How a party closes: what it says while few offers are left, and never going back on one.

Rules of the room:

- Pure and exact: decimals only. It knows the party's own limits, and of the counterparty what
  both have offered.
- Two that follow it find a deal wherever both their limits allow one: of the last two offers each
  lies just within its author's limit, and whoever can only accept takes what is no worse than
  no deal.
- No offer lies at the limit itself: by how much it lies within follows from a secret, unless
  the two are all but together.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_UP, Context, Decimal
from typing import Final

from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.core.preferences import EXCESS, SHORTFALL, Preferences
from nom_negotiate.core.terms import (
    MAX_DIGITS,
    MAX_EXPONENT,
    Role,
    Terms,
    parse_terms,
    plain,
)
from nom_negotiate.errors import InputError

LAST_OFFER: Final = "last offer"
"""What an autopilot says why it makes the last offer that it may make, and what it reads there."""

CLOSING: Final = 2
"""Offers at the end of a negotiation that are made to meet, one of each party."""

ROOM: Final = 6
"""Rounds that a negotiation must have for that: with fewer, only the last offer is."""

LEAST: Final = Decimal("0.001")
MOST: Final = Decimal("0.009")
"""How far within the limit the closing offers lie, as a part of it."""

NEAR: Final = Decimal("0.01")
"""As a part of the limit, how far beyond it they ask who are all but together with one."""

_EXACT: Final = Context(prec=60)


def takes(wanted: Preferences, role: Role, terms: Terms) -> bool:
    """Return whether a deal is to be taken where nothing better can follow.

    It is better than no deal; or it is at the reservation price, which is what one still pays
    or takes, for a quantity that is of use.
    """
    if not wanted.allows(role, terms):
        return False
    return wanted.worth(role, terms) > 0 or _useful(wanted, role, terms.quantity)


def closing_offer(seen: Negotiation, role: Role, wanted: Preferences, *, left: int) -> Terms | None:
    """Return the offer just within a party's limits, None where there is no such.

    In price, within the limit by a part of it from LEAST to MOST, which differs from one
    negotiation to the next. By one step of the last decimal in use where the counterparty asks for
    hardly more than the limit, or had no room to come as near itself. In quantity, what the
    counterparty last asked for, or what is nearest to it and of use. Never a worse price for the
    counterparty than one that was offered.

    Args:
        seen: what was said, last by the counterparty.
        role: of the party.
        wanted: what it wants.
        left: offers that there is time for, this one included.
    """
    table, limit = seen.on_table, wanted.reservation_price
    assert table is not None, "who closes has something to answer"
    if limit <= 0:
        # A buyer who pays nothing; and to a seller who takes nothing, every price is a gain.
        return None
    x, buying = _EXACT, role is Role.BUYER
    places = _places(limit, [move.price for move in seen.moves])
    unit = Decimal(1).scaleb(-places)
    beyond = table.price - limit if buying else limit - table.price
    within = unit
    if beyond > x.multiply(limit, NEAR) and seen.round + left >= ROOM:
        part = LEAST + (MOST - LEAST) * wanted.varied(f"{seen.id} {role}")
        within = max(unit, x.multiply(limit, part).quantize(unit, ROUND_DOWN, x))
    # Where that has more digits than a number may have, a little further within.
    written = Context(prec=MAX_DIGITS, rounding=ROUND_FLOOR if buying else ROUND_CEILING)
    price = written.subtract(limit, within) if buying else written.add(limit, within)
    said = [move for move in seen.offers if move.by != table.by and wanted.allows(role, move.terms)]
    price = (max if buying else min)([price, *(move.price for move in said)])
    quantity = _nearest_useful(wanted, table.quantity)
    if quantity is None:
        return None
    try:
        found = parse_terms(price, quantity)
    except InputError:
        # Smaller than any number that can be written.
        return None
    return found if takes(wanted, role, found) else None


def held(seen: Negotiation, role: Role, wanted: Preferences, terms: Terms) -> Terms:
    """Return `terms`, or, where it would go back on an offer of one's own, that offer again.

    It goes back where the counterparty gets no better price than in that offer, and a quantity no
    nearer to what it last asked for, and is not the same. Of several such offers, the one that is
    worth most to oneself; no other is then gone back on.

    Args:
        seen: what was said, last by the counterparty.
        role: of the party that offers.
        wanted: what it wants: what it does not allow is no longer held to.
        terms: what it would offer.
    """
    table = seen.on_table
    assert table is not None, "who offers has something to answer"
    own = [
        each.terms
        for each in seen.offers
        if each.by != table.by and wanted.allows(role, each.terms)
    ]
    better = [each for each in own if _goes_back(role, terms, each, table.quantity)]
    if not better:
        return terms
    best = [each for each in own if not any(_goes_back(role, each, o, table.quantity) for o in own)]
    found = [each for each in best if _goes_back(role, terms, each, table.quantity)]
    chosen = max(found, key=lambda each: (wanted.worth(role, each), own.index(each)))
    return Terms(price=chosen.price, quantity=chosen.quantity)


def _goes_back(role: Role, now: Terms, before: Terms, asked: Decimal) -> bool:
    """Return whether, to the counterparty, `now` is worse than `before` in price and quantity."""
    gain = now.price - before.price if role is Role.BUYER else before.price - now.price
    nearer = abs(before.quantity - asked) - abs(now.quantity - asked)
    return gain <= 0 and nearer <= 0 and (gain < 0 or nearer < 0)


def _useful(wanted: Preferences, role: Role, quantity: Decimal) -> bool:
    """Return whether a quantity is worth something at a price within the limit."""
    limit = wanted.reservation_price
    price = limit / 2 if role is Role.BUYER else limit + 1
    return wanted.worth(role, Terms(price=price, quantity=quantity)) > 0


def _nearest_useful(wanted: Preferences, asked: Decimal) -> Decimal | None:
    """Return the quantity nearest to what is asked for that is of use, to a thousandth or so."""
    target, x = wanted.target_quantity, _EXACT
    short = SHORTFALL if wanted.shortfall is None else wanted.shortfall
    spare = EXCESS if wanted.excess is None else wanted.excess
    slack = Decimal(1).scaleb(x.divide(target, 500).adjusted())
    whole = asked == asked.to_integral_value() and target >= 100
    unit = max(slack, Decimal(1)) if whole else slack
    # Where all that is there is lost: margin times useful quantity is 0.
    least = x.divide(x.multiply(target, short), 1 + short)
    if asked <= least:
        return x.add(least, unit).quantize(unit, ROUND_DOWN, x)
    most = x.divide(x.multiply(target, 1 + spare), spare) if spare else None
    if most is not None and asked >= most:
        found = x.subtract(most, unit).quantize(unit, ROUND_UP, x)
        return found if found > 0 else None
    return asked


def _places(limit: Decimal, prices: Sequence[Decimal]) -> int:
    """Return how many decimals a closing price has: those in use, and enough for half a percent."""
    first = limit.as_tuple().digits[0]
    enough = (2 if first > 1 else 3) - limit.adjusted()
    used = (_decimals(number) for number in (limit, *prices))
    return min(max(enough, *used), MAX_DIGITS - 1 - limit.adjusted(), MAX_EXPONENT)


def _decimals(number: Decimal) -> int:
    text = plain(number)
    return len(text) - text.index(".") - 1 if "." in text else 0
