"""Packing is killed before each of its changes: no figure changes, and the next one finishes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from tests.faults.real.support import (
    NOW,
    SOAK,
    TroubledNom,
    agree,
    copied,
    desk_at,
    every_death,
    found_clean,
    left_to_age,
    settled_exactly_once,
)
from tests.support import ALICE, BOB, DAY, HOUR

LONG_AGO = NOW - 200 * DAY
PACK = ("archive", "pack", "--older-than", "30d", "--all")
UNPACK = ("archive", "unpack", "2023-06", "--all")
TERMS: dict[str, Any] = {"chemical": "D", "role": "seller", "price": "7", "quantity": 3}


def old_deals(root: Path) -> None:
    """Settle two deals long ago, one of them marked, and end two more; agree on another now."""
    for chemical in "CN":
        agree(root, LONG_AGO, chemical)
    desk = desk_at(root, LONG_AGO)
    desk.poll()
    for party in desk.parties():
        party.mark_settled(party.transactions()[0].name)
    bob, alice = desk.party(BOB), desk.party(ALICE)
    bob.withdraw(bob.start(ALICE, **TERMS).id)
    alice.reject(bob.start(ALICE, **TERMS).id)
    desk.poll()
    agree(root)


def figures(root: Path) -> dict[str, Any]:
    """Return all that can be asked for of what has ended."""
    desk = desk_at(root)
    stats = desk.stats()
    return {
        "ended": stats.ended,
        "volumes": stats.volumes,
        "transactions": (stats.transactions, stats.settled),
        "filed": {party.address: party.transactions() for party in desk.parties()},
        "archive": sorted(
            (one.initiator, one.id, one.phase, one.outcome, one.moves) for one in desk.archive()
        ),
    }


def packed(root: Path) -> int:
    return len(list(root.glob("teams/*/packs/*.gz")))


def unpacked(root: Path) -> int:
    return len(list(root.glob("teams/*/negotiations_archive/[!.]*")))


@pytest.mark.parametrize("half", [False, True], ids=["between", "in_a_write"])
@pytest.mark.parametrize("command", [PACK, ("poll",)], ids=["pack", "sweep"])
def test_packing_that_was_killed_anywhere_changes_no_figure_and_is_finished(
    command: tuple[str, ...], half: bool, nom: TroubledNom, memory: Path
) -> None:
    tree = memory / "tree"
    old_deals(tree)
    whole = copied(tree, tree.parent / "whole")
    nom.ok(*command, root=whole, fixed=NOW)
    nom.ok("poll", root=whole, fixed=NOW)
    settled_exactly_once(whole)
    expected, most = figures(whole), unpacked(whole)
    assert packed(whole) == 2
    assert most < unpacked(tree) + 4

    def check(when: str, root: Path) -> None:
        again = nom("poll", "--json", root=root, fixed=NOW)
        assert again.status == 0, f"{when}: {again.err}"
        assert again.json["problems"] == [], when
        assert figures(root) == expected, when
        found_clean(nom, root, when)
        if not SOAK and next(count) % 5:
            return
        left_to_age(root)
        nom.ok("poll", root=root, fixed=NOW + 2 * HOUR)
        nom.ok(*PACK, root=root, fixed=NOW + 2 * HOUR)
        assert figures(root) == expected, when
        assert unpacked(root) == most, when
        assert list(root.rglob(".tmp-*")) == [], when
        found_clean(nom, root, when)

    count = itertools.count()
    deaths = every_death(nom, tree, check, *command, half=half)
    assert len(deaths) > (1 if half else 20)


def test_unpacking_that_was_killed_anywhere_changes_no_figure_and_is_finished(
    nom: TroubledNom, memory: Path
) -> None:
    tree, whole = memory / "tree", memory / "whole"
    old_deals(tree)
    nom.ok(*PACK, root=tree, fixed=NOW)
    nom.ok("poll", root=tree, fixed=NOW)
    expected = figures(tree)
    copied(tree, whole)
    nom.ok(*UNPACK, root=whole, fixed=NOW)
    assert packed(whole) < packed(tree)
    assert unpacked(whole) > unpacked(tree)

    def check(when: str, root: Path) -> None:
        nom.ok("poll", root=root, fixed=NOW)
        assert figures(root) == expected, when
        found_clean(nom, root, when)
        nom(*UNPACK, root=root, fixed=NOW)
        assert figures(root) == expected, when
        assert unpacked(root) == unpacked(whole), when

    assert len(every_death(nom, tree, check, *UNPACK)) > 20
