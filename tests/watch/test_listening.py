"""A poller that sleeps is woken by whoever rings, and not by itself."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk, FileStore, MemoryStore, Report, Store, StoreError
from nom_negotiate.poller import run
from nom_negotiate.store.files import doorbell, inotify
from nom_negotiate.store.files.listening import Listening

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has inotify; elsewhere there are scans"
)

TERMS: dict[str, Any] = {"chemical": "C", "role": "buyer", "price": "5.50", "quantity": 1000}
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


def test_what_a_pass_could_not_finish_does_not_hurry_the_next_one(root: Path, clock: Clock) -> None:
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
    desk: Desk, ear: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.party(ALICE).start(BOB, **TERMS)
    assert ear._inotify is not None
    list(ear._inotify.read())
    lost = inotify.Heard(-1, inotify.OVERFLOWED, "")
    monkeypatch.setattr(ear._inotify, "read", lambda: iter([lost]))
    assert ear.sleep(LONG_S, never) is True


@pytest.mark.parametrize("what", ["no instance", "no watch"])
def test_where_the_system_tells_nothing_it_goes_by_the_clock(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    desk.poll()
    if what == "no instance":
        monkeypatch.setattr("nom_negotiate.store.files.listening.Inotify", refuse)
    else:
        monkeypatch.setattr(inotify.Inotify, "add", refuse)
    assert isinstance(desk.store, FileStore)
    ear = desk.store.listening(notices.append)
    desk.party(ALICE).start(BOB, **TERMS)
    assert ear.sleep(SHORT_S, never) is False
    ear.close()
    assert notices == [
        "the system tells of no changes: No space left on device; polling by the clock only"
    ]


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
