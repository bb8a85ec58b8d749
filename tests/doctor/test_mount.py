"""What the mount does is tried out, and a mount that does something else is told of."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.doctor.scene import Scene, everything

from nom_negotiate.doctor import Diagnosis, Verdict
from nom_negotiate.store.files import locking, mount, noticing
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.inspection.findings import KINDS
from nom_negotiate.store.files.layout import Layout

Odd = type[Disk]


def tried(root: Path, disk: Odd) -> mount.Mount:
    return mount.try_out(disk(), Layout(str(root)))


def codes(found: mount.Mount | Diagnosis) -> list[str]:
    return [one.code for one in found.findings]


def test_each_ability_of_a_good_mount_has_its_figure(scene: Scene) -> None:
    before = everything(scene.path)
    found = scene.examine(mount=True)
    assert found.verdict is Verdict.CLEAN
    assert everything(scene.path) == before
    figures = found.mount
    assert list(figures) == [
        "file system",
        "free",
        "links",
        "renames",
        "locks",
        "timestamps",
        "sync of a directory",
        "notifications",
        "names",
    ]
    assert figures["renames"].startswith("atomic: ")
    assert figures["locks"] == "keep another process out"
    assert figures["timestamps"].endswith(" ms")
    assert "MiB" in figures["free"]


class Unlinking(Disk):
    """A slow mount on which a rename removes the old file first."""

    def _rename(self, source: str, target: str) -> None:
        Path(target).unlink(missing_ok=True)
        time.sleep(0.01)
        super()._rename(source, target)


class Copying(Disk):
    """A slow mount on which a rename copies."""

    def _rename(self, source: str, target: str) -> None:
        data = Path(source).read_bytes()
        for part in (data[:1], data):
            Path(target).write_bytes(part)
            time.sleep(0.005)
        self._unlink(source)


class Overwriting(Disk):
    """A mount on which a link replaces what is there."""

    def _link(self, source: str, target: str) -> None:
        os.replace(source, target)


class Unsynced(Disk):
    """A mount that syncs no directories."""

    def sync_directory(self, path: str) -> bool:
        return False


class Folding(Disk):
    """A mount on which names do not differ by case."""

    def append(self, path: str, data: bytes) -> None:
        super().append(path, data)
        super().append(f"{os.path.dirname(path)}/{os.path.basename(path).upper()}", data)


class Coarse(Disk):
    """A mount whose clock goes in steps of two seconds."""

    def append(self, path: str, data: bytes) -> None:
        super().append(path, data)
        even = int(os.stat(path).st_mtime) // 2 * 2
        os.utime(path, (even, even))


class ReadOnly(Disk):
    """A mount that cannot be written."""

    def _mkdir(self, path: str, mode: int) -> None:
        raise OSError(errno.EROFS, "Read-only file system", path)


class Linkless(Disk):
    """A mount without hard links."""

    def _link(self, source: str, target: str) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", target)


@pytest.mark.parametrize(
    ("disk", "code", "said"),
    [
        (Unlinking, "rename_not_atomic", "found none"),
        (Copying, "rename_not_atomic", "found half of it"),
        (Overwriting, "unsupported_file_system", "it replaced one"),
        (Linkless, "unsupported_file_system", "create a file by a hard link"),
        (Unsynced, "no_directory_sync", "cannot be synced"),
        (Folding, "case_insensitive", "names that differ in case only"),
        (Coarse, "coarse_timestamps", "s"),
        (ReadOnly, "not_writable", "mounted read-only"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_a_mount_that_does_something_else_is_told_of(
    disk: Odd, code: str, said: str, scene: Scene
) -> None:
    found = tried(scene.path, disk)
    assert codes(found) == [code]
    [one] = found.findings
    assert said in one.reason
    assert one.remedy == KINDS[code].remedy
    assert not list(scene.path.glob(".tmp-*"))


def test_locks_that_do_not_keep_another_process_out_are_told_of(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def exclusive(path: str, timeout_s: float) -> Iterator[bool]:
        Path(path).touch()
        yield True

    monkeypatch.setattr(locking, "exclusive", exclusive)
    assert codes(tried(scene.path, Disk)) == ["locks_do_not_exclude"]


def silent(directory: str, change: Callable[[], object], timeout_s: float) -> None:
    change()


def used_up(directory: str, change: Callable[[], object], timeout_s: float) -> None:
    raise OSError(errno.EMFILE, "inotify instance limit reached")


@pytest.mark.parametrize("notice", [silent, used_up])
def test_a_mount_without_notifications_is_only_noted(
    notice: Callable[..., None], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noticing, "seconds_to_notice", notice)
    found = scene.examine(mount=True)
    assert codes(found) == ["no_notifications"]
    assert found.verdict is Verdict.CLEAN


def test_a_disk_that_is_nearly_full_is_told_of(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mount, "MIN_BYTES", 1 << 62)
    assert codes(tried(scene.path, Disk)) == ["little_space"]


def test_one_thing_that_cannot_be_tried_stops_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(path: str) -> str:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(mount, "_child", odd)
    found = tried(scene.path, Disk)
    assert codes(found) == ["unsupported_file_system"]
    assert "names" in found.figures
