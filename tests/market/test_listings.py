"""Listings are posted, seen by everybody, best price first, and closed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.support import ALICE, BOB, CAROL, DAY, NOON, Clock

from nom_negotiate import (
    Desk,
    InputError,
    Listing,
    NotFound,
    Party,
    RuleViolation,
    Settings,
    market,
)
from nom_negotiate.core.party import MAX_PACK_AFTER_S


def shown(desk: Desk, **asked: Any) -> list[str]:
    """Return what the market shows: author, price and what is left."""
    return [
        f"{row.listing.user.partition('@')[0]} {row.listing.type} {row.listing.chemical}"
        f" {row.listing.price} {row.left}"
        for row in desk.listings(**asked)
    ]


def test_a_listing_is_what_its_author_posted(desk: Desk, alice: Party) -> None:
    posted = market.post(
        alice, side="sell", chemical="C", price="5.50", quantity=100, text="  on campus "
    )
    assert (posted.id, posted.user) == (f"{NOON}_sell_C", ALICE)
    assert (posted.price, posted.quantity) == (Decimal("5.5"), Decimal(100))
    assert posted.text == "on campus"
    [row] = desk.listings()
    assert row.listing == posted
    assert (row.left, row.stands, row.display_name) == (Decimal(100), True, ALICE)


def test_two_listings_of_one_second_have_two_ids(alice: Party) -> None:
    ids = [market.post(alice, side="buy", chemical="C").id for _ in range(3)]
    assert ids == [f"{NOON + number}_buy_C" for number in range(3)]


def test_the_best_price_comes_first_then_the_oldest_and_no_price_last(
    desk: Desk, clock: Clock
) -> None:
    def post(who: str, side: str, price: str | None) -> None:
        market.post(desk.party(who), side=side, chemical="C", price=price)
        clock.forward(1)

    for price in (None, "6", "5", "7"):
        post(ALICE, "sell", price)
        post(ALICE, "buy", price)
    post(BOB, "sell", "5.0")
    post(BOB, "buy", "7.0")
    assert shown(desk) == [
        "alice sell C 5 None",
        "bob sell C 5 None",
        "alice sell C 6 None",
        "alice sell C 7 None",
        "alice sell C None None",
        "alice buy C 7 None",
        "bob buy C 7 None",
        "alice buy C 6 None",
        "alice buy C 5 None",
        "alice buy C None None",
    ]


def test_what_is_asked_for_is_shown_and_nothing_else(desk: Desk, alice: Party, bob: Party) -> None:
    market.post(alice, side="sell", chemical="C", price="5", text="Reinst, ß-Qualität")
    market.post(bob, side="sell", chemical="N", price="6")
    market.post(bob, side="buy", chemical="C")
    assert shown(desk, chemical="C") == ["alice sell C 5 None", "bob buy C None None"]
    assert shown(desk, side="sell") == ["alice sell C 5 None", "bob sell N 6 None"]
    assert shown(desk, party=BOB) == ["bob sell N 6 None", "bob buy C None None"]
    assert shown(desk, min_price="5.5") == ["bob sell N 6 None"]
    assert shown(desk, max_price=5) == ["alice sell C 5 None"]
    assert shown(desk, min_price="5.01", max_price="5.99") == []
    assert shown(desk, text="SS-qualität reinst") == ["alice sell C 5 None"]
    assert shown(desk, text="BOB") == ["bob sell N 6 None", "bob buy C None None"]
    assert shown(desk, text="bob reinst") == []
    assert shown(desk, text=f"{NOON}_buy") == ["bob buy C None None"]
    assert shown(desk, party=CAROL) == []


def test_a_display_name_stands_beside_the_address_and_is_searched(desk: Desk) -> None:
    desk.add_party(ALICE, display_name="Alice's Chemicals")
    market.post(desk.party(ALICE), side="buy", chemical="D")
    [row] = desk.listings(text="alice's CHEM")
    assert row.display_name == "Alice's Chemicals"


def test_a_closed_listing_is_shown_where_it_is_asked_for(
    desk: Desk, alice: Party, posted: Listing, clock: Clock
) -> None:
    clock.forward(5)
    closed = market.close(alice, posted.id)
    assert (closed.status, closed.closed_at) == ("closed", NOON + 5)
    clock.forward(5)
    assert market.close(alice, posted.id) == closed
    assert desk.listings() == []
    [row] = desk.listings(closed=True)
    assert (row.listing, row.stands, row.left) == (closed, False, Decimal(100))


def test_nobody_closes_what_is_not_its_own(bob: Party, posted: Listing) -> None:
    with pytest.raises(NotFound, match="has no listing"):
        market.close(bob, posted.id)
    market.post(bob, side="sell", chemical="N")
    with pytest.raises(NotFound):
        market.close(bob, posted.id)


def test_what_was_closed_long_ago_goes_with_the_authors_next_call(
    desk: Desk, alice: Party, posted: Listing, clock: Clock
) -> None:
    desk.initialise(Settings(pack_after_s=10 * DAY))
    market.close(alice, posted.id)
    clock.forward(10 * DAY)
    market.post(alice, side="buy", chemical="D")
    assert len(desk.listings(closed=True)) == 2
    clock.forward(1)
    market.post(alice, side="buy", chemical="D")
    assert [row.listing.type for row in desk.listings(closed=True)] == ["buy", "buy"]


def test_where_nothing_is_ever_packed_closed_listings_stay(
    desk: Desk, alice: Party, posted: Listing, clock: Clock
) -> None:
    desk.initialise(Settings(pack_after_s=0))
    market.close(alice, posted.id)
    clock.forward(MAX_PACK_AFTER_S)
    market.post(alice, side="buy", chemical="D")
    assert len(desk.listings(closed=True)) == 2


def test_so_many_listings_of_a_party_may_stand(
    desk: Desk, alice: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(market, "MAX_STANDING", 2)
    first = market.post(alice, side="buy", chemical="C")
    market.post(alice, side="buy", chemical="C")
    with pytest.raises(RuleViolation, match="has 2 listings") as refused:
        market.post(alice, side="buy", chemical="C")
    assert refused.value.code == "too_many_listings"
    market.close(alice, first.id)
    market.post(alice, side="buy", chemical="C")
    assert len(desk.listings()) == 2


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"side": "rent"}, "invalid_text"),
        ({"chemical": "X"}, "unknown_chemical"),
        ({"price": "-1"}, "invalid_number"),
        ({"price": "NaN"}, "invalid_number"),
        ({"quantity": 0}, "invalid_number"),
        ({"text": " "}, "invalid_text"),
        ({"text": "x" * 2001}, "invalid_text"),
        ({"text": "\x1b[31m"}, "invalid_text"),
    ],
)
def test_what_is_no_listing_is_refused_and_nobody_is_admitted(
    desk: Desk, alice: Party, wrong: dict[str, Any], code: str
) -> None:
    with pytest.raises(InputError) as refused:
        market.post(alice, **{"side": "buy", "chemical": "C", **wrong})
    assert refused.value.code == code
    assert desk.parties() == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda desk: desk.listings(side="rent"),
        lambda desk: desk.listings(min_price="cheap"),
        lambda desk: desk.listings(max_price=float("inf")),
        lambda desk: desk.listings(party="alice"),
    ],
)
def test_a_question_that_is_none_is_refused(desk: Desk, ask: Callable[[Desk], object]) -> None:
    with pytest.raises(InputError):
        ask(desk)


def test_a_listing_of_an_older_writer_is_shown(desk: Desk, alice: Party, posted: Listing) -> None:
    """Neither text nor what is left, and a field that nobody knows."""
    old = msgspec.structs.replace(posted, id="ad_1_ff", extra={"legacy_kind": "ad"}, price=None)
    with desk.store.writer(alice.address) as pen:
        pen.write_listing(old)
    assert [row.listing.id for row in desk.listings()] == [posted.id, "ad_1_ff"]
    assert market.close(alice, "ad_1_ff").extra == {"legacy_kind": "ad"}
