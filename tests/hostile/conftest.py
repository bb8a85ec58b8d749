"""A data root that was prepared once, and a copy of it for each test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.hostile.scene import Scene, copied, prepare


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return prepare(tmp_path_factory.mktemp("hostile") / "prepared")


@pytest.fixture
def scene(prepared: Scene, tmp_path: Path) -> Scene:
    return copied(prepared, tmp_path / "scene")
