"""The pen of one party over files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nom_negotiate import codec
from nom_negotiate.core.identity import (
    LISTING_SUFFIX,
    Address,
    check_listing_id,
    state_file_name,
)
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.party import Listing, Profile
from nom_negotiate.core.state import PartyState
from nom_negotiate.errors import Conflict, RecordError
from nom_negotiate.store.files import (
    bounded,
    doorbell,
    locking,
    namespace,
    private,
    settlement,
)
from nom_negotiate.store.files.atomic import Disk, Overtaken
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.isolation import SHARED, Owners
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.packroom import PackRoom
from nom_negotiate.store.port import Namespace


class FileWriter:
    """The pen of one party over files: it has the party's lock while a block of `with` lasts."""

    __slots__ = ("_disk", "_layout", "_lock", "_owners", "_packed", "_party", "_timeout_s")

    def __init__(
        self,
        party: Address,
        disk: Disk,
        layout: Layout,
        packed: PackRoom,
        owners: Owners = SHARED,
        timeout_s: float = locking.TIMEOUT_S,
    ) -> None:
        self._party = party
        self._packed = packed
        self._disk = disk
        self._layout = layout
        self._owners = owners
        self._lock = locking.exclusive(layout.lock(party), timeout_s)
        self._timeout_s = timeout_s

    def __enter__(self) -> FileWriter:
        try:
            with reported(f"take the lock of {self._party}"):
                if self._lock.__enter__():
                    return self
            raise Conflict(
                "busy",
                f"another writer of {self._party} held its lock for {self._timeout_s:g} seconds",
            )
        except BaseException:
            # An interrupt, too: it goes on to the caller, and nobody has the lock.
            self._lock.__exit__(None, None, None)
            raise

    def __exit__(self, *ended: object) -> None:
        self._lock.__exit__(*ended)

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
        with reported("start a negotiation"):
            place = namespace.create(
                self._disk,
                self._layout,
                (other, self._party) if invited else (self._party, other),
                chemical,
                seconds,
                first_state,
                self._owners,
                self._packed.takes,
                author=self._party,
            )
        doorbell.ring(self._disk, self._layout, place)
        if invited and self._owners.isolated:
            # A pass lays out spare namespaces of the initiators that it hears of, and a scan of
            # everybody; this one has used its own.
            doorbell.leave(self._disk, self._layout, doorbell.SCAN)
        return place

    def write(self, place: Namespace, state: PartyState, *, seen: Snapshot | None = None) -> bool:
        """Replace this party's own state, whole; return False where nothing was written."""
        assert state.user == self._party, "a pen writes its own party's state only"
        assert state.counterparty is not None, "a state is written to somebody"
        name = state_file_name(self._party, state.counterparty)
        data = codec.encode(state)
        with reported(f"write your state of {place.id}"):
            written = namespace.write(
                self._disk, self._layout, place, name, data, seen, self._owners
            )
        if written:
            doorbell.ring(self._disk, self._layout, place)
        return written

    def replace_transaction(self, name: str, transaction: Transaction) -> None:
        """Replace one of this party's own transaction files."""
        with reported(f"write {name}"):
            self._disk.replace(
                f"{self._layout.room(self._party, 'transactions')}/{name}",
                codec.encode(transaction),
            )

    def write_transaction(self, name: str, transaction: Transaction) -> str:
        """Add a transaction of this party under `name`, or the next free name; return it."""
        with reported(f"write {name}"):
            placed = settlement.place(
                self._disk, self._layout, self._packed, self._party, name, transaction
            )
            return placed.name

    def write_listing(self, listing: Listing, *, seen: Listing | None = None) -> bool:
        """Write one of this party's own listings; return False where nothing was written."""
        assert listing.user == self._party, "a pen writes its own party's listings only"
        check_listing_id(listing.id)
        with reported(f"write the listing {listing.id}"):
            room = bounded.check_room(self._layout, self._party, "listings")
            path = f"{room}/{listing.id}{LISTING_SUFFIX}"
            guard = None if seen is None else partial(_says, path, seen)
            try:
                self._disk.replace(path, codec.encode(listing), guard)
            except Overtaken:
                return False
        return True

    def remove_listing(self, listing_id: str) -> None:
        """Remove one of this party's own listings; one that is gone already is fine."""
        with reported(f"remove the listing {listing_id}"):
            room = bounded.check_room(self._layout, self._party, "listings")
            self._disk.remove(f"{room}/{check_listing_id(listing_id)}{LISTING_SUFFIX}")

    def write_profile(self, profile: Profile) -> None:
        """Replace what this party says of itself."""
        assert profile.address == self._party, "a pen writes its own party's profile only"
        with reported("write your profile"):
            self._disk.replace(self._layout.profile(self._party), codec.encode(profile))

    def write_private(self, name: str, data: bytes) -> None:
        """Replace one record of this party's private room, which nobody else can read."""
        with reported("write your private room"):
            private.write(self._disk, self._layout, self._party, name, data)

    def discard_private(self, name: str) -> bool:
        """Remove one record of this party's private room; return whether it was there."""
        with reported("write your private room"):
            return private.discard(self._disk, self._layout, self._party, name)

    def ring(self, place: Namespace) -> None:
        """Ask the next pass to look at a negotiation, though nothing was written in it."""
        doorbell.ring(self._disk, self._layout, place)


def _says(path: str, seen: Listing) -> bool:
    try:
        data = bounded.read_record(path)
        return data is not None and codec.decode_listing(data) == seen
    except RecordError:
        return False
