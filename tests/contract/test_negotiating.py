"""Over every store: what two parties can say to each other, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from tests.support import ALICE, BOB, CAROL, DAY, HOUR, NOON, Clock

from nom_negotiate import (
    Conflict,
    Desk,
    InputError,
    Kind,
    Negotiation,
    NotFound,
    Party,
    Phase,
    RuleViolation,
    Side,
)

ID = f"alice_bob_C_{NOON}"


def start(party: Party, other: str = BOB, **options: Any) -> Negotiation:
    terms = {"chemical": "C", "role": "buyer", "price": "5.50", "quantity": 1000}
    return party.start(other, **{**terms, **options})


def refusal(action: Callable[..., object], *args: Any, **options: Any) -> str:
    """Return the code with which an action is refused."""
    with pytest.raises((RuleViolation, Conflict, NotFound, InputError)) as refused:
        action(*args, **options)
    return refused.value.code


def ended(desk: Desk, party: Party) -> tuple[Kind, str | None, str | None]:
    """Return how the negotiation ended at the next poll, by whom, and why."""
    report = desk.poll()
    assert not report.problems
    outcome = party.negotiation(ID).outcome
    assert outcome is not None
    assert report.of(outcome.outcome) == [ID]
    return outcome.outcome, outcome.by, outcome.reason


# From an offer to a deal


@pytest.mark.durable
def test_two_parties_haggle_to_a_deal(desk: Desk, alice: Party, bob: Party, clock: Clock) -> None:
    deal = start(alice)
    assert (deal.id, deal.phase, deal.turn) == (ID, Phase.INITIATED, BOB)
    clock.forward(30)
    countered = bob.offer(deal.id, price="6.00", quantity=900)
    assert (countered.phase, countered.turn, countered.round) == (Phase.IN_PROGRESS, ALICE, 2)
    clock.forward(25)
    accepted = alice.accept(deal.id)
    assert (accepted.phase, accepted.turn, accepted.outcome) == (Phase.AGREED, None, None)

    report = desk.poll()
    assert (report.agreed, report.active, report.problems) == ([ID], [], [])
    [mine] = alice.transactions()
    [theirs] = bob.transactions()
    assert mine.name == f"{NOON + 55}_buy_C_from_bob.json"
    assert theirs.name == f"{NOON + 55}_sell_C_to_alice.json"
    assert (mine.transaction.type, theirs.transaction.type) == (Side.BUY, Side.SELL)
    for filed in (mine, theirs):
        terms = (filed.transaction.price, filed.transaction.quantity)
        assert terms == (Decimal(6), Decimal(900))
        assert not filed.transaction.settled
    settled = alice.negotiation(ID)
    assert (settled.phase, settled.archived) == (Phase.AGREED, True)
    assert bob.negotiation(ID) == settled
    assert [(move.by, move.round, move.accepts) for move in settled.moves] == [
        (ALICE, 1, False),
        (BOB, 2, False),
        (ALICE, 2, True),
    ]


def test_a_firm_offer_is_agreed_by_its_acceptance_alone(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice)
    assert bob.accept(ID).phase is Phase.AGREED
    assert ended(desk, alice)[0] is Kind.AGREED


def test_an_indicative_offer_needs_its_authors_own_acceptance(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice, firm=False)
    accepted = bob.accept(ID)
    assert (accepted.phase, accepted.turn) == (Phase.IN_PROGRESS, ALICE)
    assert desk.poll().active == [ID]
    assert alice.accept(ID).phase is Phase.AGREED
    assert ended(desk, alice)[0] is Kind.AGREED


def test_an_acceptance_of_an_indicative_offer_may_be_countered_or_withdrawn(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice, firm=False)
    bob.accept(ID)
    assert alice.offer(ID, price=5, quantity=10).turn == BOB
    # What bob has accepted is no longer offered, and he is not held to it.
    assert bob.say(ID, "so you do not want it?").phase is Phase.IN_PROGRESS
    assert bob.accept(ID).phase is Phase.AGREED
    assert ended(desk, bob)[0] is Kind.AGREED
    [mine] = bob.transactions()
    assert mine.transaction.price == Decimal(5)


def test_an_offer_that_is_repeated_by_the_other_side_is_agreed(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice)
    assert bob.offer(ID, price="5.5", quantity="1000.0").phase is Phase.AGREED
    assert ended(desk, alice)[0] is Kind.AGREED


def test_an_earlier_offer_does_not_bind_after_it_was_countered(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice)
    bob.offer(ID, price=9, quantity=1000)
    alice.offer(ID, price=6, quantity=1000)
    bob.offer(ID, price="5.5", quantity=1000)
    assert desk.poll().active == [ID]
    assert alice.accept(ID, round=4).phase is Phase.AGREED


def test_an_acceptance_counts_though_its_authors_clock_is_behind(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, idle_s=60)
    bob.offer(ID, price=6, quantity=900)
    clock.forward(-61)
    assert alice.accept(ID).phase is Phase.AGREED
    clock.forward(DAY)
    assert ended(desk, alice)[0] is Kind.AGREED


@pytest.mark.parametrize("behind", [0, HOUR], ids=["in one second", "by clocks that differ"])
def test_whoever_accepts_last_comes_last(
    alice: Party, bob: Party, clock: Clock, behind: int
) -> None:
    start(alice, firm=False)
    bob.accept(ID)
    clock.forward(-behind)
    accepted = alice.accept(ID)
    assert accepted.phase is Phase.AGREED
    assert [(move.by, move.accepts) for move in accepted.moves] == [
        (ALICE, False),
        (BOB, True),
        (ALICE, True),
    ]


# Ends without a deal


def test_the_receiver_rejects_with_a_reason(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    rejected = bob.reject(ID, reason="too little")
    assert (rejected.phase, rejected.outcome) == (Phase.REJECTED, None)
    assert ended(desk, alice) == (Kind.REJECTED, BOB, "too little")
    assert alice.transactions() == bob.transactions() == []


def test_a_rejection_may_carry_a_counter_offer(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    countered = bob.offer(ID, price=6, quantity=900, reason="not at that price")
    assert countered.phase is Phase.IN_PROGRESS
    assert countered.on_table is not None
    assert countered.on_table.reason == "not at that price"
    assert alice.accept(ID).phase is Phase.AGREED


def test_the_author_withdraws(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    assert alice.withdraw(ID, reason="changed my mind").phase is Phase.WITHDRAWN
    assert refusal(bob.accept, ID) == "concluded"
    assert ended(desk, bob) == (Kind.WITHDRAWN, ALICE, "changed my mind")


@pytest.mark.parametrize(
    ("actor", "verb", "options", "code"),
    [
        ("alice", "accept", {}, "own_offer"),
        ("alice", "reject", {}, "own_offer"),
        ("alice", "offer", {"price": 1, "quantity": 1}, "not_your_turn"),
        ("bob", "withdraw", {}, "not_your_turn"),
    ],
)
def test_who_may_do_what_follows_from_the_offer_on_the_table(
    desk: Desk, alice: Party, actor: str, verb: str, options: dict[str, Any], code: str
) -> None:
    start(alice)
    before = alice.negotiation(ID)
    party = desk.party({"alice": ALICE, "bob": BOB}[actor])
    assert refusal(getattr(party, verb), ID, **options) == code
    assert alice.negotiation(ID) == before


@pytest.mark.parametrize("polls", [0, 1], ids=["before the poll", "after the poll"])
@pytest.mark.parametrize("end", ["agreed", "rejected", "withdrawn", "expired"])
def test_nothing_can_be_said_after_the_end(
    desk: Desk, alice: Party, bob: Party, clock: Clock, end: str, polls: int
) -> None:
    start(alice)
    if end == "agreed":
        bob.accept(ID)
    elif end == "rejected":
        bob.reject(ID)
    elif end == "withdrawn":
        alice.withdraw(ID)
    else:
        clock.forward(DAY + 1)
    if polls:
        desk.poll()
    before = alice.negotiation(ID)
    for party in (alice, bob):
        assert refusal(party.accept, ID) == "concluded"
        assert refusal(party.offer, ID, price=1, quantity=1) == "concluded"
        assert refusal(party.reject, ID) == "concluded"
        assert refusal(party.withdraw, ID) == "concluded"
        assert refusal(party.say, ID, "hello?") == "concluded"
        assert refusal(party.update, ID, price=1, quantity=1) == "concluded"
    assert alice.negotiation(ID) == before
    assert before.phase == end


# Rounds and revisions


def test_an_acceptance_names_the_round_that_it_saw(alice: Party, bob: Party) -> None:
    start(alice)
    bob.offer(ID, price=6, quantity=900)
    assert refusal(alice.accept, ID, round=1) == "stale_round"
    assert alice.accept(ID, round=2).phase is Phase.AGREED


def test_a_caller_says_which_revision_it_has_seen(alice: Party, bob: Party) -> None:
    assert start(alice).revisions == {ALICE: 1, BOB: 0}
    alice.say(ID, "from the other tab")
    assert refusal(alice.withdraw, ID, revision=1) == "stale_revision"
    assert refusal(alice.say, ID, "hello", revision=1) == "stale_revision"
    assert alice.say(ID, "hello", revision=2).revisions[alice.address] == 3
    assert refusal(bob.offer, ID, price=6, quantity=1, revision=1) == "stale_revision"
    assert bob.offer(ID, price=6, quantity=1, revision=0).revisions == {ALICE: 3, BOB: 1}


def test_a_cap_on_rounds_leaves_only_acceptance_and_rejection(alice: Party, bob: Party) -> None:
    start(alice, max_rounds=2)
    bob.offer(ID, price=6, quantity=900)
    assert refusal(alice.offer, ID, price=5, quantity=900) == "rounds_exhausted"
    assert alice.accept(ID).phase is Phase.AGREED


# Lapsed offers


def test_an_offer_is_accepted_until_the_last_second_of_its_validity(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, valid_until=NOON + 60)
    clock.forward(60)
    assert bob.accept(ID).phase is Phase.AGREED
    clock.forward(3 * DAY)
    assert ended(desk, alice)[0] is Kind.AGREED


def test_a_lapsed_offer_is_replaced_by_its_author_or_answered_with_another(
    alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, valid_until=NOON + 60)
    clock.forward(61)
    assert refusal(bob.accept, ID) == "offer_lapsed"
    again = alice.offer(ID, price=6, quantity=1000)
    assert (again.turn, again.round) == (BOB, 2)
    assert bob.offer(ID, price=7, quantity=1000).round == 3


def test_an_offer_that_would_have_lapsed_already_is_refused(alice: Party, bob: Party) -> None:
    assert refusal(start, alice, valid_until=NOON - 1) == "invalid_time"
    start(alice)
    assert refusal(bob.offer, ID, price=1, quantity=1, valid_until=NOON - 1) == "invalid_time"


# Messages


def test_what_both_say_is_kept_in_order(alice: Party, bob: Party, clock: Clock) -> None:
    start(alice, message="hello")
    clock.forward(1)
    bob.say(ID, "a bit more, please")
    clock.forward(1)
    spoken = alice.say(ID, "no")
    assert [(m.by, m.at, m.text) for m in spoken.messages] == [
        (ALICE, NOON, "hello"),
        (BOB, NOON + 1, "a bit more, please"),
        (ALICE, NOON + 2, "no"),
    ]
    assert bob.negotiation(ID).messages == spoken.messages


def test_a_message_keeps_the_negotiation_alive_but_not_for_ever(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice)
    clock.forward(23 * HOUR)
    bob.say(ID, "thinking")
    clock.forward(23 * HOUR)
    bob.say(ID, "still thinking")
    assert desk.poll().active == [ID]
    clock.forward(3 * HOUR)
    assert desk.poll().expired == [ID]


# The original's verb


def test_an_update_to_pending_makes_an_indicative_offer(alice: Party, bob: Party) -> None:
    start(alice)
    updated = bob.update(ID, price=6, quantity=900, status="pending")
    assert updated.on_table is not None
    assert (updated.on_table.by, updated.on_table.firm, updated.turn) == (BOB, False, ALICE)


def test_an_update_to_agreed_accepts_the_terms_on_the_table(alice: Party, bob: Party) -> None:
    start(alice)
    updated = bob.update(ID, price="5.5", quantity=1000, status="agreed")
    assert updated.phase is Phase.AGREED
    assert updated.moves[-1].accepts


def test_an_update_to_agreed_with_other_terms_is_a_firm_offer(alice: Party, bob: Party) -> None:
    start(alice)
    updated = bob.update(ID, price=6, quantity=1000, status="agreed")
    assert (updated.phase, updated.turn) == (Phase.IN_PROGRESS, ALICE)
    assert alice.accept(ID).phase is Phase.AGREED


def test_an_update_to_rejected_rejects_or_withdraws(alice: Party, bob: Party) -> None:
    start(alice)
    start(alice, CAROL)
    assert bob.update(ID, status="rejected").phase is Phase.REJECTED
    assert alice.update(f"alice_carol_C_{NOON}", status="rejected").phase is Phase.WITHDRAWN


def test_an_update_needs_terms_and_a_known_status(alice: Party, bob: Party) -> None:
    start(alice)
    assert refusal(bob.update, ID, status="agreed", price=6) == "invalid_number"
    assert refusal(bob.update, ID, status="perhaps") == "invalid_text"
    assert refusal(bob.update, "nobody_nowhere_C_1", status="rejected") == "unknown_negotiation"
