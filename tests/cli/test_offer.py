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
