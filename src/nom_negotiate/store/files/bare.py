"""Bare file operations, to measure the product against, and a room to measure in.

Rules of the room:

- The disk is asked for what the product asks it for, and for nothing else: no records, no
  locks, no checks, no look at what others have written.
- It is made of the primitives of `Disk`, so that still nothing but `atomic` changes the disk.
- The room is a temporary directory, removed again. One that a kill leaves has a name that says
  what it is: a pass sweeps it where it lies in a data root, the next measurement in any case.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.errors import ConfigurationError, StoreError
from nom_negotiate.store.files import mending, syncing
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.layout import Layout

MARK: Final = "bench-"

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Bare(Disk):
    """What a change is made of, in the product's order, without what surrounds it there.

    With `durable=False` the same without any sync.
    """

    _mark = MARK

    def write(self, path: str, data: bytes) -> None:
        """Write a new file, synced; its name is not."""
        fd = self._open(path, _NEW)
        try:
            self._write(fd, data)
            self._sync(fd)
        finally:
            os.close(fd)

    def rename(self, source: str, target: str) -> None:
        """Rename; nothing is synced."""
        self._rename(source, target)

    def put(self, path: str, data: bytes) -> None:
        """Give a file its content: write, fsync, rename, fsync of the directory."""
        self.write(f"{path}.new", data)
        self._rename(f"{path}.new", path)
        self._sync_now(os.path.dirname(path))

    def add(self, path: str, data: bytes) -> None:
        """Create a file: write, fsync, link, unlink, fsync of the directory."""
        self.write(f"{path}.new", data)
        self._link(f"{path}.new", path)
        self._unlink(f"{path}.new")
        self._sync_now(os.path.dirname(path))

    def sync_file_system(self, path: str) -> bool:
        """Make durable all that was written to the file system; return False without syncfs."""
        if not syncing.is_offered():
            return False
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syncing.sync_file_system(fd)
        except OSError as error:
            # ENOSYS: an emulated kernel.
            if error.errno != errno.ENOSYS:
                raise
            return False
        finally:
            os.close(fd)
        return True


class Content(NamedTuple):
    """What the files of a negotiation hold."""

    state: bytes
    outcome: bytes
    transaction: bytes


class Pair(Bare):
    """Two parties' directories in which negotiations are bare files.

    Args:
        path: of a directory that is made here.
        content: what is written, whatever happens.
        durable: fsync files and directories.
    """

    def __init__(self, path: str, content: Content, *, durable: bool) -> None:
        super().__init__(durable=durable)
        self._content = content
        self._one, self._other = f"{path}/one", f"{path}/other"
        self.make_directory(path)
        for home in (self._one, self._other):
            self.make_directory(home)
            for part in ("active", "archive", "transactions"):
                self.make_directory(f"{home}/{part}")

    def start(self, name: str) -> None:
        """Make a directory with one state, and a link to it at the other party."""
        hidden = f"{self._one}/active/.{name}"
        self._symlink(f"../../one/active/{name}", f"{self._other}/active/{name}")
        self._sync_now(f"{self._other}/active")
        self._mkdir(hidden, 0o755)
        self.put(f"{hidden}/one.json", self._content.state)
        self._rename(hidden, f"{self._one}/active/{name}")
        self._sync_now(f"{self._one}/active")

    def answer(self, name: str) -> None:
        """Replace the other party's state."""
        self.put(f"{self._one}/active/{name}/other.json", self._content.state)

    def read(self, name: str) -> None:
        """Open and read both states."""
        read_each(f"{self._one}/active/{name}/{author}.json" for author in ("one", "other"))

    def settle(self, name: str) -> None:
        """Add an outcome and two transactions, and move the directory and its link away."""
        one, other = self._one, self._other
        self.add(f"{one}/active/{name}/outcome.json", self._content.outcome)
        for home in (one, other):
            self.add(f"{home}/transactions/{name}.json", self._content.transaction)
        self._symlink(f"../../one/archive/{name}", f"{other}/archive/{name}")
        self._sync_now(f"{other}/archive")
        self._rename(f"{one}/active/{name}", f"{one}/archive/{name}")
        self._sync_now(f"{one}/archive")
        self._sync_now(f"{one}/active")
        self._unlink(f"{other}/active/{name}")


def stat_each(paths: Iterable[str]) -> None:
    """Look at the status of each path, and at nothing else."""
    for path in paths:
        os.stat(path, follow_symlinks=False)


def read_each(paths: Iterable[str]) -> None:
    """Open and read each file, and make nothing of it."""
    for path in paths:
        fd = os.open(path, _READ)
        try:
            os.read(fd, MAX_RECORD_BYTES)
        finally:
            os.close(fd)


def files_in(directories: Iterable[str]) -> list[str]:
    """Return the paths of what is in each directory."""
    return [f"{path}/{name}" for path in directories for name in os.listdir(path)]


def place_of(root: str, *, planned: bool = False) -> str:
    """Return the directory, absolute, on whose file system a data root is.

    Args:
        root: of the data root.
        planned: where it is not there, take the directory that it would be made in.

    Raises:
        ConfigurationError: `unusable_root`, where there is no directory to measure in.
    """
    path = os.path.abspath(root)
    if os.path.isdir(path):
        return path
    if os.path.lexists(path):
        raise ConfigurationError("unusable_root", f"expected a directory, found a file: {path}")
    above = os.path.dirname(path)
    if planned and os.path.isdir(above):
        return above
    found = f"there is no directory at {path}" + (f", nor at {above}" if planned else "")
    raise ConfigurationError("unusable_root", found)


@contextmanager
def room(place: str) -> Iterator[str]:
    """Make a temporary directory in `place` for the block, and remove it with all in it.

    Raises:
        StoreError: what the disk says, of the block, too; `wrong_user` in another's data root.
    """
    disk = Bare(durable=False)
    with reported("measure here"):
        with suppress(PermissionError):
            # What another user's measurement has left is not ours to remove.
            mending.sweep(disk, place, f"{TEMPORARY}{MARK}")
        path = disk.temporary_directory(place)
        try:
            _check_owner(place, path)
            yield path
        finally:
            disk.remove_tree(path)


def _check_owner(place: str, path: str) -> None:
    """Refuse to leave, should this be killed, what would stop every pass of a data root."""
    layout = Layout(place)
    if not any(map(os.path.lexists, (layout.config, layout.teams))):
        return
    # Of what was made: a network mount may give it another owner than this process has.
    owner = os.stat(place).st_uid
    if os.stat(path).st_uid != owner:
        raise StoreError(
            "wrong_user",
            f"expected to measure as the owner of {place}, uid {owner}, who could not remove what"
            f" a kill of uid {os.geteuid()} leaves there",
        )
