"""`nom archive` looks at what has ended."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB, CAROL


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
