"""What a party's file cannot rightly say, and whether an outcome follows from the files."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.unit.making import ALICE, BOB, Table, blank, offer, original

from nom_negotiate.core.evidence import (
    CLOCK_S,
    ahead,
    borne_out,
    dated_back,
    gone_back,
    miscounted,
)
from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.state import Message, PartyState, Status
from nom_negotiate.core.terms import Role

NOW = 1_704_312_345
LATER = NOW + CLOCK_S + 1


def alice(**changed: Any) -> PartyState:
    state = blank(ALICE, BOB, Role.BUYER, at=NOW).offering(offer(at=NOW), Status.AGREED, NOW)
    return msgspec.structs.replace(state, **changed)


def bob(**terms: Any) -> PartyState:
    said = offer(**{"at": NOW, "accepts": True, **terms})
    return blank(BOB, ALICE, Role.SELLER, at=NOW).offering(said, Status.AGREED, NOW)


# Times


@pytest.mark.parametrize(
    "state",
    [
        alice(last_updated=LATER),
        alice(created=LATER),
        alice(offer=offer(at=LATER)),
        alice(messages=(Message(timestamp=LATER, text="hello"),)),
        alice(history=alice(offer=offer(at=LATER)).offering(offer(), Status.PENDING, 0).history),
    ],
)
def test_a_word_from_more_than_two_days_ahead_is_doubted_until_then(state: PartyState) -> None:
    reason = ahead(state, NOW)
    assert reason is not None
    assert "2024-01-05" in reason
    assert ahead(state, NOW + 1) is None


def test_how_long_an_offer_is_valid_is_no_word_from_the_future() -> None:
    assert ahead(alice(offer=offer(at=NOW, valid_until=NOW + 300 * 24 * 3600)), NOW) is None


def test_an_acceptance_from_long_before_its_offer_is_doubted() -> None:
    assert dated_back(bob(at=NOW - CLOCK_S), alice()) is None
    assert "2024-01-01" in (dated_back(bob(at=NOW - CLOCK_S - 1), alice()) or "")
    # What is no acceptance may be as old as it likes: a migrated offer keeps its time.
    assert dated_back(bob(at=1, accepts=False), alice()) is None


# Rounds and revisions


def test_an_acceptance_of_a_round_that_nobody_offered_says_that_the_other_file_went_back() -> None:
    assert gone_back(alice(), bob()) is None
    assert "round 3" in (gone_back(alice(), bob(round=3)) or "")


def test_who_counts_no_rounds_is_not_doubted() -> None:
    assert gone_back(alice(offer=offer(round=None)), bob(round=3)) is None
    assert gone_back(original(), bob(round=3)) is None


def test_more_said_than_counted_is_told() -> None:
    assert miscounted(alice()) is None
    assert "revision 1" in (
        miscounted(alice(messages=(Message(timestamp=0, text="hello"),) * 2)) or ""
    )
    assert miscounted(original()) is None


# Outcomes


def decided() -> tuple[Outcome, dict[Any, PartyState], dict[Any, str]]:
    table = Table().offer(ALICE).accept(BOB)
    outcome = table.poll()
    assert outcome is not None
    return outcome, dict(table.states), dict(table.snapshot.digests)


def other(state: PartyState, revisions: int = 1) -> PartyState:
    """Return a state in which nothing is left of what was agreed."""
    said = offer("77", round=2)
    return msgspec.structs.replace(
        state, offer=said, history=(), revision=state.revision + revisions, agreement_key=None
    )


NEW = {ALICE: "0" * 64, BOB: "1" * 64}


def test_an_outcome_is_borne_out_by_the_files_it_was_decided_from() -> None:
    assert borne_out(*decided())


@pytest.mark.parametrize("honest", [ALICE, BOB])
def test_one_party_alone_cannot_refute_a_decided_deal(honest: Address) -> None:
    outcome, states, digests = decided()
    for revisions in (-1, 0, 1):
        changed = {p: s if p == honest else other(s, revisions) for p, s in states.items()}
        found = {p: d if p == honest else NEW[p] for p, d in digests.items()}
        assert borne_out(outcome, changed, found)
        # Nor by removing its file.
        assert borne_out(outcome, {p: changed[p] for p in [honest]}, {honest: found[honest]})


def test_what_a_party_committed_to_before_bears_it_out() -> None:
    outcome, states, _ = decided()
    gone_on = states[BOB].offering(offer("9", round=2), Status.PENDING, 9)
    assert borne_out(outcome, {ALICE: other(states[ALICE], 0), BOB: gone_on}, NEW)


def test_two_files_that_were_rewritten_since_refute_nothing() -> None:
    outcome, states, _ = decided()
    assert borne_out(outcome, {p: other(s) for p, s in states.items()}, NEW)
    late = {p: original(p, price=9, last_updated=outcome.at) for p in states}
    assert borne_out(outcome, late, NEW)
    assert borne_out(outcome, {}, {})


def test_two_files_that_are_no_newer_and_say_other_things_refute_it() -> None:
    outcome, states, _ = decided()
    unchanged = {p: other(s, 0) for p, s in states.items()}
    assert not borne_out(outcome, unchanged, NEW)
    assert not borne_out(outcome, {ALICE: unchanged[ALICE]}, NEW)
    # One that names no states was not decided here.
    nameless = msgspec.structs.replace(outcome, states={})
    assert not borne_out(nameless, unchanged, NEW)


def test_what_settles_nothing_needs_no_evidence() -> None:
    outcome, states, _ = decided()
    carried_over = msgspec.structs.replace(outcome, transactions={}, states={})
    assert borne_out(carried_over, {p: other(s, 0) for p, s in states.items()}, NEW)
