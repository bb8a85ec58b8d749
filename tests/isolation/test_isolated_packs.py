"""Packs where each party is a Unix user: the poller writes them, their parties read them."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from tests.isolation.conftest import ALICE, BOB, POLLER, USERS, Market
from tests.isolation.test_isolation import accept, refused, start, transactions

DAY = 24 * 3600
MONTH = "2024-01"


def figures(market: Market) -> list[Any]:
    return [
        market.party(
            address,
            lambda party: (
                [(one.id, one.phase) for one in party.negotiations(archived=True)],
                party.transactions(),
            ),
        )
        for address in (ALICE, BOB)
    ]


def settle(name: str, party: Any) -> None:
    party.mark_settled(name)


def packed(market: Market) -> list[Any]:
    """Let alice and bob end two negotiations, and the poller pack them; return the figures."""
    accept(market, BOB, start(market))
    deal = start(market, chemical="N")
    market.party(BOB, lambda bob: bob.reject(deal) and None)
    market.poll()
    for address in (ALICE, BOB):
        [filed] = transactions(market, address)
        market.party(address, partial(settle, filed.name))
    before = figures(market)
    market.now += DAY
    packing = market.as_user(POLLER, lambda: market.desk().pack(0))
    assert packing == (2, 2, (), False)
    return before


def test_each_party_reads_what_the_poller_has_packed(market: Market) -> None:
    before = packed(market)
    assert figures(market) == before
    for address in (ALICE, BOB):
        assert os.listdir(market.path(address, "packs")) == [f"{MONTH}.jsonl.gz"]
        assert os.listdir(market.path(address, "negotiations_archive")) == []
        assert os.listdir(market.path(address, "transactions")) == []
    market.as_user(POLLER, lambda: market.desk().unpack(MONTH))
    assert figures(market) == before
    assert not market.poll().problems


def test_no_party_changes_a_pack(market: Market) -> None:
    packed(market)
    uid, room = USERS[ALICE], market.path(ALICE, "packs")
    pack = room / f"{MONTH}.jsonl.gz"
    refused(market, uid, lambda: os.open(pack, os.O_WRONLY))
    refused(market, uid, lambda: os.unlink(pack))
    refused(market, uid, lambda: os.rename(pack, room / "x"))
    refused(market, uid, lambda: (room / "2024-02.jsonl.gz").make())
    refused(market, uid, lambda: os.rename(room, market.path(ALICE, "x")))
    refused(market, USERS[BOB], lambda: os.unlink(pack))


def test_a_pack_that_is_not_the_pollers_is_not_believed(market: Market) -> None:
    packed(market)
    os.chown(market.path(ALICE, "packs", f"{MONTH}.jsonl.gz"), USERS[ALICE], -1)
    assert figures(market)[0] == ([], [])
    told = market.as_user(
        POLLER, lambda: market.desk().store.packs(market.desk().party(ALICE).address)[0].problems
    )
    assert "expected a pack that the poller has written" in told[0].reason


def test_a_party_marks_a_packed_transaction_again(market: Market) -> None:
    packed(market)
    [filed] = transactions(market, ALICE)
    market.party(ALICE, lambda alice: alice.mark_settled(filed.name, settled=False))
    assert [one.transaction.settled for one in transactions(market, ALICE)] == [False]
    market.party(ALICE, lambda alice: alice.mark_settled(filed.name))
    packing = market.as_user(POLLER, lambda: market.desk().pack(0))
    assert packing == (0, 1, (), False)
    assert transactions(market, ALICE) == [filed]
