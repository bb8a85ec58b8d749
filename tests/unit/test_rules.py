"""What a party may do now, and what it is told when it may not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import ALICE, BOB, CAROL, HOUR, Table, blank, offer

from nom_negotiate.core import rules
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Phase
from nom_negotiate.core.rules import ALLOWED, REFUSALS, Action, Standing
from nom_negotiate.core.state import MAX_ROUND, Limits, Status
from nom_negotiate.core.terms import Role
from nom_negotiate.errors import CODES, Conflict, InputError, RuleViolation

OFFER, ACCEPT, REJECT, WITHDRAW, SAY, REACT, READ = Action

# The whole table, by hand: None where the action is open, else the code of the refusal.
EXPECTED: dict[Standing, tuple[str | None, ...]] = {
    # offer, accept, reject, withdraw, say, react, read
    Standing.OPENING: (None, "nothing_on_table", None, None, None, None, None),
    Standing.ANSWERING: (None, None, None, "not_your_turn", None, None, None),
    Standing.ANSWERING_LATE: (None, "offer_lapsed", None, "not_your_turn", None, None, None),
    Standing.WAITING: ("not_your_turn", "own_offer", "own_offer", None, None, None, None),
    Standing.WAITING_LATE: (None, "own_offer", "own_offer", None, None, None, None),
    Standing.CONCLUDED: ("concluded",) * 7,
}

# How alice comes to stand there. Each is looked at in the second 20.
REACHED: dict[Standing, Callable[[], Table]] = {
    Standing.OPENING: lambda: Table().say(ALICE),
    Standing.ANSWERING: lambda: Table().offer(ALICE).offer(BOB, 6, at=10),
    Standing.ANSWERING_LATE: lambda: Table().offer(ALICE).offer(BOB, 6, at=10, valid_until=19),
    Standing.WAITING: lambda: Table().offer(ALICE),
    Standing.WAITING_LATE: lambda: Table().offer(ALICE, valid_until=19),
    Standing.CONCLUDED: lambda: Table().offer(ALICE).accept(BOB, at=10),
}

NOW = 20


def refusal(table: Table, party: Address, action: Action, now: int = NOW) -> str | None:
    """Return the code with which an action is refused, None where it is open."""
    try:
        rules.check_action(table.view(now), party, action, now)
    except RuleViolation as violation:
        return violation.code
    return None


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("standing", Standing, ids=lambda standing: standing.name)
def test_every_action_in_every_standing(standing: Standing, action: Action) -> None:
    table = REACHED[standing]()
    assert rules.standing(table.view(NOW), ALICE, NOW) is standing
    assert refusal(table, ALICE, action) == EXPECTED[standing][list(Action).index(action)]


def test_every_refusal_is_worded_and_no_other() -> None:
    missing = {
        (where, action)
        for where in Standing
        for action in Action
        if action not in ALLOWED[where] and where is not Standing.CONCLUDED
    }
    assert set(REFUSALS) == missing
    assert all(code in CODES for code, _ in REFUSALS.values())


# Alternation


def test_offers_alternate() -> None:
    table = Table().offer(ALICE)
    for price, (party, other) in enumerate(((BOB, ALICE), (ALICE, BOB), (BOB, ALICE)), start=6):
        assert refusal(table, other, OFFER) == "not_your_turn"
        table.offer(party, price)
        assert refusal(table, party, OFFER) == "not_your_turn"


def test_nobody_accepts_what_they_offered_not_even_once_it_was_accepted_indicatively() -> None:
    table = Table().offer(ALICE, firm=False)
    assert refusal(table, ALICE, ACCEPT) == "own_offer"
    table.accept(BOB, at=10)
    # Now bob's acceptance is on the table: it is alice who has to answer.
    assert refusal(table, BOB, ACCEPT) == "own_offer"
    assert refusal(table, ALICE, ACCEPT) is None


def test_whoever_accepted_an_indicative_offer_may_still_withdraw() -> None:
    table = Table().offer(ALICE, firm=False).accept(BOB, at=5)
    assert refusal(table, BOB, REJECT) == "own_offer"
    assert table.withdraw(BOB, at=6).view().phase is Phase.WITHDRAWN


def test_an_offer_that_lapsed_may_be_answered_by_another_one() -> None:
    table = Table().offer(ALICE, valid_until=10)
    table.offer(BOB, 6, at=11)
    assert table.view().round == 2


def test_who_offered_what_lapsed_may_offer_again() -> None:
    table = Table().offer(ALICE, valid_until=10).offer(ALICE, 6, at=11)
    assert [move.by for move in table.view().offers] == [ALICE, ALICE]
    assert table.accept(BOB).view().phase is Phase.AGREED


def test_an_offer_can_be_accepted_in_its_last_second_and_not_after() -> None:
    table = Table().offer(ALICE, valid_until=10)
    assert refusal(table, BOB, ACCEPT, now=10) is None
    assert refusal(table, BOB, ACCEPT, now=11) == "offer_lapsed"


# The end


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("party", [ALICE, BOB])
@pytest.mark.parametrize(
    "ended",
    [
        lambda: Table().offer(ALICE).accept(BOB),
        lambda: Table().offer(ALICE).reject(BOB),
        lambda: Table().offer(ALICE).withdraw(ALICE),
        lambda: Table(limits=Limits(idle_s=5)).offer(ALICE),
    ],
    ids=["agreed", "rejected", "withdrawn", "expired"],
)
def test_nothing_is_done_after_the_end(
    ended: Callable[[], Table], party: Address, action: Action
) -> None:
    assert refusal(ended(), party, action) == "concluded"


def test_the_refusal_after_the_end_says_how_it_ended() -> None:
    table = Table().offer(ALICE).reject(BOB, "too dear")
    waiting = rules.concluded(table.view())
    assert "rejected" in waiting.message
    assert "next poll" in waiting.message
    over = msgspec.structs.replace(table.view(), outcome=table.poll())
    assert "too dear" in rules.concluded(over).message
    assert "next poll" not in rules.concluded(over).message


def test_silence_ends_the_turn_of_both() -> None:
    table = Table().offer(ALICE)
    assert refusal(table, BOB, ACCEPT, now=24 * HOUR) is None
    assert refusal(table, BOB, ACCEPT, now=24 * HOUR + 1) == "concluded"


# Rounds


def test_an_acceptance_names_the_round_it_saw() -> None:
    table = Table().offer(ALICE).offer(BOB, 6).offer(ALICE, "5.75")
    rules.check_round(table.view(), 3)
    rules.check_round(table.view(), None)
    for round_ in (1, 2, 4, 0, -1):
        with pytest.raises(Conflict) as caught:
            rules.check_round(table.view(), round_)
        assert caught.value.code == "stale_round"
        assert "1000 at 5.75" in caught.value.message


def test_a_change_names_the_revision_it_saw() -> None:
    table = Table().offer(ALICE).say(ALICE)
    rules.check_revision(table.view(), ALICE, 2)
    rules.check_revision(table.view(), BOB, 0)
    rules.check_revision(table.view(), ALICE, None)
    with pytest.raises(Conflict) as caught:
        rules.check_revision(table.view(), ALICE, 1)
    assert caught.value.code == "stale_revision"


def test_the_cap_counts_the_offers_of_both_sides() -> None:
    table = Table(limits=Limits(max_rounds=3)).offer(ALICE).offer(BOB, 6).offer(ALICE, 5)
    with pytest.raises(RuleViolation) as caught:
        table.offer(BOB, 6)
    assert caught.value.code == "rounds_exhausted"
    # The last offer can still be answered.
    assert table.accept(BOB).view().phase is Phase.AGREED


def test_the_cap_is_the_initiators_word() -> None:
    table = Table().offer(ALICE)
    capped = msgspec.structs.replace(
        blank(BOB, ALICE, Role.SELLER).offering(offer(6, round=2), Status.AGREED, 1),
        limits=Limits(max_rounds=1),
    )
    rules.check_cap(table.write(capped).view())


def test_a_round_number_that_leaves_no_room_for_another_is_the_last() -> None:
    # Written by a program that does not count, or means harm: without this the next offer
    # would have a number that no reader takes, and its author no readable file.
    far = blank(BOB, ALICE, Role.SELLER).offering(offer(6, round=MAX_ROUND), Status.AGREED, 1)
    table = Table().offer(ALICE).write(far)
    with pytest.raises(RuleViolation) as caught:
        rules.check_cap(table.view())
    assert caught.value.code == "rounds_exhausted"
    assert refusal(table, ALICE, ACCEPT) is None


# Starting


def test_nobody_negotiates_with_themselves() -> None:
    rules.check_counterparty(ALICE, BOB)
    with pytest.raises(RuleViolation) as caught:
        rules.check_counterparty(ALICE, ALICE)
    assert caught.value.code == "self_negotiation"


def test_only_what_is_traded_is_traded() -> None:
    rules.check_chemical("C", ("C", "N"))
    for odd in ("c", "X", "", "C\n", "x" * 1000):
        with pytest.raises(InputError) as caught:
            rules.check_chemical(odd, ("C", "N"))
        assert caught.value.code == "unknown_chemical"
        assert "C, N" in caught.value.message
        assert len(caught.value.message) < 100


def test_a_second_negotiation_of_a_pair_over_a_chemical_is_refused_while_one_is_open() -> None:
    going_on = Table().offer(ALICE).view()
    rules.check_duplicate(CAROL, "C", [going_on])
    rules.check_duplicate(BOB, "N", [going_on])
    rules.check_duplicate(BOB, "C", [])
    for party in (ALICE, BOB):
        with pytest.raises(RuleViolation) as caught:
            rules.check_duplicate(party, "C", [going_on])
        assert caught.value.code == "duplicate_negotiation"
        assert going_on.id in caught.value.message
    rules.check_duplicate(BOB, "C", [Table().offer(ALICE).reject(BOB).view()])


@pytest.mark.parametrize("valid_until", [100, 101, 100 + rules.MAX_DURATION_S])
def test_an_offer_may_last_from_now_to_a_year(valid_until: int) -> None:
    rules.check_valid_until(valid_until, 100)
    rules.check_valid_until(None, 100)


@pytest.mark.parametrize("valid_until", [99, 0, -1, 101 + rules.MAX_DURATION_S])
def test_an_offer_that_has_lapsed_when_it_is_made_is_refused(valid_until: int) -> None:
    with pytest.raises(InputError) as caught:
        rules.check_valid_until(valid_until, 100)
    assert caught.value.code == "invalid_time"


# Texts


def test_a_text_loses_the_blanks_around_it_and_nothing_else() -> None:
    assert rules.check_text("  two\nlines,\tand a tab: é 😀 \n", "message") == (
        "two\nlines,\tand a tab: é 😀"
    )
    assert rules.check_text("x" * 2000, "message") == "x" * 2000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "x" * 2001,
        "a\0b",
        "a\rb",
        "a\x1b[2Jb",
        "a\x7fb",
        "a\x9b2Jb",
        "a\x85b",
        "a\ud800b",
    ],
    ids=ascii,
)
def test_a_text_has_nothing_that_a_terminal_obeys(text: str) -> None:
    with pytest.raises(InputError) as caught:
        rules.check_text(text, "reason")
    assert caught.value.code == "invalid_text"
    assert "reason" in caught.value.message
    assert caught.value.message.isprintable()


@given(st.text(max_size=30))
def test_a_text_that_passes_can_be_written_and_passes_again(text: str) -> None:
    try:
        checked = rules.check_text(text, "message")
    except InputError:
        return
    assert checked.encode()
    assert rules.check_text(checked, "message") == checked


# Haggling at random


actions = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB]),
        st.sampled_from([OFFER, OFFER, OFFER, ACCEPT, ACCEPT, SAY, REJECT, WITHDRAW]),
        st.integers(0, 10 * HOUR),
        st.booleans(),
        st.none() | st.integers(0, 5 * HOUR),
    ),
    max_size=12,
)


def act(table: Table, step: tuple[Address, Action, int, bool, int | None]) -> None:
    party, action, wait, firm, lasts = step
    at = table.now + wait
    if action is OFFER:
        until = None if lasts is None else at + lasts
        table.offer(party, 5 + len(table.view(at).moves), firm=firm, valid_until=until, at=at)
    elif action is ACCEPT:
        table.accept(party, at=at)
    elif action is SAY:
        table.say(party, at=at)
    elif action is REJECT:
        table.reject(party, at=at)
    else:
        table.withdraw(party, at=at)


@given(actions)
def test_however_it_goes_the_rules_hold(
    steps: list[tuple[Address, Action, int, bool, int | None]],
) -> None:
    table = Table().offer(ALICE)
    for step in steps:
        before = table.view(table.now + step[2])
        try:
            act(table, step)
        except RuleViolation as violation:
            if not before.phase.open:
                # After the end every action is refused, and nothing opens it again.
                assert violation.code == "concluded"  # noqa: PT017
            continue
        assert before.phase.open
        after = table.view()
        offers = after.offers
        assert [move.round for move in offers] == list(range(1, len(offers) + 1))
        for one, next_ in itertools.pairwise(after.moves):
            assert one.by != next_.by or one.lapsed(next_.at)
        for move in after.moves:
            if move.accepts:
                accepted = offers[move.round - 1]
                assert accepted.terms == move.terms
        assert after.round <= before.round + 1
        # What the parties are told is what the poller decides.
        decided = table.polled()
        assert decided == (None if after.phase.open else after.phase.value)
