"""Change notifications of the operating system: whether they arrive, and how soon."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer


class Bell(FileSystemEventHandler):
    """Tells when the first notification arrives that is waited for."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._name: str | None = None
        self._at = 0.0

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note the time of the first notification since it was asked for."""
        if self._name is not None and self._name not in _names(event):
            return
        if not self._rung.is_set():
            self._at = time.perf_counter()
            self._rung.set()

    def seconds_after(
        self, change: Callable[[], object], timeout_s: float, name: str | None = None
    ) -> float | None:
        """Make a change; return the seconds from its beginning to its notification.

        Args:
            change: changes something in the directory.
            timeout_s: seconds to wait; None is returned where none has arrived by then.
            name: a new one that the change gives to a file, so that no notification of
                anything else is taken for it; None for any.
        """
        self._rung.clear()
        self._name = name
        begun = time.perf_counter()
        change()
        return self._at - begun if self._rung.wait(timeout_s) else None


def _names(event: FileSystemEvent) -> set[str]:
    paths = (event.src_path, getattr(event, "dest_path", ""))
    return {os.path.basename(os.fsdecode(path)) for path in paths}


@contextmanager
def watching(directory: str) -> Iterator[Bell]:
    """Watch a directory during the block.

    Raises:
        OSError: where the system has no watch to give.
    """
    log = logging.getLogger("watchdog")
    if not log.hasHandlers():
        # While it stops it may complain of having been stopped, on stderr where nobody listens.
        log.addHandler(logging.NullHandler())
    bell = Bell()
    observer = Observer()
    observer.schedule(bell, directory)
    observer.start()
    try:
        yield bell
    finally:
        observer.stop()
        observer.join()


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
    with watching(directory) as bell:
        return bell.seconds_after(change, timeout_s)
