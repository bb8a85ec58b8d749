"""Many settled negotiations of many teams, packed: few files, and not one figure has changed.

With NOM_SOAK=1 it is 50,000 negotiations of 40 teams over ten months, which takes about a
quarter of an hour on one core and prints its figures (run it with -s).
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from tests.support import DAY, NOON, Clock

from nom_negotiate import Desk, FileStore, Settings

SOAK = os.environ.get("NOM_SOAK") == "1"
TEAMS, DEALS = (40, 50_000) if SOAK else (8, 2_000)
MONTHS = 10
BATCH = 500
AT_MOST_FILES = 2_000 if SOAK else 300

T = TypeVar("T")


def address(number: int) -> str:
    return f"team{number:02}@market.edu"


def trade(desk: Desk, clock: Clock) -> None:
    """Let each team deal with the others, a batch at a time, and settle all of it."""
    parties = [desk.party(address(number)) for number in range(TEAMS)]
    for batch in range(DEALS // BATCH):
        for number in range(batch * BATCH, (batch + 1) * BATCH):
            one = parties[number % TEAMS]
            other = parties[(number + 1 + number // TEAMS % (TEAMS - 1)) % TEAMS]
            chemical = "CNDQ"[number % 4]
            price, quantity = f"{number % 97}.{number % 10}", number % 1000 + 1
            deal = one.start(
                other.address,
                chemical=chemical,
                role="buyer" if number % 3 else "seller",
                price=price,
                quantity=quantity,
                again=True,
            )
            if number % 10:
                other.accept(deal.id)
            else:
                other.reject(deal.id, reason="not today")
            clock.forward(1)
        desk.poll()
        for party in parties:
            settle(desk, party.address)
        clock.now = NOON + (batch + 1) * MONTHS * 30 * DAY * BATCH // DEALS


def settle(desk: Desk, party: Any) -> None:
    """Mark all that is new at once: `mark_settled` reads all of the party's each time."""
    store = desk.store
    assert isinstance(store, FileStore)
    room = Path(store.layout.room(party, "transactions"))
    for path in room.glob(f"{desk.now()}_*.json"):
        path.write_text(path.read_text().replace('"settled": false', '"settled": true'))


def figures(desk: Desk) -> dict[str, Any]:
    """Return every figure, and a digest of every record, party by party."""
    found: dict[str, Any] = {"stats": msgspec.structs.replace(desk.stats(), last_pass=None)}
    found["archive"] = digest(desk.archive())
    for party in desk.parties():
        found[party.address] = (
            digest(party.negotiations(archived=True)),
            digest(party.transactions()),
        )
    return found


def digest(records: list[Any]) -> tuple[int, str]:
    state = sha256()
    for record in records:
        state.update(repr(record).encode())
    return len(records), state.hexdigest()


def size(root: Path) -> tuple[int, int]:
    """Return how many files, links and directories there are, and the bytes of the files."""
    count, total = 0, 0
    for directory, names, files in os.walk(root):
        count += len(names) + len(files)
        total += sum(os.lstat(f"{directory}/{name}").st_size for name in files)
    return count, total


def timed(what: str, function: Callable[[], T]) -> T:
    started = time.perf_counter()
    found = function()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if SOAK:
        seconds = time.perf_counter() - started
        print(f"{what}: {seconds:.1f} s, {memory} MiB at most so far", flush=True)
    return found


@pytest.mark.timeout(7200 if SOAK else 300)
def test_a_packed_market_has_few_files_and_every_figure(tmp_path: Path) -> None:
    root, clock = tmp_path / "data", Clock()

    def opened() -> Desk:
        store = FileStore(root, durable=False)
        return Desk(store, clock=clock, validators=(), after_settlement=())

    desk = opened()
    desk.initialise(Settings(pack_after_s=0))
    timed("trading", lambda: trade(desk, clock))
    before, (files, volume) = timed("stats before", lambda: opened().stats()), size(root)
    assert (before.parties, before.settled) == (TEAMS, before.transactions)
    assert before.ended == {"agreed": DEALS * 9 // 10, "rejected": DEALS // 10}
    figured = timed("all figures before", lambda: figures(opened()))
    packing = timed("pack", lambda: opened().pack(0))
    assert packing == (DEALS, DEALS * 9 // 5, (), False)
    left, packed_volume = size(root)
    if SOAK:
        print(f"files {files} -> {left}, bytes {volume} -> {packed_volume}")
    assert left < AT_MOST_FILES < files
    timed("stats after", lambda: opened().stats())
    assert timed("all figures after", lambda: figures(opened())) == figured
    timed("pack again", lambda: opened().pack(0))
    timed("an idle poll", lambda: opened().poll())
    assert size(root)[0] <= left + 1
