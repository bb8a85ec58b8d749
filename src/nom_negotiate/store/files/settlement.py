"""From an outcome to two transaction files, redone as often as anybody likes.

Both or neither: before the first is placed, both parties' rooms are looked for. What can
still come in between (a crash, a full disk) is made good by the next pass.

A name that the outcome gives may be taken by another negotiation of the same second; then
the next free one is used. A redo finds what is there by its identity, not by its name or
its bytes: the owner may have marked it as settled since.
"""

from __future__ import annotations

import os
from typing import Final

from nom_negotiate import codec
from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Outcome, Transaction, mirrored, next_name
from nom_negotiate.errors import RecordError, StoreError
from nom_negotiate.store.files import bounded, torn
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.packroom import PackRoom
from nom_negotiate.store.port import Filed

MAX_NAMES: Final = 1000
"""Names that are tried for one transaction. Whoever takes them all stops its own deal only."""


class Met:
    """What was met in one pass, and need not be looked at again.

    Args:
        packed: what is packed.

    Attributes:
        identities: of the transactions, by path. Many deals of a pair in one second want the
            same names.
    """

    def __init__(self, packed: PackRoom) -> None:
        self.packed = packed
        self.identities: dict[str, object] = {}
        self._has_packs: dict[Address, bool] = {}

    def has_packs(self, party: Address) -> bool:
        """Return whether the party has packs; a pass makes none while it settles."""
        found = self._has_packs.get(party)
        if found is None:
            found = self._has_packs[party] = self.packed.has_any(party)
        return found


def settle(disk: Disk, layout: Layout, outcome: Outcome, met: Met) -> dict[Address, Filed]:
    """Place both transactions of an agreed outcome; return them with their names.

    Args:
        disk: what changes go through.
        layout: of the data root.
        outcome: of the deal.
        met: what was met before in the same pass; more is added.
    """
    both = mirrored(outcome)
    # ENOENT, ENOTDIR: a party that a program made up, or whose room was removed.
    rooms = {party: bounded.check_room(layout, party, "transactions", disk.rooms) for party in both}
    return {
        party: _place(disk, party, rooms[party], outcome.transactions[party], transaction, met)
        for party, transaction in both.items()
    }


def place(
    disk: Disk,
    layout: Layout,
    packed: PackRoom,
    party: Address,
    wanted: str,
    transaction: Transaction,
) -> Filed:
    """Place one transaction under the wanted name or the next free one, exactly once.

    A name that is packed is taken, too.
    """
    room = bounded.check_room(layout, party, "transactions")
    return _place(disk, party, room, wanted, transaction, Met(packed))


def _place(
    disk: Disk,
    party: Address,
    room: str,
    wanted: str,
    transaction: Transaction,
    met: Met,
) -> Filed:
    data = codec.encode(transaction)
    mine = transaction.identity
    identities, has_packs = met.identities, met.has_packs(party)
    attempt = 1
    torn_path: str | None = None
    # Outside a batch a file is synced before it turns out that its name is taken.
    looks = disk.rooms is None
    while attempt <= MAX_NAMES:
        name = next_name(wanted, attempt)
        path = f"{room}/{name}"
        if identities.get(path, mine) != mine:
            attempt += 1
            continue
        found = _packed(met.packed, party, name, transaction.timestamp) if has_packs else None
        if found is None and not ((looks or torn_path) and os.path.lexists(path)):
            if torn_path is not None and torn.discard(disk, torn_path):
                # It is nobody's: what a power cut has left. And this one has no other name.
                attempt, torn_path = 1, None
                continue
            # In a batch before it is looked at: nearly always the name is free.
            if disk.create(path, data):
                identities[path] = mine
                return Filed(name, transaction)
        found = _transaction(path) or found
        if found is None:
            # It was there, and has been removed since.
            continue
        if isinstance(found, Transaction):
            identities[path] = found.identity
        if isinstance(found, Transaction) and found.identity == mine:
            # The archive follows, and who placed it may not have come to syncing it.
            disk.confirm_file(path)
            disk.confirm(room)
            return Filed(name, found)
        if torn_path is None and isinstance(found, RecordError) and torn.is_there(path):
            torn_path = path
        attempt += 1
    raise StoreError(
        "store_failed",
        f"expected a free name like {wanted} at {party}, found {MAX_NAMES} taken",
        hint="move away what took them",
    )


def _packed(
    packed: PackRoom, party: Address, name: str, at: int
) -> Transaction | RecordError | None:
    try:
        return packed.transaction(party, name, at)
    except RecordError as error:
        return error


def _transaction(path: str) -> Transaction | RecordError | None:
    if not os.path.lexists(path):
        return None
    try:
        data = bounded.read_record(path)
        return None if data is None else codec.decode_transaction(data)
    except RecordError as error:
        # The name is taken, whatever it is by.
        return error
