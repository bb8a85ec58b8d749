"""A poller or a party that stands still in the middle, while the others go on without it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.real.killing import CHANGES
from tests.faults.real.support import (
    NOW,
    SOAK,
    Running,
    TroubledNom,
    agree,
    agree_and_more,
    copied,
    desk_at,
    settled_exactly_once,
    tree_of,
)
from tests.support import ALICE, BOB, HOUR

from nom_negotiate import Kind

ID = f"alice_bob_C_{NOW}"
STEPS = (*CHANGES, "read", "readlink", "scandir", "listdir", *(["stat", "lstat"] if SOAK else []))
"""What a process stands still before."""
BRIEFLY = STEPS if SOAK else CHANGES


def one_deal(root: Path) -> None:
    agree(root)


def stopped_everywhere(
    nom: TroubledNom, root: Path, tree: Path, *command: str, stride: int = 1, **trouble: Any
) -> Iterator[Running]:
    """Yield a `nom` that stands still before each of its steps, over a fresh copy each time."""
    trouble = {"fixed": NOW, "among": STEPS, **trouble}
    count = len(nom(*command, root=copied(tree, root), **trouble).changes)
    assert count > stride
    for at in range(1, count + 1, stride):
        copied(tree, root)
        yield nom.start(*command, root=root, at=at, deed="stop", **trouble).until_stopped()


def wake(stopped: Running) -> None:
    os.kill(stopped.pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("made", "open_ones", "stride"),
    [(one_deal, 0, 1 if SOAK else 2), (agree_and_more, 1, 1 if SOAK else 29)],
)
def test_while_a_poller_stands_still_another_does_its_work_and_nothing_is_doubled(
    made: Callable[[Path], None], open_ones: int, stride: int, nom: TroubledNom, memory: Path
) -> None:
    tree, root = memory / "tree", memory / "root"
    made(tree)
    nom("poll", root=copied(tree, root), fixed=NOW)
    expected = tree_of(root)
    others_were_busy = 0
    every = stopped_everywhere(nom, root, tree, "poll", "--json", stride=stride)
    for poller in every:
        when = f"stopped at {len(poller.changes)}: {poller.changes[-1]}"
        polite = nom("poll", "--json", root=root, fixed=NOW)
        assert polite.status == 0, when
        others_were_busy += polite.json["busy"]
        rude = nom("poll", "--json", root=root, fixed=NOW, unlocked=True)
        assert rude.status == 0, when
        assert rude.json["problems"] == [], when
        settled_exactly_once(root, open_ones=open_ones)
        wake(poller)
        late = poller.result()
        assert late.status == 0, when
        assert late.json["problems"] == [], when
        assert tree_of(root) == expected, when
        settled_exactly_once(root, open_ones=open_ones)
    assert others_were_busy > 3


TERMS = ("--price", "6", "--quantity", "900")
ACCEPT = ("accept", ID, "--as", BOB)
REJECT = ("reject", ID, "--as", BOB)
COUNTER = ("offer", ID, "--as", BOB, *TERMS)
WITHDRAW = ("withdraw", ID, "--as", ALICE)


@pytest.mark.parametrize(
    ("slow", "fast", "among"),
    [
        (ACCEPT, WITHDRAW, STEPS),
        (WITHDRAW, ACCEPT, BRIEFLY),
        (REJECT, WITHDRAW, BRIEFLY),
        (WITHDRAW, REJECT, BRIEFLY),
        (COUNTER, WITHDRAW, BRIEFLY),
        (WITHDRAW, COUNTER, BRIEFLY),
    ],
    ids=lambda argument: argument[0],
)
def test_of_two_moves_that_exclude_each_other_one_is_told_that_it_was_too_late(
    slow: tuple[str, ...],
    fast: tuple[str, ...],
    among: tuple[str, ...],
    nom: TroubledNom,
    memory: Path,
) -> None:
    tree, root = memory / "tree", memory / "root"
    desk_at(tree).party(ALICE).start(BOB, chemical="C", role="buyer", price="5.5", quantity=1000)
    verdicts = set()
    for party in stopped_everywhere(nom, root, tree, *slow, "--json", among=among):
        when = f"stopped at {len(party.changes)}: {party.changes[-1]}"
        other = nom(*fast, "--json", root=root, fixed=NOW)
        nom.ok("poll", root=root, fixed=NOW)
        wake(party)
        late = party.result()
        nom.ok("poll", root=root, fixed=NOW)
        done = [one for one, it in ((slow[0], late), (fast[0], other)) if it.status == 0]
        assert len(done) == 1, (when, late.err, other.err)
        refused = other if late.status == 0 else late
        assert refused.status in (3, 4), when
        assert refused.err.count("\n") == 1, when
        assert ending(root) == done[0], when
        verdicts.add(done[0])
    assert verdicts == {slow[0], fast[0]}


def ending(root: Path) -> str:
    """Return what was done last, by the only negotiation of a root."""
    desk = desk_at(root)
    [found] = [*desk.negotiations(), *desk.archive()]
    settled_exactly_once(root, open_ones=len(desk.negotiations()))
    if found.outcome is None:
        assert found.on_table is not None
        assert found.on_table.by == BOB
        return "offer"
    verbs = {Kind.AGREED: "accept", Kind.REJECTED: "reject", Kind.WITHDRAWN: "withdraw"}
    return verbs[found.outcome.outcome]


def test_an_acceptance_at_the_moment_of_expiry_either_counts_or_is_refused(
    nom: TroubledNom, memory: Path
) -> None:
    tree, root = memory / "tree", memory / "root"
    desk_at(tree).party(ALICE).start(BOB, chemical="C", role="buyer", price="5.5", quantity=1000)
    ended = set()
    trouble: dict[str, Any] = {"fixed": NOW + 25 * HOUR, "among": BRIEFLY}
    for poller in stopped_everywhere(nom, root, tree, "poll", "--json", **trouble):
        when = f"stopped at {len(poller.changes)}: {poller.changes[-1]}"
        acceptance = nom(*ACCEPT, "--json", root=root, fixed=NOW + 23 * HOUR)
        wake(poller)
        assert poller.result().status == 0, when
        nom.ok("poll", root=root, fixed=NOW + 25 * HOUR)
        [found] = desk_at(root).archive()
        assert found.outcome is not None
        kind = found.outcome.outcome
        assert kind is (Kind.AGREED if acceptance.status == 0 else Kind.EXPIRED), when
        settled_exactly_once(root)
        ended.add(kind)
    assert ended == {Kind.AGREED, Kind.EXPIRED}


def test_of_one_party_in_two_processes_the_second_waits_for_the_one_that_stands_still(
    nom: TroubledNom, memory: Path
) -> None:
    root = memory / "root"
    desk_at(root).party(ALICE).start(BOB, chemical="C", role="buyer", price="5.5", quantity=1000)
    stop: dict[str, Any] = {"root": root, "fixed": NOW, "among": ["rename"]}
    first = nom.start("say", ID, "one", "--as", BOB, at=1, deed="stop", **stop).until_stopped()
    second = nom.start("say", ID, "two", "--as", BOB, root=root, fixed=NOW)
    other = nom("say", ID, "three", "--as", ALICE, root=root, fixed=NOW)
    assert other.status == 0
    wake(first)
    assert first.result().status == 0
    assert second.result().status == 0
    said = [message.text for message in desk_at(root).party(ALICE).negotiation(ID).messages]
    assert sorted(said) == ["one", "three", "two"]
