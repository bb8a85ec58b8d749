"""The right answers to what a look has found.

Rules of the room:

- The caller holds the poller's lock, so nothing is settled or archived meanwhile. What concerns
  one party is done under that party's own lock.
- Each answer looks once more before it acts, and may be repeated: one that was cut short is
  found, and given, by the next repair.
- Every change goes through the store or its disk; nothing is removed but what a pass removes,
  too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, address_of_directory
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.party import Profile
from nom_negotiate.errors import Conflict
from nom_negotiate.store.files import aside, locking, mending
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.store import FileStore
from nom_negotiate.store.port import Namespace


class Repair:
    """Puts right what a look has found.

    Args:
        store: the data root.
        clock: returns unix seconds.
    """

    def __init__(self, store: FileStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._disk = store.disk
        self._layout = store.layout
        self._clock = clock

    def set_aside(self, path: str, reason: str) -> None:
        """Move a thing to `poller/aside/`, whole; see `aside`."""
        with self._alone(path), reported(f"set {self._layout.relative(path)} aside"):
            if os.path.lexists(path):
                aside.set_aside(self._disk, self._layout, path, reason, self._clock())

    def relink(self, path: str, found: str, right: str) -> None:
        """Let a link say what it should, if it still says what was found."""
        with self._alone(path), reported(f"correct the link {self._layout.relative(path)}"):
            if os.path.islink(path) and os.readlink(path) == found:
                self._disk.replace_link(right, path)

    def link(self, place: Namespace, responder: Address) -> None:
        """Give a responder the link to a negotiation."""
        self._store.repair_link(place, responder)

    def settle(self, outcome: Outcome) -> None:
        """Place those transactions of an outcome that are missing."""
        self._store.settle(outcome)

    def write_profile(self, party: Address) -> None:
        """Write the profile of a party that has none."""
        profile = Profile(address=party, display_name=party, created=int(self._clock()))
        with reported(f"write the profile of {party}"):
            self._disk.create(self._layout.profile(party), codec.encode(profile))

    def set_mode(self, path: str, mode: int) -> None:
        """Set the mode of a directory, or of a private file."""
        with reported(f"set the mode of {self._layout.relative(path)}"):
            if not os.path.islink(path):
                self._disk.set_mode(path, mode)

    def sweep(self, directory: str) -> None:
        """Remove old temporary files, as a pass does."""
        with reported(f"sweep {self._layout.relative(directory)}"):
            mending.sweep(self._disk, directory)

    def sweep_links(self, party: Address) -> None:
        """Remove old links to nothing in a party's archive, as an hourly sweep does."""
        with reported(f"sweep the archive of {party}"):
            for _ in mending.sweep_archive(self._disk, self._layout, party):
                continue

    @contextmanager
    def _alone(self, path: str) -> Iterator[None]:
        """Keep the party's own writers away from what lies in its directory."""
        party = self._owner(path)
        lock = path if party is None else self._layout.lock(party)
        # What lies in the place of a lock cannot be locked; and where each party is a Unix user
        # of its own, nobody else opens its lock.
        if lock == path or not os.path.isfile(lock) or not os.access(lock, os.R_OK | os.W_OK):
            yield
            return
        with ExitStack() as held:
            with reported(f"take the lock of {party}"):
                free = held.enter_context(locking.exclusive(lock, locking.TIMEOUT_S))
            if not free:
                raise Conflict("busy", f"a writer of {party} holds its lock")
            yield

    def _owner(self, path: str) -> Address | None:
        parts = os.path.relpath(path, self._layout.teams).split("/")
        return address_of_directory(parts[0]) if len(parts) > 1 else None
