"""A poller that sleeps is woken by whoever rings, and not by itself."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import ALICE, BOB, CAROL, Clock
from tests.watch.support import ID, TERMS, begin, plain, remove_all, tell_that_it_moved, throw_away

from nom_negotiate import Desk, FileStore, MemoryStore, Report, Store, StoreError
from nom_negotiate.poller import run
from nom_negotiate.store.files import doorbell, inotify, listening, mounted, watches
from nom_negotiate.store.files.listening import Listening
from nom_negotiate.store.files.watches import Watches
from nom_negotiate.store.port import SCAN_EVERY_S

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has inotify; elsewhere there are scans"
)

LONG_S = 60.0
SHORT_S = 0.02


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    store = FileStore(root, durable=False)
    return Desk(store, clock=clock, validators=(), after_settlement=(), notice=lambda text: None)


@pytest.fixture
def ear(desk: Desk, notices: list[str]) -> Iterator[Listening]:
    desk.add_party(ALICE)
    desk.poll()
    assert isinstance(desk.store, FileStore)
    found = desk.store.listening(notices.append)
    yield found
    found.close()


def never() -> bool:
    return False


def test_a_word_ends_the_sleep(desk: Desk, ear: Listening) -> None:
    deal = desk.party(ALICE).start(BOB, **TERMS)
    # Said after the pass, before the sleep.
    assert ear.sleep(LONG_S, never) is True
    desk.poll()
    assert ear.sleep(SHORT_S, never) is False
    saying = threading.Thread(target=desk.party(BOB).say, args=(deal.id, "hm"))
    saying.start()
    assert ear.sleep(LONG_S, never) is True
    saying.join()


def test_whoever_wants_it_to_end_wakes_it(ear: Listening) -> None:
    over = threading.Event()

    def end() -> None:
        over.set()
        ear.wake()

    ending = threading.Thread(target=end)
    ending.start()
    assert ear.sleep(LONG_S, over.is_set) is False
    ending.join()


def waited(ear: Listening, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return for how many seconds the ear waits, each time that it does."""
    waits: list[float] = []
    wait = ear._watches.wait

    def noted(timeout_s: float) -> None:
        waits.append(timeout_s)
        wait(timeout_s)

    monkeypatch.setattr(ear._watches, "wait", noted)
    return waits


def test_what_a_pass_could_not_finish_does_not_hurry_the_next_one(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(outcome: object, store: object) -> str | None:
        raise RuntimeError("no stock list")

    desk = Desk(FileStore(root, durable=False), clock=clock, validators=(broken,))
    deal = desk.party(ALICE).start(BOB, **TERMS)
    desk.poll()
    assert isinstance(desk.store, FileStore)
    ear = desk.store.listening(pytest.fail)
    desk.party(BOB).accept(deal.id)
    assert ear.sleep(LONG_S, never) is True
    report = desk.poll()
    assert report.unfinished == [deal.id]
    assert ear.sleep(SHORT_S, never, unfinished=report.unfinished) is False
    # It is tried again after a while, which is longer each time: what was in the way may be gone.
    waits = waited(ear, monkeypatch)
    longest = []
    for _ in range(3):
        report = desk.poll()
        assert ear.sleep(LONG_S, never, unfinished=report.unfinished) is False
        longest.append(max(waits))
        waits.clear()
    assert longest[0] < longest[1] < longest[2] < LONG_S / 10
    monkeypatch.undo()
    # Another poller, which is no wiser, rings for it as well: it is waited with, ever longer.
    for _ in range(3):
        desk.poll()
        assert ear.sleep(SHORT_S, never, unfinished=report.unfinished) is False
    # What others say is heard all the same.
    other = desk.party(ALICE).start(BOB, again=True, **TERMS)
    assert ear.sleep(LONG_S, never, unfinished=report.unfinished) is True
    assert desk.poll().active == [deal.id, other.id]
    ear.close()


def test_what_lies_in_the_doorbell_and_is_no_hint_does_not_hurry(
    desk: Desk, ear: Listening, root: Path
) -> None:
    (root / "poller" / "doorbell" / f"{ALICE}:alice_bob_C_1").mkdir()
    for _ in range(3):
        desk.poll()
        # Its making was heard, once.
        ear.sleep(SHORT_S, never)
    assert ear.sleep(SHORT_S, never) is False


def test_the_end_of_another_pass_is_waited_for(desk: Desk, ear: Listening, root: Path) -> None:
    unfinished = root / "poller" / "doorbell" / doorbell.UNFINISHED
    unfinished.touch()
    assert ear.sleep(SHORT_S, never, busy=True) is False
    ending = threading.Thread(target=unfinished.unlink)
    ending.start()
    assert ear.sleep(LONG_S, never, busy=True) is True
    ending.join()


def test_a_doorbell_that_is_replaced_is_heard(desk: Desk, ear: Listening, root: Path) -> None:
    bell = root / "poller" / "doorbell"
    bell.rename(root / "poller" / "former")
    assert ear.sleep(SHORT_S, never) is False
    desk.poll()
    assert bell.is_dir()
    ear.sleep(SHORT_S, never)
    desk.party(ALICE).start(BOB, **TERMS)
    assert ear.sleep(LONG_S, never) is True


def test_notifications_that_were_thrown_away_are_no_reason_to_sleep(
    desk: Desk, ear: Listening
) -> None:
    desk.party(ALICE).start(BOB, **TERMS)
    throw_away(ear._watches)
    assert ear.sleep(LONG_S, never) is True


@pytest.mark.parametrize("what", ["no instance", "no watch"])
def test_where_the_system_tells_nothing_it_goes_by_the_clock(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk.poll()
    if what == "no instance":
        monkeypatch.setattr("nom_negotiate.store.files.watches.Inotify", refuse)
    else:
        monkeypatch.setattr(inotify.Inotify, "add", refuse)
    assert isinstance(desk.store, FileStore)
    ear = desk.store.listening(notices.append)
    desk.party(ALICE).start(BOB, **TERMS)
    assert ear.sleep(SHORT_S, never) is False
    ear.close()
    why = {
        "no instance": "the system tells of no changes: No space left on device",
        "no watch": "the system has no more watches to give",
    }
    assert notices == [f"{why[what]}; a deal may have to wait for the clock"]


def test_the_loop_settles_what_is_struck_while_it_sleeps(desk: Desk, ear: Listening) -> None:
    stop = threading.Event()
    settled = threading.Event()
    reports: list[Report] = []

    def note(report: Report) -> None:
        reports.append(report)
        if report.agreed:
            settled.set()

    loop = threading.Thread(
        target=run,
        args=(desk.poll, stop),
        kwargs={"every_s": 3600.0, "listening": ear, "on_report": note},
    )
    loop.start()
    deals = [desk.party(ALICE).start(BOB, again=True, **TERMS).id for _ in range(3)]
    for deal in deals:
        settled.clear()
        desk.party(BOB).accept(deal)
        assert settled.wait(LONG_S)
    stop.set()
    ear.wake()
    loop.join()
    assert [each for report in reports for each in report.agreed] == deals


def test_a_pass_that_cannot_work_is_not_tried_again_for_what_lies_there(
    desk: Desk, ear: Listening
) -> None:
    stop = threading.Event()
    errors: list[str] = []

    def fails() -> Report:
        desk.party(ALICE).start(BOB, again=True, **TERMS)
        raise StoreError("store_failed", "the disk is full")

    def note(error: Exception) -> None:
        errors.append(str(error))
        if len(errors) == 2:
            stop.set()

    # Each pass but the first comes with the clock: the hints that lie there wake nobody.
    run(fails, stop, every_s=SHORT_S, listening=ear, on_error=note)
    assert len(errors) == 2


# ------------------------------------------------------------------ those who ring no bell


def rename(path: Path, text: str) -> None:
    """Write as careful programs do."""
    temporary = path.with_suffix(".json.tmp")
    temporary.write_text(text)
    temporary.rename(path)


WAYS = [rename, Path.write_text]
AGREED = plain(ALICE, 5, status="agreed"), plain(BOB, 5, status="agreed")


def strike(space: Path, write: Callable[[Path, str], object] = rename) -> None:
    """Let both parties agree by plain files."""
    for name, text in zip(("alice", "bob"), AGREED, strict=True):
        write(space / f"{name}_state.json", text)


def is_quiet(ear: Listening) -> bool:
    """Return whether nothing that was heard ends a sleep any more."""
    return not any(ear.sleep(SHORT_S, never) for _ in range(3))


@pytest.mark.parametrize("write", WAYS)
def test_a_program_that_rings_no_bell_is_heard_and_one_pass_is_enough(
    desk: Desk, ear: Listening, root: Path, write: Callable[[Path, str], object]
) -> None:
    desk.add_party(BOB)
    space = begin(root)
    assert ear.sleep(LONG_S, never) is True
    assert desk.poll().active == [ID]
    assert is_quiet(ear)
    strike(space, write)
    assert ear.sleep(LONG_S, never) is True
    assert desk.poll().agreed == [ID]
    # A pass writes, moves and removes, and is not woken by it.
    assert is_quiet(ear)


def test_a_negotiation_that_is_told_to_have_moved_after_it_is_watched_is_heard(
    desk: Desk, ear: Listening, root: Path
) -> None:
    desk.add_party(BOB)
    space = begin(root)
    ear.sleep(LONG_S, never)
    desk.poll()
    # A rename tells the room first, and the directory itself last: it may be watched by then.
    tell_that_it_moved(ear._watches, space)
    while ear.sleep(SHORT_S, never):
        desk.poll()
    strike(space)
    assert ear.sleep(LONG_S, never) is True
    assert desk.poll().agreed == [ID]
    assert is_quiet(ear)


@pytest.mark.parametrize("write", WAYS)
def test_what_a_program_writes_during_a_pass_is_looked_at_by_the_next(
    desk: Desk, ear: Listening, root: Path, write: Callable[[Path, str], object]
) -> None:
    desk.add_party(BOB)
    space = begin(root)
    ear.sleep(LONG_S, never)
    desk.poll()
    strike(space, write)
    # Not before: the pass was made without a word of it.
    assert ear.sleep(0.0, never) is True
    assert desk.poll().agreed == [ID]


def test_a_word_of_ours_is_left_to_its_author_to_ring_for(
    desk: Desk, ear: Listening, root: Path
) -> None:
    bell = root / "poller" / "doorbell"

    def hush() -> None:
        for hint in bell.iterdir():
            hint.unlink()

    hush()
    deal = desk.party(ALICE).start(BOB, **TERMS)
    hush()
    assert ear.sleep(SHORT_S, never) is False
    desk.party(BOB).say(deal.id, "hm")
    hush()
    assert ear.sleep(SHORT_S, never) is False
    assert list(bell.iterdir()) == []
    # Of a negotiation that was begun a moment ago, the counterparty may have been too quick.
    other = desk.party(ALICE).start(BOB, again=True, **TERMS)
    state = root / "teams" / ALICE / "negotiations" / other.id / "bob_state.json"
    rename(state, AGREED[1])
    hush()
    assert ear.sleep(LONG_S, never) is True
    assert [hint.name for hint in bell.iterdir()] == [f"{ALICE}:{other.id}"]


def test_a_party_that_somebody_makes_by_hand_is_heard(
    desk: Desk, ear: Listening, root: Path
) -> None:
    home = root / "teams" / CAROL
    home.mkdir()
    assert is_quiet(ear)
    (home / "negotiations").mkdir()
    assert is_quiet(ear)
    space = home / "negotiations" / "carol_alice_C_1704312345"
    space.mkdir()
    (space / "carol_state.json").write_text(AGREED[0].replace(ALICE, CAROL))
    assert ear.sleep(LONG_S, never) is True
    assert (root / "poller" / "doorbell" / f"{CAROL}:{space.name}").exists()


def test_what_was_written_while_nobody_listened_is_found_by_the_first_pass(
    desk: Desk, root: Path
) -> None:
    for party in (ALICE, BOB):
        desk.add_party(party)
    desk.poll()
    strike(begin(root))
    assert desk.poll().agreed == []
    assert isinstance(desk.store, FileStore)
    with closing(desk.store.listening(pytest.fail)):
        assert desk.poll().agreed == [ID]


def test_what_lies_beyond_the_limit_of_watches_is_found_by_the_scan_and_said_once(
    desk: Desk,
    root: Path,
    clock: Clock,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for party in (ALICE, BOB):
        desk.add_party(party)
    # The doorbell, all parties, and a room of each.
    monkeypatch.setattr(watches, "MAX_WATCHES", 4)
    assert isinstance(desk.store, FileStore)
    desk.poll()
    with closing(desk.store.listening(notices.append)) as ear:
        desk.poll()
        space = begin(root)
        ear.sleep(SHORT_S, never)
        desk.poll()
        strike(space)
        assert is_quiet(ear)
        assert desk.poll().agreed == []
        # Our own writers are heard all the same.
        deal = desk.party(ALICE).start(BOB, again=True, **TERMS)
        assert ear.sleep(LONG_S, never) is True
        assert deal.id in desk.poll().active
        clock.forward(SCAN_EVERY_S)
        assert ear.sleep(SHORT_S, never) is False
        assert desk.poll().agreed == [ID]
    assert notices == [
        "there are more negotiations than may be watched; a deal may have to wait for the clock"
    ]


def test_watches_that_become_free_are_given_to_who_had_none(
    desk: Desk, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for party in (ALICE, BOB):
        desk.add_party(party)
    first = desk.party(ALICE).start(BOB, **TERMS)
    monkeypatch.setattr(watches, "MAX_WATCHES", 5)
    monkeypatch.setattr(listening, "SCAN_EVERY_S", 0)
    assert isinstance(desk.store, FileStore)
    desk.poll()
    with closing(desk.store.listening(lambda text: None)) as ear:
        space = begin(root, "alice_bob_D_1")
        assert ear.sleep(LONG_S, never) is True
        desk.poll()
        rename(space / "bob_state.json", AGREED[1])
        assert is_quiet(ear)
        desk.party(BOB).reject(first.id)
        desk.poll()
        # Its watch is taken back by the first sleep, and given away by the next.
        assert is_quiet(ear)
        strike(space)
        assert ear.sleep(LONG_S, never) is True


@pytest.mark.parametrize("trouble", [remove_all, throw_away])
@pytest.mark.parametrize("write", WAYS)
def test_what_the_system_has_not_told_is_made_up_for(
    desk: Desk,
    ear: Listening,
    root: Path,
    notices: list[str],
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Watches], None],
    write: Callable[[Path, str], object],
) -> None:
    monkeypatch.setattr(listening, "MISSED_EVERY_S", 0.0)
    desk.add_party(BOB)
    space = begin(root)
    ear.sleep(LONG_S, never)
    desk.poll()
    for _ in range(3):
        trouble(ear._watches)
        strike(space, write)
        assert ear.sleep(LONG_S, never) is True
        # A scan may trust the directory, which does not tell of what is written in place.
        assert (root / "poller" / "doorbell" / f"{ALICE}:{ID}").exists()
        assert desk.poll().agreed == [ID]
        assert is_quiet(ear)
        shutil.rmtree(root / "teams" / ALICE / "negotiations_archive" / ID)
        (root / "teams" / BOB / "negotiations_archive" / ID).unlink()
        for party in (ALICE, BOB):
            shutil.rmtree(root / "teams" / party / "transactions")
            (root / "teams" / party / "transactions").mkdir()
        space = begin(root)
        assert ear.sleep(LONG_S, never) is True
        desk.poll()
        assert is_quiet(ear)
    [notice] = notices
    assert notice.endswith("; a deal may have to wait for the clock")


def test_a_system_that_goes_on_losing_notifications_is_made_up_for_now_and_then(
    desk: Desk, ear: Listening, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    throw_away(ear._watches)
    assert ear.sleep(LONG_S, never) is True
    desk.poll()
    throw_away(ear._watches)
    assert is_quiet(ear)
    ear._make_up_at = 0.0
    assert ear.sleep(LONG_S, never) is True
    assert desk.poll().scanned


def test_a_room_that_is_replaced_is_heard(desk: Desk, ear: Listening, root: Path) -> None:
    desk.add_party(BOB)
    room = root / "teams" / ALICE / "negotiations"
    room.rename(root / "teams" / ALICE / "former")
    room.mkdir()
    assert is_quiet(ear)
    strike(begin(root))
    assert ear.sleep(LONG_S, never) is True
    assert desk.poll().agreed == [ID]


def test_parties_that_are_brought_back_from_elsewhere_are_heard(
    desk: Desk, ear: Listening, root: Path
) -> None:
    desk.add_party(BOB)
    begin(root)
    ear.sleep(LONG_S, never)
    desk.poll()
    assert is_quiet(ear)
    (root / "teams").rename(root / "former")
    shutil.copytree(root / "former", root / "teams", symlinks=True)
    strike(root / "teams" / ALICE / "negotiations" / ID)
    assert ear.sleep(LONG_S, never) is True
    assert desk.poll().agreed == [ID]
    # And from then on.
    strike(begin(root, "alice_bob_D_1"))
    assert ear.sleep(LONG_S, never) is True


def test_a_room_that_is_kept_from_the_poller_is_said_once(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for party in (ALICE, BOB):
        desk.add_party(party)
    desk.poll()
    add = inotify.Inotify.add

    def refuse(self: inotify.Inotify, path: str, what: int) -> int:
        if f"{BOB}/negotiations" in path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return add(self, path, what)

    monkeypatch.setattr(inotify.Inotify, "add", refuse)
    assert isinstance(desk.store, FileStore)
    with closing(desk.store.listening(notices.append)) as ear:
        desk.poll()
        assert is_quiet(ear)
        desk.party(ALICE).start(BOB, **TERMS)
        assert ear.sleep(LONG_S, never) is True
    assert notices == [
        f"cannot watch teams/{BOB}/negotiations: Permission denied; a deal may have to wait for"
        " the clock"
    ]


def test_that_other_hosts_are_not_heard_is_said(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.poll()
    monkeypatch.setattr(mounted, "mounted", lambda root: mounted.Mounted("nfs4", "/srv"))
    assert isinstance(desk.store, FileStore)
    desk.store.listening(notices.append).close()
    [notice] = notices
    assert "other hosts may write; a deal may" in notice


def test_a_memory_store_is_polled_by_the_clock() -> None:
    store: Store = MemoryStore()
    assert store.listening(pytest.fail) is None
    desk, stop, reports = Desk(store), threading.Event(), list[Report]()

    def note(report: Report) -> None:
        reports.append(report)
        if len(reports) == 2:
            stop.set()

    run(desk.poll, stop, every_s=0.001, on_report=note)
    assert len(reports) == 2
