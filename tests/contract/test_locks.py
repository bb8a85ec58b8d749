"""Locks between processes: who has one, who waits, and what is left of it."""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from nom_negotiate.store.files import locking
from nom_negotiate.store.files.locking import exclusive


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".lock")


def test_only_one_has_a_lock(path: str) -> None:
    with exclusive(path, 0) as mine:
        assert mine
        with exclusive(path, 0) as theirs:
            assert not theirs
    with exclusive(path, 0) as mine:
        assert mine


def test_whoever_waits_gets_it_when_it_is_let_go(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as theirs:
        theirs.enter_context(exclusive(path, 0))
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 10:
                theirs.close()

        monkeypatch.setattr(time, "sleep", pause)
        with exclusive(path, 10) as mine:
            assert mine
    # Soon at first, and not all the time where it takes long.
    assert (pauses[0], pauses[-1]) == (locking.FIRST_PAUSE_S, locking.LONGEST_PAUSE_S)


def test_nobody_waits_longer_than_said(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    with exclusive(path, 0), exclusive(path, 10) as mine:
        assert not mine
    assert now == [10.0]


def test_a_lock_file_that_was_removed_meanwhile_is_none(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two would have it: one the file that is gone, and one its successor."""
    with ExitStack() as theirs:
        theirs.enter_context(exclusive(path, 0))

        def pause(seconds: float) -> None:
            os.unlink(path)
            theirs.close()

        monkeypatch.setattr(time, "sleep", pause)
        with exclusive(path, 10) as mine:
            assert mine
            with exclusive(path, 0) as another:
                assert not another


def test_a_child_that_was_forked_meanwhile_does_not_keep_it(path: str) -> None:
    reading, writing = os.pipe()
    with exclusive(path, 0):
        child = os.fork()
        if not child:
            # Until the other end is closed.
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    try:
        with exclusive(path, 0) as mine:
            assert mine
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)


def test_a_link_in_the_place_of_a_lock_file_is_not_followed(tmp_path: Path, path: str) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    os.symlink("elsewhere", path)
    with pytest.raises(OSError, match=r"\.lock") as refused, exclusive(path, 0):
        pass
    assert refused.value.errno == errno.ELOOP
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_no_lock_file_stays_open(path: str) -> None:
    before = os.listdir("/dev/fd")
    with exclusive(path, 0), exclusive(path, 0):
        pass
    assert os.listdir("/dev/fd") == before
