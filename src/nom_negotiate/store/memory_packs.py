"""The packs of the memory store: the same lines as those of files, not compressed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from nom_negotiate.codec.packed import decode_packed, encode_packed
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.packed import Packed, PackedKind, month_of
from nom_negotiate.store.packed import is_meant, snapshot_of, transaction_of
from nom_negotiate.store.port import Filed, Namespace, Packing, PackSummary

Key = tuple[PackedKind, Address, str]


class MemoryPacks:
    """What is packed, for whoever holds the store's lock."""

    def __init__(self) -> None:
        self._packs: dict[tuple[Address, str], dict[Key, bytes]] = {}

    def places(self) -> Iterator[Namespace]:
        """Yield the packed negotiations, some of them twice."""
        for pack in self._packs.values():
            for kind, party, name in pack:
                if kind is PackedKind.NEGOTIATION:
                    yield Namespace(name, party, archived=True)

    def snapshot(self, place: Namespace) -> Snapshot | None:
        """Return what a packed negotiation holds, None where it is not packed."""
        key = (PackedKind.NEGOTIATION, place.initiator, place.id)
        line = next((pack[key] for pack in self._packs.values() if key in pack), None)
        return None if line is None or not place.archived else snapshot_of(decode_packed(line))

    def transactions(self, party: Address) -> Iterator[Filed]:
        """Yield the party's packed transactions."""
        for pack in self._packs.values():
            for (kind, owner, name), line in pack.items():
                if kind is PackedKind.TRANSACTION and owner == party:
                    yield Filed(name, transaction_of(decode_packed(line)))

    def transaction(self, party: Address, name: str, at: int) -> Transaction | None:
        """Return the party's packed transaction of that name and time."""
        pack = self._packs.get((party, month_of(at)), {})
        line = pack.get((PackedKind.TRANSACTION, party, name))
        return None if line is None else transaction_of(decode_packed(line))

    def add(self, records: Iterable[Packed]) -> None:
        """Add these to the packs of all whom they concern."""
        for record in records:
            for party in (record.party, record.responder):
                if party is not None:
                    pack = self._packs.setdefault((party, month_of(record.at)), {})
                    pack[_key(record)] = encode_packed(record)

    def take(self, what: str, party: Address | None) -> list[Packed]:
        """Take what is meant out of all packs, and return it once."""
        found = {
            _key(record): record
            for (owner, month), pack in self._packs.items()
            for record in map(decode_packed, pack.values())
            if party in (None, owner) and (month == what or is_meant(record, what))
        }
        for place, pack in list(self._packs.items()):
            left = {key: line for key, line in pack.items() if key not in found}
            if left:
                self._packs[place] = left
            else:
                del self._packs[place]
        return list(found.values())

    def summaries(self, party: Address) -> Iterator[PackSummary]:
        """Yield what each of the party's packs holds, by month."""
        for owner, month in sorted(self._packs):
            if owner == party:
                pack = self._packs[owner, month]
                negotiations = sum(kind is PackedKind.NEGOTIATION for kind, _, _ in pack)
                size = sum(map(len, pack.values()))
                yield PackSummary(month, negotiations, len(pack) - negotiations, size)


def packing_of(records: Collection[Packed], *, more: bool = False) -> Packing:
    """Return what was moved."""
    negotiations = sum(record.kind is PackedKind.NEGOTIATION for record in records)
    return Packing(negotiations, len(records) - negotiations, more=more)


def _key(record: Packed) -> Key:
    return record.kind, record.party, record.id
