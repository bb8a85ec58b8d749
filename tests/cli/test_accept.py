"""`nom accept` takes the offer on the table."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_a_firm_offer_is_agreed_by_its_acceptance_and_settled_by_the_next_poll(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json("accept", negotiation_id, "--as", BOB)
    assert (said["phase"], said["turn"], said["outcome"]) == ("agreed", None, None)
    [acceptance] = said["acceptances"]
    assert (acceptance["by"], acceptance["round"], acceptance["price"]) == (BOB, 1, 5.5)
    assert len(said["offers"]) == 1


def test_a_person_is_told_what_comes_next(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.ok("accept", negotiation_id, "--as", BOB)
    assert said.out.splitlines() == [
        f"{negotiation_id}  agreed, waits for the next poll",
        "  bob accepts: 1000 C at 5.5 (round 1)",
    ]
    assert said.err == "nom: the next poll settles the deal (nom poll)\n"


def test_an_indicative_offer_waits_for_its_author(nom: Nom) -> None:
    negotiation_id = nom.start("--indicative")
    said = nom.json("accept", negotiation_id, "--as", BOB)
    assert (said["phase"], said["turn"]) == ("in_progress", ALICE)
    assert nom.json("accept", negotiation_id, "--as", ALICE)["phase"] == "agreed"


def test_the_round_that_was_seen_is_accepted_and_no_other(nom: Nom) -> None:
    negotiation_id = nom.start()
    nom.ok("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900")
    said = nom("accept", negotiation_id, "--as", ALICE, "--round", "1")
    assert said.status == 4
    assert "is round 2 (900 at 6), not round 1" in said.err
    nom.ok("accept", negotiation_id, "--as", ALICE, "--round", "2")
