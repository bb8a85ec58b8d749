"""An address or an id that tries to leave the data root goes nowhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.legacy.support import Migration, reasons, tree_of
from tests.unit.legacy_fixtures import ALICE, BOB, T0, OldTree, offer_record, trade_payload

from nom_negotiate.errors import InputError
from nom_negotiate.legacy import journal
from nom_negotiate.legacy.journal import MadeFile, MadeNamespace, MadeParty

EVIL = "../../../evil@x.edu"


def everything_outside(migration: Migration) -> Any:
    """Return what lies around the source and the data root, and in them but not of ours."""
    top = migration.root.parent
    return {
        name: entry
        for name, entry in tree_of(top, but="").items()
        if not name.startswith(migration.root.name)
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"initiatorId": EVIL, "lastOfferBy": EVIL, "offers": [offer_record(EVIL, 1, 1, T0)]},
        {"responderId": "/etc/passwd@x"},
        {"responderId": "..\\..\\evil@x.edu"},
        {"id": "../../../neg_1"},
        {"id": "/neg_1"},
        {"id": ".hidden"},
        {"chemical": "../../C"},
        {"chemical": "/"},
    ],
)
def test_a_negotiation_that_leads_out_is_told(
    old: OldTree, migration: Migration, changes: dict[str, Any]
) -> None:
    path = old.negotiation("neg_1", file="neg_evil", **changes)
    before = everything_outside(migration)
    assert path in reasons(migration)
    migration.checked()
    assert everything_outside(migration) == before
    assert migration.plan().negotiations == ()


@pytest.mark.parametrize("id", ["../../x", "a/b", ".", "..", "x\0y", "\u202ex"])
def test_a_listing_or_a_transaction_that_leads_out_is_told(
    old: OldTree, migration: Migration, id: str
) -> None:
    old.market_event(ALICE, T0, "add_offer", {"id": id, "chemical": "C", "quantity": 1})
    old.team_event(ALICE, T0, "add_transaction", trade_payload(id))
    old.team_event(ALICE, T0 + 1, "add_transaction", trade_payload(counterparty=EVIL))
    old.team_event(ALICE, T0 + 2, "add_transaction", trade_payload("t", chemical="../C"))
    before = everything_outside(migration)
    migration.checked()
    assert everything_outside(migration) == before
    plan = migration.plan()
    assert (plan.transactions, plan.listings) == ((), ())
    assert len(plan.left) == 4


def test_an_address_made_of_dots_has_a_directory_like_any_other(
    old: OldTree, migration: Migration
) -> None:
    dots = "..@x.edu"
    offers = [offer_record(dots, 1, 1, T0)]
    old.negotiation(initiatorId=dots, offers=offers, lastOfferBy=dots)
    migration.checked()
    assert sorted(os.listdir(migration.root / "teams")) == ["%2E.@x.edu", BOB]
    [planned] = migration.plan().negotiations
    assert planned.place.id == f"%2E._bob_C_{T0}"


def test_a_link_in_the_data_root_is_not_followed(
    old: OldTree, migration: Migration, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (migration.root / "teams" / ALICE).mkdir(parents=True)
    (migration.root / "teams" / ALICE / "listings").symlink_to(outside)
    old.negotiation()
    old.offer("offer_1")
    old.offer("offer_2", at=T0 + 1, team=BOB)
    migration.run()
    assert os.listdir(outside) == []
    said = {left.reason for left in migration.plan().left}
    assert said == {f"teams/{ALICE}/listings is a symbolic link; not followed"}
    assert [one.owner for one in migration.plan().listings] == [BOB]


@pytest.mark.parametrize(
    "line",
    [
        MadeFile(party=ALICE, room="..", name="x.json", sha256="", key="k"),
        MadeFile(party=ALICE, room="listings", name="../../x.json", sha256="", key="k"),
        MadeNamespace(
            id="../x", initiator=ALICE, responder=BOB, archived=False, files={}, legacy_id="n"
        ),
        MadeParty(party=ALICE, whole=True, rooms=("../..",)),
    ],
)
def test_a_journal_that_leads_out_is_not_obeyed(line: journal.Line) -> None:
    begin = journal.Begin(at=1, source="/old")
    found = journal.decode(journal.encode([begin, line]))
    assert found.damaged == 1
    assert found.things == {"/old": {}}
    assert found.parties == {}


def test_the_names_in_a_journal_are_checked_by_the_rules_for_names() -> None:
    evil = MadeParty(party="nobody", whole=True)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        journal._checked(evil)
