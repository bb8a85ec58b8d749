"""`nom watch` shows what happens, as it happens, and ends when it is told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import Nom, environment
from tests.support import ALICE, BOB, CAROL

DEADLINE_S = 60.0


@contextmanager
def watching(root: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start watching in a process of its own; return once it has begun."""
    with subprocess.Popen(
        [sys.executable, "-m", "nom_negotiate", "watch", "--data", str(root), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment(TZ="UTC"),
    ) as process:
        try:
            assert process.stderr is not None
            assert "watching " in process.stderr.readline()
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for the end; return the status and what was said since."""
    out, complaints = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, complaints


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_each_event_is_a_line_of_json_at_once_until_a_signal(nom: Nom, number: int) -> None:
    nom.ok("init")
    with watching(nom.root, "--json") as process:
        negotiation_id = nom.start()
        started, offer = json.loads(line(process)), json.loads(line(process))
        assert started["kind"] == "negotiation.started"
        assert (started["negotiation_id"], started["buyer"]) == (negotiation_id, ALICE)
        assert offer["kind"] == "negotiation.offer_made"
        assert (offer["by"], offer["price"], offer["round"]) == (ALICE, 5.5, 1)
        nom.ok("accept", negotiation_id, "--as", BOB)
        assert json.loads(line(process))["kind"] == "negotiation.accepted"
        nom.ok("poll")
        assert json.loads(line(process))["kind"] == "negotiation.settled"
        process.send_signal(number)
        assert ended(process) == (0, "", "")


def test_a_person_reads_who_said_what(nom: Nom) -> None:
    nom.ok("init")
    profile = nom.root / "teams" / BOB / "init.json"
    first = nom.start()
    profile.write_text(
        json.dumps({**json.loads(profile.read_text()), "display_name": "Bob\x1b[31m Chen"})
    )
    called = f"{BOB} (Bob\\x1b[31m Chen)"
    with watching(nom.root) as process:
        nom.ok("offer", first, "--as", BOB, "--price", "6", "--quantity", "900", "--reason", "no")
        assert line(process).endswith(f" UTC  {first}  {called} offers 900 C at 6 (round 2): no\n")
        nom.ok("say", first, "by Monday?", "--as", ALICE)
        assert line(process).endswith(f"{ALICE} says: by Monday?\n")
        nom.ok("accept", first, "--as", ALICE)
        assert line(process).endswith(f"{ALICE} accepts 900 C at 6 (round 2)\n")
        nom.ok("poll")
        assert line(process).endswith(f"settled 900 C at 6: {ALICE} buys from {called}\n")
        second = nom.start("--indicative", chemical="D")
        assert line(process).endswith(f"{second}  {ALICE} starts with {called}, buys D\n")
        assert line(process).endswith(f"{ALICE} offers 1000 D at 5.5 (round 1, indicative)\n")
        nom.ok("reject", second, "--as", BOB, "--reason", "too little")
        assert line(process).endswith(f"{called} rejects it: too little\n")
        spoken = nom.start("--delivery", "FOB Rotterdam", "--payment", "30 days", chemical="Q")
        line(process)
        assert line(process).endswith("1000 Q at 5.5 (delivery, payment) (round 1)\n")
        nom.ok("withdraw", spoken, "--as", ALICE)
        line(process)
        third = nom.start("--idle", "1h", chemical="N")
        line(process), line(process)
        nom.ok("withdraw", third, "--as", ALICE)
        assert line(process).endswith(f"{ALICE} withdraws\n")
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (0, "", "")


def test_who_answers_a_listing_is_told_with_its_author(nom: Nom) -> None:
    nom.ok("init")
    with watching(nom.root) as process:
        posting = ("listing", "post", "C", "--sell", "--price", "6", "--quantity", "500")
        posted = nom.ok(*posting, "--as", ALICE, "--json").json["id"]
        assert line(process).endswith(f"{ALICE} posts a listing: sell 500 C at 6\n")
        nom.ok("listing", "respond", posted, "--as", BOB, "--price", "5", "--quantity", "500")
        assert line(process).endswith(f"{BOB} answers a listing of {ALICE}, buys C\n")


def test_what_is_about_to_expire_is_told(nom: Nom) -> None:
    negotiation_id = nom.start("--idle", "1h")
    with watching(nom.root, "--warn", "2h") as process:
        assert f"{negotiation_id}  expires at " in line(process)


def test_one_negotiation_or_one_party_is_watched_alone(nom: Nom) -> None:
    first = nom.start()
    nom.ok("init", "--party", CAROL)
    with (
        watching(nom.root, first[:-3], "--json") as one,
        watching(nom.root, "--as", CAROL, "--json") as of_carol,
    ):
        options = ("--buy", "--price", "1", "--quantity", "1", "--json")
        second: dict[str, Any] = nom.ok("start", CAROL, "N", "--as", ALICE, *options).json
        nom.ok("say", first, "hm", "--as", BOB)
        assert json.loads(line(one))["text"] == "hm"
        assert json.loads(line(of_carol))["negotiation_id"] == second["id"]


def test_whoever_has_read_enough_closes_the_pipe(nom: Nom) -> None:
    negotiation_id = nom.start()
    with watching(nom.root, "--json") as process:
        assert process.stdout is not None
        process.stdout.close()
        nom.ok("say", negotiation_id, "hm", "--as", BOB)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_what_is_not_there_is_not_watched(nom: Nom) -> None:
    said = nom("watch")
    assert (said.status, said.out) == (8, "")
    assert f"there is no data root at {nom.root}" in said.err
    nom.start()
    said = nom("watch", "nobody_C_1")
    assert said.status == 5
    assert "there is no negotiation 'nobody_C_1'" in said.err
    said = nom("watch", "nobody_C_1", "--as", CAROL)
    assert f"{CAROL} has no negotiation 'nobody_C_1'" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["../x"], "expected an id such as"),
        (["--warn", "soon"], "--warn must be a duration, found 'soon'"),
        (["--as", "bob"], "expected an address like name@domain, found 'bob'"),
    ],
)
def test_wrong_input_is_one_line(nom: Nom, arguments: list[str], told: str) -> None:
    nom.ok("init")
    said = nom("watch", *arguments)
    assert (said.status, said.out, said.err.count("\n")) == (2, "", 1)
    assert told in said.err
