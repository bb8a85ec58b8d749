"""The packs of the parties: whether they can be read, and whether both sides have the same.

A pack that is replaced while it is looked at is left out: the look that counts is the one while
no pass is running.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from nom_negotiate import codec
from nom_negotiate.core.identity import Address
from nom_negotiate.core.packed import Packed, is_month
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.inspection.deals import Ledger, add_unsettled, note_unread
from nom_negotiate.store.files.inspection.look import Look, named, records
from nom_negotiate.store.files.installation import digests_of
from nom_negotiate.store.files.layout import PACK_SUFFIX, PACKS
from nom_negotiate.store.packed import place_of, snapshot_of, transaction_of

_INITIATOR = 1
_RESPONDER = 2


class Halves:
    """Which packed negotiations have been seen in whose packs; some 100 bytes each."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def note(self, party: Address, record: Packed) -> None:
        """Take note of a line in a pack of a party."""
        side = _INITIATOR if party == record.party else _RESPONDER
        key = _key(record)
        self._seen[key] = self._seen.get(key, 0) | side

    def odd(self) -> set[int]:
        """Return what only one of two parties has."""
        return {key for key, seen in self._seen.items() if seen != _INITIATOR | _RESPONDER}


def _key(record: Packed) -> int:
    return hash((place_of(record), tuple(sorted(record.sha256.items()))))


def look_at_packed_transactions(look: Look, ledger: Ledger, party: Address) -> None:
    """Look at the packs of a party, and book the transactions in them."""
    before = len(look.found)
    for entry, _ in look.entries(look.layout.room(party, PACKS)):
        if not is_month(entry.name.removesuffix(PACK_SUFFIX)) or PACK_SUFFIX not in entry.name:
            reason = f"expected a pack, like 2026-01{PACK_SUFFIX}, found {named(entry.name)!a}"
            look.aside("foreign", entry.path, reason)
    for pack in look.packs.of(party):
        look.counted["packs"] += 1
        for reason in pack.problems:
            look.add("damaged_pack", pack.path, reason)
        for record in records(look, pack, pack.transactions):
            transaction = transaction_of(record)
            look.counted["packed"] += 1
            path = f"{look.layout.room(party, 'transactions')}/{record.id}"
            # What is unpacked as well has been booked already.
            if not os.path.lexists(path) or not _is_same(path, record):
                ledger.book(party, transaction)
    note_unread(look, party, before)


def _is_same(path: str, record: Packed) -> bool:
    try:
        data = bounded.read_record(path)
        return (
            data is not None
            and codec.decode_transaction(data).identity == transaction_of(record).identity
        )
    except RecordError:
        return False


def look_at_packed_negotiations(look: Look, ledger: Ledger, halves: Halves, party: Address) -> None:
    """Look at the negotiations in the packs of a party."""
    for pack in look.packs.of(party):
        for record in records(look, pack, pack.negotiations):
            look.counted["packed"] += 1
            snapshot = snapshot_of(record)
            if snapshot.outcome is None:
                look.add("damaged_pack", pack.path, f"{record.id} has no outcome that can be read")
                continue
            missing = ledger.decide(snapshot.outcome)
            if missing:
                add_unsettled(look, pack.path, snapshot.outcome, missing)
            unpacked = digests_of(look.layout.namespace(place_of(record)))
            if unpacked is not None:
                # It was being packed, or unpacked, and what is unpacked counts.
                if any(unpacked.get(name) != digest for name, digest in record.sha256.items()):
                    reason = f"{record.id} is unpacked as well, with other files"
                    look.add("pack_differs", pack.path, reason)
            elif record.responder is not None:
                halves.note(party, record)


def look_at_halves(look: Look, halves: Halves, parties: Iterable[Address]) -> None:
    """Find the negotiations that only one of two parties has packed."""
    odd = halves.odd()
    if not odd:
        return
    known = set(parties)
    for party in sorted(known):
        for pack in look.packs.of(party):
            for record in records(look, pack, pack.negotiations, again=True):
                if _key(record) in odd and {record.party, record.responder} <= known:
                    reason = (
                        f"expected {record.id} in the packs of both parties, found it here only"
                    )
                    look.add("half_packed", pack.path, reason)
