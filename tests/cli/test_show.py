"""`nom show` tells everything about one negotiation."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from tests.cli.support import Nom
from tests.support import ALICE, BOB, CAROL, HOUR, Clock

from nom_negotiate import Desk


def test_anybodys_is_found_where_nobody_is_named(nom: Nom) -> None:
    negotiation_id = nom.start()
    assert nom.json("show", negotiation_id)["id"] == negotiation_id
    assert "revision" not in nom.json("show", negotiation_id)
    assert nom.json("show", negotiation_id, "--as", BOB)["revision"] == 0
    said = nom("show", negotiation_id, "--as", CAROL)
    assert said.status == 5


def test_what_has_ended_shows_its_outcome(nom: Nom) -> None:
    said = nom.json("show", nom.deal())
    outcome = said["outcome"]
    assert (said["phase"], said["turn"], said["archived"]) == ("agreed", None, True)
    assert outcome["deal"]["price"] == 6
    assert outcome["schema"] == "nom.outcome/1"
    assert set(outcome["transactions"]) == {ALICE, BOB}


def test_a_person_reads_who_what_when_and_how_it_ended(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "first line\nsecond line")
    nom.ok(
        *("reject", negotiation_id, "--as", BOB, "--reason", "too low"),
        *("--price", "6", "--quantity", "900"),
    )
    lines = nom.ok("show", negotiation_id).out.splitlines()
    assert lines[0] == f"{negotiation_id}  in progress, alice's turn"
    assert f"  buyer    {ALICE}  began, to answer" in lines
    assert f"  seller   {BOB}" in lines
    assert "  chemical C" in lines
    assert any(line.startswith("  expires  in 23h 59m (") for line in lines) or any(
        line.startswith("  expires  in 1d (") for line in lines
    )
    heads = [line.split() for line in lines if line.startswith("ROUND")]
    assert heads == [["ROUND", "BY", "PRICE", "QUANTITY", "WHAT", "WHEN", "WHY"]]
    rows = [line.split() for line in lines if " firm offer " in line]
    assert [row[:4] for row in rows] == [["1", "alice", "5.5", "1000"], ["2", "bob", "6", "900"]]
    assert rows[1][-2:] == ["too", "low"]
    assert lines[-2:] == ["    | first line", "    | second line"]
    nom.ok("accept", negotiation_id, "--as", ALICE)
    nom.ok("poll")
    lines = nom.ok("show", negotiation_id).out.splitlines()
    assert lines[0] == f"{negotiation_id}  agreed"
    assert any(line.startswith("Outcome  agreed 900 C at 6  ") for line in lines)
    assert lines[-2].startswith("  alice: transactions/")
    assert lines[-1].endswith("_sell_C_to_alice.json")


def test_an_offer_that_has_lapsed_or_will_says_so(nom: Nom) -> None:
    # Made long ago by the clock of its author, with a life that is not over yet.
    clock = Clock(time.time() - 3 * HOUR)
    alice = Desk(nom.root, clock=clock).party(ALICE)
    until = int(clock.now) + HOUR
    lapsed = alice.start(
        BOB, chemical="C", role="buyer", price="5", quantity="1", valid_until=until
    )
    assert "  firm offer, lapsed 2h ago" in nom.ok("show", lapsed.id).out
    waiting = nom.start("--valid-until", "2h", "--again")
    assert re.search("  firm offer, valid for (2h|1h 59m) ", nom.ok("show", waiting).out)


def test_a_file_that_cannot_be_read_is_told(nom: Nom) -> None:
    negotiation_id = nom.start()
    nom.ok("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900")
    room = nom.root / "teams" / ALICE / "negotiations" / negotiation_id
    (room / "alice_state.json").write_text("{")
    for party in ([], ["--as", BOB]):
        said = nom.ok("show", negotiation_id, *party)
        assert f"nom: left out teams/{ALICE}/negotiations/{negotiation_id}/alice_" in said.err
        assert "2  bob " in said.out
    (room / "bob_state.json").write_text("{")
    said = nom("show", negotiation_id)
    assert (said.status, said.out) == (6, "")
    assert "alice_state.json: expected one JSON object" in said.err


def test_a_limit_of_rounds_is_told(nom: Nom) -> None:
    assert "  rounds   1 of at most 3\n" in nom.ok("show", nom.start("--max-rounds", "3")).out


@pytest.mark.parametrize(
    "nasty", ["\x1b]0;owned\x07", "a\x1b[2Jb", "abc\u202edcba", "x\x9b31m", "a\rOutcome  agreed"]
)
def test_what_others_wrote_into_their_files_does_no_harm(nom: Nom, nasty: str) -> None:
    negotiation_id = nom.start("--message", "MESSAGE")
    nom.ok(
        "offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "9", "--reason", "WHY"
    )
    room = nom.root / "teams" / ALICE / "negotiations" / negotiation_id
    for name, word in (("alice", "MESSAGE"), ("bob", "WHY")):
        _rewrite(room / f"{name}_state.json", word, nasty)
    for command in (["show", negotiation_id], ["ls"], ["tree"]):
        said = nom.ok(*command)
        assert not set("\x1b\x07\r\u202e\x9b") & set(said.out + said.err)
        assert json.loads(nom.ok(*command, "--json").out)


def _rewrite(path: Path, word: str, text: str) -> None:
    state = path.read_text(encoding="utf-8")
    assert word in state
    path.write_text(state.replace(word, json.dumps(text)[1:-1]), encoding="utf-8")
