"""What two states mean together: moves, turn, phase, and when an agreement counts."""

from __future__ import annotations

from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    HOUR,
    LIMITS,
    Table,
    arbitrary_states,
    blank,
    offer,
    original,
    snapshot,
)

from nom_negotiate.core import negotiation as negotiation_module
from nom_negotiate.core import rules
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Negotiation, Phase, Snapshot, view
from nom_negotiate.core.outcome import Kind
from nom_negotiate.core.state import Limits, PartyState, Status
from nom_negotiate.core.terms import Role

DAY = 24 * HOUR


def seen(*states: PartyState, now: int = 100, **about: Any) -> Negotiation:
    return view(snapshot(*states, **about), now, LIMITS)


def said(negotiation: Negotiation) -> list[tuple[Address, int, str, bool]]:
    """Return who said what in which round, oldest first."""
    return [(m.by, m.round, str(m.price), m.accepts) for m in negotiation.moves]


# Phases


def test_the_phase_says_how_far_it_has_come() -> None:
    table = Table().offer(ALICE)
    assert table.view().phase is Phase.INITIATED
    assert table.offer(BOB, 6).view().phase is Phase.IN_PROGRESS
    assert table.accept(ALICE).view().phase is Phase.AGREED
    assert Table().offer(ALICE).reject(BOB).view().phase is Phase.REJECTED
    assert Table().offer(ALICE).withdraw(ALICE).view().phase is Phase.WITHDRAWN
    assert Table().offer(ALICE).view(2 * DAY).phase is Phase.EXPIRED


def test_a_message_is_a_word_and_makes_a_dialogue() -> None:
    table = Table().offer(ALICE).say(BOB, "too dear")
    assert table.view().phase is Phase.IN_PROGRESS
    assert table.view().turn == BOB


def test_a_state_without_a_word_is_no_answer() -> None:
    table = Table().offer(ALICE).write(blank(BOB, ALICE, Role.SELLER))
    assert table.view().phase is Phase.INITIATED


@pytest.mark.parametrize("phase", Phase)
def test_only_the_first_two_phases_are_open(phase: Phase) -> None:
    assert phase.open == (phase in (Phase.INITIATED, Phase.IN_PROGRESS))


def test_an_outcome_stands_whatever_the_states_say() -> None:
    table = Table().offer(ALICE).reject(BOB)
    outcome = table.poll()
    accepted = Table().offer(ALICE).accept(BOB)
    late = msgspec.structs.replace(accepted.snapshot, outcome=outcome)
    assert view(late, 100, LIMITS).phase is Phase.REJECTED


# Moves and turn


def test_the_offers_of_both_sides_are_told_oldest_first() -> None:
    table = Table().offer(ALICE, 5).offer(BOB, 7, at=1).offer(ALICE, 6, at=2).accept(BOB, at=3)
    negotiation = table.view()
    assert said(negotiation) == [
        (ALICE, 1, "5", False),
        (BOB, 2, "7", False),
        (ALICE, 3, "6", False),
        (BOB, 3, "6", True),
    ]
    assert [move.round for move in negotiation.offers] == [1, 2, 3]
    assert negotiation.round == 3
    assert negotiation.revisions == {ALICE: 2, BOB: 2}
    assert (negotiation.buyer, negotiation.seller) == (ALICE, BOB)


def test_rounds_tell_the_order_where_the_clocks_of_the_parties_do_not() -> None:
    # Bob's host is a minute behind.
    bob = blank(BOB, ALICE, Role.SELLER).offering(offer(7, at=40, round=2), Status.AGREED, 40)
    table = Table().offer(ALICE, 5, at=100).write(bob)
    assert [move.by for move in table.view().moves] == [ALICE, BOB]
    assert table.view().turn == ALICE


def test_who_moved_last_waits() -> None:
    table = Table().offer(ALICE, firm=False)
    assert table.view().turn == BOB
    assert table.accept(BOB).view().turn == ALICE
    assert table.say(BOB).view().turn == ALICE
    assert table.accept(ALICE).view().turn is None


def test_whether_an_offer_was_firm_is_kept() -> None:
    table = Table().offer(ALICE, 5, firm=False).offer(BOB, 7).offer(ALICE, 6, firm=True)
    assert [move.firm for move in table.view().moves] == [False, True, True]


def test_messages_of_both_are_told_in_the_order_of_time() -> None:
    table = Table().offer(ALICE).say(BOB, "two", at=5).say(ALICE, "one", at=3).say(BOB, "3", at=9)
    assert [(m.by, m.text) for m in table.view().messages] == [
        (ALICE, "one"),
        (BOB, "two"),
        (BOB, "3"),
    ]


def test_a_role_that_one_side_leaves_open_follows_from_the_other() -> None:
    unsure, sure = original(ALICE, role="unknown"), original(BOB, role="seller", at=1)
    assert seen(unsure, sure).roles == {ALICE: Role.BUYER, BOB: Role.SELLER}
    assert seen(unsure).roles == {ALICE: None, BOB: None}
    assert seen(original(ALICE, role="buyer")).roles == {ALICE: Role.BUYER, BOB: Role.SELLER}


def test_an_acceptance_copied_in_the_same_second_comes_after_what_it_accepts() -> None:
    # A program that answers by copying the offer, round and time stamp included, and sets
    # the status: it has accepted, and it is the other's turn to confirm.
    for initiator, other in ((ALICE, BOB), (BOB, ALICE)):
        indicative = blank(initiator, other, Role.BUYER).offering(offer(at=5), Status.PENDING, 5)
        copied = blank(other, initiator, Role.SELLER).offering(offer(at=5), Status.AGREED, 5)
        negotiation = seen(indicative, copied)
        assert said(negotiation) == [(initiator, 1, "5.5", False), (other, 1, "5.5", True)]
        assert negotiation.turn == initiator


def test_an_acceptance_comes_after_its_round_whatever_the_clocks_say() -> None:
    bob = blank(BOB, ALICE, Role.SELLER).offering(offer(at=40, accepts=True), Status.AGREED, 40)
    for firm in (True, False):
        table = Table().offer(ALICE, firm=firm, at=100).write(bob)
        assert [move.by for move in table.view().moves] == [ALICE, BOB]
        assert table.view().turn == (None if firm else ALICE)


# Odd states


def test_a_namespace_without_a_word_means_nothing() -> None:
    negotiation = seen()
    assert negotiation.moves == ()
    assert negotiation.turn is None
    assert negotiation.agreed_at is None


def test_a_state_of_the_responder_alone_is_a_negotiation() -> None:
    bob = blank(BOB, ALICE, Role.SELLER).offering(offer(at=50), Status.AGREED, 50)
    negotiation = seen(bob)
    assert (negotiation.phase, negotiation.turn) == (Phase.INITIATED, ALICE)
    assert negotiation.created == 50
    assert negotiation.limits == LIMITS
    assert negotiation.roles == {ALICE: Role.BUYER, BOB: Role.SELLER}


def test_a_history_without_an_offer_is_what_was_said() -> None:
    alice = blank(ALICE, BOB, Role.BUYER).offering(offer(5), Status.AGREED, 0)
    alice = alice.offering(offer(6, round=3), Status.AGREED, 1)
    emptied = msgspec.structs.replace(alice, offer=None, status=Status.PENDING, agreement_key=None)
    assert said(seen(emptied)) == [(ALICE, 1, "5", False)]


def test_two_offers_of_one_round_are_both_told() -> None:
    bob = blank(BOB, ALICE, Role.SELLER).offering(offer(7, at=1, round=1), Status.AGREED, 1)
    table = Table().offer(ALICE, 5).write(bob)
    assert said(table.view()) == [(ALICE, 1, "5", False), (BOB, 1, "7", False)]


other_states = arbitrary_states(user=BOB, other=ALICE)


@given(
    st.lists(arbitrary_states(), max_size=1),
    st.lists(other_states, max_size=1),
    st.integers(0, 10**11),
    st.booleans(),
    st.booleans(),
)
def test_whatever_two_files_say_it_has_one_meaning(
    mine: list[PartyState], theirs: list[PartyState], now: int, known: bool, decidable: bool
) -> None:
    held = snapshot(*mine, *theirs, responder=BOB if known or theirs else None, decidable=decidable)
    negotiation = view(held, now, LIMITS)
    outcome = decide(held, now, LIMITS)
    for party in (ALICE, BOB):
        rules.standing(negotiation, party, now)
    if not held.as_of(now).decidable or not held.states:
        assert outcome is None
        return
    assert (outcome is None) == negotiation.phase.open
    if outcome is None:
        return
    assert outcome.outcome.value == negotiation.phase.value
    if outcome.deal is None:
        return
    keys = {s.agreement_key for s in held.states.values()}
    assert keys == {outcome.deal.agreement_key}
    assert {outcome.deal.buyer, outcome.deal.seller} == {ALICE, BOB}
    for state in held.states.values():
        assert state.status is Status.AGREED
        assert state.offer is not None
        assert state.offer.terms == mine[0].offer.terms  # type: ignore[union-attr]


@st.composite
def committed(draw: st.DrawFn, user: Address, other: Address, role: Role) -> PartyState:
    """Return a state that is agreed to the usual terms, its rounds and times close to others'."""
    near = st.integers(0, 9)
    said = [
        offer(5, at=draw(near), round=draw(st.none() | st.integers(1, 3)), accepts=draw(booleans))
        for _ in range(draw(st.integers(0, 2)))
    ]
    state = blank(user, other, role)
    for each in said:
        state = state.offering(each, draw(st.sampled_from([Status.AGREED, Status.PENDING])), 0)
    last = offer(at=draw(near), round=draw(st.none() | st.integers(1, 3)), accepts=draw(booleans))
    state = state.offering(last, Status.AGREED, draw(near))
    return msgspec.structs.replace(state, schema=draw(st.sampled_from([None, state.schema])))


booleans = st.booleans()


@given(
    committed(ALICE, BOB, Role.BUYER),
    committed(BOB, ALICE, Role.SELLER),
    st.booleans(),
    st.integers(1, 9),
)
def test_who_agreed_later_is_who_made_the_last_move(
    alice: PartyState, bob: PartyState, first: bool, idle_s: int
) -> None:
    alice = msgspec.structs.replace(alice, created=0, limits=Limits(idle_s=idle_s))
    held = snapshot(*((alice, bob) if first else (bob, alice)))
    with mock.patch.object(negotiation_module, "_accepts_last", return_value=False):
        by_the_moves = view(held, 100, LIMITS)
    assert view(held, 100, LIMITS) == by_the_moves


# The original format


def test_time_gives_the_rounds_where_nobody_counted_them() -> None:
    negotiation = seen(
        original(ALICE, price=5, at=10), original(BOB, role="seller", price=7, at=20)
    )
    assert said(negotiation) == [(ALICE, 1, "5", False), (BOB, 2, "7", False)]
    assert negotiation.turn == ALICE


def test_the_same_terms_agreed_by_the_other_side_are_an_acceptance() -> None:
    for status in ("pending", "agreed"):
        alice = original(ALICE, at=10, status=status)
        bob = original(BOB, role="seller", at=20, status="agreed")
        negotiation = seen(alice, bob)
        assert said(negotiation) == [(ALICE, 1, "5.5", False), (BOB, 1, "5.5", True)]
        assert negotiation.agreed_at == (20 if status == "agreed" else None)


@pytest.mark.parametrize("initiator", [ALICE, BOB])
def test_an_acceptance_that_copies_the_time_of_the_offer_is_the_later_word(
    initiator: Address,
) -> None:
    # The copy carries the time of what it copies; `last_updated` says when it was written.
    bob = original(BOB, role="seller", at=10, status="pending")
    alice = original(ALICE, at=10, status="agreed", last_updated=30)
    responder = BOB if initiator == ALICE else ALICE
    negotiation = seen(alice, bob, initiator=initiator, responder=responder)
    assert said(negotiation) == [(BOB, 1, "5.5", False), (ALICE, 1, "5.5", True)]
    assert negotiation.turn == BOB
    assert negotiation.moves[-1].at == 30


@pytest.mark.parametrize("initiator", [ALICE, BOB])
def test_a_copied_acceptance_in_the_very_second_of_the_offer_is_the_later_word(
    initiator: Address,
) -> None:
    bob = original(BOB, role="seller", at=10, status="pending")
    alice = original(ALICE, at=10, status="agreed")
    responder = BOB if initiator == ALICE else ALICE
    negotiation = seen(alice, bob, initiator=initiator, responder=responder)
    assert said(negotiation) == [(BOB, 1, "5.5", False), (ALICE, 1, "5.5", True)]
    assert negotiation.turn == BOB


def test_terms_that_differ_are_no_acceptance() -> None:
    alice = original(ALICE, price=5, at=10, status="agreed")
    bob = original(BOB, role="seller", price=7, at=20, status="agreed")
    negotiation = seen(alice, bob)
    assert said(negotiation) == [(ALICE, 1, "5", False), (BOB, 2, "7", False)]
    assert negotiation.phase is Phase.IN_PROGRESS


@pytest.mark.parametrize(("alice", "bob"), [(10, 20), (20, 10), (10, 10)])
def test_two_agreed_files_of_one_price_are_a_deal_in_whichever_order(alice: int, bob: int) -> None:
    negotiation = seen(
        original(ALICE, at=alice, status="agreed"),
        original(BOB, role="seller", at=bob, status="agreed"),
    )
    assert negotiation.phase is Phase.AGREED
    assert negotiation.agreed_at == max(alice, bob)


@pytest.mark.parametrize("initiator", [ALICE, BOB])
@pytest.mark.parametrize("copied_at", [10, 30])
def test_rejecting_a_copy_of_the_offer_is_a_rejection(initiator: Address, copied_at: int) -> None:
    # The original's client wrote the terms that it turned down into its own file.
    bob = original(BOB, role="seller", at=10, status="agreed")
    alice = original(ALICE, at=copied_at, status="rejected", last_updated=30)
    responder = BOB if initiator == ALICE else ALICE
    held = snapshot(alice, bob, initiator=initiator, responder=responder)
    assert view(held, 40, LIMITS).phase is Phase.REJECTED
    assert [move.by for move in view(held, 40, LIMITS).moves] == [BOB]


def test_rejecting_ones_own_last_offer_is_a_withdrawal() -> None:
    bob = original(BOB, role="seller", price=7, at=10)
    alice = original(ALICE, price=5, at=20, status="rejected", last_updated=30)
    assert seen(alice, bob).phase is Phase.WITHDRAWN
    assert seen(alice).phase is Phase.WITHDRAWN


def test_ours_and_the_original_format_understand_each_other() -> None:
    # Alice's program is the original, bob's is ours.
    alice = original(ALICE, price=5, at=10, status="agreed")
    bob = blank(BOB, ALICE, Role.SELLER).offering(offer(7, at=20, round=2), Status.AGREED, 20)
    assert said(seen(alice, bob)) == [(ALICE, 1, "5", False), (BOB, 2, "7", False)]
    # Alice's program keeps no history: her next offer replaces the first.
    alice = original(ALICE, price=6, at=30, status="agreed")
    negotiation = seen(alice, bob)
    assert said(negotiation) == [(BOB, 2, "7", False), (ALICE, 3, "6", False)]
    bob = bob.offering(offer(6, at=40, round=3, accepts=True), Status.AGREED, 40)
    negotiation = seen(alice, bob)
    assert said(negotiation)[-1] == (BOB, 3, "6", True)
    assert negotiation.agreed_at == 40


@pytest.mark.parametrize("initiator", [ALICE, BOB])
def test_an_answer_in_the_very_second_of_an_offer_without_a_round_comes_after_it(
    initiator: Address,
) -> None:
    # Alice's program is ours, bob's is the original. Her rounds say that she has seen his offer.
    alice = blank(ALICE, BOB, Role.BUYER).offering(offer(5, at=10, round=1), Status.AGREED, 10)
    bob = original(BOB, role="seller", price=7, at=10)
    other = BOB if initiator == ALICE else ALICE
    parties: dict[str, Any] = {"initiator": initiator, "responder": other}
    crossed = seen(alice, bob, **parties)
    assert said(crossed) == [(ALICE, 1, "5", False), (BOB, 2, "7", False)]
    alice = alice.offering(offer(6, at=10, round=3), Status.AGREED, 10)
    answered = seen(alice, bob, **parties)
    assert said(answered)[1:] == [(BOB, 2, "7", False), (ALICE, 3, "6", False)]
    assert answered.turn == BOB


def test_a_party_that_comes_over_from_the_original_format_keeps_its_offer() -> None:
    alice = msgspec.structs.replace(
        original(ALICE, price=5, at=10, status="agreed"), counterparty=BOB
    )
    bob = original(BOB, role="seller", price=7, at=20, status="agreed")
    negotiation = seen(alice, bob)
    alice = alice.offering(offer(6, at=30, round=negotiation.round + 1), Status.AGREED, 30)
    assert said(seen(alice, bob)) == [
        (ALICE, 1, "5", False),
        (BOB, 2, "7", False),
        (ALICE, 3, "6", False),
    ]


def test_an_acceptance_of_the_original_format_stays_one_when_its_author_comes_over() -> None:
    alice = blank(ALICE, BOB, Role.BUYER).offering(offer(at=10, valid_until=20), Status.PENDING, 10)
    copied = original(BOB, role="seller", at=10, status="agreed", last_updated=30)
    bob = msgspec.structs.replace(copied, counterparty=ALICE).saying("hello", 40)
    negotiation = seen(alice, bob)
    assert said(negotiation) == [(ALICE, 1, "5.5", False), (BOB, 1, "5.5", True)]
    # It was written in the second 30, whatever time it copied: too late.
    assert negotiation.moves[-1].at == 30
    firm = alice.offering(offer(at=10, valid_until=20), Status.AGREED, 10)
    assert seen(firm, bob).agreed_at is None


def test_an_original_client_that_keeps_fields_it_does_not_know_still_counts_by_time() -> None:
    # It copied our offer whole, its round included.
    bob = blank(BOB, ALICE, Role.SELLER).offering(offer(7, at=20, round=2), Status.PENDING, 20)
    copied = {"price": 7, "quantity": 1000, "timestamp": 20, "round": 2}
    alice = original(ALICE, offer=copied, status="agreed", last_updated=30)
    negotiation = seen(alice, bob)
    assert said(negotiation) == [(BOB, 2, "7", False), (ALICE, 2, "7", True)]
    assert negotiation.turn == BOB
    # And this one changed the price in its copy.
    alice = original(ALICE, offer=copied | {"price": 6}, status="agreed", last_updated=30)
    assert said(seen(alice, bob)) == [(BOB, 2, "7", False), (ALICE, 3, "6", False)]


# When an agreement counts


def agreement(at: int, limits: Limits = LIMITS, **offered: Any) -> Table:
    """Return a table at which bob's program accepts in that second, whatever the rules say."""
    table = Table(limits=limits).offer(ALICE, **offered)
    accepted = offer(at=at, accepts=True)
    return table.write(blank(BOB, ALICE, Role.SELLER).offering(accepted, Status.AGREED, at))


SHORT = Limits(idle_s=100, life_s=150)


@pytest.mark.parametrize(
    ("at", "limits", "offered", "counts"),
    [
        (50, LIMITS, {"valid_until": 50}, True),
        (51, LIMITS, {"valid_until": 50}, False),
        (DAY, LIMITS, {}, True),
        (DAY + 1, LIMITS, {}, False),
        (100, SHORT, {}, True),
        (101, SHORT, {}, False),
        (40, Limits(idle_s=100, life_s=40), {}, True),
        (41, Limits(idle_s=100, life_s=40), {}, False),
    ],
)
def test_an_acceptance_counts_if_it_was_written_in_time(
    at: int, limits: Limits, offered: dict[str, int], counts: bool
) -> None:
    table = agreement(at, limits, **offered)
    assert table.view(at).agreed_at == (at if counts else None)


@pytest.mark.parametrize("polled_after", [0, 1, DAY, 100 * DAY])
def test_a_late_poll_settles_what_was_agreed_in_time(polled_after: int) -> None:
    assert agreement(50, valid_until=50).polled(50 + polled_after) is Kind.AGREED
    assert agreement(100, SHORT).polled(100 + polled_after) is Kind.AGREED


@pytest.mark.parametrize("polled_after", [0, 1, DAY - 1])
def test_no_poll_settles_what_was_accepted_too_late(polled_after: int) -> None:
    assert agreement(51, valid_until=50).polled(51 + polled_after) is None
    assert agreement(51, valid_until=50).polled(3 * DAY) is Kind.EXPIRED


def test_what_was_accepted_too_late_can_still_be_taken_up_by_its_author() -> None:
    table = agreement(51, valid_until=50)
    assert table.view(60).turn == ALICE
    assert table.accept(ALICE, at=60).polled(70) is Kind.AGREED


def test_a_word_puts_the_silence_off_and_not_the_end_of_its_life() -> None:
    table = Table(limits=SHORT).offer(ALICE).say(ALICE, at=90)
    assert table.view().expires_at == 150
    assert Table(limits=SHORT).offer(ALICE).say(BOB, at=20).view().expires_at == 120
    assert table.accept(BOB, at=150).view().agreed_at == 150
    late = Table(limits=SHORT).offer(ALICE).say(ALICE, at=90)
    accepted = offer(at=151, accepts=True)
    late.write(blank(BOB, ALICE, Role.SELLER).offering(accepted, Status.AGREED, 151))
    assert late.polled(151) is Kind.EXPIRED


def test_a_message_after_an_acceptance_does_not_make_it_late() -> None:
    table = Table().offer(ALICE, valid_until=50).accept(BOB, at=50)
    bob = table.states[BOB].saying("thank you", 60)
    assert table.write(bob).view(60).agreed_at == 50


def test_the_initiator_says_how_long_it_may_last() -> None:
    long = msgspec.structs.replace(
        blank(BOB, ALICE, Role.SELLER, at=60).offering(offer(6, at=60, round=2), Status.AGREED, 60),
        limits=Limits(idle_s=1000, life_s=1000),
        created=50,
    )
    negotiation = Table(limits=SHORT).offer(ALICE).write(long).view(60)
    assert negotiation.limits == SHORT
    assert negotiation.created == 0


def test_silence_is_counted_from_the_beginning_however_old_the_offers_are() -> None:
    # A migrated negotiation keeps the times of its offers, and begins at its migration.
    def migrated(state: PartyState) -> PartyState:
        return msgspec.structs.replace(state, last_updated=9 * DAY)

    alice = migrated(blank(ALICE, BOB, Role.BUYER).offering(offer(5), Status.PENDING, 0))
    alice = msgspec.structs.replace(alice, created=9 * DAY, limits=SHORT)
    bob = migrated(
        blank(BOB, ALICE, Role.SELLER).offering(offer(7, at=1, round=2), Status.AGREED, 1)
    )
    at = 9 * DAY + 60
    table = Table(now=at).write(alice).write(bob)
    assert table.view().expires_at == 9 * DAY + 100
    # Both in one second: there is no earlier word since the migration.
    assert table.offer(ALICE, 6).accept(BOB).view().agreed_at == at
    assert table.polled() is Kind.AGREED


def test_it_lasts_to_the_second_of_its_end_and_no_longer() -> None:
    table = Table(limits=SHORT).offer(ALICE)
    assert table.view(100).phase is Phase.INITIATED
    assert table.view(101).phase is Phase.EXPIRED
    assert table.view().expires_at == 100


# Commitments


def test_an_indicative_offer_needs_its_authors_own_acceptance() -> None:
    table = Table().offer(ALICE, firm=False).accept(BOB, at=10)
    assert table.view().phase is Phase.IN_PROGRESS
    assert table.accept(ALICE, at=20).view().agreed_at == 20


def test_a_counter_offer_takes_the_earlier_one_back() -> None:
    table = Table().offer(ALICE, 5).offer(BOB, 6).offer(ALICE, 4)
    bob = table.states[BOB].offering(offer(5, at=9, round=1, accepts=True), Status.AGREED, 9)
    assert table.write(bob).view(9).agreed_at is None


def test_the_same_terms_from_both_are_a_deal_without_an_acceptance() -> None:
    assert Table().offer(ALICE, 5).offer(BOB, "5.00").view().phase is Phase.AGREED
    assert Table().offer(ALICE, 5).offer(BOB, 5, firm=False).view().phase is Phase.IN_PROGRESS


def test_two_buyers_agree_on_nothing() -> None:
    alice = blank(ALICE, BOB, Role.BUYER).offering(offer(), Status.AGREED, 0)
    bob = blank(BOB, ALICE, Role.BUYER).offering(offer(), Status.AGREED, 1)
    assert alice.agreement_key != bob.agreement_key
    assert seen(alice, bob).agreed_at is None


def test_nobody_agrees_while_nobody_says_who_buys() -> None:
    alice = original(ALICE, role="unknown", status="agreed")
    bob = original(BOB, role=None, status="agreed")
    assert seen(alice, bob).agreed_at is None
    bob = original(BOB, role="seller", status="agreed")
    assert seen(alice, bob).agreed_at is not None


def test_what_cannot_be_trusted_agrees_on_nothing() -> None:
    table = Table().offer(ALICE).accept(BOB)
    broken = msgspec.structs.replace(table.snapshot, decidable=False)
    assert view(broken, 0, LIMITS).agreed_at is None


# Who ended it


def test_of_two_who_ended_it_the_earlier_counts() -> None:
    table = Table().offer(ALICE).offer(BOB, 6)
    alice = table.states[ALICE].rejecting(None, 20)
    bob = table.states[BOB].withdrawing(None, 10)
    assert table.write(alice).write(bob).view(30).phase is Phase.WITHDRAWN
    bob = table.states[BOB].withdrawing(None, 30)
    assert table.write(bob).view(30).phase is Phase.REJECTED


def test_of_two_who_ended_it_in_one_second_the_initiator_counts() -> None:
    table = Table().offer(ALICE).offer(BOB, 6)
    for party in (ALICE, BOB):
        table.states[party] = table.states[party].rejecting(None, 20)
    assert table.view(30).phase is Phase.REJECTED


def test_an_offer_that_crosses_a_withdrawal_does_not_turn_it_into_a_rejection() -> None:
    table = Table().offer(ALICE)
    alice = table.states[ALICE].withdrawing(None, 10)
    crossed = table.offer(BOB, 6, at=10).write(alice)
    assert crossed.view(20).phase is Phase.WITHDRAWN
    assert crossed.polled(20) is Kind.WITHDRAWN


def test_an_acceptance_that_crosses_a_rejection_does_not_turn_it_into_a_withdrawal() -> None:
    # The acceptance was taken back, so that the rejected offer is the last move again.
    table = Table().offer(ALICE, firm=False)
    alice = table.states[ALICE].rejecting(None, 10)
    assert table.write(alice).view(20).phase is Phase.REJECTED


def test_where_nobody_says_so_the_last_move_tells_a_withdrawal_from_a_rejection() -> None:
    table = Table().offer(ALICE).offer(BOB, 6)
    for party, phase in ((ALICE, Phase.REJECTED), (BOB, Phase.WITHDRAWN)):
        ended = msgspec.structs.replace(table.states[party].rejecting(None, 10), withdrawn=None)
        states = dict(table.states)
        assert table.write(ended).view(20).phase is phase
        table.states = states


def test_who_withdraws_before_anything_was_offered_has_withdrawn() -> None:
    table = Table().say(ALICE).withdraw(ALICE)
    assert table.view().phase is Phase.WITHDRAWN


def test_a_withdrawal_counts_only_where_the_negotiation_was_ended() -> None:
    table = Table().offer(ALICE)
    pending = msgspec.structs.replace(table.states[ALICE], withdrawn=True)
    assert table.write(pending).view().phase is Phase.INITIATED
    assert pending.rejecting(None, 20).withdrawn is False


def test_who_rejects_without_ever_having_offered_has_rejected() -> None:
    table = Table().say(ALICE).reject(ALICE)
    assert table.view().phase is Phase.REJECTED


def test_a_snapshot_knows_the_other_party() -> None:
    held: Snapshot = snapshot(blank(ALICE, BOB, Role.BUYER))
    assert (held.other(ALICE), held.other(BOB)) == (BOB, ALICE)
    assert held.role(BOB) is Role.SELLER
