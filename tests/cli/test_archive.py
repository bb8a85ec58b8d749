"""`nom archive` looks at what has ended."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.cli.support import Nom
from tests.support import ALICE, BOB, CAROL, DAY

from nom_negotiate import Desk


def test_it_lists_what_ls_archived_lists(nom: Nom) -> None:
    nom.deal()
    assert nom.json("archive", "ls") == nom.json("ls", "--archived")
    assert len(nom.json("archive", "ls", "--as", BOB)) == 1
    assert nom.json("archive", "ls", "--as", CAROL) == []
    assert len(nom.json("archive", "ls", "--as", CAROL, "--all")) == 1


def test_it_shows_what_show_shows(nom: Nom) -> None:
    negotiation_id = nom.deal()
    assert nom.json("archive", "show", negotiation_id) == nom.json("show", negotiation_id)
    said = nom.ok("archive", "show", "alice_bob", "--as", ALICE)
    assert "Outcome  agreed 900 C at 6 " in said.out


def test_common_options_may_stand_at_either_level(nom: Nom) -> None:
    nom.deal()
    assert nom.ok("archive", "--json", "ls").json == nom.ok("archive", "ls", "--json").json


def test_what_is_still_active_is_not_in_it(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom("archive", "show", negotiation_id)
    assert said.status == 5
    assert said.err == f"nom: {negotiation_id} is still active; see `nom show {negotiation_id}`\n"


# Packing


@pytest.fixture
def settled(nom: Nom) -> str:
    """Let alice and bob agree a hundred days ago, and mark it; return the id."""
    desk = Desk(nom.root, clock=lambda: time.time() - 100 * DAY, durable=False)
    alice, bob = desk.party(ALICE), desk.party(BOB)
    deal = alice.start(BOB, chemical="C", role="buyer", price="5.5", quantity=10)
    bob.accept(deal.id)
    desk.poll()
    for party in (alice, bob):
        party.mark_settled(party.transactions()[0].name)
    # So that a poll of the tests does not come first.
    desk.store.note_sweep(int(time.time()))
    return deal.id


def packs(root: Path) -> list[str]:
    return sorted(path.parent.parent.name for path in root.glob("teams/*/packs/*.jsonl.gz"))


def test_packing_changes_nothing_that_other_commands_say(nom: Nom, settled: str) -> None:
    commands = [
        ("archive", "ls"),
        ("archive", "ls", "--as", BOB),
        ("archive", "show", settled),
        ("show", settled, "--as", BOB),
        ("ls", "--archived", "--all"),
        ("stats",),
    ]
    before = [nom.ok(*command).out for command in commands]
    as_json = [nom.json(*command) for command in commands]
    assert nom.ok("archive", "pack", "--older-than", "30d").out == (
        "packed 1 negotiation and 2 transactions\n"
    )
    assert packs(nom.root) == [ALICE, BOB]
    assert list(nom.root.glob("teams/*/*/*_C_*")) == []
    assert [nom.ok(*command).out for command in commands] == before
    assert [nom.json(*command) for command in commands] == as_json
    assert nom.ok("archive", "show", settled[:12]).out == before[2]
    month = next(nom.root.glob("teams/*/packs/*")).name.removesuffix(".jsonl.gz")
    said = nom.json("archive", "unpack", month)
    assert said == {"negotiations": 1, "transactions": 2, "problems": []}
    assert packs(nom.root) == []
    assert [nom.json(*command) for command in commands] == as_json


def test_only_what_is_older_is_packed(nom: Nom, settled: str) -> None:
    assert nom.json("archive", "pack", "--older-than", "101d")["negotiations"] == 0
    assert nom.json("archive", "pack", "--older-than", "99d")["negotiations"] == 1
    assert nom.ok("archive", "pack", "--older-than", "99d").out == (
        "packed 0 negotiations and 0 transactions\n"
    )


def test_who_acts_packs_their_own_unless_all_is_said(nom: Nom, settled: str) -> None:
    assert nom.json("archive", "pack", "--older-than", "1d", "--as", CAROL)["negotiations"] == 0
    said = nom.json("archive", "pack", "--older-than", "1d", "--as", ALICE)
    assert (said["negotiations"], said["transactions"]) == (1, 1)
    said = nom.json("archive", "pack", "--older-than", "1d", "--as", ALICE, "--all")
    assert (said["negotiations"], said["transactions"]) == (0, 1)


def test_one_negotiation_is_unpacked_by_its_id(nom: Nom, settled: str) -> None:
    nom.ok("archive", "pack", "--older-than", "1d")
    said = nom.ok("archive", "unpack", settled, "--as", BOB)
    assert said.out == "unpacked 1 negotiation and 1 transaction\n"
    assert (nom.root / f"teams/{BOB}/negotiations_archive/{settled}").is_symlink()
    said = nom("archive", "unpack", settled, "--as", BOB)
    assert said.status == 5
    assert said.err == (
        f"nom: nothing that is packed is called {settled};"
        " see the months and counts with `nom tree`\n"
    )


def test_what_stays_is_told(nom: Nom, settled: str) -> None:
    path = nom.root / f"teams/{ALICE}/negotiations_archive/{settled}"
    (path / "notes").mkdir()
    said = nom.ok("archive", "pack", "--older-than", "1d").out.splitlines()
    assert said == [
        f"problem   teams/{ALICE}/negotiations_archive/{settled}/notes: expected a regular file,"
        " found a directory; move it away",
        "packed 0 negotiations and 2 transactions",
    ]
    [problem] = nom.json("archive", "pack", "--older-than", "1d")["problems"]
    assert problem["path"].endswith("/notes")


@pytest.mark.parametrize("age", ["", "soon", "0", "-1d", "40000d"])
def test_an_age_that_is_none_is_refused(nom: Nom, settled: str, age: str) -> None:
    assert nom("archive", "pack", f"--older-than={age}").status == 2
    assert packs(nom.root) == []


def test_an_age_has_to_be_said(nom: Nom, settled: str) -> None:
    assert nom("archive", "pack").status == 2
    assert nom("archive", "unpack").status == 2
    assert packs(nom.root) == []


def test_a_root_that_is_not_there_is_named_and_not_made(nom: Nom, tmp_path: Path) -> None:
    nowhere = tmp_path / "mistyped"
    for command in (("pack", "--older-than", "1d"), ("unpack", "2024-01")):
        said = nom("archive", *command, data=nowhere)
        assert (said.status, said.out) == (8, "")
        assert f"there is no data root at {nowhere}" in said.err
    assert not nowhere.exists()


def test_a_poll_packs_once_in_an_hour_and_says_so(nom: Nom, settled: str) -> None:
    assert nom.json("poll")["packed"] == 0
    (nom.root / "poller/swept").unlink()
    assert nom.ok("poll", "--scan").out.startswith("0 active, 3 packed; ")
    assert packs(nom.root) == [ALICE, BOB]
    assert "3 packed" in nom.ok("stats").out
    assert nom.json("poll", "--scan")["packed"] == 0


def test_a_root_that_never_packs_does_so_when_it_is_asked(nom: Nom, settled: str) -> None:
    nom.ok("init", "--pack-after", "never")
    (nom.root / "poller/swept").unlink()
    assert nom.json("poll", "--scan")["packed"] == 0
    assert nom.json("archive", "pack", "--older-than", "90d")["negotiations"] == 1


def test_a_tree_has_one_line_for_a_pack(nom: Nom, settled: str) -> None:
    nom.ok("archive", "pack", "--older-than", "1d")
    pack = next(nom.root.glob(f"teams/{ALICE}/packs/*"))
    drawn = nom.ok("tree", "--party", ALICE).out
    assert f"{pack.name}   1 negotiation, 1 transaction\n" in drawn
    assert settled not in drawn
    pack.write_bytes(pack.read_bytes()[:-4])
    (pack.parent / "notes").write_text("hello")
    drawn = nom.ok("tree").out
    assert f"{pack.name}   1 negotiation, 0 transactions   ! after line 1: expected" in drawn
    assert "notes   ! is no pack\n" in drawn


def test_a_damaged_pack_is_told_by_whoever_needs_it(nom: Nom, settled: str) -> None:
    nom.ok("archive", "pack", "--older-than", "1d")
    pack = next(nom.root.glob(f"teams/{ALICE}/packs/*"))
    pack.write_bytes(b"hello")
    for command in (("archive", "ls"), ("archive", "ls", "--as", ALICE), ("stats",)):
        said = nom.ok(*command)
        path = pack.relative_to(nom.root)
        assert f"left out {path}: after line 0: expected a gzip member" in said.err, command
