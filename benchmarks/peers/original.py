"""The original's algorithm, re-expressed: look for everything, read everything, sync nothing.

It is what the design of the first implementation, `UserPairNegotiation.md`, gives for its poller:
`pollNegotiations`, `createTransactionsFromAgreement` and `cleanupNegotiation`, with a temporary
file and a rename for its `atomicWrite`.

One pass as it made it: the directories of all teams, in each of them the negotiations that are no
links, in each of those the files that end in `_state.json`; where there are two, both
are read and their keys compared. What is agreed becomes two transactions, each through a
temporary file and a rename, named after the second alone, and the negotiation moves to the archive.
Two deals of one pair and one second write the same name: the later one replaces the earlier, and
that is part of what it was.

Where it is not the same it is quicker: it looks with `scandir`, which tells directories from links,
where the original used `glob` with `GLOB_ONLYDIR` and then `is_link`. That ext4 takes longer to
rename over a file that was just written than to a free name belongs to the algorithm: two deals of
one pair in one second have one name.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def one_pass(root: Path) -> int:
    """Look at everything and settle what is agreed; return how many were."""
    settled = 0
    for team in _directories(f"{root}/teams"):
        if "@" not in team:
            continue
        for path in _directories(f"{team}/negotiations"):
            with os.scandir(path) as entries:
                files = [entry.path for entry in entries if entry.name.endswith("_state.json")]
            if len(files) != 2:
                continue
            states = [_read(name) for name in sorted(files)]
            keys = [state.get("agreement_key") for state in states]
            if keys[0] is not None and keys[0] == keys[1]:
                _create_transactions(root, path, states)
                os.rename(path, path.replace("/negotiations/", "/negotiations_archive/"))
                settled += 1
    return settled


def _directories(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))


def _read(path: str) -> dict[str, Any]:
    with open(path, "rb") as file:
        state: dict[str, Any] = json.loads(file.read())
    return state


def _create_transactions(root: Path, path: str, states: list[dict[str, Any]]) -> None:
    by_role = {state["role"]: state for state in states}
    buyer, seller = by_role["buyer"], by_role["seller"]
    now = int(time.time())
    for mine, theirs, kind, word in (
        (buyer, seller, "buy", "from"),
        (seller, buyer, "sell", "to"),
    ):
        transaction = {
            "type": kind,
            "chemical": buyer["chemical"],
            "price": buyer["offer"]["price"],
            "quantity": buyer["offer"]["quantity"],
            "counterparty": theirs["user"],
            "negotiation_id": os.path.basename(path),
            "timestamp": now,
            "settled": False,
        }
        name = f"{now}_{kind}_{buyer['chemical']}_{word}_{theirs['user'].partition('@')[0]}.json"
        _write(f"{root}/teams/{mine['user']}/transactions/{name}", transaction)


def _write(path: str, record: dict[str, Any]) -> None:
    temporary = f"{path}.tmp"
    with open(temporary, "wb") as file:
        file.write(json.dumps(record).encode())
    os.rename(temporary, path)
