"""In an isolated root each party's own user negotiates for it, and nobody else can."""

from __future__ import annotations

import os
import signal
import time

import pytest
from tests.isolation.conftest import ALICE, BOB, POLLER, USERS, Market
from tests.isolation.test_isolation import refused, start

from nom_negotiate.autopilot import Pilots, turn_on
from nom_negotiate.cli import entry
from nom_negotiate.core.identity import parse_address
from nom_negotiate.preferences import set_preferences


def fly(market: Market, party: str, limit: str, deal: str) -> None:
    def do(me: object) -> None:
        own = market.desk().party(party)
        set_preferences(own, negotiation_id=deal, reservation_price=limit, target_quantity=1000)
        turn_on(own, deal)

    market.party(party, do)


def run_as(market: Market, party: str) -> None:
    def look() -> None:
        Pilots(market.desk(), only=parse_address(party), every_s=0).look_through()

    market.as_user(USERS[party], look)


def test_each_user_negotiates_for_its_own_party_and_the_poller_settles(market: Market) -> None:
    deal = start(market)
    fly(market, ALICE, "9", deal)
    fly(market, BOB, "2", deal)
    for _ in range(60):
        run_as(market, BOB)
        run_as(market, ALICE)
        if market.poll().agreed:
            break
    [mine] = market.party(ALICE, lambda me: me.transactions())
    assert 2 <= mine.transaction.price <= 9


def test_the_poller_cannot_read_and_says_so_once(market: Market) -> None:
    deal = start(market)
    fly(market, BOB, "2", deal)

    def look() -> list[str]:
        told: list[str] = []
        pilots = Pilots(market.desk(), every_s=0, notice=told.append)
        for _ in range(3):
            pilots.follow(market.desk().poll())
        return told

    [line] = market.as_user(POLLER, look)
    assert line.startswith(f"cannot read the private room of {ALICE} and 2 more")
    assert len(market.party(ALICE, lambda me: me.negotiation(deal)).moves) == 1
    room = market.path(BOB, "private")
    for uid in (POLLER, USERS[ALICE]):
        refused(market, uid, lambda: os.listdir(room))


@pytest.mark.parametrize("whose", [ALICE, BOB])
def test_nom_run_as_a_party_negotiates_and_leaves_the_polling(market: Market, whose: str) -> None:
    # The command line goes by the clock of the machine.
    market.now = time.time()
    deal = start(market)
    fly(market, BOB, "2", deal)

    def run() -> int:
        # It ends itself as soon as it has made its first look.
        look = Pilots.look_through

        def once(self: Pilots) -> None:
            look(self)
            os.kill(os.getpid(), signal.SIGTERM)

        Pilots.look_through = once  # type: ignore[method-assign]
        return entry.run(["--data", "/data", "run", "--as", whose, "--every", "1d"])

    assert market.as_user(USERS[whose], run) == 0
    moves = market.party(ALICE, lambda me: me.negotiation(deal)).moves
    assert len(moves) == (2 if whose == BOB else 1)
