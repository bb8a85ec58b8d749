"""The enumeration notices: a settlement that is written a little worse does not get through.

Each fsync left out, each two neighbouring changes exchanged, and a few other ways in which the
store could have been written. Every one is run with a stop at each step until the first world
in which something does not hold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults.crashing import (
    CrashNotSurvived,
    Effort,
    Faults,
    UseCase,
    enumerate_crashes,
    stops,
)
from tests.faults.migrations import RollingBack, old_data
from tests.faults.use_cases import CASES, Case

from nom_negotiate import FileStore, Kind, Outcome, autopilot
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.terms import Terms
from nom_negotiate.one_pass import Pass
from nom_negotiate.store.files import archive as archives
from nom_negotiate.store.files import atomic, doorbell, private, torn
from nom_negotiate.store.files.agenda import FileAgenda
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.port import Namespace
from nom_negotiate.store.reading import OUTCOME_NAME

ONCE = Effort(recoveries=0)
AND_AGAIN = Effort(worlds=4, recoveries=1, stops=8)
"""Also a stop of the recovery: some faults show only after two crashes."""

WIDELY = Effort(worlds=24, recoveries=0)
"""What a batch has changed since its last barrier may be there in any combination."""

BY_NAME = {case.name: case for case in CASES}
SETTLEMENT = BY_NAME["a poll with an agreement"]
RUNG = BY_NAME["a poll where it was rung for an agreement"]
BATCH = BY_NAME["a poll over three deals"]
ACTIONS = [
    BY_NAME[name]
    for name in (
        "a start with somebody half added",
        "an offer",
        "an acceptance",
        "a withdrawal",
        "a mark",
        "a listing",
    )
]


def is_caught(case: UseCase, effort: Effort = ONCE, **options: Any) -> bool:
    try:
        enumerate_crashes(case, effort, **options)
    except CrashNotSurvived:
        return True
    return False


def steps_of(case: Case) -> list[str]:
    """Return each change of a name and each fsync, without the poller's hints."""
    named = ("after fsync", "after link", "after unlink", "after rename", "after symlink")
    return [
        point.where.removeprefix("after ")
        for point in stops(case)
        if point.where.startswith(named) and "'poller" not in point.where
    ]


def syncs_of(case: Case) -> list[str]:
    return [step for step in steps_of(case) if step.startswith("fsync")]


# Each fsync left out


@pytest.mark.parametrize("case", ACTIONS, ids=repr)
def test_no_fsync_of_an_action_can_be_left_out(case: Case) -> None:
    syncs = syncs_of(case)
    assert len(syncs) >= 2
    for number, sync in enumerate(syncs):
        assert is_caught(case, faults=Faults(forgets=number)), sync


OF_THE_MOVE = (7, 8)
"""The fsyncs of both archives' rooms once the negotiation has moved. A batch does without them:
whatever comes back is concluded, its transactions are durable, the responder's link in the archive
leads back to it, and the next pass moves it again. One settlement keeps them all the same, so that
both parties list it in the archive from then on."""


@pytest.mark.parametrize("number", [n for n in range(9) if n not in OF_THE_MOVE])
def test_no_fsync_of_a_settlement_can_be_left_out(number: int) -> None:
    assert is_caught(SETTLEMENT, faults=Faults(forgets=number))


@pytest.mark.parametrize("number", OF_THE_MOVE)
def test_a_move_to_the_archive_that_is_lost_is_made_again(number: int) -> None:
    assert not is_caught(SETTLEMENT, faults=Faults(forgets=number))


def test_that_were_all_of_them() -> None:
    assert len(syncs_of(SETTLEMENT)) == 9


# Each two neighbours exchanged

HARMLESS = {
    "fsync temporary / link negotiations/ID/outcome.json": "what is torn is made anew",
    "fsync temporary / link transactions/1704312345_buy_C_from_bob.json": "likewise",
    "fsync temporary / link transactions/1704312345_sell_C_to_alice.json": "likewise",
    "rename ID / fsync negotiations_archive": "the responder's new link leads back, too",
    "fsync negotiations / unlink negotiations/ID": "the responder's new link leads back, too",
    "unlink temporary / fsync negotiations/ID": "a name that comes back is swept",
    "unlink temporary / fsync transactions": "a name that comes back is swept",
    "fsync negotiations/ID / fsync temporary": "a file without a name may be synced any time",
    "fsync transactions / fsync temporary": "a file without a name may be synced any time",
    "fsync transactions / symlink negotiations_archive/ID": "the negotiation is still active",
    "fsync negotiations_archive / rename ID": "the old link leads to the archive, too",
    "fsync negotiations_archive / fsync negotiations": "a rename needs both, in any order",
}
"""What may as well come in the other order, and why."""


def short(step: str) -> str:
    """Return a step without what is the same in all of them."""
    verb, _, arguments = step.partition("(")
    path = arguments.rstrip(")").split("', ")[{"link": 1, "symlink": 1}.get(verb, 0)].strip("'")
    if TEMPORARY in path:
        return f"{verb} temporary"
    parts = path.replace("alice_bob_C_1704312345", "ID").split("/")[2:]
    return f"{verb} {'/'.join(parts if verb != 'rename' else parts[-1:])}"


STEPS = [
    "fsync temporary",
    "link negotiations/ID/outcome.json",
    "unlink temporary",
    "fsync negotiations/ID",
    "fsync temporary",
    "link transactions/1704312345_buy_C_from_bob.json",
    "unlink temporary",
    "fsync transactions",
    "fsync temporary",
    "link transactions/1704312345_sell_C_to_alice.json",
    "unlink temporary",
    "fsync transactions",
    "symlink negotiations_archive/ID",
    "fsync negotiations_archive",
    "rename ID",
    "fsync negotiations_archive",
    "fsync negotiations",
    "unlink negotiations/ID",
]
"""A settlement, from its first fsync on."""


def test_these_are_the_steps_of_a_settlement() -> None:
    assert [short(step) for step in steps_of(SETTLEMENT)] == STEPS


@pytest.mark.parametrize("number", range(len(STEPS) - 1))
def test_two_neighbours_of_a_settlement_cannot_be_exchanged_unless_it_is_no_matter(
    number: int,
) -> None:
    pair = f"{STEPS[number]} / {STEPS[number + 1]}"
    faults = Faults(delays=number)
    if pair in HARMLESS:
        assert not is_caught(SETTLEMENT, faults=faults), f"not harmless: {pair}"
    elif pair == "link negotiations/ID/outcome.json / unlink temporary":
        with pytest.raises(AssertionError):
            stops(SETTLEMENT, faults=faults)
    else:
        assert is_caught(SETTLEMENT, faults=faults), pair


# Other ways in which it could have been written


Moved = Callable[..., None]


def the_os() -> Any:
    """Return the one that the store has now."""
    return vars(atomic)["os"]


class NoSyncOfFiles(Disk):
    def _sync(self, fd: int) -> None:
        pass


class NoSyncOfDirectories(Disk):
    def _sync_now(self, path: str) -> None:
        pass


class NoSyncOfWhatOthersPlaced(Disk):
    def confirm(self, directory: str) -> None:
        pass


class NoSyncOfLinks(Disk):
    def link_to(self, text: str, path: str) -> bool:
        try:
            self._symlink(text, path)
        except FileExistsError:
            return False
        return True


class RenameBeforeSync(Disk):
    def replace(self, path: str, data: bytes, holds: Callable[[], bool] | None = None) -> None:
        self._muted = True
        super().replace(path, data, holds)
        self._muted = False
        fd = self._open(path, os.O_RDONLY)
        super()._sync(fd)
        the_os().close(fd)

    _muted = False

    def _sync(self, fd: int) -> None:
        if not self._muted:
            super()._sync(fd)


class WrittenInPlace(Disk):
    def replace(self, path: str, data: bytes, holds: Callable[[], bool] | None = None) -> None:
        fd = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._write(fd, data)
        self._sync(fd)
        the_os().close(fd)
        self._sync_directory(os.path.dirname(path))


class RemovedAndRenamed(Disk):
    """Makes room for the new name first."""

    def replace(self, path: str, data: bytes, holds: Callable[[], bool] | None = None) -> None:
        temporary = self._written(os.path.dirname(path), data)
        self.remove(path)
        self._rename(temporary, path)
        self._sync_directory(os.path.dirname(path))


@pytest.mark.parametrize(
    ("disk", "name"),
    [
        (NoSyncOfFiles, "an acceptance"),
        (NoSyncOfDirectories, "an acceptance"),
        (NoSyncOfLinks, "a start"),
        (RenameBeforeSync, "an acceptance"),
        (WrittenInPlace, "a withdrawal"),
        (RemovedAndRenamed, "a withdrawal"),
        (NoSyncOfWhatOthersPlaced, "a poll with an agreement"),
    ],
)
def test_a_disk_that_does_it_another_way_is_caught(disk: type[Disk], name: str) -> None:
    assert is_caught(BY_NAME[name], AND_AGAIN, disk=disk)


def test_a_settlement_before_its_outcome_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    conclude = FileStore.conclude

    def settled_first(self: FileStore, place: Namespace, outcome: Outcome) -> Outcome:
        if outcome.outcome is Kind.AGREED:
            self.settle(outcome)
        return conclude(self, place, outcome)

    monkeypatch.setattr(FileStore, "conclude", settled_first)
    assert is_caught(SETTLEMENT)


def test_an_archive_before_its_settlement_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = FileStore.settle

    def archived_first(self: FileStore, outcome: Outcome) -> Any:
        self.archive(Namespace(outcome.negotiation_id, outcome.initiator), outcome.responder)
        return settle(self, outcome)

    monkeypatch.setattr(FileStore, "settle", archived_first)
    assert is_caught(SETTLEMENT)


def test_an_old_link_that_goes_before_the_directory_moves_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = archives.archive

    def dropped_first(
        disk: Disk, layout: Layout, place: Namespace, responder: Address | None
    ) -> Namespace:
        assert responder is not None
        disk.drop(layout.entry(responder, place.id, archived=False))
        return archive(disk, layout, place, responder)

    monkeypatch.setattr(archives, "archive", dropped_first)
    assert is_caught(SETTLEMENT)


# A batch


def barriers_of(case: Case) -> list[int]:
    """Return the numbers of the barriers among the syncs, as `Faults.forgets` counts them."""
    named = ("after fsync", "after syncfs")
    syncs = [point.where for point in stops(case) if point.where.startswith(named)]
    return [n for n, sync in enumerate(syncs) if sync.startswith("after syncfs")]


def test_a_batch_has_two_barriers_and_no_other_sync() -> None:
    assert barriers_of(BATCH) == [0, 1]
    assert syncs_of(BATCH) == []


@pytest.mark.parametrize("number", [0, 1])
def test_no_barrier_of_a_batch_can_be_left_out(number: int) -> None:
    assert is_caught(BATCH, WIDELY, faults=Faults(forgets=number), backwards=True)


@pytest.fixture
def barrier(monkeypatch: pytest.MonkeyPatch) -> Callable[[Moved], None]:
    """Return what makes a step of a batch come at another time."""

    def move(moved: Moved) -> None:
        monkeypatch.setattr(Pass, "_step_by_step", moved)

    return move


def in_order(self: Any, store: Any, cases: list[Any], *steps: str) -> None:
    for step in steps:
        if step == "barrier":
            self._barrier(store, cases)
            continue
        for case in cases:
            if step == "settle":
                case.filed = store.settle(case.outcome)
            elif step == "announce":
                store.announce(case.place, case.outcome.responder)
            else:
                store.archive(case.place, case.outcome.responder)


def steps_after_the_decision(*steps: str) -> Moved:
    def moved(self: Any, cases: Any, store: Any) -> None:
        for case in cases:
            self._conclude(case, store)
        in_order(self, store, list(cases), *steps)

    return moved


AS_IT_IS = ("barrier", "settle", "announce", "barrier", "archive")


def test_the_steps_of_a_batch_in_their_order_pass(barrier: Callable[[Moved], None]) -> None:
    barrier(steps_after_the_decision(*AS_IT_IS))
    assert not is_caught(BATCH, Effort(worlds=4, recoveries=0))


@pytest.mark.parametrize(
    "steps",
    [
        ("settle", "barrier", "announce", "barrier", "archive"),
        ("barrier", "settle", "announce", "archive", "barrier"),
        ("barrier", "settle", "barrier", "announce", "archive"),
    ],
    ids=["settled before the first", "archived before the second", "announced after the second"],
)
def test_a_batch_in_another_order_is_caught(
    steps: tuple[str, ...], barrier: Callable[[Moved], None]
) -> None:
    barrier(steps_after_the_decision(*steps))
    assert is_caught(BATCH, WIDELY, backwards=True)


def test_a_torn_outcome_that_stays_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileStore, "discard_torn", lambda self, snapshot: False)
    assert is_caught(BATCH, WIDELY, backwards=True)


def test_a_torn_transaction_that_stays_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torn, "discard", lambda disk, path: False)
    monkeypatch.setattr(FileStore, "discard_torn", discarded_at_once)
    assert is_caught(BATCH, WIDELY, backwards=True)


def discarded_at_once(self: FileStore, snapshot: Snapshot) -> bool:
    path = f"{self.layout.namespace(Namespace(snapshot.id, snapshot.initiator))}/{OUTCOME_NAME}"
    there = torn.is_there(path)
    if there:
        self.disk.remove(path)
    return there


@pytest.mark.parametrize("case", [RUNG, BATCH, BY_NAME["a poll where one is due"]], ids=repr)
def test_a_pass_that_leaves_no_mark_while_it_works_is_caught(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = FileAgenda._begin

    def unmarked(self: Any) -> int:
        now = begin(self)
        self._disk.discard(f"{self._layout.doorbell}/{doorbell.UNFINISHED}")
        return now

    monkeypatch.setattr(FileAgenda, "_begin", unmarked)
    assert is_caught(case)


# What is removed as a tree has durably left its place


class RemovedAtOnce(Disk):
    """Empties a directory before the batch in which it was moved away is durable."""

    @contextmanager
    def batch(self, mark: str) -> Iterator[Disk]:
        with super().batch(mark) as disk:
            disk._doomed = None
            yield disk


class SweptWithoutSync(Disk):
    def remove_left_over(self, path: str) -> None:
        self.remove_tree(path)


def test_a_tree_that_goes_before_it_has_left_its_place_is_caught(tmp_path: Path) -> None:
    rolling_back = RollingBack(old_data(tmp_path / "old"))
    assert is_caught(rolling_back, Effort(worlds=8, recoveries=0), disk=RemovedAtOnce)


def test_a_sweep_of_what_may_come_back_is_caught() -> None:
    assert is_caught(BY_NAME["a sweep"], disk=SweptWithoutSync)


# What is private


def test_a_private_record_that_others_may_read_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private, "MODE", 0o644)
    assert is_caught(BY_NAME["preferences"])


def test_an_autopilot_that_offers_its_limit_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def limit(party: Any, seen: Any, table: Any, wanted: Any, *rest: Any) -> tuple[str, Terms]:
        return "counter", Terms(price=wanted.reservation_price, quantity=table.quantity)

    monkeypatch.setattr(autopilot, "_decided", limit)
    assert is_caught(BY_NAME["a step of an autopilot"])
