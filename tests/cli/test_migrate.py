"""`nom migrate` brings old data over, and takes them away again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.support import Nom, Result, environment, spawn, tree_of

from nom_negotiate.cli.migrate import Progress
from nom_negotiate.cli.output import Output

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "data" / "legacy-sample"
EXPECTED = json.loads((SAMPLE / "expected.json").read_text())
ALICE = "alice@stonybrook.edu"


def migrate(nom: Nom, action: str, *options: str) -> Result:
    return nom("migrate", action, str(SAMPLE), *options)


@pytest.fixture
def carried(nom: Nom) -> Nom:
    nom.ok("migrate", "run", str(SAMPLE))
    return nom


def test_a_plan_says_what_a_run_would_do_and_does_nothing(nom: Nom) -> None:
    said = migrate(nom, "plan")
    assert (said.status, said.err) == (0, "")
    assert not nom.root.exists()
    assert said.out.splitlines() == [
        f"from  {SAMPLE}  L2, L3",
        f"to    {nom.root}",
        "",
        "KIND                   SOURCE  NEW  THERE  LEFT OUT",
        "parties                     8    8      0         0",
        "pending negotiations        4    4      0         0",
        "accepted negotiations       2    2      0         0",
        "rejected negotiations       2    2      0         0",
        "transactions                3    3      0         0",
        "offers to sell              2    2      0         0",
        "buy orders                  1    1      0         0",
        "advertisements              3    3      0         0",
        "",
        "note      transactions: 3 of 3 stand in one party's books only; carried as they are",
    ]


def test_a_plan_for_programs_counts_as_the_old_reader_did_and_names_the_new_ids(nom: Nom) -> None:
    plan = migrate(nom, "plan", "--json").json
    assert {key: plan["counts"][key] for key in plan["counts"] if key in EXPECTED} == {
        key: EXPECTED[key] for key in plan["counts"] if key in EXPECTED
    }
    assert plan["counts"]["negotiations"] == EXPECTED["negotiations"]
    assert plan["counts"]["negotiation_offers"] == EXPECTED["negotiation_offers"]
    ids = {one["legacy_id"]: one["id"] for one in plan["negotiations"]}
    assert ids["neg_1795249767_52c24af0"] == "mary_jane_alice_D_1795249767"
    assert len(ids) == 8
    assert (plan["todo"], plan["left"], plan["in_place"]) == (25, [], False)


def test_a_run_counts_on_stderr_and_tells_on_stdout(nom: Nom) -> None:
    said = migrate(nom, "run")
    assert said.status == 0
    assert said.err == "nom: 0 of 25\nnom: 25 of 25\n"
    assert "pending negotiations        4      4      0         0" in said.out.splitlines()
    assert "KIND                   SOURCE  ADDED  THERE  LEFT OUT" in said.out.splitlines()
    assert len(nom.json("ls")) == 4
    assert len(nom.json("archive", "ls")) == 4


def test_a_second_run_changes_nothing_and_says_so(carried: Nom) -> None:
    before = tree_of(carried.root)
    said = migrate(carried, "run")
    assert said.err == "nom: everything was there already; nothing was changed\n"
    again = migrate(carried, "run", "--json")
    assert (again.json["added"], again.err) == ({}, "")
    assert tree_of(carried.root) == before


def test_verify_passes_and_shows_the_figures(carried: Nom) -> None:
    said = migrate(carried, "verify")
    assert (said.status, said.err) == (0, "")
    rows = [line.split() for line in said.out.splitlines()]
    assert ["offers", "made", "22", "22"] in rows
    assert ["o.neil@stonybrook.edu:", "units", "bought", "158", "158"] in rows
    found = migrate(carried, "verify", "--json").json
    assert (found["equal"], found["differences"]) == (True, [])


def test_verify_ends_with_9_where_something_differs(carried: Nom) -> None:
    [path] = (carried.root / "teams").glob("*/listings/buy_*.json")
    path.unlink()
    said = migrate(carried, "verify")
    assert said.status == 9
    assert said.err == (
        "nom: 1 difference between the old data and the data root;"
        " see the list of differences; run `nom migrate run` again\n"
    )
    assert "differs   listing buy_1795249766_6b67f427: carried over to" in said.out
    machine = migrate(carried, "verify", "--json")
    assert machine.status == 9
    assert machine.json["differences"][0]["id"] == "buy_1795249766_6b67f427"
    assert json.loads(machine.err)["error"]["code"] == "differences_found"
    assert migrate(carried, "run", "--json").json["added"] == {"buy orders": 1}
    assert migrate(carried, "verify").status == 0


def test_a_rollback_leaves_nothing(carried: Nom) -> None:
    said = migrate(carried, "rollback")
    assert said.out == "removed   8 negotiations, 3 transactions, 6 listings, 8 parties\n"
    assert not carried.root.exists()
    again = migrate(carried, "rollback", "--json")
    assert (again.status, again.json["removed"], again.err) == (0, {}, "")


def test_a_rollback_of_what_went_on_is_refused_unless_it_is_forced(carried: Nom) -> None:
    [live, *_] = carried.json("ls", "--as", ALICE)
    carried.ok("say", live["id"], "hello", "--as", ALICE)
    before = tree_of(carried.root)
    said = migrate(carried, "rollback")
    path = f"teams/{live['initiator']}/negotiations/{live['id']}"
    assert said.status == 3
    assert said.out == f"stays     {path} has gone on since\n"
    assert said.err == (
        f"nom: {path} has gone on since; look at what has gone on, then repeat with --force\n"
    )
    assert tree_of(carried.root) == before
    machine = migrate(carried, "rollback", "--json")
    assert machine.json["obstacles"] == [{"path": path, "reason": "has gone on since"}]
    forced = migrate(carried, "rollback", "--force", "--json")
    assert forced.json["removed"]["negotiations"] == 8
    assert not (carried.root / "teams").exists()


def test_a_person_is_told_what_was_left_out_and_why(nom: Nom, tmp_path: Path) -> None:
    old = tmp_path / "old" / "negotiations"
    old.mkdir(parents=True)
    (old / "negotiation_torn.json").write_text("{")
    (old / "negotiation_evil.json").write_text('{"id": "\\u001b[31mneg"}')
    said = nom("migrate", "plan", str(tmp_path / "old"))
    assert said.status == 0
    left = [line for line in said.out.splitlines() if line.startswith("left out")]
    assert len(left) == 2
    assert "left out  negotiations/negotiation_torn.json: not JSON" in left[1]
    assert "\x1b" not in said.out
    shape = nom("migrate", "plan", str(tmp_path / "old"), "--json").json
    assert [one["path"] for one in shape["left"]] == [
        "negotiations/negotiation_evil.json",
        "negotiations/negotiation_torn.json",
    ]
    assert shape["counts"]["unreadable"] == 2


@pytest.mark.parametrize("action", ["plan", "run", "verify"])
def test_a_source_that_is_none_is_told_and_nothing_is_written(
    nom: Nom, tmp_path: Path, action: str
) -> None:
    said = nom("migrate", action, str(tmp_path / "nowhere"))
    assert said.status == 5
    assert said.err.startswith("nom: expected a directory with teams/, negotiations/")
    assert said.err.count("\n") == 1
    assert not nom.root.exists()


@pytest.mark.parametrize("action", ["plan", "run", "verify", "rollback"])
def test_a_data_root_that_is_a_file_is_told(nom: Nom, action: str) -> None:
    nom.root.write_text("mine")
    said = migrate(nom, action)
    assert said.status == 8
    assert said.err.startswith("nom: expected a directory as data root, found a file")
    assert nom.root.read_text() == "mine"


def test_a_migration_of_another_source_names_the_known_ones(carried: Nom, tmp_path: Path) -> None:
    said = carried("migrate", "rollback", str(tmp_path / "other"))
    assert said.status == 5
    assert f"nothing in {carried.root} was migrated from {tmp_path / 'other'}" in said.err


def test_it_works_as_a_program_of_its_own(tmp_path: Path) -> None:
    env = environment(NOM_DATA=str(tmp_path / "root"))
    for action in ("plan", "run", "verify", "rollback"):
        said = spawn("migrate", action, str(SAMPLE), "--json", env=env)
        assert (said.returncode, said.stderr) == (0, "")
        json.loads(said.stdout)


@pytest.mark.parametrize("arguments", [["migrate"], ["migrate", "run", "--help"]])
def test_it_explains_itself(nom: Nom, arguments: list[str]) -> None:
    said = nom(*arguments)
    assert "nom migrate run /srv/market/data" in said.out + said.err


def test_progress_on_a_terminal_stays_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    progress = Progress(Output())
    for done in range(3):
        progress(done, 2)
    assert capsys.readouterr().err == "\rnom: 0 of 2\rnom: 1 of 2\rnom: 2 of 2\n"


def test_progress_in_a_file_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Output())
    for done in range(1001):
        progress(done, 1000)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"nom: {n} of 1000" for n in range(0, 1001, 100)]
