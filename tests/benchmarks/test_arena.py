"""The parts of the arena that need no opponents: its scenarios and its measures."""

from __future__ import annotations

import pytest
from benchmarks.arena.measures import measured
from benchmarks.arena.scenarios import HELD_OUT, TUNED, Ranges, draw


@pytest.mark.parametrize("ranges", [TUNED, HELD_OUT], ids=["tuned", "held out"])
def test_a_scenario_follows_from_its_seed(ranges: Ranges) -> None:
    assert draw(7, ranges) == draw(7, ranges)
    assert draw(7, ranges) != draw(8, ranges)


@pytest.mark.parametrize("ranges", [TUNED, HELD_OUT], ids=["tuned", "held out"])
@pytest.mark.parametrize("seed", range(20))
def test_in_each_scenario_both_can_gain_and_1_is_the_best(seed: int, ranges: Ranges) -> None:
    scenario = draw(seed, ranges)
    for side in (scenario.buyer, scenario.seller):
        assert max(side.worth.values()) == pytest.approx(1)
        seen = side.seen()
        assert all(-1e-9 <= value <= 1 + 1e-9 for value in seen.values())
        for outcome, worth in side.worth.items():
            assert (seen[outcome] >= side.reserved) == (worth >= 0)
    assert min(scenario.best_product) > 0


def test_a_perfect_probability_has_skill_1_and_no_error() -> None:
    found = measured([0.0, 1.0, 0.0, 1.0], [False, True, False, True])
    assert (found["brier_skill"], found["calibration_error"], found["auc"]) == (1, 0, 1)


def test_the_base_rate_has_no_skill_and_tells_nothing_apart() -> None:
    found = measured([0.25] * 4, [False, True, False, False])
    assert (found["brier_skill"], found["calibration_error"], found["auc"]) == (0, 0, 0.5)


def test_a_probability_that_is_off_by_a_tenth_has_that_calibration_error() -> None:
    found = measured([0.6] * 10, [True] * 5 + [False] * 5)
    assert found["calibration_error"] == pytest.approx(0.1)


@pytest.mark.parametrize("came", [True, False])
def test_where_all_came_or_none_there_is_neither_skill_nor_area(came: bool) -> None:
    found = measured([0.2, 0.4], [came, came])
    assert (found["brier_skill"], found["auc"]) == (None, None)
    assert found["calibration_error"] is not None
