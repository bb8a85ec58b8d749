"""Over every store: one step of an autopilot, and when it takes none."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any

import pytest
from tests.autopilot.playing import play
from tests.support import ALICE, BOB, DAY, NOON, Clock

from nom_negotiate import (
    Conflict,
    Desk,
    InputError,
    NotFound,
    Party,
    Phase,
    RuleViolation,
    Store,
    market,
)
from nom_negotiate.autopilot import Pilots, Step, setting, step, turn_off, turn_on
from nom_negotiate.core.identity import parse_address
from nom_negotiate.preferences import clear_preferences, preferences, set_preferences
from nom_negotiate.suggestion import consider

ID = f"alice_bob_C_{NOON}"


def begin(alice: Party, bob: Party, *, price: str = "3", **more: Any) -> None:
    """Let alice, who pays at most 7, offer bob, who takes at least 4, to buy 800 of C."""
    options: dict[str, Any] = {"price": price, "quantity": 800, **more}
    alice.start(BOB, chemical="C", role="buyer", **options)
    wants(alice, "7")
    wants(bob, "4")


def wants(party: Party, limit: str, **more: Any) -> None:
    options: dict[str, Any] = {"target_quantity": 800, "salt": "salt", **more}
    set_preferences(party, negotiation_id=ID, reservation_price=limit, **options)


# Two of them


@pytest.mark.parametrize("cap", [None, 2, 3, 4, 5, 9, 10])
def test_two_whose_limits_overlap_reach_a_deal_within_both(
    desk: Desk, alice: Party, bob: Party, cap: int | None
) -> None:
    begin(alice, bob, max_rounds=cap)
    turn_on(alice, ID)
    turn_on(bob, ID)
    said = play(desk)
    outcome = alice.negotiation(ID).outcome
    assert outcome is not None
    assert outcome.deal is not None
    assert Decimal(4) <= outcome.deal.price <= Decimal(7)
    assert said[-1].action == "accept"
    assert len(alice.transactions()) == len(bob.transactions()) == 1


@pytest.mark.parametrize("cap", [None, 2, 3, 6, 7])
def test_two_whose_limits_do_not_overlap_end_in_a_rejection(
    desk: Desk, alice: Party, bob: Party, cap: int | None
) -> None:
    begin(alice, bob, max_rounds=cap)
    wants(bob, "7.01")
    turn_on(alice, ID)
    turn_on(bob, ID)
    said = play(desk)
    seen = alice.negotiation(ID)
    assert seen.phase is Phase.REJECTED
    assert seen.outcome is not None
    assert seen.outcome.reason is None
    for done in said:
        if done.terms is not None:
            price = done.terms.price
            assert price <= 7 if done.party == ALICE else price >= Decimal("7.01")
    assert alice.transactions() == bob.transactions() == []


def test_a_pass_after_which_a_process_dies_costs_nothing(
    desk: Desk, alice: Party, bob: Party
) -> None:
    begin(alice, bob)
    turn_on(alice, ID)
    turn_on(bob, ID)
    for _ in range(60):
        # As a new process each time: nothing is remembered but what stands in the store.
        Pilots(desk, every_s=1e9).follow(desk.poll())
    desk.poll()
    assert alice.negotiation(ID).phase is Phase.AGREED


# When it says nothing


def test_nothing_is_said_while_it_is_off_or_not_its_turn(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    assert step(bob, ID) is None
    turn_on(alice, ID)
    assert step(alice, ID) is None
    assert len(alice.negotiation(ID).moves) == 1


def test_once_it_was_turned_off_nothing_more_is_said(
    alice: Party, bob: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(alice, bob)
    turn_on(bob, ID)

    def and_then_it_is_off(*arguments: Any, **more: Any) -> Any:
        found = consider(*arguments, **more)
        assert turn_off(bob, ID)
        return found

    monkeypatch.setattr("nom_negotiate.autopilot.consider", and_then_it_is_off)
    assert step(bob, ID) is None
    assert len(alice.negotiation(ID).moves) == 1
    assert not turn_off(bob, ID)


def test_an_offer_that_it_has_not_seen_is_not_answered(
    alice: Party, bob: Party, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(alice, bob, valid_until=NOON + 5)
    turn_on(bob, ID)
    clock.forward(10)

    def and_then_she_offers_more(*arguments: Any, **more: Any) -> Any:
        found = consider(*arguments, **more)
        alice.offer(ID, price="6.9", quantity=800)
        return found

    monkeypatch.setattr("nom_negotiate.autopilot.consider", and_then_she_offers_more)
    with pytest.raises(Conflict):
        step(bob, ID)
    assert [move.by for move in bob.negotiation(ID).moves] == [ALICE, ALICE]


def test_an_offer_that_has_lapsed_is_not_accepted(alice: Party, bob: Party, clock: Clock) -> None:
    begin(alice, bob, price="6.9", valid_until=NOON + 5)
    wants(bob, "4", target_price="6.5")
    turn_on(bob, ID, auto_accept=True)
    clock.forward(10)
    found = bob.suggest(ID)
    assert (found.action, found.price) == ("counter", Decimal("6.9"))
    assert found.acceptance < 1
    assert "can no longer be accepted" in found.reasons[1]
    done = step(bob, ID)
    assert done is not None
    assert done.action == "counter"


def test_without_preferences_it_waits(desk: Desk, alice: Party, bob: Party) -> None:
    begin(alice, bob)
    turn_on(bob, ID)
    assert clear_preferences(bob, negotiation_id=ID)
    told: list[str] = []
    pilots = Pilots(desk, every_s=0, notice=told.append)
    for _ in range(3):
        pilots.look_through()
    assert told == [f"the autopilot of {BOB} in {ID} waits: no_preferences"]
    assert len(alice.negotiation(ID).moves) == 1


def test_it_is_not_turned_on_without_preferences(alice: Party, bob: Party) -> None:
    alice.start(BOB, chemical="C", role="buyer", price=3, quantity=800)
    with pytest.raises(NotFound):
        turn_on(bob, ID)
    wants(bob, "4")
    with pytest.raises(NotFound, match="target price"):
        turn_on(bob, ID, auto_accept=True)
    assert setting(bob, ID) is None


# What it never does


@pytest.mark.parametrize(
    ("action", "price", "quantity"),
    [
        ("counter", "3.99999", "800"),
        ("counter", "5", "1601"),
        ("accept", "3", "800"),
        ("counter", "0", "1"),
    ],
)
def test_whatever_is_suggested_it_stays_within_the_limits(
    alice: Party,
    bob: Party,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    price: str,
    quantity: str,
) -> None:
    begin(alice, bob)
    turn_on(bob, ID)

    def foul(*arguments: Any, **more: Any) -> Any:
        found = consider(*arguments, **more)
        return dataclasses.replace(
            found, action=action, price=Decimal(price), quantity=Decimal(quantity)
        )

    monkeypatch.setattr("nom_negotiate.autopilot.consider", foul)
    done = step(bob, ID)
    assert done is not None
    assert done.action == "end"
    assert alice.negotiation(ID).phase is Phase.REJECTED


def test_it_makes_no_offer_beyond_its_rounds(desk: Desk, alice: Party, bob: Party) -> None:
    begin(alice, bob, price="1")
    turn_on(bob, ID, max_rounds=4)
    for price in ("1.1", "1.2"):
        assert step(bob, ID) is not None
        alice.offer(ID, price=price, quantity=800)
    done = step(bob, ID)
    assert done is not None
    assert (done.action, alice.negotiation(ID).round) == ("end", 5)


def test_in_its_last_round_it_accepts_what_is_better_than_no_deal(alice: Party, bob: Party) -> None:
    begin(alice, bob, price="4.1")
    turn_on(bob, ID, max_rounds=1)
    done = step(bob, ID)
    assert done is not None
    assert done.action == "accept"


# Terms in words


def test_what_an_offer_says_in_words_is_left_to_a_person(
    desk: Desk, alice: Party, bob: Party
) -> None:
    begin(alice, bob, price="6.9", delivery="you fetch it")
    turn_on(bob, ID)
    told: list[str] = []
    said: list[Step] = []
    pilots = Pilots(desk, every_s=0, notice=told.append, on_step=said.append)
    for _ in range(3):
        pilots.look_through()
    assert said == []
    assert told == [
        f"the autopilot of {BOB} in {ID} waits for a person: the offer on the table speaks of"
        " delivery, payment or quality"
    ]
    assert len(alice.negotiation(ID).moves) == 1
    assert bob.suggest(ID).reasons[-1] == (
        "The offer on the table also speaks of delivery: judge that yourself."
    )


def test_what_its_party_has_offered_in_words_itself_it_keeps_to(
    desk: Desk, alice: Party, bob: Party
) -> None:
    begin(alice, bob, delivery="you fetch it")
    bob.offer(ID, price=9, quantity=800, delivery="you fetch it")
    turn_on(alice, ID)
    turn_on(bob, ID)
    play(desk)
    outcome = alice.negotiation(ID).outcome
    assert outcome is not None
    assert outcome.deal is not None
    assert outcome.deal.delivery == "you fetch it"


# To accept at once


@pytest.mark.parametrize(
    ("price", "quantity", "action"),
    [("5.7", "720", "accept"), ("5.69", "720", "counter"), ("5.7", "719", "counter")],
)
def test_what_comes_near_the_target_is_accepted_at_once_where_that_is_asked_for(
    alice: Party, bob: Party, price: str, quantity: str, action: str
) -> None:
    alice.start(BOB, chemical="C", role="buyer", price=price, quantity=quantity)
    wants(bob, "4", target_price="6")
    turn_on(bob, ID, auto_accept=True)
    done = step(bob, ID)
    assert done is not None
    assert done.action == action


# The private room


def test_the_narrower_preferences_count(alice: Party, bob: Party) -> None:
    alice.start(BOB, chemical="C", role="buyer", price=3, quantity=800)
    options: dict[str, Any] = {"chemical": "C", "role": "seller", "target_quantity": 800}
    set_preferences(bob, reservation_price="2", **options)
    turn_on(bob, ID, max_rounds=1)
    wants(bob, "4")
    done = step(bob, ID)
    assert done is not None
    assert done.action == "end"
    assert [held.negotiation_id for held in preferences(bob)] == [None, ID]


def test_what_was_kept_for_a_negotiation_goes_when_it_is_archived(
    desk: Desk, alice: Party, bob: Party, store: Store
) -> None:
    begin(alice, bob)
    options: dict[str, Any] = {"chemical": "C", "role": "seller", "target_quantity": 800}
    set_preferences(bob, reservation_price="2", **options)
    turn_on(alice, ID)
    turn_on(bob, ID)
    play(desk)
    Pilots(desk, every_s=0).look_through()
    assert store.private_names(parse_address(ALICE)) == []
    assert store.private_names(parse_address(BOB)) == ["C.seller"]


def test_a_broken_record_stops_nobody_and_is_not_quoted(
    desk: Desk, alice: Party, bob: Party, store: Store
) -> None:
    begin(alice, bob)
    turn_on(bob, ID)
    other = f"alice_bob_N_{NOON}"
    alice.start(BOB, chemical="N", role="buyer", price=3, quantity=800)
    set_preferences(bob, negotiation_id=other, reservation_price=4, target_quantity=800)
    turn_on(bob, other)
    told: list[str] = []
    with store.writer(parse_address(BOB)) as pen:
        pen.write_private(f"{ID}.preferences", b'{"reservation_price": -4.3217}')
    Pilots(desk, every_s=0, notice=told.append).look_through()
    [line] = told
    assert ID in line
    assert "4.3217" not in line
    assert len(alice.negotiation(ID).moves) == 1
    assert len(alice.negotiation(other).moves) == 2


def test_only_one_party_is_negotiated_for_where_that_is_asked(
    desk: Desk, alice: Party, bob: Party
) -> None:
    begin(alice, bob)
    turn_on(bob, ID)
    Pilots(desk, only=parse_address(ALICE), every_s=0).follow(desk.poll())
    assert len(alice.negotiation(ID).moves) == 1
    Pilots(desk, only=parse_address(BOB), every_s=0).follow(desk.poll())
    assert len(alice.negotiation(ID).moves) == 2


def test_it_is_noticed_by_a_pass_as_soon_as_it_is_turned_on(
    desk: Desk, alice: Party, bob: Party
) -> None:
    begin(alice, bob)
    pilots = Pilots(desk, every_s=1e9)
    pilots.follow(desk.poll())
    turn_on(bob, ID)
    pilots.follow(desk.poll())
    assert len(alice.negotiation(ID).moves) == 2


# Suggestions


def test_a_suggestion_writes_nothing_and_says_why(alice: Party, bob: Party, desk: Desk) -> None:
    begin(alice, bob)
    before = alice.negotiation(ID)
    found = bob.suggest(ID)
    assert alice.negotiation(ID) == before
    assert (found.action, found.round, found.market) == ("counter", 1, None)
    assert found.terms is not None
    assert found.terms.price > 4
    assert 2 <= len(found.reasons) <= 3
    with pytest.raises(RuleViolation, match="your own offer"):
        alice.suggest(ID)


def test_a_target_price_is_where_it_begins(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    wants(bob, "4", target_price="9")
    assert bob.suggest(ID).price == 9


def test_the_first_offer_does_not_tell_the_limit(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    first = set()
    for number in range(8):
        wants(bob, "4", salt=f"salt {number}")
        price = bob.suggest(ID).price
        assert price is not None
        assert Decimal("5.2") <= price <= Decimal("6.8")
        first.add(price)
    assert len(first) > 4


def test_each_preferences_have_a_secret_of_their_own(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    salts = {
        set_preferences(bob, negotiation_id=ID, reservation_price="4", target_quantity=800).salt
        for _ in range(3)
    }
    assert len(salts) == 3
    with pytest.raises(InputError, match="salt must have 1 to 64 characters"):
        wants(bob, "4", salt="")


def test_slow_offers_leave_time_for_few_more(alice: Party, bob: Party, clock: Clock) -> None:
    begin(alice, bob, price="4.2")
    assert bob.suggest(ID).offers_left == 39
    clock.forward(0.9 * DAY)
    bob.offer(ID, price=9, quantity=800)
    clock.forward(0.9 * DAY)
    alice.offer(ID, price="4.3", quantity=800)
    found = bob.suggest(ID)
    assert found.offers_left == 1


def test_the_market_price_is_the_median_of_deals_and_of_listings_of_others(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    for number, price in enumerate(("5", "6", "20")):
        clock.forward(1)
        deal = alice.start(
            "carol@x.edu", chemical="C", role="buyer", price=price, quantity=1, again=True
        )
        desk.party("carol@x.edu").accept(deal.id)
        assert desk.poll().agreed, number
    post(desk, "dave@x.edu", "5.5")
    post(desk, "dave@x.edu", "99", chemical="N")
    clock.now = NOON
    begin(alice, bob)
    wants(bob, "4", target_price="6")
    found = bob.suggest(ID)
    assert found.market is not None
    assert (found.market.median, found.market.transactions, found.market.listings) == (
        Decimal("5.75"),
        3,
        1,
    )
    assert (found.market.low, found.market.high) == (Decimal("5.375"), Decimal("9.5"))
    assert found.price is not None
    assert found.over_market == pytest.approx(float(found.price) / 5.75 - 1)
    assert found.reasons[-1] == (
        f"The price is {found.over_market:.1%} above the market price of 5.75, the median of 3"
        " settled deals and 1 listing, half of them from 5.375 to 9.5."
    )


def post(desk: Desk, who: str, price: str | None, *, chemical: str = "C") -> str:
    party = desk.party(who)
    return market.post(party, side="sell", chemical=chemical, price=price, quantity=1).id


def test_neither_of_the_two_who_negotiate_makes_the_market_price(
    desk: Desk, alice: Party, bob: Party
) -> None:
    begin(alice, bob)
    post(desk, ALICE, "0.01")
    post(desk, BOB, "99")
    assert bob.suggest(ID).market is None
    post(desk, "dave@x.edu", "5")
    found = bob.suggest(ID).market
    assert found is not None
    assert {found.median, found.low, found.high} == {Decimal(5)}
    assert found.listings == 1


def test_whoever_posts_many_listings_counts_once_with_the_last_that_stands(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    begin(alice, bob)
    for who, price in (("dave@x.edu", "5"), ("erin@x.edu", "6"), ("mallory@x.edu", "7")):
        post(desk, who, price)
    for _ in range(60):
        clock.forward(1)
        post(desk, "mallory@x.edu", "99")
    clock.forward(1)
    market.close(desk.party("mallory@x.edu"), post(desk, "mallory@x.edu", "98"))
    clock.forward(1)
    post(desk, "mallory@x.edu", None)
    found = bob.suggest(ID).market
    assert found is not None
    assert (found.median, found.high, found.listings) == (Decimal(6), Decimal("52.5"), 3)


def test_the_autopilots_of_one_run_look_at_the_market_once_in_a_while(
    desk: Desk, alice: Party, bob: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    monkeypatch.setattr(
        "nom_negotiate.autopilot.market_around", lambda party, seen: looks.append(seen.id)
    )
    monkeypatch.setattr("nom_negotiate.autopilot.MARKET_S", 1e9)
    begin(alice, bob)
    turn_on(alice, ID)
    turn_on(bob, ID)
    assert len(play(desk)) > 10
    assert looks == [ID]


def test_only_the_last_deals_over_a_chemical_count_and_each_once(
    desk: Desk, alice: Party, bob: Party, clock: Clock, store: Store
) -> None:
    for chemical, price in (("C", 5), ("C", 6), ("N", 7), ("C", 8)):
        clock.forward(1)
        deal = alice.start(BOB, chemical=chemical, role="buyer", price=price, quantity=1)
        bob.accept(deal.id)
        assert desk.poll().agreed == [deal.id]
    assert [each.price for each in store.recent_transactions("C", 2)] == [8, 6]
    assert [each.price for each in store.recent_transactions("C", 9)] == [8, 6, 5]
    assert store.recent_transactions("Q", 9) == []
