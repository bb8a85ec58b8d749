"""A fresh data root for each test, and an environment that says nothing of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.support import Nom


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(("NOM_", "_NOM_")) or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    # Nothing may end up in ./data of whoever runs the tests.
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Nom:
    return Nom(tmp_path / "root", capsys)
