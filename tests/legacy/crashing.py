"""Run or roll back a migration and die at the k-th change of the disk, as of a kill -9.

Started as a process of its own: `python crashing.py run|rollback SOURCE NOW K:ROOT ...`. Each
root gets a child of its own, which ends without a word at the K-th primitive. A SOURCE of
`.` is the root itself. Prints the exit status of each child; one that lived to the end writes
beside its root how many primitives it took.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.mortal import Deaths, MortalDisk

from nom_negotiate.legacy.rollback import rollback
from nom_negotiate.legacy.run import run
from nom_negotiate.legacy.source import read_source
from nom_negotiate.store.files import FileStore


def act(action: str, source: str, now: int, root: str) -> None:
    store = FileStore(root, disk=MortalDisk())
    if action == "run":
        run(store, read_source(source), now)
    else:
        rollback(store, source, now)


def child(action: str, source: str, now: int, root: str, at: int) -> None:
    Deaths.at = at
    act(action, source, now, root)
    Path(f"{root}.count").write_text(str(Deaths.count))
    os._exit(0)


def main() -> None:
    action, source, now, *deaths = sys.argv[1:]
    for death in deaths:
        at, _, root = death.partition(":")
        process = os.fork()
        if process == 0:
            try:
                child(action, root if source == "." else source, int(now), root, int(at))
            finally:
                # Only a fault of the migration comes this far.
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        _, status = os.waitpid(process, 0)
        print(root, os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
