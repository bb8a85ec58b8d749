"""A party is killed before each change that a command of its makes: it was done, or it was not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.real.support import (
    NOW,
    TroubledNom,
    agree,
    copied,
    desk_at,
    left_to_age,
    settled_exactly_once,
    tree_of,
)
from tests.support import ALICE, BOB, CAROL, HOUR

TERMS = ("--price", "5.50", "--quantity", "1000")
START = ("start", BOB, "C", "--as", ALICE, "--buy", *TERMS)
ID = f"alice_bob_C_{NOW}"


def nothing(root: Path) -> None:
    return


def two_parties(root: Path) -> None:
    for party in (ALICE, BOB):
        desk_at(root).add_party(party)


def an_offer(root: Path) -> None:
    desk_at(root).party(ALICE).start(BOB, chemical="C", role="buyer", price="5.5", quantity=1000)


def a_settled_deal(root: Path) -> None:
    agree(root)
    desk_at(root).poll()


# What is whole on the way, where a command does several things.
STEPS: dict[tuple[Callable[[Path], None], str], list[tuple[str, ...]]] = {
    (nothing, "init"): [("init", "--closed")],
    (nothing, "start"): [("init", "--party", ALICE), ("init", "--party", BOB)],
    (a_settled_deal, "start"): [("init", "--party", CAROL)],
}
CASES = [
    (nothing, ("init", "--closed", "--party", ALICE)),
    (nothing, START),
    (two_parties, START),
    (an_offer, ("accept", ID, "--as", BOB)),
    (an_offer, ("offer", ID, "--as", BOB, "--price", "6", "--quantity", "900")),
    (an_offer, ("reject", ID, "--as", BOB, "--reason", "too dear")),
    (an_offer, ("withdraw", ID, "--as", ALICE)),
    (an_offer, ("say", ID, "hello", "--as", BOB)),
    (a_settled_deal, ("start", CAROL, "N", "--as", ALICE, "--sell", *TERMS)),
]


@pytest.mark.parametrize(
    ("made", "command"), CASES, ids=[f"{made.__name__}-{command[0]}" for made, command in CASES]
)
def test_what_a_party_that_was_killed_was_doing_is_done_or_not(
    made: Callable[[Path], None], command: tuple[str, ...], nom: TroubledNom, memory: Path
) -> None:
    made(memory / "tree")

    def afterwards(root: Path) -> dict[str, bytes | str | None]:
        left_to_age(root)
        report = nom("poll", "--json", root=root, fixed=NOW + 2 * HOUR).json
        assert report["problems"] == []
        settled_exactly_once(root, open_ones=len(report["active"]))
        return {key: value for key, value in tree_of(root).items() if not key.endswith("/.lock")}

    root = copied(memory / "tree", memory / "root")
    whole = [afterwards(root)]
    for step in STEPS.get((made, command[0]), ()):
        nom.ok(*step, root=root, fixed=NOW)
        whole.append(afterwards(root))
    root = copied(memory / "tree", memory / "root")
    count = len(nom(*command, root=root, fixed=NOW).changes)
    done = afterwards(root)
    assert done not in whole
    whole.append(done)
    reached = []
    for at in range(1, count + 1):
        root = copied(memory / "tree", memory / "root")
        killed = nom(*command, root=root, fixed=NOW, at=at)
        assert killed.status == -signal.SIGKILL
        tree = afterwards(root)
        assert tree in whole, f"killed at {at}: {killed.changes[-1]}"
        reached.append(whole.index(tree))
    assert reached == sorted(reached)
