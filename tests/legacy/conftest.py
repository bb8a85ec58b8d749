"""An old tree made by hand, the sample, and the real archive where it is to be had."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.legacy.support import REPO, SAMPLE, Migration
from tests.unit.legacy_fixtures import OldTree


@pytest.fixture
def old(tmp_path: Path) -> OldTree:
    return OldTree(tmp_path / "old")


@pytest.fixture
def migration(old: OldTree, tmp_path: Path) -> Migration:
    """A migration of the tree made by hand."""
    return Migration(old.root, tmp_path / "root")


@pytest.fixture
def sample(tmp_path: Path) -> Migration:
    """A migration of the small sample."""
    return Migration(SAMPLE, tmp_path / "root")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Return the real old data, and what the old program's own reader made of them."""
    legacy = Path(os.environ.get("NOM_SHARED") or REPO.parent / "shared") / "legacy"
    packed = legacy / "cndq-legacy-data.tar.gz"
    if not packed.is_file():
        pytest.skip(f"no archive of old data at {packed}; NOM_SHARED names the directory")
    root = tmp_path_factory.mktemp("archive")
    with tarfile.open(packed) as file:
        # Python 3.11.2, which Debian 12 has, knows no filters yet; the archive is our own.
        safe: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        file.extractall(root, **safe)
    return root, json.loads((legacy / "expected.json").read_text())
