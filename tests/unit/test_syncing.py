"""`syncfs` is asked for where it says what went wrong, and nowhere else."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nom_negotiate.store.files import syncing
from nom_negotiate.store.files.atomic import Disk


class Library:
    """A C library with a `syncfs` that answers what it is told to."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.asked: list[int] = []

    def syncfs(self, fd: int) -> int:
        self.asked.append(fd)
        ctypes.set_errno(self.number)
        return -1 if self.number else 0


class Call:
    """A function of a C library, which has types."""

    argtypes: Any = None
    restype: Any = None

    def __init__(self, library: Library) -> None:
        self.library = library

    def __call__(self, fd: int) -> int:
        return self.library.syncfs(fd)


class Machine:
    """A machine of any kind, with any C library."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.is_a("linux", "6.8.0-45-generic")
        self.has(Library())

    def is_a(self, platform: str, release: str) -> None:
        syncing._syncfs.cache_clear()
        self.monkeypatch.setattr(sys, "platform", platform)
        self.monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))

    def has(self, library: Library | None) -> None:
        syncing._syncfs.cache_clear()
        found: Any = SimpleNamespace() if library is None else SimpleNamespace(syncfs=Call(library))
        self.monkeypatch.setattr(ctypes, "CDLL", lambda *args, **options: found)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    yield Machine(monkeypatch)
    syncing._syncfs.cache_clear()


@pytest.mark.parametrize(
    "release",
    ["5.8.0", "5.15.167.4-microsoft-standard-WSL2", "6.8.0-45-generic", "6.1", "10.0-rc1", "7"],
)
def test_it_is_offered_where_the_kernel_tells_of_errors(machine: Machine, release: str) -> None:
    machine.is_a("linux", release)
    assert syncing.is_offered()


@pytest.mark.parametrize(
    "release", ["5.7.19", "4.19.0-27-amd64", "3.10.0-1160.el7", "5", "odd", ""]
)
def test_it_is_not_offered_on_a_kernel_that_may_not(machine: Machine, release: str) -> None:
    machine.is_a("linux", release)
    assert not syncing.is_offered()


@pytest.mark.parametrize("platform", ["darwin", "freebsd14", "win32"])
def test_it_is_not_offered_on_other_systems(machine: Machine, platform: str) -> None:
    machine.is_a(platform, "23.6.0")
    assert not syncing.is_offered()


def test_it_is_not_offered_by_a_c_library_without_it(machine: Machine) -> None:
    machine.has(None)
    assert not syncing.is_offered()


def test_what_could_not_be_written_is_an_error(machine: Machine) -> None:
    machine.has(Library(errno.EIO))
    with pytest.raises(OSError, match="Input/output error") as refused:
        syncing.sync_file_system(3)
    assert refused.value.errno == errno.EIO


def test_what_is_written_is_no_error(machine: Machine) -> None:
    library = Library()
    machine.has(library)
    syncing.sync_file_system(3)
    assert library.asked == [3]


def test_the_file_system_of_any_directory_can_be_synced(tmp_path: Path) -> None:
    if not syncing.is_offered():
        pytest.skip("this system has no such call")
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        syncing.sync_file_system(fd)
    finally:
        os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        syncing.sync_file_system(fd)


# What a batch makes of it


class Counting(Disk):
    """A disk that counts what it syncs."""

    def __init__(self, *, durable: bool = True) -> None:
        super().__init__(durable=durable)
        self.directories: list[str] = []

    def sync_directory(self, path: str) -> bool:
        self.directories.append(path)
        return super().sync_directory(path)


def test_a_batch_syncs_at_its_barriers_alone(machine: Machine, tmp_path: Path) -> None:
    library, disk = Library(), Counting()
    machine.has(library)
    with disk.together(str(tmp_path)) as together:
        together.create(str(tmp_path / "a"), b"1")
        assert (library.asked, disk.directories) == ([], [])
        together.barrier()
        together.create(str(tmp_path / "b"), b"2")
        together.barrier()
    assert len(library.asked) == 2
    assert disk.directories == []
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"1", b"2"]


def test_where_it_is_not_offered_each_change_of_a_batch_is_synced_by_itself(
    machine: Machine, tmp_path: Path
) -> None:
    library, disk = Library(), Counting()
    machine.has(library)
    machine.is_a("linux", "5.4.0-200-generic")
    with disk.together(str(tmp_path)) as together:
        together.create(str(tmp_path / "a"), b"1")
        assert disk.directories == [str(tmp_path)]
        together.barrier()
    assert library.asked == []


def test_a_disk_that_need_not_be_durable_syncs_nothing(machine: Machine, tmp_path: Path) -> None:
    library, disk = Library(), Counting(durable=False)
    machine.has(library)
    with disk.together(str(tmp_path)) as together:
        together.create(str(tmp_path / "a"), b"1")
        together.barrier()
    assert (library.asked, disk.directories) == ([], [])


def test_a_barrier_that_fails_is_an_error_of_the_batch(machine: Machine, tmp_path: Path) -> None:
    machine.has(Library(errno.ENOSPC))
    with Disk(durable=True).together(str(tmp_path)) as together:
        together.create(str(tmp_path / "a"), b"1")
        with pytest.raises(OSError, match="No space left"):
            together.barrier()


def test_after_a_batch_each_change_is_synced_by_itself_again(
    machine: Machine, tmp_path: Path
) -> None:
    disk = Counting()
    with disk.together(str(tmp_path)):
        pass
    disk.create(str(tmp_path / "a"), b"1")
    assert disk.directories == [str(tmp_path)]


# Writing ahead of a barrier


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few changes be many."""
    monkeypatch.setattr(syncing, "AHEAD_EVERY", 2)


@pytest.mark.usefixtures("often")
def test_many_changes_begin_to_be_written_before_their_barrier(
    machine: Machine, tmp_path: Path
) -> None:
    library = Library()
    machine.has(library)
    with Disk().together(str(tmp_path)) as together:
        for names in ("ab", "cd"):
            for name in names:
                together.create(str(tmp_path / name), b"1")
            together.barrier()
    # Each by a descriptor of its own: an error is told once to each of them.
    assert sorted(Counter(library.asked).values()) == [2, 2]


@pytest.mark.usefixtures("often")
def test_what_cannot_be_written_ahead_is_an_error_of_the_barrier(
    machine: Machine, tmp_path: Path
) -> None:
    machine.has(Library(errno.EIO))
    with Disk().together(str(tmp_path)) as together:
        for name in "ab":
            together.create(str(tmp_path / name), b"1")
        with pytest.raises(OSError, match="Input/output error"):
            together.barrier()


@pytest.mark.usefixtures("often")
def test_nothing_is_written_ahead_any_more_once_a_barrier_has_returned_or_a_batch_has_ended(
    machine: Machine, tmp_path: Path
) -> None:
    class Slow(Library):
        """A C library that takes until somebody waits for it."""

        def syncfs(self, fd: int) -> int:
            if threading.current_thread() is not threading.main_thread():
                waited.wait()
            return super().syncfs(fd)

    waited = threading.Event()
    machine.has(Slow())
    before = (threading.active_count(), len(os.listdir("/proc/self/fd")))
    with Disk().together(str(tmp_path)) as together:
        for name in "ab":
            together.create(str(tmp_path / name), b"1")
        assert threading.active_count() == before[0] + 1
        waited.set()
        together.barrier()
        assert threading.active_count() == before[0]
    with Disk().together(str(tmp_path)) as together:
        for name in "cd":
            together.create(str(tmp_path / name), b"1")
    assert (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before


@pytest.mark.usefixtures("often")
def test_what_need_not_be_durable_is_not_written_ahead(machine: Machine, tmp_path: Path) -> None:
    library = Library()
    machine.has(library)
    with Disk(durable=False).together(str(tmp_path)) as together:
        for name in "abcd":
            together.create(str(tmp_path / name), b"1")
    assert library.asked == []
