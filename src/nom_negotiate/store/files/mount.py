"""What the mount of a data root does with what we rely on, tried out on this mount.

Rules of the room:

- Everything is tried in a temporary directory under the root, which is removed again. One that
  a crash leaves is swept like any other.
- Each ability ends as a figure, and as a finding where it is not what we need.
- A figure is what was measured here and now, on a machine that has other things to do.
"""

from __future__ import annotations

import copy
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from nom_negotiate.errors import ConfigurationError, StoreError
from nom_negotiate.store.files import locking, mounted, probe
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.errnos import store_error
from nom_negotiate.store.files.inspection.findings import KINDS, Finding
from nom_negotiate.store.files.layout import Layout

RENAMES: Final = 200
RENAMING_S: Final = 0.1
GRANULARITY_S: Final = 2.5
"""How long a coarser clock is waited for; FAT has two seconds."""
COARSE_NS: Final = 1_000_000_000
NOTICE_S: Final = 2.0
CHILD_S: Final = 20.0
MIN_BYTES: Final = 64 * 1024 * 1024
MIN_INODES: Final = 1000

# These stand for other processes of ours, and import nothing of it.

# Says whether it got the lock.
_LOCKER: Final = """
import fcntl, sys
with open(sys.argv[1], "rb+") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print("kept out")
    else:
        print("let in")
"""

# Reads a file again and again until its input is closed, and says how often, or what was odd.
_READER: Final = """
import select, sys
whole = [byte * 4096 for byte in (b"0", b"1")]
looks = 0
while True:
    try:
        with open(sys.argv[1], "rb") as file:
            data = file.read()
    except FileNotFoundError:
        sys.exit("found none")
    except OSError as error:
        sys.exit(f"met {error.strerror}")
    if data not in whole:
        sys.exit(f"found half of it: {len(data)} bytes")
    looks += 1
    if looks == 1:
        print("begun", flush=True)
    if looks % 20 == 0 and select.select([sys.stdin], [], [], 0)[0]:
        sys.exit(print(looks))
"""


class Mount(NamedTuple):
    """What was found out about a mount.

    Attributes:
        figures: what was measured, in words, by ability.
        findings: what is not what we need.
        step_ns: nanoseconds between two times that a file can have; None where it was not
            found out.
    """

    figures: Mapping[str, str]
    findings: tuple[Finding, ...]
    step_ns: int | None = None


def try_out(disk: Disk, layout: Layout) -> Mount:
    """Try out what the mount of a data root does. Leaves nothing behind."""
    trial = _Trial(disk, layout)
    trial.run()
    return Mount(trial.figures, tuple(trial.findings), trial.step_ns)


class _Trial:
    def __init__(self, disk: Disk, layout: Layout) -> None:
        self.root = layout.root
        self.durable = disk
        # What is tried hundreds of times need not survive a power cut.
        self.disk = copy.copy(disk)
        self.disk.durable = False
        self.figures: dict[str, str] = {}
        self.findings: list[Finding] = []
        self.step_ns: int | None = None
        self.room = ""

    def run(self) -> None:
        self.figures["file system"] = mounted.described(self.root)
        self.space()
        try:
            probe.check_file_system(self.disk, self.root)
            self.room = self.disk.temporary_directory(self.root)
        except ConfigurationError as error:
            self.find("unsupported_file_system", error.message)
            return
        except (StoreError, OSError) as error:
            self.find("not_writable", _said(error))
            return
        self.figures["links"] = "refuse a name that is taken"
        try:
            for step in (
                self.renames,
                self.locks,
                self.timestamps,
                self.syncs,
                self.notifications,
                self.names,
            ):
                self.attempt(step)
        finally:
            self.disk.remove_tree(self.room)

    def attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except OSError as error:
            # Whatever this mount has to say: one thing that cannot be tried stops no other.
            self.find("unsupported_file_system", f"{step.__name__}: {_said(error)}")

    def find(self, code: str, reason: str) -> None:
        kind = KINDS[code]
        self.findings.append(
            Finding(severity=kind.severity, code=code, path=".", reason=reason, remedy=kind.remedy)
        )

    # What is tried

    def space(self) -> None:
        status = os.statvfs(self.root)
        free = status.f_bavail * status.f_frsize
        # Some file systems have no fixed number of them, and say 0.
        inodes = status.f_favail if status.f_files else None
        of_them = "" if inodes is None else f", {inodes:,} inodes"
        self.figures["free"] = f"{free // 1024**2:,} MiB{of_them}"
        if free < MIN_BYTES or (inodes is not None and inodes < MIN_INODES):
            self.find("little_space", f"{self.figures['free']} are free")

    def renames(self) -> None:
        path = f"{self.room}/renamed"
        whole = [byte * 4096 for byte in (b"0", b"1")]
        self.disk.replace(path, whole[0])
        done, begun = 0, time.monotonic()
        with _started(_READER, path) as reader:
            # So long that both are let run, on one core too.
            while reader.poll() is None and (
                done < RENAMES or time.monotonic() - begun < RENAMING_S
            ):
                done += 1
                self.disk.replace(path, whole[done % 2])
            try:
                looks, odd = reader.communicate(timeout=CHILD_S)
            except subprocess.TimeoutExpired:
                looks, odd = "", f"did not come back in {CHILD_S:g} seconds"
        if reader.returncode == 0 and looks:
            self.figures["renames"] = f"atomic: {done} of them, {looks.strip()} looks"
            return
        said = odd.strip()[-200:]
        self.figures["renames"] = f"not atomic: a reader {said}"
        self.find("rename_not_atomic", f"another process, reading what was renamed, {said}")

    def locks(self) -> None:
        path = f"{self.room}/lock"
        with locking.exclusive(path, 0):
            inside = _child(path)
        outside = _child(path)
        if (inside, outside) == ("kept out", "let in"):
            self.figures["locks"] = "keep another process out"
            return
        self.figures["locks"] = f"another process is {inside} while one is held, {outside} after"
        self.find("locks_do_not_exclude", self.figures["locks"])

    def timestamps(self) -> None:
        step_ns = self.step_ns = timestamp_step_ns(self.disk, f"{self.room}/written")
        if step_ns is None:
            self.figures["timestamps"] = f"no step in {GRANULARITY_S:g} seconds"
        else:
            self.figures["timestamps"] = f"steps of {step_ns / 1e6:.3f} ms"
        if step_ns is None or step_ns >= COARSE_NS:
            self.find("coarse_timestamps", self.figures["timestamps"])

    def syncs(self) -> None:
        times = []
        offered = True
        for _ in range(5):
            self.disk.append(f"{self.room}/synced", b"1")
            begun = time.perf_counter()
            offered = self.disk.sync_directory(self.room)
            times.append(time.perf_counter() - begun)
        typical = sorted(times)[len(times) // 2] * 1000
        self.figures["sync of a directory"] = f"{typical:.2f} ms" if offered else "not offered"
        if not offered:
            self.find("no_directory_sync", "a directory cannot be synced")

    def notifications(self) -> None:
        # Imported here: nobody else needs it.
        from nom_negotiate.store.files import noticing

        try:
            after = noticing.seconds_to_notice(
                self.room, lambda: self.disk.replace(f"{self.room}/noticed", b"1"), NOTICE_S
            )
        except OSError as error:
            # EMFILE, ENOSPC: the system has no more watches to give.
            self.figures["notifications"] = f"none: {_said(error)}"
        else:
            self.figures["notifications"] = (
                f"none in {NOTICE_S:g} seconds" if after is None else f"after {after * 1000:.1f} ms"
            )
        if self.figures["notifications"].startswith("none"):
            self.find("no_notifications", f"change notifications: {self.figures['notifications']}")

    def names(self) -> None:
        self.disk.append(f"{self.room}/case", b"1")
        differ = not os.path.lexists(f"{self.room}/CASE")
        self.figures["names"] = "differ by case" if differ else "do not differ by case"
        if not differ:
            self.find("case_insensitive", "names that differ in case only are the same here")


def timestamp_step_ns(disk: Disk, path: str) -> int | None:
    """Return the least step between the times that writing leaves; None where there was none."""
    disk.append(path, b"1")
    seen = [os.stat(path).st_mtime_ns]
    begun = time.monotonic()
    # Some milliseconds show a fine clock; a coarse one is waited for.
    while (spent := time.monotonic() - begun) < GRANULARITY_S:
        if len(seen) > 8 or (len(seen) > 1 and spent > 0.1):
            break
        disk.append(path, b"1")
        now = os.stat(path).st_mtime_ns
        if now != seen[-1]:
            seen.append(now)
    steps = [abs(later - earlier) for earlier, later in itertools.pairwise(seen)]
    return min(steps, default=None)


@contextmanager
def _started(script: str, path: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process of a few lines, and end it with the block; it has said its first word."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", "-S", "-c", script, path]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    with process:
        try:
            assert process.stdout is not None, "it is a pipe"
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def _child(path: str) -> str:
    """Return whether another process is let in, or kept out, or what it said instead."""
    command = [sys.executable, "-I", "-S", "-c", _LOCKER, path]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_S, check=False)
    except subprocess.TimeoutExpired:
        return "made to wait"
    return done.stdout.strip() or f"stopped by {done.stderr.strip()[-100:]!a}"


def _said(error: Exception) -> str:
    if isinstance(error, OSError):
        return store_error(error, "try it").message
    return getattr(error, "message", str(error))
