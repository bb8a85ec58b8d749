"""What the advisor suggests: always worth more than no deal, in the caller's own numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.advisor.seat import Move, advised, haggle, said

from nom_negotiate.advisor import advise, suggest
from nom_negotiate.errors import InputError

PRICES = [4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0]
QUANTITIES = [100, 200, 300]


def margin(price: float, quantity: float) -> float:
    return (6.5 - price) * min(quantity, 200)


def buyer(history: Any, rounds: int = 20, round_no: int = 1, **named: Any) -> tuple[str, Any, Any]:
    given_grids: dict[str, Any] = {
        "price_grid": PRICES,
        "quantity_grid": QUANTITIES,
        "own_utility": margin,
    }
    return suggest("buyer", history, rounds, round_no, 6.5, 200, None, **(given_grids | named))


# ------------------------------------------------------------------ numbers


def test_a_counter_offer_is_an_element_of_the_callers_grids() -> None:
    action, price, quantity = buyer([])
    assert action == "counter"
    assert any(price is p for p in PRICES)
    assert any(quantity is q for q in QUANTITIES)


def test_decimals_come_back_as_the_decimals_of_the_grid() -> None:
    grid = [Decimal("4.10"), Decimal("4.20"), Decimal("4.30")]
    _, price, quantity = suggest(
        "seller", [], 10, 1, Decimal("4.1"), "20", None, price_grid=grid, quantity_grid=["10", "20"]
    )
    assert str(price) == "4.30"
    assert quantity == Decimal(20)
    assert isinstance(quantity, Decimal)


def test_an_accepted_offer_is_named_in_the_numbers_of_the_history() -> None:
    offer = said((1, "opponent", Decimal("4.07"), "150"))
    assert buyer(offer, 1) == ("accept", Decimal("4.07"), Decimal(150))


@pytest.mark.parametrize(("limit", "kind"), [("6.50", Decimal), (6.5, float), (6, Decimal)])
def test_without_grids_steps_are_round_and_of_the_callers_kind(limit: Any, kind: type[Any]) -> None:
    action, price, quantity = suggest("buyer", [], 20, 1, limit, 1000, 5)
    assert action == "counter"
    assert type(price) is kind
    assert float(price) <= float(limit)
    assert float(price) * 20 == pytest.approx(round(float(price) * 20))
    assert quantity == 1000


def test_a_quantity_of_0_on_the_grid_is_never_offered() -> None:
    assert buyer([], quantity_grid=[0, 100], own_utility=lambda p, q: 10 - p - q / 100)[2] == 100


def test_of_a_very_long_grid_an_element_is_offered_too() -> None:
    long = range(100_000)
    action, price, quantity = suggest(
        "seller", [], 10, 1, 20_000, 50_000, None, price_grid=long, quantity_grid=long
    )
    assert action == "counter"
    assert price == 99_999
    assert 49_000 < quantity < 51_000


def test_a_target_above_everything_on_the_grid_is_fine() -> None:
    action, _, quantity = buyer([], own_utility=None)
    assert action == "counter"
    action, _, quantity = suggest(
        "buyer", [], 9, 1, 6.5, 10**9, None, price_grid=PRICES, quantity_grid=QUANTITIES
    )
    assert (action, quantity) == ("counter", 300)


@pytest.mark.parametrize(
    "wrong",
    [
        {"own_role": "broker"},
        {"deadline_rounds": 0},
        {"round_no": -1},
        {"round_no": 1.5},
        {"own_reservation_price": math.nan},
        {"own_reservation_price": -1},
        {"own_reservation_price": "six"},
        {"own_target_quantity": 0},
        {"price_grid": []},
        {"quantity_grid": [0]},
        {"quantity_grid": [-1, 1]},
        {"own_utility": 3},
    ],
    ids=str,
)
def test_a_wrong_argument_of_ones_own_is_refused_with_its_name(wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {
        "own_role": "buyer",
        "history": [],
        "deadline_rounds": 5,
        "round_no": 1,
        "own_reservation_price": 6,
        "own_target_quantity": 10,
        "market_price": None,
    }
    with pytest.raises(InputError, match=next(iter(wrong))):
        suggest(**(right | wrong))


# ------------------------------------------------------------------ what may stand in a history


@pytest.mark.parametrize(
    "history",
    [
        None,
        [],
        "nonsense",
        7,
        [None, 3, "x", {}],
        said((1, "opponent", None, 100)),
        said((1, "opponent", math.nan, 100)),
        said((1, "opponent", math.inf, 100)),
        said((1, "opponent", -4, 100)),
        said((1, "opponent", 4, 0)),
        said((1, "somebody", 4, 100)),
        said((1, "opponent", "4,5", 100)),
        said((1, "opponent", True, 100)),
        [{"by": "opponent", "price": [4], "quantity": {}}],
    ],
    ids=repr,
)
@pytest.mark.parametrize("round_no", [1, 5])
def test_a_history_that_makes_no_sense_is_as_good_as_none(history: Any, round_no: int) -> None:
    action, price, _ = buyer(history, 5, round_no)
    assert action == "counter"
    assert price in PRICES


def test_an_unreadable_last_offer_hides_the_one_before_it() -> None:
    history = [*said((1, "opponent", 4.0, 200)), *said((1, "own", 4.0, 100))]
    history += said((2, "opponent", math.nan, 200))
    assert buyer(history, 2, 2)[0] == "counter"


def test_ones_own_offer_is_never_accepted() -> None:
    history = said((1, "opponent", 4.0, 200), (1, "own", 4.0, 200))
    assert buyer(history, 20, 2)[0] == "counter"


def test_an_offer_off_the_grid_is_judged_by_the_callers_utility() -> None:
    assert buyer(said((1, "opponent", 6.31, 170)), 1) == ("accept", 6.31, 170)
    assert buyer(said((1, "opponent", 6.51, 170)), 1)[0] == "counter"


def test_a_utility_of_the_callers_own_may_make_up_for_a_price_beyond_the_limit() -> None:
    def additive(price: float, quantity: float) -> float:
        return 0.5 * (6.5 - price) / 2.5 + 0.5 * quantity / 200 - 0.3

    last = said((1, "opponent", 7, 200))
    assert buyer(last, 1, own_utility=additive)[0] == "accept"
    assert buyer(last, 1, own_utility=None)[0] == "counter"


def test_an_offer_that_the_callers_utility_does_not_know_is_never_accepted() -> None:
    known = {(p, q): margin(p, q) for p in PRICES for q in QUANTITIES}
    history = said((1, "opponent", 4.31, 170))
    assert buyer(history, 1, own_utility=lambda p, q: known[p, q])[0] == "counter"


# ------------------------------------------------------------------ who has the last word


def test_in_the_last_round_the_second_mover_takes_whatever_beats_no_deal() -> None:
    history = said((1, "opponent", 7, 200), (1, "own", 4, 200), (2, "opponent", 6.4, 100))
    assert buyer(history, 2, 2)[0] == "accept"


def test_the_first_mover_may_still_ask_in_the_last_round() -> None:
    history = said((1, "own", 4, 200), (1, "opponent", 7, 200))
    action, price, quantity = buyer(history, 2, 2)
    assert action == "counter"
    assert margin(price, quantity) > 0


def test_the_first_mover_takes_in_the_last_round_what_it_could_hardly_better() -> None:
    history = said((1, "own", 4, 200), (1, "opponent", 4.5, 200))
    assert buyer(history, 2, 2)[0] == "accept"


@pytest.mark.parametrize("start", [0, 1])
def test_rounds_may_be_counted_from_0_or_from_1(start: int) -> None:
    history = said(
        (start, "opponent", 7, 200), (start, "own", 4, 200), (start + 1, "opponent", 6.4, 100)
    )
    assert buyer(history, 2, start + 1)[0] == "accept"
    assert buyer(history, 3, start + 1)[0] == "counter"


@pytest.mark.parametrize("shift", [0, 1])
def test_how_the_history_numbers_its_offers_does_not_matter(shift: int) -> None:
    spoken = [(7, "opponent"), (4, "own"), (6.4, "opponent")]
    history = said(*((index + shift, by, p, 100) for index, (p, by) in enumerate(spoken)))
    assert buyer(history, 2, 2)[0] == "accept"
    assert buyer(history, 3, 2)[0] == "counter"


@pytest.mark.parametrize("later", [0, 1])
def test_a_first_mover_may_number_what_it_hears_by_when_it_was_said_or_heard(later: int) -> None:
    """Who moves first hears in a round what was said in the one before."""
    history = said(
        (1, "own", 4, 200),
        (1 + later, "opponent", 7, 200),
        (2, "own", 4, 200),
        (2 + later, "opponent", 6.4, 100),
    )
    assert buyer(history, 3, 3)[0] == "counter"


def test_after_the_deadline_a_good_offer_is_taken_and_none_is_made() -> None:
    history = said((1, "own", 4, 200), (1, "opponent", 6.0, 200))
    assert buyer(history, 1, 2)[0] == "accept"
    assert buyer(history[:1], 1, 2) == ("end", None, None)


def test_with_one_round_the_first_mover_makes_one_offer() -> None:
    assert buyer([], 1)[0] == "counter"


def test_where_nothing_beats_no_deal_it_ends() -> None:
    assert buyer([], price_grid=[6.5, 7]) == ("end", None, None)
    assert buyer(said((1, "opponent", 7, 100)), 1, price_grid=[7])[0] == "end"


# ------------------------------------------------------------------ how it gives way


def test_it_holds_on_for_long_and_gives_way_late() -> None:
    history: list[dict[str, Any]] = []
    worths = []
    for round_no in range(1, 41):
        action, price, quantity = buyer(history, 40, round_no)
        assert action == "counter"
        worths.append(margin(price, quantity) / margin(4.0, 200))
        history += said((round_no, "own", price, quantity), (round_no, "opponent", 7.0, 300))
    assert min(worths[:30]) >= 0.75
    assert sum(worth >= 0.9 for worth in worths[:30]) >= 26
    assert worths[-1] <= 0.3
    assert worths[-1] > 0


def test_it_never_asks_for_less_than_the_best_it_was_offered() -> None:
    history = said((1, "opponent", 4.5, 200), (1, "own", 4.0, 200), (2, "opponent", 6.0, 200))
    for round_no in range(2, 10):
        action, price, quantity = buyer(history, 10, round_no)
        assert action == "counter"
        assert margin(price, quantity) >= margin(4.5, 200)


def test_the_last_offer_does_not_tell_the_limit() -> None:
    fine = [4 + step / 100 for step in range(300)]
    history = said((9, "own", 4.0, 200), (9, "opponent", 9.0, 300))
    last = {
        suggest(
            "buyer", history, 10, 10, 6.5, 200, None, price_grid=fine, session_id=f"s{session}"
        )[1]
        for session in range(8)
    }
    assert max(last) < 6.45
    assert len(last) > 1, "the same part of the way each time is a formula to reckon back from"


def test_equal_arguments_give_equal_answers() -> None:
    history = said((1, "opponent", 6.9, 300), (1, "own", 4, 200), (2, "opponent", 6.7, 300))
    assert len({buyer(list(history), 9, 2, session_id="a") for _ in range(5)}) == 1


# ------------------------------------------------------------------ two of them


@pytest.mark.parametrize("rounds", [2, 5, 20, 60])
@pytest.mark.parametrize("overlap", ["0.10", "0.25", "1"])
@pytest.mark.parametrize("swapped", [False, True])
def test_two_advisors_with_limits_that_overlap_agree_within_both(
    rounds: int, overlap: str, swapped: bool
) -> None:
    most = Decimal(5) * (1 + Decimal(overlap))
    buys, sells = advised("buyer", most, 100, rounds), advised("seller", Decimal(5), 80, rounds)
    deal = haggle(sells, buys, rounds) if swapped else haggle(buys, sells, rounds)
    assert deal is not None
    assert 5 <= deal[0] <= most


@pytest.mark.parametrize("rounds", [1, 2, 5, 20])
def test_two_advisors_with_limits_that_do_not_overlap_never_agree(rounds: int) -> None:
    seats = advised("buyer", "4.99", 100, rounds), advised("seller", "5.00", 100, rounds)
    assert haggle(*seats, rounds) is None


# ------------------------------------------------------------------ others

TENTHS = [4 + step / 10 for step in range(31)]


def clockwork(start: float, end: float, rounds: int) -> Move:
    """Return a seller that comes down steadily, and takes what it would ask for next."""

    def move(history: list[dict[str, Any]], round_no: int) -> tuple[str, Any, Any]:
        asks = round(start + (end - start) * round_no / rounds, 1)
        bid = history[-1]["price"] if history else 0
        return ("accept", bid, 200) if bid >= asks else ("counter", asks, 200)

    return move


def echo(start: float) -> Move:
    """Return a seller that comes down a step for each new offer that it hears, and for no other."""

    def move(history: list[dict[str, Any]], round_no: int) -> tuple[str, Any, Any]:
        heard = {(h["price"], h["quantity"]) for h in history if h["by"] == "opponent"}
        asks = round(start - 0.1 * len(heard), 1)
        bid = history[-1]["price"] if history else 0
        return ("accept", bid, 200) if bid >= asks else ("counter", asks, 200)

    return move


def seat(rounds: int) -> Move:
    return advised("buyer", 6.5, 200, rounds, price_grid=TENTHS, quantity_grid=[100, 200, 300])


@pytest.mark.parametrize("begins", [False, True])
def test_of_one_that_comes_down_by_the_clock_it_gets_nearly_the_last_price(begins: bool) -> None:
    other = clockwork(7.0, 4.5, 30)
    deal = haggle(seat(30), other, 30) if begins else haggle(other, seat(30), 30)
    assert deal is not None
    assert deal[0] <= 5.0


@pytest.mark.parametrize("begins", [False, True])
def test_one_that_moves_only_when_we_move_is_moved(begins: bool) -> None:
    deal = haggle(seat(40), echo(7.0), 40) if begins else haggle(echo(7.0), seat(40), 40)
    assert deal is not None
    assert deal[0] <= 6.0


def test_one_that_moves_only_when_we_move_is_not_given_more_than_it_asked_for() -> None:
    def mild(history: list[dict[str, Any]], round_no: int) -> tuple[str, Any, Any]:
        heard = {(h["price"], h["quantity"]) for h in history if h["by"] == "opponent"}
        return "counter", 4.6 if len(heard) == 2 else 7 - len(heard) / 10, 200

    offers: list[float] = []

    def own(history: list[dict[str, Any]], round_no: int) -> tuple[str, Any, Any]:
        action, price, quantity = buyer(history, 40, round_no)
        if action == "counter" and any(h["price"] == 4.6 for h in history):
            offers.append(margin(price, quantity))
        return action, price, quantity

    haggle(own, mild, 40)
    assert offers
    assert min(offers) >= margin(4.6, 200)


# ------------------------------------------------------------------ whatever they do

amounts = st.one_of(
    st.floats(0.01, 50), st.integers(0, 50), st.decimals(0, 50, places=2), st.none(), st.text()
)
entries = st.fixed_dictionaries(
    {
        "round": st.one_of(st.integers(0, 30), st.none()),
        "by": st.sampled_from(["own", "opponent", "x"]),
        "price": amounts,
        "quantity": amounts,
    }
)
utilities = st.sampled_from(
    [
        None,
        lambda p, q: (10 - float(p)) * min(float(q), 20),
        lambda p, q: 0.6 * (10 - float(p)) / 10 + 0.4 * (1 - abs(float(q) - 20) / 20) - 0.3,
        lambda p, q: math.sqrt(10 - float(p)) * float(q),
        lambda p, q: 1 if float(p) < 9 else 0,
        lambda p, q: -1,
        lambda p, q: math.nan,
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    role=st.sampled_from(["buyer", "seller"]),
    history=st.lists(entries, max_size=12),
    deadline=st.integers(1, 30),
    number=st.integers(0, 35),
    utility=utilities,
    grids=st.booleans(),
)
def test_nothing_that_is_no_better_than_no_deal_is_ever_suggested(
    role: str, history: list[Any], deadline: int, number: int, utility: Any, grids: bool
) -> None:
    named: dict[str, Any] = {}
    if grids:
        named = {"price_grid": range(1, 20), "quantity_grid": [5, 10, 20, 40]}
    advice = advise(role, history, deadline, number, 10, 20, None, own_utility=utility, **named)
    if advice.action == "end":
        assert advice.price is advice.quantity is None
        return
    if utility is None:
        assert advice.price <= 10 if role == "buyer" else advice.price >= 10
    else:
        assert utility(advice.price, advice.quantity) > 0
    if advice.action == "accept":
        assert history[-1]["by"] == "opponent"
        assert float(history[-1]["price"]) == float(advice.price)
    elif grids:
        assert advice.price in range(1, 20)
        assert advice.quantity in (5, 10, 20, 40)
    assert 0 <= advice.acceptance <= 1
    assert 0 <= advice.confidence <= 1


# ------------------------------------------------------------------ what is kept in memory


def test_a_utility_written_where_it_is_handed_over_is_asked_about_the_whole_grid_once() -> None:
    asked = []

    def worth(price: float, quantity: float) -> float:
        asked.append((price, quantity))
        return margin(price, quantity)

    for round_no in range(1, 4):
        buyer([], round_no=round_no, own_utility=lambda p, q: worth(p, q))
    assert len(asked) < 3 * len(PRICES) * len(QUANTITIES)


def test_a_seat_that_is_used_for_another_negotiation_is_asked_anew() -> None:
    class Seat:
        limit = 6.5

        def worth(self, price: float, quantity: float) -> float:
            return self.limit - price

    seat = Seat()
    last = said((1, "opponent", 6.0, 200))
    assert buyer(last, 1, own_utility=seat.worth)[0] == "accept"
    assert buyer(last, 1, own_utility=lambda p, q: seat.worth(p, q))[0] == "accept"
    seat.limit = 5.0
    assert buyer(last, 1, own_utility=seat.worth)[0] == "counter"
    assert buyer(last, 1, own_utility=lambda p, q: seat.worth(p, q))[0] == "counter"


@pytest.mark.parametrize("sign", [1, -1])
def test_two_lambdas_of_one_line_over_other_numbers_are_two_utilities(sign: int) -> None:
    made = [lambda p, q, end=end: end - p for end in (7.5, 4.6)][::sign]
    answers = {buyer(said((1, "opponent", 5.0, 200)), 1, own_utility=one)[0] for one in made}
    assert answers == {"accept", "counter"}


@settings(max_examples=300, deadline=None)
@given(
    role=st.sampled_from(["buyer", "seller"]),
    prices=st.lists(st.integers(1, 19), min_size=2, max_size=40),
    moves=st.lists(st.sampled_from([5, 10, 20, 40]), min_size=40, max_size=40),
    deadline=st.integers(1, 40),
    begins=st.booleans(),
)
def test_whatever_was_said_it_never_asks_for_less_than_the_best_it_was_offered(
    role: str, prices: list[int], moves: list[int], deadline: int, begins: bool
) -> None:
    def worth(price: float, quantity: float) -> float:
        return (10 - price if role == "buyer" else price - 10) * min(quantity, 20)

    history: list[dict[str, Any]] = []
    for turn, (price, quantity) in enumerate(zip(prices, moves, strict=False)):
        own = turn % 2 == (0 if begins else 1)
        history += said((turn // 2 + 1, "own" if own else "opponent", price, quantity))
    arguments = (role, history, deadline, len(history) // 2 + 1, 10, 20, None)
    grids: dict[str, Any] = {"price_grid": range(1, 20), "quantity_grid": [5, 10, 20, 40]}
    answer = suggest(*arguments, own_utility=worth, **grids)
    assert suggest(*arguments, own_utility=worth, **grids) == answer
    if answer[0] == "counter":
        heard = [worth(h["price"], h["quantity"]) for h in history if h["by"] == "opponent"]
        assert worth(*answer[1:]) >= max([0.0, *heard]) - 1e-6
