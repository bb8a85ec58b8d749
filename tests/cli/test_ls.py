"""`nom ls` lists the negotiations of a party, or of everybody."""

from __future__ import annotations

import pytest
from tests.cli.support import TERMS, Nom
from tests.support import ALICE, BOB, CAROL


def test_a_party_sees_its_own_and_nobody_named_sees_all(nom: Nom) -> None:
    first = nom.start()
    second = nom.json("start", CAROL, "N", "--as", BOB, "--sell", *TERMS)["id"]
    assert [n["id"] for n in nom.json("ls", "--as", ALICE)] == [first]
    assert [n["id"] for n in nom.json("ls", "--as", BOB)] == [first, second]
    assert [n["id"] for n in nom.json("ls")] == [first, second]
    assert [n["id"] for n in nom.json("ls", "--as", CAROL, "--all")] == [first, second]


def test_each_is_the_negotiation_that_show_prints(nom: Nom) -> None:
    negotiation_id = nom.start()
    assert nom.json("ls") == [nom.json("show", negotiation_id)]
    assert nom.json("ls", "--as", BOB) == [nom.json("show", negotiation_id, "--as", BOB)]


def test_archived_ones_are_listed_on_request(nom: Nom) -> None:
    negotiation_id = nom.deal()
    assert nom.json("ls") == []
    [found] = nom.json("ls", "--archived", "--as", BOB)
    assert (found["id"], found["phase"], found["archived"]) == (negotiation_id, "agreed", True)


def test_a_person_reads_an_aligned_table(nom: Nom) -> None:
    negotiation_id = nom.start()
    head, row = nom.ok("ls").out.splitlines()
    assert head.split() == [
        "ID",
        "BUYER",
        "SELLER",
        "PHASE",
        "TURN",
        "ON",
        "THE",
        "TABLE",
        "EXPIRES",
    ]
    for title, value in (
        ("ID", negotiation_id),
        ("BUYER", ALICE),
        ("SELLER", BOB),
        ("PHASE", "initiated"),
        ("TURN", "bob"),
        ("ON THE TABLE", "1000 C at 5.5"),
        ("EXPIRES", "in "),
    ):
        assert row[head.index(title) :].startswith(value)


@pytest.mark.parametrize("arguments", [[], ["--as", ALICE], ["--archived"]])
def test_where_there_are_none_stdout_is_empty_and_stderr_says_so(
    nom: Nom, arguments: list[str]
) -> None:
    said = nom.ok("ls", *arguments)
    assert said.out == ""
    assert said.err.startswith("nom: no a")
    assert str(nom.root) in said.err
    assert nom.json("ls", *arguments) == []
    assert not nom.root.exists()
