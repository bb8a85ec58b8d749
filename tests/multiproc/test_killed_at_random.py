"""Writers and pollers of one data root, killed at random instants over and over again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.faults.real.support import TroubledNom, found_clean
from tests.multiproc.checks import (
    Told,
    ended,
    everybody_was_told_the_truth,
    nothing_left_over,
    root_of,
    settled_exactly_once,
)

from nom_negotiate import Desk, Negotiation

MORTALS = Path(__file__).with_name("mortals.py")
PARTIES = [f"{name}@stonybrook.edu" for name in ("alice", "bob", "carol", "dave", "eve")]
SOAK = os.environ.get("NOM_SOAK") == "1"
SEEDS = range(20) if SOAK else range(2)
DEATHS = 400 if SOAK else 150
"""For each seed. The soak is eight thousand, and takes about ten minutes."""
GAME = {
    *("concluded", "moved", "busy", "own_offer", "not_your_turn", "nothing_on_table"),
    *("offer_lapsed", "stale_round", "already_accepted", "duplicate_negotiation"),
    "unknown_negotiation",
    # An offer that lapses in the second in which it was to be made.
    "invalid_time",
}
"""What a party is told when somebody else was faster."""


def lived_and_died(desk: Desk, seed: int) -> list[dict[str, Any]]:
    """Let processes be killed on the desk's root; return what they said."""
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(MORTALS), root_of(desk), str(seed), str(DEATHS)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": path},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def concluded(desk: Desk) -> dict[str, Negotiation]:
    """Let those who are still haggling come to an end."""
    for negotiation in desk.negotiations():
        if negotiation.phase.open:
            assert negotiation.on_table is not None
            desk.party(negotiation.on_table.by).withdraw(negotiation.id)
    return ended(desk)


def nothing_was_lost_that_was_begun(
    said: list[dict[str, Any]], found: dict[str, Negotiation]
) -> None:
    """Check that each start that was reported is there, and that none is there twice."""
    tried = [one["quantity"] for one in said if one["verb"] == "start" and "trying" in one]
    there = Counter((one.initiator, int(one.offers[0].quantity), one.id) for one in found.values())
    assert max(Counter(quantity for _, quantity, _ in there).values()) == 1
    assert {quantity for _, quantity, _ in there} <= set(tried)
    for one in said:
        if one["verb"] == "start" and one.get("refused", "") is None:
            assert (one["by"], one["quantity"], one["id"]) in there, one


def nothing_is_there_that_nobody_said(
    said: list[dict[str, Any]], found: dict[str, Negotiation]
) -> None:
    tried = {one["text"] for one in said if one["verb"] == "say" and "trying" in one}
    texts = Counter(message.text for one in found.values() for message in one.messages)
    assert set(texts) <= tried
    assert set(texts.values()) <= {1}


def what_was_marked_stays_marked(said: list[dict[str, Any]], desk: Desk) -> None:
    settled = {
        (party.address, one.name): one.transaction.settled
        for party in desk.parties()
        for one in party.transactions()
    }
    for one in said:
        if one["verb"] == "mark_settled" and "trying" not in one:
            assert settled[one["by"], one["name"]], one


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_random_they_lose_nothing_and_double_nothing(
    seed: int, tmp_path: Path, nom: TroubledNom
) -> None:
    desk = Desk(tmp_path / "data", validators=(), after_settlement=())
    for party in PARTIES:
        desk.add_party(party)

    said = lived_and_died(desk, seed)

    assert [one["error"] for one in said if one["verb"] == "fault"] == []
    assert {one["refused"] for one in said if one.get("refused")} <= GAME
    passes = [one for one in said if one["verb"] == "poll"]
    assert [problem for one in passes for problem in one["problems"]] == []
    found = concluded(desk)
    settled_exactly_once(desk, found)
    nothing_was_lost_that_was_begun(said, found)
    nothing_is_there_that_nobody_said(said, found)
    what_was_marked_stays_marked(said, desk)
    haggled = [one for one in said if "trying" not in one and one["verb"] not in ("poll", "start")]
    everybody_was_told_the_truth(
        Told([one for one in haggled if one["verb"] != "mark_settled"], passes), found
    )
    nothing_left_over(desk, days_later=2)
    found_clean(nom, tmp_path / "data", fixed=None)
    assert sum(one.outcome is not None for one in found.values()) > 10
    assert len([one for one in haggled if one.get("refused", "") is None]) > 50
