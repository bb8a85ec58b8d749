"""`nom poll` is killed before each of its changes of the disk; one more makes it good."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.real.support import (
    NOW,
    PROGRAM,
    SOAK,
    Tree,
    TroubledNom,
    agree,
    agree_and_more,
    copied,
    every_death,
    found_clean,
    left_to_age,
    settled_exactly_once,
    tree_of,
    without_temporaries,
)
from tests.support import HOUR

CALLS_OF_INTEREST = {"rename", "link", "unlink", "fsync"}


def an_agreed_deal(root: Path, nom: TroubledNom) -> int:
    agree(root)
    return 0


def one_of_each_kind(root: Path, nom: TroubledNom) -> int:
    agree_and_more(root)
    return 1


def nothing_yet(root: Path, nom: TroubledNom) -> int:
    return 0


def half_archived(root: Path, nom: TroubledNom) -> int:
    agree(root)
    killed = nom("poll", root=root, fixed=NOW, at=1, among=["rename"])
    assert killed.status == -signal.SIGKILL
    return 0


def half_settled(root: Path, nom: TroubledNom) -> int:
    agree(root)
    killed = nom("poll", root=root, fixed=NOW, at=3, among=["link"])
    assert killed.status == -signal.SIGKILL
    return 0


TREES = [one_of_each_kind, nothing_yet, half_archived, half_settled]


class AfterOneMorePoll:
    """What must be true once a poll was killed and another one has been."""

    def __init__(self, nom: TroubledNom, tree: Path, open_ones: int) -> None:
        self.nom = nom
        self.deaths = 0
        root = copied(tree, tree.parent / "undisturbed")
        nom("poll", root=root, fixed=NOW)
        settled_exactly_once(root, open_ones=open_ones)
        self.expected: Tree = without_temporaries(tree_of(root))

    def __call__(self, when: str, root: Path) -> None:
        again = self.nom("poll", "--json", root=root, fixed=NOW)
        assert again.status == 0, when
        assert again.json["problems"] == [], when
        # Exactly one transaction a side, and all the rest.
        assert without_temporaries(tree_of(root)) == self.expected, when
        found_clean(self.nom, root, when)
        self.deaths += 1
        if SOAK or self.deaths % 5 == 0:
            left_to_age(root)
            later = self.nom("poll", "--json", root=root, fixed=NOW + 2 * HOUR)
            assert later.json["problems"] == [], when
            assert tree_of(root) == self.expected, when


@pytest.mark.parametrize("half", [False, True], ids=["between", "in_a_write"])
@pytest.mark.parametrize("made", TREES)
def test_a_poll_that_was_killed_anywhere_is_made_good_by_the_next(
    made: Callable[[Path, TroubledNom], int], half: bool, nom: TroubledNom, memory: Path
) -> None:
    open_ones = made(memory / "tree", nom)
    check = AfterOneMorePoll(nom, memory / "tree", open_ones)
    deaths = every_death(nom, memory / "tree", check, half=half)
    assert len(deaths) >= (1 if half else 10)


def test_a_single_deal_survives_whether_or_not_it_is_synced(nom: TroubledNom, memory: Path) -> None:
    agree(memory / "tree")
    check = AfterOneMorePoll(nom, memory / "tree", 0)
    synced, loose = (
        {death.split()[0] for death in every_death(nom, memory / "tree", check, durable=durable)}
        for durable in (True, False)
    )
    assert synced >= CALLS_OF_INTEREST
    assert loose == synced - {"fsync"}


def test_the_wrapper_dies_by_itself_as_a_program_too(tmp_path: Path) -> None:
    root = tmp_path / "data"
    agree(root)
    command = [sys.executable, str(PROGRAM)]
    for at, status in ((7, -signal.SIGKILL), (100_000, 0)):
        done = subprocess.run(
            [*command, str(at), "--data", str(root), "poll"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
    settled_exactly_once(root)
