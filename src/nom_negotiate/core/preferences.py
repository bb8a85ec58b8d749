"""What a party keeps to itself: its preferences, and what its autopilot may do.

Rules of the room:

- These are the contents of files in `private/`. Nothing of them enters a record that anybody
  else reads.
- What a deal is worth to its party is computed here exactly, in decimals. The advisor computes
  in floats; what it says is checked against this before it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec

from nom_negotiate.core.state import MAX_ROUND
from nom_negotiate.core.terms import Role, Terms, plain
from nom_negotiate.core.times import Seconds
from nom_negotiate.errors import InputError

PREFERENCES_SCHEMA: Final = "nom.preferences/1"
AUTOPILOT_SCHEMA: Final = "nom.autopilot/1"

OF_NEGOTIATION: Final = ".preferences"
AUTOPILOT: Final = ".autopilot"
"""What follows the id of a negotiation in the name of a private record."""

MAX_ROUNDS: Final = 40
"""Rounds of a negotiation after which an autopilot makes no more offers, unless told otherwise."""

MAX_SALT: Final = 64
Salt = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SALT)]

SHORTFALL: Final = Decimal(0)
EXCESS: Final = Decimal(1)

# Three numbers of 15 digits are multiplied: nothing is ever rounded.
_EXACT: Final = Context(prec=200)


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """What a party wants of a deal: the content of `private/*.json` but for autopilots.

    Attributes:
        reservation_price: per unit, the most a buyer pays and the least a seller takes.
        target_quantity: in units, what is wanted.
        target_price: per unit, what is hoped for; None where it is left open.
        shortfall: what each unit that is missing costs, as a part of a useful one; None for 0.
        excess: what each unit too many costs, as a part of a useful one; None for 1.
        salt: a secret that offers are varied with, so that nobody can reckon back from one to
            what it came from; None in a record that was written by hand.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = PREFERENCES_SCHEMA
    reservation_price: Decimal
    target_quantity: Decimal
    target_price: Decimal | None = None
    shortfall: Decimal | None = None
    excess: Decimal | None = None
    salt: Salt | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def secret(self) -> str:
        """Return what nobody else knows: the salt, or what there is without one."""
        return self.salt or f"{self.reservation_price} {self.target_quantity}"

    def varied(self, what: str) -> Decimal:
        """Return a part of one that differs from one thing to another, and nobody else can tell."""
        digest = sha256(f"{self.secret} {what}".encode()).digest()
        return Decimal(int.from_bytes(digest[:2])) / 0xFFFF

    def worth(self, role: Role, terms: Terms) -> Decimal:
        """Return what a deal is worth, exactly: 0 like no deal, less beyond the limits.

        Margin times useful quantity. Of a quantity up to the target everything is useful; what is
        missing and what is too much are taken off it.
        """
        x = _EXACT
        limit, target, quantity = self.reservation_price, self.target_quantity, terms.quantity
        margin = (
            x.subtract(limit, terms.price) if role is Role.BUYER else x.subtract(terms.price, limit)
        )
        missing = max(Decimal(0), x.subtract(target, quantity))
        spare = max(Decimal(0), x.subtract(quantity, target))
        costs = x.add(
            x.multiply(SHORTFALL if self.shortfall is None else self.shortfall, missing),
            x.multiply(EXCESS if self.excess is None else self.excess, spare),
        )
        useful = x.subtract(min(quantity, target), costs)
        worth = x.multiply(margin, useful)
        return -abs(worth) if margin < 0 or useful < 0 else worth

    def allows(self, role: Role, terms: Terms) -> bool:
        """Return whether a deal is within the reservation price, and no worse than none."""
        beyond = (
            terms.price > self.reservation_price
            if role is Role.BUYER
            else terms.price < self.reservation_price
        )
        return not beyond and self.worth(role, terms) >= 0

    def check(self, role: Role | None) -> None:
        """Refuse what contradicts itself.

        Raises:
            InputError: `invalid_number`, where the target price is one that is never agreed to.
        """
        if role is None or self.target_price is None:
            return
        if not self.allows(role, Terms(price=self.target_price, quantity=self.target_quantity)):
            least = "at most" if role is Role.BUYER else "at least"
            raise InputError(
                "invalid_number",
                f"target_price must be {least} the reservation price"
                f" {plain(self.reservation_price)} of a {role},"
                f" found {plain(self.target_price)}",
                hint="say another target price, or another reservation price",
            )


class Autopilot(msgspec.Struct, frozen=True, kw_only=True):
    """Leave to negotiate for a party: the content of `private/*.autopilot.json`.

    It holds as long as the file is there.

    Attributes:
        max_rounds: of the negotiation, both sides together; in later ones it makes no offer.
        auto_accept: take without haggling what comes near the target price and quantity.
        created: unix seconds.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = AUTOPILOT_SCHEMA
    max_rounds: Annotated[int, msgspec.Meta(ge=1, le=MAX_ROUND)] = MAX_ROUNDS
    auto_accept: bool = False
    created: Seconds
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


# The names of private records


def negotiation_of(name: str) -> str | None:
    """Return the negotiation that a private record is for, None where it is for none."""
    for ending in (OF_NEGOTIATION, AUTOPILOT):
        if name.endswith(ending) and name != ending:
            return name.removesuffix(ending)
    return None


def chemical_of(name: str) -> tuple[str, Role] | None:
    """Return the chemical and the role that a private record is for, None where for none."""
    chemical, _, role = name.rpartition(".")
    return (chemical, Role(role)) if chemical and role in (Role.BUYER, Role.SELLER) else None


def is_autopilot(name: str) -> bool:
    """Return whether a private record is, by its name, the setting of an autopilot."""
    return name.endswith(AUTOPILOT) and name != AUTOPILOT
