"""`rollback` takes away what runs have added, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.legacy.support import NOW, Migration, times_of, tree_of
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, T0, OldTree, offer_record, trade_payload

from nom_negotiate import Conflict, Desk, NotFound, Settings
from nom_negotiate.legacy.rollback import RollbackRefused, rollback
from nom_negotiate.legacy.run import run
from nom_negotiate.legacy.source import read_source
from nom_negotiate.market import close, post
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.installation import Installation

LIVE = f"alice_bob_C_{T0}"
ENDED = f"alice_bob_N_{T0}"


@pytest.fixture
def carried(old: OldTree, migration: Migration) -> Migration:
    old.init(ALICE)
    old.negotiation("neg_1")
    closing: Any = {"acceptedBy": ALICE, "acceptedAt": T0 + 60}
    old.negotiation("neg_2", chemical="N", status="accepted", **closing)
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1"))
    old.offer("offer_1")
    return migration.checked()


def desk_of(migration: Migration, at: int = NOW + 60) -> Desk:
    return Desk(migration.root, clock=Clock(at))


def refused(migration: Migration) -> dict[str, str]:
    """Let a rollback be refused, see that nothing changed, and return why."""
    before = migration.tree
    with pytest.raises(RollbackRefused) as raised:
        migration.rollback()
    assert migration.tree == before
    assert raised.value.code == "rollback_refused"
    assert raised.value.exit_status == 3
    return {one.path: one.reason for one in raised.value.obstacles}


# ------------------------------------------------------------------ everything


def test_a_root_that_the_run_made_is_gone(carried: Migration) -> None:
    done = carried.rollback()
    assert done.removed == {"negotiations": 2, "transactions": 1, "listings": 1, "parties": 2}
    assert (done.missing, done.stays, done.damaged) == (0, [], 0)
    assert not carried.root.exists()


def test_a_second_one_has_nothing_to_do(carried: Migration) -> None:
    carried.rollback()
    assert carried.rollback().removed == {}
    assert not carried.root.exists()


def test_a_root_that_was_there_is_what_it_was(old: OldTree, migration: Migration) -> None:
    desk = desk_of(migration, NOW)
    desk.initialise(Settings(chemicals=("C", "N")))
    mine = desk.party(ALICE).start(CAROL, chemical="C", role="buyer", price=1, quantity=2)
    post(desk.party(ALICE), side="buy", chemical="C")
    desk.poll()
    before = tree_of(migration.root, but="")
    old.negotiation()
    old.offer("offer_1")
    migration.checked()
    migration.rollback()
    assert tree_of(migration.root, but="") == before
    assert desk.negotiation(mine.id).phase.open


def test_after_it_a_run_works_again(carried: Migration) -> None:
    before = carried.tree
    carried.rollback()
    carried.checked()
    assert carried.tree == before


def test_the_source_need_not_be_there_any_more(carried: Migration, old: OldTree) -> None:
    old.root.rename(old.root.with_name("elsewhere"))
    carried.rollback()
    assert not carried.root.exists()


def test_the_directory_above_the_source_may_be_named(tmp_path: Path) -> None:
    OldTree(tmp_path / "market" / "data").negotiation()
    migration = Migration(tmp_path / "market", tmp_path / "root").checked()
    migration.rollback()
    assert not migration.root.exists()


def test_directories_above_the_root_that_the_run_made_are_gone(
    old: OldTree, tmp_path: Path
) -> None:
    old.negotiation()
    migration = Migration(old.root, tmp_path / "a" / "b" / "root").checked()
    migration.rollback()
    assert not (tmp_path / "a").exists()


# ------------------------------------------------------------------ what was used since


def test_a_negotiation_that_went_on_is_refused(carried: Migration) -> None:
    desk_of(carried).party(ALICE).say(LIVE, "let us go on")
    path = f"teams/{ALICE}/negotiations/{LIVE}"
    assert refused(carried) == {path: "has gone on since"}


def test_a_negotiation_that_ended_is_refused(carried: Migration) -> None:
    assert desk_of(carried, NOW + 90 * 3600).poll().expired == [LIVE]
    path = f"teams/{ALICE}/negotiations/{LIVE}"
    assert refused(carried) == {path: "has ended since"}


def test_a_listing_and_a_transaction_and_a_profile_that_were_changed_are_refused(
    carried: Migration,
) -> None:
    alice = desk_of(carried).party(ALICE)
    close(alice, "offer_1")
    [filed] = alice.transactions()
    alice.mark_settled(filed.name, settled=False)
    profile = carried.root / "teams" / ALICE / "init.json"
    profile.write_text(json.dumps(json.loads(profile.read_text()) | {"display_name": "Me"}))
    assert refused(carried) == {
        f"teams/{ALICE}/listings/offer_1.json": "was changed since",
        f"teams/{ALICE}/transactions/{filed.name}": "was changed since",
        f"teams/{ALICE}/init.json": "was changed since",
    }


def test_a_party_that_has_other_things_keeps_its_directory(carried: Migration) -> None:
    desk = desk_of(carried)
    mine = desk.party(BOB).start(CAROL, chemical="Q", role="buyer", price=1, quantity=2)
    done = carried.rollback()
    assert [(one.path, one.reason) for one in done.stays] == [(f"teams/{BOB}", "is in use")]
    assert [party.address for party in desk.parties()] == [BOB, CAROL]
    assert desk.party(BOB).profile is not None
    # It can do all that it could before.
    post(desk.party(BOB), side="buy", chemical="C")
    assert desk.party(CAROL).accept(mine.id).phase == "agreed"
    assert desk.poll().agreed == [mine.id]
    carried.checked()


def test_force_takes_what_went_on_and_leaves_what_followed(carried: Migration) -> None:
    desk = desk_of(carried)
    desk.party(ALICE).accept(LIVE)
    assert desk.poll().agreed == [LIVE]
    close(desk.party(ALICE), "offer_1")
    refused(carried)
    done = carried.rollback(force=True)
    assert done.removed == {"negotiations": 2, "transactions": 1, "listings": 1}
    # The deal was made here; its transactions are none of the migration's.
    assert [one.path for one in done.stays] == [f"teams/{BOB}", f"teams/{ALICE}"]
    for party in (ALICE, BOB):
        [filed] = desk.party(party).transactions()
        assert filed.transaction.negotiation_id == LIVE
    assert desk.archive() == []
    links = [path for path in carried.root.rglob("*") if path.is_symlink()]
    assert links == []


def test_what_happens_at_this_very_moment_is_seen(carried: Migration) -> None:
    class Interrupted(Disk):
        """Lets bob speak when his negotiation is about to be hidden."""

        def _rename(self, source: str, target: str) -> None:
            if source.endswith(f"/negotiations/{LIVE}"):
                desk_of(carried).party(BOB).say(LIVE, "wait")
            super()._rename(source, target)

    store = FileStore(carried.root, disk=Interrupted())
    with pytest.raises(Conflict) as raised:
        rollback(store, carried.source, NOW)
    assert raised.value.code == "moved"
    [found] = desk_of(carried).negotiations()
    assert [spoken.text for spoken in found.messages] == ["wait"]
    assert desk_of(carried).poll().active == [LIVE]
    # It is still known to be of the migration.
    assert refused(carried) == {f"teams/{ALICE}/negotiations/{LIVE}": "has gone on since"}
    carried.rollback(force=True)
    assert tree_of(carried.root, but="poller") == {}


def test_a_party_that_begins_something_at_this_very_moment_stays(carried: Migration) -> None:
    begun: list[str] = []

    class Interrupted(Disk):
        """Lets bob list something when his directory is about to go."""

        def _rename(self, source: str, target: str) -> None:
            if source.endswith(f"/teams/{BOB}"):
                begun.append(post(desk_of(carried).party(BOB), side="buy", chemical="C").id)
            super()._rename(source, target)

    done = rollback(FileStore(carried.root, disk=Interrupted()), carried.source, NOW)
    assert [(one.path, one.reason) for one in done.stays] == [(f"teams/{BOB}", "is in use")]
    [bob] = desk_of(carried).parties()
    assert [listing.id for listing in carried.store.listings(bob.address)[0]] == begun
    assert bob.profile is not None


def test_a_poller_that_comes_by_leaves_nothing_behind(carried: Migration) -> None:
    class Polled(Disk):
        """Lets a poller make a pass at each step."""

        def _unlink(self, path: str, directory: int | None = None) -> None:
            super()._unlink(path, directory)
            if "/teams/" in path:
                assert desk_of(carried).poll().problems == []

    rollback(FileStore(carried.root, disk=Polled()), carried.source, NOW)
    assert sorted(path.name for path in carried.root.iterdir()) == ["poller"]


def test_a_write_that_comes_too_late_is_told_that_it_is_gone(carried: Migration) -> None:
    told: list[str] = []

    class Interrupted(Disk):
        """Lets bob speak when his negotiation has just been hidden."""

        def _rename(self, source: str, target: str) -> None:
            super()._rename(source, target)
            if source.endswith(f"/negotiations/{LIVE}"):
                with pytest.raises(NotFound) as raised:
                    desk_of(carried).party(BOB).say(LIVE, "wait")
                told.append(raised.value.code)

    rollback(FileStore(carried.root, disk=Interrupted()), carried.source, NOW)
    assert told == ["unknown_negotiation"]
    assert not carried.root.exists()


# ------------------------------------------------------------------ several sources


def test_only_what_came_from_the_source_is_taken_away(carried: Migration, tmp_path: Path) -> None:
    second = OldTree(tmp_path / "second")
    offers = [offer_record(ALICE, 5.5, 100, T0)]
    second.negotiation("neg_9", responderId=CAROL, offers=offers, lastOfferBy=ALICE)
    other = Migration(second.root, carried.root).checked()
    carried.rollback()
    other.verify().check()
    assert [one.responder for one in desk_of(carried).negotiations()] == [CAROL]
    other.rollback()
    assert not carried.root.exists()


def test_a_party_that_came_back_by_itself_is_not_of_the_migration_any_more(
    carried: Migration, tmp_path: Path
) -> None:
    second = OldTree(tmp_path / "second")
    second.offer("offer_9", team=CAROL)
    other = Migration(second.root, carried.root).checked()
    carried.rollback()
    desk_of(carried).add_party(ALICE, display_name="Back again")
    assert other.rollback().stays == []
    assert [party.address for party in desk_of(carried).parties()] == [ALICE]


def test_a_source_that_nothing_came_from_is_told(carried: Migration, tmp_path: Path) -> None:
    before = times_of(carried.root)
    with pytest.raises(NotFound) as raised:
        rollback(carried.store, tmp_path / "other", NOW)
    assert raised.value.code == "unknown_source"
    assert str(carried.source) in raised.value.message
    assert times_of(carried.root) == before


# ------------------------------------------------------------------ one at a time


def test_two_migrations_of_one_root_do_not_run_at_once(carried: Migration, old: OldTree) -> None:
    old.negotiation("neg_7", chemical="Q")
    before = carried.tree
    with Installation(carried.store).logbook.alone():
        for attempt in (
            lambda: run(FileStore(carried.root), read_source(old.root), NOW),
            lambda: rollback(FileStore(carried.root), old.root, NOW),
        ):
            with pytest.raises(Conflict) as raised:
                attempt()
            assert raised.value.code == "busy"
    assert carried.tree == before


def test_a_run_that_has_nothing_to_do_does_not_wait_for_another(carried: Migration) -> None:
    with Installation(carried.store).logbook.alone():
        assert carried.run().added == {}
        carried.verify().check()


# ------------------------------------------------------------------ the journal


def test_nothing_is_added_before_it_is_written_down(old: OldTree, migration: Migration) -> None:
    old.negotiation()
    old.offer("offer_1")
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1"))
    journal = migration.root / "migration" / "journal.jsonl"
    seen = []

    class Watched(Disk):
        """Looks into the journal at each change of a party's directory."""

        def _look(self, path: str) -> None:
            if "/teams/" in path:
                seen.append(len(journal.read_text().splitlines()))

        def _rename(self, source: str, target: str) -> None:
            self._look(target)
            super()._rename(source, target)

        def _link(self, source: str, target: str) -> None:
            self._look(target)
            super()._link(source, target)

        def _symlink(self, text: str, path: str) -> None:
            self._look(path)
            super()._symlink(text, path)

    run(FileStore(migration.root, disk=Watched()), read_source(old.root), NOW)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [line["did"] for line in lines] == [
        "begin",
        "party",
        "party",
        "file",
        "file",
        "namespace",
        "end",
    ]
    assert set(seen) == {len(lines) - 1}


def test_a_line_that_was_cut_short_stands_for_nothing(carried: Migration) -> None:
    journal = carried.root / "migration" / "journal.jsonl"
    with journal.open("a") as file:
        file.write('{"did":"file","party":"alice@stonybrook.edu","room":"lis')
    assert carried.run().added == {}
    assert carried.rollback().damaged == 0
    assert not carried.root.exists()


def test_what_a_damaged_line_stood_for_stays(carried: Migration) -> None:
    journal = carried.root / "migration" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    [damaged] = [n for n, line in enumerate(lines) if "offer_1" in line]
    lines[damaged] = lines[damaged][10:]
    journal.write_text("".join(lines))
    done = carried.rollback()
    assert done.damaged == 1
    assert [one.path for one in done.stays] == [f"teams/{ALICE}"]
    assert [path.name for path in carried.root.rglob("*.json")] == ["init.json", "offer_1.json"]
