"""From bytes to records: one function for each file."""

from __future__ import annotations

import decimal
import functools
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec

from nom_negotiate.codec.bounds import MAX_RECORD_BYTES
from nom_negotiate.codec.encoding import encode_ordinary
from nom_negotiate.codec.loading import Raw, load, malformed, unique
from nom_negotiate.core.identity import (
    MAX_CHEMICAL_CHARS,
    MAX_NAME_BYTES,
    Address,
    check_id,
    check_listing_id,
    is_chemical,
    parse_address,
)
from nom_negotiate.core.outcome import (
    OUTCOME_SCHEMA,
    TRANSACTION_SCHEMA,
    Deal,
    Kind,
    Outcome,
    Transaction,
)
from nom_negotiate.core.party import (
    LISTING_SCHEMA,
    PROFILE_SCHEMA,
    SETTINGS_SCHEMA,
    Listing,
    Profile,
    Settings,
)
from nom_negotiate.core.preferences import (
    AUTOPILOT_SCHEMA,
    PREFERENCES_SCHEMA,
    Autopilot,
    Preferences,
)
from nom_negotiate.core.state import (
    STATE_SCHEMA,
    Limits,
    Message,
    Offer,
    PartyState,
    PastOffer,
    Reaction,
    ReadMark,
    Status,
)
from nom_negotiate.core.terms import (
    CONDITIONS,
    MAX_DIGITS,
    agreement_key,
    check_condition,
    parse_number,
)
from nom_negotiate.errors import InputError

R = TypeVar("R", bound=msgspec.Struct)

# What a binary double of any size means in the original format. Without traps: a number
# that leaves the bounds of the context leaves those of `parse_number`, too.
_ORIGINAL: Final = decimal.Context(
    prec=MAX_DIGITS,
    rounding=decimal.ROUND_HALF_EVEN,
    Emin=decimal.MIN_EMIN,
    Emax=decimal.MAX_EMAX,
    traps=[],
)


def decode_state(data: bytes, negotiation_id: str) -> PartyState:
    """Return the state in `data`.

    A file of the original format has no `schema`; it belongs to the namespace that it
    lies in, its numbers are rounded to 15 significant digits (its authors wrote binary
    doubles), and its `agreement_key` says only that the author agreed.

    Args:
        data: the bytes of a state file.
        negotiation_id: the name of the namespace that holds it.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    state = decode_ordinary_state(data, negotiation_id)
    return state or _checked(_any_state(load(data), negotiation_id), negotiation_id)


def decode_ordinary_state(data: bytes, negotiation_id: str) -> PartyState | None:
    """Return the state in `data` where these are the bytes that are written for it.

    None for any others, which may still be a state: see `decode_state`. There is no unknown field
    in it, and so nothing that could be changed: it may be handed to many.

    Raises:
        RecordError: `malformed_record`.
    """
    state = _ordinary(data, PartyState)
    if state is None or state.schema != STATE_SCHEMA:
        return None
    if not _are_parsed((state.user, state.counterparty)):
        return None
    return _checked(state, negotiation_id)


def _checked(state: PartyState, negotiation_id: str) -> PartyState:
    if not is_chemical(state.chemical):
        raise malformed(
            f"expected chemical to be 1 to {MAX_CHEMICAL_CHARS} letters and digits,"
            f" found {state.chemical[:24]!a}"
        )
    if state.user == state.counterparty:
        raise malformed(f"expected two parties, found {state.user} on both sides")
    _check_listing(state.listing)
    if state.schema is not None:
        _check_own(state, negotiation_id)
    return state


def _any_state(raw: Raw, negotiation_id: str) -> PartyState:
    schema = raw.get("schema")
    _check_schema(raw, STATE_SCHEMA, optional=True)
    original = schema is None
    if original:
        raw = {"schema": None, "counterparty": None, **raw, "negotiation_id": negotiation_id}
        if raw.get("role") not in ("buyer", "seller"):
            raw["role"] = None
    if raw.get("offer") is not None:
        raw["offer"] = _offer(raw["offer"], "offer", original)
    else:
        raw["offer"] = None
    raw["history"] = [
        _offer(item, f"history[{n}]", original) for n, item in enumerate(_list(raw, "history"))
    ]
    raw["messages"] = [_split(item, Message) for item in _list(raw, "messages")]
    for field, record in (("limits", Limits), ("read", ReadMark), ("reaction", Reaction)):
        if raw.get(field) is not None:
            raw[field] = _split(raw[field], record)
    return _build(_fold(raw, "user", "counterparty"), PartyState)


def _check_own(state: PartyState, negotiation_id: str) -> None:
    if state.negotiation_id != negotiation_id:
        raise malformed(
            f"expected negotiation_id {negotiation_id}, found {state.negotiation_id[:80]!a}"
        )
    if state.counterparty is None or state.role is None:
        raise malformed(f"a file with schema {STATE_SCHEMA} names its counterparty and role")
    if state.status is Status.AGREED and state.offer is None:
        raise malformed("a state that is agreed needs an offer")
    expected = state.commitment_key(state.role, state.counterparty)
    if state.agreement_key != expected:
        raise malformed(
            f"expected agreement_key {expected} for its own terms and status {state.status},"
            f" found {state.agreement_key}"
        )


def decode_outcome(data: bytes) -> Outcome:
    """Return the outcome in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    outcome = _ordinary_outcome(data) or _any_outcome(load(data))
    if (outcome.outcome is Kind.AGREED) != (outcome.deal is not None):
        raise malformed("an outcome has a deal exactly where it is agreed")
    if outcome.initiator == outcome.responder:
        raise malformed(f"expected two parties, found {outcome.initiator} on both sides")
    _check_listing(outcome.listing)
    if outcome.deal is not None:
        _check_deal(outcome, outcome.deal)
    # A migrated agreement stands for no transactions: it was executed before.
    if set(outcome.transactions) not in (set(), {outcome.initiator, outcome.responder}):
        raise malformed("an outcome names the transactions of both of its parties, or none")
    for name in outcome.transactions.values():
        _check_name(name)
    return outcome


def _ordinary_outcome(data: bytes) -> Outcome | None:
    outcome = _ordinary(data, Outcome)
    if outcome is None or outcome.schema != OUTCOME_SCHEMA:
        return None
    deal = outcome.deal
    addresses = [outcome.initiator, outcome.responder, outcome.by]
    addresses += [*outcome.states, *outcome.transactions]
    if deal is not None:
        addresses += [deal.buyer, deal.seller]
    return outcome if _are_parsed(addresses) else None


def _any_outcome(raw: Raw) -> Outcome:
    _check_schema(raw, OUTCOME_SCHEMA)
    if isinstance(raw.get("deal"), dict):
        raw["deal"] = _fold(_terms(raw["deal"], "deal", rounded=False), "buyer", "seller")
    return _build(_fold(raw, "initiator", "responder", "by", "states", "transactions"), Outcome)


def _check_deal(outcome: Outcome, deal: Deal) -> None:
    if {outcome.initiator, outcome.responder} != {deal.buyer, deal.seller}:
        raise malformed("the deal of an outcome is between its two parties")
    expected = agreement_key(
        negotiation_id=outcome.negotiation_id,
        chemical=deal.chemical,
        buyer=deal.buyer,
        seller=deal.seller,
        terms=deal.terms,
    )
    if deal.agreement_key != expected:
        raise malformed(
            f"expected agreement_key {expected} for its deal, found {deal.agreement_key}"
        )


def _check_name(name: str) -> None:
    try:
        check_id(name)
        # Room for what a name grows by where it is taken, or is temporary.
        fits = len(name.encode()) <= MAX_NAME_BYTES - 32 and name.endswith(".json")
    except InputError:
        fits = False
    if not fits:
        raise malformed(f"expected the name of a transaction file, found {name[:80]!a}")


def decode_transaction(data: bytes) -> Transaction:
    """Return the transaction in `data`; files of the original format are read too.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    found = _ordinary(data, Transaction)
    if (
        found is None
        or found.schema != TRANSACTION_SCHEMA
        or not _are_parsed((found.counterparty,))
    ):
        found = _any_transaction(load(data))
    _check_listing(found.listing)
    return found


def _any_transaction(raw: Raw) -> Transaction:
    original = _check_schema(raw, TRANSACTION_SCHEMA, optional=True)
    raw = _fold(_terms(raw, "transaction", rounded=original), "counterparty")
    return _build({"schema": TRANSACTION_SCHEMA, **raw}, Transaction)


def decode_profile(data: bytes) -> Profile:
    """Return the profile in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    _check_schema(raw, PROFILE_SCHEMA)
    return _build(_fold(raw, "address"), Profile)


def decode_listing(data: bytes) -> Listing:
    """Return the listing in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    _check_schema(raw, LISTING_SCHEMA)
    raw = _numbers(raw, "listing", rounded=False, fields=("price", "quantity", "left"))
    listing = _build(_fold(raw, "user"), Listing)
    _check_listing(listing.id)
    return listing


def _check_listing(found: str | None) -> None:
    if found is None:
        return
    try:
        check_listing_id(found)
    except InputError as error:
        raise malformed(error.message) from None


def decode_preferences(data: bytes) -> Preferences:
    """Return the preferences in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    _check_schema(raw, PREFERENCES_SCHEMA)
    fields = ("reservation_price", "target_quantity", "target_price", "shortfall", "excess")
    return _build(_numbers(raw, "preferences", rounded=False, fields=fields), Preferences)


def decode_autopilot(data: bytes) -> Autopilot:
    """Return the settings of an autopilot in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    _check_schema(raw, AUTOPILOT_SCHEMA)
    return _build(raw, Autopilot)


def decode_settings(data: bytes) -> Settings:
    """Return the settings in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    _check_schema(raw, SETTINGS_SCHEMA)
    settings = _build(raw, Settings)
    limits = settings.limits
    if limits.idle_s <= 0 or limits.life_s <= 0 or (limits.max_rounds or 1) < 1:
        raise malformed("idle_s, life_s and max_rounds must be greater than 0")
    return settings


def _ordinary(data: bytes, record: type[R]) -> R | None:
    """Return the record whose ordinary bytes these are, None for any others.

    Then nothing stands in the file that does not stand in the record: no key twice, no unknown
    field, no number in another form, nothing that `load` would refuse. Values are left to check.
    """
    if len(data) > MAX_RECORD_BYTES:
        return None
    try:
        found = _decoder(record).decode(data)
    except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
        # The strict way says what it is.
        return None
    return found if encode_ordinary(found) == data else None


@functools.cache
def _decoder(record: type[R]) -> msgspec.json.Decoder[R]:
    return msgspec.json.Decoder(record)


def _are_parsed(addresses: Iterable[Address | None]) -> bool:
    try:
        for address in addresses:
            if address is not None and parse_address(address) != address:
                return False
    except InputError:
        return False
    return True


def _check_schema(raw: Raw, expected: str, *, optional: bool = False) -> bool:
    found = raw.get("schema")
    if found is None and optional:
        return True
    if found != expected:
        raise malformed(f"expected schema {expected}, found {str(found)[:80]!a}")
    return False


def _list(raw: Raw, field: str) -> list[Any]:
    value = raw.get(field, [])
    if not isinstance(value, list):
        raise malformed(f"expected {field} to be an array, found {type(value).__name__}")
    return value


def _offer(raw: Any, where: str, original: bool) -> Raw:
    known = _split(raw, PastOffer if where.startswith("history") else Offer)
    return _terms(known, where, rounded=original)


def _terms(raw: Raw, where: str, *, rounded: bool) -> Raw:
    """Return `raw` with checked numbers, and conditions, where present, that can bind."""
    for field in CONDITIONS:
        text = raw.get(field)
        if text is None:
            continue
        try:
            check_condition(text, f"{where}.{field}")
        except InputError as error:
            raise malformed(error.message) from None
    return _numbers(raw, where, rounded=rounded)


def _numbers(
    raw: Raw, where: str, *, rounded: bool, fields: tuple[str, ...] = ("price", "quantity")
) -> Raw:
    """Return `raw` with its numbers, where present, as checked decimals."""
    raw = dict(raw)
    for field in fields:
        value = raw.get(field)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise malformed(
                f"expected {where}.{field} to be a number, found {type(value).__name__}"
            )
        if rounded:
            value = _ORIGINAL.plus(Decimal(value))
        try:
            raw[field] = parse_number(
                value, f"{where}.{field}", positive=field.endswith("quantity")
            )
        except InputError as error:
            raise malformed(error.message) from None
    return raw


def _split(raw: Any, record: type[msgspec.Struct]) -> Raw:
    """Return `raw` with the fields that `record` does not know moved to `extra`."""
    if not isinstance(raw, dict):
        raise malformed(f"expected an object, found {type(raw).__name__}")
    known = _known(record)
    split = {key: value for key, value in raw.items() if key in known}
    # A stranger's field called "extra" is unknown like any other.
    extra = len(split) < len(raw)
    split["extra"] = {key: raw[key] for key in raw if key not in known} if extra else {}
    return split


@functools.cache
def _known(record: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(record.__struct_fields__) - {"extra"}


def _build(raw: Raw, record: type[R]) -> R:
    try:
        return msgspec.convert(_split(raw, record), record)
    except msgspec.ValidationError as error:
        raise malformed(str(error)) from None
    except InputError as error:
        raise malformed(error.message) from None


def _fold(raw: Raw, *fields: str) -> Raw:
    """Return `raw` with the addresses in `fields` parsed, as values or as keys."""
    raw = dict(raw)
    for field in fields:
        value = raw.get(field)
        try:
            if isinstance(value, str):
                raw[field] = parse_address(value)
            elif isinstance(value, dict):
                raw[field] = unique([(parse_address(key), item) for key, item in value.items()])
        except InputError as error:
            raise malformed(f"{field}: {error.message}") from None
    return raw
