"""From files to a packed record and back: what every store packs, and as what it reads it.

Rules of the room:

- Input is text by file name; where it comes from is the store's business.
- A negotiation reads the same from its record as it did from its files, or is not packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from nom_negotiate import codec
from nom_negotiate.codec.packed import PackedHead
from nom_negotiate.core.identity import Address, directory_name
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.outcome import Outcome, Transaction
from nom_negotiate.core.packed import Packed, PackedKind
from nom_negotiate.store import reading
from nom_negotiate.store.port import Namespace


def packed_negotiation(place: Namespace, outcome: Outcome, files: Mapping[str, str]) -> Packed:
    """Return the record of a negotiation that has ended."""
    return Packed(
        kind=PackedKind.NEGOTIATION,
        id=place.id,
        party=place.initiator,
        responder=outcome.responder,
        at=outcome.at,
        files=files,
        sha256=digests(files),
    )


def packed_transaction(party: Address, name: str, transaction: Transaction, text: str) -> Packed:
    """Return the record of a settled transaction."""
    files = {name: text}
    return Packed(
        kind=PackedKind.TRANSACTION,
        id=name,
        party=party,
        at=transaction.timestamp,
        files=files,
        sha256=digests(files),
    )


def digests(files: Mapping[str, str]) -> dict[str, str]:
    """Return the sha256 of each file by name."""
    return {name: sha256(text.encode()).hexdigest() for name, text in files.items()}


def place_of(record: Packed | PackedHead) -> Namespace:
    """Return where a packed negotiation is found."""
    return Namespace(record.id, record.party, archived=True)


def snapshot_of(record: Packed) -> Snapshot:
    """Return the snapshot that a packed negotiation is."""
    return reading.assemble(
        record.id,
        record.party,
        {
            name: text.encode()
            for name, text in record.files.items()
            if name == reading.OUTCOME_NAME or name.endswith(reading.STATE_SUFFIX)
        },
        where=f"teams/{directory_name(record.party)}/negotiations_archive/{record.id}",
        linked=lambda party: party == record.responder,
        archived=True,
    )


def transaction_of(record: Packed) -> Transaction:
    """Return the transaction in a packed record.

    Raises:
        RecordError: where it cannot be read.
    """
    return codec.decode_transaction(record.files[record.id].encode())


def is_meant(record: Packed, what: str) -> bool:
    """Return whether `what` is the id of it, or of the negotiation that it follows from.

    Raises:
        RecordError: where it cannot be read.
    """
    if record.id == what:
        return True
    return record.kind is PackedKind.TRANSACTION and transaction_of(record).negotiation_id == what
