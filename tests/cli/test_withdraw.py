"""`nom withdraw` takes one's own offer from the table."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_the_author_of_an_offer_withdraws_it(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json("withdraw", negotiation_id, "--as", ALICE, "--reason", "bought elsewhere")
    assert said["phase"] == "withdrawn"
    assert nom.json("poll")["withdrawn"] == [negotiation_id]
    outcome = nom.json("show", negotiation_id)["outcome"]
    assert (outcome["outcome"], outcome["reason"]) == ("withdrawn", "bought elsewhere")


def test_its_receiver_cannot(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom("withdraw", negotiation_id, "--as", BOB)
    assert said.status == 3
    assert "only its author can withdraw the offer on the table" in said.err
