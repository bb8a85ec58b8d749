"""Every store: parties, settings, transactions, listings, the poller's lock and its log."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tests.contract.records import A, B, admit, agreed, profile
from tests.support import ALICE, BOB, CAROL, NOON

from nom_negotiate import Limits, Listing, Outcome, Settings, Side, Store, StoreError
from nom_negotiate.core.identity import parse_address

BOUGHT = f"{NOON}_buy_C_from_bob.json"
SOLD = f"{NOON}_sell_C_to_alice.json"


def names(store: Store, party: str) -> list[str]:
    filed, problems = store.transactions(parse_address(party))
    assert not problems
    return [name for name, _ in filed]


# Set-up


def test_a_store_that_was_not_set_up_has_the_default_settings(store: Store) -> None:
    assert store.settings() == Settings()


@pytest.mark.durable
def test_settings_stay_until_they_are_changed(store: Store) -> None:
    first = Settings(closed=True, chemicals=("X",), limits=Limits(idle_s=5, life_s=9, max_rounds=2))
    assert store.initialise(first) is True
    assert store.settings() == first
    assert store.initialise(Settings()) is False
    assert store.settings() == Settings()


@pytest.mark.durable
def test_a_party_is_added_once_and_keeps_its_first_profile(store: Store) -> None:
    assert store.profile(A) is None
    assert store.add_party(profile(ALICE)) is True
    assert store.add_party(msgspec.structs.replace(profile(ALICE), display_name="x")) is False
    assert store.profile(A) == profile(ALICE)


def test_parties_are_listed_by_address(store: Store) -> None:
    assert store.parties() == []
    admit(store, CAROL, BOB, ALICE)
    assert store.parties() == [ALICE, BOB, CAROL]
    assert store.known(A)
    assert not store.known(parse_address("dave@stonybrook.edu"))


# Settling


@pytest.mark.durable
def test_an_agreement_becomes_two_mirrored_transactions(store: Store) -> None:
    admit(store, A, B)
    filed = store.settle(agreed("alice_bob_C_1"))
    assert {party: name for party, (name, _) in filed.items()} == {A: BOUGHT, B: SOLD}
    bought, sold = filed[A].transaction, filed[B].transaction
    assert (bought.type, sold.type) == (Side.BUY, Side.SELL)
    assert (bought.counterparty, sold.counterparty) == (B, A)
    mirrored = {"type": sold.type, "counterparty": sold.counterparty}
    assert msgspec.structs.replace(bought, **mirrored) == sold
    assert store.transactions(A) == ([filed[A]], [])
    assert store.transactions(B) == ([filed[B]], [])


def test_settling_again_adds_nothing(store: Store) -> None:
    admit(store, A, B)
    first = store.settle(agreed("alice_bob_C_1"))
    assert store.settle(agreed("alice_bob_C_1")) == first
    assert names(store, ALICE) == [BOUGHT]
    assert names(store, BOB) == [SOLD]


def test_a_name_that_another_deal_has_moves_on(store: Store) -> None:
    admit(store, A, B)
    deals: list[Outcome] = [agreed(f"alice_bob_C_{n}") for n in range(3)]
    filed = [store.settle(deal)[A].name for deal in deals]
    second, third = BOUGHT.replace(".json", "_2.json"), BOUGHT.replace(".json", "_3.json")
    assert filed == [BOUGHT, second, third]
    # And each is found again under the name that it has got.
    assert [store.settle(deal)[A].name for deal in reversed(deals)] == filed[::-1]
    assert names(store, ALICE) == sorted(filed)


@pytest.mark.parametrize("change", [{"settled": True}, {"extra": {"invoice": 7}}])
def test_a_transaction_that_its_owner_has_changed_is_not_placed_again(
    store: Store, change: dict[str, object]
) -> None:
    admit(store, A, B)
    first = store.settle(agreed("alice_bob_C_1"))[A]
    changed = msgspec.structs.replace(first.transaction, **change)
    with store.writer(A) as pen:
        pen.replace_transaction(first.name, changed)
    assert store.settle(agreed("alice_bob_C_1"))[A] == (first.name, changed)
    assert store.transactions(A) == ([(first.name, changed)], [])


def test_neither_side_is_placed_where_one_has_no_room(store: Store) -> None:
    admit(store, A)
    with pytest.raises(StoreError):
        store.settle(agreed("alice_bob_C_1"))
    assert names(store, ALICE) == []
    admit(store, B)
    store.settle(agreed("alice_bob_C_1"))
    assert (names(store, ALICE), names(store, BOB)) == ([BOUGHT], [SOLD])


def test_a_party_may_add_a_transaction_of_its_own_once(store: Store) -> None:
    admit(store, A, B)
    placed = store.settle(agreed("alice_bob_C_1"))[A].transaction
    other = msgspec.structs.replace(placed, negotiation_id="alice_bob_C_2")
    with store.writer(A) as pen:
        assert pen.write_transaction(BOUGHT, placed) == BOUGHT
        second = pen.write_transaction(BOUGHT, other)
        assert second == pen.write_transaction(BOUGHT, other) != BOUGHT
    assert names(store, ALICE) == [BOUGHT, second]


def test_somebody_unknown_has_no_transactions(store: Store) -> None:
    assert store.transactions(A) == ([], [])


# Listings


def test_listings_are_kept_by_author_and_id(store: Store) -> None:
    admit(store, A, B)
    second = Listing(id="2", user=A, type=Side.BUY, chemical="C", created=NOON)
    first = msgspec.structs.replace(second, id="1", price=Decimal("1.5"))
    with store.writer(A) as pen:
        pen.write_listing(second)
        pen.write_listing(first)
    assert store.listings(A) == ([first, second], [])
    assert store.listings(B) == ([], [])
    changed = msgspec.structs.replace(first, closed_at=NOON + 1)
    with store.writer(A) as pen:
        assert pen.write_listing(changed)
        assert not pen.write_listing(first, seen=first)
    assert store.listings(A) == ([changed, second], [])


def test_a_pen_writes_listings_of_its_own_party_only(store: Store) -> None:
    admit(store, A, B)
    foreign = Listing(id="1", user=B, type=Side.BUY, chemical="C", created=NOON)
    with store.writer(A) as pen, pytest.raises(AssertionError):
        pen.write_listing(foreign)
    assert store.listings(A) == store.listings(B) == ([], [])


# The poller's room


def test_the_polling_lock_is_had_by_one_and_never_waited_for(store: Store) -> None:
    with store.polling() as first, store.polling() as second:
        assert (first, second) == (True, False)
    with store.polling() as third:
        assert third is True


def test_a_pass_that_fails_gives_the_lock_back(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.polling():
        raise ZeroDivisionError
    with store.polling() as free:
        assert free is True


def test_the_log_keeps_its_lines_in_order(store: Store) -> None:
    store.initialise(Settings())
    assert list(store.passes()) == []
    for line in (b"one\n", b"two\n"):
        store.log_pass(line)
    assert list(store.passes()) == [b"one\n", b"two\n"]
