"""A memory in the place of the disk: the file store's modules, with an `os` of their own.

While `installed` holds, every module of `store.files` works on a `MemoryOS`, with its clock, its
locks and its way to sync; nothing reaches the real disk.
"""

from __future__ import annotations

import functools
import os
import pkgutil
import posixpath
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tests.faults.memory_os import NOTHING, MemoryOS

import nom_negotiate.store.files
from nom_negotiate.store.files import atomic, locking, scancache, syncing


class MemoryLocks:
    """Locks of files in memory, each held by whoever took it until it lets go or dies.

    As in the kernel a lock is one of the inode, not of its name. The name of a lock file is
    durable at once: it says nothing, and would only double the worlds after a power cut.

    Args:
        holder: says who is asking.
        wait: called while another has the lock, with its path and how many seconds the asker
            would wait: may let others work. Returns whether to try again.
    """

    def __init__(
        self,
        holder: Callable[[], object] = lambda: NOTHING,
        wait: Callable[[str, float], bool] = lambda path, timeout_s: False,
    ) -> None:
        self.held: dict[int, object] = {}
        self._holder = holder
        self._wait = wait

    def died(self, holder: object) -> None:
        """Let go of what somebody held who is no more."""
        self.held = {inode: one for inode, one in self.held.items() if one is not holder}

    @contextmanager
    def exclusive(self, memory: MemoryOS, path: str, timeout_s: float) -> Iterator[bool]:
        """Hold the lock of a file during the block: see `locking.exclusive`."""
        while True:
            fd = memory.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            inode = memory.disk.fds[fd].inode
            place = memory.disk.find(path, follow=False)
            if place.name is not None:
                memory.disk.keep(place.directory, place.name)
            if inode not in self.held:
                break
            memory.close(fd)
            if not self._wait(path, timeout_s):
                yield False
                return
        self.held[inode] = holder = self._holder()
        try:
            yield True
        finally:
            if self.held.get(inode) is holder:
                del self.held[inode]
            if fd in memory.disk.fds:
                memory.close(fd)


class _Time:
    """`time`, of which the wall clock is that of the files."""

    def __init__(self, memory: MemoryOS) -> None:
        self._memory = memory

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time(self) -> float:
        return self._memory.disk.clock()

    def time_ns(self) -> int:
        return self._memory.disk.now_ns()


def modules_of_the_file_store() -> list[ModuleType]:
    """Return every module of `store.files`."""
    package = nom_negotiate.store.files
    names = [package.__name__]
    names += [m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    return [__import__(name, fromlist=["*"]) for name in names]


_MODULES: list[ModuleType] = []


@contextmanager
def installed(memory: MemoryOS, locks: MemoryLocks | None = None) -> Iterator[None]:
    """Let the file store work on `memory` during the block, in every module that it has."""
    if not _MODULES:
        _MODULES.extend(modules_of_the_file_store())
    if vars(atomic)["os"] is not os:
        raise RuntimeError("a memory is installed already")
    locks = MemoryLocks() if locks is None else locks
    real = locking.exclusive
    twins: list[tuple[object, object]] = [
        (os, memory),
        (posixpath, memory.path),
        (time, _Time(memory)),
        (real, functools.partial(locks.exclusive, memory)),
        (syncing.sync_file_system, memory.syncfs),
        (syncing.is_offered, lambda: True),
        (scancache.boot_id, lambda: f"boot-{memory.boot}"),
    ]
    replaced: list[tuple[ModuleType, str, object]] = []
    try:
        for module in _MODULES:
            for name, value in list(vars(module).items()):
                for original, twin in twins:
                    if value is original:
                        setattr(module, name, twin)
                        replaced.append((module, name, original))
        yield
    finally:
        for module, name, original in replaced:
            setattr(module, name, original)
