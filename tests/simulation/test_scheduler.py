"""The scheduler itself: who goes on, and what befalls whom."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest
from tests.simulation.scheduler import (
    Dangers,
    Policy,
    Ranked,
    Scheduler,
    Stuck,
    Weight,
    sticky,
    uniform,
)

SAFE = Dangers()


def stepping(dangers: Dangers = SAFE, policy: Policy = uniform, seed: int = 1) -> Scheduler:
    return Scheduler(random.Random(seed), policy, dangers)


def counting(sched: Scheduler, name: str, done: list[str], steps: int = 3) -> Callable[[], None]:
    def body() -> None:
        for number in range(steps):
            sched.step("step", (number,), True)
            done.append(name)

    return body


def test_actors_take_turns_in_an_order_that_the_seed_decides() -> None:
    orders = set()
    for seed in range(30):
        sched, done = stepping(seed=seed), list[str]()
        for name in "ab":
            sched.spawn(name, counting(sched, name, done))
        sched.run()
        assert sorted(done) == list("aaabbb")
        orders.add("".join(done))
    assert len(orders) > 10


def test_nothing_that_a_killed_actor_still_tries_happens() -> None:
    sched, done = stepping(Dangers(kill=1.0)), list[str]()

    def body() -> None:
        try:
            sched.step("write", (), True)
            done.append("written")
        except BaseException:
            sched.step("clean up", (), True)
            done.append("cleaned up")
            raise
        finally:
            sched.step("close", (), False)
            done.append("closed")

    actor = sched.spawn("a", body)
    sched.run()
    assert actor.done
    assert not actor.alive
    assert done == []


def test_a_power_cut_kills_everybody() -> None:
    sched, done = stepping(Dangers(cut=0.2)), list[str]()
    sched.on_cut = lambda: done.append("cut")
    for name in "abc":
        sched.spawn(name, counting(sched, name, done, steps=100))
    sched.run()
    assert done[-1] == "cut"
    assert sched.actors == []


def test_a_stopped_actor_goes_on_after_the_others() -> None:
    sched, done = stepping(), list[str]()
    slow = sched.spawn("slow", counting(sched, "slow", done))
    slow.asleep_until = 50
    sched.spawn("quick", counting(sched, "quick", done, steps=60))
    sched.run()
    assert done.index("slow") > 45
    assert done.count("slow") == 3


def test_actors_that_wait_for_each_other_are_found_out() -> None:
    sched = stepping()
    sched.is_free = lambda path: False
    sched.spawn("a", lambda: assert_waits(sched))
    with pytest.raises(Stuck, match="nobody can go on"):
        sched.run()


def assert_waits(sched: Scheduler) -> None:
    assert sched.wait("a lock", 10.0)


def test_whoever_waits_for_too_long_is_told_so() -> None:
    sched = stepping(Dangers(give_up=1.0))
    sched.is_free = lambda path: False
    told: list[bool] = []
    sched.spawn("patient", lambda: told.append(sched.wait("a lock", 10.0)))
    sched.spawn("other", counting(sched, "other", []))
    sched.run()
    assert told == [False]


def test_an_actor_that_never_ends_is_found_out() -> None:
    sched = stepping(policy=sticky(1.0))

    def body() -> None:
        while True:
            sched.step("turn", (), False)

    sched.spawn("a", body)
    with pytest.raises(Stuck, match="no end"):
        sched.run()


def breaking() -> None:
    raise ZeroDivisionError


def test_a_defect_of_an_actor_is_not_taken_for_its_death() -> None:
    sched = stepping()
    sched.spawn("a", breaking)
    with pytest.raises(ZeroDivisionError):
        sched.run()


def test_by_rank_an_actor_is_interrupted_only_where_it_falls() -> None:
    changes = []
    for seed in range(20):
        rng = random.Random(seed)
        sched, done = Scheduler(rng, Ranked(rng, 2, 40, {Weight.CHANGES}), Dangers()), list[str]()
        for name in "ab":
            sched.spawn(name, counting(sched, name, done, steps=20))
        sched.run()
        changes.append(sum(one != other for one, other in itertools.pairwise(done)))
    assert max(changes) <= 3
    assert len(set(changes)) > 1
