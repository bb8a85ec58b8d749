"""Moving what has ended into packs.

Rules of the room:

- The order: durable in the packs of all whom it concerns, then taken away. A negotiation is
  in the packs of both parties, a transaction in that of its owner. Wherever it is cut short,
  everything is unpacked, or packed, or both; a redo recognises what is packed already.
- A pack is replaced as a whole, and only while it is the one that was read (`atomic` says how
  a replacement is guarded); whoever has replaced it looks whether its own has prevailed.
- What is taken away is hidden by one rename, looked at once more, and then removed: nobody
  sees half of it, and what was changed meanwhile is put back.
- What cannot be packed exactly stays where it is, and is told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from typing import Final, NamedTuple

from nom_negotiate import codec
from nom_negotiate.codec.packed import MAX_PACKED_FILES, encode_packed
from nom_negotiate.core.identity import Address, check_id
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.packed import Packed, PackedKind, month_of
from nom_negotiate.errors import Conflict, InputError, NomError, RecordError
from nom_negotiate.store.files import bounded, locking, namespace
from nom_negotiate.store.files.atomic import TEMPORARY, Disk, Overtaken
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.isolation import Owners
from nom_negotiate.store.files.layout import PACKS, Layout, shown
from nom_negotiate.store.files.packfile import MAX_PACK_BYTES, compressed
from nom_negotiate.store.files.packs import (
    Pack,
    Packs,
    Replaced,
    check_whole,
)
from nom_negotiate.store.packed import (
    digests,
    packed_negotiation,
    packed_transaction,
    place_of,
    snapshot_of,
)
from nom_negotiate.store.port import Namespace, Packing
from nom_negotiate.store.reading import OUTCOME_NAME

MARK: Final = "pack-"
ROOM: Final = 0o2750
"""Mode of the room of the packs, where each party is a Unix user: as that of the archive."""

MAX_LOAD_BYTES: Final = 32 * 1024 * 1024
"""Lines that one call holds in memory, before it leaves the rest for another one."""

MAX_LOOKS: Final = 16

Target = tuple[Address, str]
"""A pack: whose, and of which month."""


class Unpackable(Exception):
    """Tell why something stays where it is."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.problem = Problem(path=path, reason=reason)


class _Item(NamedTuple):
    """Something to be packed: what, into which packs, and as which line."""

    record: Packed
    targets: tuple[Target, ...]
    line: bytes


def write(disk: Disk, packs: Packs, target: Target, seen: Pack | None, data: bytes) -> bool:
    """Replace a pack that was `seen`; return False where somebody else has done so meanwhile.

    Raises:
        RecordError: `record_too_large`.
    """
    if len(data) > MAX_PACK_BYTES:
        raise RecordError(
            "record_too_large",
            f"expected a pack of at most {MAX_PACK_BYTES} bytes, this would have {len(data)}",
            hint="move it elsewhere to begin a new one",
        )
    path, identity = packs.path(*target), None if seen is None else seen.identity
    try:
        disk.replace(path, data, lambda: packs.identity(*target) == identity)
    except Overtaken:
        return False
    disk.overtake(os.path.dirname(path))
    # Should another one have checked before this rename, and renamed after it, that prevails.
    return packs.holds(*target, data)


def is_in(packs: Packs, target: Target, record: Packed) -> bool:
    """Return whether a pack holds exactly this.

    Raises:
        Replaced: where the pack is another one by now.
    """
    pack = packs.get(*target)
    spot = None if pack is None else pack.spot(record)
    try:
        return (
            pack is not None
            and spot is not None
            and packs.fetch(pack, spot).sha256 == record.sha256
        )
    except RecordError:
        # A damaged line holds nothing.
        return False


class PackingRun:
    """One call of `pack`.

    Args:
        disk: what changes go through.
        layout: of the data root.
        packs: of the data root.
        owners: who may have written what.
        before: unix seconds.
        at_most: how much is packed.
    """

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        packs: Packs,
        owners: Owners,
        *,
        before: int,
        at_most: int,
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._packs = packs
        self._owners = owners
        self._before = before
        self._at_most = at_most
        self._items: list[_Item] = []
        self._size = 0
        self._problems: list[Problem] = []
        self._whole: dict[Target, bool] = {}

    def run(self, places: Iterable[Namespace], parties: Iterable[Address]) -> Packing:
        """Pack what is old enough of these archived negotiations, and of the parties' own.

        Args:
            places: archived negotiations that are not packed, or not only.
            parties: whose settled transactions.
        """
        more = not all(self._fits(item) for item in self._found(places, parties))
        kept = self._append()
        packed = [item for item in self._items if kept.issuperset(item.targets)]
        negotiations = self._remove_negotiations(
            [item for item in packed if item.record.kind is PackedKind.NEGOTIATION]
        )
        transactions = self._remove_transactions(
            [item for item in packed if item.record.kind is PackedKind.TRANSACTION]
        )
        return Packing(negotiations, transactions, tuple(self._problems), more)

    # What is to be packed

    def _found(self, places: Iterable[Namespace], parties: Iterable[Address]) -> Iterator[_Item]:
        for place in places:
            item = None
            with self._stepping_over(self._layout.namespace(place)):
                item = self._negotiation(place)
            if item is not None:
                yield item
        for party in parties:
            try:
                room = bounded.check_room(self._layout, party, "transactions")
                names = sorted(os.listdir(room))
            except (FileNotFoundError, NotADirectoryError):
                continue
            for name in names:
                if name.startswith(".") or not name.endswith(".json"):
                    continue
                item = None
                with self._stepping_over(f"{room}/{name}"):
                    item = self._transaction(party, name)
                if item is not None:
                    yield item

    def _fits(self, item: _Item) -> bool:
        if len(self._items) >= self._at_most or self._size >= MAX_LOAD_BYTES:
            return False
        self._items.append(item)
        self._size += len(item.line)
        return True

    @contextmanager
    def _stepping_over(self, path: str) -> Iterator[None]:
        """Leave what cannot be packed where it is, and say so."""
        try:
            with reported("pack what has ended"):
                yield
        except Unpackable as error:
            self._problems.append(error.problem)
        except NomError as error:
            reason = f"{error.message}; {error.hint}"
            self._problems.append(Problem(path=self._layout.relative(path), reason=reason))

    def _negotiation(self, place: Namespace) -> _Item | None:
        path = self._layout.namespace(place)
        where = self._layout.relative(path)
        data = bounded.read_record(f"{path}/{OUTCOME_NAME}")
        if data is None:
            if not os.path.isdir(path):
                return None
            raise Unpackable(where, "expected an outcome in the archive, found none; move it away")
        outcome = codec.decode_outcome(data)
        if outcome.at >= self._before:
            return None
        snapshot = namespace.read_snapshot(self._layout, place, self._owners)
        if snapshot is None:
            return None
        if snapshot.problems:
            raise Unpackable(snapshot.problems[0].path, snapshot.problems[0].reason)
        record = packed_negotiation(place, outcome, self._files(path))
        if snapshot_of(record) != snapshot:
            raise Unpackable(where, "would not read the same from a pack; look at its files")
        return self._item(record, [place.initiator, outcome.responder])

    def _files(self, path: str) -> dict[str, str]:
        where = self._layout.relative(path)
        names = [name for name in sorted(os.listdir(path)) if not name.startswith(TEMPORARY)]
        if len(names) > MAX_PACKED_FILES:
            raise Unpackable(
                where, f"expected at most {MAX_PACKED_FILES} files, found more; move them away"
            )
        return {name: self._text(path, name) for name in names}

    def _text(self, path: str, name: str) -> str:
        where = f"{self._layout.relative(path)}/{shown(name)}"
        try:
            check_id(name)
            data = bounded.read_record(f"{path}/{name}")
            if data is None:
                raise Unpackable(where, "was taken away while it was read")
            return data.decode()
        except (InputError, UnicodeDecodeError):
            reason = "expected a name and a text in UTF-8, found other bytes; move it away"
            raise Unpackable(where, reason) from None
        except RecordError as error:
            raise Unpackable(where, f"{error.message}; move it away") from None

    def _transaction(self, party: Address, name: str) -> _Item | None:
        path = f"{self._layout.room(party, 'transactions')}/{name}"
        data = bounded.read_record(path)
        transaction = None if data is None else codec.decode_transaction(data)
        if data is None or transaction is None or not self._is_ripe(party, transaction):
            return None
        record = packed_transaction(party, check_id(name), transaction, data.decode())
        packed = self._packs.retried(
            lambda: self._packs.transaction(party, name, transaction.timestamp)
        )
        if packed is not None and packed.identity != transaction.identity:
            raise Unpackable(
                self._layout.relative(path), "another one of that name is packed; rename this one"
            )
        return self._item(record, [party])

    def _is_ripe(self, party: Address, transaction: Transaction) -> bool:
        """Return whether it is settled, old, and of a negotiation that nobody settles again."""
        if not transaction.settled or transaction.timestamp >= self._before:
            return False
        try:
            check_id(transaction.negotiation_id)
        except InputError:
            return True
        return not any(
            os.path.lexists(self._layout.entry(each, transaction.negotiation_id, archived=False))
            for each in (party, transaction.counterparty)
        )

    def _item(self, record: Packed, parties: Iterable[Address | None]) -> _Item | None:
        month = month_of(record.at)
        # A party that a program made up has no directory, and so no pack.
        targets = tuple(
            (party, month)
            for party in parties
            if party is not None and os.path.isdir(self._layout.party(party))
        )
        if not all(map(self._is_whole, targets)):
            return None
        return _Item(record, targets, encode_packed(record))

    def _is_whole(self, target: Target) -> bool:
        """Return whether a pack can be added to; where it cannot, say so once."""
        if target not in self._whole:
            pack = self._packs.get(*target)
            self._whole[target] = pack is None or not pack.problems
            if pack is not None:
                self._problems += self._packs.problems(pack)
        return self._whole[target]

    # Into the packs

    def _append(self) -> set[Target]:
        """Write all packs; return those that hold what they are to hold, durably."""
        targets: dict[Target, list[_Item]] = {}
        for item in self._items:
            for target in item.targets:
                targets.setdefault(target, []).append(item)
        kept = set()
        for target, items in targets.items():
            items.sort(key=lambda item: (item.record.kind, item.record.id, item.record.party))
            with self._stepping_over(self._layout.pack(*target)):
                self._append_to(target, items)
                kept.add(target)
        return kept

    def _append_to(self, target: Target, items: list[_Item]) -> None:
        party, month = target
        room = self._layout.room(party, PACKS)
        for _ in range(MAX_LOOKS):
            # Also where it is there: whoever made it may have died before it was durable, and
            # what is packed is removed from where it was.
            self._disk.make_directory(room)
            if self._owners.isolated and os.stat(room).st_mode & 0o7777 != ROOM:
                # Whatever the poller's umask is, the parties read their packs.
                self._disk.set_mode(room, ROOM)
            pack = self._packs.get(party, month)
            if pack is not None:
                check_whole(pack)
            new = [item for item in items if not self._is_in(target, item.record)]
            if not new:
                self._disk.confirm(room)
                return
            try:
                data = b"" if pack is None else self._packs.content(pack)
            except Replaced:
                continue
            for kind in PackedKind:
                data += compressed(item.line for item in new if item.record.kind is kind)
            if write(self._disk, self._packs, target, pack, data):
                return
        raise Conflict("busy", f"the pack of {month} changed during each of {MAX_LOOKS} looks")

    def _is_in(self, target: Target, record: Packed) -> bool:
        return self._packs.retried(lambda: is_in(self._packs, target, record))

    # Taking away

    def _remove_negotiations(self, items: list[_Item]) -> int:
        hidden: list[tuple[_Item, str]] = []
        with reported("remove what was packed"):
            with self._disk.batch(MARK) as disk:
                for item in items:
                    self._remove_link(disk, item.record)
            # Hidden for good before anything in it goes: a power cut shows no half of it.
            with self._disk.batch(MARK) as disk:
                for item in items:
                    with _gone():
                        path = self._layout.namespace(place_of(item.record))
                        hidden.append((item, disk.hide(path)))
            with self._disk.batch(MARK) as disk:
                return sum(self._discard(disk, item, path) for item, path in hidden)

    def _remove_link(self, disk: Disk, record: Packed) -> None:
        if record.responder is not None:
            entry = self._layout.entry(record.responder, record.id, archived=True)
            if namespace.linked_to(self._layout, entry) == place_of(record):
                disk.remove(entry)

    def _discard(self, disk: Disk, item: _Item, hidden: str) -> bool:
        path = self._layout.namespace(place_of(item.record))
        try:
            same = digests(self._files(hidden)) == item.record.sha256
        except Unpackable:
            same = False
        if same and all(self._is_in(target, item.record) for target in item.targets):
            disk.remove_tree(hidden)
            return True
        disk.move(hidden, path)
        reason = "was changed while it was packed; it stays as it is"
        self._problems.append(Problem(path=self._layout.relative(path), reason=reason))
        return False

    def _remove_transactions(self, items: list[_Item]) -> int:
        count, parties = 0, {item.record.party for item in items}
        for party in sorted(parties):
            own = [item for item in items if item.record.party == party]
            with reported(f"remove what was packed of {party}"), ExitStack() as held:
                # Whoever marks a transaction holds this lock. Where they are at it, or the
                # lock is for them alone, a mark made by a program is seen all the same.
                try:
                    lock = locking.exclusive(self._layout.lock(party), 0)
                    if not held.enter_context(lock):
                        continue
                except PermissionError:
                    pass
                with self._disk.batch(MARK) as disk:
                    count += sum(self._remove_transaction(disk, item) for item in own)
        return count

    def _remove_transaction(self, disk: Disk, item: _Item) -> bool:
        record = item.record
        path = f"{self._layout.room(record.party, 'transactions')}/{record.id}"
        if not _is(path, record) or not self._is_in(item.targets[0], record):
            return False
        with _gone():
            hidden = disk.hide(path)
            if _is(hidden, record):
                disk.remove(hidden)
                return True
            # Marked by a program since. It goes back, unless there is a newer one by now.
            disk.put_back(hidden, path)
        return False


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        # Removed by somebody else since.
        return


def _is(path: str, record: Packed) -> bool:
    try:
        data = bounded.read_record(path)
    except RecordError:
        return False
    return data is not None and sha256(data).hexdigest() == record.sha256[record.id]
