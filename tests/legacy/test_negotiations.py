"""What an old negotiation becomes: live with its whole history, or archived with its outcome."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.legacy.support import NOW, Migration, reasons
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, T0, OldTree, offer_record, trade_payload

from nom_negotiate import Desk, Kind, Limits, Phase, Settings, Status
from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.core.terms import Role
from nom_negotiate.store.files.installation import Installation, NewNamespace

ID = f"alice_bob_C_{T0}"


def desk_of(migration: Migration, at: int = NOW) -> Desk:
    return Desk(migration.root, clock=Clock(at))


def the_one(migration: Migration) -> Negotiation:
    desk = desk_of(migration)
    [found] = [*desk.negotiations(), *desk.archive()]
    return found


def raw(migration: Migration, who: str, name: str, room: str = "negotiations") -> Any:
    path = migration.root / "teams" / who / room / name
    return json.loads(path.read_text())


# ------------------------------------------------------------------ pending


def test_a_pending_negotiation_goes_on_with_its_whole_history(
    old: OldTree, migration: Migration
) -> None:
    offers = [
        offer_record(ALICE, 5.5, 100, T0),
        offer_record(BOB, 4, 90.5, T0 + 5),
        offer_record(ALICE, 5, 100, T0 + 9),
    ]
    old.negotiation(offers=offers, lastOfferBy=ALICE)
    migration.checked()

    found = the_one(migration)

    assert (found.id, found.phase, found.turn) == (ID, Phase.IN_PROGRESS, BOB)
    assert (found.initiator, found.responder) == (ALICE, BOB)
    assert (found.roles[ALICE], found.roles[BOB]) == (Role.SELLER, Role.BUYER)
    moves = [(m.by, m.round, m.price, m.quantity, m.at, m.firm) for m in found.moves]
    assert moves == [
        (ALICE, 1, Decimal("5.5"), Decimal(100), T0, False),
        (BOB, 2, Decimal(4), Decimal("90.5"), T0 + 5, False),
        (ALICE, 3, Decimal(5), Decimal(100), T0 + 9, True),
    ]


def test_its_files_say_what_it_was(old: OldTree, migration: Migration) -> None:
    old.negotiation("neg_7")
    migration.checked()
    alice = raw(migration, ALICE, f"{ID}/alice_state.json")
    bob = raw(migration, ALICE, f"{ID}/bob_state.json")
    assert alice["legacy"] == {
        "id": "neg_7",
        "generation": "L2",
        "session": 3,
        "created": T0,
        "updated": T0 + 5,
    }
    assert bob["legacy"] == {"id": "neg_7"}
    assert (alice["status"], bob["status"]) == ("pending", "agreed")
    assert "agreement_key" not in alice
    assert (alice["revision"], bob["revision"]) == (1, 1)
    link = migration.root / "teams" / BOB / "negotiations" / ID
    assert str(link.readlink()) == f"../../{ALICE}/negotiations/{ID}"


def test_the_latest_reaction_of_each_party_comes_with_it(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation("neg_7")
    for at, who, level in ((5, BOB, 20), (9, BOB, 80), (7, ALICE, 0), (8, CAROL, 50)):
        payload = {"negotiationId": "neg_7", "level": level}
        old.team_event(who, T0 + at, "add_reaction", payload)
    migration.checked()
    found = the_one(migration).reactions
    assert {party: (one.level, one.timestamp) for party, one in found.items()} == {
        ALICE: (0, T0 + 7),
        BOB: (80, T0 + 9),
    }


# ------------------------------------------------------------------ advertisements


def advertised(old: OldTree, ad: dict[str, Any], /, **changes: Any) -> None:
    """Leave an advertisement on the market, and alice's negotiation with bob that names it."""
    payload = {"id": "ad_1", "teamId": ALICE, "chemical": "C", "type": "sell", "createdAt": T0}
    old.market_event(str(payload["teamId"]), T0, "add_ad", payload | ad)
    database = old.database()
    database.negotiation(ad_id="ad_1", **changes)
    database.offer("neg_1", ALICE, 5.5, 100)


def test_one_that_came_from_its_initiators_advertisement_answers_that_listing(
    old: OldTree, migration: Migration
) -> None:
    advertised(old, {})
    migration.checked()
    assert the_one(migration).listing == "ad_1"
    for name in ("alice", "bob"):
        state = raw(migration, ALICE, f"{ID}/{name}_state.json")
        assert (state["listing"], "ad_id" in state["legacy"]) == ("ad_1", False)
    desk = desk_of(migration, NOW + 60)
    desk.party(BOB).accept(ID)
    assert desk.poll().agreed == [ID]
    for party in (ALICE, BOB):
        assert [filed.transaction.listing for filed in desk.party(party).transactions()] == ["ad_1"]
    [row] = desk.listings()
    assert (row.listing.id, row.left, row.stands) == ("ad_1", None, True)


def test_an_ended_one_names_the_advertisement_and_takes_nothing_from_it(
    old: OldTree, migration: Migration
) -> None:
    advertised(old, {}, status="accepted", accepted_by=BOB, accepted_at=T0 + 9)
    migration.checked()
    found = the_one(migration)
    assert found.outcome is not None
    assert (found.listing, found.outcome.listing, found.archived) == ("ad_1", "ad_1", True)
    desk = desk_of(migration)
    assert [desk.party(party).transactions() for party in (ALICE, BOB)] == [[], []]


@pytest.mark.parametrize(
    "ad",
    [{"teamId": BOB}, {"type": "buy"}, {"chemical": "N"}, {"status": "closed"}, {"id": "ad_2"}],
    ids=str,
)
def test_an_advertisement_that_is_no_listing_of_the_initiators_stays_a_note(
    old: OldTree, migration: Migration, ad: dict[str, Any]
) -> None:
    """In our own format it is always the author of a listing who is the initiator."""
    advertised(old, ad)
    migration.checked()
    assert the_one(migration).listing is None
    assert raw(migration, ALICE, f"{ID}/alice_state.json")["legacy"]["ad_id"] == "ad_1"
    assert raw(migration, ALICE, f"{ID}/bob_state.json")["legacy"] == {"id": "neg_1"}


def test_what_cannot_name_an_advertisement_names_none(old: OldTree, migration: Migration) -> None:
    database = old.database()
    database.negotiation(ad_id="../ad 1")
    database.offer("neg_1", ALICE, 5.5, 100)
    migration.checked()
    assert "ad_id" not in raw(migration, ALICE, f"{ID}/alice_state.json")["legacy"]


def test_the_advertisement_is_taken_from_the_generation_that_names_it(
    old: OldTree, migration: Migration
) -> None:
    """The negotiation file was written last, and knows no advertisements."""
    advertised(old, {})
    old.negotiation(updatedAt=T0 + 99)
    migration.checked()
    found = the_one(migration)
    assert (found.listing, len(found.moves)) == ("ad_1", 2)


def test_deals_of_old_take_nothing_from_what_an_old_order_says_is_left(
    old: OldTree, migration: Migration
) -> None:
    old.offer("offer_1", quantity=59)
    sold = trade_payload(type="sell", chemical="N", quantity=40, offerId="offer_1")
    old.team_event(ALICE, T0 + 9, "add_transaction", sold)
    migration.checked()
    desk = desk_of(migration)
    assert len(desk.party(ALICE).transactions()) == 1
    [row] = desk.listings()
    assert (row.listing.id, row.left) == ("offer_1", Decimal(59))


# ------------------------------------------------------------------ who has spoken


def test_who_never_offered_has_a_file_without_an_offer(old: OldTree, migration: Migration) -> None:
    old.negotiation(offers=[offer_record(ALICE, 5.5, 100, T0)], lastOfferBy=ALICE)
    migration.checked()
    bob = raw(migration, ALICE, f"{ID}/bob_state.json")
    assert "offer" not in bob
    assert (bob["status"], bob["revision"], bob["history"]) == ("pending", 0, [])
    found = the_one(migration)
    assert (found.phase, found.turn) == (Phase.INITIATED, BOB)
    desk = desk_of(migration, NOW + 60)
    assert desk.party(BOB).accept(ID).phase is Phase.AGREED
    assert desk.poll().agreed == [ID]


def test_an_initiator_may_never_have_offered(old: OldTree, migration: Migration) -> None:
    old.negotiation(offers=[offer_record(BOB, 5.5, 100, T0)])
    migration.checked()
    found = the_one(migration)
    assert (found.phase, found.turn, found.created) == (Phase.INITIATED, ALICE, NOW)
    desk = desk_of(migration, NOW + 60)
    desk.party(ALICE).accept(ID)
    assert desk.poll().agreed == [ID]


def test_its_clock_starts_at_the_migration_and_its_limits_are_those_of_the_root(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation()
    limits = Limits(idle_s=7 * 3600, life_s=9 * 3600)
    Desk(migration.root).initialise(Settings(limits=limits))
    migration.checked()
    found = the_one(migration)
    assert (found.created, found.expires_at, found.limits) == (NOW, NOW + 7 * 3600, limits)
    assert desk_of(migration, NOW + 6 * 3600).poll().active == [ID]
    assert desk_of(migration, NOW + 8 * 3600).poll().expired == [ID]
    migration.verify().check()


def test_two_old_offers_of_the_same_terms_are_no_agreement(
    old: OldTree, migration: Migration
) -> None:
    offers = [
        offer_record(ALICE, 5, 100, T0),
        offer_record(BOB, 5, 100, T0 + 1),
        offer_record(ALICE, 5, 100, T0 + 2),
    ]
    old.negotiation(offers=offers, lastOfferBy=ALICE)
    migration.checked()
    assert desk_of(migration).poll().active == [ID]
    assert the_one(migration).turn == BOB


def test_offers_that_did_not_alternate_keep_their_order(old: OldTree, migration: Migration) -> None:
    offers = [
        offer_record(ALICE, 5, 100, T0 + 9),
        offer_record(ALICE, 6, 100, T0),
        offer_record(BOB, 4, 100, T0 + 2),
    ]
    old.negotiation(offers=offers)
    migration.checked()
    assert [(m.by, m.round, str(m.price)) for m in the_one(migration).moves] == [
        (ALICE, 1, "5"),
        (ALICE, 2, "6"),
        (BOB, 3, "4"),
    ]


def test_two_of_one_pair_over_one_chemical_are_both_carried_over(
    old: OldTree, migration: Migration
) -> None:
    for name in ("neg_b", "neg_a", "neg_c"):
        old.negotiation(name)
    migration.checked()
    desk = desk_of(migration)
    ids = {one.id: raw(migration, ALICE, f"{one.id}/bob_state.json") for one in desk.negotiations()}
    # The same second: the order of their old ids decides, so that it is always the same.
    assert {id: state["legacy"]["id"] for id, state in ids.items()} == {
        ID: "neg_a",
        f"alice_bob_C_{T0 + 1}": "neg_b",
        f"alice_bob_C_{T0 + 2}": "neg_c",
    }


def test_an_id_that_is_taken_in_the_data_root_moves_on(old: OldTree, migration: Migration) -> None:
    old.negotiation()
    mine = Desk(migration.root, clock=Clock(T0)).party(ALICE)
    assert mine.start(BOB, chemical="C", role="seller", price=1, quantity=1).id == ID
    before = migration.tree
    migration.checked()
    assert {name: entry for name, entry in migration.tree.items() if name in before} == before
    assert sorted(n.id for n in desk_of(migration, T0).negotiations()) == [
        ID,
        f"alice_bob_C_{T0 + 1}",
    ]


def test_people_of_the_same_short_name_keep_apart(old: OldTree, migration: Migration) -> None:
    other = "alice@example.edu"
    offers = [offer_record(ALICE, 5.5, 100, T0)]
    old.negotiation("neg_1", responderId=other, offers=offers, lastOfferBy=ALICE)
    offers = [offer_record(other, 5.5, 100, T0)]
    old.negotiation("neg_2", initiatorId=other, responderId=ALICE, offers=offers, lastOfferBy=other)
    migration.checked()
    desk = desk_of(migration)
    assert [one.id for one in desk.party(ALICE).negotiations()] == [
        f"alice_alice_C_{T0}",
        f"alice_alice_C_{T0 + 1}",
    ]
    assert [one.turn for one in desk.party(other).negotiations()] == [other, ALICE]


def test_both_may_act_in_one_and_the_same_second(old: OldTree, migration: Migration) -> None:
    old.negotiation()
    migration.checked()
    desk = desk_of(migration, NOW + 60)
    desk.party(ALICE).offer(ID, price=3, quantity=50)
    assert desk.party(BOB).accept(ID).phase is Phase.AGREED


def test_an_offer_from_a_clock_that_was_ahead_can_still_be_accepted(
    old: OldTree, migration: Migration
) -> None:
    ahead = NOW + 3600
    offers = [offer_record(ALICE, 5, 100, NOW - 60), offer_record(BOB, 4, 90, ahead)]
    old.negotiation(offers=offers, createdAt=NOW - 60, updatedAt=ahead)
    migration.checked()
    desk = desk_of(migration, NOW + 60)
    [found] = desk.negotiations()
    assert (found.created, found.turn) == (ahead, ALICE)
    desk.party(ALICE).accept(found.id)
    assert desk.poll().agreed == [found.id]


# ------------------------------------------------------------------ closed


def test_an_accepted_one_is_archived_as_agreed_and_stands_for_no_new_transactions(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation(status="accepted", acceptedBy=ALICE, acceptedAt=T0 + 60)
    migration.checked()
    found = the_one(migration)
    assert (found.id, found.phase, found.archived) == (ID, Phase.AGREED, True)
    assert found.outcome is not None
    assert found.outcome.deal is not None
    deal = found.outcome.deal
    assert (deal.buyer, deal.seller) == (BOB, ALICE)
    assert (deal.price, deal.quantity) == (Decimal(4), Decimal("90.5"))
    assert (found.outcome.at, found.outcome.transactions) == (T0 + 60, {})
    assert found.moves[-1].accepts
    assert (found.moves[-1].by, found.moves[-1].at) == (ALICE, T0 + 60)
    desk = desk_of(migration)
    assert desk.poll().agreed == []
    assert [party.transactions() for party in desk.parties()] == [[], []]
    assert [one.id for one in desk.party(BOB).negotiations(archived=True)] == [ID]


def test_a_rejected_one_is_archived_with_who_and_why(old: OldTree, migration: Migration) -> None:
    closing: Any = {"rejectedBy": ALICE, "rejectedAt": T0 + 60, "rejection_reason": "too\nlow"}
    old.negotiation(status="rejected", **closing)
    migration.checked()
    outcome = the_one(migration).outcome
    assert outcome is not None
    assert (outcome.outcome, outcome.by, outcome.reason) == (Kind.REJECTED, ALICE, "too\nlow")
    assert (outcome.at, outcome.deal) == (T0 + 60, None)
    store = migration.store
    [place] = store.namespaces(archived=True)
    snapshot = store.snapshot(place)
    assert snapshot is not None
    assert snapshot.states[ALICE].status is Status.REJECTED
    assert {party: basis.sha256 for party, basis in outcome.states.items()} == snapshot.digests


def test_one_that_the_old_program_ended_itself_is_rejected_by_nobody(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation(status="rejected", rejectedBy="system", rejectedAt=T0 + 60)
    migration.checked()
    outcome = the_one(migration).outcome
    assert outcome is not None
    assert (outcome.outcome, outcome.by) == (Kind.REJECTED, None)
    assert outcome.reason == "the old program ended it and noted no reason"


def test_a_closed_one_is_never_to_be_seen_among_the_active(
    old: OldTree, migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.negotiation(status="accepted", acceptedBy=ALICE, acceptedAt=T0 + 60)
    seen = []
    move = Installation.add_namespace

    def moved(self: Installation, new: NewNamespace) -> bool:
        # A poller that runs before and after.
        seen.append(desk_of(migration).poll())
        added = move(self, new)
        seen.append(desk_of(migration).poll())
        return added

    monkeypatch.setattr(Installation, "add_namespace", moved)
    migration.run()
    assert len(seen) == 2
    assert all(not (report.active or report.agreed or report.problems) for report in seen)
    migration.verify().check()


# ------------------------------------------------------------------ L4 and L1


def test_a_database_is_carried_over_alike(old: OldTree, migration: Migration) -> None:
    database = old.database()
    database.negotiation("neg_1", last_offer_by=BOB)
    database.offer("neg_1", ALICE, 5.5, 100.0)
    database.offer("neg_1", BOB, 0.1 + 0.2, 90.5, T0 + 5)
    database.negotiation("neg_2", status="rejected", rejected_by=BOB, rejected_at=T0 + 9)
    database.offer("neg_2", ALICE, 5.5, 100.0)
    migration.checked()
    desk = desk_of(migration)
    [live], [ended] = desk.negotiations(), desk.archive()
    assert (live.id, live.turn, live.offers[1].price) == (ID, ALICE, Decimal("0.3"))
    assert ended.id == f"alice_bob_C_{T0 + 1}"
    assert raw(migration, ALICE, f"{ID}/alice_state.json")["legacy"]["generation"] == "L4"


# ------------------------------------------------------------------ what cannot become ours


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"responderId": ALICE, "offers": [], "lastOfferBy": None}, "negotiated with itself"),
        ({"offers": [], "lastOfferBy": None}, "nobody has made an offer"),
        ({"offers": [], "lastOfferBy": None, "status": "rejected"}, "nobody has made an offer"),
        ({"chemical": "X"}, "'X' is not traded in this data root"),
        ({"chemical": "X", "status": "accepted"}, "'X' is not traded in this data root"),
        ({"lastOfferBy": ALICE}, "whose turn it is cannot be told"),
        ({"offers": [offer_record(BOB, -1, 5, T0)]}, "price must be 0 or more"),
        ({"offers": [offer_record(BOB, 1, 0, T0)]}, "quantity must be greater than 0"),
        (
            {"offers": [offer_record(BOB, 1, 1, T0 + n) for n in range(6000)]},
            "expected a record of at most 262144 bytes",
        ),
    ],
)
def test_what_cannot_become_ours_is_told_and_stops_nothing_else(
    old: OldTree, migration: Migration, changes: dict[str, Any], reason: str
) -> None:
    path = old.negotiation("neg_bad", **changes)
    good = [offer_record(ALICE, 5, 1, T0)]
    old.negotiation("neg_good", responderId=CAROL, offers=good, lastOfferBy=ALICE)
    assert reason in reasons(migration)[path]
    migration.checked()
    assert the_one(migration).responder == CAROL


def test_what_was_left_out_for_its_chemical_comes_once_that_is_traded(
    old: OldTree, migration: Migration
) -> None:
    old.negotiation(chemical="Xe")
    migration.checked()
    assert desk_of(migration).negotiations() == []
    Desk(migration.root).initialise(Settings(chemicals=("C", "Xe")))
    migration.checked()
    assert the_one(migration).chemical == "Xe"
