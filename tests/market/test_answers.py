"""Whoever answers a listing starts a negotiation in which its author is the initiator."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.support import ALICE, BOB, CAROL, DAY, HOUR, NOON, Clock

from nom_negotiate import (
    Desk,
    InputError,
    Kind,
    Listing,
    NotFound,
    Party,
    Phase,
    Problem,
    RuleViolation,
    Settings,
    Store,
    market,
)
from nom_negotiate.core.identity import Address, parse_address
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.state import Limits, PartyState


def snapshot(store: Store, party: str, negotiation_id: str) -> Snapshot:
    place = store.find(parse_address(party), negotiation_id)
    assert place is not None
    found = store.snapshot(place)
    assert found is not None
    return found


def state(store: Store, negotiation_id: str, party: str) -> PartyState:
    return snapshot(store, party, negotiation_id).states[parse_address(party)]


def test_the_author_is_the_initiator_and_whoever_answers_speaks_first(
    store: Store, alice: Party, bob: Party, posted: Listing
) -> None:
    deal = market.respond(bob, ALICE, posted.id)
    assert deal.id == f"alice_bob_C_{NOON}"
    assert (deal.initiator, deal.responder) == (ALICE, BOB)
    assert (deal.buyer, deal.seller) == (BOB, ALICE)
    assert (deal.listing, deal.phase, deal.turn) == (posted.id, Phase.INITIATED, ALICE)
    [offer] = deal.offers
    assert (offer.by, offer.firm) == (BOB, True)
    assert (offer.price, offer.quantity) == (Decimal("5.5"), Decimal(100))
    # The author has written nothing, and both find it.
    assert set(snapshot(store, ALICE, deal.id).states) == {BOB}
    assert alice.negotiations() == bob.negotiations() == [deal]


def test_a_listing_to_buy_is_answered_by_who_sells(bob: Party, carol: Party) -> None:
    wanted = market.post(bob, side="buy", chemical="N", price=3, quantity=7)
    deal = market.respond(carol, BOB, wanted.id, price="3.5", quantity=2, firm=False)
    assert (deal.buyer, deal.seller, deal.initiator) == (BOB, CAROL, BOB)
    [offer] = deal.offers
    assert (offer.price, offer.quantity, offer.firm) == (Decimal("3.5"), Decimal(2), False)


def test_an_answer_says_terms_in_words_that_bind_as_in_any_offer(
    desk: Desk, alice: Party, bob: Party, posted: Listing
) -> None:
    words: dict[str, Any] = {
        "delivery": "FOB Rotterdam",
        "payment": "30 days net",
        "quality": "99.9 % pure",
    }
    deal = market.respond(bob, ALICE, posted.id, **words)
    assert refusal(bob, ALICE, posted.id, delivery=" FOB", again=True) == "invalid_text"
    assert deal.offers[0].terms.conditions == words
    alice.accept(deal.id)
    desk.poll()
    for party in (alice, bob):
        [filed] = party.transactions()
        assert {name: getattr(filed.transaction, name) for name in words} == words


def test_they_haggle_and_the_listing_stands_in_all_that_is_written(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing
) -> None:
    deal = market.respond(bob, ALICE, posted.id, price=5, message="is it fresh?")
    alice.offer(deal.id, price="5.25", quantity=40)
    assert bob.accept(deal.id).phase is Phase.AGREED
    assert state(store, deal.id, ALICE).listing == state(store, deal.id, BOB).listing == posted.id
    assert desk.poll().agreed == [deal.id]
    outcome = alice.negotiation(deal.id).outcome
    assert outcome is not None
    assert (outcome.listing, outcome.initiator) == (posted.id, ALICE)
    for party, side in ((alice, "sell"), (bob, "buy")):
        [filed] = party.transactions()
        assert filed.transaction.listing == posted.id
        assert filed.transaction.type == side
        assert filed.transaction.quantity == 40


def test_the_listing_is_no_part_of_the_agreement_key(
    desk: Desk, alice: Party, bob: Party, posted: Listing
) -> None:
    """A client of the author that knows no listings makes the same key, and agrees."""
    deal = market.respond(bob, ALICE, posted.id)
    accepted = alice.accept(deal.id)
    assert accepted.phase is Phase.AGREED
    place = desk.store.find(parse_address(ALICE), deal.id)
    assert place is not None
    found = desk.store.snapshot(place)
    assert found is not None
    mine = found.states[parse_address(ALICE)]
    with desk.store.writer(parse_address(ALICE)) as pen:
        pen.write(place, msgspec.structs.replace(mine, listing=None))
    assert desk.poll().agreed == [deal.id]
    # Its own word counts: it did not count the deal against its listing.
    [row] = desk.listings()
    assert row.left == 100


def test_the_author_may_reject_and_the_other_withdraw(
    desk: Desk, alice: Party, bob: Party, carol: Party, posted: Listing
) -> None:
    one = market.respond(bob, ALICE, posted.id)
    other = market.respond(carol, ALICE, posted.id)
    alice.reject(one.id, reason="sold out")
    carol.withdraw(other.id)
    report = desk.poll()
    assert (report.rejected, report.withdrawn) == ([one.id], [other.id])
    [row] = desk.listings()
    assert row.left == 100


def test_an_answer_that_nobody_answers_expires(
    desk: Desk, bob: Party, posted: Listing, clock: Clock
) -> None:
    deal = market.respond(bob, ALICE, posted.id, idle_s=HOUR)
    assert deal.expires_at == NOON + HOUR
    assert desk.poll().active == [deal.id]
    clock.forward(HOUR + 1)
    assert desk.poll().expired == [deal.id]
    [ended] = desk.archive()
    assert (ended.listing, ended.responder) == (posted.id, BOB)


def test_how_long_it_may_last_is_said_by_who_began_and_then_by_both(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing, clock: Clock
) -> None:
    deal = market.respond(bob, ALICE, posted.id, idle_s=2 * DAY, life_s=3 * DAY, max_rounds=3)
    # What the root says changes nothing in what has begun.
    desk.initialise(Settings(limits=Limits(idle_s=1, life_s=1)))
    clock.forward(DAY)
    assert bob.negotiation(deal.id).limits == Limits(idle_s=2 * DAY, life_s=3 * DAY, max_rounds=3)
    after = alice.offer(deal.id, price=6, quantity=1)
    assert (after.created, after.expires_at) == (NOON, NOON + 3 * DAY)
    mine = state(store, deal.id, ALICE)
    assert (mine.created, mine.limits) == (NOON, after.limits)
    assert mine.limits == Limits(idle_s=2 * DAY, life_s=3 * DAY, max_rounds=3)


def test_a_second_answer_of_the_same_pair_is_refused_unless_asked_for(
    alice: Party, bob: Party, posted: Listing
) -> None:
    first = market.respond(bob, ALICE, posted.id)
    with pytest.raises(RuleViolation, match=f"{first.id} with {ALICE} over C is still open"):
        market.respond(bob, ALICE, posted.id)
    with pytest.raises(RuleViolation, match="is still open"):
        alice.start(BOB, chemical="C", role="seller", price=1, quantity=1)
    second = market.respond(bob, ALICE, posted.id, again=True)
    assert second.id == f"alice_bob_C_{NOON + 1}"


def test_an_answer_and_a_start_of_one_second_have_two_ids(
    alice: Party, bob: Party, posted: Listing
) -> None:
    started = alice.start(BOB, chemical="C", role="seller", price=1, quantity=1)
    answer = market.respond(bob, ALICE, posted.id, again=True)
    assert (started.id, answer.id) == (f"alice_bob_C_{NOON}", f"alice_bob_C_{NOON + 1}")
    assert (started.listing, answer.listing) == (None, posted.id)


def test_parties_of_the_same_short_name_answer_each_other(desk: Desk, posted: Listing) -> None:
    other = desk.party("alice@elsewhere.edu")
    deal = market.respond(other, ALICE, posted.id)
    assert (deal.initiator, deal.responder) == (ALICE, other.address)
    desk.party(ALICE).accept(deal.id)
    assert desk.poll().agreed == [deal.id]


def refusal(party: Party, author: str, listing_id: str, **said: Any) -> str:
    with pytest.raises((RuleViolation, NotFound, InputError)) as refused:
        market.respond(party, author, listing_id, **said)
    return refused.value.code


def test_what_a_listing_does_not_ask_for_is_refused(
    alice: Party, bob: Party, posted: Listing
) -> None:
    assert refusal(alice, ALICE, posted.id) == "self_negotiation"
    assert refusal(bob, ALICE, "1_sell_C") == "unknown_listing"
    assert refusal(bob, CAROL, posted.id) == "unknown_listing"
    assert refusal(bob, ALICE, "../1") == "invalid_id"
    assert refusal(bob, ALICE, "") == "invalid_id"
    assert refusal(bob, ALICE, "x" * 251) == "invalid_id"
    assert refusal(bob, "alice", posted.id) == "invalid_address"
    assert refusal(bob, ALICE, posted.id, quantity="100.5") == "not_listed"
    assert refusal(bob, ALICE, posted.id, price="-1") == "invalid_number"
    for role, chemical in (("seller", "C"), ("buyer", "N")):
        with pytest.raises(RuleViolation, match="nobody can") as refused:
            bob.start(ALICE, chemical=chemical, role=role, price=1, quantity=1, listing=posted.id)
        assert refused.value.code == "not_listed"
    market.close(alice, posted.id)
    assert refusal(bob, ALICE, posted.id) == "listing_closed"
    assert bob.negotiations() == []


def test_what_a_listing_leaves_open_is_to_be_said(alice: Party, bob: Party) -> None:
    vague = market.post(alice, side="sell", chemical="D")
    assert refusal(bob, ALICE, vague.id) == "missing_terms"
    assert refusal(bob, ALICE, vague.id, price=1) == "missing_terms"
    deal = market.respond(bob, ALICE, vague.id, price=1, quantity=10**6)
    assert deal.offers[0].quantity == 10**6


def test_somebody_new_is_admitted_by_answering_unless_the_root_is_closed(
    desk: Desk, posted: Listing
) -> None:
    market.respond(desk.party("dave@stonybrook.edu"), ALICE, posted.id)
    desk.initialise(Settings(closed=True))
    assert refusal(desk.party("eve@stonybrook.edu"), ALICE, posted.id) == "closed_root"


# What a counterparty cannot do


def rewrite(store: Store, negotiation_id: str, party: Address, **changes: Any) -> None:
    place = store.find(party, negotiation_id)
    assert place is not None
    found = store.snapshot(place)
    assert found is not None
    with store.writer(party) as pen:
        pen.write(place, msgspec.structs.replace(found.states[party], **changes))


def test_nobody_counts_a_deal_against_the_listing_of_another(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing
) -> None:
    deal = alice.start(BOB, chemical="C", role="seller", price=6, quantity=60)
    bob.accept(deal.id)
    rewrite(store, deal.id, bob.address, listing=posted.id)
    assert desk.poll().agreed == [deal.id]
    outcome = alice.negotiation(deal.id).outcome
    assert outcome is not None
    assert outcome.listing is None
    [row] = desk.listings()
    assert row.left == 100


def test_nobody_takes_back_that_a_deal_counts(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing
) -> None:
    deal = market.respond(bob, ALICE, posted.id, quantity=60)
    alice.accept(deal.id)
    rewrite(store, deal.id, bob.address, listing=None)
    assert desk.poll().agreed == [deal.id]
    [row] = desk.listings()
    assert row.left == 40


def test_a_listing_of_that_id_on_the_other_side_of_a_trade_is_another_one(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing
) -> None:
    """Ids are each author's own."""
    same = market.post(bob, side="sell", chemical="C", price=1, quantity=100)
    assert same.id == posted.id
    deal = market.respond(alice, BOB, same.id, quantity=30)
    bob.accept(deal.id)
    desk.poll()
    left = {row.listing.user: row.left for row in desk.listings()}
    assert left == {ALICE: 100, BOB: 70}


def test_a_rejection_is_kept_with_its_listing_and_takes_nothing(
    desk: Desk, alice: Party, bob: Party, posted: Listing
) -> None:
    deal = market.respond(bob, ALICE, posted.id)
    alice.reject(deal.id)
    desk.poll()
    [ended] = desk.archive()
    assert ended.outcome is not None
    assert (ended.outcome.outcome, ended.outcome.listing) == (Kind.REJECTED, posted.id)


def test_nothing_is_reported_of_an_answer(desk: Desk, bob: Party, posted: Listing) -> None:
    market.respond(bob, ALICE, posted.id)
    problems: list[Problem] = desk.poll(scan=True).problems
    assert problems == []
