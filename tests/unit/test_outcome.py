"""How a negotiation ended, and the two transactions that follow mechanically."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import ALICE, BOB, LIMITS, Table, numbers

from nom_negotiate import codec
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.outcome import (
    Deal,
    Kind,
    Outcome,
    Side,
    Transaction,
    mirrored,
    next_name,
    preferred_names,
    transaction_name,
)
from nom_negotiate.core.terms import Role


def agreed(price: Decimal | str = "5.50", quantity: Decimal | int = 1000) -> Outcome:
    table = Table().offer(ALICE, price, quantity).accept(BOB)
    outcome = decide(table.snapshot, 1704312400, LIMITS)
    assert outcome is not None
    return outcome


def test_a_deal_is_one_purchase_and_one_sale() -> None:
    outcome = agreed()
    sides = mirrored(outcome)
    assert set(sides) == {ALICE, BOB}
    bought, sold = sides[ALICE], sides[BOB]
    assert (bought.type, bought.counterparty) == (Side.BUY, BOB)
    assert (sold.type, sold.counterparty) == (Side.SELL, ALICE)
    for name in ("chemical", "price", "quantity", "negotiation_id", "timestamp", "agreement_key"):
        assert getattr(bought, name) == getattr(sold, name)
    assert bought.timestamp == outcome.at == 1704312400
    assert not bought.settled
    assert not sold.settled


@given(numbers, numbers)
def test_the_same_outcome_gives_the_same_bytes_whoever_reads_it(
    price: Decimal, quantity: Decimal
) -> None:
    outcome = agreed(price, quantity)
    read = codec.decode_outcome(codec.encode(outcome))
    first = {party: codec.encode(one) for party, one in mirrored(outcome).items()}
    again = {party: codec.encode(one) for party, one in mirrored(read).items()}
    assert first == again


@pytest.mark.parametrize("kind", [Kind.REJECTED, Kind.WITHDRAWN, Kind.EXPIRED])
def test_only_an_agreement_moves_anything(kind: Kind) -> None:
    assert mirrored(msgspec.structs.replace(agreed(), outcome=kind)) == {}
    assert mirrored(msgspec.structs.replace(agreed(), outcome=kind, deal=None)) == {}


def test_a_migrated_agreement_moves_nothing_again() -> None:
    assert mirrored(msgspec.structs.replace(agreed(), transactions={})) == {}


def test_a_transaction_is_named_after_its_second_side_chemical_and_counterparty() -> None:
    assert agreed().transactions == {
        ALICE: "1704312400_buy_C_from_bob.json",
        BOB: "1704312400_sell_C_to_alice.json",
    }


def test_parties_with_one_short_name_have_a_transaction_each() -> None:
    here, there = parse_address("alice@a.edu"), parse_address("alice@b.edu")
    deal = Deal(
        buyer=here,
        seller=there,
        chemical="C",
        price=Decimal(1),
        quantity=Decimal(1),
        agreement_key="",
    )
    assert preferred_names(deal, 5) == {
        here: "5_buy_C_from_alice.json",
        there: "5_sell_C_to_alice.json",
    }


def test_a_name_that_is_taken_is_counted_on() -> None:
    name = transaction_name(Side.BUY, "C", BOB, 5)
    assert [next_name(name, n) for n in (1, 2, 3)] == [
        "5_buy_C_from_bob.json",
        "5_buy_C_from_bob_2.json",
        "5_buy_C_from_bob_3.json",
    ]


@given(st.integers(1, 999), st.integers(1, 999))
def test_two_attempts_never_share_a_name(one: int, other: int) -> None:
    name = transaction_name(Side.SELL, "C", ALICE, 5)
    assert (next_name(name, one) == next_name(name, other)) == (one == other)


def test_the_buyer_buys_and_the_seller_sells() -> None:
    assert [Side.of(role) for role in Role] == [Side.BUY, Side.SELL]


def test_a_transaction_is_the_same_one_after_its_owner_marked_it() -> None:
    mine: Transaction = mirrored(agreed())[ALICE]
    marked = msgspec.structs.replace(mine, settled=True, extra={"note": "paid in cash"})
    assert marked != mine
    assert marked.identity == mine.identity
    hash(marked.identity)


@pytest.mark.parametrize(
    "changed",
    [
        {"negotiation_id": "alice_bob_C_2"},
        {"type": Side.SELL},
        {"agreement_key": None},
        {"extra": {"legacy_id": "txn_1"}},
    ],
    ids=str,
)
def test_another_transaction_is_another_one(changed: dict[str, object]) -> None:
    mine = mirrored(agreed())[ALICE]
    assert msgspec.structs.replace(mine, **changed).identity != mine.identity
