"""`nom run` polls until it is told to stop, and finishes the pass in hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.support import Nom, environment
from tests.support import ALICE, BOB
from tests.watch.support import begin, plain

from nom_negotiate.cli.run import Stop
from nom_negotiate.cli.stopping import stopped_by_signals

DEADLINE_S = 60.0


@contextmanager
def running(
    root: Path, *arguments: str, code: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start the loop as a process of its own; it is killed if a test leaves it running."""
    how = ["-m", "nom_negotiate"] if code is None else ["-c", code]
    with subprocess.Popen(
        [sys.executable, *how, "run", "--data", str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end; return the status and what was said on stderr."""
    _, complaints = process.communicate(timeout=DEADLINE_S)
    return process.returncode, complaints


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_two_passes_ends_it_at_once_with_0(nom: Nom, number: int) -> None:
    nom.ok("init")
    with running(nom.root, "--every", "1d", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["active"] == []
        process.send_signal(number)
        assert ended(process) == (0, "")


# A validator that takes its time: it tells that it was asked, and again once a signal has been
# noticed, and waits for a word. BASE is where it leaves its traces.
SLOW = """
import os, signal, time
from nom_negotiate import extensions
from nom_negotiate.cli import main

def touch(name):
    os.close(os.open(BASE + name, os.O_CREAT | os.O_WRONLY))

def slow(outcome, store):
    touch(".asked")
    while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        time.sleep(0.01)
    touch(".noticed")
    with open(BASE + ".go") as fifo:
        fifo.read()

extensions.load = lambda group: (slow,) if group == extensions.VALIDATORS else ()
main()
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where the slow validator leaves its traces and waits."""
    os.mkfifo(tmp_path / "trace.go")
    return tmp_path / "trace"


def slow(base: Path) -> str:
    return SLOW.replace("BASE", repr(str(base)))


def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def test_a_signal_during_a_pass_lets_it_finish(nom: Nom, base: Path) -> None:
    negotiation_id = nom.start()
    nom.ok("accept", negotiation_id, "--as", BOB)
    with running(nom.root, "--every", "1d", "--json", code=slow(base)) as process:
        until(base.with_suffix(".asked").exists)
        process.send_signal(signal.SIGTERM)
        until(base.with_suffix(".noticed").exists)
        assert process.poll() is None
        base.with_suffix(".go").write_text("go")
        assert process.stdout is not None
        report = json.loads(process.stdout.readline())
        assert report["agreed"] == [negotiation_id]
        assert ended(process) == (0, "")
    assert len(nom.json("archive", "ls")) == 1
    assert nom.json("stats")["transactions"] == 2


def test_a_second_ctrl_c_does_not_wait(nom: Nom, base: Path) -> None:
    negotiation_id = nom.start()
    nom.ok("accept", negotiation_id, "--as", BOB)
    with running(nom.root, "--every", "1d", code=slow(base)) as process:
        until(base.with_suffix(".asked").exists)
        process.send_signal(signal.SIGINT)
        until(base.with_suffix(".noticed").exists)
        process.send_signal(signal.SIGINT)
        status, complaints = ended(process)
        assert (status, complaints.strip()) == (130, "")
    assert nom.json("poll")["agreed"] == [negotiation_id]


def test_only_a_pass_that_did_something_says_a_line_to_a_person(nom: Nom) -> None:
    negotiation_id = nom.start()
    with running(nom.root, "--every", "1s") as process:
        log = nom.root / "poller" / "stats.jsonl"
        until(log.exists)
        nom.ok("accept", negotiation_id, "--as", BOB)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"  agreed {negotiation_id}  (1 agreed; " in line
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, rest, complaints) == (0, "", "")


def test_a_pass_that_could_not_work_is_told_and_the_next_one_is_tried(nom: Nom) -> None:
    nom.ok("init")
    with running(nom.root, "--every", "1s", "--json") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        config = nom.root / "config.json"
        kept = config.read_bytes()
        config.write_text("{")
        # A pass that has nothing to do needs no settings.
        (nom.root / "poller" / "scan").unlink()
        assert json.loads(process.stderr.readline())["error"]["code"] == "malformed_settings"
        config.write_bytes(kept)
        # Lines of earlier passes may wait in the pipe: the one that counts comes after them.
        log = nom.root / "poller" / "stats.jsonl"
        passes = len(log.read_bytes().splitlines())
        until(lambda: len(log.read_bytes().splitlines()) > passes)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


def test_a_root_that_cannot_work_is_refused_before_the_first_pass(nom: Nom) -> None:
    nom.root.write_text("")
    said = nom("run")
    assert said.status == 8
    assert "expected a directory as data root" in said.err


@pytest.mark.parametrize("every", ["0s", "-1s", "often", "2y"])
def test_the_pause_is_a_duration(nom: Nom, every: str) -> None:
    said = nom("run", "--every", every)
    assert said.status == 2
    assert "--every must be " in said.err


def test_a_deal_settles_when_it_is_struck_and_not_at_the_next_tick(nom: Nom) -> None:
    negotiation_id = nom.start()
    with running(nom.root, "--every", "1d", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["active"] == [negotiation_id]
        nom.ok("accept", negotiation_id, "--as", BOB)
        assert negotiation_id in agreed(process)
        assert len(nom.json("archive", "ls")) == 1
        # The pass that settled it is heard of as little as any other.
        second = nom.start(chemical="D")
        nom.ok("accept", second, "--as", BOB)
        assert second in agreed(process)
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "")


def rename(path: Path, text: str) -> None:
    """Write a state as careful programs do."""
    temporary = path.with_suffix(".json.tmp")
    temporary.write_text(text)
    temporary.rename(path)


@pytest.mark.parametrize("write", [rename, Path.write_text])
def test_a_program_that_rings_no_bell_has_its_deal_when_it_is_struck(
    nom: Nom, write: Callable[[Path, str], object]
) -> None:
    nom.ok("init", "--party", ALICE, "--party", BOB)
    with running(nom.root, "--every", "1h", "--json") as process:
        assert process.stdout is not None
        reports = [json.loads(process.stdout.readline())]
        for seconds in range(3):
            space = begin(nom.root, f"alice_bob_C_{1704312345 + seconds}")
            write(space / "bob_state.json", plain(BOB, 5, status="agreed"))
            write(space / "alice_state.json", plain(ALICE, 5, status="agreed"))
            while space.name not in reports[-1]["agreed"]:
                reports.append(json.loads(process.stdout.readline()))
        # Somebody's word comes after whatever a pass may have heard of its own.
        deal = nom.start()
        while deal not in reports[-1]["active"]:
            reports.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        rest, complaints = process.communicate(timeout=DEADLINE_S)
    reports += map(json.loads, rest.splitlines())
    assert (process.returncode, complaints) == (0, "")
    for party in (ALICE, BOB):
        assert len(list((nom.root / "teams" / party / "transactions").iterdir())) == 3
    # The first one, and at most one for each namespace, each of its three words, and the last
    # word: none for what passes do themselves.
    assert len(reports) <= 1 + 3 * (1 + 3) + 1


def agreed(process: subprocess.Popen[str]) -> list[str]:
    """Return what the next pass that settled something has settled."""
    assert process.stdout is not None
    while True:
        report = json.loads(process.stdout.readline())
        if report["agreed"]:
            found: list[str] = report["agreed"]
            return found


def test_a_root_without_a_doorbell_is_heard_once_the_first_pass_has_made_one(nom: Nom) -> None:
    nom.ok("init", "--party", ALICE, "--party", BOB)
    assert not (nom.root / "poller" / "doorbell").exists()
    with running(nom.root, "--every", "1d", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        negotiation_id = nom.start()
        nom.ok("accept", negotiation_id, "--as", BOB)
        assert agreed(process) == [negotiation_id]


def test_a_signal_stops_the_loop_whatever_it_is_doing() -> None:
    former = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    stop = Stop(None)
    assert isinstance(stop, threading.Event)
    with stopped_by_signals(stop.set):
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_set()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == former
