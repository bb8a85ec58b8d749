"""`nom reject` turns an offer down, and may go on with a better one."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_a_rejection_ends_the_negotiation(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json("reject", negotiation_id, "--as", BOB, "--reason", "sold out")
    assert (said["phase"], said["turn"]) == ("rejected", None)
    assert nom.json("poll")["rejected"] == [negotiation_id]
    outcome = nom.json("show", negotiation_id)["outcome"]
    assert (outcome["outcome"], outcome["by"], outcome["reason"]) == ("rejected", BOB, "sold out")


def test_with_terms_it_is_a_counter_offer_with_a_reason(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json(
        *("reject", negotiation_id, "--as", BOB, "--reason", "too low"),
        *("--price", "6", "--quantity", "900"),
    )
    assert (said["phase"], said["turn"]) == ("in_progress", ALICE)
    offer = said["offers"][-1]
    assert (offer["by"], offer["price"], offer["reason"]) == (BOB, 6, "too low")


def test_a_counter_offer_has_all_that_an_offer_has(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json(
        *("reject", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900"),
        *("--indicative", "--valid-until", "2h", "--delivery", "FOB Rotterdam"),
    )
    offer = said["offers"][-1]
    assert (offer["firm"], offer["delivery"]) == (False, "FOB Rotterdam")
    assert offer["valid_until"] == offer["at"] + 2 * 3600


def test_an_option_of_a_counter_offer_alone_ends_nothing(nom: Nom) -> None:
    negotiation_id = nom.start()
    for option in (["--indicative"], ["--delivery", "FOB"], ["--price", "6"]):
        said = nom("reject", negotiation_id, "--as", BOB, *option)
        assert (said.status, said.out) == (2, "")
        assert "a counter-offer needs both --price and --quantity" in said.err
    assert nom.json("show", negotiation_id)["phase"] == "initiated"
