"""Where each party is a Unix user of its own, the doctor looks as the poller or as root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.isolation.conftest import ALICE, BOB, POLLER, Market
from tests.isolation.conftest import imported as imported
from tests.isolation.conftest import market as market

from nom_negotiate.doctor import Verdict, examine
from nom_negotiate.errors import StoreError

TERMS: dict[str, Any] = {"chemical": "C", "role": "buyer", "price": "5.50", "quantity": 1000}


@pytest.fixture
def traded(market: Market) -> Market:
    """Return a market with a deal that is settled, and a negotiation that goes on."""
    deal = str(market.party(ALICE, lambda alice: alice.start(BOB, **TERMS).id))
    market.party(BOB, lambda bob: bob.accept(deal) and None)
    assert market.poll().agreed == [deal]
    market.party(BOB, lambda bob: bob.start(ALICE, **TERMS) and None)
    return market


def look(market: Market, uid: int = POLLER, *, repair: bool = False) -> Any:
    return market.as_user(uid, lambda: examine(market.desk(), repair=repair, mount=False))


def findings(market: Market, uid: int = POLLER) -> list[tuple[str, str]]:
    return [(one.code, one.path) for one in look(market, uid).findings]


@pytest.mark.parametrize("uid", [POLLER, 0], ids=["the poller", "root"])
def test_an_isolated_root_is_clean(uid: int, traded: Market) -> None:
    assert findings(traded, uid) == []


def test_a_room_of_the_wrong_owner_or_mode_is_for_root(traded: Market) -> None:
    os.chmod(traded.path(ALICE, "private"), 0o755)
    os.chown(traded.path(BOB, "transactions"), POLLER, -1)
    found = look(traded, repair=True)
    assert found.verdict is Verdict.NEEDS_A_PERSON
    assert sorted((one.code, one.path) for one in found.open) == [
        ("access", f"teams/{ALICE}/private"),
        ("access", f"teams/{BOB}/transactions"),
    ]


def test_what_a_party_has_left_in_a_negotiation_is_set_aside_by_the_poller(traded: Market) -> None:
    [name] = [
        name
        for name in os.listdir(traded.path(BOB, "negotiations"))
        if not Path(traded.path(BOB, "negotiations", name)).is_symlink()
    ]
    planted = traded.path(BOB, "negotiations", name, "notes.txt")
    traded.party(ALICE, lambda _: planted.make(b"mine"))
    where = f"teams/{BOB}/negotiations/{name}/notes.txt"
    assert findings(traded) == [("foreign", where)]
    assert look(traded, repair=True).verdict is Verdict.MENDED
    assert findings(traded) == []
    assert len(list(Path(traded.home).rglob("poller/aside/*/teams/**/notes.txt"))) == 1


def test_a_repair_is_for_the_poller_alone(traded: Market) -> None:
    with pytest.raises(StoreError) as caught:
        look(traded, 0, repair=True)
    assert caught.value.code == "wrong_user"
