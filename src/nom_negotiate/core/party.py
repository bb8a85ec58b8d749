"""Who a party is, what it has standing on the market, and how a data root is set up."""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from nom_negotiate.core.identity import MAX_CHEMICAL_CHARS, Address, is_chemical
from nom_negotiate.core.outcome import Side
from nom_negotiate.core.state import MAX_ROUND, Chemical, Limits
from nom_negotiate.core.times import MAX_DURATION_S, Seconds
from nom_negotiate.errors import InputError

PROFILE_SCHEMA: Final = "nom.party/1"
LISTING_SCHEMA: Final = "nom.listing/1"
SETTINGS_SCHEMA: Final = "nom.config/1"

PACK_AFTER_S: Final = 90 * 24 * 3600
MAX_PACK_AFTER_S: Final = 100 * MAX_DURATION_S

PackAge = Annotated[int, msgspec.Meta(ge=0, le=MAX_PACK_AFTER_S)]
"""A number of seconds, up to a hundred years; 0 for never."""


MAX_DISPLAY_NAME_CHARS: Final = 100


def check_display_name(name: str) -> None:
    """Refuse what cannot stand beside an address.

    Raises:
        InputError: `invalid_text`, where it is blank, longer than 100 characters or has a
            character that is not plainly printable.
    """
    if not name.strip() or len(name) > MAX_DISPLAY_NAME_CHARS:
        raise InputError(
            "invalid_text",
            f"a display name must have 1 to {MAX_DISPLAY_NAME_CHARS} characters, has"
            f" {len(name.strip())}",
            hint=None if name.strip() else "say a name, or leave it out",
        )
    bad = next((char for char in name if unicodedata.category(char) in _UNSHOWN), None)
    if bad is not None:
        raise InputError("invalid_text", f"a display name must not contain {bad!a}")


# What a terminal may obey or cannot show, and what breaks a line. Joiners (Cf) are welcome.
_UNSHOWN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
ListingText = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
"""What the author of a listing says of it."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """Who a party is: the content of `init.json`. The counterparties can read it.

    Attributes:
        created: unix seconds.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = PROFILE_SCHEMA
    address: Address
    display_name: str
    created: Seconds
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class ListingStatus(enum.StrEnum):
    """Whether a listing still stands."""

    ACTIVE = "active"
    CLOSED = "closed"


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A standing order of one party: the content of a file in `listings/`.

    Attributes:
        id: unique among the listings of its party; the name of the file.
        user: who posted it, and the only writer.
        type: what its author wants to do.
        price: per unit, what its author bids (buy) or asks (sell), which need not be the limit;
            None where it is left open.
        quantity: in units; None where it is left open, and then no deal uses it up.
        text: what its author says of it, at most 2,000 characters; None for nothing.
        created: unix seconds.
        closed_at: unix seconds; None while it stands.
        left: how much of `quantity` deals had left when it was noted last; None for all. It
            follows from the author's transactions: it is for those who cannot read them.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = LISTING_SCHEMA
    id: str
    user: Address
    type: Side
    chemical: str
    price: Decimal | None = None
    quantity: Decimal | None = None
    text: ListingText | None = None
    created: Seconds
    status: ListingStatus = ListingStatus.ACTIVE
    closed_at: Seconds | None = None
    left: Decimal | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Isolation(enum.StrEnum):
    """Whom the files of a data root tell apart."""

    SHARED = "shared"
    UNIX = "unix"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a data root is set up: the content of `config.json`.

    Raises InputError (`invalid_setting`, `invalid_time`) where nobody could work with it.

    Attributes:
        closed: refuse addresses that have no directory yet.
        chemicals: what may be traded; each has 1 to 16 letters and digits.
        limits: how long a negotiation lasts that says nothing itself.
        isolation: `shared` where one Unix user acts for everybody, `unix` where each party and
            the poller have users of their own. The latter is closed: only root adds a party.
        pack_after_s: seconds after which what has ended is packed by the hourly sweep; 0 for
            never.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str = SETTINGS_SCHEMA
    closed: bool = False
    chemicals: tuple[Chemical, ...] = ("C", "N", "D", "Q")
    limits: Limits = Limits()
    isolation: Isolation = Isolation.SHARED
    pack_after_s: PackAge = PACK_AFTER_S
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.chemicals or not all(map(is_chemical, self.chemicals)):
            raise InputError(
                "invalid_setting",
                f"chemicals must be at least one word of 1 to {MAX_CHEMICAL_CHARS} letters and"
                f" digits, found {', '.join(self.chemicals)[:80]!a}",
            )
        for name in ("idle_s", "life_s"):
            seconds = getattr(self.limits, name)
            if not 0 < seconds <= MAX_DURATION_S:
                raise InputError(
                    "invalid_time",
                    f"{name} must be from 1 to {MAX_DURATION_S} seconds (a year), found {seconds}",
                )
        if self.isolation is Isolation.UNIX and not self.closed:
            raise InputError(
                "invalid_setting",
                "isolation by Unix users needs a closed data root: only root can make the"
                " directory of a newcomer",
            )
        if not 0 <= self.pack_after_s <= MAX_PACK_AFTER_S:
            raise InputError(
                "invalid_time",
                f"pack_after_s must be from 0 to {MAX_PACK_AFTER_S} seconds (a hundred years),"
                f" found {self.pack_after_s}",
            )
        rounds = self.limits.max_rounds
        if rounds is not None and not 0 < rounds <= MAX_ROUND:
            raise InputError(
                "invalid_setting", f"max_rounds must be from 1 to {MAX_ROUND}, found {rounds}"
            )
