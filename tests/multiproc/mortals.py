"""Processes that act on one data root and are killed at random instants; run by the tests.

    mortals.py ROOT SEED DEATHS

Everything is imported once; each mortal is a child that is forked off, and has a successor
when it is killed. Prints what they said, one line of JSON each: before a call what is tried,
with `trying`, and after it what it reported as done. What was being said when somebody was
killed is whole or not said at all.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal

from tests.multiproc.actor import act
from tests.multiproc.worker import UnlockedStore

from nom_negotiate import Desk, NomError, Party

WRITERS = 4
POLLERS = 3
MAX_OPEN = 16
"""Open negotiations from which on nobody starts another one."""
MAX_LIFE_S = 0.08
"""Between two deaths."""


class Mortal:
    """One process that acts until it is killed."""

    def __init__(self, root: str, name: str, said: int) -> None:
        self.root = root
        self.name = name
        self.chance = random.Random(name)
        self._said = said

    def live(self, act: Callable[[Mortal], None]) -> None:
        """Act again and again. Does not return."""
        try:
            while True:
                act(self)
        except BaseException:
            self.tell(verb="fault", error=traceback.format_exc()[-3000:])
            os._exit(1)

    def tell(self, **what: object) -> None:
        # One write of less than a page is whole, or not there.
        os.write(self._said, json.dumps({**what, "teller": self.name}).encode() + b"\n")

    def trying(self, **what: object) -> None:
        self.tell(trying=True, **what)


def write(mortal: Mortal) -> None:
    """Be a random party for a moment, and do one thing."""
    desk = Desk(mortal.root, validators=(), after_settlement=())
    party = mortal.chance.choice(desk.parties())
    found = [one for one in party.negotiations() if one.phase.open]
    filed = [one for one in party.transactions() if not one.transaction.settled]
    if len(found) < MAX_OPEN and mortal.chance.random() < 0.25:
        start(mortal, desk, party)
    elif filed and mortal.chance.random() < 0.1:
        settle(mortal, party, mortal.chance.choice(filed).name)
    elif found:
        text = f"{mortal.name} {mortal.chance.getrandbits(48):x}"
        one = mortal.chance.choice(found)
        act(mortal.chance, party, one, text, mortal.tell, mortal.trying)


def start(mortal: Mortal, desk: Desk, party: Party) -> None:
    other = mortal.chance.choice([one for one in desk.parties() if one.address != party.address])
    # The quantity says which attempt it was.
    quantity = mortal.chance.getrandbits(45)
    said = {"verb": "start", "by": party.address, "other": other.address, "quantity": quantity}
    mortal.trying(**said)
    try:
        found = party.start(
            other.address,
            chemical=mortal.chance.choice("CNDQ"),
            role=mortal.chance.choice(["buyer", "seller"]),
            price=Decimal(mortal.chance.randint(1, 999)) / 100,
            quantity=quantity,
            firm=mortal.chance.random() < 0.8,
            again=mortal.chance.random() < 0.5,
        )
    except NomError as error:
        mortal.tell(**said, refused=error.code, hint=error.message)
        return
    mortal.tell(**said, refused=None, id=found.id)


def settle(mortal: Mortal, party: Party, name: str) -> None:
    said = {"verb": "mark_settled", "by": party.address, "name": name}
    mortal.trying(**said)
    party.mark_settled(name)
    mortal.tell(**said, refused=None)


def poll(mortal: Mortal) -> None:
    """Make a pass, and tell what it met."""
    unlocked = mortal.name.startswith("unlocked")
    place = UnlockedStore(mortal.root) if unlocked else mortal.root
    report = Desk(place, validators=(), after_settlement=()).poll()
    problems = [f"{problem.path}: {problem.reason}" for problem in report.problems]
    mortal.tell(verb="poll", problems=problems, agreed=report.agreed)


class World:
    """Who is alive, and what was said."""

    def __init__(self, root: str, seed: str) -> None:
        self.root = root
        self.seed = seed
        self.chance = random.Random(seed)
        self.said, self.saying = os.pipe()
        self.births = 0
        self.alive: dict[int, str] = {}

    def bear(self, kind: str) -> None:
        self.births += 1
        name = f"{kind} {self.seed} {self.births}"
        pid = os.fork()
        if pid == 0:
            Mortal(self.root, name, self.saying).live(write if kind == "writer" else poll)
        self.alive[pid] = kind

    def listen(self, seconds: float) -> None:
        """Print what is said, for so long."""
        until = time.monotonic() + seconds
        while select.select([self.said], [], [], max(0.0, until - time.monotonic()))[0]:
            sys.stdout.buffer.write(os.read(self.said, 1 << 16))
            if time.monotonic() > until:
                return

    def kill(self, pid: int) -> str:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return self.alive.pop(pid)

    def pass_by(self, deaths: int) -> None:
        """Let so many die, one after the other, now and then all at once."""
        for kind in ["writer"] * WRITERS + ["poller"] * (POLLERS - 1) + ["unlocked"]:
            self.bear(kind)
        while deaths > 0:
            self.listen(self.chance.random() * MAX_LIFE_S)
            everybody = self.chance.random() < 0.03
            doomed = sorted(self.alive) if everybody else [self.chance.choice(sorted(self.alive))]
            for kind in [self.kill(pid) for pid in doomed]:
                self.bear(kind)
            deaths -= len(doomed)
        for pid in list(self.alive):
            self.kill(pid)
        os.close(self.saying)
        while said := os.read(self.said, 1 << 16):
            sys.stdout.buffer.write(said)


if __name__ == "__main__":
    World(sys.argv[1], sys.argv[2]).pass_by(int(sys.argv[3]))
