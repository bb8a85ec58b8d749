"""What parties call themselves stands beside their addresses, and never in their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.support import Nom
from tests.support import ALICE, BOB


@pytest.fixture
def named(nom: Nom) -> Nom:
    """Return a root in which both parties have a display name."""
    nom.ok("init", "--party", ALICE, "--name", "Swift Fox")
    nom.ok("init", "--party", BOB, "--name", "Calm Otter")
    return nom


def rename(nom: Nom, name: str) -> None:
    path = nom.root / "teams" / BOB / "init.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"display_name": name}))


def test_a_list_has_them(named: Nom) -> None:
    named.start()
    _, row = named.ok("ls").out.splitlines()
    assert f"{ALICE} (Swift Fox)  {BOB} (Calm Otter)  initiated" in row


def test_one_negotiation_has_them_at_its_head_and_below_its_drawing(named: Nom) -> None:
    negotiation_id = named.start()
    lines = named.ok("show", negotiation_id).out.splitlines()
    assert f"  buyer    {ALICE} (Swift Fox)  began" in lines
    assert f"  seller   {BOB} (Calm Otter)   to answer" in lines
    assert any("buyer (Swift Fox)   " in line for line in lines[-1:])
    said = named.ok("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900")
    assert "  bob (Calm Otter) offers to sell: 900 C at 6 (round 2)" in said.out.splitlines()


def test_whoever_ended_it_is_named(named: Nom) -> None:
    negotiation_id = named.start()
    named.ok("reject", negotiation_id, "--as", BOB, "--reason", "sold out")
    named.ok("poll")
    ending = f"rejected by {BOB} (Calm Otter): sold out"
    assert ending in named.ok("show", negotiation_id).out
    assert ending in named.ok("tree").out


def test_setting_up_tells_them(named: Nom) -> None:
    assert f"parties    {ALICE} (Swift Fox), {BOB} (Calm Otter)\n" in named.ok("init").out
    assert named.json("init")["display_names"] == {ALICE: "Swift Fox", BOB: "Calm Otter"}


def test_a_tree_has_them(named: Nom) -> None:
    assert f"{ALICE}/   Swift Fox\n" in named.ok("tree").out
    entries = named.json("tree")
    assert {
        entry["name"]: entry["display_name"] for entry in entries if "display_name" in entry
    } == {
        ALICE: "Swift Fox",
        BOB: "Calm Otter",
    }


def test_programs_get_them_by_address(named: Nom) -> None:
    negotiation_id = named.start()
    for said in (named.json("show", negotiation_id), *named.json("ls")):
        assert said["display_names"] == {ALICE: "Swift Fox", BOB: "Calm Otter"}
        assert said["initiator"] == ALICE


def test_who_has_given_none_is_named_by_the_address_alone(nom: Nom) -> None:
    negotiation_id = nom.start()
    assert nom.json("show", negotiation_id)["display_names"] == {}
    assert "(" not in nom.ok("ls").out


@pytest.mark.parametrize(
    ("name", "says"),
    [("x" * 101, "1 to 100 characters"), (" ", "1 to 100"), ("a\x1b[2J", "must not contain")],
)
def test_a_name_that_nobody_could_read_is_refused(nom: Nom, name: str, says: str) -> None:
    said = nom("init", "--party", ALICE, "--name", name)
    assert (said.status, said.out) == (2, "")
    assert says in said.err
    assert not nom.root.exists()


def test_a_name_that_could_be_taken_for_an_address_is_not_shown(named: Nom) -> None:
    rename(named, f"really {ALICE}")
    named.start()
    named.ok("listing", "post", "C", "--buy", "--as", BOB)
    for words in (("ls",), ("listing", "ls")):
        assert "really" not in named.ok(*words).out + named.ok(*words, "--json").out
    [row] = named.json("listing", "ls")
    assert (row["user"], row["display_name"]) == (BOB, None)


def test_a_long_name_is_cut_and_one_with_teeth_is_drawn(named: Nom) -> None:
    rename(named, "\x1b[2J" + "x" * 1000)
    named.start()
    said = named.ok("ls").out
    assert f"{BOB} (\\x1b[2J{'x' * 33}...)  " in said


def test_a_profile_that_cannot_be_read_stops_nothing(named: Nom) -> None:
    negotiation_id = named.start()
    profile: Path = named.root / "teams" / BOB / "init.json"
    profile.write_text("{")
    assert named.json("show", negotiation_id)["display_names"] == {ALICE: "Swift Fox"}
