"""What a person types for a time, a duration or the name of a chemical.

Prices and quantities are no business of this module: they go to the library as they were
typed, which knows what an exact number is.
"""

from __future__ import annotations

import re
from typing import Final

from nom_negotiate.errors import InputError

_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION: Final = re.compile(r"(?:[0-9]{1,9}[smhdw])+")
_PART: Final = re.compile(r"([0-9]+)([smhdw])")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
# It becomes a part of ids, and so of directory names.
_CHEMICAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,31}")


def parse_duration(text: str, option: str, *, at_most_s: int | None = None) -> int:
    """Return the seconds that `90m`, `24h`, `1h30m` or plain seconds mean.

    Args:
        text: what was typed.
        option: the option that an error speaks of.
        at_most_s: the longest that is allowed; a year where it is None, or years.

    Raises:
        InputError: `invalid_time`, where it is none, or not between a second and that.
    """
    from nom_negotiate.core.times import MAX_DURATION_S

    at_most_s = at_most_s or MAX_DURATION_S
    seconds = _duration(text)
    if seconds is None and _SECONDS.fullmatch(text):
        seconds = int(text)
    if seconds is None:
        raise InputError(
            "invalid_time",
            f"{option} must be a duration, found {text[:24]!a}",
            hint="give a duration such as 90s, 90m, 24h, 2d",
        )
    if not 0 < seconds <= at_most_s:
        years = at_most_s // MAX_DURATION_S
        longest = "a year" if years == 1 else f"{years} years"
        raise InputError(
            "invalid_time",
            f"{option} must be between 1 second and {longest}, found {text[:24]}",
            hint="give a duration such as 90s, 90m, 24h, 2d",
        )
    return seconds


def parse_optional_duration(text: str | None, option: str) -> int | None:
    """Return the seconds of a duration, None where none was given."""
    return None if text is None else parse_duration(text, option)


def parse_time(text: str | None, option: str, now: int) -> int | None:
    """Return the unix seconds that `text` means: a duration from `now`, or unix seconds.

    Raises:
        InputError: `invalid_time`.
    """
    if text is None:
        return None
    seconds = _duration(text)
    if seconds is not None:
        return now + seconds
    if _SECONDS.fullmatch(text):
        return int(text)
    raise InputError("invalid_time", f"{option} must be a time, found {text[:24]!a}")


def parse_chemical(text: str) -> str:
    """Return the name of a chemical that may be configured.

    Raises:
        InputError: `invalid_setting`.
    """
    if not _CHEMICAL.fullmatch(text):
        raise InputError(
            "invalid_setting",
            "--chemical must be 1 to 32 letters, digits or _ . + -, beginning with a letter or"
            f" a digit, found {text[:40]!a}",
        )
    return text


def _duration(text: str) -> int | None:
    if not _DURATION.fullmatch(text):
        return None
    return sum(int(number) * _UNITS_S[unit] for number, unit in _PART.findall(text))
