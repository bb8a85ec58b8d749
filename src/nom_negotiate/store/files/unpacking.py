"""Putting back what was packed: the same bytes under the same names.

Rules of the room:

- The order: durable in its place, then gone from the packs. Wherever it is cut short,
  everything is unpacked, or packed, or both.
- What is there unpacked stays as it is. A negotiation that differs from its packed self is
  told, and stays packed, too.
- A pack in which nothing is left goes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple

from nom_negotiate import codec
from nom_negotiate.codec.packed import decode_packed_head
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.core.packed import Packed, PackedKind
from nom_negotiate.errors import Conflict, NomError, RecordError
from nom_negotiate.store.files import bounded, mending, namespace
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.isolation import FROZEN, SHARED, Owners
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.packfile import compressed, lines_of
from nom_negotiate.store.files.packing import MARK, MAX_LOOKS, Target, write
from nom_negotiate.store.files.packs import (
    Pack,
    Packs,
    Replaced,
    check_whole,
)
from nom_negotiate.store.packed import place_of, transaction_of
from nom_negotiate.store.port import Packing

Key = tuple[PackedKind, Address, str]


class _Found(NamedTuple):
    record: Packed
    target: Target


class UnpackingRun:
    """One call of `unpack`.

    Args:
        disk: what changes go through.
        layout: of the data root.
        packs: of the data root.
        owners: who may read what.
    """

    def __init__(self, disk: Disk, layout: Layout, packs: Packs, owners: Owners = SHARED) -> None:
        self._owners = owners
        self._disk = disk
        self._layout = layout
        self._packs = packs
        self._problems: list[Problem] = []

    def run(self, meant: Callable[[Packed], bool], parties: Iterable[Address]) -> Packing:
        """Unpack what is meant and found in the packs of these parties.

        Args:
            meant: returns whether to unpack something.
            parties: in whose packs it is looked for.
        """
        found = self._packs.retried(lambda: self._found(meant, parties))
        with reported("unpack"), self._disk.batch(MARK) as disk:
            done = [one for one in found if self._restored(disk, one.record)]
        drop: dict[Target, list[Packed]] = {}
        for one in done:
            for target in self._targets(one):
                drop.setdefault(target, []).append(one.record)
        for target, records in drop.items():
            self._drop(target, records)
        negotiations = {place_of(r) for r, _ in done if r.kind is PackedKind.NEGOTIATION}
        transactions = [r for r, _ in done if r.kind is PackedKind.TRANSACTION]
        return Packing(len(negotiations), len(transactions), tuple(dict.fromkeys(self._problems)))

    # Looking

    def _found(self, meant: Callable[[Packed], bool], parties: Iterable[Address]) -> list[_Found]:
        found = []
        for party in parties:
            for pack in self._packs.of(party):
                for spot in (*pack.negotiations.values(), *pack.transactions.values()):
                    try:
                        record = self._packs.fetch(pack, spot)
                        if meant(record):
                            found.append(_Found(record, (party, pack.month)))
                    except RecordError as error:
                        path = self._layout.relative(pack.path)
                        reason = f"{error.message}; {error.hint}"
                        self._problems.append(Problem(path=path, reason=reason))
        return found

    def _targets(self, one: _Found) -> set[Target]:
        record, (_, month) = one
        parties = (record.party, record.responder)
        return {(party, month) for party in parties if party is not None}

    # Putting back

    def _restored(self, disk: Disk, record: Packed) -> bool:
        try:
            if not os.path.isdir(self._layout.party(record.party)):
                raise Conflict("moved", f"{record.party} has no directory any more")
            if record.kind is PackedKind.TRANSACTION:
                return self._restored_transaction(disk, record)
            return self._restored_negotiation(disk, record)
        except NomError as error:
            path = self._layout.relative(self._layout.namespace(place_of(record)))
            self._problems.append(Problem(path=path, reason=f"{error.message}; {error.hint}"))
            return False

    def _restored_negotiation(self, disk: Disk, record: Packed) -> bool:
        place = place_of(record)
        path = self._layout.namespace(place)
        if os.path.isdir(path):
            if _digests(path) != record.sha256:
                raise Conflict(
                    "moved", "differs from what is packed of it", hint="move one of them away"
                )
        else:
            hidden = disk.temporary_directory(os.path.dirname(path))
            for name, text in record.files.items():
                disk.replace(f"{hidden}/{name}", text.encode())
            if self._owners.isolated:
                disk.set_mode(hidden, FROZEN)
            try:
                disk.move(hidden, path)
            except OSError as error:
                disk.remove_tree(hidden)
                if error.errno not in namespace.TAKEN:
                    raise
                raise Conflict("moved", "something else has this name by now") from None
        if record.responder is not None and os.path.isdir(self._layout.party(record.responder)):
            entry = self._layout.entry(record.responder, record.id, archived=True)
            disk.link_to(self._layout.link_text(place), entry)
        return True

    def _restored_transaction(self, disk: Disk, record: Packed) -> bool:
        path = f"{self._layout.room(record.party, 'transactions')}/{record.id}"
        data = record.files[record.id].encode()
        if disk.create(path, data):
            return True
        there = bounded.read_record(path)
        # One that was marked since it was packed counts, and is as good.
        packed = transaction_of(record)
        if there is None or codec.decode_transaction(there).identity != packed.identity:
            raise Conflict(
                "moved",
                f"{record.id} is another transaction by now",
                hint="rename the one in transactions/",
            )
        return True

    # Out of the packs

    def _drop(self, target: Target, records: list[Packed]) -> None:
        path = self._layout.relative(self._packs.path(*target))
        keys = {(record.kind, record.party, record.id) for record in records}
        try:
            with reported(f"write {path}"):
                self._rewrite(target, keys)
        except NomError as error:
            # What is there unpacked counts: no figure is wrong.
            self._problems.append(Problem(path=path, reason=f"{error.message}; {error.hint}"))

    def _rewrite(self, target: Target, keys: set[Key]) -> None:
        for _ in range(MAX_LOOKS):
            pack = self._packs.get(*target)
            if pack is None:
                return
            check_whole(pack)
            try:
                data = self._without(pack, keys)
            except Replaced:
                continue
            if write(self._disk, self._packs, target, pack, data):
                if not data:
                    mending.sweep_packs(self._disk, self._layout, target[0])
                return
        raise Conflict("busy", f"it changed during each of {MAX_LOOKS} looks")

    def _without(self, pack: Pack, keys: set[Key]) -> bytes:
        """Return the bytes of a pack without some of its lines; empty where none is left."""
        content, data = self._packs.content(pack), b""
        for index, (offset, length) in enumerate(pack.members):
            text = self._packs.text(pack, index)
            lines = [text[start:end] for start, end in lines_of(text)]
            kept = [line for line in lines if _key(line) not in keys]
            if len(kept) == len(lines):
                data += content[offset : offset + length]
            else:
                data += compressed(kept)
        return data


def _key(line: bytes) -> Key:
    head = decode_packed_head(line)
    return head.kind, head.party, head.id


def _digests(path: str) -> dict[str, str]:
    names = [name for name in os.listdir(path) if not name.startswith(TEMPORARY)]
    return {
        name: sha256(bounded.read_record(f"{path}/{name}") or b"").hexdigest() for name in names
    }
