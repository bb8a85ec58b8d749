"""`nom autopilot` turns it on and off; what it does then is judged in tests/autopilot."""

from __future__ import annotations

import json

import pytest
from tests.cli.support import Nom
from tests.support import ALICE, BOB

LIMITS = ("--reservation-price", "4.50", "--target-quantity", "1000")


@pytest.fixture
def deal(nom: Nom) -> str:
    deal = nom.start()
    nom.ok("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS)
    return deal


def test_it_is_turned_on_and_off(nom: Nom, deal: str) -> None:
    file = nom.root / "teams" / BOB / "private" / f"{deal}.autopilot.json"
    said = nom.ok("autopilot", deal[:9], "--as", BOB)
    assert said.out == f"{deal}  autopilot on, up to round 40\n"
    assert json.loads(file.read_text())["max_rounds"] == 40
    assert nom.json("autopilot", deal, "--as", BOB, "--max-rounds", "7") == {
        "id": deal,
        "on": True,
        "max_rounds": 7,
        "auto_accept": False,
    }
    assert nom.ok("autopilot", deal, "--as", BOB, "--off").out == f"{deal}  autopilot off\n"
    assert not file.exists()
    assert "whole number of rounds" in nom("autopilot", deal, "--as", BOB, "--max-rounds", "0").err
    assert nom.json("autopilot", deal, "--as", BOB, "--off") == {
        "id": deal,
        "on": False,
        "was_on": False,
    }


def test_to_accept_at_once_needs_a_target_price(nom: Nom, deal: str) -> None:
    refused = nom("autopilot", deal, "--as", BOB, "--auto-accept")
    assert (refused.status, "target price" in refused.err) == (5, True)
    nom.ok("prefs", "set", "C", "--sell", "--as", BOB, *LIMITS, "--target-price", "5")
    said = nom.ok("autopilot", deal, "--as", BOB, "--auto-accept")
    assert "accepts at once what is near your target" in said.out


def test_the_counterparty_sees_nothing_of_it(nom: Nom, deal: str) -> None:
    before = nom.json("show", deal, "--as", ALICE)
    nom.ok("autopilot", deal, "--as", BOB)
    assert nom.json("show", deal, "--as", ALICE) == before
    assert nom("suggest", deal, "--as", ALICE).status == 3


def test_its_own_party_sees_that_it_is_on_and_nobody_else(nom: Nom, deal: str) -> None:
    assert nom.json("show", deal, "--as", BOB)["autopilot"] is None
    nom.ok("autopilot", deal, "--as", BOB, "--max-rounds", "7")
    on = {"max_rounds": 7, "auto_accept": False}
    assert nom.json("show", deal, "--as", BOB)["autopilot"] == on
    assert [each["autopilot"] for each in nom.json("ls", "--as", BOB)] == [on]
    assert "autopilot on, up to round 7" in nom.ok("show", deal, "--as", BOB).out
    assert "to round 7" in nom.ok("ls", "--as", BOB).out
    for everybody in (("show", deal), ("ls",), ("ls", "--all", "--as", BOB)):
        assert "autopilot" not in nom.ok(*everybody).out.lower()
    assert "AUTOPILOT" not in nom.ok("ls", "--as", ALICE).out
    nom.ok("autopilot", deal, "--as", BOB, "--off")
    assert "autopilot" not in nom.ok("show", deal, "--as", BOB).out


def test_one_whose_record_cannot_be_read_spoils_no_list(nom: Nom, deal: str) -> None:
    nom.ok("autopilot", deal, "--as", BOB)
    (nom.root / "teams" / BOB / "private" / f"{deal}.autopilot.json").write_text("{}")
    assert [each["autopilot"] for each in nom.json("ls", "--as", BOB)] == [None]


def test_it_is_refused_beside_an_offer_beyond_its_partys_own_limits(nom: Nom, deal: str) -> None:
    limits = ("--reservation-price", "5", "--target-quantity", "1000")
    nom.ok("prefs", "set", deal, "--as", ALICE, *limits)
    said = nom("autopilot", deal, "--as", ALICE)
    assert said.status == 3
    assert "1000 at 5.5, is beyond your own preferences" in said.err
    assert "withdraw it" in said.err


def test_off_goes_alone(nom: Nom, deal: str) -> None:
    assert nom("autopilot", deal, "--as", BOB, "--off", "--auto-accept").status == 2
