"""Stores and desks as in `tests/contract`, and a listing that alice has posted."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from tests.contract.conftest import alice as alice
from tests.contract.conftest import bob as bob
from tests.contract.conftest import desk as desk
from tests.contract.conftest import notices as notices
from tests.contract.conftest import pytest_generate_tests as pytest_generate_tests
from tests.contract.conftest import store as store
from tests.support import ALICE, CAROL, Clock

from nom_negotiate import Desk, Listing, Party, Store, market


@pytest.fixture
def carol(desk: Desk) -> Party:
    return desk.party(CAROL)


@pytest.fixture
def posted(alice: Party) -> Listing:
    """Return alice's listing: she sells 100 C at 5.50."""
    return market.post(alice, side="sell", chemical="C", price="5.50", quantity=100)


@dataclass(frozen=True)
class Scene:
    """A market of three parties, and the listing that alice has posted."""

    desk: Desk
    store: Store
    clock: Clock
    alice: Party
    bob: Party
    carol: Party
    posted: Listing

    def agree(self, other: Party, posted: Listing | None = None, **terms: Any) -> str:
        """Let somebody answer a listing of alice's, and alice accept."""
        answered = posted or self.posted
        deal = market.respond(other, ALICE, answered.id, **{"again": True, **terms})
        self.alice.accept(deal.id)
        return deal.id

    def rivals(self, **terms: Any) -> tuple[str, str]:
        """Let alice agree with bob, and a second later with carol; on all of it if not said."""
        bobs = self.agree(self.bob, **terms)
        self.clock.forward(1)
        return bobs, self.agree(self.carol, **terms)

    def left(self) -> Decimal | None:
        """Return what the market says is left of the one listing."""
        [row] = self.desk.listings(closed=True)
        return row.left


@pytest.fixture
def scene(
    desk: Desk,
    store: Store,
    clock: Clock,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
) -> Scene:
    return Scene(desk, store, clock, alice, bob, carol, posted)
