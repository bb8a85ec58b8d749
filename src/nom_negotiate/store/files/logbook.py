"""The room of a migration in a data root, `migration/`: its journal and its lock.

Rules of the room:

- The journal is bytes here; what its lines say is the migration's business.
- A line is durable when `append` returns.
- The lock keeps migrations of one root apart. It is held by whoever changes something, and
  never waited for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from nom_negotiate.errors import Conflict
from nom_negotiate.store.files import bounded, locking
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.layout import Layout


class Logbook:
    """The journal and the lock of the migrations of one data root.

    Args:
        layout: of the data root.
        disk: what changes go through.
    """

    def __init__(self, layout: Layout, disk: Disk) -> None:
        self._layout = layout
        self._disk = disk
        self._home = f"{layout.root}/migration"
        self._journal = f"{self._home}/journal.jsonl"
        self._lock = f"{self._home}/lock"

    def prepare(self) -> tuple[str, ...]:
        """Make the data root and the migration's room; return what of the root is missing.

        Those are paths, outermost first: directories that were made, and what
        `Installation.set_up` will make, relative to the root.
        """
        root = self._layout.root
        with reported("make a room for the migration"):
            missing: list[str] = []
            while not os.path.lexists(root):
                missing.insert(0, root)
                root = os.path.dirname(root)
            if not missing:
                missing += self.remains()
            for path in missing:
                self._disk.make_directory(path)
            self._disk.make_directory(self._home)
            wanted = (self._layout.teams, self._layout.poller, self._layout.config)
            absent = (path for path in wanted if not os.path.lexists(path))
            return (*missing, *map(self._layout.relative, absent))

    def is_there(self) -> bool:
        """Return whether a migration has a room in this data root."""
        return os.path.isdir(self._home)

    def remains(self) -> tuple[str, ...]:
        """Return the root where it has nothing in it but a migration without a journal.

        A run that was killed has made it, and did not come to writing that down; or a rollback
        that was killed has removed the journal, and did not come to removing the root.
        """
        root = self._layout.root
        alone = os.listdir(root) == [os.path.basename(self._home)]
        return (root,) if alone and not os.path.lexists(self._journal) else ()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other migrations of this root out during the block.

        Raises:
            Conflict: `busy`, where one is running.
        """
        with ExitStack() as held:
            with reported("take the lock of the migration"):
                if not held.enter_context(locking.exclusive(self._lock, 0)):
                    raise Conflict("busy", f"another migration of {self._layout.root} is running")
            yield

    def read(self) -> bytes:
        """Return the journal; empty where there is none."""
        with reported("read the journal of the migration"):
            try:
                with bounded.open_log(self._journal) as file:
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return b""

    def append(self, lines: bytes) -> None:
        """Append lines to the journal, durable when it returns."""
        with reported("write the journal of the migration"):
            if self.read()[-1:] not in (b"", b"\n"):
                # A crash cut the last line short: what it was about was never begun.
                lines = b"\n" + lines
            self._disk.append_durable(self._journal, lines)

    def close(self) -> None:
        """Remove the migration's room with its journal and its lock."""
        for path in (self._journal, self._lock):
            self._disk.remove(path)
        self._disk.remove_directory(self._home)
