"""What the data root holds already, of the old data and of its own.

Rules of the room:

- Nothing is changed here, not even by taking a lock.
- What was carried over before is known by the mark that it carries, and by the journal where
  a program has dropped the mark. A mark counts only between the parties it was made for: what
  anybody writes into a file of their own cannot hide a negotiation of others.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.party import Listing, Profile
from nom_negotiate.errors import RecordError
from nom_negotiate.legacy import journal
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.journal import Journal, MadeNamespace
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.installation import Installation
from nom_negotiate.store.port import Filed, Namespace

MARK: Final = "legacy"
"""The field of a state, an offer or an outcome that says what it was before."""

LEGACY_ID: Final = "legacy_id"
"""The field of a transaction that says what it was before."""

LEGACY_KIND: Final = "legacy_kind"
"""The field of a listing that says what it was before: offer, buy_order or ad."""

Pair = frozenset[Address]


class Target:
    """A data root, looked at with the eyes of a migration.

    What it says is read once, and is that of the first look.

    Args:
        store: the data root, which need not be there yet.

    Attributes:
        obstacle: returns why nothing of a party can be carried over; None where it can.
        names: returns every name in a room of a party.
        transactions: returns a party's transactions that were carried over, by side and old id.
        listings: returns a party's listings by id.
    """

    def __init__(self, store: FileStore) -> None:
        self.store = store
        self.installation = Installation(store)
        self.settings = store.settings()
        self.journal: Journal = journal.decode(self.installation.logbook.read())
        self._places: defaultdict[str, list[tuple[Namespace, Pair]]] = defaultdict(list)
        for archived in (False, True):
            for place in store.namespaces(archived=archived):
                self._note(place)
        self.obstacle = functools.cache(self.installation.obstacle)
        self.names = functools.cache(self.installation.names)
        self.transactions = functools.cache(self._transactions)
        self.listings = functools.cache(self._listings)
        self._made: dict[tuple[str, Pair], MadeNamespace] = {
            (made.legacy_id, frozenset((made.initiator, made.responder))): made
            for made in self.journal.all_things()
            if isinstance(made, MadeNamespace)
        }

    def _note(self, place: Namespace) -> None:
        snapshot = self.store.snapshot(place)
        if snapshot is None or snapshot.responder is None:
            return
        pair = frozenset((snapshot.initiator, snapshot.responder))
        for legacy_id in legacy_ids(snapshot):
            self._places[legacy_id].append((place, pair))

    # Who is there

    def check_parties(self, *parties: Address) -> None:
        """Refuse what would lie in a directory that leads elsewhere."""
        for party in parties:
            obstacle = self.obstacle(party)
            if obstacle is not None:
                raise Refused(obstacle)

    def check_chemical(self, chemical: str) -> None:
        """Refuse what is not traded in this data root."""
        if chemical not in self.settings.chemicals:
            raise Refused(
                f"{chemical[:24]!a} is not traded in this data root;"
                " name it with `nom init --chemical`, then run again"
            )

    def profile(self, party: Address) -> Profile | None:
        """Return the party's profile, None where there is none that can be read."""
        try:
            return self.store.profile(party)
        except RecordError:
            return None

    # What was carried over

    def places(self, legacy_id: str, initiator: Address, responder: Address) -> list[Namespace]:
        """Return where a negotiation was carried to: one place, or none, if all is well."""
        pair = frozenset((initiator, responder))
        found = [place for place, parties in self._places[legacy_id] if parties == pair]
        made = self._made.get((legacy_id, pair))
        if not found and made is not None:
            # A program that keeps only the fields it knows has dropped the mark.
            place = self.store.find(made.initiator, made.id)
            if place is not None and place.initiator == made.initiator:
                return [place]
        return found

    def _transactions(self, party: Address) -> Mapping[tuple[str, str], list[Filed]]:
        """Return the party's transactions that were carried over, by side and old id."""
        found: defaultdict[tuple[str, str], list[Filed]] = defaultdict(list)
        if self.obstacle(party) is None:
            for filed in self.store.transactions(party)[0]:
                legacy_id = filed.transaction.extra.get(LEGACY_ID)
                if isinstance(legacy_id, str):
                    found[filed.transaction.type.value, legacy_id].append(filed)
        return found

    def _listings(self, party: Address) -> Mapping[str, Listing]:
        """Return the party's listings by id."""
        if self.obstacle(party) is not None:
            return {}
        return {listing.id: listing for listing in self.store.listings(party)[0]}


def mark(**what: Any) -> dict[str, Any]:
    """Return the `extra` of a record that says what it was before."""
    return {MARK: {key: value for key, value in what.items() if value is not None}}


def legacy_ids(snapshot: Snapshot) -> set[str]:
    """Return what the states of a negotiation say it was before."""
    found = set()
    for state in snapshot.states.values():
        said = state.extra.get(MARK)
        if isinstance(said, dict) and isinstance(said.get("id"), str):
            found.add(said["id"])
    return found
