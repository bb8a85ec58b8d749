"""`nom read` prints what is unread, and marks exactly that."""

from __future__ import annotations

import pytest
from tests.cli.support import Nom, tree_of
from tests.support import ALICE, BOB

from nom_negotiate import Party


def test_what_is_unread_is_printed_once(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "hello")
    for text in ("hm", "could you deliver\non Monday?"):
        nom.ok("say", negotiation_id, text, "--as", BOB)
    said = nom.ok("read", negotiation_id, "--as", ALICE)
    lines = said.out.splitlines()
    assert [line for line in lines if line.startswith("    | ")] == [
        "    | hm",
        "    | could you deliver",
        "    | on Monday?",
    ]
    assert all(line.split()[0] in ("bob", "|") for line in lines)
    again = nom.ok("read", negotiation_id, "--as", ALICE)
    assert again.out == ""
    assert again.err == f"nom: nothing is unread in {negotiation_id}\n"


def test_a_program_is_told_what_is_left_and_how_far_each_has_read(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "hello")
    assert nom.json("show", negotiation_id, "--as", BOB)["unread"] == 1
    said = nom.json("read", negotiation_id, "--as", BOB)
    assert (said["id"], said["unread"]) == (negotiation_id, 0)
    assert said["read"][BOB]["messages"] == 1
    assert [message["read"] for message in said["messages"]] == [True]


def test_the_list_counts_what_is_unread(nom: Nom) -> None:
    first, second = nom.start("--message", "hello"), nom.start(chemical="N")
    head, one, other = nom.ok("ls", "--as", BOB).out.splitlines()
    assert head.split()[-1] == "UNREAD"
    assert (one.split()[0], one.split()[-1]) == (first, "1")
    assert (other.split()[0], len(other.rstrip()) < head.index("UNREAD")) == (second, True)
    assert [each["unread"] for each in nom.json("ls", "--as", BOB)] == [1, 0]
    nom.ok("read", first, "--as", BOB)
    for viewer in (["--as", BOB], ["--as", ALICE], []):
        assert "UNREAD" not in nom.ok("ls", *viewer).out
    assert "unread" not in nom.json("ls")[0]


def test_showing_tells_what_is_unread_and_marks_nothing(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "hello")
    before = tree_of(nom.root)
    assert "  alice  now  unread\n" in _without_ages(
        nom.ok("show", negotiation_id, "--as", BOB).out
    )
    shown = nom.ok("show", negotiation_id, "--as", ALICE).out
    assert "unread" not in shown
    assert tree_of(nom.root) == before
    nom.ok("read", negotiation_id, "--as", BOB)
    assert "  alice  now  read\n" in _without_ages(
        nom.ok("show", negotiation_id, "--as", ALICE).out
    )
    assert "read" not in nom.ok("show", negotiation_id).out


def _without_ages(text: str) -> str:
    import re

    return re.sub(r"\d+s ago", "now", text)


def test_what_comes_while_one_reads_stays_unread(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    negotiation_id = nom.start("--message", "hello")
    mark = Party.mark_read

    def late(party: Party, found: str, **options: int) -> object:
        party.desk.party(ALICE).say(found, "one more thing")
        return mark(party, found, **options)

    monkeypatch.setattr(Party, "mark_read", late)
    said = nom.ok("read", negotiation_id, "--as", BOB)
    monkeypatch.undo()
    assert "one more thing" not in said.out
    assert "one more thing" in nom.ok("read", negotiation_id, "--as", BOB).out


def test_what_has_ended_is_read_and_not_marked(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "hello")
    nom.ok("reject", negotiation_id, "--as", BOB)
    nom.ok("poll")
    before = tree_of(nom.root)
    assert "    | hello\n" in nom.ok("read", negotiation_id, "--as", BOB).out
    assert nom.json("read", negotiation_id, "--as", BOB)["unread"] == 0
    assert tree_of(nom.root) == before
