"""The probability that they accept: within 0 and 1, and the right way round."""

from __future__ import annotations

from typing import Any

import pytest
from tests.advisor.seat import said

from nom_negotiate.advisor import acceptance_probability
from nom_negotiate.errors import InputError

PRICES = [4 + 0.25 * step for step in range(25)]
QUANTITIES = [50 * step for step in range(1, 9)]


def chance(price: Any, quantity: Any, history: Any, rounds: int, number: int, **more: Any) -> float:
    return acceptance_probability(
        "buyer",
        history,
        rounds,
        number,
        9,
        200,
        more.pop("market", None),
        price,
        quantity,
        price_grid=PRICES,
        quantity_grid=QUANTITIES,
        **more,
    )


def giving_way(rounds: int) -> list[dict[str, Any]]:
    """Return the history of a seller who comes down from 10 and a buyer who stays at 4."""
    history = []
    for number in range(1, rounds + 1):
        history += said((number, "own", 4, 200), (number, "opponent", 10 - 0.25 * number, 200))
    return history


def test_a_better_price_for_them_is_never_less_likely_to_be_accepted() -> None:
    history = giving_way(10)
    chances = [chance(price, 200, history, 20, 11) for price in PRICES]
    assert chances == sorted(chances)
    assert chances[0] < 0.1
    assert chances[-1] > 0.9


def test_more_than_they_have_just_asked_for_is_nearly_sure_to_be_accepted() -> None:
    assert chance(8.0, 200, giving_way(10), 20, 11) > 0.8


def test_what_they_have_refused_so_far_is_hardly_accepted_in_the_next_round() -> None:
    assert chance(4, 200, giving_way(5), 40, 6) < 0.03


def test_a_second_movers_offer_in_the_last_round_cannot_be_accepted() -> None:
    history = giving_way(3)[:-2] + said((3, "opponent", 9.25, 200))
    assert chance(10, 200, history, 3, 3) == 0
    assert chance(10, 200, history, 4, 3) > 0


@pytest.mark.parametrize("history", [None, [], [{}], said((1, "opponent", "?", 1))], ids=repr)
@pytest.mark.parametrize("market", [None, 6, "6.5", float("nan")])
def test_it_is_a_probability_even_when_nothing_is_known(history: Any, market: Any) -> None:
    assert 0 < chance(6, 200, history, 20, 1, market=market) < 1


def test_prices_and_quantities_off_the_grid_are_fine() -> None:
    assert 0 <= chance("6.1234", 10_000, giving_way(4), 20, 5) <= 1


def test_a_price_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="price"):
        chance("a lot", 200, [], 20, 1)


def test_grids_and_utility_of_ones_own_may_be_left_out() -> None:
    assert 0 < acceptance_probability("seller", [], 9, 1, 5, 100, 6, 7, 100) < 1
