"""The judge itself: histories that could have been, and histories that could not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulation import model
from tests.simulation.history import Call
from tests.simulation.linearizability import events_of, linearizable
from tests.support import ALICE, BOB, NOON

from nom_negotiate import Conflict, NomError, RuleViolation
from nom_negotiate.poller import Report

OFFER: dict[str, Any] = {"price": 5, "quantity": 10}
START: dict[str, Any] = {**OFFER, "counterparty": BOB, "idle_s": 60}


def call(
    begun: int,
    ended: int,
    party: str,
    verb: str,
    *,
    error: NomError | None = None,
    crashed: bool = False,
    at: int = NOON,
    **options: Any,
) -> Call:
    fate = "crashed" if crashed else "refused" if error is not None else "done"
    return Call(
        actor=party,
        party=party,
        verb=verb,
        negotiation="n",
        options=options,
        begun=begun,
        ended=ended,
        fate=fate,  # type: ignore[arg-type]
        error=error,
        times=[at],
    )


def polled(begun: int, ended: int, at: int = NOON, **told: list[str]) -> Call:
    report = Report(at=at, **told)  # type: ignore[arg-type]
    return Call("poller", None, "poll", None, {}, begun, ended, report=report, times=[at])


def started(**options: Any) -> Call:
    return call(1, 2, ALICE, "start", **{**START, **options})


def could_be(*calls: Call, end: str | None = None, deal: int | None = None) -> bool:
    def ends(state: model.State | None) -> bool:
        if state is None or state.end != end:
            return False
        return deal is None or (state.deal is not None and state.deal[0] == deal)

    return linearizable(events_of(calls, "n"), None, ends)


CONCLUDED = RuleViolation("concluded", "has ended")


def test_an_acceptance_settles_and_what_follows_is_refused() -> None:
    accept = call(3, 4, BOB, "accept", round=1)
    assert could_be(started(), accept, end="agreed", deal=5)
    refused = call(5, 6, ALICE, "withdraw", error=CONCLUDED)
    assert could_be(started(), accept, refused, end="agreed")
    assert not could_be(started(), accept, end=None)
    assert not could_be(started(), accept, end="agreed", deal=6)
    assert not could_be(started(), accept, call(5, 6, ALICE, "withdraw"), end="agreed")
    assert not could_be(started(), accept, call(5, 6, ALICE, "withdraw"), end="ended")


def test_of_an_acceptance_and_a_withdrawal_at_once_one_is_refused() -> None:
    accept, withdraw = call(3, 6, BOB, "accept"), call(4, 5, ALICE, "withdraw")
    assert not could_be(started(), accept, withdraw, end="agreed")
    assert not could_be(started(), accept, withdraw, end="ended")
    moved = call(3, 6, BOB, "accept", error=Conflict("moved", "taken back"))
    assert could_be(started(), moved, withdraw, end="ended")
    assert not could_be(started(), moved, withdraw, end="agreed")


def test_what_came_first_is_not_taken_for_what_came_second() -> None:
    refused = call(3, 4, BOB, "accept", error=CONCLUDED)
    withdraw = call(5, 6, ALICE, "withdraw")
    assert not could_be(started(), refused, withdraw, end="ended")
    assert could_be(started(), call(3, 6, BOB, "accept", error=CONCLUDED), withdraw, end="ended")


def test_an_acceptance_of_another_round_than_that_on_the_table_is_refused() -> None:
    counter = call(3, 4, BOB, "offer", price=6, quantity=10)
    assert not could_be(started(), counter, call(5, 6, ALICE, "accept", round=1), end="agreed")
    assert could_be(started(), counter, call(5, 6, ALICE, "accept", round=2), end="agreed", deal=6)


def test_what_was_cut_off_may_have_happened_or_not() -> None:
    crashed = call(3, 4, BOB, "accept", crashed=True)
    assert could_be(started(), crashed, end="agreed")
    assert could_be(started(), crashed, end=None)
    withdraw = call(5, 6, ALICE, "withdraw")
    assert could_be(started(), crashed, withdraw, end="ended")
    # It did not happen later than it was cut off.
    assert not could_be(started(firm=False), crashed, withdraw, call(7, 8, BOB, "say"), end="ended")


def test_only_a_poll_ends_what_has_expired() -> None:
    late = NOON + 61
    assert could_be(started(), polled(3, 4, late, expired=["n"]), end="expired")
    assert not could_be(started(), polled(3, 4, late, active=["n"]), end="expired")
    assert not could_be(started(), polled(3, 4, NOON + 60, expired=["n"]), end="expired")
    word = call(3, 6, BOB, "say", at=NOON + 60)
    assert not could_be(started(), word, polled(7, 8, late, expired=["n"]), end="expired")
    assert not could_be(started(), word, polled(4, 5, late, expired=["n"]), end="expired")
    refused = call(3, 6, BOB, "say", error=CONCLUDED, at=NOON + 60)
    assert could_be(started(), refused, polled(4, 5, late, expired=["n"]), end="expired")


def test_a_poll_cannot_say_that_it_has_settled_what_nobody_accepted() -> None:
    assert not could_be(started(), polled(3, 4, agreed=["n"]), end=None)
    assert could_be(started(), call(3, 4, BOB, "accept"), polled(5, 6, agreed=["n"]), end="agreed")


def test_a_refusal_has_no_effect() -> None:
    refused = call(3, 4, BOB, "accept", error=Conflict("busy", "try again"))
    assert could_be(started(), refused, end=None)
    assert not could_be(started(), refused, end="agreed")


@pytest.mark.parametrize("verb", ["reject", "withdraw"])
def test_words_that_cross_end_it_and_no_deal_comes_of_them(verb: str) -> None:
    counter = call(3, 6, BOB, "offer", price=6, quantity=10)
    assert could_be(started(), counter, call(4, 5, ALICE, verb), end="ended")
    assert not could_be(started(), counter, call(4, 5, ALICE, verb), end="agreed")
    after = call(7, 8, ALICE, "withdraw")
    assert not could_be(started(), counter, after, end="ended")


def test_an_acceptance_may_be_answered_before_its_author_is_told_anything() -> None:
    indicative, reject = started(firm=False), call(5, 6, ALICE, "reject")
    assert not could_be(indicative, reject, end="ended")
    assert could_be(indicative, call(3, 8, BOB, "accept", error=CONCLUDED), reject, end="ended")
    moved = Conflict("moved", "taken back")
    assert could_be(indicative, call(3, 8, BOB, "accept", error=moved), reject, end="ended")


def test_equal_terms_that_cross_are_the_deal_that_both_are_told_of() -> None:
    accept, again = call(3, 6, BOB, "accept"), call(4, 5, ALICE, "offer", price=5, quantity=10)
    assert could_be(started(), accept, again, end="agreed", deal=5)
    other = call(4, 5, ALICE, "offer", price=6, quantity=10)
    assert not could_be(started(), accept, other, end="agreed")
