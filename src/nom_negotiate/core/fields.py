"""How the fields of a record stand in its file.

A record with `omit_defaults` leaves a field out where its value is the default, except for those
that are `always` written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")


def always(make: Callable[[], T]) -> T:
    """Return a default that is written to the file like any other value."""
    # msgspec leaves out what is the default itself, and what the types list, dict and set make.
    return msgspec.field(default_factory=lambda: make())
