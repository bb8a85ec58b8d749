"""What the tests of this folder share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.real.support import SOAK, TroubledNom

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the long versions of these tests their time."""
    for item in items:
        if SOAK and item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="module")
def nom() -> Iterator[TroubledNom]:
    """Return `nom` as processes of their own, which things can happen to."""
    program = TroubledNom()
    yield program
    program.close()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Return a directory on a file system in memory, where there is one."""
    place = "/dev/shm"
    if not os.access(place, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="nom-", dir=place) as path:
        yield Path(path)
