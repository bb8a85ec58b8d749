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


Taken = dict[str, object]
"""Which transaction is under a path, by its identity."""


def settle(
    disk: Disk,
    layout: Layout,
    packed: PackRoom,
    outcome: Outcome,
    taken: Taken | None = None,
) -> dict[Address, Filed]:
    """Place both transactions of an agreed outcome; return them with their names.

    Args:
        disk: what changes go through.
        layout: of the data root.
        packed: what is packed.
        outcome: of the deal.
        taken: what was met before in the same pass, and need not be read again: many deals of a
            pair in one second want the same names. More is added.
    """
    taken = {} if taken is None else taken
    both = mirrored(outcome)
    # ENOENT, ENOTDIR: a party that a program made up, or whose room was removed.
    rooms = {party: bounded.check_room(layout, party, "transactions", disk.rooms) for party in both}
    return {
        party: _place(
            disk, packed, party, rooms[party], outcome.transactions[party], transaction, taken
        )
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
    return _place(disk, packed, party, room, wanted, transaction, {})


def _place(
    disk: Disk,
    packed: PackRoom,
    party: Address,
    room: str,
    wanted: str,
    transaction: Transaction,
    taken: Taken,
) -> Filed:
    data = codec.encode(transaction)
    mine = transaction.identity
    attempt = 1
    torn_path: str | None = None
    while attempt <= MAX_NAMES:
        name = next_name(wanted, attempt)
        path = f"{room}/{name}"
        if taken.get(path, mine) != mine:
            attempt += 1
            continue
        found = _transaction(path) or _packed(packed, party, name, transaction.timestamp)
        if found is None:
            if torn_path is not None and torn.discard(disk, torn_path):
                # It is nobody's: what a power cut has left. And this one has no other name.
                attempt, torn_path = 1, None
                continue
            if disk.create(path, data):
                taken[path] = mine
                return Filed(name, transaction)
            # Somebody placed a file there since: look at it.
            continue
        if isinstance(found, Transaction):
            taken[path] = found.identity
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
