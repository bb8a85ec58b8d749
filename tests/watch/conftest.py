"""Desks to watch, over each kind of store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.conftest import alice as alice
from tests.contract.conftest import bob as bob
from tests.contract.conftest import desk as desk
from tests.contract.conftest import notices as notices
from tests.contract.conftest import pytest_generate_tests as pytest_generate_tests
from tests.contract.conftest import store as store

from nom_negotiate import Desk
from nom_negotiate.watch import Watch


@pytest.fixture
def watch(desk: Desk) -> Iterator[Watch]:
    """Return a watch over everything that began before anything was there."""
    with desk.watch() as found:
        yield found
