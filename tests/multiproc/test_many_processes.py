"""Real processes at once, with offers that lapse under their hands, some of them killed.

Every deal settles exactly once, and what a process was told as done is true.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.multiproc.checks import (
    Told,
    ended,
    everybody_was_told_the_truth,
    nothing_left_over,
    root_of,
    settled_exactly_once,
)

from nom_negotiate import Desk, Kind

ACTOR = Path(__file__).with_name("actor.py")
PARTIES = [f"{name}@stonybrook.edu" for name in ("alice", "bob", "carol", "dave", "eve")]
DEADLINE_S = 60


def spawn(*arguments: object, keep_open: bool = False) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ACTOR), *map(str, arguments)],
        stdin=subprocess.PIPE if keep_open else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )


def finished(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return what a process told, once it has ended well."""
    output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "data", validators=(), after_settlement=())
    for party in PARTIES:
        desk.add_party(party)
    return desk


def started(desk: Desk, count: int) -> list[str]:
    """Start that many negotiations, spread over all pairs; return their ids."""
    pairs = [(one, other) for one in PARTIES for other in PARTIES if one != other]
    ids = []
    for number in range(count):
        one, other = pairs[number * 7 % len(pairs)]
        found = desk.party(one).start(
            other,
            chemical="CNDQ"[number % 4],
            role=("buyer", "seller")[number % 2],
            price=f"{number + 1}.01",
            quantity=number + 1,
            firm=number % 3 > 0,
            again=True,
        )
        ids.append(f"{found.initiator} {found.id}")
    return ids


@contextmanager
def pollers(desk: Desk, told: Told, count: int) -> Iterator[None]:
    """Let that many processes poll during the block."""
    running = [spawn("poll", root_of(desk), keep_open=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            told.passes += finished(process)


def haggled(desk: Desk, processes: int) -> list[dict[str, Any]]:
    running = [spawn("haggle", root_of(desk), seed) for seed in range(processes)]
    return [action for process in running for action in finished(process)]


def test_eight_processes_and_two_pollers_over_offers_that_lapse(desk: Desk) -> None:
    ids = started(desk, 50)
    told = Told()
    with pollers(desk, told, 2):
        told.actions = haggled(desk, 8)
    found = ended(desk)
    assert sorted(found) == sorted(ids)
    settled_exactly_once(desk, found)
    nothing_left_over(desk)
    everybody_was_told_the_truth(told, found)
    assert [problem for one in told.passes for problem in one["problems"]] == []
    # No deal was reported as settled by two passes.
    reported = Counter(name for one in told.passes for name in one["agreed"])
    agreed = Counter(
        one.id for one in found.values() if one.outcome and one.outcome.outcome is Kind.AGREED
    )
    assert reported <= agreed
    assert sum(agreed.values()) > 5, "hardly anything was agreed: this proves nothing"


def test_pollers_that_are_killed_in_the_middle(desk: Desk) -> None:
    ids = started(desk, 30)
    actors = [spawn("haggle", root_of(desk), seed) for seed in range(2)]
    told = Told()
    killed = 0
    while any(actor.poll() is None for actor in actors):
        with spawn("poll", root_of(desk), keep_open=True) as poller:
            assert poller.stdout is not None
            # It has just ended a pass, and is about to be in the next one.
            poller.stdout.readline()
            poller.send_signal(signal.SIGKILL)
            killed += 1
    told.actions = [action for actor in actors for action in finished(actor)]
    found = ended(desk)
    assert killed > 0
    assert sorted(found) == sorted(ids)
    settled_exactly_once(desk, found)
    everybody_was_told_the_truth(told, found)
    nothing_left_over(desk, days_later=2)


def test_parties_that_are_killed_in_the_middle(desk: Desk) -> None:
    ids = started(desk, 30)
    told = Told()
    with pollers(desk, told, 1):
        for seed in range(100, 106):
            with spawn("haggle", root_of(desk), seed) as actor:
                assert actor.stdout is not None
                # What it has told by then is done; what it is doing now may be or not.
                lines = [actor.stdout.readline() for _ in range(seed - 95)]
                actor.send_signal(signal.SIGKILL)
                lines += actor.stdout.read().splitlines()
            told.actions += [json.loads(line) for line in lines if line]
        told.actions += haggled(desk, 2)
    found = ended(desk)
    assert sorted(found) == sorted(ids)
    settled_exactly_once(desk, found)
    everybody_was_told_the_truth(told, found)
    assert [problem for one in told.passes for problem in one["problems"]] == []
    nothing_left_over(desk, days_later=2)
