"""`nom schemas` prints the JSON Schema of every file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.support import Nom

from nom_negotiate.schemas import json_schemas

# As a reader of JSON gets them: a default may be a tuple here.
PUBLISHED = json.loads(json.dumps(json_schemas()))


def test_it_prints_all_of_them_as_one_object(nom: Nom) -> None:
    assert nom.json("schemas") == nom.ok("schemas").json == PUBLISHED


def test_given_a_directory_it_writes_one_file_a_schema(nom: Nom, tmp_path: Path) -> None:
    written = nom.ok("schemas", str(tmp_path / "schemas")).out.splitlines()
    assert len(written) == len(PUBLISHED)
    state = tmp_path / "schemas" / "nom.state-1.schema.json"
    assert str(state) in written
    assert json.loads(state.read_text()) == PUBLISHED["nom.state/1"]
    assert nom.json("schemas", str(tmp_path / "schemas")) == written


def test_a_file_in_the_way_is_one_line(nom: Nom, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = nom("schemas", str(tmp_path / "file"))
    assert said.status == 7
    assert said.err.startswith("nom: cannot write the schemas to ")
    assert said.err.count("\n") == 1
