"""Waiting for the kernel to tell something, for a time, or for another thread."""

from __future__ import annotations

import math
import select
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nom_negotiate.store.files.inotify import Inotify


class Waiter:
    """A wait that ends when a file is readable, after a time, or when somebody says so.

    Args:
        file: None where there is none to wait for.
    """

    def __init__(self, file: Inotify | None) -> None:
        self._woken, self._waking = socket.socketpair()
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        if file is not None:
            self._poll.register(file, select.POLLIN)

    def wait(self, timeout_s: float) -> None:
        """Return when the file is readable, after `wake`, or after so many seconds."""
        self._poll.poll(max(0, math.ceil(timeout_s * 1000)))
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            return

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""
        try:
            self._waking.send(b"\0")
        except OSError:
            # EAGAIN: it has been woken often enough. EBADF: it is closed.
            return

    def close(self) -> None:
        """Give back what it holds. Idempotent."""
        self._woken.close()
        self._waking.close()
