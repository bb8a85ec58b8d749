"""What changes while it is looked at: nobody can keep the others from being heard that way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.hostile.rows import BOBS, HERE
from tests.hostile.scene import DUE, OTHERS_DUE, VICTIM, Scene
from tests.support import BOB

from nom_negotiate import NomError
from nom_negotiate.codec import MAX_RECORD_BYTES

READ, LISTDIR = os.read, os.listdir


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, name: str, real: Callable[..., Any], deed: Callable[[], object]
) -> None:
    """Let a deed be done each time that a function of `os` is called."""

    def call(*arguments: Any) -> Any:
        found = real(*arguments)
        deed()
        return found

    monkeypatch.setattr(os, name, call)


def append(path: Path, size: int) -> None:
    with path.open("ab") as file:
        file.write(b" " * size)


@pytest.mark.timeout(10)
def test_a_file_that_grows_while_it_is_read_ends_at_the_bound(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, "read", READ, lambda: append(scene.file("bob"), MAX_RECORD_BYTES // 8))
    report = scene.desk([]).poll()
    assert {DUE, OTHERS_DUE} <= set(report.agreed)
    assert VICTIM in report.active
    [problem] = report.problems
    # After a few looks it is too large to be looked at.
    assert problem.path == BOBS
    assert str(MAX_RECORD_BYTES) in problem.reason


@pytest.mark.timeout(10)
def test_a_party_that_writes_all_the_time_keeps_its_own_deal_waiting_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = scene.file("bob").read_bytes()

    def rewrite() -> None:
        scene.file("bob").with_name(".new").write_bytes(data)
        scene.file("bob").with_name(".new").replace(scene.file("bob"))

    meanwhile(monkeypatch, "read", READ, rewrite)
    report = scene.desk([]).poll()
    assert {DUE, OTHERS_DUE} <= set(report.agreed)
    assert VICTIM in report.active
    [problem] = report.problems
    assert problem.path == HERE
    assert "stop its writers" in problem.reason
    with pytest.raises(NomError):
        scene.desk([]).party(BOB).say(VICTIM, "hello?")


@pytest.mark.timeout(10)
def test_a_stranger_that_writes_all_the_time_stops_nobodys_deal(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = iter(range(1_000_000))

    def leave() -> None:
        if scene.namespace().is_dir():
            (scene.namespace() / f"a{next(written)}_state.json").write_text("{}")

    monkeypatch.setattr("nom_negotiate.store.files.namespace.MAX_LOOKS", 6)
    meanwhile(monkeypatch, "listdir", LISTDIR, leave)
    report = scene.desk([]).poll()
    assert {DUE, OTHERS_DUE, VICTIM} <= set(report.agreed)
    assert any("move the others away" in problem.reason for problem in report.problems)


@pytest.mark.timeout(10)
def test_a_stranger_whose_file_changes_all_the_time_stops_nobodys_deal(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = scene.namespace() / "a_state.json"
    stranger.write_text("{}")

    def change() -> None:
        if stranger.is_file():
            append(stranger, 1)

    meanwhile(monkeypatch, "read", READ, change)
    assert {DUE, OTHERS_DUE, VICTIM} <= set(scene.desk([]).poll().agreed)
