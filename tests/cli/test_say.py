"""`nom say` leaves a message."""

from __future__ import annotations

from tests.cli.support import Nom
from tests.support import ALICE, BOB


def test_messages_of_both_are_shown_and_the_turn_stays(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "hello")
    said = nom.json("say", negotiation_id, "could you deliver on Monday?", "--as", BOB)
    assert [(m["by"], m["text"]) for m in said["messages"]] == [
        (ALICE, "hello"),
        (BOB, "could you deliver on Monday?"),
    ]
    assert said["turn"] == BOB


def test_a_text_that_begins_with_a_dash_follows_a_double_dash(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom.ok("say", "--as", BOB, "--json", "--", negotiation_id, "-5 is my limit")
    assert said.json["messages"][0]["text"] == "-5 is my limit"


def test_a_message_with_terminal_escapes_is_refused(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = nom("say", negotiation_id, "\x1b[31mred", "--as", BOB)
    assert said.status == 2
    assert "\x1b" not in said.err


def test_what_says_nothing_or_too_much_is_refused_with_what_to_do(nom: Nom) -> None:
    negotiation_id = nom.start()
    for text, advice in ((" ", "say something"), ("x" * 2001, "shorten the text")):
        said = nom("say", negotiation_id, text, "--as", BOB)
        assert (said.status, said.out) == (2, "")
        assert (
            f"message must have 1 to 2000 characters, has {len(text.strip())}; {advice}" in said.err
        )
