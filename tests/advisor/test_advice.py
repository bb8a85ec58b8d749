"""Advice for a person: two or three plain sentences, with the figures that were used."""

from __future__ import annotations

import pytest
from tests.advisor.seat import said

from nom_negotiate.advisor import Surplus, advise, suggest

ARGUMENTS = ("buyer", said((1, "opponent", 7, 200)), 10, 1, 6.5, 200, 5)


def test_it_says_what_suggest_says() -> None:
    advice = advise(*ARGUMENTS)
    assert (advice.action, advice.price, advice.quantity) == suggest(*ARGUMENTS)


def test_a_counter_offer_is_explained_with_its_figures() -> None:
    advice = advise(*ARGUMENTS)
    text = " ".join(advice.reasons)
    assert 2 <= len(advice.reasons) <= 3
    assert f"{advice.quantity} at {advice.price}" in text
    assert "9 rounds follow" in text
    assert 0 < advice.acceptance < 0.01
    assert "a probability of less than 1 %" in text
    assert "worse than no deal" in text
    assert "the market price of 5" in text


def test_a_probability_is_told_in_whole_percent() -> None:
    history = [*said((1, "own", 4, 200), (1, "opponent", 7, 200), (2, "own", 4, 200))]
    history += said((2, "opponent", 6.6, 200))
    advice = advise("buyer", history, 3, 3, 6.5, 200, None)
    assert f"{advice.acceptance:.0%}".replace("%", " %") in " ".join(advice.reasons)


def test_it_says_that_an_offer_can_be_accepted_no_more() -> None:
    history = said((1, "opponent", 7, 200), (1, "own", 4, 200), (2, "opponent", 7, 200))
    advice = advise("buyer", history, 2, 2, 6.5, 200, None)
    assert advice.acceptance == 0
    assert "they can accept no more" in " ".join(advice.reasons)


def test_an_acceptance_is_explained_too() -> None:
    advice = advise("buyer", said((1, "opponent", 5, 200)), 1, 1, 6.5, 200, None)
    assert advice.action == "accept"
    assert advice.acceptance == 1
    assert advice.confidence == 1
    assert advice.over_market is None
    assert "this is the last round" in advice.reasons[0]


def test_the_end_is_explained_too() -> None:
    advice = advise("buyer", [], 5, 1, 6.5, 200, None, price_grid=[7, 8])
    assert advice.action == "end"
    assert "No price and quantity" in advice.reasons[0]


def test_how_far_from_the_market_price_it_is() -> None:
    advice = advise(*ARGUMENTS)
    assert advice.over_market == pytest.approx(float(advice.price) / 5 - 1)


def test_more_offers_of_theirs_give_more_confidence() -> None:
    history = said((1, "opponent", 7, 200), (1, "own", 4, 200), (2, "opponent", 6.9, 200))
    assert advise("buyer", history, 10, 2, 6.5, 200, 5).confidence > advise(*ARGUMENTS).confidence


@pytest.mark.parametrize("buying", [True, False])
def test_surplus_is_margin_times_useful_quantity(buying: bool) -> None:
    worth = Surplus(buying, 6, 100, shortfall=0.5, excess=1)
    good = 5 if buying else 7
    assert worth(good, 100) == 100
    assert worth(good, 80) == 80 - 10
    assert worth(good, 120) == 80
    assert worth(6, 100) == 0
    assert worth(11 if buying else 1, 100) == -500
    assert worth(good, 1000) < 0
    assert worth(11 if buying else 1, 1000) < 0, "a loss of a loss is no gain"


def test_a_utility_function_of_negmas_is_taken_as_it_is() -> None:
    class Ufun:
        reserved_value = 0.3

        def __call__(self, outcome: tuple[float, float]) -> float:
            return 0.9 - 0.1 * outcome[0]

    advice = advise(
        "buyer", [], 5, 1, 9, 10, None,
        price_grid=range(1, 10), quantity_grid=[10], own_utility=Ufun(),  # type: ignore[arg-type]
    )  # fmt: skip
    assert (advice.price, advice.worth) == (1, 1)
    last = said((1, "opponent", 7, 10))
    assert suggest(
        "buyer", last, 1, 1, 9, 10, None,
        price_grid=range(1, 10), quantity_grid=[10], own_utility=Ufun(),  # type: ignore[arg-type]
    )[0] != "accept"  # fmt: skip
