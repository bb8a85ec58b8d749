"""Every party rings the poller's doorbell, and none can keep another's ringing from it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial

import pytest
from tests.isolation.conftest import ALICE, BOB, CAROL, MARKET, POLLER, USERS, Market, Place
from tests.isolation.test_isolation import accept, look, refused, say, start, transactions

from nom_negotiate.store.files.isolation import DOORBELL

FLOOD = 2000


def bell(market: Market, *names: str) -> Place:
    return Place(market, "data", "poller", "doorbell", *names)


def hint(deal: str, of: str = ALICE) -> str:
    return f"{of}:{deal}"


def test_the_doorbell_is_the_pollers_and_open_to_the_market(market: Market) -> None:
    status = os.stat(bell(market))
    assert (status.st_uid, status.st_gid) == (POLLER, MARKET)
    assert stat.S_IMODE(status.st_mode) == DOORBELL


def test_a_party_rings_and_a_pass_that_looks_nowhere_else_settles(market: Market) -> None:
    deal = start(market)
    assert os.listdir(bell(market)) == [hint(deal)]
    # Alice's hint lies there already: that bob rings, too, is no matter.
    accept(market, BOB, deal)
    report = market.poll()
    assert (report.scanned, report.agreed, report.problems) == (False, [deal], [])
    assert os.listdir(bell(market)) == []


def test_a_party_can_neither_list_nor_take_away_nor_change_the_hints_of_others(
    market: Market,
) -> None:
    path = bell(market, hint(start(market)))
    for uid in (USERS[BOB], USERS[CAROL]):
        refused(market, uid, lambda: os.listdir(bell(market)))
        refused(market, uid, lambda: os.unlink(path))
        refused(market, uid, lambda: os.rename(path, bell(market, "away")))
        refused(market, uid, lambda: os.open(path, os.O_WRONLY))
        refused(market, uid, lambda: os.rename(bell(market), Place(market, "data", "away")))
    for name in ("scan", "swept"):
        there = Place(market, "data", "poller", name)
        refused(market, USERS[BOB], partial(os.open, there, os.O_WRONLY))
        refused(market, USERS[BOB], partial(os.unlink, there))


def test_a_flood_of_hints_stops_nobody(market: Market) -> None:
    def flood() -> None:
        for number in range(FLOOD):
            bell(market, hint(f"alice_bob_C_{number}")).make()
            bell(market, f"what is this {number}").make()

    market.as_user(USERS[CAROL], flood)
    deal = start(market)
    accept(market, BOB, deal)
    report = market.poll()
    assert (report.agreed, report.problems) == ([deal], [])
    # What is a hint is gone. What is none is for `nom doctor`.
    assert len(os.listdir(bell(market))) == FLOOD


def a_directory(path: Place) -> None:
    os.mkdir(path, 0o700)
    os.mkdir(path / "more")


def a_link(path: Place) -> None:
    os.symlink("/etc/passwd", path)


def a_file_of_ones_own(path: Place) -> None:
    path.make(b"mine")
    os.chmod(path, 0o600)


@pytest.mark.parametrize("put", [a_directory, os.mkfifo, a_link, a_file_of_ones_own])
@pytest.mark.parametrize("name", ["the hint", ":unfinished", ":scan"])
def test_what_is_put_in_the_place_of_a_hint_stops_nobody(
    market: Market, name: str, put: Callable[[Place], None]
) -> None:
    deal = start(market)
    assert market.poll().active == [deal]
    path = bell(market, hint(deal) if name == "the hint" else name)
    market.as_user(USERS[CAROL], lambda: put(path))
    for _ in range(2):
        # Whoever rings at a FIFO, or leaves the mark of a pass there, must not wait for a reader.
        say(market, ALICE, deal)
        report = market.poll()
        assert (report.active, report.problems) == ([deal], [])
    accept(market, BOB, deal)
    report = market.poll()
    assert (report.agreed, report.problems) == ([deal], [])
    assert look(market, ALICE, deal).phase == "agreed"
    assert len(transactions(market, BOB)) == 1
