"""A migration may be planned and run again and again, whatever has happened in between."""

from __future__ import annotations

import json

from tests.legacy.support import NOW, Migration, times_of
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, T0, OldTree

from nom_negotiate import Desk

ID = f"alice_bob_C_{T0}"


def desk_of(migration: Migration, at: int = NOW) -> Desk:
    return Desk(migration.root, clock=Clock(at))


def test_a_plan_changes_nothing_not_even_a_data_root(old: OldTree, migration: Migration) -> None:
    old.negotiation()
    before = times_of(old.root)
    assert migration.plan().todo == 3
    assert not migration.root.exists()
    assert times_of(old.root) == before


def test_a_negotiation_that_ended_since_is_not_carried_over_again(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation()
    migration.checked()
    desk = desk_of(migration, NOW + 60)
    desk.party(ALICE).accept(ID)
    assert desk.poll().agreed == [ID]
    assert migration.run().added == {}
    migration.verify().check()


def test_the_mark_of_a_third_party_hides_nothing(old: OldTree, migration: Migration) -> None:
    # Carol writes into her own file that it was neg_1.
    desk = Desk(migration.root, clock=Clock(NOW))
    started = desk.party(CAROL).start(BOB, chemical="C", role="buyer", price=1, quantity=1)
    path = migration.root / "teams" / CAROL / "negotiations" / started.id / "carol_state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"legacy": {"id": "neg_1"}}))
    old.negotiation("neg_1")
    migration.checked()
    assert [one.id for one in desk_of(migration).party(ALICE).negotiations()] == [ID]


def test_a_program_that_drops_the_mark_does_not_double_anything(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation()
    migration.checked()
    for name in ("alice", "bob"):
        path = migration.root / "teams" / ALICE / "negotiations" / ID / f"{name}_state.json"
        state = json.loads(path.read_text())
        del state["legacy"]
        path.write_text(json.dumps(state))
    assert migration.run().added == {}
    migration.verify().check()


def test_without_its_journal_a_run_still_doubles_nothing(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation()
    old.offer("offer_1")
    migration.checked()
    (migration.root / "migration" / "journal.jsonl").unlink()
    before = migration.tree
    assert migration.run().added == {}
    assert migration.tree == before


def test_what_the_old_program_added_since_comes_with_the_next_run(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation("neg_2")
    migration.checked()
    old.negotiation("neg_1")
    old.negotiation("neg_2", status="accepted", acceptedBy=ALICE, acceptedAt=T0 + 9)
    assert migration.run().added == {"pending negotiations": 1}
    ids = {
        state["legacy"]["id"]: state["negotiation_id"]
        for path in (migration.root / "teams" / ALICE / "negotiations").glob("*/bob_state.json")
        for state in [json.loads(path.read_text())]
    }
    # What was there keeps its id, although the newcomer comes first by its own.
    assert ids == {"neg_2": ID, "neg_1": f"alice_bob_C_{T0 + 1}"}
    # The old program has gone on with neg_2 after it was carried over: that is told.
    [one] = {found.id for found in migration.verify().mismatches}
    assert one == "neg_2"


def test_a_link_that_went_missing_is_made_again(old: OldTree, migration: Migration) -> None:
    old.negotiation(status="accepted", acceptedBy=ALICE, acceptedAt=T0 + 60)
    migration.checked()
    link = migration.root / "teams" / BOB / "negotiations_archive" / ID
    link.unlink()
    assert migration.verify().differences == 1
    migration.checked()
    assert link.is_symlink()
