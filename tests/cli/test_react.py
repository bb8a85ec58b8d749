"""`nom react` says how one likes the offer."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_a_reaction_is_shown_to_both(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json("react", negotiation_id, "80", "--as", BOB)
    assert {k: said["reactions"][BOB][k] for k in ("level", "round")} == {"level": 80, "round": 1}
    lines = nom.ok("show", negotiation_id, "--as", ALICE).out.splitlines()
    assert lines[lines.index("Reactions") + 1].startswith("  bob  80 of 100 to round 1  ")


def test_the_turn_stays_and_so_does_the_end(nom: Nom) -> None:
    negotiation_id = nom.start()
    before = nom.json("show", negotiation_id)
    after = nom.json("react", negotiation_id, "0", "--as", BOB)
    for key in ("phase", "turn", "expires_at", "offers", "messages"):
        assert after[key] == before[key]


def test_without_a_reaction_nothing_is_said_of_it(nom: Nom) -> None:
    negotiation_id = nom.start()
    assert "Reactions" not in nom.ok("show", negotiation_id).out
    assert nom.json("show", negotiation_id)["reactions"] == {}
