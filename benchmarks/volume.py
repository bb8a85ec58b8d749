"""Where is measured: a fresh ext4 with a journal, or a directory that is named.

Rules of the room:

- Each section gets a volume of its own, so that none meets what another has left: creating
  files after many deletions is slower, and without a journal ever more so.
- The image is a file beside the results, on the disk of the checkout. It is unmounted and
  removed at the end, on Ctrl-C and SIGTERM, too.
- A small image is filled with zeros first: a block that is written for the first time in a
  sparse file costs the file system below a journal entry of its own, at each fsync.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

GIB: Final = 1 << 30
ZEROED_GB: Final = 1.0
"""Images up to this size are filled first."""
BYTES_PER_INODE: Final = 4096


def can_mount() -> bool:
    """Return whether this process may make an image and mount it."""
    tools = all(shutil.which(name) for name in ("mkfs.ext4", "mount", "umount"))
    return os.geteuid() == 0 and tools


@contextmanager
def volume(home: Path, on: Path | None, size_gb: float) -> Iterator[Path]:
    """Yield an empty directory to measure in; it is gone afterwards.

    Args:
        home: where the image is made.
        on: the directory that is used instead of an image.
        size_gb: how much room is needed.
    """
    if on is not None:
        with tempfile.TemporaryDirectory(prefix="nom-benchmark-", dir=on) as name:
            yield Path(name)
        return
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="volume-", dir=home) as name:
        image, mounted = Path(name) / "image", Path(name) / "mounted"
        mounted.mkdir()
        _make(image, size_gb)
        # noinit_itable: nothing writes inode tables in the background while we measure.
        _run("mount", "-o", "loop,noinit_itable", str(image), str(mounted))
        try:
            yield mounted
        finally:
            _unmount(mounted)


def _make(image: Path, size_gb: float) -> None:
    size = int(size_gb * GIB)
    with image.open("wb") as file:
        if size_gb <= ZEROED_GB:
            block = bytes(1 << 20)
            for _ in range(size >> 20):
                file.write(block)
            os.fsync(file.fileno())
        else:
            file.truncate(size)
    _run("mkfs.ext4", "-q", "-F", "-i", str(BYTES_PER_INODE), str(image))


def _unmount(mounted: Path) -> None:
    # It writes out what is left, which takes seconds: whoever presses Ctrl-C again meanwhile would
    # leave it mounted. What is pending is delivered afterwards.
    signals = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        _run("umount", str(mounted))
    except subprocess.CalledProcessError:
        # A process that was cut short may still have a file open: let go of it when it ends.
        _run("umount", "--lazy", str(mounted))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=300)


def described(path: Path) -> str:
    """Return the file system that holds `path` and how it is mounted, in one line."""
    best = ("", "an unknown file system")
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8")
    except FileNotFoundError:
        return best[1]
    for line in mounts.splitlines():
        device, place, kind, options, *_ = line.split()
        inside = path.resolve().is_relative_to(place)
        if inside and len(place) >= len(best[0]):
            what = "a loop image" if device.startswith("/dev/loop") else "a disk"
            best = (place, f"{kind} on {what} ({options})")
    return best[1]
