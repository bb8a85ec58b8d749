"""How times, parties, terms and outcomes are put into words for a person.

Everything here returns text that is safe to print: see `output.visible`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from nom_negotiate.cli.names import Names
from nom_negotiate.cli.output import visible

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Move, Negotiation
    from nom_negotiate.core.outcome import Outcome
    from nom_negotiate.core.party import Listing
    from nom_negotiate.core.terms import Terms

PHASE_STYLES: Final = {
    "initiated": "warn",
    "in_progress": "warn",
    "agreed": "good",
    "rejected": "bad",
    "withdrawn": "bad",
    "expired": "dim",
}
"""By `Phase`, each of which is its value."""


def clock(at: int) -> str:
    """Return a time of day with its date, in the zone of this machine."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        # A file of somebody else may say any number; EOVERFLOW for a year of 12 digits.
        return str(at)


def span(seconds: int) -> str:
    """Return a length of time in its two largest units, such as `1h 30m`."""
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def plural(count: int, thing: str) -> str:
    """Return a count of things, such as `1 negotiation` or `1,204 negotiations`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def relative(at: int, now: int) -> str:
    """Return a time as seen from now, such as `3m ago` or `in 23h 59m`."""
    if at == now:
        return "now"
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"


def short(party: Address, others: tuple[Address | None, ...]) -> str:
    """Return the local part of an address, or all of it where another one has the same."""
    local = party.partition("@")[0]
    same = any(other not in (None, party) and _local(other) == local for other in others)
    return visible(party if same else local)


def _local(address: Address | None) -> str:
    return "" if address is None else address.partition("@")[0]


def name(negotiation: Negotiation, party: Address | None) -> str:
    """Return how a party of a negotiation is called in it."""
    if party is None:
        return "somebody"
    return short(party, (negotiation.initiator, negotiation.responder))


def phase(negotiation: Negotiation) -> str:
    """Return how far a negotiation has come, and what it waits for."""
    said = negotiation.phase.value.replace("_", " ")
    if not negotiation.phase.open and negotiation.outcome is None:
        return f"{said}, waits for the next poll"
    return said


def turn(negotiation: Negotiation) -> str:
    """Return whose turn it is, in words; empty where it is nobody's."""
    if not negotiation.phase.open:
        return ""
    if negotiation.turn is None:
        return "anybody's turn"
    return f"{name(negotiation, negotiation.turn)}'s turn"


def deal(move: Move, chemical: str) -> str:
    """Return the terms of a move, such as `900 C at 6 (delivery, payment)`.

    Of what is in words, only what it is about.
    """
    from nom_negotiate.core.rules import describe

    quantity, _, price = describe(move).partition(" at ")
    words = ", ".join(move.terms.conditions)
    return f"{quantity} {visible(chemical)} at {price}" + (f" ({words})" if words else "")


def conditions(terms: Terms) -> list[tuple[str, str]]:
    """Return the terms in words, each with its name."""
    return [(name, visible(text)) for name, text in terms.conditions.items()]


def outcome(found: Outcome, names: Names | None = None) -> str:
    """Return how a negotiation ended, such as `agreed 900 C at 6`."""
    from nom_negotiate.core.terms import plain

    agreed = found.deal
    if agreed is not None:
        terms = f"{plain(agreed.quantity)} {visible(agreed.chemical)} at {plain(agreed.price)}"
        return f"agreed {terms}"
    by = f" by {(names or Names()).beside(found.by, visible(found.by))}" if found.by else ""
    why = f": {visible(found.reason)}" if found.reason else ""
    return f"{found.outcome.value}{by}{why}"


def listing(found: Listing) -> str:
    """Return what a listing asks for, such as `sell 100 C at 5.5`."""
    from nom_negotiate.core.terms import plain

    quantity = "" if found.quantity is None else f" {plain(found.quantity)}"
    price = "" if found.price is None else f" at {plain(found.price)}"
    return f"{found.type.value}{quantity} {visible(found.chemical)}{price}"
