"""A process that acts on a data root; run by the tests of this folder.

    actor.py haggle ROOT SEED   act for random parties until nothing is open any more
    actor.py poll ROOT          pass after pass, until the standard input is closed

Prints one line of JSON for each thing done, and nothing else.
"""

from __future__ import annotations

import json
import random
import select
import sys
from collections.abc import Callable
from typing import Any

from nom_negotiate import Desk, Negotiation, NomError, Party, Phase

MAX_STEPS = 5000


def tell(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def desk(root: str) -> Desk:
    return Desk(root, validators=(), after_settlement=())


def haggle(root: str, seed: str) -> None:
    """Act at random until no party has an open negotiation."""
    choose = random.Random(seed)
    parties = desk(root).parties()
    for step in range(MAX_STEPS):
        party = choose.choice(parties)
        found = [one for one in party.negotiations() if one.phase.open]
        if found:
            act(choose, party, choose.choice(found), f"{seed}-{step}")
        elif not any(one.phase.open for other in parties for one in other.negotiations()):
            return
    raise SystemExit("this takes too long")


def act(
    choose: random.Random,
    party: Party,
    found: Negotiation,
    text: str,
    tell: Callable[..., None] = tell,
    trying: Callable[..., None] = lambda **what: None,
) -> None:
    """Do one thing as one party; say before what is tried, and tell what came of it."""
    table = found.on_table
    assert table is not None
    if table.by == party.address:
        verb = choose.choices(["say", "withdraw", "offer"], [6, 1, 2])[0]
    else:
        verb = choose.choices(["say", "accept", "offer", "reject"], [3, 4, 4, 1])[0]
    options: dict[str, Any] = {}
    if verb == "say":
        options = {"text": text}
    elif verb == "accept":
        options = {"round": table.round}
    elif verb == "offer":
        options = {
            "price": f"{choose.randint(1, 9)}.{choose.randint(1, 99):02}",
            "quantity": choose.randint(1, 1000),
            # Some lapse at once, so that their authors may replace them.
            "valid_until": choose.choice([None, None, party.desk.now()]),
        }
    said = {"verb": verb, "id": found.id, "by": party.address, **options}
    trying(**said)
    try:
        after = getattr(party, verb)(found.id, **options)
    except NomError as error:
        tell(**said, refused=error.code, hint=error.message)
        return
    moves = [move for move in after.moves if move.by == party.address]
    tell(
        **said,
        refused=None,
        agreed=after.phase is Phase.AGREED,
        seen=moves[-1].round if moves else None,
    )


def poll(root: str) -> None:
    """Make passes until the standard input is closed."""
    place = desk(root)
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        report = place.poll()
        if not report.busy:
            problems = [f"{problem.path}: {problem.reason}" for problem in report.problems]
            tell(problems=problems, agreed=report.agreed)


if __name__ == "__main__":
    if sys.argv[1] == "haggle":
        haggle(*sys.argv[2:])
    else:
        poll(*sys.argv[2:])
