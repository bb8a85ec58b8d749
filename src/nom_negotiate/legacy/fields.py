"""One value of an old file, checked: what a record may hold, and what it may not.

Rules of the room:

- Each function takes what JSON or SQLite gave and returns a value for a record, or raises
  `Refused` with a reason that names the field. Nothing is guessed.
- Who and what may be named, and which numbers there are, the core decides. What is added
  here is what the old formats need on top: rounding, defaults, and no slash in anything.
"""

from __future__ import annotations

import decimal
import unicodedata
from decimal import Decimal
from typing import Any, Final, cast

from nom_negotiate.core.identity import Address, check_id, parse_address
from nom_negotiate.core.terms import MAX_DIGITS, parse_number
from nom_negotiate.errors import InputError
from nom_negotiate.legacy.records import Side

MAX_LABEL_CHARS: Final = 254
MAX_NAME_CHARS: Final = 200
MAX_REASON_CHARS: Final = 2000

LAST_SECOND: Final = 253_402_300_799
"""The end of the year 9999. A time in milliseconds lies beyond it, and is refused."""

# No traps: a number that overflows becomes Infinity, which the core refuses by name.
_ROUNDING: Final = decimal.Context(
    prec=MAX_DIGITS, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[]
)


class Refused(Exception):
    """Say why a file, a row or a value cannot become a record."""


def address(value: Any, field: str) -> Address:
    """Return `value` as a casefolded address.

    Raises:
        Refused: where it is no text, no address, or holds a slash: it will name a directory.
    """
    if not isinstance(value, str):
        raise Refused(f"{field} must be an address, found {_shown(value)}")
    if "/" in value or "\\" in value:
        raise Refused(f"{field}: an address has no slash, found {_shown(value)}")
    try:
        return parse_address(value)
    except InputError as error:
        raise Refused(f"{field}: {error.message}") from error


def label(value: Any, field: str) -> str:
    """Return `value` as an id or another label, which could stand in a file name.

    Raises:
        Refused: where it is no text, is empty or longer than 254 characters, starts with a
            dot, or has a slash, blank, control or invisible character.
    """
    if not isinstance(value, str):
        raise Refused(f"{field} must be text, found {_shown(value)}")
    if len(value) > MAX_LABEL_CHARS:
        raise Refused(
            f"{field} has at most {MAX_LABEL_CHARS} characters, found {len(value)}: {_shown(value)}"
        )
    try:
        return check_id(value)
    except InputError as error:
        raise Refused(f"{field}: {error.message}") from error


def price(value: Any, field: str = "price") -> Decimal:
    """Return `value` as an exact price, 0 or more. See `_number`."""
    return _number(value, field, positive=False)


def quantity(value: Any, field: str = "quantity") -> Decimal:
    """Return `value` as an exact quantity, more than 0. See `_number`."""
    return _number(value, field, positive=True)


def _number(value: Any, field: str, *, positive: bool) -> Decimal:
    """Return `value` exactly, except for the noise of a binary float.

    The old programs calculated in doubles and wrote what came out: 507.63599999999997 was
    507.636. A number with a fraction or exponent and more than 15 significant digits is
    rounded to 15, half to even. An integer is never rounded, but refused.
    """
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise Refused(f"{field} must be a finite number, found {_shown(value)}")
    if isinstance(value, Decimal) and len(value.as_tuple().digits) > MAX_DIGITS:
        value = _ROUNDING.plus(value)
    try:
        return parse_number(value, field, positive=positive)
    except InputError as error:
        raise Refused(error.message) from error


def seconds(value: Any, field: str, default: int | None = None) -> int:
    """Return `value` as whole unix seconds, or `default` where there is no value.

    A fraction is cut off.

    Raises:
        Refused: where it is no number from 0 to the end of the year 9999, or is missing
            and has no default.
    """
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        raise Refused(f"{field} must be a time in unix seconds, found {_shown(value)}")
    # Compared before it is converted: int() of 1e999999999 would never end.
    not_a_number = isinstance(value, Decimal) and value.is_nan()
    if not_a_number or not 0 <= value <= LAST_SECOND:
        raise Refused(f"{field} must be a time in unix seconds, found {_shown(value)}")
    return int(value)


def side(value: Any, field: str, default: Side | None = None) -> Side:
    """Return `value` as buy or sell; buyer and seller say the same."""
    if value is None and default is not None:
        return default
    if value in ("buy", "buyer"):
        return "buy"
    if value in ("sell", "seller"):
        return "sell"
    raise Refused(f"{field} must be buy or sell, found {_shown(value)}")


def session(value: Any) -> int | None:
    """Return the number of a session, or None where it is missing or means nothing."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LAST_SECOND:
        return value
    return None


def reference(value: Any) -> str | None:
    """Return the id of something else, or None where it is missing or cannot be one."""
    try:
        return label(value, "id")
    except Refused:
        return None


def name(value: Any, default: str) -> str:
    """Return a display name in one line, or `default` where there is none."""
    if not isinstance(value, str):
        return default
    return " ".join(_printable(value[:MAX_NAME_CHARS]).split()) or default


def reason(value: Any) -> str | None:
    """Return what somebody wrote as a reason, or None where there is nothing."""
    if not isinstance(value, str):
        return None
    return _printable(value[:MAX_REASON_CHARS]).strip() or None


def mapping(value: Any, field: str) -> dict[str, Any]:
    """Return `value` if it is an object.

    An empty list is an empty object: the old programs wrote both alike.

    Raises:
        Refused: where it is anything else.
    """
    if value == []:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{field} must be an object, found {_shown(value)}")
    return cast("dict[str, Any]", value)


def sequence(value: Any, field: str) -> list[Any]:
    """Return `value` if it is a list, and an empty list where it is missing.

    An object counts as the list of its values: that is how the old programs wrote a list
    with a hole in it.

    Raises:
        Refused: where it is anything else.
    """
    if value is None:
        return []
    if isinstance(value, dict):
        return list(value.values())
    if not isinstance(value, list):
        raise Refused(f"{field} must be a list, found {_shown(value)}")
    return value


def first(record: dict[str, Any], *keys: str) -> Any:
    """Return the first value under `keys` that is there and not null, else None."""
    return next((record[key] for key in keys if record.get(key) is not None), None)


def _printable(text: str) -> str:
    # Lone surrogates cannot be written as UTF-8, and a control character in a name could
    # drive the terminal of whoever lists it. Both become the replacement character.
    return "".join(
        "\ufffd" if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t" else char
        for char in text
    )


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else type(value).__name__
    if isinstance(value, Decimal | int | float):
        text = format(value, ".15g") if not isinstance(value, bool | int) else str(value)
    return ascii(text if len(text) <= 48 else text[:48] + "...")
