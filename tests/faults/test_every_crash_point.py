"""A stop at every step of every use case, in every world that may follow: then all is well.

`crashing` says what is tried, `power` what a power cut may leave, `invariants` what must hold.
There is no list of exceptions.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.faults.crashing import Effort, Tally, UseCase, enumerate_crashes
from tests.faults.isolated import ISOLATED_CASES
from tests.faults.migrations import Migrating, RollingBack, old_data
from tests.faults.use_cases import CASES, Case

from nom_negotiate.store.files import isolation

SOAK = os.environ.get("NOM_SOAK") == "1"

# Every world that may follow from a stop, and some of what follows from a stop of a recovery.
SHORT = Effort(recoveries=1, stops=1000, worlds_again=64) if SOAK else Effort()
# Where a look takes its time, or there are more worlds than can be run: a sample.
LONG = (
    Effort(worlds=40, recoveries=10, stops=10, worlds_again=4)
    if SOAK
    else Effort(worlds=2, recoveries=24, stops=2, worlds_again=2)
)
STRANGER = LONG._replace(worlds=64)
# What a batch has changed since its last barrier may be there in any combination. Of those a
# sample: nothing, all of it, each alone and each missing come first.
MANY = (
    Effort(worlds=64, recoveries=20, stops=10, worlds_again=4)
    if SOAK
    else Effort(worlds=3, recoveries=60, stops=2, worlds_again=2)
)
THREE = (
    Effort(worlds=1200, recoveries=100, stops=20, worlds_again=8)
    if SOAK
    else Effort(worlds=8, recoveries=60, stops=2, worlds_again=4)
)

BATCHES = ("a poll over many", "a poll over three deals")

pytestmark = pytest.mark.timeout(7200 if SOAK else 300)

Note = Callable[[str, object], None]


def run_out(case: UseCase, effort: Effort, note: Note) -> Tally:
    tally = enumerate_crashes(case, effort)
    note("crash points", tally.points + tally.again)
    note("worlds", tally.worlds + tally.worlds_again)
    assert tally.primitives >= 6
    assert tally.points > tally.primitives
    return tally


def effort_for(case: Case) -> Effort:
    efforts = {
        "a start with a stranger": STRANGER,
        "a poll over many": MANY,
        "a poll over three deals": THREE,
    }
    if case.name in efforts:
        return efforts[case.name]
    return LONG if "pack" in case.name else SHORT


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_after_a_crash_anywhere_the_next_poll_makes_it_whole(
    case: Case, record_property: Note
) -> None:
    effort = effort_for(case)
    tally = run_out(case, effort, record_property)
    if case.name in BATCHES:
        assert set(tally.torn) == {"outcome.json", "transactions"}, "nothing torn was survived"
    else:
        assert not tally.torn, "only a batch names what is not durable"
        if effort.worlds >= 64:
            assert tally.cuts[False] == 0, "too many worlds to run them all"


@pytest.mark.parametrize("case", ISOLATED_CASES, ids=repr)
def test_after_a_crash_anywhere_nobody_stays_locked_out(
    case: Case, record_property: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As many as a party may start between two polls; more are only more to look at.
    monkeypatch.setattr(isolation, "SPARES", 2)
    tally = run_out(case, SHORT, record_property)
    assert tally.cuts[False] == 0, "too many worlds to run them all"


@pytest.mark.parametrize("kind", [Migrating, RollingBack])
def test_after_a_crash_anywhere_a_migration_is_run_again(
    tmp_path: Path, kind: type[Migrating], record_property: Note
) -> None:
    effort = LONG._replace(worlds=8) if kind is RollingBack else LONG
    run_out(kind(old_data(tmp_path / "old")), effort, record_property)
