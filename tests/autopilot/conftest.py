"""Desks at which parties have an autopilot, over each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk, FileStore, MemoryStore, Party, Store


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        metafunc.parametrize("store", ("files", "memory"), indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of each kind in turn."""
    if request.param == "memory":
        return MemoryStore()
    return FileStore(tmp_path / "data", durable=False)


@pytest.fixture
def desk(store: Store, clock: Clock) -> Desk:
    return Desk(store, clock=clock, validators=(), after_settlement=(), notice=lambda text: None)


@pytest.fixture
def alice(desk: Desk) -> Party:
    return desk.party(ALICE)


@pytest.fixture
def bob(desk: Desk) -> Party:
    return desk.party(BOB)
