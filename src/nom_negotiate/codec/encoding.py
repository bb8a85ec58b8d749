"""From records to bytes: equal records give the same bytes."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any, Final

import msgspec
import orjson

from nom_negotiate.codec.bounds import MAX_RECORD_BYTES
from nom_negotiate.codec.loading import Raw
from nom_negotiate.core.outcome import Deal, Outcome, Transaction
from nom_negotiate.core.state import Offer, PartyState
from nom_negotiate.core.terms import MAX_EXPONENT, is_short, plain
from nom_negotiate.errors import InputError, RecordError

_AT_ONCE: Final = msgspec.json.Encoder(decimal_format="number")


def encode(record: msgspec.Struct) -> bytes:
    """Return the bytes of a file with this record: indented JSON, UTF-8, one line feed.

    Deterministic. Fields without a value are left out; unknown fields come last. A record
    that would be too large with its indents is written without.

    Raises:
        RecordError: `record_too_large` where readers would refuse the file.
        InputError: `invalid_text` where there is no JSON for what is in the record.
    """
    return encode_ordinary(record) or encode_carefully(record)


def encode_ordinary(record: msgspec.Struct) -> bytes | None:
    """Return what `encode_carefully` does, in a fifth of the time; None where it might not.

    msgspec writes a number as it stands, and knows nothing of unknown fields.
    """
    if not _is_ordinary(record):
        return None
    try:
        data = msgspec.json.format(_AT_ONCE.encode(record), indent=2) + b"\n"
    except (TypeError, ValueError):
        # The careful way says what it is.
        return None
    return data if len(data) <= MAX_RECORD_BYTES else None


def _is_ordinary(record: msgspec.Struct) -> bool:
    if isinstance(record, PartyState):
        return _is_ordinary_state(record)
    if isinstance(record, Outcome):
        return not record.extra and (record.deal is None or _has_short_terms(record.deal))
    return isinstance(record, Transaction) and not record.extra and _has_short_terms(record)


def _is_ordinary_state(state: PartyState) -> bool:
    offer, limits = state.offer, state.limits
    if state.extra or offer is None or (limits is not None and limits.extra):
        return False
    if state.schema is None or state.counterparty is None or state.role is None:
        return False
    for said in (offer, *state.history):
        if said.extra or not _has_short_terms(said):
            return False
    read, reaction = state.read, state.reaction
    if (read is not None and read.extra) or (reaction is not None and reaction.extra):
        return False
    return not state.messages or not any(message.extra for message in state.messages)


def _has_short_terms(of: Offer | Deal | Transaction) -> bool:
    if of.delivery is not None or of.payment is not None or of.quality is not None:
        # Of these every character is looked at, as the careful way does.
        return False
    quantity = of.quantity
    return is_short(str(of.price)) and is_short(str(quantity)) and bool(quantity)


def encode_carefully(record: msgspec.Struct) -> bytes:
    """Return what `encode` does, for any record."""
    fields = builtins(record)
    data = _json(fields, orjson.OPT_INDENT_2)
    if len(data) > MAX_RECORD_BYTES:
        # Somebody else's program may have written it that way, and it must be able to grow.
        data = _json(fields, 0)
    if len(data) > MAX_RECORD_BYTES:
        raise RecordError(
            "record_too_large",
            f"expected a record of at most {MAX_RECORD_BYTES} bytes, this one has {len(data)}",
        )
    return data


def least_size(record: msgspec.Struct) -> int:
    """Return how many bytes a file with this record takes at least, which is without indents."""
    return len(_json(builtins(record), 0))


def _json(fields: Raw, option: int) -> bytes:
    try:
        return orjson.dumps(fields, default=_number_text, option=option | orjson.OPT_APPEND_NEWLINE)
    except TypeError as error:
        # Half of a surrogate pair, for example, is a character to Python and none in UTF-8.
        raise InputError("invalid_text", f"cannot be written as JSON: {error}") from None


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
        if isinstance(value, Decimal):
            found[field] = Decimal(plain(value))
        elif value is not None and value != default:
            found[field] = _plain(value)
    for key, value in getattr(record, "extra", {}).items():
        found.setdefault(key, _plain(value))
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
    if isinstance(value, int) and value.bit_length() >= 64:
        # More than the writer takes for an integer.
        return Decimal(value)
    return value


def _number_text(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(f"there is no JSON for {value!r:.80}")
    # The digits go out as they are, without a detour over a binary double. A number of an
    # unknown field may be of any size, and a plain form of it would be, too; and what had an
    # exponent was no integer.
    text = str(value)
    if "E+" not in text and abs(value.adjusted()) <= 2 * MAX_EXPONENT:
        text = format(value, "f")
    return orjson.Fragment(text)
