"""A party whose state file is nearly full can still answer the last offer, and end it."""

from __future__ import annotations

import pytest
from tests.contract.test_negotiating import ID, start
from tests.support import BOB

from nom_negotiate import Desk, Party, Phase, RecordError
from nom_negotiate.codec import MAX_RECORD_BYTES, least_size
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.rules import MAX_TEXT_CHARS
from nom_negotiate.core.terms import MAX_CONDITION_CHARS

REASON = "\U0001f9ea" * MAX_TEXT_CHARS


@pytest.fixture
def full(desk: Desk, alice: Party, bob: Party) -> Party:
    """Return bob, who has talked until there was no more room; alice's offer is on the table."""
    start(alice)
    talk_on(bob)
    return bob


def talk_on(party: Party) -> None:
    for text in (REASON, "x"):
        with pytest.raises(RecordError):
            repeat(party, text)


def repeat(party: Party, text: str) -> None:
    while True:
        party.say(ID, text)


def size(desk: Desk, who: str) -> int:
    address = parse_address(who)
    place = desk.store.find(address, ID)
    assert place is not None
    snapshot = desk.store.snapshot(place)
    assert snapshot is not None
    return least_size(snapshot.states[address])


def test_offers_and_messages_are_refused_before_the_file_is_full(desk: Desk, full: Party) -> None:
    before = size(desk, BOB)
    with pytest.raises(RecordError) as refused:
        full.offer(ID, price=7, quantity=10)
    assert refused.value.code == "record_too_large"
    assert "accept, reject or withdraw" in refused.value.hint
    assert size(desk, BOB) == before
    assert MAX_RECORD_BYTES - 17 * 1024 < before <= MAX_RECORD_BYTES - 16 * 1024


def test_there_is_always_room_to_accept(desk: Desk, full: Party) -> None:
    assert full.accept(ID).phase is Phase.AGREED
    assert desk.poll().agreed == [ID]


def test_there_is_always_room_to_accept_the_longest_conditions_and_to_withdraw_it(
    desk: Desk, alice: Party, bob: Party
) -> None:
    longest = "\U0001f9ea" * MAX_CONDITION_CHARS
    start(alice, firm=False, delivery=longest, payment=longest, quality=longest)
    talk_on(bob)
    # What a party may add at any time takes of the same room.
    alice.say(ID, "you talk a lot")
    bob.mark_read(ID)
    bob.react(ID, 100)
    bob.accept(ID)
    bob.withdraw(ID, reason=REASON)
    assert size(desk, BOB) <= MAX_RECORD_BYTES
    report = desk.poll()
    assert (report.withdrawn, report.problems) == ([ID], [])


def test_the_longest_conditions_fit_into_an_outcome_and_its_transactions(
    desk: Desk, alice: Party, bob: Party
) -> None:
    longest = '"' * MAX_CONDITION_CHARS
    start(alice, delivery=longest, payment=longest, quality=longest)
    bob.accept(ID)
    assert desk.poll().agreed == [ID]
    [filed] = bob.transactions()
    assert filed.transaction.quality == longest


def test_there_is_always_room_to_reject_with_the_longest_reason(desk: Desk, full: Party) -> None:
    full.reject(ID, reason=REASON)
    assert size(desk, BOB) <= MAX_RECORD_BYTES
    assert desk.poll().rejected == [ID]


def test_there_is_always_room_to_withdraw(desk: Desk, alice: Party) -> None:
    start(alice)
    talk_on(alice)
    alice.withdraw(ID, reason=REASON)
    assert desk.poll().withdrawn == [ID]


def test_accepting_again_and_again_fills_nothing(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice, firm=False)
    talk_on(bob)
    # Bob accepts each indicative offer, and alice makes another one instead of confirming.
    for number in range(15):
        bob.accept(ID)
        alice.offer(ID, price=10 + number, quantity=10, firm=False)
    assert size(desk, BOB) < MAX_RECORD_BYTES - 8500
    bob.reject(ID, reason=REASON)
    report = desk.poll()
    assert (report.rejected, report.problems) == ([ID], [])
