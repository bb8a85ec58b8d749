"""The memory store: the twin of the file store, for tests, simulation and tutorials.

It keeps the same bytes under the same names, so that limits, digests and snapshots are
those of the file store. Nothing is durable, and nothing can be half done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nom_negotiate import codec
from nom_negotiate.core.identity import (
    LISTING_SUFFIX,
    Address,
    check_id,
    check_listing_id,
    directory_name,
    negotiation_id,
    state_file_name,
)
from nom_negotiate.core.listings import Counted
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome, Transaction, mirrored, next_name
from nom_negotiate.core.party import Listing, ListingStatus, Profile, Settings
from nom_negotiate.core.state import PartyState
from nom_negotiate.errors import Conflict, StoreError
from nom_negotiate.store import dealings, reading
from nom_negotiate.store.port import (
    PACK_AT_MOST,
    SCAN_EVERY_S,
    Dealt,
    Filed,
    Namespace,
    Packing,
    PackSummary,
    Waiting,
)

if TYPE_CHECKING:
    from nom_negotiate.core.packed import Packed
    from nom_negotiate.store.memory_packs import MemoryPacks
    from nom_negotiate.store.memory_watching import MemoryWatching


class MemoryStore:
    """Keep everything in this process. Threads may use it at once."""

    def __init__(self) -> None:
        self._settings = Settings()
        self._profiles: dict[Address, bytes] = {}
        self._files: dict[Namespace, dict[str, bytes]] = {}
        self._transactions: dict[Address, dict[str, bytes]] = {}
        self._listings: dict[Address, dict[str, bytes]] = {}
        self._private: dict[Address, dict[str, bytes]] = {}
        self._responders: dict[tuple[Address, str], Namespace] = {}
        self._linked: dict[Namespace, Address] = {}
        self._packed: MemoryPacks | None = None
        self._swept_at = 0
        self._rung: set[Namespace] = set()
        self._due: dict[Namespace, int] = {}
        self._scanned_at: int | None = None
        self._log: list[bytes] = []
        self._lock = threading.RLock()
        self._party_locks: dict[Address, threading.Lock] = {}
        self._poller_lock = threading.Lock()
        self._initialised = False

    def initialise(self, settings: Settings) -> bool:
        """Change the settings; return whether there were none."""
        with self._lock:
            new, self._initialised = not self._initialised, True
            self._settings = codec.decode_settings(codec.encode(settings))
            return new

    def is_set_up(self) -> bool:
        """Return whether there is anything here yet: a set-up, or a party."""
        return self._initialised or bool(self._profiles)

    def settings(self) -> Settings:
        """Return the settings."""
        return self._settings

    def parties(self) -> list[Address]:
        """Return every party, sorted."""
        return sorted(self._profiles)

    def known(self, party: Address) -> bool:
        """Return whether the party was added."""
        return party in self._profiles

    def profile(self, party: Address) -> Profile | None:
        """Return who the party is."""
        data = self._profiles.get(party)
        return None if data is None else codec.decode_profile(data)

    def add_party(self, profile: Profile) -> bool:
        """Add a party; return whether it is new. An existing profile stays."""
        with self._lock:
            party = profile.address
            if party in self._profiles:
                return False
            self._profiles[party] = codec.encode(profile)
            self._transactions[party] = {}
            self._listings[party] = {}
            self._private[party] = {}
            self._party_locks[party] = threading.Lock()
            return True

    @contextmanager
    def writer(self, party: Address) -> Iterator[MemoryWriter]:
        """Take the party's own lock and return its pen."""
        with self._party_lock(party):
            yield MemoryWriter(party, self)

    @contextmanager
    def try_writer(self, party: Address) -> Iterator[MemoryWriter | None]:
        """Take the party's own lock where nobody has it, and return its pen; None elsewhere."""
        lock = self._party_lock(party)
        taken = lock.acquire(blocking=False)
        try:
            yield MemoryWriter(party, self) if taken else None
        finally:
            if taken:
                lock.release()

    def _party_lock(self, party: Address) -> threading.Lock:
        if party not in self._party_locks:
            raise StoreError("store_failed", f"cannot take the lock of {party}: no such party")
        return self._party_locks[party]

    def namespaces(
        self, party: Address | None = None, *, archived: bool = False
    ) -> Iterator[Namespace]:
        """Yield the negotiations of one party, or of all, each once; for each party by id."""
        with self._lock:
            places = {place for place in self._files if place.archived == archived}
            if archived and self._packed is not None:
                places.update(self._packed.places())
            found = [
                place
                for place in places
                if party is None or party in (place.initiator, self._linked.get(_active(place)))
            ]
            if party is None:
                found.sort(key=lambda place: (place.initiator, place.id))
            else:
                found.sort()
        yield from found

    def between(self, party: Address, other: Address) -> Iterator[Namespace]:
        """Yield what two parties negotiate, active only."""
        theirs = set(self.namespaces(other))
        yield from (place for place in self.namespaces(party) if place in theirs)

    def find(self, party: Address, negotiation_id: str) -> Namespace | None:
        """Return the party's negotiation of that id, active or archived."""
        check_id(negotiation_id)
        with self._lock:
            linked = self._responders.get((party, negotiation_id))
            initiator = party if linked is None else linked.initiator
            for archived in (False, True):
                place = Namespace(negotiation_id, initiator, archived)
                if place in self._files:
                    return place
            place = Namespace(negotiation_id, initiator, archived=True)
            return None if self._snapshot_packed(place) is None else place

    def snapshot(self, place: Namespace) -> Snapshot | None:
        """Return what the namespace holds, None where it is gone."""
        with self._lock:
            files = self._files.get(place)
            if files is None:
                return self._snapshot_packed(place)
            room = "negotiations_archive" if place.archived else "negotiations"
            return reading.assemble(
                place.id,
                place.initiator,
                dict(files),
                where=f"teams/{directory_name(place.initiator)}/{room}/{place.id}",
                linked=lambda party: (party, place.id) in self._responders,
                archived=place.archived,
            )

    def _stands(self, place: Namespace, digests: Mapping[Address, str]) -> bool:
        found = self.snapshot(place)
        return found is not None and found.outcome is None and found.digests == digests

    def conclude(self, place: Namespace, outcome: Outcome) -> Outcome:
        """Record the outcome unless there is one; return the one that stands."""
        basis = {party: basis.sha256 for party, basis in outcome.states.items()}
        with self._lock:
            packed = self._snapshot_packed(place._replace(archived=True))
            if packed is not None and packed.outcome is not None:
                return packed.outcome
            for found in (place, place._replace(archived=True)):
                files = self._files.get(found, {})
                if reading.OUTCOME_NAME in files:
                    return codec.decode_outcome(files[reading.OUTCOME_NAME])
            if place not in self._files:
                raise StoreError("store_failed", f"cannot conclude {place.id}: it is gone")
            if basis and not self._stands(place, basis):
                raise Conflict("moved", f"a party wrote in {place.id} while it was being decided")
            self._files[place][reading.OUTCOME_NAME] = codec.encode(outcome)
            return outcome

    def discard_torn(self, snapshot: Snapshot) -> bool:
        """Return False: here nothing can be half there."""
        return False

    def settle(self, outcome: Outcome) -> dict[Address, Filed]:
        """Place the two transactions of an agreed outcome; return them."""
        both = mirrored(outcome)
        with self._lock:
            for party in both:
                if party not in self._profiles:
                    raise StoreError("store_failed", f"cannot settle: {party} is not here")
            return {
                party: self.place(party, outcome.transactions[party], transaction)
                for party, transaction in both.items()
            }

    def place(self, party: Address, wanted: str, transaction: Transaction) -> Filed:
        """Place one transaction under the wanted name or the next free one, exactly once."""
        room, attempt = self._transactions[party], 1
        while True:
            name = next_name(wanted, attempt)
            found = None
            if name in room:
                found = codec.decode_transaction(room[name])
            elif self._packed is not None:
                found = self._packed.transaction(party, name, transaction.timestamp)
            if found is None:
                room[name] = codec.encode(transaction)
                return Filed(name, transaction)
            if found.identity == transaction.identity:
                return Filed(name, found)
            attempt += 1

    def archive(self, place: Namespace, responder: Address | None) -> Namespace:
        """Move a concluded negotiation to the archive; return where it is now."""
        with self._lock:
            target = place._replace(archived=True)
            files = self._files.pop(_active(place), None)
            if files is not None:
                self._files[target] = files
            return target

    def repair_link(self, place: Namespace, responder: Address) -> bool:
        """Return False: here nothing can be half done."""
        return False

    def transactions(self, party: Address) -> tuple[list[Filed], list[Problem]]:
        """Return the party's transactions by name, and no problems."""
        with self._lock:
            packed = () if self._packed is None else self._packed.transactions(party)
            found = {filed.name: filed.transaction for filed in packed}
            for name, data in self._transactions.get(party, {}).items():
                found[name] = codec.decode_transaction(data)
        return [Filed(name, found[name]) for name in sorted(found)], []

    def listings(self, party: Address) -> tuple[list[Listing], list[Problem]]:
        """Return the party's listings by id, and no problems."""
        with self._lock:
            room = dict(self._listings.get(party, {}))
        return [codec.decode_listing(room[name]) for name in sorted(room)], []

    def listing(self, party: Address, listing_id: str) -> Listing | None:
        """Return the party's listing of that id, None where there is none."""
        with self._lock:
            data = self._listings.get(party, {}).get(f"{listing_id}{LISTING_SUFFIX}")
        return None if data is None else codec.decode_listing(data)

    def unfinished(self, initiator: Address) -> Iterator[Namespace]:
        """Yield those of the party's own active negotiations that have an outcome already."""
        with self._lock:
            found = [
                place
                for place, files in self._files.items()
                if place.initiator == initiator
                and not place.archived
                and reading.OUTCOME_NAME in files
            ]
        yield from sorted(found)

    def dealt(self, party: Address, listings: Iterable[Listing]) -> Dealt:
        """Return the quantities that count against listings, by id and negotiation."""
        return dealings.dealt(Counted(listings), self.transactions(party)[0])

    # Retention

    def private(self, party: Address, name: str) -> bytes | None:
        """Return one record of the party's private room, None where there is none."""
        with self._lock:
            return self._private.get(party, {}).get(name)

    def private_names(self, party: Address) -> list[str]:
        """Return the names of all records of the party's private room, sorted."""
        with self._lock:
            return sorted(self._private.get(party, {}))

    def recent_transactions(self, chemical: str, at_most: int) -> list[Transaction]:
        """Return the last transactions over a chemical, newest first, one side of each."""
        with self._lock:
            found = {
                record.negotiation_id: record
                for party in self.parties()
                for _, record in self.transactions(party)[0]
                if record.chemical == chemical
            }
        return sorted(found.values(), key=lambda each: each.timestamp, reverse=True)[:at_most]

    def recent_listings(self, chemical: str, at_most: int) -> list[Listing]:
        """Return of each party the last listing over a chemical that stands and says a price."""
        found = (
            max(
                (
                    each
                    for each in self.listings(party)[0]
                    if each.chemical == chemical
                    and each.price is not None
                    and each.status is ListingStatus.ACTIVE
                ),
                key=lambda each: each.created,
                default=None,
            )
            for party in self.parties()
        )
        return [each for each in found if each is not None][:at_most]

    def pack(
        self, before: int, *, party: Address | None = None, at_most: int = PACK_AT_MOST
    ) -> Packing:
        """Pack what ended before a time: archived negotiations and settled transactions."""
        # Imported here, as by the file store: hardly any process packs.
        from nom_negotiate.store.memory_packs import MemoryPacks, packing_of

        with self._lock:
            ripe = [*self._ripe_negotiations(before), *self._ripe_transactions(before)]
            ripe = [each for each in ripe if party in (None, each.party, each.responder)]
            moved = ripe[:at_most]
            if moved and self._packed is None:
                self._packed = MemoryPacks()
            if self._packed is not None:
                self._packed.add(moved)
            for record in moved:
                place = Namespace(record.id, record.party, archived=True)
                if self._files.pop(place, None) is None:
                    del self._transactions[record.party][record.id]
            return packing_of(moved, more=len(ripe) > at_most)

    def _ripe_negotiations(self, before: int) -> Iterator[Packed]:
        from nom_negotiate.store.packed import packed_negotiation

        for place in sorted(self._files, key=lambda place: (place.initiator, place.id)):
            files = self._files[place]
            if place.archived:
                outcome = codec.decode_outcome(files[reading.OUTCOME_NAME])
                if outcome.at < before:
                    texts = {name: files[name].decode() for name in sorted(files)}
                    yield packed_negotiation(place, outcome, texts)

    def _ripe_transactions(self, before: int) -> Iterator[Packed]:
        from nom_negotiate.store.packed import packed_transaction

        active = {place.id for place in self._files if not place.archived}
        for party in sorted(self._transactions):
            for name, data in sorted(self._transactions[party].items()):
                found = codec.decode_transaction(data)
                ripe = found.settled and found.timestamp < before
                if ripe and found.negotiation_id not in active:
                    yield packed_transaction(party, name, found, data.decode())

    def unpack(self, what: str, party: Address | None = None) -> Packing:
        """Put back what is packed, the same bytes under the same names."""
        with self._lock:
            if self._packed is None:
                return Packing()
            from nom_negotiate.store.memory_packs import packing_of

            found = self._packed.take(what, party)
            for record in found:
                files = {name: text.encode() for name, text in record.files.items()}
                if record.kind == "negotiation":
                    self._files[Namespace(record.id, record.party, archived=True)] = files
                else:
                    self._transactions[record.party].setdefault(record.id, files[record.id])
            return packing_of(found)

    def packs(self, party: Address) -> list[PackSummary]:
        """Return what the party's packs hold, by month."""
        with self._lock:
            return [] if self._packed is None else list(self._packed.summaries(party))

    def _snapshot_packed(self, place: Namespace) -> Snapshot | None:
        return None if self._packed is None else self._packed.snapshot(place)

    def sweep(self) -> list[Problem]:
        """Return nothing: here nothing can be left over."""
        return []

    def swept_at(self) -> int:
        """Return the unix seconds that `note_sweep` was told last; 0 at first."""
        return self._swept_at

    def note_sweep(self, at: int) -> None:
        """Note when a sweep began."""
        self._swept_at = at

    def watching(
        self,
        party: Address | None = None,
        negotiation_id: str | None = None,
        *,
        notice: Callable[[str], object],
    ) -> MemoryWatching:
        """Begin to watch for changes."""
        # Imported here: only who watches needs it.
        from nom_negotiate.store.memory_watching import MemoryWatching

        return MemoryWatching(self, party, negotiation_id)

    def contents(
        self, party: Address | None
    ) -> tuple[dict[Namespace, tuple[bytes, ...]], dict[Address, tuple[bytes, ...]]]:
        """Return what the negotiations and the listings of a party, or of all, consist of."""
        with self._lock:
            negotiations = {
                place: tuple(files.values())
                for place, files in self._files.items()
                if party is None or party in (place.initiator, self._linked.get(_active(place)))
            }
            listings = {
                owner: tuple(files.values())
                for owner, files in self._listings.items()
                if party in (None, owner)
            }
            return negotiations, listings

    def listening(self, notice: Callable[[str], object]) -> None:
        """Return None: of this one nobody hears."""

    # What a pass has to do

    def announce(self, place: Namespace, responder: Address | None) -> None:
        """Do nothing: `archive` does all of it at once."""

    @contextmanager
    def batch(self) -> Iterator[MemoryStore]:
        """Yield this store."""
        yield self

    def barrier(self) -> None:
        """Do nothing: nothing here is durable."""

    def waiting(self, now: int) -> Waiting:
        """Return what there is to do."""
        with self._lock:
            if self._scanned_at is None or not 0 <= now - self._scanned_at < SCAN_EVERY_S:
                return Waiting.SCAN
            if self._rung or any(due < now for due in self._due.values()):
                return Waiting.HINTS
            return Waiting.NOTHING

    @contextmanager
    def attend(self, now: int, *, scan: bool, trusting: bool = True) -> Iterator[MemoryAgenda]:
        """Yield what one pass has to look at."""
        with self._lock:
            due = {place for place, at in self._due.items() if at < now}
            places = set(self._files) if scan else self._rung | due
            for place in due:
                del self._due[place]
            self._rung.clear()
        # Where the block does not come to its end, the next pass scans.
        self._scanned_at, before = None, self._scanned_at
        active = [place for place in places if not place.archived]
        agenda = MemoryAgenda(self, active, scanned=scan)
        yield agenda
        if not agenda.scan_again:
            self._scanned_at = now if scan else before

    @contextmanager
    def polling(self) -> Iterator[bool]:
        """Take the poller's lock; the value says whether it was free. Never waits."""
        free = self._poller_lock.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._poller_lock.release()

    def log_pass(self, line: bytes) -> None:
        """Append one line to the stats log."""
        self._log.append(line)

    def passes(self) -> Iterator[bytes]:
        """Yield the lines of the stats log, oldest first."""
        yield from list(self._log)


class MemoryAgenda:
    """What to look at in one pass over the memory store.

    Attributes:
        places: to look at, by initiator and id.
        unchanged: empty: here a scan looks at everything.
        problems: empty: here nothing can be in the way.
        scanned: whether that is everything.
        scan_again: to be set where the next pass is to look through everything, too.
    """

    def __init__(self, store: MemoryStore, places: Iterable[Namespace], *, scanned: bool) -> None:
        self._store = store
        self.places = sorted(places, key=lambda place: (place.initiator, place.id))
        self.unchanged: list[Namespace] = []
        self.problems: list[Problem] = []
        self.scanned = scanned
        self.scan_again = False

    def quiet(self, place: Namespace, due: int, responder: Address) -> None:
        """Note that a negotiation needs no look until something is written, or it is due."""
        self._store._due[place] = due

    def again(self, place: Namespace) -> None:
        """Ask the next pass to look at a negotiation."""
        self._store._rung.add(place)


class MemoryWriter:
    """The pen of one party over the memory store, valid while its lock is held."""

    def __init__(self, party: Address, store: MemoryStore) -> None:
        self._party = party
        self._store = store

    @property
    def party(self) -> Address:
        """Return whose files this writes."""
        return self._party

    def create(
        self,
        other: Address,
        chemical: str,
        seconds: int,
        first_state: Callable[[str], PartyState],
        *,
        invited: bool = False,
    ) -> Namespace:
        """Create a negotiation with its first state; both parties find it, or neither."""
        store, me = self._store, self._party
        if not store.known(other):
            raise StoreError("store_failed", f"cannot start a negotiation: no {other}")
        initiator, responder = (other, me) if invited else (me, other)
        with store._lock:
            name = negotiation_id(initiator, responder, chemical, seconds)
            while any(store.find(party, name) for party in (me, other)):
                seconds += 1
                name = negotiation_id(initiator, responder, chemical, seconds)
            place = Namespace(name, initiator)
            data = codec.encode(first_state(name))
            store._files[place] = {state_file_name(me, other): data}
            store._responders[responder, name] = place
            store._linked[place] = responder
            store._rung.add(place)
            return place

    def write(self, place: Namespace, state: PartyState, *, seen: Snapshot | None = None) -> bool:
        """Replace this party's own state, whole; return False where nothing was written."""
        assert state.user == self._party, "a pen writes its own party's state only"
        assert state.counterparty is not None, "a state is written to somebody"
        data = codec.encode(state)
        with self._store._lock:
            files = self._store._files.get(place)
            if files is None or (seen is not None and not self._store._stands(place, seen.digests)):
                return False
            files[state_file_name(self._party, state.counterparty)] = data
            self._store._rung.add(place)
            return True

    def replace_transaction(self, name: str, transaction: Transaction) -> None:
        """Replace one of this party's own transactions."""
        with self._store._lock:
            self._store._transactions[self._party][name] = codec.encode(transaction)

    def write_transaction(self, name: str, transaction: Transaction) -> str:
        """Add a transaction of this party under `name`, or the next free name; return it."""
        with self._store._lock:
            return self._store.place(self._party, name, transaction).name

    def write_listing(self, listing: Listing, *, seen: Listing | None = None) -> bool:
        """Write one of this party's own listings; return False where nothing was written."""
        assert listing.user == self._party, "a pen writes its own party's listings only"
        with self._store._lock:
            if seen not in (None, self._store.listing(self._party, listing.id)):
                return False
            room = self._store._listings[self._party]
            room[f"{check_listing_id(listing.id)}{LISTING_SUFFIX}"] = codec.encode(listing)
        return True

    def remove_listing(self, listing_id: str) -> None:
        """Remove one of this party's own listings; one that is gone already is fine."""
        with self._store._lock:
            self._store._listings[self._party].pop(f"{listing_id}{LISTING_SUFFIX}", None)

    def write_profile(self, profile: Profile) -> None:
        """Replace what this party says of itself."""
        assert profile.address == self._party, "a pen writes its own party's profile only"
        with self._store._lock:
            self._store._profiles[self._party] = codec.encode(profile)

    def write_private(self, name: str, data: bytes) -> None:
        """Replace one record of this party's private room."""
        with self._store._lock:
            self._store._private[self._party][name] = data

    def discard_private(self, name: str) -> bool:
        """Remove one record of this party's private room; return whether it was there."""
        with self._store._lock:
            return self._store._private[self._party].pop(name, None) is not None

    def ring(self, place: Namespace) -> None:
        """Ask the next pass to look at a negotiation."""
        with self._store._lock:
            if place in self._store._files:
                self._store._rung.add(place)


def _active(place: Namespace) -> Namespace:
    return place._replace(archived=False)
