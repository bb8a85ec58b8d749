"""`nom stats` adds up what both sides say."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_the_figures_of_a_root(nom: Nom) -> None:
    nom.deal()
    nom.start()
    nom.ok("reject", nom.start(chemical="N"), "--as", BOB)
    nom.ok("poll")
    said = nom.json("stats")
    last = said.pop("last_pass")
    assert said == {
        "parties": 2,
        "active": 1,
        "ended": {"agreed": 1, "rejected": 1},
        "transactions": 2,
        "settled": 0,
        "carried_over": 0,
        "volumes": {
            "C": {"bought": 900, "sold": 900, "paid": 5400, "received": 5400, "conserved": True}
        },
    }
    assert (last["active"], last["agreed"], last["rejected"]) == (1, 0, 1)


def test_a_person_reads_them_too(nom: Nom) -> None:
    nom.deal()
    said = nom.ok("stats").out
    assert "transactions  2, 0 of them settled" in said
    assert "last pass     " in said
    assert said.splitlines()[-1].split() == ["C", "900", "900", "5400", "5400", "conserved"]


def test_a_transaction_that_was_lost_is_noticed(nom: Nom) -> None:
    nom.deal()
    [lost] = (nom.root / "teams" / ALICE / "transactions").iterdir()
    lost.unlink()
    assert nom.json("stats")["volumes"]["C"]["conserved"] is False
    assert nom.ok("stats").out.split()[-1] == "DIFFERS"


def test_a_new_root_has_none(nom: Nom) -> None:
    nom.ok("init")
    assert nom.json("stats")["last_pass"] is None
    assert "none yet" in nom.ok("stats").out
