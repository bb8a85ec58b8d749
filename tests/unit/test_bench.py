"""From times to figures, and from figures to sentences."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.cli.support import python
from watchdog.events import FileCreatedEvent, FileMovedEvent

from nom_negotiate.bench import Figure, Measurement, measuring
from nom_negotiate.bench.figures import Stopwatch, Timed, percentile
from nom_negotiate.cli.bench import meaning
from nom_negotiate.store.files import bare, noticing, syncing


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [
        ([7], 50, 7),
        ([7], 99, 7),
        ([1, 2], 50, 1),
        ([1, 2], 51, 2),
        ([1, 2, 3], 50, 2),
        (range(1, 11), 90, 9),
        (range(1, 11), 99, 10),
        (range(1, 101), 50, 50),
        (range(1, 101), 99, 99),
        (range(1, 201), 99, 198),
        (range(1, 101), 0, 1),
        (range(1, 101), 100, 100),
    ],
)
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[int], percent: int, found: int
) -> None:
    assert percentile(values, percent) == found
    assert 100 * sum(value <= found for value in values) >= percent * len(values)


def test_times_become_milliseconds_and_a_ratio_of_medians() -> None:
    watch = Stopwatch()
    ours, raw = Timed("ours", 10), Timed("raw_ones", 10)
    watch.compare(ours, raw)
    for seconds in (0.004, 0.001, 0.003):
        watch.note(ours, seconds)
    for seconds in (0.002, 0.0005, 0.009):
        watch.note(raw, seconds)
    first, second = watch.figures()
    assert (first.operation, first.peer, first.ratio) == ("raw_ones", None, None)
    assert second == Figure(
        operation="ours",
        size=10,
        repetitions=3,
        p50_ms=3.0,
        p90_ms=4.0,
        p99_ms=4.0,
        min_ms=1.0,
        peer="raw_ones",
        ratio=1.5,
    )


def test_two_take_turns_and_each_is_first_every_other_time() -> None:
    order: list[str] = []

    def deed(name: str) -> str:
        order.append(name)
        return name

    watch = Stopwatch()
    for _ in range(4):
        assert watch.turns("raw_one", lambda: deed("raw"), "ours", lambda: deed("ours")) == "ours"
    assert order == ["raw", "ours", "ours", "raw"] * 2
    assert [figure.repetitions for figure in watch.figures()] == [4, 4]


def test_what_was_never_measured_has_no_figure() -> None:
    watch = Stopwatch()
    watch.compare(Timed("ours"), Timed("raw_one"))
    assert list(watch.figures()) == []


# In words


def measurement(
    times_ms: Mapping[str, float],
    *,
    kind: str = "ext4",
    load: tuple[float, ...] = (0.1, 0.4),
    step_ms: float | None = 4.0,
) -> Measurement:
    sizes = {"batch": 200}
    return Measurement(
        directory="/srv/nom",
        at=0,
        duration_s=40.0,
        system="Linux 6.1",
        processors=2,
        load=load,
        operations=tuple(
            Figure(
                operation=name,
                size=sizes.get(name, 1),
                repetitions=1,
                p50_ms=ms,
                p90_ms=ms,
                p99_ms=ms,
                min_ms=ms,
            )
            for name, ms in times_ms.items()
        ),
        mount={"file system": f"{kind}, mounted at /srv"},
        findings=(),
        syncfs="raw_syncfs" in times_ms,
        notifications="notification" in times_ms,
        timestamp_step_ms=step_ms,
    )


TIMES = {
    "raw_replace_synced": 0.8,
    "raw_replace": 0.08,
    "offer": 1.0,
    "deal": 5.0,
    "batch": 163.0,
    "raw_syncfs": 2.0,
    "notification": 0.5,
}


def test_the_figures_are_told_in_three_sentences() -> None:
    assert meaning(measurement(TIMES)) == [
        "Replacing a file durably takes 0.80 ms here, 10.0 times as long as without fsync; one"
        " party makes about 1,000 durable offers a second.",
        "A durable deal takes 5.0 ms from its acceptance to the archive; a pass with 200 of them"
        " settles about 1,200 a second.",
        "Renames are told to watchers within 0.5 ms (p99); syncfs takes 2.00 ms; times of files go"
        " in steps of 4.000 ms.",
    ]


def test_a_slow_disk_has_a_rate_too() -> None:
    slow = measurement({**TIMES, "offer": 400.0})
    assert "about 2.5 durable offers a second" in meaning(slow)[0]


def test_what_the_system_does_not_offer_is_told() -> None:
    bare_ones = {name: ms for name, ms in TIMES.items() if name not in ("raw_syncfs",)}
    del bare_ones["notification"]
    assert meaning(measurement(bare_ones, step_ms=None))[2] == (
        "No change notifications arrive, so changes are found by looking; there is no syncfs;"
        " times of files were not seen to move."
    )


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (measurement(TIMES, kind="tmpfs"), "tmpfs is memory"),
        (measurement({**TIMES, "raw_replace_synced": 0.09}), "A sync costs next to nothing here"),
        (measurement(TIMES, load=(0.5, 2.6)), "The machine had other things to do (load 2.6 on 2"),
    ],
    ids=["memory", "no sync", "load"],
)
def test_what_makes_the_figures_doubtful_is_told(measured: Measurement, said: str) -> None:
    assert len(meaning(measured)) == 4
    assert meaning(measured)[3].startswith(said)


def test_without_a_load_average_nothing_is_said_of_it() -> None:
    assert len(meaning(measurement(TIMES, load=()))) == 3


# How long it goes on


def test_a_round_that_would_end_too_late_is_not_begun_but_for_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(measuring, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def rounds(most: int, deadline: float, each_s: float) -> int:
        done = 0
        for number in measuring._rounds(most, deadline):
            assert number == done
            done += 1
            now[0] += each_s
        return done

    assert rounds(5, 0.0, 1.0) == 1
    assert rounds(5, now[0] + 3.0, 1.0) == 3
    assert rounds(5, now[0] + 3.5, 2.0) == 1
    assert rounds(5, now[0] + 1000.0, 1.0) == 5


# Notifications


def test_only_a_notification_of_what_was_changed_counts() -> None:
    bell = noticing.Bell()
    other, moved = FileCreatedEvent("/d/other"), FileMovedEvent("/d/new", "/d/name")
    assert bell.seconds_after(lambda: bell.on_any_event(other), 0, "name") is None
    found = bell.seconds_after(lambda: bell.on_any_event(moved), 0, "name")
    assert found is not None
    assert found > 0
    assert bell.seconds_after(lambda: bell.on_any_event(other), 0) is not None
    assert bell.seconds_after(lambda: None, 0) is None


def test_what_watchdog_complains_of_does_not_reach_stderr(tmp_path: Path) -> None:
    code = """
import logging, sys
from nom_negotiate.store.files import noticing
with noticing.watching(sys.argv[1]):
    logging.getLogger("watchdog.observers").error("it was stopped")
"""
    said = python(code, str(tmp_path))
    assert (said.returncode, said.stderr) == (0, "")


# The bare operations


CONTENT = bare.Content(state=b"state", outcome=b"outcome", transaction=b"transaction")


@pytest.mark.parametrize("durable", [True, False])
def test_the_bare_files_of_a_deal_are_those_that_a_deal_leaves(
    tmp_path: Path, durable: bool
) -> None:
    pair = bare.Pair(f"{tmp_path}/pair", CONTENT, durable=durable)
    pair.start("1")
    pair.answer("1")
    pair.answer("1")
    pair.read("1")
    assert (tmp_path / "pair/other/active/1/one.json").read_bytes() == b"state"
    pair.settle("1")
    files = {
        str(path.relative_to(tmp_path / "pair")): path.read_bytes()
        for path in (tmp_path / "pair").rglob("*")
        if path.is_file()
    }
    assert files == {
        "one/archive/1/one.json": b"state",
        "one/archive/1/other.json": b"state",
        "one/archive/1/outcome.json": b"outcome",
        "one/transactions/1.json": b"transaction",
        "other/transactions/1.json": b"transaction",
    }
    assert (tmp_path / "pair/other/archive/1/outcome.json").read_bytes() == b"outcome"
    assert not os.path.lexists(tmp_path / "pair/other/active/1")


def test_a_durable_bare_deal_syncs_each_file_and_each_directory_and_a_relaxed_one_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    counts = []
    for durable in (True, False):
        pair = bare.Pair(f"{tmp_path}/{durable}", CONTENT, durable=durable)
        for deed in (pair.start, pair.answer, pair.settle):
            synced.clear()
            deed("1")
            counts.append(len(synced))
    # A start: a link, a file in its directory, the directory. A settlement: three files in their
    # directories, the new link, and both ends of the move.
    assert counts == [4, 2, 9, 0, 0, 0]


def test_a_file_system_is_synced_where_the_system_can(tmp_path: Path) -> None:
    assert bare.Bare().sync_file_system(str(tmp_path)) is syncing.is_offered()


@pytest.mark.parametrize("number", [0, errno.ENOSYS, errno.EIO])
def test_a_system_without_syncfs_is_told_from_a_disk_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def sync(fd: int) -> None:
        if number:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(syncing, "is_offered", lambda: True)
    monkeypatch.setattr(syncing, "sync_file_system", sync)
    if number == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            bare.Bare().sync_file_system(str(tmp_path))
    else:
        assert bare.Bare().sync_file_system(str(tmp_path)) is (number == 0)
    monkeypatch.setattr(syncing, "is_offered", lambda: False)
    assert bare.Bare().sync_file_system(str(tmp_path)) is False
