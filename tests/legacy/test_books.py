"""Profiles, transactions and standing orders, as the parties find them afterwards."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.legacy.support import DAY, NOW, Migration, reasons
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, T0, OldTree, trade_payload

from nom_negotiate import Desk, Filed, Listing
from nom_negotiate.market import close, listings, post


def desk_of(migration: Migration, at: int = NOW) -> Desk:
    return Desk(migration.root, clock=Clock(at))


def filed(migration: Migration, party: str) -> list[Filed]:
    return desk_of(migration).party(party).transactions()


# ------------------------------------------------------------------ profiles


def test_a_profile_keeps_its_name_and_its_time(old: OldTree, migration: Migration) -> None:
    old.init(ALICE, T0 - DAY)
    old.team_event(ALICE, T0, "update_profile", {"teamName": "Swift Fox"})
    migration.checked()
    profile = desk_of(migration).party(ALICE).profile
    assert profile is not None
    assert (profile.display_name, profile.created) == ("Swift Fox", T0 - DAY)


def test_whoever_is_only_mentioned_becomes_a_party_too(old: OldTree, migration: Migration) -> None:
    old.negotiation(responderName="Calm Otter")
    old.team_event(ALICE, T0 + 5, "add_transaction", trade_payload(counterparty=CAROL))
    migration.checked()
    profiles = {p.address: p.profile for p in desk_of(migration).parties()}
    assert list(profiles) == [ALICE, BOB, CAROL]
    bob, carol = profiles[BOB], profiles[CAROL]
    assert bob is not None
    assert carol is not None
    assert (bob.display_name, bob.created) == ("Calm Otter", T0)
    assert (carol.display_name, carol.created) == (CAROL, T0)


def test_a_time_that_no_profile_can_hold_is_cut(old: OldTree, migration: Migration) -> None:
    old.init(ALICE, createdAt=200_000_000_000)
    migration.checked()
    profile = desk_of(migration).party(ALICE).profile
    assert profile is not None
    assert profile.created == 10**11 - 1


def test_a_profile_that_is_there_stays_as_it_is(old: OldTree, migration: Migration) -> None:
    Desk(migration.root, clock=Clock(5)).add_party(ALICE, display_name="Mine")
    old.init(ALICE)
    migration.checked()
    profile = desk_of(migration).party(ALICE).profile
    assert profile is not None
    assert (profile.display_name, profile.created) == ("Mine", 5)
    migration.rollback()
    assert [party.address for party in desk_of(migration).parties()] == [ALICE]


def test_a_closed_root_is_no_hindrance_to_its_operator(old: OldTree, migration: Migration) -> None:
    desk = desk_of(migration)
    desk.initialise(type(desk.settings)(closed=True))
    old.negotiation()
    migration.checked()
    assert len(desk.parties()) == 2


# ------------------------------------------------------------------ transactions


def test_a_transaction_is_settled_and_says_what_it_was(old: OldTree, migration: Migration) -> None:
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1", negotiationId="neg_9"))
    migration.checked()
    [(name, found)] = filed(migration, ALICE)
    assert name == f"{T0}_buy_C_from_bob.json"
    assert (found.price, found.quantity) == (Decimal("8.15"), Decimal(169))
    assert found.counterparty == BOB
    assert (found.settled, found.negotiation_id, found.timestamp) == (True, "", T0)
    assert found.extra == {
        "legacy_id": "txn_1",
        "legacy": {"generation": "L3", "negotiation_id": "neg_9"},
    }


def test_it_names_its_negotiation_where_that_is_carried_over(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation("neg_9", status="accepted", acceptedBy=ALICE, acceptedAt=T0 + 60)
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1", negotiationId="neg_9"))
    migration.checked()
    [(_, found)] = filed(migration, ALICE)
    assert found.negotiation_id == f"alice_bob_C_{T0}"


def test_names_that_clash_get_a_number_and_nothing_is_overwritten(
    old: OldTree, migration: Migration
) -> None:
    for number in range(3):
        trade = trade_payload(f"txn_{number}", quantity=number + 1)
        old.team_event(ALICE, T0 + number / 10, "add_transaction", trade)
    mine = migration.root / "teams" / ALICE / "transactions" / f"{T0}_buy_C_from_bob_2.json"
    Desk(migration.root).add_party(ALICE)
    mine.write_text("mine")
    migration.checked()
    assert {one.name: one.transaction.quantity for one in filed(migration, ALICE)} == {
        f"{T0}_buy_C_from_bob.json": 1,
        f"{T0}_buy_C_from_bob_3.json": 2,
        f"{T0}_buy_C_from_bob_4.json": 3,
    }
    assert mine.read_text() == "mine"
    assert migration.run().added == {}


def test_trades_with_oneself_and_on_one_side_stay_as_they_are(
    old: OldTree, migration: Migration
) -> None:
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1", counterparty=ALICE))
    old.team_event(BOB, T0, "add_transaction", trade_payload("txn_2", counterparty=CAROL))
    migration.checked()
    assert [one.transaction.counterparty for one in filed(migration, ALICE)] == [ALICE]
    assert filed(migration, CAROL) == []
    [note] = migration.plan().notes
    assert note.text == "2 of 2 stand in one party's books only; carried as they are"


def test_both_sides_of_a_trade_share_its_id(old: OldTree, migration: Migration) -> None:
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1"))
    sale = trade_payload("txn_1", type="sell", counterparty=ALICE)
    old.team_event(BOB, T0, "add_transaction", sale)
    migration.checked()
    assert len(filed(migration, ALICE)) == len(filed(migration, BOB)) == 1
    assert migration.plan().notes == ()


def test_a_second_execution_is_told_and_not_carried_over(
    old: OldTree, migration: Migration
) -> None:
    paths = []
    for number in (1, 2):
        trade = trade_payload(f"txn_{number}", negotiationId="neg_9", timestamp=T0 + number)
        paths.append(old.team_event(ALICE, T0 + number, "add_transaction", trade))
    path = paths[1]
    assert reasons(migration)[path].startswith("neg_9 was executed before, at ")
    migration.checked()
    assert [one.transaction.extra["legacy_id"] for one in filed(migration, ALICE)] == ["txn_1"]


def test_old_one_sided_trades_do_not_spoil_the_balance(old: OldTree, migration: Migration) -> None:
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1"))
    migration.checked()
    clock = Clock(NOW)
    desk = Desk(migration.root, clock=clock)
    assert desk.stats().carried_over == 1
    assert (desk.stats().transactions, desk.stats().volumes) == (0, {})
    deal = desk.party(ALICE).start(BOB, chemical="C", role="buyer", price=2, quantity=3)
    clock.forward(60)
    desk.party(BOB).accept(deal.id)
    desk.poll()
    stats = desk.stats()
    assert (stats.carried_over, stats.transactions, stats.settled) == (1, 2, 0)
    assert stats.volumes["C"].bought == stats.volumes["C"].sold == 3
    assert stats.volumes["C"].conserved


def test_what_was_settled_here_counts_whatever_its_owner_notes_in_it(
    migration: Migration,
) -> None:
    clock = Clock(NOW)
    desk = Desk(migration.root, clock=clock)
    deal = desk.party(ALICE).start(BOB, chemical="C", role="buyer", price=2, quantity=3)
    clock.forward(60)
    desk.party(BOB).accept(deal.id)
    desk.poll()
    [(name, _)] = filed(migration, ALICE)
    path = migration.root / "teams" / ALICE / "transactions" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"legacy_id": "txn_1"}))
    assert desk.stats().carried_over == 0
    assert desk.stats().volumes["C"].conserved


# ------------------------------------------------------------------ standing orders


def test_orders_and_ads_become_listings_of_their_authors(
    old: OldTree, migration: Migration
) -> None:
    old.offer("offer_1", minPrice=0.56, quantity=59)
    wish = {"chemical": "C", "quantity": 7, "maxPrice": 3, "id": "buy_1", "buyerId": BOB}
    old.market_event(BOB, T0 + 1, "add_buy_order", wish | {"createdAt": T0, "sessionNumber": 4})
    ad = {"id": "ad_1", "teamId": BOB, "chemical": "Q", "type": "sell", "createdAt": T0 + 2}
    old.market_event(BOB, T0 + 2, "add_ad", ad)
    migration.checked()
    found = {one.id: one for one in listings(desk_of(migration))}
    assert {id: (one.user, one.type, one.price, one.quantity) for id, one in found.items()} == {
        "offer_1": (ALICE, "sell", Decimal("0.56"), 59),
        "buy_1": (BOB, "buy", 3, 7),
        "ad_1": (BOB, "sell", None, None),
    }
    assert found["buy_1"].extra == {
        "legacy_kind": "buy_order",
        "legacy": {"generation": "L3", "session": 4},
    }
    assert (found["ad_1"].created, found["ad_1"].extra["legacy_kind"]) == (T0 + 2, "ad")


def test_its_author_closes_a_listing_and_that_is_no_difference(
    old: OldTree, migration: Migration
) -> None:
    old.offer("offer_1")
    migration.checked()
    close(desk_of(migration).party(ALICE), "offer_1")
    migration.verify().check()
    assert migration.run().added == {}
    assert list(listings(desk_of(migration))) == []


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"chemical": "Xe"}, "'Xe' is not traded in this data root"),
        ({"id": "o" * 251}, "its id is too long for the name of a file"),
    ],
)
def test_an_order_that_cannot_become_ours_is_told(
    old: OldTree, migration: Migration, payload: dict[str, Any], reason: str
) -> None:
    path = old.offer("offer_1", **payload)
    old.offer("offer_2", at=T0 + 1)
    assert reasons(migration)[path].startswith(reason)
    migration.checked()
    assert [one.id for one in listings(desk_of(migration))] == ["offer_2"]


def test_an_id_that_is_taken_by_another_listing_is_told(old: OldTree, migration: Migration) -> None:
    desk = desk_of(migration)
    mine: Listing = post(desk.party(ALICE), side="buy", chemical="C")
    path = old.offer(mine.id)
    assert reasons(migration)[path] == "its id is taken by another listing of the same author"
    migration.checked()
    assert list(listings(desk)) == [mine]


def test_snapshots_are_carried_over_alike(old: OldTree, migration: Migration) -> None:
    home = f"teams/{ALICE}"
    old.put(f"{home}/profile.json", {"email": ALICE, "teamName": "Swift", "createdAt": T0})
    offer = {"id": f"offer_{T0}_aaaaaaaa", "chemical": "C", "quantity": 5, "minPrice": 2}
    old.put(f"{home}/offers_made.json", {"offers": [offer]})
    trade = {
        "transactionId": f"txn_{T0}_bbbbbbbb",
        "role": "seller",
        "chemical": "C",
        "quantity": 5,
        "pricePerGallon": 2.5,
        "counterparty": BOB,
    }
    old.put(f"{home}/transactions.json", {"transactions": [trade]})
    sides = {"sellerId": ALICE, "buyerId": BOB, "timestamp": T0 + 7}
    old.put("marketplace/completed_trades.json", {"trades": [trade | sides]})
    migration.checked()
    assert [one.id for one in listings(desk_of(migration))] == [offer["id"]]
    [(mine, sold)], [(theirs, bought)] = filed(migration, ALICE), filed(migration, BOB)
    assert (mine, theirs) == (f"{T0 + 7}_sell_C_to_bob.json", f"{T0 + 7}_buy_C_from_alice.json")
    assert sold.extra["legacy_id"] == bought.extra["legacy_id"] == trade["transactionId"]
    assert sold.timestamp == bought.timestamp == T0 + 7
