"""`nom init` sets a root up, changes what is named, and keeps the rest."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.support import TERMS, Nom, tree_of
from tests.support import ALICE, BOB

from nom_negotiate import Desk, Limits


def settings(nom: Nom) -> dict[str, Any]:
    said = nom.json("init")
    return {key: said[key] for key in ("closed", "chemicals", "limits")}


def test_a_new_root_has_the_defaults(nom: Nom) -> None:
    said = nom.json("init")
    assert said == {
        "data": str(nom.root),
        "new": True,
        "closed": False,
        "isolation": "shared",
        "chemicals": ["C", "N", "D", "Q"],
        "limits": {"idle_s": 86400, "life_s": 172800, "max_rounds": None},
        "pack_after_s": 90 * 86400,
        "parties": [],
        "display_names": {},
        "added": [],
    }


def test_a_person_reads_what_holds_now(nom: Nom) -> None:
    said = nom.ok("init", "--party", ALICE, "--closed", "--max-rounds", "6")
    assert said.err == ""
    assert said.out.splitlines() == [
        f"data root  {nom.root}",
        "newcomers  refused (closed)",
        "chemicals  C N D Q",
        "expires    after 1d of silence, or 2d in all",
        "rounds     at most 6",
        "packs      after 90d",
        f"parties    {ALICE}",
    ]


def test_what_is_not_named_stays_as_it_is(nom: Nom) -> None:
    nom.ok("init", "--closed", "--chemical", "H2O", "--chemical", "C", "--idle", "90m")
    nom.ok("init", "--life", "2w", "--max-rounds", "5")
    assert settings(nom) == {
        "closed": True,
        "chemicals": ["H2O", "C"],
        "limits": {"idle_s": 5400, "life_s": 1209600, "max_rounds": 5},
    }
    assert Desk(nom.root).settings.limits == Limits(idle_s=5400, life_s=1209600, max_rounds=5)


def test_when_to_pack_is_a_setting(nom: Nom) -> None:
    assert nom.json("init", "--pack-after", "26w")["pack_after_s"] == 182 * 86400
    assert nom.json("init", "--closed")["pack_after_s"] == 182 * 86400
    assert nom.json("init", "--pack-after", "never")["pack_after_s"] == 0
    assert "packs      never\n" in nom.ok("init").out
    said = nom("init", "--pack-after", "37000d")
    assert (said.status, "and 100 years, found 37000d" in said.err) == (2, True)


def test_a_root_can_be_opened_again_and_the_cap_lifted(nom: Nom) -> None:
    nom.ok("init", "--closed", "--max-rounds", "3")
    nom.ok("init", "--open", "--max-rounds", "none")
    assert settings(nom)["closed"] is False
    assert settings(nom)["limits"]["max_rounds"] is None


def test_repeating_it_changes_nothing(nom: Nom) -> None:
    nom.ok("init", "--closed", "--party", ALICE)
    before = tree_of(nom.root)
    said = nom.json("init")
    assert said["new"] is False
    assert tree_of(nom.root) == before


def test_parties_are_added_to_a_closed_root(nom: Nom) -> None:
    nom.ok("init", "--closed")
    said = nom.json("init", "--party", "Alice@StonyBrook.edu", "--party", BOB)
    assert said["added"] == said["parties"] == [ALICE, BOB]
    nom.ok("start", BOB, "C", "--as", ALICE, "--buy", *TERMS)


def test_a_party_may_have_a_display_name_from_the_beginning(nom: Nom) -> None:
    nom.ok("init", "--party", ALICE, "--name", "Team Alice")
    profile = Desk(nom.root).party(ALICE).profile
    assert profile is not None
    assert profile.display_name == "Team Alice"


def test_a_party_that_is_here_already_may_have_another_display_name(nom: Nom) -> None:
    nom.start()
    said = nom.ok("init", "--party", ALICE, "--name", "Team Alice")
    assert f"{ALICE} (Team Alice)" in said.out
    assert f"{ALICE} (Team Alice)" in nom.ok("ls", "--as", ALICE).out
    refused = nom("init", "--party", ALICE, "--name", "x" * 101)
    assert (refused.status, "display name" in refused.err) == (2, True)
    assert "say a name" in nom("init", "--party", ALICE, "--name", "").err
    assert f"{ALICE} (Team Alice)" in nom.ok("init").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--party", "nobody"], "invalid_address"),
        (["--party", ALICE, "--party", "x" * 300 + "@x"], "invalid_address"),
        (["--chemical", "../x"], "invalid_setting"),
        (["--idle", "soon"], "invalid_time"),
        (["--life", "0s"], "invalid_time"),
        (["--max-rounds", "0"], "invalid_setting"),
        (["--max-rounds", "-1"], "invalid_setting"),
        (["--max-rounds", "1e3"], "invalid_setting"),
    ],
)
def test_nothing_is_written_where_anything_is_wrong(
    nom: Nom, arguments: list[str], code: str
) -> None:
    said = nom("init", *arguments, "--json")
    assert said.status == 2
    assert f'"code":"{code}"' in said.err
    assert not nom.root.exists()


def test_broken_settings_stop_every_command_but_init_which_mends_them(nom: Nom) -> None:
    nom.ok("init", "--closed")
    (nom.root / "config.json").write_text("{")
    said = nom("ls")
    assert said.status == 8
    assert "correct config.json of the data root, or run `nom init` anew" in said.err
    said = nom.ok("init")
    assert "beginning with the defaults" in said.err
    nom.ok("ls")
