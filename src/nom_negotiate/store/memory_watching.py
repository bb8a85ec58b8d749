"""Who watches a memory store: it is looked through again and again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from nom_negotiate.store.port import Looked, Namespace

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.store.memory import MemoryStore

SCAN_S: Final = 0.05
"""Seconds between two looks of one who waits."""


class MemoryWatching:
    """What changes in a memory store, or at one party of it.

    Args:
        store: what to watch.
        party: only what concerns this party; None for everybody.
        negotiation_id: only negotiations of this id, and no listings.
    """

    def __init__(
        self, store: MemoryStore, party: Address | None, negotiation_id: str | None
    ) -> None:
        self._store = store
        self._party = party
        self._only = negotiation_id
        self._negotiations: dict[Namespace, tuple[bytes, ...]] | None = None
        self._listings: dict[Address, tuple[bytes, ...]] = {}
        self._woken = threading.Event()

    def look(self, *, scan: bool = False) -> Looked:
        """Return where something has changed since the last call."""
        known, found = self._negotiations, {}
        negotiations, listings = self._store.contents(self._party)
        for place, files in negotiations.items():
            if self._only in (None, place.id):
                found[place] = files
        self._negotiations = found
        looked = Looked([], [], [], [])
        if self._only is None:
            before, self._listings = self._listings, listings
            looked.listings.extend(
                party for party, files in listings.items() if before.get(party) != files
            )
        if known is None:
            looked.places.extend(place for place in found if not place.archived)
            return looked
        for place, files in found.items():
            if place.archived:
                if place not in known:
                    looked.archived.append(place)
            elif known.get(place) != files:
                looked.places.append(place)
        looked.gone.extend(
            place
            for place in known
            if not place.archived and not {place, place._replace(archived=True)} & found.keys()
        )
        return looked

    def wait(self, timeout_s: float) -> None:
        """Return after a moment, or `wake`."""
        self._woken.wait(min(timeout_s, SCAN_S))
        self._woken.clear()

    def wake(self) -> None:
        """End the wait that is going on, or the next one."""
        self._woken.set()

    def close(self) -> None:
        """Hold nothing any more."""
        self._negotiations = {}
