"""Use cases in a root in which each party and the poller are Unix users of their own.

The disk in memory enforces no rights: what a stranger cannot do is the subject of
`tests/isolation`. Here it is what a crash leaves: nobody stays locked out of a negotiation.
"""

from __future__ import annotations

import stat
from typing import Final

from tests.faults.scene import ROOT, Scene
from tests.faults.use_cases import (
    CASES,
    Case,
    Do,
    accepted,
    expiring,
    listed,
    rejected,
    started,
)
from tests.support import ALICE, BOB, CAROL

from nom_negotiate import Settings
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.party import Isolation
from nom_negotiate.store.files.isolation import OPEN

POLLER: Final = 1000
MARKET: Final = 1100
USERS: Final = {ALICE: 1001, BOB: 1002, CAROL: 1003}


class IsolatedScene(Scene):
    """A scene in which whoever acts is a Unix user."""

    def act_as(self, address: str | None) -> None:
        """Become the user of a party, or of the poller."""
        self.memory.uid = POLLER if address is None else USERS[address]


class Isolated(Case):
    """A use case in an isolated root."""

    scene = IsolatedScene

    def recover(self, scene: Scene) -> None:
        """Poll once; whoever has an open negotiation may write in it."""
        super().recover(scene)
        writable(scene)


def writable(scene: Scene) -> None:
    for one in scene.desk.negotiations():
        path = f"{ROOT}/teams/{one.initiator}/negotiations/{one.id}"
        assert stat.S_IMODE(scene.memory.stat(path).st_mode) == OPEN, f"{one.id} is frozen"


def isolate(scene: Scene) -> None:
    """Set up a root with three parties, as root does."""
    scene.memory.uid = 0
    store = scene.store
    store.initialise(Settings(closed=True, isolation=Isolation.UNIX))
    desk = scene.desk
    scene.memory.uid = 0
    for party in USERS:
        desk.add_party(party)
    store.isolate(POLLER, POLLER, MARKET)
    for party, uid in USERS.items():
        store.hand_over(parse_address(party), uid, uid)
    assert scene.desk.poll().problems == []
    scene.memory.sync()


def after(prepare: Do) -> Do:
    def both(scene: Scene) -> None:
        isolate(scene)
        prepare(scene)

    return both


def _isolated(name: str, prepare: Do, done: Do | None = None) -> Isolated:
    [case] = [case for case in CASES if case.name == name]
    return Isolated(
        f"{name}, isolated", after(prepare), case.act, done or case.done, tuple(case.refusals)
    )


ISOLATED_CASES: Final = [
    _isolated("a start", lambda scene: None),
    _isolated("an offer", started),
    _isolated("an acceptance", started),
    _isolated("a poll with an agreement", accepted),
    _isolated("a poll with a rejection", rejected),
    _isolated("a poll with an expiry", expiring),
    _isolated("an answer to a listing", listed),
]
