"""Role, exact numbers, terms, and the agreement key that binds them.

Rules of the room:

- A price and a quantity are `Decimal`; no binary float is ever compared or hashed.
- A number has at most 15 significant digits, so that every reader of the JSON number
  on disk, one with binary doubles included, gets the same value back.
- A condition is bound as it is written, to the last character: nothing is normalized, and
  what two readers might take for the same text is refused.
"""

from __future__ import annotations

import enum
import hashlib
import re
import unicodedata
from decimal import Decimal
from typing import Annotated, Final, Protocol

import msgspec

from nom_negotiate.errors import InputError

MAX_DIGITS: Final = 15
"""Significant decimal digits that survive a binary double (IEEE 754: DBL_DIG)."""

MAX_EXPONENT: Final = 20
"""Numbers stay below 10^20, and their last digit is at 10^-20 or above."""

MAX_NUMBER_CHARS: Final = 64

MAX_CONDITION_CHARS: Final = 500
"""An acceptance repeats three of them, and an outcome and two transactions carry them."""

CONDITIONS: Final = ("delivery", "payment", "quality")
"""The terms in words, each of which an offer may leave open."""

# What more the characters must be is for `check_condition` to say; the pattern is for the schema.
Condition = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=MAX_CONDITION_CHARS,
        extra_json_schema={
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$",
        },
    ),
]

# What a terminal may obey (Cc) or what breaks a line (Zl, Zp); half of a surrogate pair (Cs),
# which no file can hold. No version of Unicode adds to these categories.
_UNWRITABLE: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")

Number = Decimal | int | float | str
"""What callers may give for a price or a quantity. A float means its shortest decimal form."""


class Role(enum.StrEnum):
    """The side of the trade that a party is on."""

    BUYER = "buyer"
    SELLER = "seller"

    @property
    def other(self) -> Role:
        """Return the opposite role."""
        return Role.SELLER if self is Role.BUYER else Role.BUYER


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What two parties haggle over. Equal exactly where a deal over them would be the same.

    Attributes:
        price: per unit.
        quantity: in units.
        delivery: where, when and how it changes hands; None where that is left open.
        payment: when and how it is paid; None where that is left open.
        quality: what it has to be like; None where that is left open.
    """

    price: Decimal
    quantity: Decimal
    delivery: Condition | None = None
    payment: Condition | None = None
    quality: Condition | None = None

    @property
    def conditions(self) -> dict[str, str]:
        """Return the terms in words that are not left open, by name, in the order of names."""
        return {name: text for name in CONDITIONS if (text := getattr(self, name)) is not None}


class _Termed(Protocol):
    """A record with terms among its fields, each where the file has it."""

    @property
    def price(self) -> Decimal: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def delivery(self) -> str | None: ...
    @property
    def payment(self) -> str | None: ...
    @property
    def quality(self) -> str | None: ...


def terms_of(record: _Termed) -> Terms:
    """Return the terms of an offer, a deal or a transaction."""
    return Terms(
        price=record.price,
        quantity=record.quantity,
        delivery=record.delivery,
        payment=record.payment,
        quality=record.quality,
    )


def parse_terms(
    price: Number,
    quantity: Number,
    *,
    delivery: str | None = None,
    payment: str | None = None,
    quality: str | None = None,
) -> Terms:
    """Return checked terms: price >= 0 and quantity > 0, both exact, and the terms in words.

    Raises:
        InputError: `invalid_number`, `invalid_text`, naming the field.
    """
    return Terms(
        price=parse_number(price, "price"),
        quantity=parse_number(quantity, "quantity", positive=True),
        delivery=None if delivery is None else check_condition(delivery, "delivery"),
        payment=None if payment is None else check_condition(payment, "payment"),
        quality=None if quality is None else check_condition(quality, "quality"),
    )


def check_condition(text: object, field: str) -> str:
    """Return `text` as it is, if it can be one of the terms.

    Raises:
        InputError: `invalid_text`, where it is empty or longer than 500 characters, begins or
            ends with a blank, or has a control character or one that breaks a line. A blank
            at an end is refused because it would bind, and nobody would see it.
    """
    if not isinstance(text, str):
        raise InputError("invalid_text", f"{field} must be a text, found {type(text).__name__}")
    if not 0 < len(text) <= MAX_CONDITION_CHARS:
        raise InputError(
            "invalid_text",
            f"{field} must have 1 to {MAX_CONDITION_CHARS} characters, has {len(text)}",
        )
    if text.isascii() and text.isprintable():
        ends = " " in (text[0], text[-1])
    else:
        bad = next((char for char in text if unicodedata.category(char) in _UNWRITABLE), None)
        if bad is not None:
            raise InputError("invalid_text", f"{field} must be one line without {bad!a}")
        ends = "Zs" in (unicodedata.category(text[0]), unicodedata.category(text[-1]))
    if ends:
        raise InputError("invalid_text", f"{field} must not begin or end with a blank")
    return text


def parse_number(value: Number, field: str, *, positive: bool = False) -> Decimal:
    """Return `value` exactly, without trailing zeros.

    Args:
        value: a decimal, an integer, a decimal string, or a float (its shortest form).
        field: the name that an error speaks of.
        positive: refuse zero as well as negative numbers.

    Raises:
        InputError: `invalid_number`, where it is no finite number, is negative (or zero),
            has more than 15 significant digits or leaves 10^-20 .. 10^20.
    """
    text = _text_of(value)
    if is_short(text) and (number := Decimal(text)):
        return number
    if isinstance(value, bool) or len(text) > MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        shown = text if len(text) <= 24 else text[:24] + "..."
        raise InputError("invalid_number", f"{field} must be a finite number, found {shown!a}")
    number = Decimal(text)
    if number < 0 or (positive and not number):
        least = "greater than 0" if positive else "0 or more"
        raise InputError("invalid_number", f"{field} must be {least}, found {text}")
    if not number:
        return Decimal(0)
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    stripped = "".join(map(str, digits)).rstrip("0")
    lowest = exponent + len(digits) - len(stripped)
    if len(stripped) > MAX_DIGITS:
        raise InputError(
            "invalid_number",
            f"{field} has at most {MAX_DIGITS} significant digits, found {len(stripped)} in {text}",
        )
    if number.adjusted() >= MAX_EXPONENT or lowest < -MAX_EXPONENT:
        raise InputError(
            "invalid_number",
            f"{field} must be below 10^{MAX_EXPONENT}, with at most {MAX_EXPONENT} decimals,"
            f" found {text}",
        )
    # From the digits: every operation on a Decimal would round to the caller's context.
    return Decimal(plain(Decimal((0, tuple(map(int, stripped)), lowest))))


def is_short(text: str) -> bool:
    """Return whether `text` is a plain decimal of up to 15 characters, no sign, no exponent.

    Nor has it a zero at its end after the point. As nearly all are: there is nothing to take
    off it, and no bound that it could leave.
    """
    return (
        len(text) <= MAX_DIGITS
        and text.isascii()
        and (text.isdigit() or (text[-1:] != "0" and text.replace(".", "", 1).isdigit()))
    )


def _text_of(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 4 * MAX_NUMBER_CHARS:
        # Python does not write an integer of thousands of digits, for the time it takes.
        return f"an integer of {value.bit_length()} bits"
    return str(value)


def plain(number: Decimal) -> str:
    """Return the number as a plain decimal string without trailing zeros, exponent or -0."""
    if not number:
        return "0"
    text = str(number)
    if "E" in text or "e" in text:
        text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text


def agreement_key(
    *, negotiation_id: str, chemical: str, buyer: str, seller: str, terms: Terms
) -> str:
    """Return the key that two parties share exactly when they agree on the same deal.

    sha256, as 64 lower-case hex digits, over the canonical JSON (RFC 8785) of an object
    of six strings: buyer, chemical, negotiation_id, price, quantity, seller; and of
    delivery, payment and quality, each where the terms have it. Addresses are casefolded,
    numbers are plain decimal strings without trailing zeros, texts are as they are. Test
    vectors for other languages are in data/vectors/agreement_keys.json.
    """
    texts = f"{buyer}{chemical}{negotiation_id}{seller}"
    if not texts.isprintable() or '"' in texts or "\\" in texts:
        # Not the usual texts, which stand for themselves.
        buyer, chemical = buyer.translate(_ESCAPES), chemical.translate(_ESCAPES)
        negotiation_id, seller = negotiation_id.translate(_ESCAPES), seller.translate(_ESCAPES)
    price, quantity = plain(terms.price), plain(terms.quantity)
    if terms.delivery is None and terms.payment is None and terms.quality is None:
        return key_over(negotiation_id, chemical, buyer, seller, price, quantity)
    members = {
        "buyer": buyer,
        "chemical": chemical,
        "negotiation_id": negotiation_id,
        "price": price,
        "quantity": quantity,
        "seller": seller,
        **{name: text.translate(_ESCAPES) for name, text in terms.conditions.items()},
    }
    return _digest(",".join(f'"{name}":"{members[name]}"' for name in sorted(members)))


def key_over(
    negotiation_id: str, chemical: str, buyer: str, seller: str, price: str, quantity: str
) -> str:
    """Return the agreement key, without conditions, over texts that stand for themselves.

    They are what stands between the quotes.
    """
    return _digest(
        f'"buyer":"{buyer}","chemical":"{chemical}","negotiation_id":"{negotiation_id}",'
        f'"price":"{price}","quantity":"{quantity}","seller":"{seller}"'
    )


def _digest(members: str) -> str:
    return hashlib.sha256(f"{{{members}}}".encode()).hexdigest()


# RFC 8785, section 3.2.2.2: the two-character escapes, then \u00xx in lower case for the
# other control characters, and everything else as it is.
_ESCAPES: Final = str.maketrans(
    {chr(code): f"\\u{code:04x}" for code in range(0x20)}
    | {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)
