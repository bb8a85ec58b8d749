"""`nom bench` measures, says what it means, and leaves everything as it was."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import Nom, environment, python, tree_of
from tests.support import BOB

from nom_negotiate.bench import measuring
from nom_negotiate.cli.bench import LABELS, _held_signals
from nom_negotiate.core.party import Isolation, Settings
from nom_negotiate.store.files import FileStore, bare, noticing
from nom_negotiate.store.files.atomic import Disk

DEADLINE_S = 60.0
NOBODY = 999_999_999
"""The number of no process."""


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a measurement be over soon: what it is of matters here, and not how often."""
    few = {"LIVES": 2, "BATCHES": 1, "PASSES": 2, "SYNCS": 2, "NOTICES": 2, "TRIAL": 2, "BATCH": 3}
    few["TEAMS"] = 3
    for name, number in few.items():
        monkeypatch.setattr(measuring, name, number)
    monkeypatch.setattr(measuring, "ACTIVE", (2, 5))


def figures(said: Any) -> dict[tuple[str, int], dict[str, Any]]:
    return {(one["operation"], one["size"]): one for one in said["operations"]}


def test_every_operation_has_its_figures(nom: Nom) -> None:
    nom.ok("init")
    said = nom.json("bench", "--seconds", "1")
    assert {one["operation"] for one in said["operations"]} == LABELS.keys()
    for one in said["operations"]:
        assert one["repetitions"] > 0
        assert 0 < one["min_ms"] <= one["p50_ms"] <= one["p90_ms"] <= one["p99_ms"]
    assert said["directory"] == str(nom.root)
    assert said["mount"]["renames"].startswith("atomic: ")
    assert said["findings"] == []
    assert (said["syncfs"], said["notifications"]) == (True, True)
    assert said["timestamp_step_ms"] > 0
    assert said["duration_s"] > 0
    assert said["at"] <= time.time()


def test_each_operation_of_ours_is_compared_with_a_bare_one_of_its_size(nom: Nom) -> None:
    nom.ok("init")
    found = figures(nom.json("bench", "--seconds", "1"))
    ours = [key for key in found if not key[0].startswith("raw_") and key[0] != "notification"]
    for name, size in ours:
        one = found[name, size]
        assert one["peer"].startswith("raw_")
        peer = found[one["peer"], size]
        assert one["ratio"] == pytest.approx(one["p50_ms"] / peer["p50_ms"], abs=0.001)
    alone = {key[0] for key in found if key not in ours}
    assert all(found[key]["peer"] is None for key in found if key[0] in alone)
    assert {size for name, size in found if name == "idle_pass"} == {2, 5}


def test_a_person_is_told_in_a_table_and_in_sentences(nom: Nom) -> None:
    nom.ok("init")
    said = nom.ok("bench", "--seconds", "1")
    lines = said.out.splitlines()
    [head] = [line for line in lines if line.startswith("OPERATION")]
    titles = ["OPERATION", "TIMES", "P50 ms", "P90 ms", "P99 ms", "MIN ms", "RATIO"]
    assert re.split(" {2,}", head) == titles
    assert "idle poll, 5 active" in said.out
    assert "raw: write, fsync, rename, fsync directory" in said.out
    assert lines[0] == f"measured in         {nom.root}"
    told = [line for line in lines[lines.index(head) :] if line.endswith(".")]
    assert told[0].startswith("Replacing a file durably takes ")
    assert told[1].startswith("A durable deal takes ")
    assert told[2].startswith("Renames are told to watchers within ")
    assert said.err == "nom: measuring for about 1 second; Ctrl-C leaves nothing behind\n"


def test_every_operation_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for operation in LABELS:
        assert f"`{operation}`" in page, operation


def test_nothing_that_was_there_is_touched(nom: Nom) -> None:
    nom.deal()
    nom.start()
    before = tree_of(nom.root)
    nom.ok("bench", "--seconds", "1")
    assert tree_of(nom.root) == before


def test_a_root_that_is_not_there_yet_is_measured_where_it_would_be(
    nom: Nom, tmp_path: Path
) -> None:
    assert nom.json("bench", "--seconds", "1")["directory"] == str(tmp_path)
    assert not nom.root.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_named_is_measured_and_the_root_is_not(
    nom: Nom, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    said = nom.json("bench", str(tmp_path / "disk"), "--seconds", "1")
    assert said["directory"] == str(tmp_path / "disk")
    assert list((tmp_path / "disk").iterdir()) == []
    assert not nom.root.exists()


def test_a_root_of_unix_users_is_measured_as_any_other(nom: Nom) -> None:
    FileStore(nom.root).initialise(Settings(closed=True, isolation=Isolation.UNIX))
    before = tree_of(nom.root)
    nom.ok("bench", "--seconds", "1")
    assert tree_of(nom.root) == before


# Where it cannot be done


@pytest.mark.parametrize("named", ["none", "none/below", "file"])
def test_a_directory_that_is_none_is_refused(nom: Nom, tmp_path: Path, named: str) -> None:
    (tmp_path / "file").write_text("")
    said = nom("bench", str(tmp_path / named))
    assert said.status == 8
    assert said.err.startswith("nom: ")
    assert str(tmp_path / named) in said.err
    assert "measuring" not in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_root_whose_place_is_not_there_is_refused(nom: Nom, tmp_path: Path) -> None:
    said = nom("bench", data=tmp_path / "none" / "root")
    assert said.status == 8
    assert f"there is no directory at {tmp_path}/none/root, nor at {tmp_path}/none;" in said.err


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EROFS, "read_only"), (errno.EACCES, "denied"), (errno.ENOSPC, "no_space")],
    ids=["read-only", "denied", "full"],
)
def test_a_directory_that_cannot_be_written_is_trouble_with_the_disk(
    nom: Nom, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    nom.ok("init")

    def refused(disk: Disk, path: str, mode: int) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(Disk, "_mkdir", refused)
    said = nom("bench", "--json")
    assert said.status == 7
    assert f'"code":"{code}"' in said.err
    assert said.out == ""


@pytest.mark.parametrize("disk", [Disk, bare.Bare])
def test_a_disk_that_becomes_full_meanwhile_is_told_and_nothing_is_left(
    nom: Nom, monkeypatch: pytest.MonkeyPatch, disk: type[Disk]
) -> None:
    nom.ok("init")
    before = tree_of(nom.root)
    real, left = disk._symlink, iter(range(4))

    def link(self: Disk, text: str, path: str) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        real(self, text, path)

    monkeypatch.setattr(disk, "_symlink", link)
    said = nom("bench")
    assert said.status == 7
    assert "no space left on the device" in said.err
    assert tree_of(nom.root) == before


def test_a_file_system_without_links_is_refused_with_the_reason(
    nom: Nom, monkeypatch: pytest.MonkeyPatch
) -> None:
    nom.ok("init")

    def refused(disk: Disk, source: str, target: str) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), target)

    monkeypatch.setattr(Disk, "_link", refused)
    said = nom("bench")
    assert said.status == 8
    assert "cannot create a file by a hard link" in said.err
    assert not list(nom.root.glob(".tmp-*"))


@pytest.mark.parametrize("seconds", ["0", "-1", "3601", "soon", "1.5"])
def test_the_seconds_are_a_number_of_them(nom: Nom, seconds: str) -> None:
    said = nom("bench", "--seconds", seconds)
    assert said.status == 2
    assert "--seconds" in said.err


def test_without_notifications_and_syncfs_the_rest_is_measured(
    nom: Nom, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def none(directory: str) -> Iterator[noticing.Bell]:
        raise OSError(errno.ENOSPC, "no watches left")
        yield

    monkeypatch.setattr(noticing, "watching", none)
    monkeypatch.setattr(bare.Bare, "sync_file_system", lambda disk, path: False)
    nom.ok("init")
    said = nom.json("bench", "--seconds", "1")
    assert (said["syncfs"], said["notifications"]) == (False, False)
    assert [one["code"] for one in said["findings"]] == ["no_notifications"]
    lacking = LABELS.keys() - {one["operation"] for one in said["operations"]}
    assert lacking == {"raw_syncfs", "notification"}
    told = nom.ok("bench", "--seconds", "1").out
    assert "No change notifications arrive" in told
    assert "there is no syncfs" in told
    assert "no_notifications" in told


def test_a_disk_on_which_others_write_all_the_time_is_not_waited_for_again_and_again(
    nom: Nom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "PATIENCE_S", -1)
    synced: list[str] = []

    def sync(disk: bare.Bare, path: str) -> bool:
        synced.append(path)
        return True

    monkeypatch.setattr(bare.Bare, "sync_file_system", sync)
    nom.ok("init")
    found = figures(nom.json("bench", "--seconds", "1"))["raw_syncfs", 1]
    assert len(synced) == 1 + found["repetitions"]


def test_where_there_is_no_time_for_all_of_them_fewer_are_made_and_their_number_is_told(
    nom: Nom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "PATIENCE_S", 0.1)
    monkeypatch.setattr(measuring, "BATCH", 1_000_000)
    monkeypatch.setattr(measuring, "ACTIVE", (2, 1_000_000))
    nom.ok("init")
    found = figures(nom.json("bench", "--seconds", "1"))
    [batch] = [size for name, size in found if name == "batch"]
    assert measuring.TRIAL <= batch < 1_000_000
    assert found["batch", batch]["peer"] == "raw_batch"
    few, many = sorted(size for name, size in found if name == "idle_pass")
    assert few == 2
    assert 2 < many < 1_000_000


def test_notifications_that_stop_arriving_are_not_waited_for_again(
    nom: Nom, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def deaf(
        bell: noticing.Bell, change: Callable[[], object], timeout_s: float, name: str | None = None
    ) -> float | None:
        asked.append(change())
        # The first is of the trial of the mount.
        return 0.001 if name is None else None

    monkeypatch.setattr(noticing.Bell, "seconds_after", deaf)
    nom.ok("init")
    assert nom.json("bench", "--seconds", "1")["notifications"] is False
    assert len(asked) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_data_root_of_another_user_is_refused_for_a_kill_would_leave_what_stops_its_passes(
    nom: Nom,
) -> None:
    nom.ok("init")
    os.chown(nom.root, 65534, 65534)
    before = tree_of(nom.root)
    said = nom("bench", "--json")
    assert said.status == 7
    assert '"code":"wrong_user"' in said.err
    assert tree_of(nom.root) == before


# However it ends


@contextmanager
def measuring_in(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a measurement as a process of its own; the block begins while it is at it."""
    # A job in the background ignores Ctrl-C, and so would what it starts.
    with subprocess.Popen(
        [sys.executable, "-m", "nom_negotiate", "bench", "--data", str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(),
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not list(root.glob(".tmp-bench-*/lives/teams/team00@bench/negotiations/*")):
                assert time.monotonic() < deadline, "it took too long"
                time.sleep(0.01)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_at_once_and_nothing_is_left(nom: Nom, number: signal.Signals) -> None:
    nom.start()
    before = tree_of(nom.root)
    with measuring_in(nom.root, "--json", "--seconds", "3600") as process:
        process.send_signal(number)
        assert process.communicate(timeout=DEADLINE_S) == ("", "")
    assert process.returncode == 128 + number
    assert tree_of(nom.root) == before


SIGNALLED = """
import os, signal, sys
from nom_negotiate.bench import measuring
from nom_negotiate.cli import main
from nom_negotiate.store.files import bare

def signalled(real):
    def function(*arguments):
        os.kill(os.getpid(), getattr(signal, SIGNAL))
        return real(*arguments)
    return function

WHERE = signalled(WHERE)
sys.argv = ["nom", "bench", "--seconds", "3600"]
main()
"""


@pytest.mark.parametrize(
    "where",
    ["bare.Bare.temporary_directory", "measuring._Bench.run", "bare.Bare.remove_tree"],
)
def test_a_signal_while_it_makes_room_or_removes_it_waits(tmp_path: Path, where: str) -> None:
    (tmp_path / "data").mkdir()
    code = SIGNALLED.replace("WHERE", where).replace("SIGNAL", '"SIGTERM"')
    if where == "bare.Bare.remove_tree":
        # The first signal ends the measuring, the second one comes while it removes.
        code = code.replace("WHERE", where).replace(
            "sys.argv", "measuring._Bench.run = signalled(measuring._Bench.run)\nsys.argv"
        )
    said = python(code)
    assert (said.returncode, said.stdout) == (143, ""), said.stderr
    assert list((tmp_path / "data").iterdir()) == []


def test_signals_that_are_ignored_stay_ignored_and_former_handlers_are_restored() -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    term = signal.getsignal(signal.SIGTERM)
    try:
        with _held_signals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.number is None
            assert signal.getsignal(signal.SIGTERM) != term
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == term
    finally:
        signal.signal(signal.SIGHUP, former)


def left_over(directory: Path, *, writer: int = NOBODY, age_s: int = 2 * 3600) -> Path:
    """Leave what a measurement that was killed leaves."""
    path = directory / f".tmp-bench-{writer}-0123456789ab"
    (path / "lives" / "teams").mkdir(parents=True)
    (path / "lives" / "config.json").write_text("{}")
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_what_a_kill_leaves_is_swept_by_a_pass_that_scans(nom: Nom) -> None:
    nom.start()
    with measuring_in(nom.root, "--seconds", "3600") as process:
        process.kill()
        process.wait(DEADLINE_S)
    [left] = nom.root.glob(".tmp-bench-*")
    nom.ok("poll", "--scan")
    assert left.exists(), "it may have been made just now"
    hours_ago = time.time() - 2 * 3600
    os.utime(left, (hours_ago, hours_ago))
    nom.ok("poll", "--scan")
    assert not list(nom.root.glob(".tmp-*"))
    assert len(nom.json("ls")) == 1


def test_what_a_kill_leaves_where_no_root_is_goes_with_the_next_measurement(
    nom: Nom, tmp_path: Path
) -> None:
    gone = left_over(tmp_path)
    kept = [
        left_over(tmp_path, age_s=60, writer=NOBODY - 1),
        left_over(tmp_path, writer=os.getppid()),
        tmp_path / ".tmp-of-another-program",
    ]
    kept[-1].mkdir()
    os.utime(kept[-1], (0, 0))
    nom.ok("bench", str(tmp_path), "--seconds", "1")
    assert not gone.exists()
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_a_doctor_and_a_pass_at_the_same_time_have_nothing_to_say_of_it(nom: Nom) -> None:
    nom.start()
    with measuring_in(nom.root, "--json", "--seconds", "3600") as process:
        assert nom.json("doctor", "--no-mount")["verdict"] == "clean"
        assert nom.json("poll")["problems"] == []
        assert list(nom.root.glob(".tmp-bench-*"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
    assert nom.ok("say", nom.json("ls")[0]["id"], "still here", "--as", BOB).status == 0
