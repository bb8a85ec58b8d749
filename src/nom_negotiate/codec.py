"""Bytes to records and back: the only room that knows JSON.

Rules of the room:

- Reading is strict and bounded: at most `MAX_RECORD_BYTES` of UTF-8 without a byte
  order mark, at most `MAX_DEPTH` levels, no key twice, no NaN, exact decimals. What does
  not pass is a `RecordError` that says what was expected and what was found.
- Writing is deterministic: the same record gives the same bytes.
- Fields that a record does not know are kept in its `extra`, and written again.
- Files of the original format, which have no `schema`, are read where one existed.
"""

from __future__ import annotations

import decimal
import functools
import json
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
import orjson

from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.outcome import OUTCOME_SCHEMA, TRANSACTION_SCHEMA, Outcome, Transaction
from nom_negotiate.core.party import (
    LISTING_SCHEMA,
    PROFILE_SCHEMA,
    SETTINGS_SCHEMA,
    Listing,
    Profile,
    Settings,
)
from nom_negotiate.core.state import (
    STATE_SCHEMA,
    Message,
    Offer,
    PartyState,
    PastOffer,
    Status,
)
from nom_negotiate.core.terms import MAX_DIGITS, MAX_EXPONENT, parse_number, plain
from nom_negotiate.errors import InputError, RecordError

MAX_RECORD_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32

R = TypeVar("R", bound=msgspec.Struct)
Raw = dict[str, Any]


# Reading


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
    raw = load(data)
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
    state = _build(_fold(raw, "user", "counterparty"), PartyState)
    if not original:
        _check_own(state, negotiation_id)
    return state


def _check_own(state: PartyState, negotiation_id: str) -> None:
    if state.negotiation_id != negotiation_id:
        raise _malformed(
            f"expected negotiation_id {negotiation_id}, found {state.negotiation_id[:80]!a}"
        )
    if state.counterparty is None or state.role is None:
        raise _malformed(f"a file with schema {STATE_SCHEMA} names its counterparty and role")
    expected = state.commitment_key(state.role, state.counterparty)
    if state.agreement_key != expected:
        raise _malformed(
            f"expected agreement_key {expected} for its own terms and status {state.status},"
            f" found {str(state.agreement_key)[:80]}"
        )
    if state.status is Status.AGREED and state.offer is None:
        raise _malformed("a state that is agreed needs an offer")


def decode_outcome(data: bytes) -> Outcome:
    """Return the outcome in `data`.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    _check_schema(raw, OUTCOME_SCHEMA)
    if isinstance(raw.get("deal"), dict):
        raw["deal"] = _fold(_numbers(raw["deal"], "deal", rounded=False), "buyer", "seller")
    outcome = _build(_fold(raw, "initiator", "responder", "by", "states", "transactions"), Outcome)
    if (outcome.outcome == "agreed") != (outcome.deal is not None):
        raise _malformed("an outcome has a deal exactly where it is agreed")
    parties = {outcome.initiator, outcome.responder}
    if outcome.deal is not None and parties != {outcome.deal.buyer, outcome.deal.seller}:
        raise _malformed("the deal of an outcome is between its two parties")
    # A migrated agreement stands for no transactions: it was executed before.
    if set(outcome.transactions) not in (set(), parties):
        raise _malformed("an outcome names the transactions of both of its parties, or none")
    for name in outcome.transactions.values():
        if "/" in name or name.startswith(".") or not name.endswith(".json"):
            raise _malformed(f"expected the name of a transaction file, found {name[:80]!a}")
    return outcome


def decode_transaction(data: bytes) -> Transaction:
    """Return the transaction in `data`; files of the original format are read too.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    raw = load(data)
    original = _check_schema(raw, TRANSACTION_SCHEMA, optional=True)
    raw = _fold(_numbers(raw, "transaction", rounded=original), "counterparty")
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
    return _build(_fold(_numbers(raw, "listing", rounded=False), "user"), Listing)


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
        raise _malformed("idle_s, life_s and max_rounds must be greater than 0")
    return settings


def load(data: bytes) -> Raw:
    """Return the JSON object in `data`, with exact decimals.

    Raises:
        RecordError: `record_too_large` for more than 256 KiB; `malformed_record` where it is
            no single JSON object in UTF-8, nests deeper than 32 levels, has a key twice, or a
            number that is none.
    """
    if len(data) > MAX_RECORD_BYTES:
        raise RecordError(
            "record_too_large",
            f"expected at most {MAX_RECORD_BYTES} bytes, found {len(data)} or more",
        )
    try:
        # orjson refuses what is no JSON in the narrow sense (NaN, lone surrogates, a byte
        # order mark); json then gives exact decimals and sees a key that occurs twice.
        orjson.loads(data)
        value = json.loads(
            data, parse_float=_decimal, parse_int=_integer, object_pairs_hook=_unique
        )
    except RecursionError:
        raise _malformed(f"expected at most {MAX_DEPTH} levels, found far more") from None
    except ValueError as error:
        raise _malformed(f"expected one JSON object in UTF-8: {error}") from None
    if not isinstance(value, dict):
        raise _malformed(f"expected one JSON object, found {type(value).__name__}")
    # Counting brackets is cheap and bounds the depth from above: only odd files are walked.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _malformed(f"expected at most {MAX_DEPTH} levels, found more")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> Raw:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _malformed(f"expected each key once, found {twice[:80]!a} twice")
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except decimal.InvalidOperation:
        raise _malformed(f"expected a number, found {text[:40]}") from None


def _integer(text: str) -> int | Decimal:
    # 64 bits are what the writer can write as an integer; a longer number stays a decimal.
    return int(text) if len(text) <= 18 else _decimal(text)


def _depth(value: Any) -> int:
    deepest, stack = 0, [(value, 1)]
    while stack:
        item, level = stack.pop()
        deepest = max(deepest, level)
        if isinstance(item, dict):
            stack.extend((child, level + 1) for child in item.values())
        elif isinstance(item, list):
            stack.extend((child, level + 1) for child in item)
    return deepest


def _check_schema(raw: Raw, expected: str, *, optional: bool = False) -> bool:
    found = raw.get("schema")
    if found is None and optional:
        return True
    if found != expected:
        raise _malformed(f"expected schema {expected}, found {str(found)[:80]!a}")
    return False


def _list(raw: Raw, field: str) -> list[Any]:
    value = raw.get(field, [])
    if not isinstance(value, list):
        raise _malformed(f"expected {field} to be an array, found {type(value).__name__}")
    return value


def _offer(raw: Any, where: str, original: bool) -> Raw:
    known = _split(raw, PastOffer if where.startswith("history") else Offer)
    return _numbers(known, where, rounded=original)


def _numbers(raw: Raw, where: str, *, rounded: bool) -> Raw:
    """Return `raw` with price and quantity, where present, as checked decimals."""
    raw = dict(raw)
    for field in ("price", "quantity"):
        value = raw.get(field)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise _malformed(
                f"expected {where}.{field} to be a number, found {type(value).__name__}"
            )
        if rounded and isinstance(value, Decimal):
            value = decimal.Context(prec=MAX_DIGITS).plus(value)
        try:
            raw[field] = parse_number(value, f"{where}.{field}", positive=field == "quantity")
        except InputError as error:
            raise _malformed(error.message) from None
    return raw


def _split(raw: Any, record: type[msgspec.Struct]) -> Raw:
    """Return `raw` with the fields that `record` does not know moved to `extra`."""
    if not isinstance(raw, dict):
        raise _malformed(f"expected an object, found {type(raw).__name__}")
    known = record.__struct_fields__
    split = {key: value for key, value in raw.items() if key in known and key != "extra"}
    # A stranger's field called "extra" is unknown like any other.
    split["extra"] = {key: value for key, value in raw.items() if key not in split}
    return split


def _build(raw: Raw, record: type[R]) -> R:
    try:
        return msgspec.convert(_split(raw, record), record)
    except msgspec.ValidationError as error:
        raise _malformed(str(error)) from None


def _fold(raw: Raw, *fields: str) -> Raw:
    """Return `raw` with the addresses in `fields` parsed, as values or as keys."""
    raw = dict(raw)
    for field in fields:
        value = raw.get(field)
        try:
            if isinstance(value, str):
                raw[field] = parse_address(value)
            elif isinstance(value, dict):
                raw[field] = {parse_address(key): item for key, item in value.items()}
        except InputError as error:
            raise _malformed(f"{field}: {error.message}") from None
    return raw


def _malformed(message: str) -> RecordError:
    return RecordError("malformed_record", message)


# Writing


def encode(record: msgspec.Struct) -> bytes:
    """Return the bytes of a file with this record: indented JSON, UTF-8, one line feed.

    Deterministic. Fields without a value are left out; unknown fields come last.

    Raises:
        RecordError: `record_too_large` where readers would refuse the file.
    """
    data = orjson.dumps(
        builtins(record),
        default=_number_text,
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )
    if len(data) > MAX_RECORD_BYTES:
        raise RecordError(
            "record_too_large",
            f"expected a record of at most {MAX_RECORD_BYTES} bytes, this one has {len(data)}",
        )
    return data


def encode_line(value: Any) -> bytes:
    """Return `value` as one line of JSON, UTF-8, with its line feed."""
    return orjson.dumps(value, default=_number_text, option=orjson.OPT_APPEND_NEWLINE)


def encode_output(value: Any) -> bytes:
    """Return `value`, made of records and builtins, as indented JSON for a program to read."""
    return orjson.dumps(
        _plain(value),
        default=_number_text,
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def builtins(record: msgspec.Struct) -> Raw:
    """Return a record as a dict in the order of its fields, decimals kept."""
    found: Raw = {}
    for field, default in _layout(type(record)):
        value = getattr(record, field)
        if value is not None and value != default:
            found[field] = _plain(value)
    for key, value in getattr(record, "extra", {}).items():
        found.setdefault(key, value)
    return found


@functools.cache
def _layout(record: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Return each field that is written, with the value at which it is left out."""
    leave_out = record.__struct_config__.omit_defaults
    return tuple(
        (info.name, info.default if leave_out else msgspec.NODEFAULT)
        for info in msgspec.structs.fields(record)
        if info.name != "extra"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return builtins(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _number_text(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal):
        raise TypeError(f"cannot write a {type(value).__name__}")
    # The digits go out as they are, without a detour over a binary double. Numbers of
    # unknown fields may be of any size, and a plain form of them would be, too.
    wide = abs(value.adjusted()) > 2 * MAX_EXPONENT
    return orjson.Fragment(str(value) if wide else plain(value))


# Schemas


def json_schemas() -> dict[str, Raw]:
    """Return the JSON Schema (2020-12) of every file, by the name of its schema."""
    records: dict[str, tuple[type[msgspec.Struct], str]] = {
        STATE_SCHEMA: (PartyState, "What one party says: <user>_state.json"),
        OUTCOME_SCHEMA: (Outcome, "The one decision on a negotiation: outcome.json"),
        TRANSACTION_SCHEMA: (Transaction, "One side of a settled deal: transactions/*.json"),
        PROFILE_SCHEMA: (Profile, "Who a party is: init.json"),
        LISTING_SCHEMA: (Listing, "A standing order: listings/*.json"),
        SETTINGS_SCHEMA: (Settings, "How a data root is set up: config.json"),
    }
    return {name: _json_schema(name, *row) for name, row in records.items()}


def _json_schema(name: str, record: type[msgspec.Struct], title: str) -> Raw:
    schema = _as_written(msgspec.json.schema(record))
    definitions = schema["$defs"]
    root = definitions.pop(record.__name__)
    root["title"] = title
    if name in (STATE_SCHEMA, TRANSACTION_SCHEMA):
        # Files of the original format have no schema field at all.
        root["properties"]["schema"] = {"const": name}
    else:
        root["properties"]["schema"] = {"const": name}
        root["required"] = ["schema", *root["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:nom-negotiate:{name}",
        **root,
        "$defs": definitions,
    }


def _as_written(schema: Any) -> Any:
    """Return msgspec's schema of a record as that of the file that `encode` writes."""
    if isinstance(schema, list):
        return [_as_written(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "string" and schema.get("format") == "decimal":
        return {"type": "number", "minimum": 0}
    found = {key: _as_written(value) for key, value in schema.items()}
    properties = found.get("properties")
    if isinstance(properties, dict):
        properties.pop("extra", None)
        # A field without a value is left out of the file, so null is never written.
        optional = {
            key
            for key, value in properties.items()
            if isinstance(value, dict) and {"type": "null"} in value.get("anyOf", [])
        }
        found["required"] = [key for key in found.get("required", []) if key not in optional]
        if "quantity" in properties and properties["quantity"].get("type") == "number":
            properties["quantity"] = {"type": "number", "exclusiveMinimum": 0}
    return found
