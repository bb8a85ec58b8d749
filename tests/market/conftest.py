"""Stores and desks as in `tests/contract`, and a listing that alice has posted."""

from __future__ import annotations

import pytest
from tests.contract.conftest import alice as alice
from tests.contract.conftest import bob as bob
from tests.contract.conftest import desk as desk
from tests.contract.conftest import notices as notices
from tests.contract.conftest import pytest_generate_tests as pytest_generate_tests
from tests.contract.conftest import store as store
from tests.support import CAROL

from nom_negotiate import Desk, Listing, Party, market


@pytest.fixture
def carol(desk: Desk) -> Party:
    return desk.party(CAROL)


@pytest.fixture
def posted(alice: Party) -> Listing:
    """Return alice's listing: she sells 100 C at 5.50."""
    return market.post(alice, side="sell", chemical="C", price="5.50", quantity=100)
