"""What a party may do now: one table, and a few small functions.

Rules of the room:

- `ALLOWED` says which action is open to a party in which standing. A missing pair is the
  violation, and `REFUSALS` words it.
- Every other rule is a function that returns nothing or raises; none of them changes
  anything.

A party's *standing* follows from the last move alone: who made it, and whether it has
lapsed. So offers alternate, nobody accepts their own offer, only the offer on the table
can be accepted, its author may withdraw and its receiver reject.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

from nom_negotiate.core import times
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.state import MAX_LEVEL, MAX_ROUND, PartyState
from nom_negotiate.core.terms import plain
from nom_negotiate.errors import Conflict, InputError, RuleViolation

MAX_TEXT_CHARS: Final = 2000
MAX_MESSAGES: Final = 1000
"""Of one party in one negotiation."""
_BAD: Final = frozenset({"Cc", "Cs"})
MAX_DURATION_S: Final = times.MAX_DURATION_S


class Action(enum.StrEnum):
    """What a party can do in a negotiation."""

    OFFER = "offer"
    ACCEPT = "accept"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    SAY = "say"
    REACT = "react"
    READ = "read"


class Standing(enum.Enum):
    """Where a party stands."""

    OPENING = "nobody has offered yet"
    ANSWERING = "the counterparty's move is on the table"
    ANSWERING_LATE = "the counterparty's offer has lapsed"
    WAITING = "the party's own move is on the table"
    WAITING_LATE = "the party's own offer has lapsed"
    CONCLUDED = "the negotiation has ended"


_TALK: Final = frozenset({Action.SAY, Action.REACT, Action.READ})

ALLOWED: Final[dict[Standing, frozenset[Action]]] = {
    Standing.OPENING: _TALK | {Action.OFFER, Action.REJECT, Action.WITHDRAW},
    Standing.ANSWERING: _TALK | {Action.OFFER, Action.ACCEPT, Action.REJECT},
    Standing.ANSWERING_LATE: _TALK | {Action.OFFER, Action.REJECT},
    Standing.WAITING: _TALK | {Action.WITHDRAW},
    Standing.WAITING_LATE: _TALK | {Action.OFFER, Action.WITHDRAW},
    Standing.CONCLUDED: frozenset(),
}

REFUSALS: Final[dict[tuple[Standing, Action], tuple[str, str]]] = {
    (Standing.OPENING, Action.ACCEPT): ("nothing_on_table", "there is no offer to accept"),
    (Standing.ANSWERING, Action.WITHDRAW): (
        "not_your_turn",
        "only its author can withdraw the offer on the table; reject it instead",
    ),
    (Standing.ANSWERING_LATE, Action.ACCEPT): (
        "offer_lapsed",
        "the offer on the table is no longer valid",
    ),
    (Standing.ANSWERING_LATE, Action.WITHDRAW): (
        "not_your_turn",
        "only its author can withdraw the offer on the table; reject it instead",
    ),
    (Standing.WAITING, Action.OFFER): (
        "not_your_turn",
        "your own offer is on the table, and nobody counters their own offer",
    ),
    (Standing.WAITING, Action.ACCEPT): ("own_offer", "nobody accepts their own offer"),
    (Standing.WAITING, Action.REJECT): (
        "own_offer",
        "the offer on the table is your own; withdraw it instead",
    ),
    (Standing.WAITING_LATE, Action.ACCEPT): ("own_offer", "nobody accepts their own offer"),
    (Standing.WAITING_LATE, Action.REJECT): (
        "own_offer",
        "the offer on the table is your own; withdraw it instead",
    ),
}


def standing(negotiation: Negotiation, party: Address, now: int) -> Standing:
    """Return where `party` stands at `now` (unix seconds)."""
    table = negotiation.on_table
    if not negotiation.phase.open:
        return Standing.CONCLUDED
    if table is None:
        return Standing.OPENING
    late = table.lapsed(now)
    if table.by == party:
        return Standing.WAITING_LATE if late else Standing.WAITING
    return Standing.ANSWERING_LATE if late else Standing.ANSWERING


def check_action(negotiation: Negotiation, party: Address, action: Action, now: int) -> None:
    """Refuse `action` where the standing of `party` does not allow it.

    Raises:
        RuleViolation: `concluded`, `not_your_turn`, `own_offer`, `offer_lapsed`,
            `nothing_on_table`.
    """
    where = standing(negotiation, party, now)
    if action in ALLOWED[where]:
        return
    if where is Standing.CONCLUDED:
        raise concluded(negotiation)
    code, message = REFUSALS[where, action]
    raise RuleViolation(code, f"cannot {action} in {negotiation.id}: {message}")


def concluded(negotiation: Negotiation) -> RuleViolation:
    """Return the refusal of any action in a negotiation that has ended."""
    outcome = negotiation.outcome
    why = f" ({outcome.reason})" if outcome is not None and outcome.reason else ""
    settled = " and waits for the next poll" if outcome is None else ""
    return RuleViolation(
        "concluded", f"{negotiation.id} has ended: it is {negotiation.phase}{why}{settled}"
    )


def check_round(negotiation: Negotiation, seen: int | None) -> None:
    """Refuse an acceptance of round `seen` where another round is on the table.

    Raises:
        Conflict: `stale_round`.
    """
    table = negotiation.on_table
    if seen is not None and table is not None and seen != table.round:
        raise Conflict(
            "stale_round",
            f"the offer on the table of {negotiation.id} is round {table.round}"
            f" ({describe(table)}), not round {seen}",
        )


def check_revision(negotiation: Negotiation, party: Address, seen: int | None) -> None:
    """Refuse an action based on revision `seen` of one's own state where it has moved on.

    Raises:
        Conflict: `stale_revision`.
    """
    found = negotiation.revisions.get(party, 0)
    if seen is not None and seen != found:
        raise Conflict(
            "stale_revision",
            f"your state of {negotiation.id} is at revision {found}, not {seen}",
        )


def check_cap(negotiation: Negotiation) -> None:
    """Refuse a further offer where the cap on rounds is reached.

    A round that no file can hold is a cap, too: a counterparty that says it is at the last
    one must not make us write a state that nobody reads.

    Raises:
        RuleViolation: `rounds_exhausted`.
    """
    cap = min(negotiation.limits.max_rounds or MAX_ROUND, MAX_ROUND)
    if negotiation.round >= cap:
        raise RuleViolation("rounds_exhausted", f"{negotiation.id} has had all of its {cap} rounds")


def check_messages(own: PartyState) -> None:
    """Refuse a further message where its author has left as many as there may be.

    Raises:
        RuleViolation: `messages_exhausted`.
    """
    said = len(own.messages)
    if said >= MAX_MESSAGES:
        raise RuleViolation(
            "messages_exhausted",
            f"{own.user} has left {said} messages in {own.negotiation_id}, and {MAX_MESSAGES} are"
            " the most",
        )


def check_level(level: object) -> int:
    """Return the level of a reaction, if it is one.

    Raises:
        InputError: `invalid_level`, where it is no whole number from 0 to 100.
    """
    if isinstance(level, bool) or not isinstance(level, int) or not 0 <= level <= MAX_LEVEL:
        raise InputError(
            "invalid_level",
            f"level must be a whole number from 0 to {MAX_LEVEL}, found {level!a:.24}",
        )
    return level


def check_valid_until(valid_until: int | None, now: int) -> None:
    """Refuse an offer that would have lapsed when it is made.

    Raises:
        InputError: `invalid_time`.
    """
    if valid_until is not None and not now <= valid_until <= now + MAX_DURATION_S:
        raise InputError(
            "invalid_time",
            f"valid_until must lie between now ({now}) and a year ahead, found {valid_until}",
        )


def check_counterparty(party: Address, counterparty: Address) -> None:
    """Refuse to negotiate with oneself.

    Raises:
        RuleViolation: `self_negotiation`.
    """
    if party == counterparty:
        raise RuleViolation("self_negotiation", f"{party} cannot negotiate with itself")


def check_chemical(chemical: str, known: Collection[str]) -> None:
    """Refuse a chemical that this data root does not trade.

    Raises:
        InputError: `unknown_chemical`.
    """
    if chemical not in known:
        raise InputError(
            "unknown_chemical",
            f"expected one of {', '.join(sorted(known))}, found {chemical[:24]!a}",
        )


def check_duplicate(counterparty: Address, chemical: str, active: Iterable[Negotiation]) -> None:
    """Refuse a second active negotiation of one pair over one chemical.

    Args:
        counterparty: whom the new one would be with.
        chemical: what it would be over.
        active: the active negotiations of the party that starts it.

    Raises:
        RuleViolation: `duplicate_negotiation`.
    """
    for other in active:
        pair = (other.initiator, other.responder)
        if counterparty in pair and other.chemical == chemical and other.phase.open:
            raise RuleViolation(
                "duplicate_negotiation",
                f"{other.id} with {counterparty} over {chemical} is still open",
            )


def check_text(text: str, field: str) -> str:
    """Return `text` without surrounding blanks, if it can stand in a state file.

    Raises:
        InputError: `invalid_text`, where it is empty, longer than 2,000 characters or has
            control characters other than a line feed or a tab.
    """
    text = text.strip()
    if not text or len(text) > MAX_TEXT_CHARS:
        raise InputError(
            "invalid_text",
            f"{field} must have 1 to {MAX_TEXT_CHARS} characters, has {len(text)}",
            hint=None if text else "say something, or leave it out",
        )
    # Cc: what a terminal may obey, the eight-bit ones (U+0080 to U+009F) included.
    # Cs: half of a surrogate pair, which no file can hold.
    bad = next((c for c in text if c not in "\n\t" and unicodedata.category(c) in _BAD), None)
    if bad is not None:
        raise InputError("invalid_text", f"{field} must not contain {bad!a}")
    return text


def describe(move: Move) -> str:
    """Return quantity and price of a move in words."""
    return f"{plain(move.quantity)} at {plain(move.price)}"
