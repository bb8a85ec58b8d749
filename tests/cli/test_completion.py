"""The shell completes commands, ids, addresses and chemicals."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.support import Nom, environment, spawn
from tests.support import ALICE, BOB


def completed(words: str, **more: str) -> list[str]:
    """Return what the shell would offer for the last of the words."""
    asked = {
        "_NOM_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    said = spawn(env=environment(**asked, **more))
    assert said.stderr == ""
    return [line.partition(",")[2] for line in said.stdout.splitlines() if line]


def test_commands_are_completed() -> None:
    assert completed("nom st") == ["start", "stats"]
    assert completed("nom archive ") == ["ls", "show", "pack", "unpack"]


def test_options_are_completed() -> None:
    assert completed("nom start --ind") == ["--indicative"]


def test_the_ids_of_a_party_are_completed(nom: Nom) -> None:
    first, second = nom.start(), nom.start(chemical="N")
    data = {"NOM_DATA": str(nom.root)}
    assert completed("nom show ", **data) == [first, second]
    assert completed(f"nom accept {second[:-2]}", **data, NOM_USER=BOB) == [second]
    assert completed("nom accept ", **data, NOM_USER="carol@x.edu") == []


def test_archived_ids_are_completed_where_they_are_asked_for(nom: Nom) -> None:
    negotiation_id = nom.deal()
    data = {"NOM_DATA": str(nom.root)}
    assert completed("nom archive show ", **data) == [negotiation_id]
    assert completed("nom show ", **data) == [negotiation_id]
    assert completed("nom accept ", **data) == []


def test_addresses_and_chemicals_are_completed(nom: Nom) -> None:
    nom.start()
    root = f"--data {nom.root}"
    assert completed(f"nom {root} ls --as ") == [ALICE, BOB]
    assert completed(f"nom {root} start b") == [BOB]
    assert completed(f"nom {root} start {BOB} ") == ["C", "N", "D", "Q"]
    assert completed(f"nom {root} tree --party al") == [ALICE]


def test_a_root_that_cannot_be_read_completes_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    data = {"NOM_DATA": str(tmp_path / "file")}
    assert completed("nom show ", **data) == []
    assert completed("nom start b@x ", **data) == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_takes_the_script() -> None:
    script = spawn(env=environment(_NOM_COMPLETE="bash_source"))
    assert script.stderr == ""
    assert "_NOM_COMPLETE=bash_complete" in script.stdout
    subprocess.run(["bash", "-n"], input=script.stdout, text=True, check=True, timeout=60)
