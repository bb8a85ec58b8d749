"""`nom offer` answers with other terms."""

from __future__ import annotations

import json

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_a_counter_offer_is_the_next_round(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900")
    assert said["phase"] == "in_progress"
    assert said["turn"] == ALICE
    assert [(o["by"], o["round"], o["price"], o["quantity"]) for o in said["offers"]] == [
        (ALICE, 1, 5.5, 1000),
        (BOB, 2, 6, 900),
    ]


def test_it_may_lapse_carry_a_reason_and_be_no_promise(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.json(
        *("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900"),
        *("--indicative", "--valid-until", "90m", "--reason", "my stock is low"),
    )
    offer = said["offers"][-1]
    assert (offer["firm"], offer["reason"]) == (False, "my stock is low")
    assert offer["valid_until"] - offer["at"] in (5400, 5399)


def test_a_person_reads_what_is_on_the_table(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.ok(
        *("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900"),
        "--indicative",
    )
    assert said.out.splitlines() == [
        f"{negotiation_id}  in progress, alice's turn",
        "  bob offers to sell: 900 C at 6 (round 2, indicative)",
    ]


def test_an_update_of_an_older_state_is_refused(nom: Nom) -> None:
    negotiation_id = nom.start()
    terms = ("--price", "6", "--quantity", "900")
    nom.ok("say", negotiation_id, "one moment", "--as", BOB)
    said = nom("offer", negotiation_id, "--as", BOB, *terms, "--revision", "0", "--json")
    assert said.status == 4
    assert json.loads(said.err)["error"]["code"] == "stale_revision"
    nom.ok("offer", negotiation_id, "--as", BOB, *terms, "--revision", "1")


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(nom: Nom) -> None:
    first = nom.start()
    terms = ("--price", "6", "--quantity", "900")
    assert nom.json("offer", "alice_b", "--as", BOB, *terms)["id"] == first
    nom.start(chemical="N")
    said = nom("offer", "alice_b", "--as", ALICE, *terms)
    assert said.status == 4
    assert said.err.startswith("nom: 2 negotiations begin with alice_b: alice_bob_C_")
    assert said.err.endswith("; give more of the id\n")
    assert nom.json("offer", "alice_bob_C", "--as", ALICE, *terms)["id"] == first


def test_an_active_negotiation_comes_before_an_archived_one_of_the_same_beginning(
    nom: Nom,
) -> None:
    archived = nom.deal()
    active = nom.start()
    assert nom.json("say", "alice_bob_C_", "hello", "--as", BOB)["id"] == active
    assert nom.json("show", archived)["archived"] is True


def test_terms_in_words_are_offered_shown_and_settled(nom: Nom) -> None:
    negotiation_id = nom.start("--delivery", "FOB Antwerp")
    said = nom.ok(
        *("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900"),
        *("--delivery", "FOB Rotterdam", "--payment", "30 days net", "--quality", "99.9 %"),
    ).out.splitlines()
    assert said[1].endswith("offers to sell: 900 C at 6 (delivery, payment, quality) (round 2)")
    assert said[2:] == [
        "    delivery: FOB Rotterdam",
        "    payment: 30 days net",
        "    quality: 99.9 %",
    ]
    assert "900 C at 6 (delivery, payment, quality)" in nom.ok("ls").out
    lines = nom.ok("show", negotiation_id).out.splitlines()
    [head] = [line for line in lines if line.startswith("ROUND")]
    assert head.split()[-3:] == ["DELIVERY", "PAYMENT", "QUALITY"]
    nom.ok("accept", negotiation_id, "--as", ALICE)
    nom.ok("poll")
    ended = nom.ok("show", negotiation_id).out.splitlines()
    outcome = next(n for n, line in enumerate(ended) if line.startswith("Outcome"))
    assert ended[outcome + 1 : outcome + 4] == said[2:]
    deal = nom.json("show", negotiation_id)["outcome"]["deal"]
    assert (deal["delivery"], deal["payment"]) == ("FOB Rotterdam", "30 days net")


def test_only_the_terms_that_somebody_has_put_in_words_have_a_column(nom: Nom) -> None:
    negotiation_id = nom.start("--payment", "in advance")
    lines = nom.ok("show", negotiation_id).out.splitlines()
    [head] = [line for line in lines if line.startswith("ROUND")]
    assert head.split()[-2:] == ["WHEN", "PAYMENT"]
    assert nom.json("show", negotiation_id)["offers"][0]["payment"] == "in advance"
