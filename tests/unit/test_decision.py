"""From two states of the same moment to an outcome, or to none yet."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    HOUR,
    ID,
    LIMITS,
    Table,
    arbitrary_states,
    blank,
    numbers,
    offer,
    original,
    snapshot,
)

from nom_negotiate import codec
from nom_negotiate.core.decision import MAX_REASON_CHARS, decide, objected, quiet_until
from nom_negotiate.core.evidence import CLOCK_S
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Basis, Kind, Outcome, mirrored
from nom_negotiate.core.state import Limits, PartyState, Status
from nom_negotiate.core.terms import Role, agreement_key

DAY = 24 * HOUR


def decided(held: Snapshot, now: int = 100) -> Outcome:
    outcome = decide(held, now, LIMITS)
    assert outcome is not None
    # What is decided can be written, and says the same to whoever reads it.
    assert codec.decode_outcome(codec.encode(outcome)) == outcome
    return outcome


# Agreed


def test_two_agreed_states_with_one_key_are_a_deal() -> None:
    table = Table().offer(ALICE, "5.50", 1000).offer(BOB, 6, 900, at=10).accept(ALICE, at=20)
    outcome = decided(table.snapshot)
    assert outcome.outcome is Kind.AGREED
    deal = outcome.deal
    assert deal is not None
    assert (deal.buyer, deal.seller, deal.chemical) == (ALICE, BOB, "C")
    assert (deal.price, deal.quantity) == (Decimal(6), Decimal(900))
    assert deal.agreement_key == agreement_key(
        negotiation_id=ID, chemical="C", buyer=ALICE, seller=BOB, terms=offer(6, 900).terms
    )
    assert outcome.transactions == {
        ALICE: "100_buy_C_from_bob.json",
        BOB: "100_sell_C_to_alice.json",
    }
    assert (outcome.at, outcome.by, outcome.reason) == (100, None, None)


def test_an_outcome_names_the_bytes_that_it_was_decided_from() -> None:
    table = Table().offer(ALICE).say(ALICE, at=5).accept(BOB, at=10)
    assert decided(table.snapshot).states == {
        party: Basis(revision=state.revision, sha256=sha256(codec.encode(state)).hexdigest())
        for party, state in table.states.items()
    }


def test_whoever_buys_buys_whoever_began() -> None:
    selling = blank(ALICE, BOB, Role.SELLER).offering(offer(), Status.AGREED, 0)
    buying = blank(BOB, ALICE, Role.BUYER).offering(offer(), Status.AGREED, 1)
    deal = decided(snapshot(selling, buying)).deal
    assert deal is not None
    assert (deal.buyer, deal.seller) == (BOB, ALICE)


def test_a_stored_key_decides_nothing() -> None:
    # Of the original format, whose clients hashed in ways of their own.
    alice = original(ALICE, price=5.5, status="agreed", agreement_key="a")
    bob = original(BOB, role="seller", price=5.50, at=1, status="agreed", agreement_key="b")
    assert decided(snapshot(alice, bob)).outcome is Kind.AGREED
    bob = original(BOB, role="seller", price=5.51, at=1, status="agreed", agreement_key="a")
    assert decide(snapshot(alice, bob), 100, LIMITS) is None


def test_both_sides_may_write_one_price_as_different_doubles() -> None:
    alice = original(ALICE, price=0.1 + 0.2, status="agreed")
    bob = original(BOB, role="seller", price=0.3, at=1, status="agreed")
    deal = decided(snapshot(alice, bob)).deal
    assert deal is not None
    assert deal.price == Decimal("0.3")


@given(numbers, numbers)
def test_what_one_side_pays_the_other_receives_to_the_last_digit(
    price: Decimal, quantity: Decimal
) -> None:
    table = Table().offer(ALICE, price, quantity).accept(BOB)
    sides = mirrored(decided(table.snapshot))
    bought, sold = sides[ALICE], sides[BOB]
    assert (bought.price, bought.quantity) == (sold.price, sold.quantity) == (price, quantity)
    for transaction in sides.values():
        assert codec.decode_transaction(codec.encode(transaction)) == transaction


# Not yet


@pytest.mark.parametrize(
    "table",
    [
        Table().offer(ALICE),
        Table().offer(ALICE, firm=False),
        Table().offer(ALICE).offer(BOB, 6),
        Table().offer(ALICE, firm=False).accept(BOB),
        Table().say(ALICE),
    ],
    ids=["offered", "indicative", "countered", "half accepted", "said"],
)
def test_what_goes_on_is_left_to_go_on(table: Table) -> None:
    assert table.poll(100) is None


def test_a_namespace_without_a_state_is_left_alone() -> None:
    assert decide(snapshot(), 10**10, LIMITS) is None


@pytest.mark.parametrize(
    "table",
    [
        Table().offer(ALICE).accept(BOB),
        Table().offer(ALICE).reject(BOB),
        Table().offer(ALICE),
    ],
    ids=["agreed", "rejected", "expired"],
)
def test_a_file_that_cannot_be_trusted_decides_nothing(table: Table) -> None:
    assert table.poll(10 * DAY) is not None
    untrusted = msgspec.structs.replace(table.snapshot, decidable=False)
    assert decide(untrusted, 10 * DAY, LIMITS) is None


def test_an_outcome_is_decided_once() -> None:
    table = Table().offer(ALICE).accept(BOB)
    outcome = table.poll()
    assert decide(msgspec.structs.replace(table.snapshot, outcome=outcome), 100, LIMITS) is None


# Ended


def test_the_receiver_rejects_and_the_author_withdraws() -> None:
    for table, kind, by in (
        (Table().offer(ALICE).reject(BOB, "too dear"), Kind.REJECTED, BOB),
        (Table().offer(ALICE).withdraw(ALICE, "too dear"), Kind.WITHDRAWN, ALICE),
        (Table().offer(ALICE).offer(BOB, 6).reject(ALICE, "too dear"), Kind.REJECTED, ALICE),
    ):
        outcome = decided(table.snapshot)
        assert (outcome.outcome, outcome.by, outcome.reason) == (kind, by, "too dear")
        assert (outcome.deal, outcome.transactions) == (None, {})


def test_whoever_changed_their_mind_before_the_other_agreed_is_not_held_to_it() -> None:
    table = Table().offer(ALICE)
    accepted = offer(at=10, accepts=True)
    bob = blank(BOB, ALICE, Role.SELLER).offering(accepted, Status.AGREED, 10)
    table.withdraw(ALICE, at=9).write(bob)
    assert decided(table.snapshot).outcome is Kind.WITHDRAWN
    table = Table().offer(ALICE).offer(BOB, 6).offer(ALICE, 5, at=9).write(bob)
    assert table.poll(10) is None


def test_an_end_counts_after_the_end_of_its_life_too() -> None:
    table = Table().offer(ALICE).reject(BOB)
    assert decided(table.snapshot, 100 * DAY).outcome is Kind.REJECTED


def test_a_reason_of_any_length_fits_its_outcome() -> None:
    # Written past the rules: a state may be 256 KiB of reason.
    reason = "é" * 100_000
    bob = blank(BOB, ALICE, Role.SELLER).rejecting(reason, 10)
    outcome = decided(Table().offer(ALICE).write(bob).snapshot)
    assert outcome.reason is not None
    assert outcome.reason.startswith("éé")
    assert len(outcome.reason) == MAX_REASON_CHARS


# Expired


@pytest.mark.parametrize(
    ("limits", "now", "why"),
    [
        (LIMITS, DAY, None),
        (LIMITS, DAY + 1, "nobody spoke"),
        (Limits(idle_s=10), 11, "nobody spoke for 10 seconds"),
        (Limits(idle_s=100, life_s=50), 50, None),
        (Limits(idle_s=100, life_s=50), 51, "life of 50 seconds"),
    ],
)
def test_a_negotiation_that_nobody_touches_expires(
    limits: Limits, now: int, why: str | None
) -> None:
    outcome = Table(limits=limits).offer(ALICE).poll(now)
    if why is None:
        assert outcome is None
        return
    assert outcome is not None
    assert outcome.outcome is Kind.EXPIRED
    assert outcome.by is None
    assert why in (outcome.reason or "")


def test_its_life_ends_whatever_is_said() -> None:
    table = Table()
    table.offer(ALICE)
    for hours in (20, 40):
        table.say(BOB, at=hours * HOUR)
    assert table.poll(48 * HOUR) is None
    outcome = table.poll(48 * HOUR + 1)
    assert outcome is not None
    assert outcome.outcome is Kind.EXPIRED


def test_an_offer_that_nobody_could_ever_answer_expires_too() -> None:
    # The original format does not say whom it is written to.
    outcome = decided(snapshot(original(ALICE), responder=None), 2 * DAY)
    assert (outcome.outcome, outcome.responder) == (Kind.EXPIRED, None)


def test_a_negotiation_of_which_nobody_says_who_buys_expires() -> None:
    alice, bob = original(ALICE, role="unknown"), original(BOB, role=None, at=1)
    assert decided(snapshot(alice, bob), 2 * DAY).outcome is Kind.EXPIRED


# Nothing to do until


def near(state: PartyState) -> PartyState:
    """Return the state with its times within five days, so that limits and clocks matter."""
    brief = 5 * DAY

    def moved(each: Any) -> Any:
        return msgspec.structs.replace(each, timestamp=each.timestamp % brief)

    return msgspec.structs.replace(
        state,
        offer=state.offer and moved(state.offer),
        history=tuple(map(moved, state.history)),
        messages=tuple(map(moved, state.messages)),
        last_updated=state.last_updated % brief,
        created=state.created and state.created % brief,
    )


times = st.integers(0, 8 * DAY)
alices = arbitrary_states() | st.builds(
    original, price=st.just(5.5), at=times, status=st.sampled_from(["pending", "agreed"])
)
bobs = arbitrary_states(user=BOB, other=ALICE) | st.builds(
    original,
    st.just(BOB),
    role=st.sampled_from(["seller", None]),
    at=times,
    status=st.sampled_from(["pending", "agreed"]),
)


@given(
    st.lists(alices.map(near), max_size=1),
    st.lists(bobs.map(near), max_size=1),
    times,
    st.lists(times | st.integers(0, 10**11), max_size=5),
    st.booleans(),
)
def test_a_negotiation_is_quiet_until_the_second_before_it_expires(
    mine: list[PartyState], theirs: list[PartyState], now: int, others: list[int], known: bool
) -> None:
    held = snapshot(*mine, *theirs, responder=BOB if known or theirs else None)
    until = quiet_until(held, now, LIMITS)
    event("quiet" if until is not None else "not quiet")
    if until is None:
        believed = held.as_of(now).decidable
        assert not held.states or not believed or decide(held, now, LIMITS) is not None
        return
    for at in (0, now, until, *(at for at in others if at <= until)):
        assert decide(held, at, LIMITS) is None
    for at in (until + 1, *(at for at in others if at > until)):
        outcome = decide(held, at, LIMITS)
        assert outcome is not None
        assert outcome.outcome is Kind.EXPIRED


def test_a_negotiation_that_goes_on_is_quiet_to_the_end_of_its_idle_time_or_its_life() -> None:
    table = Table().offer(ALICE, valid_until=5).offer(BOB, 6, at=HOUR)
    assert quiet_until(table.snapshot, HOUR, LIMITS) == HOUR + LIMITS.idle_s
    table.say(ALICE, at=25 * HOUR)
    assert quiet_until(table.snapshot, 25 * HOUR, LIMITS) == LIMITS.life_s
    assert quiet_until(table.snapshot, LIMITS.life_s, LIMITS) == LIMITS.life_s
    assert quiet_until(table.snapshot, LIMITS.life_s + 1, LIMITS) is None


def test_limits_of_the_settings_count_where_the_negotiation_has_none() -> None:
    held = snapshot(blank(ALICE, BOB, Role.BUYER).offering(offer(), Status.AGREED, 0))
    assert quiet_until(held, 0, Limits(idle_s=7)) == 7


def test_nothing_is_quiet_in_which_there_is_something_to_do() -> None:
    quiet = Table().offer(ALICE).snapshot
    outcome = Table().offer(ALICE).poll(10 * DAY)
    assert quiet_until(quiet, 0, LIMITS) is not None
    for held in (
        snapshot(),
        msgspec.structs.replace(quiet, outcome=outcome),
        msgspec.structs.replace(quiet, decidable=False),
        # It is to be reported in every pass.
        msgspec.structs.replace(quiet, problems=(Problem(path="a", reason="odd; move it away"),)),
        Table().offer(ALICE).accept(BOB).snapshot,
        Table().offer(ALICE).reject(BOB).snapshot,
        Table().offer(ALICE).withdraw(ALICE).snapshot,
        Table().offer(ALICE, at=CLOCK_S + 1).snapshot,
    ):
        assert quiet_until(held, 0, LIMITS) is None


# Refused by a validator


def agreed() -> Outcome:
    return decided(Table().offer(ALICE).accept(BOB).snapshot)


def test_a_deal_that_a_validator_refuses_is_rejected_and_moves_nothing() -> None:
    outcome = objected(agreed(), "the seller has no stock")
    assert outcome.outcome is Kind.REJECTED
    assert outcome.reason == "the seller has no stock"
    assert (outcome.deal, outcome.transactions) == (None, {})
    assert mirrored(outcome) == {}
    assert codec.decode_outcome(codec.encode(outcome)) == outcome


@pytest.mark.parametrize(
    "reason",
    ["x" * 10**6, "half a pair \ud800", "a\0b", ValueError("no stock"), {"no": "stock"}],
    ids=["long", "surrogate", "control", "exception", "dict"],
)
def test_whatever_a_validator_says_can_be_written_down(reason: object) -> None:
    outcome = objected(agreed(), reason)  # type: ignore[arg-type]
    assert codec.decode_outcome(codec.encode(outcome)) == outcome
    assert outcome.reason
    assert len(outcome.reason) <= MAX_REASON_CHARS


# The clock


def test_a_clock_that_goes_backwards_ends_nothing() -> None:
    table = Table().offer(ALICE, at=1000).offer(BOB, 6, at=1010)
    assert table.poll(0) is None


def test_a_state_from_the_future_can_be_answered() -> None:
    # Alice's clock is an hour ahead.
    ahead: PartyState = blank(ALICE, BOB, Role.BUYER).offering(offer(at=HOUR), Status.AGREED, HOUR)
    ahead = msgspec.structs.replace(ahead, created=HOUR, limits=LIMITS)
    table = Table().write(ahead)
    assert table.view(0).turn == BOB
    assert table.accept(BOB, at=0).polled(1) is Kind.AGREED
