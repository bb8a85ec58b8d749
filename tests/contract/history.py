"""A few months in which negotiations of three parties end in every way, and all there is to see."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.support import ALICE, BOB, CAROL, DAY, Clock

from nom_negotiate import Desk

PARTIES = (ALICE, BOB, CAROL)
NAMESAKE = "alice@elsewhere.edu"


def live(desk: Desk, clock: Clock, *, rounds: int = 2) -> list[str]:
    """Let negotiations end, two weeks a round; return their ids, oldest first."""
    ids: list[str] = []
    for number in range(rounds):
        for initiator, responder in ((ALICE, BOB), (BOB, CAROL), (NAMESAKE, ALICE)):
            one, other = desk.party(initiator), desk.party(responder)
            started = {}
            for chemical in "CNDQ":
                deal = one.start(
                    responder, chemical=chemical, role="buyer", price="5.5", quantity=number + 1
                )
                started[chemical] = deal.id
            one.say(started["C"], "déjà vu \u2028 ✓")
            other.offer(started["C"], price="0.1", quantity="0.3", reason="too dear")
            one.accept(started["C"])
            other.reject(started["N"], reason="no")
            one.withdraw(started["D"])
            ids += started.values()
        desk.poll()
        clock.forward(14 * DAY)
        desk.poll()
    for party in desk.parties():
        # The last one stays unsettled.
        for filed in party.transactions()[:-1]:
            party.mark_settled(filed.name)
    clock.forward(1)
    return ids


def everything(desk: Desk) -> dict[str, Any]:
    """Return every figure and record that anybody can ask for."""
    store = desk.store
    return {
        "archive": desk.archive(),
        "active": desk.negotiations(),
        # But for the last pass, which is news and no figure.
        "stats": msgspec.structs.replace(desk.stats(), last_pass=None),
        "snapshots": [(place, store.snapshot(place)) for place in store.namespaces(archived=True)],
        "found": {
            (place.id, party.address): store.find(party.address, place.id)
            for place in store.namespaces(archived=True)
            for party in desk.parties()
        },
    } | {
        party.address: (
            party.negotiations(),
            party.negotiations(archived=True),
            party.transactions(),
            list(store.namespaces(party.address, archived=True)),
        )
        for party in desk.parties()
    }
