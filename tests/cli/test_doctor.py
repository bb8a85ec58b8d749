"""`nom doctor` says what is wrong and what to do, and its exit status what that comes to."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.cli.support import Nom, tree_of
from tests.support import ALICE, BOB

from nom_negotiate.cli.doctor import MOST_OF_A_KIND


def transaction(nom: Nom, party: str) -> Path:
    [found] = (nom.root / "teams" / party / "transactions").iterdir()
    return found


def test_a_healthy_root_is_clean(nom: Nom) -> None:
    nom.deal()
    said = nom.ok("doctor")
    assert said.out.splitlines()[-1].startswith("clean")
    assert "renames             atomic: " in said.out
    assert said.err == ""


def test_without_the_mount_only_the_files_are_looked_at(nom: Nom) -> None:
    nom.deal()
    said = nom.ok("doctor", "--no-mount").out
    assert "renames" not in said
    assert "2 parties, 1 archived negotiation, 1 deal, 2 transactions, 1 link" in said
    assert nom.json("doctor", "--no-mount")["mount"] == {}


def test_what_is_wrong_is_said_with_what_to_do_and_nothing_is_changed(nom: Nom) -> None:
    nom.deal()
    transaction(nom, BOB).unlink()
    before = tree_of(nom.root)
    said = nom("doctor", "--no-mount")
    assert said.status == 11
    assert tree_of(nom.root) == before
    lines = said.out.splitlines()
    assert f" at {BOB}, found none" in said.out
    assert "to do: `nom doctor --repair` places what is missing" in said.out
    assert lines[-1] == "2 need a person"
    assert said.err == (
        "nom: 2 findings are open; see the remedies; `nom doctor --repair` mends what it can\n"
    )


def test_a_repair_says_what_it_has_mended(nom: Nom) -> None:
    nom.deal()
    lost = transaction(nom, BOB)
    data = lost.read_bytes()
    lost.unlink()
    said = nom("doctor", "--no-mount", "--repair")
    assert said.status == 10
    assert lost.read_bytes() == data
    assert said.out.splitlines()[-1] == "2 mended"
    assert "mended   teams/alice@stonybrook.edu/negotiations_archive/" in said.out
    assert said.err == "nom: 2 findings were mended; see the list of what was mended\n"
    assert nom.ok("doctor", "--no-mount").out.splitlines()[-1] == "clean"


def test_a_program_is_told_the_same(nom: Nom) -> None:
    nom.deal()
    (nom.root / "teams" / ALICE / "listings" / "odd\x1b[2J.txt").write_text("")
    said = nom("doctor", "--no-mount", "--json")
    assert said.status == 11
    assert said.json["verdict"] == "needs_a_person"
    assert said.json["counted"]["parties"] == 2
    assert said.json["findings"] == [
        {
            "severity": "warning",
            "code": "foreign",
            "path": f"teams/{ALICE}/listings/odd\\x1b[2J.txt",
            "found": "expected a listing, named by its id and .json",
            "remedy": "`nom doctor --repair` sets it aside",
            "repaired": False,
        }
    ]
    error = json.loads(said.err)["error"]
    assert (error["code"], error["exit_status"]) == ("needs_a_person", 11)
    mended = nom("doctor", "--no-mount", "--json", "--repair")
    assert (mended.status, mended.json["verdict"]) == (10, "mended")
    assert json.loads(mended.err)["error"]["code"] == "mended"
    assert nom.json("doctor", "--no-mount")["verdict"] == "clean"


def test_notes_alone_are_clean(nom: Nom) -> None:
    nom.deal()
    (nom.root / "teams" / ALICE / "my notes.txt").write_text("")
    said = nom.ok("doctor", "--no-mount")
    assert said.out.splitlines()[-1] == "clean (1 only noted)"
    assert "\x1b" not in said.out


def test_many_of_a_kind_are_counted(nom: Nom) -> None:
    nom.deal()
    for number in range(MOST_OF_A_KIND + 5):
        (nom.root / "teams" / ALICE / "listings" / f"odd {number}").write_text("")
    said = nom("doctor", "--no-mount")
    assert said.out.count("  foreign") == MOST_OF_A_KIND
    assert "and 5 more foreign; --json has all of them" in said.out
    assert len(nom("doctor", "--no-mount", "--json").json["findings"]) == MOST_OF_A_KIND + 5


def test_broken_settings_are_a_finding(nom: Nom) -> None:
    nom.ok("init")
    (nom.root / "config.json").write_text("{")
    said = nom("doctor", "--no-mount")
    assert said.status == 11
    assert "error    config.json  malformed_settings" in said.out


def test_a_root_that_is_not_there_is_a_wrong_root(nom: Nom) -> None:
    said = nom("doctor")
    assert said.status == 8
    assert "there is no data root at " in said.err
    assert not os.path.lexists(nom.root)


def test_a_root_that_is_a_file_is_a_wrong_root(nom: Nom) -> None:
    nom.root.write_text("")
    assert nom("doctor").status == 8
