"""A fresh copy of the same healthy data root for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.doctor.scene import Scene


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root that nobody changes."""
    path = tmp_path_factory.mktemp("healthy") / "root"
    Scene(path)
    return path


@pytest.fixture
def scene(healthy: Path, tmp_path: Path) -> Scene:
    """Return a data root with nothing wrong with it."""
    shutil.copytree(healthy, tmp_path / "root", symlinks=True)
    return Scene(tmp_path / "root")
