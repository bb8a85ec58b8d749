"""The same market for every contestant: who negotiates with whom, and on which terms.

Rules of the room:

- A `Case` is one negotiation, and `Case.offers` what both sides have said in it: two firm offers
  that differ. Nothing is agreed; the initiator's answer is due.
- Every contestant holds the same cases, in its own way.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Final, NamedTuple, Protocol

from nom_negotiate import Role, Terms, agreement_key
from nom_negotiate.core.identity import Address, parse_address

TEAMS: Final = 20
CHEMICAL: Final = "C"
LIFE_S: Final = 24 * 3600
BUYERS: Final = Terms(price=Decimal("5.5"), quantity=Decimal(1000))
SELLERS: Final = Terms(price=Decimal(6), quantity=Decimal(900))


def team(number: int) -> Address:
    """Return the address of a party."""
    return parse_address(f"team{number:04}@stonybrook.edu")


def short(address: str) -> str:
    """Return the short name of an address."""
    return address.partition("@")[0]


class Case(NamedTuple):
    """One negotiation.

    Attributes:
        number: counts them from 1.
        id: the name of it.
        initiator: who buys, and has offered `BUYERS` in round 1.
        responder: who sells, and has offered `SELLERS` in round 2.
        at: unix seconds of both offers.
    """

    number: int
    id: str
    initiator: Address
    responder: Address
    at: int

    def key(self, terms: Terms) -> str:
        """Return the agreement key of these terms in this negotiation."""
        return agreement_key(
            negotiation_id=self.id,
            chemical=CHEMICAL,
            buyer=self.initiator,
            seller=self.responder,
            terms=terms,
        )

    @property
    def offers(self) -> tuple[tuple[Address, Role, Terms], tuple[Address, Role, Terms]]:
        """Return who is what and offers what, in the order of the rounds."""
        return (self.initiator, Role.BUYER, BUYERS), (self.responder, Role.SELLER, SELLERS)


def cases(count: int, teams: int = TEAMS, *, first: int = 1) -> list[Case]:
    """Return that many negotiations, spread evenly over the teams and their pairs."""
    at = int(time.time())
    found = []
    for number in range(first, first + count):
        one = number % teams
        other = (one + 1 + number // teams % (teams - 1)) % teams
        initiator, responder = team(one), team(other)
        # Ids tell seconds; these go back, so that none lies in the future.
        name = f"{short(initiator)}_{short(responder)}_{CHEMICAL}_{at - number}"
        found.append(Case(number, name, initiator, responder, at))
    return found


def pairs_of_their_own(count: int) -> list[Case]:
    """Return that many negotiations between parties of which each takes part in one only."""
    at = int(time.time())
    return [
        Case(
            number,
            f"{short(team(2 * number))}_{short(team(2 * number + 1))}_{CHEMICAL}_{at}",
            team(2 * number),
            team(2 * number + 1),
            at,
        )
        for number in range(count)
    ]


class Offering(Protocol):
    """What each peer can do: make a counter-offer that is durable when it returns."""

    def __call__(self, case: Case, side: int, price: str, quantity: str, key: str) -> None:
        """Make the offer.

        Args:
            case: in which negotiation.
            side: 0 for the initiator, 1 for the responder.
            price: per unit.
            quantity: in units.
            key: the agreement key of these terms.
        """
