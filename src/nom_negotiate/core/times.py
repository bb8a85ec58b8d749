"""Points in time and durations: both whole seconds, and both bounded.

Rules of the room:

- A time is unix seconds, handed in by the caller: nothing in core knows a clock.
- The bounds are those that the codec enforces on every file.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

MAX_SECONDS: Final = 10**11
"""Times stay below this (the year 5138), so that milliseconds taken for seconds are noticed.

A state that speaks from that far ahead would never expire.
"""

MAX_DURATION_S: Final = 366 * 24 * 3600
"""No limit of a negotiation is longer than a year."""

Seconds = Annotated[int, msgspec.Meta(ge=0, lt=MAX_SECONDS)]
"""Unix seconds."""

Duration = Annotated[int, msgspec.Meta(ge=1, le=MAX_DURATION_S)]
"""A number of seconds, from one to those of a year."""
