"""The packs of a data root, for whoever mostly meets none.

A poll that finds nothing packed does without the reader of packs and all that it imports:
this module asks the disk whether there is a pack before it asks the reader what is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.layout import PACKS, Layout

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Problem, Snapshot
    from nom_negotiate.core.outcome import Transaction
    from nom_negotiate.store.files.isolation import Owners
    from nom_negotiate.store.files.packs import Packs
    from nom_negotiate.store.port import Filed, Namespace

T = TypeVar("T")


class PackRoom:
    """What is packed of each party.

    Args:
        layout: of the data root.
        owners: returns who may have written a pack.
    """

    def __init__(self, layout: Layout, owners: Callable[[], Owners]) -> None:
        self._layout = layout
        self._owners = owners

    @cached_property
    def packs(self) -> Packs:
        """Return the reader."""
        from nom_negotiate.store.files.packs import Packs

        return Packs(self._layout, self._owners)

    def has_any(self, party: Address) -> bool:
        """Return whether the party has ever had a pack."""
        return bounded.has_room(self._layout, party, PACKS)

    def places(
        self, party: Address, unpacked: Callable[[], list[Namespace]], *, initiated: bool
    ) -> list[Namespace]:
        """Return the party's archived negotiations, unpacked and packed, each once, by id.

        Args:
            party: whose.
            unpacked: lists those that are unpacked.
            initiated: only those that the party has initiated.
        """

        def look() -> list[Namespace]:
            found = dict.fromkeys(unpacked())
            for place in self.packs.places(party):
                if place.initiator == party or not initiated:
                    found[place] = None
            return sorted(found)

        return self._both(party, unpacked, look)

    def filed(
        self,
        party: Address,
        unpacked: Callable[[], tuple[list[Filed], list[Problem]]],
        wanted: Callable[[str], bool] = lambda name: True,
        *,
        since: int = 0,
    ) -> tuple[list[Filed], list[Problem]]:
        """Return the party's transactions by name, unpacked and packed, and what is wrong.

        Args:
            party: whose.
            unpacked: lists those that are unpacked.
            wanted: whether a packed one of that name is asked for.
            since: unix seconds; no older ones are asked for.
        """

        def look() -> tuple[list[Filed], list[Problem]]:
            found, problems = unpacked()
            packed, more = self.packs.transactions(party, wanted, since=since)
            return merged(found, packed), problems + more

        return self._both(party, unpacked, look)

    def _both(self, party: Address, unpacked: Callable[[], T], look: Callable[[], T]) -> T:
        if not self.has_any(party):
            found = unpacked()
            # Asked again: the first pack may have been made meanwhile.
            if not self.has_any(party):
                return found
        return self.packs.steady(party, look)

    def find(self, party: Address, negotiation_id: str) -> Namespace | None:
        """Return the party's packed negotiation of that id."""
        if not self.has_any(party):
            return None
        places = self.packs.retried(lambda: list(self.packs.places(party)))
        return next((place for place in places if place.id == negotiation_id), None)

    def snapshot(self, place: Namespace) -> Snapshot | None:
        """Return what a packed negotiation holds, None where it is not packed."""
        if not self.has_any(place.initiator):
            return None
        return self.packs.retried(lambda: self.packs.snapshot(place))

    def transaction(self, party: Address, name: str, at: int) -> Transaction | None:
        """Return the party's packed transaction of that name and time.

        Raises:
            RecordError: where it cannot be read.
        """
        if not self.has_any(party):
            return None
        return self.packs.retried(lambda: self.packs.transaction(party, name, at))

    def names(self, party: Address) -> set[str]:
        """Return the names of the party's packed transactions."""
        if not self.has_any(party):
            return set()
        return {
            name
            for pack in self.packs.retried(lambda: self.packs.of(party))
            for name in pack.transactions
        }

    def digests(self, place: Namespace) -> dict[str, str] | None:
        """Return the sha256 of each file of a packed negotiation, None where it is not packed.

        Raises:
            RecordError: where it cannot be read.
        """
        if not self.has_any(place.initiator):
            return None
        record = self.packs.retried(lambda: self.packs.negotiation(place))
        return None if record is None else dict(record.sha256)

    def digest(self, party: Address, name: str) -> str | None:
        """Return the sha256 of a packed transaction, None where it is not packed.

        Raises:
            RecordError: where it cannot be read.
        """
        if not self.has_any(party):
            return None
        return self.packs.retried(lambda: self.packs.digest(party, name))

    def takes(self, party: Address, negotiation_id: str, seconds: int) -> bool:
        """Return whether an id that stems from that time is packed at the party.

        Only the packs since the month before are looked at: normally there is none.
        """
        return self.has_any(party) and self.packs.takes(party, negotiation_id, seconds)


def merged(unpacked: list[Filed], packed: list[Filed]) -> list[Filed]:
    """Return transactions by name; one that is unpacked, too, counts as it is unpacked."""
    found = {(filed.name, filed.transaction.identity): filed for filed in packed}
    found |= {(filed.name, filed.transaction.identity): filed for filed in unpacked}
    return sorted(found.values(), key=lambda filed: filed.name)
