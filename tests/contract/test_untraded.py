"""A chemical that is no longer traded: no new word over it, and no deal is settled or lost."""

from __future__ import annotations

import pytest
from tests.contract.test_negotiating import ID, refusal, start
from tests.support import BOB, CAROL, DAY, NOON, Clock

from nom_negotiate import Desk, Party, Phase, Settings

WITHOUT_C = Settings(chemicals=("N", "D", "Q"))


@pytest.fixture
def begun(desk: Desk, alice: Party) -> Desk:
    """Return a desk at which C is traded no more, and alice's offer of it is on the table."""
    desk.initialise(Settings())
    start(alice)
    desk.initialise(WITHOUT_C)
    return desk


def test_it_is_neither_offered_nor_accepted_any_more(begun: Desk, bob: Party) -> None:
    assert refusal(bob.accept, ID) == "unknown_chemical"
    assert refusal(bob.offer, ID, price=6, quantity=10) == "unknown_chemical"
    assert begun.poll().problems == []


def test_what_was_begun_can_be_ended(begun: Desk, bob: Party) -> None:
    bob.say(ID, "what a pity")
    bob.reject(ID)
    assert begun.poll().rejected == [ID]


def test_it_expires_as_ever(begun: Desk, clock: Clock) -> None:
    clock.forward(3 * DAY)
    assert begun.poll().expired == [ID]


def test_a_deal_that_was_made_in_time_waits_until_it_is_traded_again(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    desk.initialise(Settings())
    start(alice)
    start(alice, CAROL, chemical="N")
    bob.accept(ID)
    desk.party(CAROL).accept(f"alice_carol_N_{NOON}")
    desk.initialise(WITHOUT_C)
    report = desk.poll()
    assert (report.agreed, report.active) == ([f"alice_carol_N_{NOON}"], [ID])
    [problem] = report.problems
    assert "C is not traded here" in problem.reason
    assert "nom init --chemical" in problem.reason
    # It was made in time, however late it is settled.
    clock.forward(5 * DAY)
    assert desk.poll().active == [ID]
    desk.initialise(Settings())
    assert desk.poll().agreed == [ID]
    assert desk.party(BOB).negotiation(ID).phase is Phase.AGREED
    assert len(bob.transactions()) == 1
