"""The simple rule: close to the target price, enough of the quantity, and no loss."""

from __future__ import annotations

from typing import Any

import pytest

from nom_negotiate.advisor import should_auto_accept
from nom_negotiate.errors import InputError


def taken(role: str, price: Any, quantity: Any, **more: Any) -> bool:
    given: dict[str, Any] = {
        "target_price": "5.00",
        "target_quantity": 1000,
        "own_reservation_price": "6.00" if role == "buyer" else "4.00",
    }
    return should_auto_accept(role, price, quantity, **(given | more))


@pytest.mark.parametrize(
    ("role", "price", "quantity", "good"),
    [
        ("buyer", "5.25", 900, True),  # the bounds themselves, exactly
        ("buyer", 5.25, 900, True),
        ("buyer", "5.26", 1000, False),
        ("buyer", "4.00", 899, False),
        ("buyer", "1.00", 1000, True),
        ("seller", "4.75", 900, True),
        ("seller", "4.74", 1000, False),
        ("seller", "9.00", 1000, True),
    ],
)
def test_within_five_percent_of_the_price_and_ninety_of_the_quantity(
    role: str, price: Any, quantity: Any, good: bool
) -> None:
    assert taken(role, price, quantity) is good


def test_never_beyond_the_reservation_price() -> None:
    assert not taken("buyer", "5.10", 1000, own_reservation_price="5.05")
    assert not taken("seller", "4.90", 1000, own_reservation_price="4.95")


def test_never_below_own_utility_0() -> None:
    assert not taken("buyer", 5, 1000, own_utility=lambda p, q: -0.01)
    assert taken("buyer", 5, 1000, own_utility=lambda p, q: 0.01)
    # Far more than one wants is no gain: what is too much costs as much as a missing unit.
    assert not taken("buyer", 5, 5000)


def test_the_rule_may_be_made_stricter() -> None:
    assert not taken("buyer", "5.01", 1000, price_tolerance=0)
    assert not taken("buyer", "5.00", 999, quantity_share=1)


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="target_price"):
        taken("buyer", 5, 1000, target_price="much")
