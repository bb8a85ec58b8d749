"""Listings between real Unix users: each writes its own, everybody answers, nobody sees more."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.isolation.conftest import ALICE, BOB, CAROL, POLLER, USERS, Market

from nom_negotiate import RuleViolation, StoreError
from nom_negotiate import market as market_

SELL: dict[str, Any] = {"side": "sell", "chemical": "C", "price": "5.50", "quantity": 100}


def post(market: Market) -> str:
    return str(market.party(ALICE, lambda alice: market_.post(alice, **SELL).id))


def respond(market: Market, by: str, listing_id: str, **terms: Any) -> str:
    return str(
        market.party(by, lambda party: market_.respond(party, ALICE, listing_id, **terms).id)
    )


def left(market: Market, uid: int) -> Any:
    [row] = market.as_user(uid, lambda: market.desk().listings(closed=True))
    return row.left


def test_an_answer_lies_at_the_author_and_is_settled(market: Market) -> None:
    listing_id = post(market)
    deal = respond(market, BOB, listing_id, quantity=30)
    path = market.path(ALICE, "negotiations", deal)
    assert market.party(ALICE, lambda alice: [one.id for one in alice.negotiations()]) == [deal]
    assert market.party(BOB, lambda bob: [one.turn for one in bob.negotiations()]) == [ALICE]
    assert market.as_user(POLLER, lambda: (path / "bob_state.json").read()).startswith(b"{")
    market.party(ALICE, lambda alice: alice.accept(deal) and None)
    report = market.poll()
    assert (report.agreed, report.problems) == ([deal], [])


def test_others_see_what_is_left_when_its_author_has_written_it_down(market: Market) -> None:
    listing_id = post(market)
    deal = respond(market, BOB, listing_id, quantity=30)
    market.party(ALICE, lambda alice: alice.accept(deal) and None)
    market.poll()
    assert (left(market, USERS[ALICE]), left(market, POLLER)) == (70, 70)
    assert (left(market, USERS[BOB]), left(market, USERS[CAROL])) == (100, 100)
    market.party(ALICE, lambda alice: alice.mark_settled(alice.transactions()[0].name) and None)
    assert left(market, USERS[CAROL]) == 70


def test_the_poller_refuses_what_others_could_not_see_was_gone(market: Market) -> None:
    listing_id = post(market)
    bobs = respond(market, BOB, listing_id)
    market.party(ALICE, lambda alice: alice.accept(bobs) and None)
    market.poll()
    carols = respond(market, CAROL, listing_id)
    with pytest.raises(RuleViolation, match="nothing of the listing"):
        market.party(ALICE, lambda alice: alice.accept(carols) and None)
    market.party(ALICE, lambda alice: alice.offer(carols, price=5, quantity=1) and None)
    market.party(CAROL, lambda carol: carol.accept(carols) and None)
    assert market.poll().rejected == [carols]


def test_who_has_answered_can_answer_again_after_the_next_pass(market: Market) -> None:
    listing_id = post(market)
    market.poll()
    spare = market.path(BOB, "spare")
    before = len(os.listdir(spare))
    respond(market, BOB, listing_id)
    assert len(os.listdir(spare)) == before - 1
    market.poll()
    assert len(os.listdir(spare)) == before


def test_nobody_writes_a_listing_for_another(market: Market) -> None:
    listing_id = post(market)
    path = market.path(ALICE, "listings", f"{listing_id}.json")
    for uid in (USERS[BOB], USERS[CAROL]):
        with pytest.raises(PermissionError):
            market.as_user(uid, lambda: open(path, "a").close())
        with pytest.raises(StoreError):
            market.as_user(
                uid, lambda: market_.close(market.desk().party(ALICE), listing_id) and None
            )


def test_a_stranger_who_claims_to_have_answered_stops_nothing(market: Market) -> None:
    """Carol leaves a file in bob's answer, and a link in her room, before alice has spoken."""
    listing_id = post(market)
    deal = respond(market, BOB, listing_id)
    namespace = market.path(ALICE, "negotiations", deal)

    def plant() -> None:
        state = (namespace / "bob_state.json").read().replace(b"bob@", b"carol@")
        # The key does not fit; with another status it need not.
        state = state.replace(b'"agreed"', b'"pending"')
        lines = [line for line in state.split(b"\n") if b"agreement_key" not in line]
        (namespace / "carol_state.json").make(b"\n".join(lines))
        link = market.path(CAROL, "negotiations", deal)
        os.symlink(f"../../{ALICE}/negotiations/{deal}", link)

    market.as_user(USERS[CAROL], plant)
    assert market.party(ALICE, lambda alice: alice.accept(deal).phase) == "agreed"
    report = market.poll()
    assert report.agreed == [deal]
    assert any("carol_state.json" in problem.path for problem in report.problems)
