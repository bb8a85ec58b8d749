"""Contestants take turns, and what is said of them is what they did."""

from __future__ import annotations

import signal
import statistics
from collections.abc import Callable

import pytest
from benchmarks.pairs import Contestant, Sample, in_turns, percentile, ratio, summary, timed
from benchmarks.setting import QUICK, Sizes

from benchmarks import crowd, results

# A test runner with several processes has threads of its own; the children touch none of it.
forks = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


def noted(notes: list[str], name: str) -> Callable[[], Sample]:
    def turn() -> Sample:
        notes.append(name)
        return {"ms": float(len(notes))}

    return turn


def test_each_takes_part_in_each_round_in_changing_order() -> None:
    notes: list[str] = []
    names = ["one", "two", "three"]
    samples = in_turns([Contestant(name, noted(notes, name)) for name in names], rounds=20)
    rounds = [notes[at : at + 3] for at in range(0, len(notes), 3)]
    assert all(sorted(one) == sorted(names) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert {name: len(samples[name]["ms"]) for name in names} == dict.fromkeys(names, 20)


def test_the_first_round_does_not_count() -> None:
    samples = in_turns([Contestant("one", noted([], "one"))], rounds=3)
    assert samples["one"]["ms"] == [2.0, 3.0, 4.0]


def test_who_is_slow_takes_part_less_often() -> None:
    notes: list[str] = []
    everybody = [
        Contestant("quick", noted(notes, "quick")),
        Contestant("slow", noted(notes, "slow"), every=5),
    ]
    samples = in_turns(everybody, rounds=10)
    assert (len(samples["quick"]["ms"]), len(samples["slow"]["ms"])) == (10, 2)


def test_no_round_begins_after_the_time_but_three_are_made() -> None:
    samples = in_turns([Contestant("one", noted([], "one"))], rounds=50, budget_s=0)
    assert len(samples["one"]["ms"]) == 3


def test_what_comes_before_and_after_a_turn_is_called_but_not_timed() -> None:
    notes: list[str] = []
    one = timed(
        "one",
        lambda: notes.append("call"),
        before=lambda: notes.append("before"),
        after=lambda: notes.append("after"),
        repeat=2,
    )
    assert one.turn()["ms"] >= 0
    assert notes == ["before", "call", "call", "after"]


def test_a_ratio_is_that_of_the_medians_and_lies_in_its_interval() -> None:
    ones, others = [4.0, 5.0, 6.0, 50.0], [1.0, 2.0, 3.0]
    found = ratio(ones, others)
    assert found.value == statistics.median(ones) / statistics.median(others)
    assert found.low <= found.value <= found.high
    assert found == ratio(ones, others), "the same samples give the same interval"


def test_a_summary_has_median_quartiles_and_the_least() -> None:
    told = summary([5.0, 1.0, 3.0, 2.0, 4.0])
    assert (told.median, told.least, told.low, told.high, told.rounds) == (3, 1, 2, 4, 5)


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile([float(value) for value in range(100)], 0.99) == 99
    assert percentile([7.0], 0.99) == 7


def test_a_bar_is_met_at_its_edge_and_not_beyond() -> None:
    most = results.Bar(1, "", 1.2, False, 1.2)
    least = results.Bar(1, "", 20, True, 19.9)
    assert most.met
    assert not least.met


@forks
def test_processes_are_let_go_together_and_each_update_is_counted() -> None:
    told = crowd.run(3, 4, lambda process: lambda turn: None)
    assert told["wall"] >= 0
    assert told["p50"] <= told["p99"]


@forks
def test_a_process_that_fails_fails_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    def prepare(process: int) -> Callable[[int], object]:
        return lambda turn: 1 // 0

    with pytest.raises(RuntimeError, match="2 processes have failed"):
        crowd.run(2, 1, prepare)
    assert "ZeroDivisionError" in capfd.readouterr().err


@forks
def test_children_end_with_whoever_waits_for_them() -> None:
    children: list[int] = []

    def interrupted() -> None:
        nonlocal children
        with crowd.together() as children:
            children.append(crowd.forked(signal.pause))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert children == [], "each was waited for, so none is left"


def test_sizes_are_changed_by_name() -> None:
    sizes = QUICK.changed(["active=1,2,3", "deals=7"])
    assert (sizes.active, sizes.deals, sizes.known) == ((1, 2, 3), 7, QUICK.known)
    with pytest.raises(ValueError, match="expected one of"):
        Sizes().changed(["speed=9"])
