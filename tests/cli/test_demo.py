"""`nom demo` plays a negotiation, and the commands that it names do the same."""

from __future__ import annotations

import json
import shlex
import shutil
import tempfile
from pathlib import Path

import pytest
from tests.cli.support import Nom, tree_of
from tests.support import ALICE, BOB

from nom_negotiate.cli import entry

REPO = Path(__file__).parents[2]


@pytest.fixture
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def test_it_ends_with_a_settled_deal_in_the_directory_that_was_named(nom: Nom) -> None:
    said = nom.ok("demo")
    assert f"  $ export NOM_DATA={nom.root}" in said.out
    for part in ("├── ", "★ agreed", "agreed 900 C at 6.1", '"type": "buy"', '"type": "sell"'):
        assert part in said.out
    assert nom.json("stats")["volumes"]["C"]["conserved"] is True


def test_it_brings_the_shipped_sample_of_old_data_over(nom: Nom) -> None:
    told = nom.json("demo")
    expected = json.loads((REPO / "data/legacy-sample/expected.json").read_text())["negotiations"]
    assert told["migrated"]["pending negotiations"] == expected["pending"]
    assert told["migrated"]["accepted negotiations"] == expected["accepted"]
    assert told["migrated"]["rejected negotiations"] == expected["rejected"]
    assert nom.json("stats")["carried_over"] == told["migrated"]["transactions"]


@pytest.mark.usefixtures("_places")
def test_without_a_directory_it_makes_one_and_leaves_somebody_elses_alone(
    nom: Nom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nom.start()
    before = tree_of(nom.root)
    monkeypatch.setenv("NOM_DATA", str(nom.root))
    monkeypatch.setenv("NOM_USER", "carol@stonybrook.edu")
    assert entry.run(["demo"]) == 0
    [made] = (tmp_path / "tmp").iterdir()
    assert f"export NOM_DATA={made}" in capsys.readouterr().out
    assert tree_of(nom.root) == before


def test_a_directory_with_files_in_it_is_refused(nom: Nom) -> None:
    nom.root.mkdir()
    (nom.root / "mine").write_text("")
    said = nom("demo")
    assert said.status == 8
    assert "expected an empty directory for the demo" in said.err
    assert list(nom.root.iterdir()) == [nom.root / "mine"]


def test_json_has_the_steps_the_negotiation_and_both_transactions(nom: Nom) -> None:
    said = nom.json("demo")
    assert said["data"] == str(nom.root)
    assert said["negotiation"]["phase"] == "agreed"
    assert said["poll"]["agreed"] == [said["negotiation"]["id"]]
    assert sorted(record["type"] for record in said["transactions"].values()) == ["buy", "sell"]
    for path in said["transactions"]:
        assert (nom.root / path).is_file()


def test_its_commands_lead_to_the_same_deal(nom: Nom) -> None:
    told = nom.json("demo")
    shutil.rmtree(nom.root)
    played, here = told["negotiation"]["id"], ""
    for step in told["steps"]:
        program, *arguments = shlex.split(step["command"].replace(played, here or played))
        if program == "cat":
            continue
        assert program == "nom"
        nom.ok(*arguments)
        if arguments[0] == "start":
            found = [one["id"] for one in nom.json("ls")]
            [here] = [one for one in found if one.startswith("alice_bob_C_")]
    outcome = nom.json("show", here)["outcome"]
    assert {key: outcome["deal"][key] for key in ("buyer", "seller", "price", "quantity")} == {
        "buyer": ALICE,
        "seller": BOB,
        "price": 6.1,
        "quantity": 900,
    }
