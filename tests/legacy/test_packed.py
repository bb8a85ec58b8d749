"""What was migrated and packed since is still what was migrated."""

from __future__ import annotations

from typing import Any

import pytest
from tests.legacy.support import DAY, NOW, Migration, tree_of
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, T0, OldTree, trade_payload

from nom_negotiate import Conflict, Desk, FileStore
from nom_negotiate.legacy.rollback import RollbackRefused


@pytest.fixture
def old(old: OldTree) -> OldTree:
    old.init(ALICE)
    old.negotiation("neg_1")
    closing: Any = {"acceptedBy": ALICE, "acceptedAt": T0 + 60}
    old.negotiation("neg_2", chemical="N", status="accepted", **closing)
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1"))
    old.offer("offer_1")
    return old


def packed(migration: Migration, *, months: int = 1) -> Desk:
    """Run the migration, settle what it brought, and pack all of that."""
    desk = Desk(FileStore(migration.root), clock=Clock(NOW + 60 + months * 30 * DAY))
    migration.checked()
    for party in desk.parties():
        for filed in party.transactions():
            party.mark_settled(filed.name)
    packing = desk.pack(0)
    assert packing.problems == ()
    assert packing.negotiations >= 1
    return desk


def test_the_sweep_packs_what_was_migrated_and_nothing_is_missed(
    old: OldTree, migration: Migration
) -> None:
    desk = packed(migration)
    assert desk.stats().carried_over == 1
    found = migration.verify()
    assert found.mismatches == ()
    assert not any(migration.run().added.values())
    assert desk.stats().carried_over == 1
    assert len(desk.archive()) == 1


def test_a_rollback_takes_away_what_is_packed_too(old: OldTree, migration: Migration) -> None:
    packed(migration)
    assert list(migration.root.glob("teams/*/packs/*"))
    done = migration.rollback(force=True)
    assert done.removed["negotiations"] == 2
    assert done.removed["transactions"] == 1
    assert not [name for name in tree_of(migration.root) if name.startswith("teams/")]


def test_a_rollback_leaves_what_is_packed_of_others(old: OldTree, migration: Migration) -> None:
    desk = Desk(FileStore(migration.root), clock=Clock(NOW - 2 * DAY))
    deal = desk.party(ALICE).start(BOB, chemical="D", role="buyer", price=1, quantity=2)
    desk.party(BOB).reject(deal.id)
    desk.poll()
    packed(migration)
    migration.rollback(force=True)
    assert [n.id for n in desk.archive()] == [deal.id]
    assert not list(migration.root.glob(f"teams/{ALICE}/negotiations_archive/*"))


def test_a_rollback_is_refused_where_something_packed_was_used(
    old: OldTree, migration: Migration
) -> None:
    migration.checked()
    [path] = migration.root.glob("teams/*/transactions/*.json")
    path.write_text(path.read_text().replace("{", '{"note": "seen",', 1))
    packed(migration)
    assert not path.exists()
    with pytest.raises(RollbackRefused) as refused:
        migration.rollback()
    [changed] = refused.value.obstacles
    assert (changed.path, changed.reason) == (
        path.relative_to(migration.root).as_posix(),
        "was changed since",
    )
    assert list(migration.root.glob("teams/*/packs/*"))


def test_a_rollback_waits_for_no_pass_that_may_pack(old: OldTree, migration: Migration) -> None:
    desk = packed(migration)
    with desk.store.polling(), pytest.raises(Conflict, match="some of this is packed"):
        migration.rollback(force=True)
    assert migration.verify().mismatches == ()
