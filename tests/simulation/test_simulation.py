"""Thousands of schedules, each drawn from a seed, each judged to its end.

A failure says its seed. `NOM_SEED=17 pytest tests/simulation/test_simulation.py -k seed` plays
that one again, step for step, and shows the last steps and all calls.

`NOM_SOAK=1` plays 20,000 schedules, other ones, in about ten minutes on one core.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter

import pytest
from tests.simulation import simulation
from tests.simulation.simulation import Failed, Simulation, play

SOAK = os.environ.get("NOM_SOAK") == "1"
BLOCKS = 8
SCHEDULES = 2500 if SOAK else 60
"""In each block. A block is a test of its own so that several processes can share them."""

FIRST = 100_000 if SOAK else 0

pytestmark = pytest.mark.timeout(3600 if SOAK else 300)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_whatever_happens_at_once_is_as_if_it_had_happened_in_turn(block: int) -> None:
    first = FIRST + block * SCHEDULES
    begun = time.process_time()
    steps = sum(play(seed).steps for seed in range(first, first + SCHEDULES))
    minutes = (time.process_time() - begun) / 60
    print(
        f"{SCHEDULES} schedules of {steps} steps from seed {first} on:"
        f" {SCHEDULES / minutes:.0f} a minute of one core"
    )


def test_the_schedule_of_one_seed() -> None:
    print(play(int(os.environ.get("NOM_SEED", "0")), os.environ.get("NOM_SCENE")))


def test_a_seed_is_the_same_schedule_each_time() -> None:
    for seed in range(20):
        assert play(seed) == play(seed)


def test_a_seed_is_the_same_schedule_in_another_process() -> None:
    program = (
        "from tests.simulation.simulation import play\n"
        "print([play(seed).digest for seed in range(5)])"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout.strip() == str([play(seed).digest for seed in range(5)])


def test_the_schedules_reach_what_they_are_for() -> None:
    seen = Counter[str]()
    for seed in range(150):
        schedule = Simulation(seed)
        played = schedule.run()
        seen.update(played.ends)
        seen.update(call.code or call.fate for call in schedule.history.calls)
        seen.update(f"{call.actor.split()[0]}: {call.verb}" for call in schedule.history.calls)
        seen.update({"cut": played.cuts, "death": played.deaths})
    ends = {"agreed", "ended", "expired", "open"}
    fates = {"done", "crashed", "concluded", "moved", "already_accepted", "busy", "own_offer"}
    words = {"bob: respond", "bob: turn_off", "bob: prefer", "alice: close"}
    words |= {"autopilot: offer", "autopilot: accept", "autopilot: reject"}
    assert {"cut", "death"} | ends | fates | words <= seen.keys(), seen


def test_a_failure_says_its_seed_and_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "judge", lambda *arguments: 1 / 0)
    with pytest.raises(Failed) as failure:
        play(3)
    text = str(failure.value)
    assert "ZeroDivisionError" in text
    assert "the last steps of" in text
    assert "the calls:" in text
    assert text.endswith("NOM_SEED=3 pytest tests/simulation/test_simulation.py -k seed")
