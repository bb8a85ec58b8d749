"""`nom prefs` and `nom suggest`: what one wants, and what follows from it."""

from __future__ import annotations

import pytest
from tests.cli.support import Nom, tree_of
from tests.support import ALICE, BOB

LIMITS = ("--reservation-price", "4.50", "--target-quantity", "1000")


@pytest.fixture
def deal(nom: Nom) -> str:
    return nom.start()


def test_what_one_wants_is_shown_to_oneself_only(nom: Nom, deal: str) -> None:
    said = nom.ok("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS, "--target-price", "7")
    assert said.out == (
        "OF             RESERVATION PRICE  TARGET QUANTITY  TARGET PRICE  SHORTFALL  EXCESS\n"
        "C as a seller                4.5             1000             7          -       -\n"
    )
    nom.ok("prefs", "set", deal, "--as", BOB, *LIMITS, "--shortfall", "0.1", "--excess", "0")
    assert nom.json("prefs", "show", "--as", BOB) == [
        {
            "negotiation_id": None,
            "chemical": "C",
            "role": "seller",
            "reservation_price": 4.5,
            "target_quantity": 1000,
            "target_price": 7,
        },
        {
            "negotiation_id": deal,
            "chemical": None,
            "role": None,
            "reservation_price": 4.5,
            "target_quantity": 1000,
            "shortfall": 0.1,
            "excess": 0,
        },
    ]
    said = nom.ok("prefs", "show", "--as", ALICE)
    assert (said.out, "you have said nothing yet" in said.err) == ("", True)


def test_a_target_price_beyond_the_limit_is_refused_with_what_to_do(nom: Nom) -> None:
    refused = nom("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS, "--target-price", "4")
    assert (refused.status, "another target price" in refused.err) == (2, True)


def test_what_one_wants_can_be_forgotten(nom: Nom, deal: str) -> None:
    nom.ok("prefs", "set", deal[:12], "--as", BOB, *LIMITS)
    assert nom.ok("prefs", "clear", deal, "--as", BOB).out == "forgotten\n"
    assert nom.ok("prefs", "clear", deal, "--as", BOB).out == "nothing was said of it\n"
    assert nom.json("prefs", "clear", "C", "--buy", "--as", BOB) == {"cleared": False}
    assert nom.json("prefs", "show", "--as", BOB) == []


@pytest.mark.parametrize(
    "what", [("C",), ("C", "--buy", "--sell")], ids=["neither side", "both sides"]
)
def test_a_chemical_needs_one_side(nom: Nom, deal: str, what: tuple[str, ...]) -> None:
    said = nom("prefs", "set", *what, "--as", BOB, *LIMITS)
    assert said.status == 2
    assert "--buy" in said.err


def test_a_record_that_cannot_be_read_is_left_out_and_told(nom: Nom, deal: str) -> None:
    nom.ok("prefs", "set", deal, "--as", BOB, *LIMITS)
    file = nom.root / "teams" / BOB / "private" / f"{deal}.preferences.json"
    file.write_text("{}")
    said = nom.ok("prefs", "show", "--as", BOB)
    assert said.out == ""
    assert f"left out what you want of {deal}" in said.err
    assert nom("suggest", deal, "--as", BOB).status == 6


def test_a_suggestion_explains_itself_and_writes_nothing(nom: Nom, deal: str) -> None:
    nom.ok("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS, "--target-price", "7")
    before = tree_of(nom.root)
    said = nom.ok("suggest", deal, "--as", BOB)
    first, *rest = said.out.splitlines()
    assert first == f"{deal}  offer 1000 at 7"
    assert "probability" in said.out
    assert "there is time for 39 more offers, of both sides together" in rest[0]
    assert rest[-1] == "  Confidence 25%."
    assert tree_of(nom.root) == before


def test_a_suggestion_says_what_to_accept_in_the_last_round(nom: Nom) -> None:
    deal = nom.start("--max-rounds", "1")
    nom.ok("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS)
    assert nom.ok("suggest", deal, "--as", BOB).out.startswith(f"{deal}  accept 1000 at 5.5\n")
    nom.ok("prefs", "set", deal, "--as", BOB, *LIMITS[:1], "6", *LIMITS[2:])
    assert nom.ok("suggest", deal, "--as", BOB).out.startswith(f"{deal}  reject it\n")


def test_a_program_is_told_the_figures_and_the_market(nom: Nom) -> None:
    nom.deal()
    deal = nom.start(chemical="C")
    nom.ok("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS)
    found = nom.json("suggest", deal, "--as", BOB)
    assert found["market"] == {
        "median": 6,
        "low": 6,
        "high": 6,
        "transactions": 1,
        "listings": 0,
    }
    assert set(found) == {
        "negotiation_id",
        "round",
        "action",
        "price",
        "quantity",
        "worth",
        "offered",
        "acceptance",
        "confidence",
        "offers_left",
        "market",
        "over_market",
        "reasons",
    }
    said = nom.ok("suggest", deal, "--as", BOB).out
    assert "the market price of 6, the median of 1 settled deal." in said
    assert found["reasons"][-1] in said
