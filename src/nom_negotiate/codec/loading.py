"""From bytes to a JSON object: strict and bounded, whatever the bytes are."""

from __future__ import annotations

import decimal
import json
from decimal import Decimal
from typing import Any, Final

import orjson

from nom_negotiate.codec.bounds import MAX_DEPTH, MAX_RECORD_BYTES
from nom_negotiate.errors import RecordError

MAX_MESSAGE_CHARS: Final = 300

Raw = dict[str, Any]


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
        value = json.loads(data, parse_float=_decimal, object_pairs_hook=unique)
    except RecursionError:
        raise malformed(f"expected at most {MAX_DEPTH} levels, found far more") from None
    except ValueError as error:
        raise malformed(f"expected one JSON object in UTF-8: {error}") from None
    if not isinstance(value, dict):
        raise malformed(f"expected one JSON object, found {type(value).__name__}")
    # Counting brackets is cheap and bounds the depth from above: only odd files are walked.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise malformed(f"expected at most {MAX_DEPTH} levels, found more")
    return value


def is_whole(data: bytes) -> bool:
    """Return whether bytes are JSON from the beginning to the end, whatever they say."""
    try:
        orjson.loads(data)
    except ValueError:
        return False
    return True


def unique(pairs: list[tuple[str, Any]]) -> Raw:
    """Return the object of these pairs, and refuse a key that occurs twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise malformed(f"expected each key once, found {twice[:80]!a} twice")
    return found


def _decimal(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except decimal.InvalidOperation:
        number = Decimal("NaN")
    # Where the caller's context does not trap it, there is a NaN and no exception.
    if not number.is_finite():
        raise malformed(f"expected a number, found {text[:40]}")
    return number


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


def malformed(message: str) -> RecordError:
    """Return the error that a record is malformed, its message in one line of bounded length."""
    # What a stranger wrote may stand in it, an escape sequence for terminals included.
    line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in message)
    if len(line) > MAX_MESSAGE_CHARS:
        # The end says in which field it is.
        line = f"{line[: MAX_MESSAGE_CHARS - 100]}...{line[-90:]}"
    return RecordError("malformed_record", line)
