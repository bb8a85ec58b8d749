"""The file store: whatever a crash has left half done, the next pass finishes.

The states are made by hand, from a negotiation that was carried as far as the crash let it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.test_negotiating import ID, start
from tests.support import ALICE, BOB, CAROL, NOON, Clock

from nom_negotiate import Desk, FileStore, Namespace, Outcome, Phase
from nom_negotiate.core.identity import parse_address
from nom_negotiate.store.files import mending
from nom_negotiate.store.files.atomic import Disk

A, B = parse_address(ALICE), parse_address(BOB)
PLACE = Namespace(ID, A)
HOUR_AND_A_BIT = mending.LEFT_OVER_S + 60


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    """Return a desk at which alice and bob have agreed."""
    desk = Desk(root, clock=clock, durable=False, validators=(), after_settlement=())
    start(desk.party(ALICE))
    desk.party(BOB).accept(ID)
    return desk


def bytes_under(root: Path) -> dict[str, bytes | str]:
    """Return the content of each file and link of the parties."""
    found: dict[str, bytes | str] = {}
    for path in sorted((root / "teams").rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file() and path.name != ".lock":
            found[name] = path.read_bytes()
    return found


def age(path: Path, seconds: float = HOUR_AND_A_BIT) -> None:
    """Make `path` look as if it had been left behind that long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


class Recording(Disk):
    """A disk that says in which order it syncs directories, links and renames."""

    def __init__(self) -> None:
        super().__init__(durable=True)
        self.steps: list[tuple[str, str]] = []

    def _sync_directory(self, path: str) -> None:
        self.steps.append(("sync", os.path.basename(path)))
        super()._sync_directory(path)

    def _link(self, source: str, target: str) -> None:
        self.steps.append(("link", os.path.basename(target)))
        super()._link(source, target)

    def _rename(self, source: str, target: str) -> None:
        self.steps.append(("rename", os.path.basename(target)))
        super()._rename(source, target)


# An agreement that was cut short


def concluded(desk: Desk) -> Outcome:
    from nom_negotiate.core.decision import decide

    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    outcome = decide(snapshot, desk.now(), desk.settings.limits)
    assert outcome is not None
    return desk.store.conclude(PLACE, outcome)


def before_the_outcome(desk: Desk, root: Path) -> None:
    pass


def before_the_transactions(desk: Desk, root: Path) -> None:
    concluded(desk)


def between_the_transactions(desk: Desk, root: Path) -> None:
    filed = desk.store.settle(concluded(desk))
    (root / f"teams/{BOB}/transactions" / filed[B].name).unlink()


def between_the_transactions_the_other_way_round(desk: Desk, root: Path) -> None:
    filed = desk.store.settle(concluded(desk))
    (root / f"teams/{ALICE}/transactions" / filed[A].name).unlink()


def before_the_archive(desk: Desk, root: Path) -> None:
    desk.store.settle(concluded(desk))


def before_the_move(desk: Desk, root: Path) -> None:
    before_the_archive(desk, root)
    archived = f"../../{ALICE}/negotiations_archive/{ID}"
    (root / f"teams/{BOB}/negotiations_archive/{ID}").symlink_to(archived)


def before_the_old_link_was_removed(desk: Desk, root: Path) -> None:
    desk.poll()
    (root / f"teams/{BOB}/negotiations/{ID}").symlink_to(f"../../{ALICE}/negotiations/{ID}")


def with_the_new_link_lost(desk: Desk, root: Path) -> None:
    before_the_old_link_was_removed(desk, root)
    (root / f"teams/{BOB}/negotiations_archive/{ID}").unlink()


STAGES = [
    before_the_outcome,
    before_the_transactions,
    between_the_transactions,
    between_the_transactions_the_other_way_round,
    before_the_archive,
    before_the_move,
    before_the_old_link_was_removed,
    with_the_new_link_lost,
]


@pytest.mark.parametrize("stage", STAGES)
def test_a_settlement_that_was_cut_short_is_finished(
    tmp_path: Path, root: Path, desk: Desk, clock: Clock, stage: Callable[[Desk, Path], None]
) -> None:
    whole = Desk(tmp_path / "whole", clock=clock, durable=False)
    start(whole.party(ALICE))
    whole.party(BOB).accept(ID)
    whole.poll()

    stage(desk, root)
    clock.forward(30)
    done = any("negotiations_archive" in str(path.parent) for path in root.rglob("outcome.json"))
    report = desk.poll(scan=True)
    assert not report.problems
    assert report.agreed == ([] if done else [ID])
    for party in (ALICE, BOB):
        assert len(desk.party(party).transactions()) == 1
        assert desk.party(party).negotiation(ID).archived
    if stage is not before_the_outcome:
        # To the byte what an undisturbed pass would have left.
        assert bytes_under(root) == bytes_under(tmp_path / "whole")
    after = bytes_under(root)
    assert desk.poll(scan=True).agreed == []
    assert bytes_under(root) == after


@pytest.mark.parametrize("stage", STAGES)
def test_both_parties_find_it_wherever_the_settlement_was_cut_short(
    root: Path, desk: Desk, stage: Callable[[Desk, Path], None]
) -> None:
    stage(desk, root)
    found = [desk.party(party).negotiation(ID) for party in (ALICE, BOB)]
    assert found[0] == found[1]
    assert found[0].phase is Phase.AGREED


def test_a_mark_is_kept_when_a_settlement_is_finished(root: Path, desk: Desk) -> None:
    between_the_transactions(desk, root)
    alice = desk.party(ALICE)
    alice.mark_settled(alice.transactions()[0].name)
    desk.poll()
    assert [filed.transaction.settled for filed in alice.transactions()] == [True]
    assert len(desk.party(BOB).transactions()) == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda disk, path: disk.create(path, b"1"),
        lambda disk, path: disk.link_to("somewhere", path),
        lambda disk, path: disk.make_directory(path),
    ],
    ids=["a file", "a link", "a directory"],
)
def test_what_another_process_has_just_made_is_durable_when_it_is_relied_on(
    tmp_path: Path, make: Callable[[Disk, str], bool]
) -> None:
    path = str(tmp_path / "made")
    assert make(Disk(durable=False), path)
    disk = Recording()
    assert not make(disk, path)
    assert disk.steps[-1] == ("sync", tmp_path.name)


def test_what_a_crash_left_unsynced_is_durable_before_its_effects(root: Path, desk: Desk) -> None:
    between_the_transactions(desk, root)
    disk = Recording()
    Desk(FileStore(root, disk=disk), clock=desk.now, validators=(), after_settlement=()).poll()
    outcome = disk.steps.index(("sync", ID))
    mine = disk.steps.index(("sync", "transactions"))
    theirs = disk.steps.index(("link", f"{NOON}_sell_C_to_alice.json"))
    archived = disk.steps.index(("rename", ID))
    assert outcome < mine < theirs < archived


# A start that was cut short


def test_a_negotiation_without_its_link_gets_it(root: Path, desk: Desk) -> None:
    link = root / f"teams/{BOB}/negotiations/{ID}"
    desk.party(ALICE).start(CAROL, chemical="C", role="buyer", price=1, quantity=1)
    lost = root / f"teams/{CAROL}/negotiations/alice_carol_C_{NOON}"
    for path in (link, lost):
        path.unlink()
    assert desk.party(CAROL).negotiations() == []
    report = desk.poll()
    assert report.agreed == [ID]
    assert os.readlink(lost) == f"../../{ALICE}/negotiations/alice_carol_C_{NOON}"
    assert [n.id for n in desk.party(CAROL).negotiations()] == [f"alice_carol_C_{NOON}"]
    assert desk.party(BOB).negotiation(ID).archived


def test_a_link_to_nothing_is_kept_while_its_author_may_be_at_work(root: Path, desk: Desk) -> None:
    link = root / f"teams/{BOB}/negotiations/carol_bob_C_{NOON}"
    desk.add_party(CAROL)
    link.symlink_to(f"../../{CAROL}/negotiations/carol_bob_C_{NOON}")
    assert desk.poll().problems == []
    assert link.is_symlink()
    assert [n.id for n in desk.party(BOB).negotiations()] == []
    # Its name is taken meanwhile.
    assert start(desk.party(CAROL)).id == f"carol_bob_C_{NOON + 1}"
    age(link)
    assert desk.poll(scan=True).problems == []
    assert not link.is_symlink()
    assert start(desk.party(CAROL), again=True).id == f"carol_bob_C_{NOON}"


def test_a_namesakes_link_that_came_first_moves_the_start_on(
    root: Path, desk: Desk, clock: Clock
) -> None:
    one, other = "alice@a.edu", "alice@b.edu"

    class Meeting(Disk):
        """A disk on which the other one starts at the same moment, and links first."""

        def _mkdir(self, path: str, mode: int) -> None:
            super()._mkdir(path, mode)
            link = root / f"teams/{one}/negotiations/alice_alice_C_{NOON}"
            if "/negotiations/.tmp-" in path and not link.is_symlink():
                link.symlink_to(f"../../{other}/negotiations/alice_alice_C_{NOON}")

    for party in (one, other):
        desk.add_party(party)
    meeting = Desk(FileStore(root, disk=Meeting(durable=False)), clock=clock)
    deal = start(meeting.party(one), other)
    assert deal.id == f"alice_alice_C_{NOON + 1}"
    assert [n.id for n in desk.party(other).negotiations()] == [deal.id]
    assert not any("tmp" in name for name in bytes_under(root))


# Parties and temporary files


def test_a_party_of_which_rooms_are_missing_gets_them(root: Path, desk: Desk) -> None:
    for room in ("transactions", "negotiations_archive", "listings", "private"):
        (root / f"teams/{BOB}" / room).rmdir()
    report = desk.poll()
    assert (report.agreed, report.problems) == ([ID], [])
    assert len(desk.party(BOB).transactions()) == 1
    assert (root / f"teams/{BOB}/private").stat().st_mode & 0o777 == 0o700


def test_a_party_directory_made_by_hand_is_a_party(root: Path, desk: Desk) -> None:
    (root / f"teams/{CAROL}").mkdir()
    desk.poll()
    assert start(desk.party(CAROL)).initiator == CAROL


PLACES = [
    "",
    "teams",
    "poller",
    f"teams/{ALICE}",
    f"teams/{ALICE}/transactions",
    f"teams/{ALICE}/listings",
    f"teams/{ALICE}/negotiations",
    f"teams/{ALICE}/negotiations_archive",
    f"teams/{ALICE}/negotiations/alice_carol_C_{NOON}",
]


@pytest.mark.parametrize("directory", PLACES)
def test_a_temporary_file_is_removed_once_nobody_can_be_at_work_on_it(
    root: Path, desk: Desk, directory: str
) -> None:
    start(desk.party(ALICE), CAROL)
    old, young = root / directory / ".tmp-1-old", root / directory / ".tmp-2-young"
    for path in (old, young):
        path.write_text("{")
    deep = root / directory / ".tmp-3-old"
    (deep / "room").mkdir(parents=True)
    (deep / "room" / "alice_state.json").write_text("{")
    age(old)
    age(deep)
    report = desk.poll()
    assert (report.agreed, report.problems) == ([ID], [])
    assert not old.exists()
    assert not deep.exists()
    assert young.exists()
    age(young)
    desk.poll(scan=True)
    assert not young.exists()


def test_temporary_files_in_a_concluded_negotiation_go_with_its_end(root: Path, desk: Desk) -> None:
    active = root / f"teams/{ALICE}/negotiations/{ID}"
    (active / ".tmp-1-young").write_text("{")
    (active / ".tmp-guarded-2-young").write_text("{")
    desk.poll()
    archived = root / f"teams/{ALICE}/negotiations_archive/{ID}"
    assert {path.name for path in archived.iterdir()} == {
        "alice_state.json",
        "bob_state.json",
        "outcome.json",
    }


def test_a_writer_from_under_whose_hands_it_is_archived_leaves_nothing(
    root: Path, desk: Desk, clock: Clock
) -> None:
    start(desk.party(ALICE), CAROL)
    other = f"alice_carol_C_{NOON}"

    class Slow(Disk):
        """A disk on which the negotiation ends while a state is being written."""

        def _write(self, fd: int, data: bytes) -> None:
            super()._write(fd, data)
            if b'"messages"' in data and not (archive / other).exists():
                desk.party(ALICE).withdraw(other)
                assert desk.poll().withdrawn == [other]

    archive = root / f"teams/{ALICE}/negotiations_archive"
    slow = Desk(FileStore(root, disk=Slow(durable=False)), clock=clock)
    with pytest.raises(Exception, match="withdrawn"):
        slow.party(CAROL).say(other, "wait!")
    assert {path.name for path in (archive / other).iterdir()} == {
        "alice_state.json",
        "outcome.json",
    }
