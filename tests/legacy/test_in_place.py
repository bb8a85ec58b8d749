"""The source may be the data root itself: nothing of it is moved, changed or removed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.legacy.support import NOW, SAMPLE, Migration, Tree, tree_of
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, T0, OldTree, trade_payload

from nom_negotiate import Desk

ID = "alice_bob_C_1704312345"


@pytest.fixture
def here(old: OldTree) -> Migration:
    """A migration of the tree made by hand into itself."""
    return Migration(old.root, old.root)


def kept(before: Tree, root: Path) -> bool:
    """Return whether everything that was there is there as it was."""
    after = tree_of(root)
    return all(after.get(name) == entry for name, entry in before.items())


def test_old_and_new_lie_side_by_side(old: OldTree, here: Migration) -> None:
    old.negotiation()
    old.offer("offer_1")
    old.init(ALICE)
    old.team_event(ALICE, T0, "add_transaction", trade_payload())
    before = here.tree
    here.checked()
    assert here.plan().in_place
    assert kept(before, old.root)
    desk = Desk(old.root, clock=Clock(NOW))
    assert [one.id for one in desk.negotiations()] == [f"alice_bob_C_{T0}"]
    assert len(desk.party(ALICE).transactions()) == 1
    assert here.run().added == {}
    here.rollback()
    assert tree_of(old.root, but="") == before


def test_the_directory_above_it_may_be_named(tmp_path: Path) -> None:
    old = OldTree(tmp_path / "data")
    old.negotiation()
    migration = Migration(tmp_path, old.root)
    migration.checked()
    assert migration.plan().in_place
    migration.rollback()
    assert not (old.root / "migration").exists()


def test_what_is_of_the_new_layout_is_not_taken_for_old_data(old: OldTree, here: Migration) -> None:
    old.negotiation()
    here.checked()
    desk = Desk(old.root, clock=Clock(NOW))
    desk.party(BOB).start(ALICE, chemical="Q", role="buyer", price=1, quantity=1)
    plan = here.plan()
    assert (plan.todo, plan.left) == (0, ())
    assert [figure.source for figure in plan.figures()] == [2, 1, 0, 0, 0, 0, 0, 0]
    here.verify().check()


def test_an_original_that_goes_on_is_there_already(old: OldTree, here: Migration) -> None:
    two_states(old)
    before = here.tree
    here.checked()
    assert kept(before, old.root)
    desk = Desk(old.root, clock=Clock(T0 + 60))
    assert [one.id for one in desk.negotiations()] == [ID]
    desk.party(ALICE).accept(ID)
    assert here.plan().left == ()
    here.verify().check()
    assert here.run().added == {}


def test_an_original_that_was_executed_is_not_executed_again(old: OldTree, here: Migration) -> None:
    two_states(old, status="agreed")
    old.book(ALICE, "1704312400_buy_C_from_bob")
    old.book(BOB, "1704312400_sell_C_to_alice", type="sell", counterparty=ALICE)
    before = here.tree
    here.checked()
    assert kept(before, old.root)
    outcome = old.root / "teams" / ALICE / "negotiations" / ID / "outcome.json"
    assert json.loads(outcome.read_text())["transactions"] == {}
    assert here.run().added == {}

    here.rollback()
    assert tree_of(old.root, but="") == before

    here.checked()
    desk = Desk(old.root, clock=Clock(NOW))
    assert desk.poll().agreed == [ID]
    assert [len(party.transactions()) for party in desk.parties()] == [1, 1]
    here.verify().check()
    assert here.run().added == {}


def test_an_old_directory_name_that_cannot_be_undone_gets_a_new_one(
    old: OldTree, here: Migration
) -> None:
    old.init("a+b@x.edu", name="a_b@x.edu")
    old.negotiation(initiatorId="a+b@x.edu", offers=[], lastOfferBy=None)
    here.checked()
    assert (old.root / "teams" / "a%2Bb@x.edu" / "init.json").is_file()


def test_a_link_among_the_teams_leads_nowhere(
    old: OldTree, here: Migration, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    old.negotiation()
    old.offer("offer_1", team=BOB)
    (old.root / "teams").mkdir()
    (old.root / "teams" / BOB).symlink_to(outside)
    plan = here.plan()
    said = {left.reason for left in plan.left}
    assert f"teams/{BOB} is a symbolic link; not followed" in said
    here.run()
    assert os.listdir(outside) == []
    assert (old.root / "teams" / ALICE / "init.json").is_file()
    here.verify().check()


def test_the_sample_comes_over_in_place(tmp_path: Path) -> None:
    root = tmp_path / "data"
    copy(SAMPLE, root)
    before = tree_of(root)
    migration = Migration(root, root).checked()
    assert kept(before, root)
    assert migration.run().added == {}
    migration.rollback()
    assert tree_of(root, but="") == before


def copy(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


def two_states(old: OldTree, **changes: Any) -> None:
    old.state(ALICE, ID, ALICE, **changes)
    old.state(ALICE, ID, BOB, role="seller", **changes)
    old.link(BOB, ID, f"../../{ALICE}/negotiations/{ID}")
