"""Advice for the end of a negotiation, and against going back: what `closing` finds, with reasons.

Rules of the room:

- It takes the advisor's advice and returns advice: for the party's own eyes, as it tells of its
  limits.
- Two plain sentences, with the figures used.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from nom_negotiate.advisor.advice import Advice, appraise, percent
from nom_negotiate.advisor.situation import Situation
from nom_negotiate.closing import CLOSING, ROOM, closing_offer, held, takes
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.preferences import Preferences
from nom_negotiate.core.terms import Role, Terms, parse_terms, plain

ACCEPT: Final = "accept"
COUNTER: Final = "counter"
END: Final = "end"


def closed(
    advice: Advice,
    s: Situation,
    seen: Negotiation,
    role: Role,
    wanted: Preferences,
    left: int,
    now: int,
) -> Advice:
    """Return advice for the end, where any deal is worth more than a better one that may not come.

    Instead of the last two offers, what is no worse than no deal is accepted, and otherwise one
    goes to just within one's limits; where there are few rounds, instead of the very last. The
    offer before, or that one where it is one's first, is the advisor's: unless what is on the
    table is worth more than that offer times the probability that it is accepted.
    """
    table = seen.on_table
    assert table is not None, "whose turn it is has something to answer"
    good = takes(wanted, role, table.terms)
    if left == 0:
        return _taken(advice, table, left) if good else ending(advice, table, now)
    made = any(move.by != table.by for move in seen.offers)
    room = seen.round + left >= ROOM
    if made and (left == 1 or (left == CLOSING and room)):
        if good:
            return _taken(advice, table, left)
        terms = closing_offer(seen, role, wanted, left=left)
        return advice if terms is None else _met(advice, s, table, terms, left)
    if (left == 1 or room) and left != CLOSING and good and advice.action == COUNTER:
        return _safer(advice, table)
    return advice


def _accepting(advice: Advice, table: Move, *reasons: str) -> Advice:
    """Return advice to accept what is on the table, for these reasons."""
    return dataclasses.replace(
        advice,
        action=ACCEPT,
        price=table.price,
        quantity=table.quantity,
        worth=max(0.0, advice.offered or 0.0),
        acceptance=1.0,
        reasons=reasons,
    )


def _offering(advice: Advice, s: Situation, terms: Terms) -> Advice:
    """Return advice to offer these terms, without its reasons."""
    worth, chance = appraise(s, terms.price, terms.quantity)
    return dataclasses.replace(
        advice,
        action=COUNTER,
        price=terms.price,
        quantity=terms.quantity,
        worth=max(0.0, worth),
        acceptance=chance,
        reasons=(),
    )


def _taken(advice: Advice, table: Move, left: int) -> Advice:
    """Return advice to accept what is no worse than no deal, as the time is all but over."""
    offered = max(0.0, advice.offered or 0.0)
    worth = f"worth {offered:.2f} to you" if offered > 0 else "just at your limit"
    follows = (
        "No offer can follow any more." if left == 0 else f"There is time for only {offers(left)}."
    )
    return _accepting(
        advice,
        table,
        f"{plain(table.quantity)} at {plain(table.price)} is {worth}: no deal is 0, the best"
        " you could offer is 1.",
        f"{follows} What is on the table can be had now, and nothing better may come.",
    )


def _met(advice: Advice, s: Situation, table: Move, terms: Terms, left: int) -> Advice:
    """Return advice to offer what lies just within one's limits."""
    found = _offering(advice, s, terms)
    return dataclasses.replace(
        found,
        reasons=(
            f"There is time for only {offers(left)}. Theirs, {plain(table.quantity)} at"
            f" {plain(table.price)}, is {_judged(advice)} to you.",
            f"{plain(terms.quantity)} at {plain(terms.price)} lies just within your limit, worth"
            f" {found.worth:.2f} (no deal is 0): if a deal is possible at all, most likely they"
            " can take this one.",
        ),
    )


def offers(left: int) -> str:
    """Return in words how many more offers there are."""
    return "one more offer" if left == 1 else f"{left} more offers"


def _safer(advice: Advice, table: Move) -> Advice:
    """Return advice to accept where that is worth more than what one would offer.

    An offer is worth what it brings times the probability that it is accepted.
    """
    offered, hoped = advice.offered, advice.acceptance * advice.worth
    if offered is None or offered < hoped:
        return advice
    return _accepting(
        advice,
        table,
        f"{plain(table.quantity)} at {plain(table.price)} is worth {offered:.2f} to you, for"
        " certain (no deal is 0, the best you could offer is 1).",
        f"The time is all but over: an offer of {plain(advice.quantity)} at"
        f" {plain(advice.price)} is worth {advice.worth:.2f}, and they accept it with a"
        f" probability of {percent(advice.acceptance)}.",
    )


def kept(
    advice: Advice, s: Situation, seen: Negotiation, role: Role, wanted: Preferences
) -> Advice:
    """Return advice that does not go back on what the party has offered."""
    table = seen.on_table
    assert table is not None, "whose turn it is has something to answer"
    if advice.action != COUNTER:
        return advice
    would = parse_terms(advice.price, advice.quantity)
    terms = held(seen, role, wanted, would)
    if terms == would:
        return advice
    if takes(wanted, role, table.terms) and wanted.worth(role, table.terms) >= wanted.worth(
        role, terms
    ):
        offered = max(0.0, advice.offered or 0.0)
        return _accepting(
            advice,
            table,
            f"{plain(table.quantity)} at {plain(table.price)} is worth {offered:.2f} to you (no"
            " deal is 0, the best you could offer is 1).",
            f"It is no worse than {plain(terms.quantity)} at {plain(terms.price)}, which you"
            " have offered yourself.",
        )
    found = _offering(advice, s, terms)
    return dataclasses.replace(
        found,
        reasons=(
            f"You have offered {plain(terms.quantity)} at {plain(terms.price)} before, worth"
            f" {found.worth:.2f} to you (no deal is 0, the best you could offer is 1):"
            " to ask for more now would go back on it.",
            f"Their offer is {_judged(advice)} to you; that they accept yours now has a"
            f" probability of {percent(found.acceptance)}.",
        ),
    )


def _judged(advice: Advice) -> str:
    offered = advice.offered or 0.0
    return f"worth {offered:.2f}" if offered > 0 else "worth no more than no deal"


def offered_back(advice: Advice, s: Situation, table: Move) -> Advice:
    """Return advice to offer the terms of an offer that one would accept if it had not lapsed."""
    found = _offering(advice, s, table.terms)
    return dataclasses.replace(
        found,
        reasons=(
            advice.reasons[0],
            "Their offer can no longer be accepted. The same terms, offered back to them, can:"
            f" with a probability of {percent(found.acceptance)}.",
        ),
    )


def ending(advice: Advice, table: Move, now: int) -> Advice:
    """Return advice to end it: what one would like to say, nobody can say any more."""
    what = f"{plain(table.quantity)} at {plain(table.price)}"
    why = "can no longer be accepted" if table.lapsed(now) else "is worse than no deal to you"
    return dataclasses.replace(
        advice,
        action=END,
        price=None,
        quantity=None,
        worth=0.0,
        acceptance=0.0,
        reasons=(
            "All rounds have been used: there is no offer to make any more.",
            f"What is on the table, {what}, {why}.",
        ),
    )
