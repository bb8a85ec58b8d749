"""Desks to watch, over each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk, FileStore, MemoryStore, Party, Store
from nom_negotiate.watch import Watch

KINDS = ("files", "memory")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        metafunc.parametrize("store", KINDS, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of each kind in turn."""
    if request.param == "memory":
        return MemoryStore()
    return FileStore(tmp_path / "data", durable=False)


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


@pytest.fixture
def watch(desk: Desk) -> Iterator[Watch]:
    """Return a watch over everything that began before anything was there."""
    with desk.watch() as found:
        yield found
