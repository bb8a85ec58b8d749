"""The stores that every test of this folder runs over, and a desk on top of each."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk, FileStore, MemoryStore, Party, Store

KINDS = ("files", "memory")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "durable: runs over a file store that syncs, too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        durable = metafunc.definition.get_closest_marker("durable")
        kinds = (*KINDS, "durable files") if durable else KINDS
        metafunc.parametrize("store", kinds, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of each kind in turn."""
    if request.param == "memory":
        return MemoryStore()
    return FileStore(tmp_path / "data", durable=request.param == "durable files")


@pytest.fixture
def notices() -> list[str]:
    """Return what the desk tells."""
    return []


@pytest.fixture
def desk(store: Store, clock: Clock, notices: list[str]) -> Desk:
    """Return a desk without extensions, whatever is installed here."""
    return Desk(store, clock=clock, validators=(), after_settlement=(), notice=notices.append)


@pytest.fixture
def alice(desk: Desk) -> Party:
    return desk.party(ALICE)


@pytest.fixture
def bob(desk: Desk) -> Party:
    return desk.party(BOB)
