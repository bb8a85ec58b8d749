"""What a party wants: exact, and read strictly."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nom_negotiate import codec
from nom_negotiate.core.preferences import Autopilot, Preferences
from nom_negotiate.core.terms import Role, Terms
from nom_negotiate.errors import InputError, RecordError
from nom_negotiate.suggestion import utility


def wants(**more: Any) -> Preferences:
    fields = {"reservation_price": Decimal("6.1"), "target_quantity": Decimal(900), **more}
    return Preferences(**fields)


def terms(price: str, quantity: str) -> Terms:
    return Terms(price=Decimal(price), quantity=Decimal(quantity))


@pytest.mark.parametrize(
    ("role", "price", "allowed"),
    [
        (Role.BUYER, "6.1", True),
        (Role.BUYER, "6.10000000000001", False),
        (Role.BUYER, "0", True),
        (Role.SELLER, "6.1", True),
        (Role.SELLER, "6.09999999999999", False),
    ],
)
def test_a_price_beyond_the_reservation_price_is_never_allowed(
    role: Role, price: str, allowed: bool
) -> None:
    assert wants().allows(role, terms(price, "900")) is allowed


def test_a_deal_is_worth_its_margin_times_the_useful_quantity() -> None:
    assert wants().worth(Role.BUYER, terms("5.1", "900")) == 900
    assert wants().worth(Role.BUYER, terms("5.1", "800")) == 800
    assert wants().worth(Role.SELLER, terms("7.1", "900")) == 900
    # Each unit too many costs a useful one, unless something else is said.
    assert wants().worth(Role.BUYER, terms("5.1", "1000")) == 800
    assert wants(excess=Decimal(0)).worth(Role.BUYER, terms("5.1", "1000")) == 900
    assert wants(shortfall=Decimal("0.5")).worth(Role.BUYER, terms("5.1", "800")) == 750


def test_too_much_is_worse_than_no_deal_at_any_price() -> None:
    assert not wants().allows(Role.BUYER, terms("5", "1801"))
    assert wants().allows(Role.BUYER, terms("5", "1800"))
    # Beyond both limits it is no gain either.
    assert wants().worth(Role.BUYER, terms("7", "1801")) < 0


NUMBERS = st.decimals(min_value=0, max_value=10**6, places=3)
ABOVE = NUMBERS.filter(lambda number: number > 0)


@given(NUMBERS, ABOVE, NUMBERS, ABOVE, st.sampled_from(Role))
def test_the_advisor_computes_the_same_worth(
    limit: Decimal, target: Decimal, price: Decimal, quantity: Decimal, role: Role
) -> None:
    wanted = Preferences(reservation_price=limit, target_quantity=target)
    exact = float(wanted.worth(role, Terms(price=price, quantity=quantity)))
    assert utility(role, wanted)(price, quantity) == pytest.approx(exact, rel=1e-6, abs=1e-2)


def test_a_target_price_that_is_never_agreed_to_is_refused() -> None:
    with pytest.raises(InputError, match="target_price must be at most"):
        wants(target_price=Decimal(7)).check(Role.BUYER)
    wants(target_price=Decimal(7)).check(Role.SELLER)


# In files


def test_what_is_written_is_read_back_exactly_with_unknown_fields() -> None:
    wanted = wants(target_price=Decimal("5.500000000001"), extra={"note": "mine"})
    assert codec.decode_preferences(codec.encode(wanted)) == wanted
    may = Autopilot(max_rounds=7, auto_accept=True, created=5, extra={"note": "mine"})
    assert codec.decode_autopilot(codec.encode(may)) == may


GOOD = {"schema": "nom.preferences/1", "reservation_price": 6, "target_quantity": 900}
FLOWN = {"schema": "nom.autopilot/1", "created": 5}


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": "nom.listing/1"},
        {"schema": None},
        {"reservation_price": -1},
        {"reservation_price": "6"},
        {"reservation_price": True},
        {"reservation_price": None},
        {"reservation_price": 1e300},
        {"target_quantity": 0},
        {"target_quantity": []},
        {"target_price": {}},
        {"shortfall": -0.1},
        {"excess": 1.2345678901234567e-30},
    ],
    ids=str,
)
def test_preferences_that_are_none_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        codec.decode_preferences(json.dumps(GOOD | changed).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"schema": "nom.preferences/1"},
        {"max_rounds": 0},
        {"max_rounds": 1e9},
        {"max_rounds": "7"},
        {"auto_accept": "yes"},
        {"created": -1},
        {"created": None},
    ],
    ids=str,
)
def test_an_autopilot_that_is_none_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        codec.decode_autopilot(json.dumps(FLOWN | changed).encode())
