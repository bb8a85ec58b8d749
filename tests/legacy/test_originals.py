"""Namespaces of the original of our own layout become negotiations of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.legacy.support import DAY, NOW, Migration, reasons
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, T0, OldTree

from nom_negotiate import Desk, Kind, Phase
from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.core.terms import Role

ID = "alice_bob_C_1704312345"
PATH = f"teams/{ALICE}/negotiations/{ID}"


def offer(price: float, at: int = T0) -> dict[str, Any]:
    return {"price": price, "quantity": 1000, "timestamp": at}


def desk_of(migration: Migration, at: int = NOW) -> Desk:
    return Desk(migration.root, clock=Clock(at))


def the_one(migration: Migration) -> Negotiation:
    desk = desk_of(migration)
    [found] = [*desk.negotiations(), *desk.archive()]
    return found


def two_sided(old: OldTree, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Let alice buy from bob."""
    old.state(ALICE, ID, ALICE, **mine)
    old.state(ALICE, ID, BOB, **({"role": "seller"} | theirs))
    old.link(BOB, ID, f"../../{ALICE}/negotiations/{ID}")


def test_it_keeps_its_id_both_states_and_whose_turn_it_is(
    old: OldTree, migration: Migration
) -> None:
    two_sided(old, {"offer": offer(5.5)}, {"offer": offer(6, T0 + 9)})
    migration.checked()
    found = the_one(migration)
    assert (found.id, found.phase, found.turn) == (ID, Phase.IN_PROGRESS, ALICE)
    assert [(m.by, m.round, str(m.price), m.at, m.firm) for m in found.moves] == [
        (ALICE, 1, "5.5", T0, False),
        (BOB, 2, "6", T0 + 9, False),
    ]
    assert found.roles == {ALICE: Role.BUYER, BOB: Role.SELLER}
    # Both were indicative in the original, and it takes both to agree.
    assert desk_of(migration, NOW + 60).party(ALICE).accept(ID).phase.open
    desk = desk_of(migration, NOW + 120)
    assert desk.party(BOB).accept(ID).phase is Phase.AGREED
    assert desk.poll().agreed == [ID]


def test_a_firm_offer_stays_firm(old: OldTree, migration: Migration) -> None:
    two_sided(old, {"offer": offer(5.5)}, {"offer": offer(6, T0 + 9), "status": "agreed"})
    migration.checked()
    desk = desk_of(migration, NOW + 60)
    assert desk.party(ALICE).accept(ID).phase is Phase.AGREED


@pytest.mark.parametrize("silent", [ALICE, BOB])
@pytest.mark.parametrize("role", ["unknown", ...])
def test_a_missing_role_is_the_opposite_of_the_other(
    old: OldTree, migration: Migration, silent: str, role: Any
) -> None:
    gap = {"role": role}
    two_sided(old, gap if silent == ALICE else {}, gap if silent == BOB else {})
    migration.checked()
    assert the_one(migration).roles == {ALICE: Role.BUYER, BOB: Role.SELLER}


def test_one_side_alone_has_spoken(old: OldTree, migration: Migration) -> None:
    old.state(ALICE, ID, ALICE, status="agreed")
    old.link(BOB, ID, f"/somewhere/else/{ID}")
    migration.checked()
    found = the_one(migration)
    assert (found.responder, found.phase, found.turn) == (BOB, Phase.INITIATED, BOB)
    desk = desk_of(migration, NOW + 60)
    desk.party(BOB).accept(ID)
    assert desk.poll().agreed == [ID]


def test_what_was_agreed_and_not_executed_is_settled_by_the_next_poll(
    old: OldTree, migration: Migration
) -> None:
    # Days apart: the original knew no expiry.
    both = {"offer": offer(5.5), "status": "agreed"}
    late = {"offer": offer(5.50, T0 + 9 * DAY), "status": "agreed", "last_updated": T0 + 9 * DAY}
    two_sided(old, both, late)
    [note] = migration.plan().notes
    assert (note.path, note.text) == (PATH, "agreed, and not executed: the next poll settles it")
    migration.checked()
    assert the_one(migration).phase is Phase.AGREED
    report = desk_of(migration, NOW + 3600).poll()
    assert (report.agreed, report.problems) == ([ID], [])
    assert [len(party.transactions()) for party in desk_of(migration).parties()] == [1, 1]
    migration.verify().check()


def test_what_was_executed_is_archived_with_its_transactions(
    old: OldTree, migration: Migration
) -> None:
    both = {"offer": offer(5.5), "status": "agreed"}
    two_sided(old, both, both)
    old.book(ALICE, "1704312400_buy_C_from_bob")
    old.book(BOB, "1704312400_sell_C_to_alice", type="sell", counterparty=ALICE)
    migration.checked()
    found = the_one(migration)
    assert (found.phase, found.archived) == (Phase.AGREED, True)
    assert found.outcome is not None
    assert (found.outcome.at, found.outcome.transactions) == (1704312400, {})
    assert desk_of(migration).poll().agreed == []
    for party in desk_of(migration).parties():
        [(_, filed)] = party.transactions()
        assert (filed.settled, filed.negotiation_id) == (True, ID)


def test_what_was_executed_twice_is_carried_over_once(old: OldTree, migration: Migration) -> None:
    both = {"offer": offer(5.5), "status": "agreed"}
    two_sided(old, both, both)
    old.book(ALICE, "1704312400_buy_C_from_bob")
    again = old.book(ALICE, "1704312460_buy_C_from_bob", timestamp=1704312460)
    assert reasons(migration)[again].startswith(f"{ID} was executed before, at 1704312400")
    migration.checked()
    [(name, _)] = desk_of(migration).party(ALICE).transactions()
    assert name == "1704312400_buy_C_from_bob.json"


def test_what_was_executed_without_an_agreement_does_not_go_on(
    old: OldTree, migration: Migration
) -> None:
    two_sided(old, {"offer": offer(5.5)}, {"offer": offer(6)})
    old.book(ALICE, "1704312400_buy_C_from_bob")
    assert "its two states do not agree" in reasons(migration)[PATH]
    migration.checked()
    assert desk_of(migration).negotiations() == []
    assert len(desk_of(migration).party(ALICE).transactions()) == 1


@pytest.mark.parametrize(("who", "kind"), [("mine", Kind.REJECTED), ("theirs", Kind.WITHDRAWN)])
def test_what_was_ended_is_archived(
    old: OldTree, migration: Migration, who: str, kind: Kind
) -> None:
    states: dict[str, dict[str, Any]] = {
        "mine": {"offer": offer(5.5)},
        "theirs": {"offer": offer(6, T0 + 9)},
    }
    states[who] |= {"status": "rejected", "last_updated": T0 + 60}
    two_sided(old, **states)
    migration.checked()
    outcome = the_one(migration).outcome
    assert outcome is not None
    assert (outcome.outcome, outcome.at) == (kind, T0 + 60)
    assert outcome.by == (ALICE if who == "mine" else BOB)


def test_an_id_that_is_taken_gets_one_of_ours(old: OldTree, migration: Migration) -> None:
    mine = desk_of(migration, 1704312345).party(ALICE)
    assert mine.start(BOB, chemical="C", role="buyer", price=1, quantity=1).id == ID
    two_sided(old, {}, {})
    migration.checked()
    assert sorted(one.id for one in desk_of(migration).negotiations()) == [
        ID,
        f"alice_bob_C_{T0}",
    ]


def test_an_id_of_any_form_is_kept(old: OldTree, migration: Migration) -> None:
    for user, role in ((ALICE, "buyer"), (BOB, "seller")):
        old.state(ALICE, "Deal-7", user, role=role)
    old.link(BOB, "Deal-7", f"../../{ALICE}/negotiations/Deal-7")
    migration.checked()
    assert the_one(migration).id == "Deal-7"


@pytest.mark.parametrize(
    ("mine", "theirs", "reason"),
    [
        ({"role": ...}, {"role": ...}, "no state file says who buys and who sells"),
        ({}, {"role": "buyer"}, "both parties say that they are the buyer"),
        ({"chemical": "C"}, {"chemical": "N"}, "expected one chemical in its state files"),
        ({"chemical": "Xe"}, {"chemical": "Xe"}, "'Xe' is not traded in this data root"),
        ({"offer": ...}, {"offer": ...}, "nobody has made an offer in it"),
        ({"offer": ..., "status": "agreed"}, {}, "says agreed and has no offer"),
    ],
)
def test_what_leaves_open_who_trades_what_is_told(
    old: OldTree, migration: Migration, mine: dict[str, Any], theirs: dict[str, Any], reason: str
) -> None:
    two_sided(old, mine, theirs)
    assert reason in reasons(migration)[PATH]
    migration.checked()
    assert desk_of(migration).negotiations() == []


def test_empty_ones_and_strangers_are_told(old: OldTree, migration: Migration) -> None:
    two_sided(old, {}, {})
    stranger = old.state(ALICE, ID, CAROL)
    (old.root / "teams" / ALICE / "negotiations" / "alice_carol_C_1").mkdir()
    found = reasons(migration)
    assert "who is no party" in found[stranger]
    assert "an empty namespace" in found[f"teams/{ALICE}/negotiations/alice_carol_C_1"]
    migration.checked()
    assert the_one(migration).id == ID


def test_its_files_are_of_the_new_format(old: OldTree, migration: Migration) -> None:
    two_sided(old, {"status": "agreed"}, {"offer": ...})
    migration.checked()
    home = migration.root / PATH
    mine = json.loads((home / "alice_state.json").read_text())
    assert mine["schema"] == "nom.state/1"
    assert mine["legacy"] == {"id": ID, "generation": "L5", "updated": T0 + 1}
    assert (mine["created"], mine["last_updated"]) == (NOW, NOW)
    assert len(mine["agreement_key"]) == 64
    theirs = json.loads((home / "bob_state.json").read_text())
    assert (theirs["role"], theirs["revision"]) == ("seller", 0)
    assert "offer" not in theirs
