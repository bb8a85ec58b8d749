"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.real.support import TroubledNom


@pytest.fixture(scope="module")
def nom() -> Iterator[TroubledNom]:
    """Return `nom` as processes of their own."""
    program = TroubledNom()
    yield program
    program.close()
