"""What several test folders share: a clock that is driven by hand, and a few names."""

from __future__ import annotations

from typing import Final

ALICE: Final = "alice@stonybrook.edu"
BOB: Final = "bob@stonybrook.edu"
CAROL: Final = "carol@stonybrook.edu"

NOON: Final = 1_704_312_345
"""When the tests begin, in unix seconds."""

HOUR: Final = 3600
DAY: Final = 24 * HOUR


class Clock:
    """A clock that moves only when it is told to, backwards too."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds
