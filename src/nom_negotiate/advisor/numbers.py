"""Numbers as callers give them, and what the advisor computes with.

Rules of the room:

- Advice is computed in floats; what it names is one of the caller's own numbers, so that
  no rounding of ours stands between a suggestion and an offer.
- What a counterparty wrote may be anything: it is never a reason to raise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from nom_negotiate.errors import InputError

Number = Decimal | int | float | str
"""What callers may give for a price or a quantity. A string means its decimal."""

MOST_VALUES: Final = 600
"""Of a grid of the caller's that are looked at."""

STEPS: Final = 40
"""Of a price grid of our own making."""


def exact(value: object) -> Any:
    """Return `value` as a number: a string becomes its `Decimal`, a number stays what it is.

    Returns None for what is no finite number of 0 or more.
    """
    if isinstance(value, bool) or value is None:
        return None
    try:
        number: Any = Decimal(value) if isinstance(value, str) else value
        plain = float(number)
    except (TypeError, ValueError, OverflowError, InvalidOperation):
        return None
    return number if math.isfinite(plain) and plain >= 0 else None


def required(value: object, field: str, *, positive: bool = False) -> Any:
    """Return a number of the caller's own, checked.

    Raises:
        InputError: `invalid_number`, naming the field.
    """
    number = exact(value)
    if number is None or (positive and not number > 0):
        least = "greater than 0" if positive else "of 0 or more"
        shown = repr(value)
        shown = shown if len(shown) <= 24 else shown[:24] + "..."
        raise InputError("invalid_number", f"{field} must be a number {least}, found {shown}")
    return number


def whole(value: object, field: str, *, least: int) -> int:
    """Return a whole number of the caller's own, checked.

    Raises:
        InputError: `invalid_number`, naming the field.
    """
    number = exact(value)
    if number is None or number != int(number) or number < least:
        raise InputError(
            "invalid_number", f"{field} must be a whole number of {least} or more, found {value!r}"
        )
    return int(number)


def grid(values: Iterable[object] | None, field: str, *, positive: bool) -> tuple[Any, ...]:
    """Return the caller's grid, ascending and each value once; empty for None.

    Of a very long one, evenly some, with both ends: to look at all of them would take longer
    than a suggestion may.

    Args:
        values: the numbers, in any order.
        field: the name that an error speaks of.
        positive: leave 0 out, for nothing can be offered there.

    Raises:
        InputError: `invalid_number`, for a value that is none, or a grid without values.
    """
    if values is None:
        return ()
    given = list(values)
    if len(given) > MOST_VALUES:
        last = len(given) - 1
        given = [given[i * last // (MOST_VALUES - 1)] for i in range(MOST_VALUES)]
    numbers = {float(n): n for n in (required(value, field) for value in given)}
    if positive:
        numbers.pop(0.0, None)
    if not numbers:
        raise InputError("invalid_number", f"{field} has no values")
    return tuple(numbers[key] for key in sorted(numbers))


def like(number: Any, sample: Any) -> Any:
    """Return `number` in the type of `sample`, so that a caller's arithmetic can mix them."""
    if type(number) is type(sample):
        return number
    if isinstance(sample, Decimal):
        return Decimal(str(number))
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    return float(number)


def price_steps(low: float, high: float, sample: Any) -> tuple[Any, ...]:
    """Return about `STEPS` round prices from `low` to `high`, in the type of `sample`.

    The step is 1, 2 or 5 times a power of ten. `high` and `low` are within.
    """
    span = high - low
    if span <= 0:
        span = max(abs(high), 1.0)
        low, high = max(0.0, high - span / 2), high + span / 2
        span = high - low
    raw = span / STEPS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    texts = [f"{index * step:.{digits}f}" for index in range(max(0, first), last + 1)]
    return tuple(Decimal(t) if not isinstance(sample, float) else float(t) for t in texts)


def quantity_steps(target: Any, seen: Iterable[Any]) -> tuple[Any, ...]:
    """Return the tenths of `target` that are no finer than it, and those `seen` below it.

    A whole target gives whole quantities.
    """
    aim = float(target)
    is_whole = aim == int(aim)
    found: dict[float, Any] = {}
    for tenth in range(1, 11):
        value = aim * tenth / 10
        if is_whole:
            value = float(max(1, round(value)))
        value = float(f"{value:.12g}")
        text = str(int(value)) if value == int(value) else repr(value)
        found[value] = float(text) if isinstance(target, float) else Decimal(text)
    for number in seen:
        if 0 < float(number) <= aim:
            found[float(number)] = like(number, found[max(found)])
    return tuple(found[key] for key in sorted(found))
