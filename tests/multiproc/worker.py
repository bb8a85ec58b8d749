"""What the processes of these tests do. Run as a script: `worker.py ROLE ROOT SEED [ARG]`.

Each prints what its calls reported as done, one JSON line each: that is what must be true.
"""

from __future__ import annotations

import json
import random
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from nom_negotiate import Conflict, Desk, FileStore, Negotiation, Party, RuleViolation

MAX_TURNS = 4000
HAGGLING_TURNS = 250
"""Turns of one worker before it accepts whatever is on the table."""


class UnlockedStore(FileStore):
    """A file store whose poller lock does not hold, as on a mount where locks do nothing."""

    @contextmanager
    def polling(self) -> Iterator[bool]:
        """Let everybody in."""
        yield True


def tell(**done: object) -> None:
    """Say what a call has reported as done."""
    print(json.dumps(done), flush=True)


def haggle(root: str, seed: int) -> None:
    """Act for random parties in random negotiations until all of them have ended."""
    chance = random.Random(seed)
    desk = Desk(root)
    active = sorted(place.id for place in desk.store.namespaces())
    parties = {party.address: party for party in desk.parties()}
    for turn in range(MAX_TURNS):
        if not active:
            return
        negotiation_id = chance.choice(active)
        negotiation = desk.negotiation(negotiation_id)
        if not negotiation.phase.open:
            active.remove(negotiation_id)
            continue
        assert negotiation.responder is not None
        address = chance.choice([negotiation.initiator, negotiation.responder])
        try:
            act(parties[address], negotiation, chance, hurry=turn > HAGGLING_TURNS)
        except (Conflict, RuleViolation):
            # Somebody else moved first, or it was not this party's turn: that is the game.
            continue
    raise AssertionError(f"still open after {MAX_TURNS} turns: {active}")


def act(party: Party, seen: Negotiation, chance: random.Random, *, hurry: bool) -> None:
    """Do one thing as one party, and tell what was done."""
    what = (
        "accept"
        if hurry
        else chance.choices(
            ["offer", "accept", "say", "withdraw", "reject"], weights=[10, 4, 4, 1, 1]
        )[0]
    )
    done: dict[str, object] = {"did": what, "by": party.address, "id": seen.id}
    if what == "offer":
        firm = chance.random() < 0.8
        price, quantity = chance.randint(100, 999) / 100, chance.randint(1, 2000)
        found = party.offer(seen.id, price=price, quantity=quantity, firm=firm)
        done |= {"price": price, "quantity": quantity, "round": found.revisions[party.address]}
    elif what == "accept":
        table = seen.on_table
        party.accept(seen.id, round=table.round if table else None)
        firm_table = table is not None and table.firm
        done |= {"firm": firm_table}
    elif what == "say":
        text = f"{chance.getrandbits(64):x}"
        party.say(seen.id, text)
        done |= {"text": text}
    elif what == "withdraw":
        party.withdraw(seen.id)
    else:
        party.reject(seen.id)
    tell(**done)


def speak(root: str, seed: int, address: str, count: int) -> None:
    """Say `count` things as one party in its one negotiation."""
    party = Desk(root).party(address)
    [negotiation] = party.negotiations()
    for number in range(count):
        text = f"{seed}-{number}"
        while not spoke(party, negotiation.id, text):
            continue
        tell(did="say", by=address, id=negotiation.id, text=text)


def spoke(party: Party, negotiation_id: str, text: str) -> bool:
    """Say something; return whether it was said, or the other party spoke all the time."""
    try:
        party.say(negotiation_id, text)
    except Conflict as conflict:
        if conflict.code != "busy":
            raise
        return False
    return True


def poll(root: str, *, locked: bool) -> None:
    """Poll again and again until the standard input ends."""
    desk = Desk(root if locked else UnlockedStore(root))
    while not select.select([sys.stdin], [], [], 0)[0]:
        report = desk.poll()
        assert not report.problems, report.problems
        if not report.busy:
            tell(did="poll", agreed=report.agreed)


if __name__ == "__main__":
    role, root, seed, *more = sys.argv[1:]
    if role == "haggle":
        haggle(root, int(seed))
    elif role == "speak":
        speak(root, int(seed), more[0], int(more[1]))
    else:
        poll(root, locked=role == "poll")
