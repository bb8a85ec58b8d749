"""Two seats at a table, for tests of the advisor: no file, no desk, no arena."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nom_negotiate.advisor import suggest

Move = Callable[[list[dict[str, Any]], int], tuple[str, Any, Any]]


def said(*offers: tuple[int, str, Any, Any]) -> list[dict[str, Any]]:
    """Return a history: round, who, price, quantity."""
    return [{"round": r, "by": by, "price": p, "quantity": q} for r, by, p, q in offers]


def advised(role: str, limit: Any, target: Any, rounds: int, **named: Any) -> Move:
    """Return a seat that plays as the advisor says."""

    def move(history: list[dict[str, Any]], round_no: int) -> tuple[str, Any, Any]:
        return suggest(role, history, rounds, round_no, limit, target, None, **named)

    return move


def haggle(first: Move, second: Move, rounds: int) -> tuple[Any, Any] | None:
    """Let two seats alternate; return what they agreed on, None for no deal."""
    spoken: list[tuple[int, int, Any, Any]] = []
    for round_no in range(1, rounds + 1):
        for seat, move in enumerate((first, second)):
            history = said(
                *((r, "own" if by == seat else "opponent", p, q) for r, by, p, q in spoken)
            )
            action, price, quantity = move(history, round_no)
            if action == "accept":
                assert spoken
                assert spoken[-1][1] != seat, "accepted its own offer"
                assert (price, quantity) == spoken[-1][2:]
                return price, quantity
            if action == "end":
                return None
            spoken.append((round_no, seat, price, quantity))
    return None
