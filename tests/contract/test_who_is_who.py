"""Over every store: strangers, namesakes, and ids that are none."""

from __future__ import annotations

import pytest
from tests.contract.test_negotiating import ID, refusal, start
from tests.support import ALICE, BOB, CAROL, NOON

from nom_negotiate import Desk, Party, Phase


def test_somebody_else_has_no_part_in_it(desk: Desk, alice: Party) -> None:
    start(alice)
    start(desk.party(CAROL), ALICE)
    for stranger in (desk.party(CAROL), desk.party("nobody@stonybrook.edu")):
        assert refusal(stranger.negotiation, ID) == "unknown_negotiation"
        assert refusal(stranger.accept, ID) == "unknown_negotiation"
        assert refusal(stranger.say, ID, "me too") == "unknown_negotiation"
    assert not desk.store.known(desk.party("nobody@stonybrook.edu").address)


@pytest.mark.parametrize("text", ["../alice", "", ".hidden", "a/b", "a\nb", "x" * 256])
def test_what_is_no_id_is_refused_as_such(desk: Desk, alice: Party, text: str) -> None:
    start(alice)
    for action in (alice.negotiation, alice.accept, alice.withdraw, desk.negotiation):
        assert refusal(action, text) == "invalid_id"
    assert refusal(desk.party("nobody@stonybrook.edu").accept, text) == "invalid_id"


def test_parties_of_one_short_name_negotiate_with_each_other(desk: Desk) -> None:
    one, other = desk.party("alice@a.edu"), desk.party("alice@b.edu")
    deal = start(one, "alice@b.edu")
    assert deal.id == f"alice_alice_C_{NOON}"
    other.offer(deal.id, price=6, quantity=900)
    assert one.accept(deal.id).phase is Phase.AGREED
    assert desk.poll().agreed == [deal.id]
    assert [len(one.transactions()), len(other.transactions())] == [1, 1]


def test_parties_of_one_short_name_negotiate_with_the_same_third(desk: Desk, bob: Party) -> None:
    one, other = desk.party("alice@a.edu"), desk.party("alice@b.edu")
    first, second = start(one), start(other, role="seller")
    assert [first.id, second.id] == [ID, f"alice_bob_C_{NOON + 1}"]
    assert [n.id for n in bob.negotiations()] == [first.id, second.id]
    for deal in (first, second):
        bob.accept(deal.id)
    assert desk.poll().agreed == [first.id, second.id]
    assert [filed.name for filed in bob.transactions()] == [
        f"{NOON}_buy_C_from_alice.json",
        f"{NOON}_sell_C_to_alice.json",
    ]


def test_addresses_are_compared_without_their_case(desk: Desk, alice: Party) -> None:
    deal = start(alice, "BOB@Stonybrook.EDU")
    assert deal.responder == BOB
    assert desk.party("Alice@StonyBrook.edu").negotiation(deal.id) == deal
