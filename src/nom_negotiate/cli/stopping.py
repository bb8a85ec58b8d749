"""How a command that goes on for ever is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` on SIGTERM and SIGINT during the block; what they did before is restored.

    Args:
        stop: called in the main thread, between any two of its steps; also while that holds a
            lock. So it must wait for none.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        stop()
        # Who presses Ctrl-C twice does not want to wait; a crash is no harm.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    former = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
