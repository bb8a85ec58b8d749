"""Who moves first in a round can be said; otherwise it is told from the history."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from nom_negotiate import advisor

ASKED: dict[str, Any] = {
    "own_role": "buyer",
    "deadline_rounds": 4,
    "round_no": 4,
    "own_reservation_price": 10,
    "own_target_quantity": 100,
    "market_price": None,
}
HISTORY = [
    {"round": number, "by": by, "price": price, "quantity": 100}
    for number in (1, 2, 3)
    for by, price in (("own", 5), ("opponent", 12 - number))
]
"""The buyer has moved first, and is to move first in the last round."""


def suggest(**more: Any) -> tuple[Any, Any, Any]:
    return advisor.suggest(history=HISTORY, **ASKED, **more)


def test_without_a_word_it_is_told_from_the_history() -> None:
    assert suggest() == suggest(moves_first=None) == suggest(moves_first=True)


def test_who_is_said_to_move_second_can_only_accept_in_the_last_round() -> None:
    given: dict[str, Any] = {"history": HISTORY, **ASKED, "price": 9, "quantity": 100}
    assert advisor.acceptance_probability(**given) > 0
    assert advisor.acceptance_probability(**given, moves_first=False) == 0
    assert suggest(moves_first=False) == ("accept", 9, 100)


def test_it_is_told_in_the_advice_too() -> None:
    advice = advisor.advise(history=HISTORY, **ASKED, moves_first=False)
    assert advice.action == "accept"
    assert advisor.advise(history=HISTORY, **ASKED).action == suggest()[0]


@pytest.mark.parametrize("name", ["suggest", "advise", "acceptance_probability"])
def test_the_signature_is_the_one_that_any_arena_can_drive(name: str) -> None:
    said = list(inspect.signature(getattr(advisor, name)).parameters.values())
    offer = ["price", "quantity"] if name == "acceptance_probability" else []
    assert [each.name for each in said if each.kind is each.POSITIONAL_OR_KEYWORD] == [
        "own_role",
        "history",
        "deadline_rounds",
        "round_no",
        "own_reservation_price",
        "own_target_quantity",
        "market_price",
        *offer,
    ]
    keywords = {each.name: each.default for each in said if each.kind is each.KEYWORD_ONLY}
    assert keywords == dict.fromkeys(
        ("price_grid", "quantity_grid", "own_utility", "session_id", "moves_first")
    )
    assert len(said) == 7 + len(offer) + len(keywords)
