"""The settings of a file store: read when they may have changed, and not each time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nom_negotiate import FileStore, Settings
from nom_negotiate.store.files import bounded


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore(tmp_path / "data", durable=False)
    store.initialise(Settings())
    return store


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is read from now on."""
    found: list[str] = []
    real = bounded.read_record

    def read(path: str) -> bytes | None:
        found.append(os.path.basename(path))
        return real(path)

    monkeypatch.setattr(bounded, "read_record", read)
    return found


@pytest.fixture
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some seconds pass, so that the times of files are no longer new."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


@pytest.mark.usefixtures("_later")
def test_settings_that_did_not_change_are_read_once(store: FileStore, reads: list[str]) -> None:
    assert store.settings() is store.settings()
    assert reads == ["config.json"]


@pytest.mark.usefixtures("_later")
def test_settings_that_somebody_changes_are_read_anew(store: FileStore, reads: list[str]) -> None:
    assert not store.settings().closed
    FileStore(store.layout.root, durable=False).initialise(Settings(closed=True))
    reads.clear()
    assert store.settings().closed
    assert reads == ["config.json"]


def test_settings_so_new_that_a_change_would_not_show_are_read_each_time(
    store: FileStore, reads: list[str]
) -> None:
    assert store.settings() == store.settings()
    assert reads == ["config.json"] * 2


@pytest.mark.usefixtures("_later")
def test_settings_that_are_gone_are_not_remembered(store: FileStore) -> None:
    FileStore(store.layout.root, durable=False).initialise(Settings(closed=True))
    assert store.settings().closed
    os.unlink(store.layout.config)
    assert store.settings() == Settings()
