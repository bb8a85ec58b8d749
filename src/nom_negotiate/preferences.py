"""A party's own preferences, kept in its private room.

Rules of the room:

- They are kept for a chemical and a role, or for one negotiation; the narrower ones count, as a
  whole.
- They are written with the party's own pen, and read by its own advisor and autopilot only.
  Nobody else's file, message or error ever says anything of them.
- What was kept for a negotiation goes when that is archived: there are no more files than
  active negotiations.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from nom_negotiate import codec
from nom_negotiate.core import rules
from nom_negotiate.core.identity import check_id
from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.core.preferences import (
    AUTOPILOT,
    MAX_SALT,
    OF_NEGOTIATION,
    Autopilot,
    Preferences,
    chemical_of,
    is_autopilot,
    negotiation_of,
)
from nom_negotiate.core.terms import Number, Role, parse_number
from nom_negotiate.errors import InputError, NomError, NotFound, RecordError, StoreError
from nom_negotiate.party import Party
from nom_negotiate.store.port import Store, Writer


class Held(NamedTuple):
    """Preferences, with what they are for.

    Attributes:
        negotiation_id: None where they are for a chemical.
        chemical: None where they are for one negotiation.
        role: None where they are for one negotiation.
        preferences: what is wanted; None where the record cannot be read.
        problem: why it cannot be.
    """

    negotiation_id: str | None
    chemical: str | None
    role: Role | None
    preferences: Preferences | None
    problem: str = ""


def set_preferences(
    party: Party,
    *,
    reservation_price: Number,
    target_quantity: Number,
    target_price: Number | None = None,
    shortfall: Number | None = None,
    excess: Number | None = None,
    salt: str | None = None,
    chemical: str | None = None,
    role: str | None = None,
    negotiation_id: str | None = None,
) -> Preferences:
    """Keep a party's preferences in place of those that were kept before; durable.

    Args:
        party: whose.
        reservation_price: per unit, the most a buyer pays and the least a seller takes.
        target_quantity: in units, what is wanted.
        target_price: per unit, what is hoped for.
        shortfall: what each unit that is missing costs, as a part of a useful one.
        excess: what each unit too many costs, as a part of a useful one.
        salt: a secret of 1 to 64 characters that offers are varied with, so that nobody can reckon
            back from one to these preferences; drawn at random if None. Equal ones make equal
            offers in equal negotiations.
        chemical: what they are for, together with `role`.
        role: `buyer` or `seller`.
        negotiation_id: what they are for; then there is neither chemical nor role.

    Raises:
        InputError: for a value that is none.
        NotFound: `unknown_negotiation`.
        RuleViolation: `concluded`, `closed_root`.
    """

    def number(value: Number | None, field: str) -> Decimal | None:
        return None if value is None else parse_number(value, field)

    found = Preferences(
        reservation_price=parse_number(reservation_price, "reservation_price"),
        target_quantity=parse_number(target_quantity, "target_quantity", positive=True),
        target_price=number(target_price, "target_price"),
        shortfall=number(shortfall, "shortfall"),
        excess=number(excess, "excess"),
        salt=secrets.token_hex(8) if salt is None else salt,
    )
    if found.salt is None or not 0 < len(found.salt) <= MAX_SALT:
        raise InputError("invalid_text", f"salt must have 1 to {MAX_SALT} characters")
    desk = party.desk
    name, bound = _name(party, chemical, role, negotiation_id)
    if negotiation_id is None:
        desk.admit(party.address)
    else:
        seen = party.negotiation(negotiation_id)
        if not seen.phase.open:
            raise rules.concluded(seen)
        bound = seen.roles.get(party.address)
    found.check(bound)
    with desk.store.writer(party.address) as pen:
        tidy(desk.store, pen)
        pen.write_private(name, codec.encode(found))
    return found


def clear_preferences(
    party: Party,
    *,
    chemical: str | None = None,
    role: str | None = None,
    negotiation_id: str | None = None,
) -> bool:
    """Forget what `set_preferences` keeps; return whether there was anything. Durable.

    Raises:
        InputError: for a value that is none.
    """
    name, _ = _name(party, chemical, role, negotiation_id)
    store = party.desk.store
    if not store.known(party.address):
        return False
    with store.writer(party.address) as pen:
        tidy(store, pen)
        return pen.discard_private(name)


def preferences(party: Party) -> Iterator[Held]:
    """Yield all that a party keeps: for chemicals first, then for negotiations."""
    named = [(*_parts(name), name) for name in party.desk.store.private_names(party.address)]
    for negotiation_id, chemical, role, name in sorted(
        (row for row in named if row[0] or row[1]), key=lambda row: (row[0] or "", row[3])
    ):
        try:
            found = _read(party, name)
        except NomError as error:
            yield Held(negotiation_id, chemical, role, None, error.message)
        else:
            if found is not None:
                yield Held(negotiation_id, chemical, role, found)


def preferences_in(party: Party, seen: Negotiation) -> Preferences:
    """Return what a party wants of one of its negotiations.

    Raises:
        NotFound: `no_preferences`.
        RecordError: where they cannot be read.
        StoreError: `denied`, for everybody but the party.
    """
    role = seen.roles.get(party.address)
    found = _read(party, seen.id + OF_NEGOTIATION)
    if found is None and role is not None:
        found = _read(party, f"{seen.chemical}.{role}")
    if found is None:
        raise NotFound(
            "no_preferences",
            f"{party.address} has said no preferences for {seen.id}, nor for {seen.chemical}"
            + (f" as a {role}" if role else ""),
        )
    return found


def setting(party: Party, negotiation_id: str) -> Autopilot | None:
    """Return what the autopilot of a party may do in a negotiation, None where it is off.

    Raises:
        RecordError: where that cannot be read.
        StoreError: `denied`, for everybody but the party.
    """
    data = party.desk.store.private(party.address, negotiation_id + AUTOPILOT)
    return None if data is None else codec.decode_autopilot(data)


def autopilots(party: Party) -> dict[str, Autopilot]:
    """Return what the autopilots of a party may do that are on, by negotiation.

    For showing them to the party: empty where the caller may not read its private room; one whose
    record cannot be read is left out.
    """
    found: dict[str, Autopilot] = {}
    with suppress(StoreError):
        for name in party.desk.store.private_names(party.address):
            if is_autopilot(name) and (of := negotiation_of(name)):
                with suppress(RecordError):
                    may = setting(party, of)
                    if may is not None:
                        found[of] = may
    return found


def tidy(store: Store, pen: Writer) -> None:
    """Forget what the party of a pen has kept for negotiations that are archived."""
    for name in store.private_names(pen.party):
        negotiation_id = negotiation_of(name)
        if negotiation_id is None:
            continue
        place = store.find(pen.party, negotiation_id)
        if place is not None and place.archived:
            pen.discard_private(name)


def _name(
    party: Party, chemical: str | None, role: str | None, negotiation_id: str | None
) -> tuple[str, Role | None]:
    if negotiation_id is not None:
        return check_id(negotiation_id) + OF_NEGOTIATION, None
    if chemical is None or role is None:
        raise InputError("invalid_text", "preferences are for a chemical and a role, or for an id")
    rules.check_chemical(chemical, party.desk.settings.chemicals)
    try:
        which = Role(role)
    except ValueError:
        raise InputError(
            "invalid_text", f"role must be buyer or seller, found {role[:24]!a}"
        ) from None
    return f"{chemical}.{which}", which


def _parts(name: str) -> tuple[str | None, str | None, Role | None]:
    if is_autopilot(name):
        return None, None, None
    chemical, role = chemical_of(name) or (None, None)
    return negotiation_of(name), chemical, role


def _read(party: Party, name: str) -> Preferences | None:
    data = party.desk.store.private(party.address, name)
    return None if data is None else codec.decode_preferences(data)
