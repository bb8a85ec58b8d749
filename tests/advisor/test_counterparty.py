"""What is read from the counterparty's offers, and of whom its end is foretold."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.advisor.seat import Move, advised, haggle, said

from nom_negotiate.advisor.counterparty import Reading, read
from nom_negotiate.advisor.situation import Situation, understand
from nom_negotiate.advisor.utility import table

PRICES = [4 + step / 20 for step in range(81)]
QUANTITIES = list(range(50, 501, 50))
ROUNDS = 50

Offers = Sequence[tuple[float, float]]


def situation(offers: Offers) -> Situation:
    """Return what a buyer sees who moves first and has heard these offers."""
    history = []
    for number, (price, quantity) in enumerate(offers, 1):
        history += said((number, "own", 4, 300), (number, "opponent", price, quantity))
    return understand(
        "buyer",
        history,
        ROUNDS,
        len(offers) + 1,
        7,
        300,
        None,
        price_grid=PRICES,
        quantity_grid=QUANTITIES,
    )


def reading(offers: Offers) -> Reading:
    s = situation(offers)
    return read(s, table(s))


Liking = Callable[[float, float], float]


def added(price: float, quantity: float) -> float:
    return 1 - 0.7 * (8 - price) / 4 - 0.3 * abs(quantity - 200) / 450


def multiplied(price: float, quantity: float) -> float:
    return (price - 4.4) * min(quantity, 400) / (8 - 4.4) / 400


def clockwork(liking: Liking, power: float, heard: int, end: float = 0.1) -> list[Any]:
    """Return the offers of a seller who at each time asks for anything that is worth enough."""
    rng = random.Random(1)
    offers = []
    for number in range(1, heard + 1):
        level = 1 - (1 - end) * (number / (ROUNDS + 1)) ** power
        near = sorted(
            ((p, q) for p in PRICES for q in QUANTITIES), key=lambda o: abs(liking(*o) - level)
        )
        offers.append(rng.choice(near[:3]) if level < 0.98 else near[0])
    return offers


@pytest.mark.parametrize("liking", [added, multiplied])
@pytest.mark.parametrize("power", [1, 2, 4])
def test_of_one_that_goes_by_the_clock_the_end_is_foretold(liking: Liking, power: float) -> None:
    offers = clockwork(liking, power, 42)
    found = reading(offers)
    assert found.clock is not None
    assert found.clock.power == pytest.approx(power, rel=0.25)
    s = situation(offers)
    wanted = found.clock.liking(ROUNDS / (ROUNDS + 1))
    taken = [(p, q) for p in PRICES for q in QUANTITIES if found.law.liking(p, q) >= wanted + 0.03]
    best = min(taken, key=lambda o: o[0] - o[1] / 1000)
    assert liking(*best) == pytest.approx(0.1, abs=0.12)
    assert best[0] < min(o.p for o in s.received), "no better than what it has asked for"


@pytest.mark.parametrize(
    "offers",
    [
        [],
        [(8, 200)],
        [(8, 200)] * 40,
        [(8, 200), (7.9, 200)] * 20,
        [(8 - (number % 7) / 5, 200) for number in range(40)],
        [(8 if number < 30 else 7, 200 + 50 * (number % 3)) for number in range(40)],
        clockwork(added, 0.3, 42),
        clockwork(added, 20, 42),
    ],
    ids=["silent", "one", "still", "to and fro", "wave", "step", "early", "late"],
)
def test_of_nobody_else_anything_is_foretold(offers: list[Any]) -> None:
    assert reading(offers).clock is None


def test_its_first_offer_is_what_it_likes_best_whatever_it_follows() -> None:
    sellers: list[Offers] = [[(8, 200)], [(8, 200), (7.9, 200)] * 20, clockwork(added, 2, 42)]
    for offers in sellers:
        assert reading(offers).law.liking(*offers[0]) == pytest.approx(1)


@pytest.mark.parametrize("excess", [1, 3])
def test_too_much_is_liked_no_better_than_enough(excess: int) -> None:
    sellers: list[Offers] = [[(8, 200)], clockwork(added, 2, 42), clockwork(multiplied, 2, 42)]
    for offers in sellers:
        law = reading(offers).law
        assert law.liking(7, law.target + 50 * excess) <= law.liking(7, law.target) + 1e-9


def seller(power: float, seed: int) -> Move:
    """Return a seller by the clock: at each time it takes or asks for what is worth enough."""
    rng = random.Random(seed)

    def move(history: list[dict[str, Any]], round_no: int) -> tuple[str, Any, Any]:
        level = 1 - 0.9 * (round_no / (ROUNDS + 1)) ** power
        if history and added(history[-1]["price"], history[-1]["quantity"]) >= level:
            return "accept", history[-1]["price"], history[-1]["quantity"]
        enough = [(p, q) for p in PRICES for q in QUANTITIES if added(p, q) >= level]
        return "counter", *rng.choice(sorted(enough, key=lambda o: added(*o))[:3])

    return move


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_one_that_goes_by_the_clock_it_gets_nearly_all_there_is(begins: bool, seed: int) -> None:
    buyer = advised("buyer", 7, 300, ROUNDS, price_grid=PRICES, quantity_grid=QUANTITIES)
    seats = (buyer, seller(4, seed)) if begins else (seller(4, seed), buyer)
    deal = haggle(*seats, ROUNDS)
    assert deal is not None
    assert (7 - deal[0]) * min(deal[1], 300) >= 0.93 * (7 - 4) * 300
