"""Whoever writes files is seen, and nothing is missed when the system stops telling."""

from __future__ import annotations

import errno
import itertools
import json
import multiprocessing
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import ALICE, BOB, CAROL, NOON, Clock
from tests.watch.support import DEADLINE_S, ID, TERMS, begin, plain, refused, remove_all, throw_away

from nom_negotiate import Desk, FileStore, StoreError, market
from nom_negotiate.core import events
from nom_negotiate.core.events import Event
from nom_negotiate.store.files import inotify, mounted, watches, watching
from nom_negotiate.watch import Watch

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux has inotify; elsewhere there are scans"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock, notices: list[str]) -> Desk:
    store = FileStore(root, durable=False)
    desk = Desk(store, clock=clock, validators=(), after_settlement=(), notice=notices.append)
    for party in (ALICE, BOB):
        desk.add_party(party)
    # So that there is a doorbell, as in any root that was polled once.
    desk.poll()
    return desk


def kinds(found: list[Event]) -> list[str]:
    return [event.kind.removeprefix("negotiation.") for event in found]


def within(watch: Watch, count: int) -> list[Event]:
    """Wait for so many events."""
    found: list[Event] = []
    while len(found) < count:
        event = watch.next(DEADLINE_S)
        assert event is not None, f"expected {count} events, found {kinds(found)}"
        found.append(event)
    return found


# ------------------------------------------------------------------ writers of plain files


def test_programs_that_know_nothing_of_us_are_seen(desk: Desk, root: Path, clock: Clock) -> None:
    with desk.watch() as watch, desk.watch(BOB) as of_bob:
        space = begin(root)
        for each in (watch, of_bob):
            assert kinds(within(each, 2)) == ["started", "offer_made"]
        # Written over in place: the directory does not tell of it. These files keep no history,
        # so that only what is seen is told.
        for user, price, status, told in (
            (BOB, 7, "pending", "offer_made"),
            (BOB, 6, "pending", "offer_made"),
            (ALICE, 6, "agreed", "accepted"),
            (BOB, 6, "agreed", "accepted"),
        ):
            clock.forward(1)
            name = f"{user.partition('@')[0]}_state.json"
            (space / name).write_text(plain(user, price, at=clock.now, status=status))
            for each in (watch, of_bob):
                assert kinds(each.look()) == [told]
        desk.poll(scan=True)
        for each in (watch, of_bob):
            assert kinds(within(each, 1)) == ["settled"]
            assert each.look(scan=True) == []


def test_each_change_in_place_is_told_and_saying_the_same_again_is_none(
    desk: Desk, root: Path
) -> None:
    with desk.watch() as watch:
        state = begin(root) / "alice_state.json"
        watch.look()
        # There and back within one second, each of them seen.
        for price in (6, 5, 6):
            state.write_text(plain(ALICE, price))
            [event] = watch.look()
            assert isinstance(event, events.OfferMade)
            assert event.price == price
        state.write_text(plain(ALICE, 6, at=NOON + 9))
        assert watch.look() == []


def test_a_state_that_is_half_there_says_nothing_until_it_is_whole(desk: Desk, root: Path) -> None:
    with desk.watch() as watch:
        space = begin(root)
        watch.look()
        text = plain(BOB, 6, at=NOON + 1)
        (space / "bob_state.json").write_text(text[:40])
        assert watch.look(scan=True) == []
        # What alice says meanwhile may mean one thing or another: it waits, too.
        (space / "alice_state.json").write_text(plain(ALICE, 6, at=NOON + 2, status="agreed"))
        assert watch.look(scan=True) == []
        (space / "bob_state.json").write_text(text)
        assert kinds(watch.look()) == ["offer_made", "accepted"]


def test_a_negotiation_that_vanishes_is_forgotten_and_comes_back_as_a_new_one(
    desk: Desk, root: Path
) -> None:
    with desk.watch() as watch:
        space = begin(root)
        watch.look()
        shutil.rmtree(space)
        assert watch.look() == []
        (root / "teams" / BOB / "negotiations" / ID).unlink()
        begin(root)
        assert kinds(watch.look()) == ["started", "offer_made"]


def test_a_listing_that_is_put_there_changed_and_removed_by_hand(desk: Desk, root: Path) -> None:
    file = root / "teams" / BOB / "listings" / "1_sell_C.json"
    listing: dict[str, Any] = {
        "schema": "nom.listing/1",
        "id": "1_sell_C",
        "user": BOB,
        "type": "sell",
    }
    listing |= {"chemical": "C", "created": NOON, "status": "active"}
    with desk.watch() as watch:
        file.write_text(json.dumps(listing))
        assert kinds(watch.look()) == ["listing.posted"]
        file.write_text("{")
        assert watch.look() == []
        file.write_text(json.dumps(listing))
        assert watch.look() == []
        file.unlink()
        assert kinds(watch.look()) == ["listing.closed"]


def test_a_party_that_comes_later_is_watched_too(desk: Desk) -> None:
    with desk.watch() as watch, desk.watch(CAROL) as of_carol:
        desk.party(CAROL).start(BOB, **TERMS)
        for each in (watch, of_carol):
            assert kinds(within(each, 2)) == ["started", "offer_made"]


def test_a_root_that_comes_later_is_watched_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "later", durable=False)
    with desk.watch() as watch:
        assert watch.look() == []
        desk.party(ALICE).start(BOB, **TERMS)
        assert kinds(within(watch, 2)) == ["started", "offer_made"]


def test_what_comes_back_out_of_a_pack_did_not_happen_now(desk: Desk, clock: Clock) -> None:
    deal = desk.party(ALICE).start(BOB, **TERMS)
    desk.party(BOB).reject(deal.id)
    desk.poll()
    clock.forward(100 * 24 * 3600)
    desk.pack(24 * 3600)
    with desk.watch() as watch:
        desk.unpack(deal.id)
        assert watch.look(scan=True) == []


# ------------------------------------------------------------------ where the system does not tell


def haggle(desk: Desk, watch: Watch) -> None:
    """Let something of each kind happen, and be seen in time."""
    deal = desk.party(ALICE).start(BOB, again=True, **TERMS)
    assert kinds(within(watch, 2)) == ["started", "offer_made"]
    desk.party(BOB).accept(deal.id)
    assert kinds(within(watch, 1)) == ["accepted"]
    desk.poll()
    assert kinds(within(watch, 1)) == ["settled"]
    market.post(desk.party(BOB), side="sell", chemical="C")
    assert kinds(within(watch, 1)) == ["listing.posted"]
    assert watch.look(scan=True) == []


def test_without_notifications_changes_are_found_by_scans(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "Inotify", refused(errno.EMFILE))
    monkeypatch.setattr(watching, "BARE_SCAN_S", 0.05)
    with desk.watch() as watch:
        haggle(desk, watch)
        haggle(desk, watch)
    assert notices == [
        "the system tells of no changes: Too many open files; what changes is found by looking"
        " through everything now and then"
    ]


def test_a_mount_that_others_may_write_is_scanned(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounted, "mounted", lambda root: mounted.Mounted("nfs4", "/srv"))
    # Their changes are told to their own hosts only.
    monkeypatch.setattr(inotify.Inotify, "read", lambda self: iter(()))
    monkeypatch.setattr(watching, "BARE_SCAN_S", 0.05)
    with desk.watch() as watch:
        haggle(desk, watch)
    [notice] = notices
    assert "other hosts may write" in notice


def test_where_the_system_has_no_more_watches_to_give(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = inotify.Inotify.add
    left = iter(range(3))

    def some(self: inotify.Inotify, path: str, what: int) -> int:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return add(self, path, what)

    monkeypatch.setattr(inotify.Inotify, "add", some)
    monkeypatch.setattr(watching, "PART_SCAN_S", 0.05)
    with desk.watch() as watch:
        haggle(desk, watch)
        haggle(desk, watch)
    assert notices == [
        "the system has no more watches to give; what changes is found by looking through"
        " everything now and then"
    ]


def test_many_negotiations_need_no_watch_each(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "MAX_WATCHES", 9)
    monkeypatch.setattr(watching, "PART_SCAN_S", 3600.0)
    alice, bob = desk.party(ALICE), desk.party(BOB)
    deals = [alice.start(BOB, again=True, **TERMS).id for _ in range(20)]
    with desk.watch() as watch:
        # Found without a scan: our own writers ring the bell.
        for deal in deals:
            bob.say(deal, "hm")
            assert kinds(within(watch, 1)) == ["message_sent"]
            bob.accept(deal)
            assert kinds(within(watch, 1)) == ["accepted"]
        desk.poll()
        assert kinds(within(watch, len(deals))) == ["settled"] * len(deals)
        assert watch.look(scan=True) == []
    assert notices == []


def test_a_doorbell_that_is_all_there_is_tells_of_the_settlement(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watches, "MAX_WATCHES", 1)
    monkeypatch.setattr(watching, "PART_SCAN_S", 3600.0)
    deal = desk.party(ALICE).start(BOB, **TERMS)
    with desk.watch() as watch:
        desk.party(BOB).accept(deal.id)
        desk.poll()
        assert kinds(within(watch, 2)) == ["accepted", "settled"]


def removed(watch: Watch) -> None:
    """Let the kernel remove all watches, as it does when a file system is unmounted."""
    feed = watch._watching
    assert isinstance(feed, watching.FileWatching)
    remove_all(feed._watches)


def test_watches_that_were_removed_are_replaced_and_nothing_is_missed(
    desk: Desk, notices: list[str]
) -> None:
    with desk.watch() as watch:
        for _ in range(3):
            removed(watch)
            # Nobody tells of this one.
            deal = desk.party(ALICE).start(BOB, again=True, **TERMS)
            desk.party(BOB).say(deal.id, "hm")
            assert kinds(within(watch, 3)) == ["started", "offer_made", "message_sent"]
            haggle(desk, watch)
    [notice] = notices
    assert "was removed; what changes is found by looking" in notice


def test_a_queue_that_overflows_is_said_and_nothing_is_missed(
    desk: Desk, root: Path, notices: list[str]
) -> None:
    with open("/proc/sys/fs/inotify/max_queued_events", encoding="ascii") as file:
        most = int(file.read())
    if most > 100_000:
        pytest.skip(f"the queue of this system holds {most} notifications")
    bell = root / "poller" / "doorbell"
    with desk.watch() as watch:
        first = desk.party(ALICE).start(BOB, **TERMS)
        # Nobody reads meanwhile. Equal ones in a row would be one.
        for _ in range(most // 2 + 1):
            for name in ("one", "other"):
                os.close(os.open(bell / name, os.O_CREAT | os.O_WRONLY))
        desk.party(BOB).accept(first.id)
        desk.poll()
        last = desk.party(ALICE).start(BOB, **TERMS)
        found = within(watch, 6)
        assert {
            (event.negotiation_id, event.kind)
            for event in found
            if isinstance(event, events.NegotiationEvent)
        } == {
            *(
                (first.id, f"negotiation.{kind}")
                for kind in ("started", "offer_made", "accepted", "settled")
            ),
            *((last.id, f"negotiation.{kind}") for kind in ("started", "offer_made")),
        }
        assert watch.look(scan=True) == []
        haggle(desk, watch)
    [notice] = notices
    assert notice.startswith("the system has thrown away what it would have told; what changes")


def test_a_room_that_is_replaced_by_another_is_watched(desk: Desk, root: Path) -> None:
    room = root / "teams" / ALICE / "negotiations"
    with desk.watch() as watch:
        room.rename(root / "moved")
        room.mkdir()
        haggle(desk, watch)


def test_a_disk_that_refuses_for_a_moment_costs_no_event(
    desk: Desk, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:

    snapshot = FileStore.snapshot

    def fails(self: FileStore, place: Any) -> Any:
        monkeypatch.setattr(FileStore, "snapshot", snapshot)
        raise StoreError("store_failed", "cannot read it: too many open files")

    with desk.watch() as watch:
        deal = desk.party(ALICE).start(BOB, **TERMS)
        monkeypatch.setattr(FileStore, "snapshot", fails)
        assert watch.look() == []
        assert kinds(watch.look()) == ["started", "offer_made"]
        assert deal.id == ID
    assert len(notices) == 1


def test_a_watch_that_is_closed_holds_no_file(desk: Desk) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with desk.watch() as watch:
            watch.look()
    assert len(os.listdir("/proc/self/fd")) == len(before)


# ------------------------------------------------------------------ many changes by other processes

WRITERS = 4
CHANGES = 250
"""By each writer: a thousand by all of them."""


def write(root: Path, number: int, gate: Any) -> None:
    """Make changes as both parties of one negotiation, as fast as the file system allows."""
    desk = Desk(root, durable=False)
    one, other = (desk.party(f"{name}{number}@x.edu") for name in ("one", "other"))
    gate.wait(DEADLINE_S)
    deal = one.start(other.address, **{**TERMS, "price": 1})
    for change in range(2, CHANGES + 1):
        party = (one, other)[change // 2 % 2]
        if change % 2:
            party.say(deal.id, f"{change}")
        else:
            party.offer(deal.id, price=change, quantity=1000)


@pytest.mark.parametrize("trouble", ["none", "no watches", "overflow", "no notifications"])
def test_a_thousand_changes_by_other_processes_are_told_once_and_in_order(
    root: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(root, durable=False, notice=lambda text: None)
    if trouble == "no notifications":
        monkeypatch.setattr(watches, "Inotify", refused(errno.ENOSYS))
        monkeypatch.setattr(watching, "BARE_SCAN_S", 0.05)
    for number in range(WRITERS):
        for name in ("one", "other"):
            desk.add_party(f"{name}{number}@x.edu")
    desk.poll()
    context = multiprocessing.get_context("spawn")
    gate = context.Event()
    writers = [
        context.Process(target=write, args=(root, number, gate)) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    found: defaultdict[tuple[str | None, ...], list[int]] = defaultdict(list)
    with desk.watch() as watch:
        gate.set()
        for count, event in enumerate(within_all(watch, WRITERS * (CHANGES + 1))):
            if isinstance(event, events.OfferMade):
                found[event.negotiation_id, None].append(int(event.price))
            elif isinstance(event, events.MessageSent):
                found[event.negotiation_id, event.by].append(int(event.text))
            if count % 100 == 50 and trouble == "no watches":
                removed(watch)
            if count % 100 == 50 and trouble == "overflow":
                overflow(watch)
        for writer in writers:
            writer.join(DEADLINE_S)
        assert watch.look(scan=True) == []
    # The offers of both sides by their rounds, the messages of each as it said them.
    assert len(found) == 3 * WRITERS
    assert all(said == sorted(said) for said in found.values())
    for number in range(WRITERS):
        whole = [said for (deal, _), said in found.items() if f"one{number}_" in str(deal)]
        assert sorted(itertools.chain(*whole)) == list(range(1, CHANGES + 1))


def within_all(watch: Watch, count: int) -> Iterator[Event]:
    for _ in range(count):
        yield within(watch, 1)[0]


def overflow(watch: Watch) -> None:
    """Throw away what the kernel has to tell, and let it say so."""
    feed = watch._watching
    assert isinstance(feed, watching.FileWatching)
    throw_away(feed._watches)


def test_what_was_found_before_the_disk_refused_is_told_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_in = watching.FileWatching._names_in

    def refuses(self: watching.FileWatching, watched: Any) -> list[str]:
        if watched.path.endswith("archive"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return names_in(self, watched)

    deal = desk.party(ALICE).start(BOB, **TERMS)
    with desk.watch() as watch:
        desk.party(BOB).accept(deal.id)
        desk.poll()
        monkeypatch.setattr(watching.FileWatching, "_names_in", refuses)
        with pytest.raises(StoreError, match="Input/output error"):
            watch.look(scan=True)
        monkeypatch.undo()
        assert kinds(watch.look()) == ["accepted", "settled"]
