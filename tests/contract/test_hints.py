"""A hint is only a hint: the doorbell, the scan cache and the due list (invariant 8)."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support import ALICE, BOB, DAY, HOUR, NOON, Clock

from nom_negotiate import Desk, FileStore, Outcome, Party
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.store.files import mending, scancache
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.port import SCAN_EVERY_S, Filed, Namespace

ID = f"alice_bob_C_{NOON}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    return opened(root, clock)


def opened(root: Path, clock: Clock) -> Desk:
    """Return a desk as a new process has it."""
    return Desk(FileStore(root, durable=False), clock=clock, validators=(), after_settlement=())


def start(desk: Desk, chemical: str = "C", idle_s: int | None = None) -> str:
    deal = desk.party(ALICE).start(
        BOB, chemical=chemical, role="buyer", price="5.50", quantity=1000, idle_s=idle_s
    )
    return deal.id


def hints(root: Path) -> list[str]:
    return sorted(os.listdir(root / "poller/doorbell"))


class Counting(FileStore):
    """A file store that counts which negotiations are read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, durable=False)
        self.read: list[str] = []

    def snapshot(self, place: Namespace) -> Snapshot | None:
        self.read.append(place.id)
        return super().snapshot(place)


def counting(root: Path, clock: Clock) -> tuple[Desk, list[str]]:
    store = Counting(root)
    return Desk(store, clock=clock, validators=(), after_settlement=()), store.read


@pytest.fixture
def never_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every time stamp for old enough to be trusted."""
    monkeypatch.setattr("nom_negotiate.store.files.agenda.FRESH_NS", -(10**18))


# The doorbell


def test_a_pass_looks_where_somebody_has_written_and_nowhere_else(
    desk: Desk, root: Path, clock: Clock
) -> None:
    first, second = start(desk), start(desk, "N")
    desk.poll()
    desk.party(BOB).say(first, "well")
    other, read = counting(root, clock)
    report = other.poll()
    assert (set(read), report.active, report.scanned) == ({first}, [first], False)
    assert hints(root) == []
    assert second not in read


def test_a_pass_after_which_nobody_has_written_looks_at_nothing(
    desk: Desk, root: Path, clock: Clock
) -> None:
    start(desk)
    desk.poll()
    other, read = counting(root, clock)
    report = other.poll()
    assert (read, report.active, report.scanned) == ([], [], False)


def test_a_pass_that_has_nothing_to_do_needs_no_lock(desk: Desk) -> None:
    start(desk)
    desk.poll()
    with desk.store.polling() as free:
        assert free
        assert not desk.poll().busy


def test_every_word_rings(desk: Desk, root: Path) -> None:
    alice, bob = desk.party(ALICE), desk.party(BOB)
    desk.poll()
    words: list[Callable[[], object]] = [
        lambda: start(desk),
        lambda: bob.offer(ID, price=6, quantity=900),
        lambda: alice.say(ID, "well"),
        lambda: alice.offer(ID, price=7, quantity=900),
        lambda: alice.withdraw(ID),
    ]
    for word in words:
        word()
        assert hints(root) == [f"{ALICE}:{ID}"]
        desk.poll()
        assert hints(root) == []


def test_a_word_that_comes_while_the_pass_looks_is_heard_by_the_next(
    root: Path, clock: Clock
) -> None:
    class Late(FileStore):
        said = False

        def snapshot(self, place: Namespace) -> Snapshot | None:
            found = super().snapshot(place)
            if not self.said:
                self.said = True
                # Rung after the hint was taken away, and after the look.
                opened(root, clock).party(BOB).accept(ID)
            return found

    desk = opened(root, clock)
    desk.poll()
    start(desk)
    late = Desk(Late(root, durable=False), clock=clock, validators=(), after_settlement=())
    assert late.poll().agreed == []
    assert late.poll().agreed == [ID]


def test_where_the_bell_cannot_be_rung_the_word_is_said_all_the_same(
    desk: Desk, root: Path, clock: Clock
) -> None:
    start(desk)
    desk.poll()
    shutil.rmtree(root / "poller/doorbell")
    (root / "poller/doorbell").write_text("in the way")
    desk.party(BOB).accept(ID)
    (root / "poller/doorbell").unlink()
    assert desk.poll().agreed == [ID]


def test_a_hint_of_a_negotiation_that_is_not_there_is_taken_away(desk: Desk, root: Path) -> None:
    desk.poll()
    (root / f"poller/doorbell/{ALICE}:alice_bob_C_1").touch()
    report = desk.poll()
    assert (report.problems, hints(root)) == ([], [])


@pytest.mark.parametrize("name", ["notes.txt", ":", "a:b", "..:x", "-:-", f"{ALICE}:.hidden"])
def test_what_is_no_hint_stops_nobody(desk: Desk, root: Path, name: str) -> None:
    start(desk)
    desk.poll()
    (root / "poller/doorbell" / name).touch()
    desk.party(BOB).accept(ID)
    assert desk.poll().agreed == [ID]
    assert desk.poll().agreed == []


def test_a_directory_in_the_place_of_a_hint_costs_a_look_and_stops_nobody(
    desk: Desk, root: Path
) -> None:
    start(desk)
    desk.poll()
    (root / f"poller/doorbell/{ALICE}:{ID}").mkdir()
    desk.party(BOB).accept(ID)
    assert desk.poll().agreed == [ID]


# What rings no bell


def by_hand(root: Path, price: str) -> None:
    """Let bob accept or counter as a program does that knows of no doorbell."""
    namespace = root / f"teams/{ALICE}/negotiations/{ID}"
    said = {
        "user": BOB,
        "role": "seller",
        "chemical": "C",
        "offer": {"price": float(price), "quantity": 1000, "timestamp": NOON + 1},
        "status": "agreed",
        "agreement_key": "x",
        "last_updated": NOON + 1,
    }
    (namespace / "bob_state.json").write_text(json.dumps(said))


def test_what_rings_no_bell_is_found_by_the_next_scan(desk: Desk, root: Path, clock: Clock) -> None:
    start(desk)
    desk.poll()
    by_hand(root, "5.50")
    clock.forward(SCAN_EVERY_S - 1)
    assert desk.poll().agreed == []
    clock.forward(1)
    report = desk.poll()
    assert (report.agreed, report.scanned) == ([ID], True)


def test_what_rings_no_bell_is_found_on_demand(desk: Desk, root: Path) -> None:
    start(desk)
    desk.poll()
    by_hand(root, "5.50")
    assert desk.poll(scan=True).agreed == [ID]


# The scan cache


def test_a_scan_reads_only_what_has_changed(
    never_fresh: None, desk: Desk, root: Path, clock: Clock
) -> None:
    names = [start(desk, chemical) for chemical in "CNDQ"]
    desk.poll()
    by_hand(root, "4")
    clock.forward(SCAN_EVERY_S)
    other, read = counting(root, clock)
    report = other.poll()
    assert report.scanned
    assert set(read) == {ID}
    assert sorted(report.active) == sorted(names)


def test_a_change_within_the_same_time_stamp_is_seen(desk: Desk, root: Path, clock: Clock) -> None:
    start(desk)
    namespace = root / f"teams/{ALICE}/negotiations/{ID}"
    desk.poll()
    before = os.stat(namespace)
    by_hand(root, "5.50")
    # As if both had come within one tick of the kernel's clock.
    os.utime(namespace, ns=(before.st_atime_ns, before.st_mtime_ns))
    clock.forward(SCAN_EVERY_S)
    assert desk.poll().agreed == [ID]


def test_a_file_that_is_written_over_in_place_is_found_within_the_hour(
    never_fresh: None, desk: Desk, root: Path, clock: Clock
) -> None:
    start(desk, idle_s=DAY)
    by_hand(root, "4")
    desk.poll()
    by_hand(root, "5.50")
    clock.forward(SCAN_EVERY_S)
    assert desk.poll().agreed == []
    clock.forward(HOUR)
    assert desk.poll().agreed == [ID]


def test_a_link_that_is_lost_is_made_good_by_the_next_scan(
    never_fresh: None, desk: Desk, root: Path, clock: Clock
) -> None:
    start(desk)
    desk.poll()
    link = root / f"teams/{BOB}/negotiations/{ID}"
    link.unlink()
    clock.forward(SCAN_EVERY_S)
    desk.poll()
    assert link.is_symlink()


# A scan that knows nothing


def everything_forgotten(root: Path, clock: Clock) -> tuple[Desk, list[str]]:
    """Return the desk of a new process, after its predecessor's hints were lost."""
    lose_all(root)
    return counting(root, clock)


def test_a_scan_that_knows_nothing_looks_properly_only_where_it_may_have_to(
    desk: Desk, root: Path, clock: Clock
) -> None:
    names = [start(desk, chemical) for chemical in "CNDQ"]
    desk.party(BOB).offer(names[1], price=7, quantity=10)
    desk.poll()
    desk.party(BOB).accept(ID)
    other, read = everything_forgotten(root, clock)
    report = other.poll()
    assert (report.scanned, report.agreed, report.problems) == (True, [ID], [])
    assert sorted(report.active) == sorted(names[1:])
    assert set(read) == {ID}


@pytest.mark.parametrize("scan", [False, True], ids=["hints lost", "no hint trusted"])
def test_what_it_did_not_look_at_properly_ends_when_it_is_due(
    desk: Desk, root: Path, clock: Clock, scan: bool
) -> None:
    start(desk, idle_s=100)
    desk.poll()
    other, read = everything_forgotten(root, clock)
    assert other.poll(scan=scan).active == [ID]
    assert read == []
    clock.forward(100)
    assert other.poll().expired == []
    clock.forward(1)
    report = other.poll()
    assert (report.expired, report.scanned) == ([ID], False)


def test_what_it_did_not_look_at_properly_is_in_the_cache(
    never_fresh: None, desk: Desk, root: Path, clock: Clock
) -> None:
    names = [start(desk, chemical) for chemical in "CNDQ"]
    desk.poll()
    everything_forgotten(root, clock)[0].poll()
    by_hand(root, "4")
    clock.forward(SCAN_EVERY_S)
    other, read = counting(root, clock)
    report = other.poll()
    assert set(read) == {ID}
    assert sorted(report.active) == sorted(names)


def test_a_scan_that_knows_nothing_finds_what_is_strange_lost_or_left_over(
    desk: Desk, root: Path, clock: Clock
) -> None:
    names = [start(desk, chemical) for chemical in "CND"]
    desk.poll()
    room = root / f"teams/{ALICE}/negotiations"
    (room / names[0] / "carol_state.json").write_text("{}")
    (root / f"teams/{BOB}/negotiations/{names[1]}").unlink()
    left = room / names[2] / ".tmp-1-0123456789ab"
    left.touch()
    os.utime(left, (NOON, NOON))
    other, _ = everything_forgotten(root, clock)
    [problem] = other.poll().problems
    assert problem.path == f"teams/{ALICE}/negotiations/{names[0]}/carol_state.json"
    assert (root / f"teams/{BOB}/negotiations/{names[1]}").is_symlink()
    assert left.exists()
    other.poll(scan=True)
    assert not left.exists()


# The due list


def test_what_is_due_is_ended_without_a_scan(desk: Desk, root: Path, clock: Clock) -> None:
    for number, chemical in enumerate("CNDQ"):
        start(desk, chemical, idle_s=100 + number)
    desk.poll()
    clock.forward(102)
    report = desk.poll()
    assert (len(report.expired), report.scanned) == (2, False)
    clock.forward(2)
    report = desk.poll()
    assert (len(report.expired), report.scanned) == (2, False)


def test_what_was_said_meanwhile_puts_the_end_off(desk: Desk, clock: Clock) -> None:
    start(desk, idle_s=100)
    desk.poll()
    clock.forward(60)
    desk.party(BOB).say(ID, "wait")
    desk.poll()
    clock.forward(60)
    assert desk.poll().expired == []
    clock.forward(41)
    report = desk.poll()
    assert (report.expired, report.scanned) == ([ID], False)


def test_what_was_started_since_the_scan_ends_in_time(desk: Desk, clock: Clock) -> None:
    desk.poll()
    start(desk, idle_s=30)
    desk.poll()
    clock.forward(31)
    report = desk.poll()
    assert (report.expired, report.scanned) == ([ID], False)


# Lost, wrong, of somewhere else


def lose_all(root: Path) -> None:
    shutil.rmtree(root / "poller/doorbell")
    (root / "poller/scan").unlink()


def lose_bell(root: Path) -> None:
    shutil.rmtree(root / "poller/doorbell")


def lose_scan(root: Path) -> None:
    (root / "poller/scan").unlink()


def empty_scan(root: Path) -> None:
    (root / "poller/scan").write_bytes(b"")


def cut_scan(root: Path) -> None:
    data = (root / "poller/scan").read_bytes()
    (root / "poller/scan").write_bytes(data[: len(data) // 2])


def garble_header(root: Path) -> None:
    data = (root / "poller/scan").read_bytes()
    (root / "poller/scan").write_bytes(b"x" + data[1:])


def garble_due_list(root: Path) -> None:
    with (root / "poller/scan").open("ab") as file:
        file.write(b"\xff\xfe no time at all\n")


def directory_for_scan(root: Path) -> None:
    (root / "poller/scan").unlink()
    (root / "poller/scan").mkdir()


def of_another_machine(root: Path) -> None:
    data = (root / "poller/scan").read_bytes()
    boot = scancache.boot_id().encode()
    (root / "poller/scan").write_bytes(data.replace(boot, boot[::-1], 1))


def from_the_future(root: Path) -> None:
    header, _, rest = (root / "poller/scan").read_bytes().partition(b"\n")
    fields = header.split(b" ")
    fields[2] = b"%012d" % (NOON + 30 * DAY)
    (root / "poller/scan").write_bytes(b" ".join(fields) + b"\n" + rest)


DAMAGE = [
    lose_all,
    lose_bell,
    lose_scan,
    empty_scan,
    cut_scan,
    garble_header,
    garble_due_list,
    directory_for_scan,
    of_another_machine,
    from_the_future,
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_whatever_becomes_of_the_hints_a_deal_is_settled_and_an_end_comes(
    damage: Callable[[Path], None], desk: Desk, root: Path, clock: Clock
) -> None:
    start(desk)
    start(desk, "N", idle_s=100)
    desk.poll()
    desk.party(BOB).accept(ID)
    damage(root)
    # By a new process, and by one that has polled before.
    assert opened(root, clock).poll().agreed == [ID]
    clock.forward(101)
    assert desk.poll().expired == [f"alice_bob_N_{NOON}"]
    assert len(desk.party(ALICE).transactions()) == 1


def test_a_cache_that_says_something_else_of_a_namespace_is_not_believed(
    never_fresh: None, desk: Desk, root: Path, clock: Clock
) -> None:
    start(desk)
    desk.poll()
    before = (root / "poller/scan").read_bytes()
    by_hand(root, "5.50")
    clock.forward(SCAN_EVERY_S)
    # A copy from before: stale, and whole.
    (root / "poller/scan").write_bytes(before)
    assert desk.poll().agreed == [ID]


def test_a_clock_that_went_back_makes_a_scan(desk: Desk, root: Path, clock: Clock) -> None:
    start(desk)
    desk.poll()
    by_hand(root, "5.50")
    clock.forward(-DAY)
    assert desk.poll().scanned


def test_a_pass_that_was_cut_short_makes_the_next_one_look_at_everything(
    desk: Desk, root: Path, clock: Clock
) -> None:
    class Dies(FileStore):
        def settle(self, outcome: Outcome) -> dict[Address, Filed]:
            raise KeyboardInterrupt

    start(desk)
    desk.poll()
    desk.party(BOB).accept(ID)
    dying = Desk(Dies(root, durable=False), clock=clock, validators=(), after_settlement=())
    with pytest.raises(KeyboardInterrupt):
        dying.poll()
    assert hints(root) == [":unfinished"]
    report = desk.poll()
    assert (report.agreed, report.scanned, hints(root)) == ([ID], True, [])


def test_what_could_not_be_done_is_tried_again_by_the_next_pass(
    desk: Desk, root: Path, clock: Clock
) -> None:
    class Full(FileStore):
        def settle(self, outcome: Outcome) -> dict[Address, Filed]:
            raise OSError(28, "No space left on device")

    start(desk)
    desk.poll()
    desk.party(BOB).accept(ID)
    full = Desk(Full(root, durable=False), clock=clock, validators=(), after_settlement=())
    [problem] = full.poll().problems
    assert "No space left" in problem.reason
    # It may have been half in the archive, where no hint leads.
    report = desk.poll()
    assert (report.agreed, report.scanned) == ([ID], True)


def test_a_party_is_told_nothing_of_it(desk: Desk, alice: Party) -> None:
    start(desk)
    desk.poll()
    assert alice.negotiation(ID).phase.open


def test_what_cannot_be_removed_is_told_and_stops_nobody(
    desk: Desk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(disk: Disk, directory: str) -> None:
        if directory == str(root):
            raise PermissionError(errno.EACCES, "Permission denied", f"{root}/.tmp-left")

    start(desk)
    desk.party(BOB).accept(ID)
    monkeypatch.setattr(mending, "sweep", refused)
    report = desk.poll(scan=True)
    assert report.agreed == [ID]
    assert [problem.path for problem in report.problems] == ["."]
    assert "permission denied" in report.problems[0].reason
