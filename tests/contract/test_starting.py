"""Over every store: starting a negotiation, newcomers, and what is refused at the door."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.test_negotiating import ID, refusal, start
from tests.support import ALICE, BOB, CAROL, DAY, NOON, Clock

from nom_negotiate import Desk, InputError, Limits, Party, Phase, Settings, Store

WRONG = [
    ({"price": -1}, "invalid_number", "price"),
    ({"price": "NaN"}, "invalid_number", "price"),
    ({"price": "5,50"}, "invalid_number", "price"),
    ({"price": "1e400"}, "invalid_number", "price"),
    ({"price": float("inf")}, "invalid_number", "price"),
    ({"quantity": 0}, "invalid_number", "quantity"),
    ({"quantity": "-0"}, "invalid_number", "quantity"),
    ({"chemical": "X"}, "unknown_chemical", "X"),
    ({"role": "broker"}, "invalid_text", "broker"),
    ({"message": "x" * 2001}, "invalid_text", "message"),
    ({"message": " \n"}, "invalid_text", "message"),
    ({"idle_s": 0}, "invalid_time", "idle_s"),
    ({"life_s": 10**9}, "invalid_time", "life_s"),
    ({"max_rounds": 0}, "invalid_number", "max_rounds"),
]


@pytest.mark.parametrize(("options", "code", "named"), WRONG)
def test_a_wrong_value_is_named_and_nothing_is_written(
    desk: Desk, alice: Party, options: dict[str, Any], code: str, named: str
) -> None:
    with pytest.raises(Exception, match=named) as refused:
        start(alice, **options)
    assert getattr(refused.value, "code", None) == code
    assert desk.store.parties() == []


def test_nobody_negotiates_with_themselves(desk: Desk, alice: Party) -> None:
    assert refusal(start, alice, "ALICE@stonybrook.edu") == "self_negotiation"
    assert refusal(start, alice, "a" * 300 + "@x.org") == "invalid_address"
    assert desk.store.parties() == []


# Newcomers


def test_a_first_mention_makes_a_directory_and_says_so(
    desk: Desk, alice: Party, notices: list[str]
) -> None:
    start(alice)
    assert notices == [f"created a directory for {ALICE}", f"created a directory for {BOB}"]
    assert [party.address for party in desk.parties()] == [ALICE, BOB]
    assert alice.profile is not None
    assert (alice.profile.address, alice.profile.created) == (ALICE, NOON)
    notices.clear()
    start(alice, CAROL)
    start(alice, BOB, chemical="N")
    assert notices == [f"created a directory for {CAROL}"]


def test_a_closed_root_refuses_newcomers_and_admits_neither_of_two(
    desk: Desk, alice: Party
) -> None:
    desk.initialise(Settings(closed=True))
    assert refusal(start, alice) == "closed_root"
    desk.add_party(ALICE)
    assert refusal(start, alice) == "closed_root"
    assert desk.store.parties() == [ALICE]
    desk.add_party(BOB, display_name="Bob")
    assert start(alice).id == ID
    profile = desk.party(BOB).profile
    assert profile is not None
    assert profile.display_name == "Bob"


def test_a_party_calls_itself_something_else(store: Store, desk: Desk, alice: Party) -> None:
    before = alice.set_display_name("Alice")
    assert (before.display_name, alice.profile) == ("Alice", before)
    after = alice.set_display_name("Swift Fox")
    assert alice.profile == after == msgspec.structs.replace(before, display_name="Swift Fox")
    with pytest.raises(InputError, match="display name"):
        alice.set_display_name("x" * 101)
    assert alice.profile == after
    desk.initialise(Settings(closed=True))
    assert refusal(desk.party(BOB).set_display_name, "Bob") == "closed_root"
    assert store.parties() == [ALICE]


def test_which_chemicals_exist_is_a_setting(desk: Desk, alice: Party) -> None:
    desk.initialise(Settings(chemicals=("H2O",)))
    assert refusal(start, alice) == "unknown_chemical"
    assert start(alice, chemical="H2O").chemical == "H2O"


# Duplicates


def test_a_second_negotiation_of_a_pair_over_a_chemical_is_refused_unless_asked_for(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice)
    clock.forward(1)
    assert refusal(start, alice) == "duplicate_negotiation"
    assert refusal(start, bob, ALICE, role="seller") == "duplicate_negotiation"
    assert start(alice, chemical="N").id == f"alice_bob_N_{NOON + 1}"
    assert start(alice, CAROL).id == f"alice_carol_C_{NOON + 1}"
    assert start(alice, again=True).id == f"alice_bob_C_{NOON + 1}"
    assert len(bob.negotiations()) == 3


@pytest.mark.parametrize("polls", [0, 1], ids=["before the poll", "after the poll"])
def test_a_negotiation_that_has_ended_stands_in_nobodys_way(
    desk: Desk, alice: Party, bob: Party, polls: int
) -> None:
    start(alice)
    bob.reject(ID)
    if polls:
        desk.poll()
    assert start(alice).id == f"alice_bob_C_{NOON + 1}"


def test_two_negotiations_of_a_pair_are_settled_each_for_itself(
    desk: Desk, alice: Party, bob: Party
) -> None:
    first, second = start(alice), start(alice, again=True)
    for deal in (first, second):
        bob.accept(deal.id)
    assert desk.poll().agreed == [first.id, second.id]
    names = [filed.name for filed in alice.transactions()]
    assert names == [f"{NOON}_buy_C_from_bob.json", f"{NOON}_buy_C_from_bob_2.json"]


# How long it may last


@pytest.mark.parametrize(
    ("options", "lasts"),
    [
        ({}, DAY),
        ({"idle_s": 60}, 60),
        ({"life_s": 90}, 90),
        ({"idle_s": 60, "life_s": 30}, 30),
    ],
)
def test_silence_ends_a_negotiation(
    desk: Desk, alice: Party, bob: Party, clock: Clock, options: dict[str, Any], lasts: int
) -> None:
    assert start(alice, **options).expires_at == NOON + lasts
    clock.forward(lasts)
    assert desk.poll().active == [ID]
    assert alice.negotiation(ID).phase is Phase.INITIATED
    clock.forward(1)
    assert alice.negotiation(ID).phase is Phase.EXPIRED
    assert refusal(bob.accept, ID) == "concluded"
    assert desk.poll().expired == [ID]
    ended = bob.negotiation(ID)
    assert (ended.phase, ended.archived) == (Phase.EXPIRED, True)
    assert ended.outcome is not None
    assert ended.outcome.reason


def test_the_root_says_how_long_a_negotiation_lasts_that_says_nothing_itself(
    desk: Desk, alice: Party, clock: Clock
) -> None:
    desk.initialise(Settings(limits=Limits(idle_s=10, life_s=20)))
    start(alice)
    # What was agreed upon at the start stays, whatever is set later.
    desk.initialise(Settings())
    clock.forward(11)
    assert desk.poll().expired == [ID]


def test_an_answer_restarts_the_silence_but_not_the_life(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, idle_s=60, life_s=100)
    clock.forward(50)
    assert bob.offer(ID, price=6, quantity=1).expires_at == NOON + 100
    clock.forward(50)
    assert alice.accept(ID).phase is Phase.AGREED
    clock.forward(DAY)
    assert desk.poll().agreed == [ID]
