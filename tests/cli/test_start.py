"""`nom start` begins a negotiation, and prints it."""

from __future__ import annotations

import time

from tests.cli.support import TERMS, Nom
from tests.support import ALICE, BOB


def test_it_prints_the_negotiation_with_the_keys_that_others_build_on(nom: Nom) -> None:
    before = int(time.time())
    said = nom.json("start", BOB, "C", "--as", ALICE, "--buy", *TERMS)
    at = said["created"]
    assert before <= at <= time.time()
    assert said == {
        "id": f"alice_bob_C_{at}",
        "phase": "initiated",
        "turn": BOB,
        "initiator": ALICE,
        "responder": BOB,
        "chemical": "C",
        "roles": {ALICE: "buyer", BOB: "seller"},
        "display_names": {},
        "offers": [
            {"by": ALICE, "round": 1, "price": 5.5, "quantity": 1000, "firm": True, "at": at}
        ],
        "acceptances": [],
        "messages": [],
        "read": {},
        "reactions": {},
        "created": at,
        "expires_at": at + 86400,
        "limits": {"idle_s": 86400, "life_s": 172800},
        "archived": False,
        "outcome": None,
        "revision": 1,
        "unread": 0,
    }


def test_numbers_keep_their_digits(nom: Nom) -> None:
    terms = ("--price", "0.000000000000123", "--quantity", "123456789012345")
    said = nom.ok("start", BOB, "C", "--as", ALICE, "--buy", *terms, "--json")
    assert '"price": 0.000000000000123,' in said.out
    assert '"quantity": 123456789012345,' in said.out


def test_a_person_reads_two_lines_and_is_told_of_new_directories(nom: Nom) -> None:
    said = nom.ok("start", BOB, "C", "--as", ALICE, "--sell", *TERMS)
    first, second = said.out.splitlines()
    assert first.startswith("alice_bob_C_")
    assert first.endswith("  initiated, bob's turn")
    assert second == "  alice offers to sell: 1000 C at 5.5 (round 1)"
    assert said.err.splitlines() == [
        f"nom: created a directory for {ALICE}",
        f"nom: created a directory for {BOB}",
    ]


def test_options_go_where_they_belong(nom: Nom) -> None:
    said = nom.json(
        *("start", BOB, "N", "--as", ALICE, "--sell", *TERMS, "--indicative"),
        *("--valid-until", "2h", "--message", "only today"),
        *("--idle", "3h", "--life", "6h", "--max-rounds", "4"),
    )
    [offer] = said["offers"]
    assert said["roles"] == {ALICE: "seller", BOB: "buyer"}
    assert offer["firm"] is False
    assert offer["valid_until"] - offer["at"] in (7200, 7199)
    [message] = said["messages"]
    assert message == {"by": ALICE, "at": offer["at"], "text": "only today", "read": False}
    assert said["limits"] == {"idle_s": 10800, "life_s": 21600, "max_rounds": 4}
    assert said["expires_at"] == said["created"] + 10800


def test_a_second_one_over_the_same_chemical_must_be_asked_for(nom: Nom) -> None:
    first = nom.start()
    said = nom("start", BOB, "C", "--as", ALICE, "--buy", *TERMS)
    assert said.status == 3
    assert said.err.startswith(f"nom: {first} with {BOB} over C is still open; ")
    assert nom.start("--again") != first
