"""How soon a deal is settled: from its acceptance to both transactions on disk, by `nom run`.

    python -m benchmarks.latency DIRECTORY [DEALS]

It is accepted in turns by `Party.accept`, which rings the doorbell, and by a program that knows
nothing of us: it renames a file of the original format into the namespace, unsynced. The time
begins when the call returns that does it.

Parties and the poller are processes of their own, everything of ours is durable, and each deal
begins when the one before is in the archive. Between two deals the same file operations are made
bare: what the disk itself takes at that moment, with what others do to it. Prints JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nom_negotiate import Desk, Negotiation, Party

DEALS: Final = 500
ONE, OTHER = "one@example.edu", "other@example.edu"
DEADLINE_S: Final = 60.0


def main(arguments: Sequence[str]) -> int:
    """Measure in a directory of its own below the one that is named."""
    directory, *rest = arguments
    deals = int(rest[0]) if rest else DEALS
    home = Path(tempfile.mkdtemp(prefix="latency-", dir=directory))
    try:
        json.dump(measured(home, deals), sys.stdout, indent=2)
        print()
    finally:
        shutil.rmtree(home)
    return 0


def measured(home: Path, deals: int) -> dict[str, object]:
    """Return the figures, in milliseconds."""
    desk = Desk(home / "data", notice=lambda text: None)
    one, other = desk.party(ONE), desk.party(OTHER)
    for party in (ONE, OTHER):
        desk.add_party(party)
    desk.poll()
    rooms = [f"{home}/data/teams/{party}/transactions" for party in (ONE, OTHER)]
    active = f"{home}/data/teams/{ONE}/negotiations"
    figures: dict[str, list[float]] = {
        name: []
        for name in ("accept", "settled after accept", "rename", "settled after rename", "bare")
    }
    command = [sys.executable, "-m", "nom_negotiate", "run", "--every", "1d", "--json"]
    with subprocess.Popen(
        [*command, "--data", f"{home}/data"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as poller:
        assert poller.stdout is not None
        try:
            # Its first pass: from now on it sleeps.
            poller.stdout.readline()
            for number in range(2 * deals):
                _deal(one, other, rooms, number, figures)
                _until(lambda: not os.listdir(active))
                while json.loads(poller.stdout.readline())["agreed"] == []:
                    pass
                figures["bare"].append(_bare(home, number))
        finally:
            poller.terminate()
    load = os.getloadavg()[0]
    return {
        "deals": deals,
        "load": round(load, 1),
        **{name: _summary(values) for name, values in figures.items()},
    }


def _deal(
    one: Party, other: Party, rooms: list[str], number: int, figures: dict[str, list[float]]
) -> None:
    deal = one.start(OTHER, chemical="C", role="buyer", price="5.50", quantity=number + 1)
    how = "rename" if number % 2 else "accept"
    state = f"{rooms[0]}/../negotiations/{deal.id}/other_state.json"
    begun = time.perf_counter()
    if how == "accept":
        other.accept(deal.id)
    else:
        _accept_plainly(deal, state)
    accepted = time.perf_counter()
    _until(lambda: all(len(os.listdir(room)) > number for room in rooms))
    settled = time.perf_counter()
    figures[how].append((accepted - begun) * 1000)
    figures[f"settled after {how}"].append((settled - accepted) * 1000)


def _accept_plainly(deal: Negotiation, path: str) -> None:
    """Agree as a program of the original format does."""
    [offer] = deal.offers
    now = int(time.time())
    state = {
        "user": OTHER,
        "role": "seller",
        "chemical": deal.chemical,
        "offer": {
            "price": float(offer.price),
            "quantity": float(offer.quantity),
            "timestamp": now,
        },
        "status": "agreed",
        "agreement_key": "as it hashes them",
        "last_updated": now,
    }
    with open(f"{path}.tmp", "w", encoding="utf-8") as file:
        json.dump(state, file)
    os.rename(f"{path}.tmp", path)


def _bare(home: Path, number: int) -> float:
    """Make three files durable, one after the other: an outcome and two transactions."""
    begun = time.perf_counter()
    for name in ("outcome", "buy", "sell"):
        path = home / f"{number}-{name}"
        with path.open("wb", buffering=0) as file:
            file.write(b"x" * 700)
            os.fsync(file.fileno())
        fd = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)
    return (time.perf_counter() - begun) * 1000


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("the poller did not settle a deal")
        # Looking all the time would take the processor from who works.
        time.sleep(0.0002)


def _summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)

    return {"min": at(0.0), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
