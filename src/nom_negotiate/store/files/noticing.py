"""Change notifications of the operating system: whether they arrive, and how soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class _Bell(FileSystemEventHandler):
    def __init__(self) -> None:
        self.rung = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        self.rung.set()


def seconds_to_notice(
    directory: str, change: Callable[[], object], timeout_s: float
) -> float | None:
    """Return how long after a change of a directory its notification arrives.

    Args:
        directory: what is watched.
        change: changes something in it.
        timeout_s: seconds to wait for the notification.

    Returns:
        Seconds; None where none has arrived.

    Raises:
        OSError: where the system has no watch to give.
    """
    bell = _Bell()
    observer = Observer()
    observer.schedule(bell, directory)
    observer.start()
    try:
        begun = time.monotonic()
        change()
        return time.monotonic() - begun if bell.rung.wait(timeout_s) else None
    finally:
        observer.stop()
        observer.join()
