"""`verify` finds every difference between the old data and what became of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.legacy.support import NOW, Migration, times_of
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, T0, OldTree, trade_payload

from nom_negotiate import Desk, Difference
from nom_negotiate.legacy.comparison import Mismatch

LIVE = f"alice_bob_C_{T0}"
AGREED = f"alice_bob_N_{T0}"
REJECTED = f"alice_bob_D_{T0}"


@pytest.fixture
def carried(old: OldTree, migration: Migration) -> Migration:
    old.init(ALICE)
    old.negotiation("neg_1")
    closing: Any = {"acceptedBy": ALICE, "acceptedAt": T0 + 60}
    old.negotiation("neg_2", chemical="N", status="accepted", **closing)
    closing = {"rejectedBy": ALICE, "rejectedAt": T0 + 60, "rejection_reason": "too low"}
    old.negotiation("neg_3", chemical="D", status="rejected", **closing)
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1"))
    old.offer("offer_1")
    return migration.checked()


def home(migration: Migration, party: str = ALICE) -> Path:
    return migration.root / "teams" / party


def changed(path: Path, change: Callable[[Any], Any]) -> None:
    record = json.loads(path.read_text())
    path.write_text(json.dumps(change(record) or record))


def found(migration: Migration) -> list[Mismatch]:
    verification = migration.verify()
    with pytest.raises(Difference) as raised:
        verification.check()
    assert raised.value.code == "differences_found"
    return list(verification.mismatches)


def fields(migration: Migration) -> set[tuple[str, str]]:
    return {(one.id, one.field) for one in found(migration)}


def test_it_changes_nothing_and_needs_nothing(old: OldTree, migration: Migration) -> None:
    old.negotiation()
    assert {(one.subject, one.found) for one in found(migration)} == {
        ("party", "missing"),
        ("negotiation", "missing"),
    }
    assert not migration.root.exists()
    migration.run()
    before = times_of(migration.root)
    migration.verify().check()
    assert times_of(migration.root) == before


def test_the_figures_of_both_sides(carried: Migration) -> None:
    figures = {one.name: (one.source, one.target) for one in carried.verify().figures}
    assert figures == {
        "parties": ("2", "2"),
        "profiles": ("1", "1"),
        "pending negotiations": ("1", "1"),
        "accepted negotiations": ("1", "1"),
        "rejected negotiations": ("1", "1"),
        "offers made": ("6", "6"),
        "transactions": ("1", "1"),
        "offers to sell": ("1", "1"),
        f"{ALICE}: units bought": ("169", "169"),
        f"{ALICE}: money for units bought": ("1377.35", "1377.35"),
    }


def test_a_listing_that_is_gone(carried: Migration) -> None:
    (home(carried) / "listings" / "offer_1.json").unlink()
    [one] = found(carried)
    assert (one.subject, one.id, one.expected, one.found) == (
        "listing",
        "offer_1",
        "once",
        "missing",
    )
    figures = {one.name: one.equal for one in carried.verify().figures}
    assert [name for name, equal in figures.items() if not equal] == ["offers to sell"]
    # As the hint says, a run makes it good.
    carried.checked()


def test_a_listing_of_other_terms(carried: Migration) -> None:
    changed(home(carried) / "listings" / "offer_1.json", lambda r: r.update(price=9, chemical="D"))
    assert fields(carried) == {("offer_1", "price"), ("offer_1", "chemical")}


def test_a_transaction_of_other_terms(carried: Migration) -> None:
    [path] = (home(carried) / "transactions").iterdir()
    changed(path, lambda r: r.update(quantity=170))
    assert fields(carried) == {("txn_1", "quantity")}
    assert sum(not one.equal for one in carried.verify().figures) == 2


def test_a_transaction_that_is_there_twice(carried: Migration) -> None:
    [path] = (home(carried) / "transactions").iterdir()
    shutil.copy(path, path.with_name("copy.json"))
    [one] = found(carried)
    assert (one.id, one.expected, one.found) == ("txn_1", "once", "2 times")


def test_a_profile_of_another_name(carried: Migration) -> None:
    changed(home(carried) / "init.json", lambda r: r.update(display_name="Somebody"))
    assert fields(carried) == {(ALICE, "display name")}


def test_a_profile_that_is_gone(carried: Migration) -> None:
    (home(carried) / "init.json").unlink()
    assert fields(carried) == {(ALICE, "profile")}


def test_an_offer_that_is_not_what_it_was(carried: Migration) -> None:
    path = home(carried) / "negotiations" / LIVE / "alice_state.json"
    changed(path, lambda r: r["offer"].update(price=5.6))
    [one] = found(carried)
    assert (one.field, one.expected, one.found) == (
        "offer 1",
        f"100 at 5.5 by {ALICE}, {T0}",
        f"100 at 5.6 by {ALICE}, {T0}",
    )


def test_a_history_that_lacks_an_offer(carried: Migration) -> None:
    path = home(carried) / "negotiations" / LIVE / "alice_state.json"
    changed(path, lambda r: r.pop("offer") and None)
    assert ("neg_1", "offer 1") in fields(carried)


def test_a_negotiation_that_is_there_twice(carried: Migration) -> None:
    room = home(carried) / "negotiations"
    shutil.copytree(room / LIVE, room / f"{LIVE}0")
    for path in (room / f"{LIVE}0").iterdir():
        text = path.read_text().replace(LIVE, f"{LIVE}0")
        record = json.loads(text) | {"status": "pending"}
        record.pop("agreement_key", None)
        path.write_text(json.dumps(record))
    [one] = found(carried)
    assert (one.field, one.found) == ("carried over", f"{LIVE} at {ALICE}, {LIVE}0 at {ALICE}")


def test_a_negotiation_that_cannot_be_read(carried: Migration) -> None:
    (home(carried) / "negotiations" / LIVE / "bob_state.json").write_text("{")
    assert any(one.expected == "a readable file" for one in found(carried))


@pytest.mark.parametrize(
    ("id", "legacy_id", "field", "change"),
    [
        (AGREED, "neg_2", "time of the outcome", {"at": T0 + 61}),
        (REJECTED, "neg_3", "rejected by", {"by": BOB}),
        (REJECTED, "neg_3", "reason", {"reason": "too high"}),
        (REJECTED, "neg_3", "outcome", {"outcome": "withdrawn"}),
    ],
)
def test_an_outcome_that_is_not_what_it_was(
    carried: Migration, id: str, legacy_id: str, field: str, change: dict[str, Any]
) -> None:
    path = home(carried) / "negotiations_archive" / id / "outcome.json"
    changed(path, lambda record: record | change)
    assert fields(carried) == {(legacy_id, field)}


def test_a_closed_negotiation_that_came_back_to_life(carried: Migration) -> None:
    source = home(carried) / "negotiations_archive" / AGREED
    (source / "outcome.json").unlink()
    source.rename(home(carried) / "negotiations" / AGREED)
    assert {("neg_2", "archived"), ("neg_2", "outcome")} <= fields(carried)
    # Then a poll executes it once more, and that is seen as well.
    Desk(carried.root, clock=Clock(NOW)).poll()
    assert ("neg_2", "executed") in fields(carried)


def test_what_has_gone_on_since_is_no_difference(carried: Migration) -> None:
    desk = Desk(carried.root, clock=Clock(NOW + 60))
    desk.party(ALICE).say(LIVE, "let us go on")
    carried.verify().check()
    desk.party(ALICE).offer(LIVE, price=4.5, quantity=95)
    carried.verify().check()
    late = Desk(carried.root, clock=Clock(NOW + 120))
    late.party(BOB).reject(LIVE, reason="no")
    carried.verify().check()
    assert late.poll().rejected == [LIVE]
    carried.verify().check()
    [filed] = late.party(ALICE).transactions()
    late.party(ALICE).mark_settled(filed.name, settled=False)
    carried.verify().check()
