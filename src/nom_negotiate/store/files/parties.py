"""The parties of a data root: who they are, their pens, transactions and listings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TypeVar

from nom_negotiate import codec
from nom_negotiate.core.identity import (
    LISTING_SUFFIX,
    Address,
    address_of_directory,
    check_listing_id,
)
from nom_negotiate.errors import Conflict, RecordError, StoreError
from nom_negotiate.store.files import bounded, locking, private
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.layout import PARTY_ROOMS, PRIVATE, PROFILE
from nom_negotiate.store.files.root import Root
from nom_negotiate.store.port import Dealt, Filed

# Imported late, all of these: an idle poll writes nothing, and reads no record.
if TYPE_CHECKING:
    from nom_negotiate.core.negotiation import Problem
    from nom_negotiate.core.outcome import Transaction
    from nom_negotiate.core.party import Listing, Profile
    from nom_negotiate.store.files.writer import FileWriter

T = TypeVar("T")


class Parties(Root):
    """Everything that a party has of its own."""

    # Parties

    def parties(self) -> list[Address]:
        """Return every party, sorted."""
        self._refuse_file()
        with reported("list the parties"):
            try:
                names = os.listdir(self.layout.teams)
            except FileNotFoundError:
                return []
        found = (address_of_directory(name) for name in names)
        return sorted(
            party
            for party in found
            if party is not None and bounded.is_directory(self.layout.party(party))
        )

    def known(self, party: Address) -> bool:
        """Return whether the party has a directory."""
        return bounded.is_directory(self.layout.party(party))

    def profile(self, party: Address) -> Profile | None:
        """Return who the party is, None where it has not been said."""
        if not self.known(party):
            return None
        with reported(f"read the profile of {party}"):
            data = bounded.read_record(self.layout.profile(party))
        return None if data is None else codec.decode_profile(data)

    def add_party(self, profile: Profile) -> bool:
        """Make room for a party; return whether it is new. An existing profile stays."""
        from nom_negotiate.store.files import mending

        party = profile.address
        directory = self.layout.party(party)
        with reported(f"make a directory for {party}"):
            if not os.path.isdir(self.layout.teams):
                self.initialise(self.settings())
            # What is there may have been made by somebody who died before it was durable.
            self.disk.confirm(self.layout.root)
            new = not os.path.lexists(directory) and self._make_party(profile)
            mending.complete(self.disk, self.layout, party)
            if not os.path.lexists(self.layout.profile(party)):
                self.disk.create(self.layout.profile(party), codec.encode(profile))
            return new

    def _make_party(self, profile: Profile) -> bool:
        """Make a party's directory, whole at once; return False where it is there by now."""
        from nom_negotiate.store.files import namespace

        hidden = self.disk.temporary_directory(self.layout.teams)
        try:
            for room in PARTY_ROOMS:
                self.disk.make_directory(f"{hidden}/{room}")
            self.disk.make_directory(f"{hidden}/{PRIVATE}", mode=0o700)
            self.disk.create(f"{hidden}/{PROFILE}", codec.encode(profile))
            self.disk.move(hidden, self.layout.party(profile.address))
        except BaseException as error:
            if os.path.isdir(hidden):
                self.disk.remove_tree(hidden)
            if isinstance(error, OSError) and error.errno in namespace.TAKEN:
                # Another process has made it at the same moment.
                return False
            raise
        return True

    def writer(self, party: Address) -> FileWriter:
        """Return the party's pen: a block of `with` has its lock."""
        return self._pen(party, locking.TIMEOUT_S)

    @contextmanager
    def try_writer(self, party: Address) -> Iterator[FileWriter | None]:
        """Take the party's own lock where nobody has it, and return its pen; None elsewhere."""
        with ExitStack() as held:
            try:
                pen = held.enter_context(self._pen(party, 0))
            except Conflict:
                pen = None
            yield pen

    def _pen(self, party: Address, timeout_s: float) -> FileWriter:
        from nom_negotiate.store.files.writer import FileWriter

        if not self.known(party):
            # Behind a link in the place of its directory lies somebody else's lock.
            raise StoreError("store_failed", f"cannot take the lock of {party}: no such party")
        owners = self.owners
        owners.check_writer(party)
        return FileWriter(party, self.disk, self.layout, self.packed, owners, timeout_s)

    # Transactions and listings

    def transactions(self, party: Address) -> tuple[list[Filed], list[Problem]]:
        """Return the party's transactions by name, and what could not be read."""

        def unpacked() -> tuple[list[Filed], list[Problem]]:
            found, problems = self._records(party, "transactions", codec.decode_transaction)
            return [Filed(name, record) for name, record in found], problems

        with reported(f"read the packs of {party}"):
            return self.packed.filed(party, unpacked)

    def listings(self, party: Address) -> tuple[list[Listing], list[Problem]]:
        """Return the party's listings by id, and what could not be read."""
        from nom_negotiate.core.negotiation import Problem

        found, problems = self._records(party, "listings", codec.decode_listing)
        listings = []
        for name, record in found:
            if (record.user, f"{record.id}{LISTING_SUFFIX}") == (party, name):
                listings.append(record)
                continue
            path = self.layout.relative(f"{self.layout.room(party, 'listings')}/{name}")
            reason = f"is the listing {record.id[:80]!a} of {record.user}; move it away"
            problems.append(Problem(path=path, reason=reason))
        return listings, problems

    def listing(self, party: Address, listing_id: str) -> Listing | None:
        """Return the party's listing of that id, None where there is none that can be read."""
        with reported(f"read the listing {listing_id} of {party}"):
            try:
                room = bounded.check_room(self.layout, party, "listings")
                data = bounded.read_record(f"{room}/{check_listing_id(listing_id)}{LISTING_SUFFIX}")
                found = None if data is None else codec.decode_listing(data)
            except (FileNotFoundError, NotADirectoryError, RecordError):
                return None
        return (
            found if found is not None and (found.user, found.id) == (party, listing_id) else None
        )

    def dealt(self, party: Address, listings: Iterable[Listing]) -> Dealt:
        """Return the quantities that count against listings, by id and negotiation."""
        from nom_negotiate.core.listings import Counted
        from nom_negotiate.store import dealings

        counted = Counted(listings)

        def unpacked() -> tuple[list[Filed], list[Problem]]:
            found, problems = self._records(
                party, "transactions", codec.decode_transaction, counted.may
            )
            return [Filed(name, record) for name, record in found], problems

        with reported(f"read the packs of {party}"):
            filed, _ = self.packed.filed(party, unpacked, counted.may, since=counted.since)
        return dealings.dealt(counted, filed)

    def private(self, party: Address, name: str) -> bytes | None:
        """Return one record of the party's private room, None where there is none."""
        with reported(f"read the private room of {party}"):
            return private.read(self.layout, party, name)

    def private_names(self, party: Address) -> list[str]:
        """Return the names of all records of the party's private room, sorted."""
        with reported(f"read the private room of {party}"):
            return private.names(self.layout, party)

    def recent_transactions(self, chemical: str, at_most: int) -> list[Transaction]:
        """Return the last transactions over a chemical, newest first, one side of each."""
        from nom_negotiate.store.files import recent

        with reported("look for recent transactions"):
            return recent.transactions(self.layout, chemical, at_most)

    def recent_listings(self, chemical: str, at_most: int) -> list[Listing]:
        """Return of each party the last listing over a chemical that stands and says a price."""
        from nom_negotiate.store.files import recent

        with reported("look for recent listings"):
            return recent.listings(self.layout, chemical, at_most)

    def _records(
        self,
        party: Address,
        room: str,
        decode: Callable[[bytes], T],
        wanted: Callable[[str], bool] = lambda name: True,
    ) -> tuple[list[tuple[str, T]], list[Problem]]:
        from nom_negotiate.core.negotiation import Problem

        found: list[tuple[str, T]] = []
        problems: list[Problem] = []
        with reported(f"read the {room} of {party}"):
            try:
                directory = bounded.check_room(self.layout, party, room)
                names = sorted(os.listdir(directory))
            except FileNotFoundError:
                return [], []
            except NotADirectoryError as error:
                path = self.layout.relative(self.layout.room(party, room))
                return [], [Problem(path=path, reason=str(error.strerror))]
            for name in names:
                if name.startswith(".") or not name.endswith(".json") or not wanted(name):
                    continue
                path = f"{directory}/{name}"
                try:
                    data = bounded.read_record(path)
                    if data is not None:
                        found.append((name, decode(data)))
                except RecordError as error:
                    reason = f"{error.message}; {error.hint}"
                    problems.append(Problem(path=self.layout.relative(path), reason=reason))
        return found, problems
