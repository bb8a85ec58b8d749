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
