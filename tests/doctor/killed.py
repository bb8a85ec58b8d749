"""Repair or use a data root and die at the k-th change of the disk, as of a kill -9.

Started as a process of its own: `python killed.py repair|use K:ROOT ...`. Each root gets a child
of its own, which ends without a word at the K-th primitive. Prints the exit status of each child.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from tests.mortal import Deaths, MortalDisk
from tests.support import ALICE, BOB, CAROL

from nom_negotiate import Desk, FileStore
from nom_negotiate.doctor import examine


def repair(desk: Desk) -> None:
    examine(desk, repair=True, mount=False)


def use(desk: Desk) -> None:
    """Do everything once that parties and a poller do."""
    alice, carol = desk.party(ALICE), desk.party(CAROL)
    [going_on] = alice.negotiations()
    alice.accept(going_on.id)
    desk.poll()
    terms: Any = {"price": "5.5", "quantity": 10}
    begun = carol.start(BOB, chemical="Q", role="buyer", **terms).id
    desk.party(BOB).offer(begun, price="6", quantity=10)
    desk.party(BOB).withdraw(begun)
    desk.poll()
    desk.party("dave@stonybrook.edu").start(ALICE, chemical="C", role="seller", **terms)
    [filed, *_] = desk.store.transactions(alice.address)[0]
    alice.mark_settled(filed.name)
    with desk.store.polling():
        desk.store.pack(int(time.time()) + 60)


def main() -> None:
    act = {"repair": repair, "use": use}[sys.argv[1]]
    for death in sys.argv[2:]:
        at, _, root = death.partition(":")
        process = os.fork()
        if process == 0:
            try:
                Deaths.at = int(at)
                store = FileStore(root, disk=MortalDisk(durable=False))
                desk = Desk(store, validators=(), after_settlement=())
                act(desk)
                os._exit(0)
            finally:
                # Only a fault of the repair comes this far.
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
