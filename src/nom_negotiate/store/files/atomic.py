"""Changes to the disk, each of them whole or not at all. Nothing else changes the disk.

How a file comes to be:

- `replace`: temporary file in the same directory, write, fsync, rename over, fsync of the
  directory. A reader sees the old bytes or the new ones.
- `create`: the same with a link instead of the rename. A name that is taken stays as it
  is, and the caller is told: of any number of creators exactly one wins.

What is promised: when a call returns, its change survives a power cut, provided the
device keeps what it has acknowledged (with `durable=False` nothing is promised of a power
cut). A crash in between leaves at most a temporary file, whose name starts with
`TEMPORARY`, never half a file under a name that anybody reads.

What is not promised: that several calls happen together. Their order is what callers
build on.
"""

from __future__ import annotations

import errno
import os
import secrets
from typing import Final

TEMPORARY: Final = ".tmp-"
FILE_MODE: Final = 0o644


class Disk:
    """The primitives that change the disk, and the few changes that are made of them.

    Args:
        durable: fsync files and directories.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.durable = durable

    # Changes

    def replace(self, path: str, data: bytes) -> None:
        """Give `path` the content `data`, whether or not it exists."""
        temporary = self._written(path, data)
        try:
            self._rename(temporary, path)
        except BaseException:
            self._discard(temporary)
            raise
        self._sync_directory(os.path.dirname(path))

    def create(self, path: str, data: bytes) -> bool:
        """Create `path` with the content `data`; return False where it exists already."""
        temporary = self._written(path, data)
        try:
            self._link(temporary, path)
        except FileExistsError:
            return False
        finally:
            self._discard(temporary)
        self._sync_directory(os.path.dirname(path))
        return True

    def append(self, path: str, data: bytes) -> None:
        """Append `data` in one write. Not durable: for logs."""
        fd = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self._write(fd, data)
        finally:
            os.close(fd)

    def make_directory(self, path: str, mode: int = 0o755) -> bool:
        """Create a directory; return False where there is one already."""
        try:
            self._mkdir(path, mode)
            new = True
        except FileExistsError:
            new = False
        # Also where another process made it: that one may not have synced it yet.
        self._sync_directory(os.path.dirname(path))
        return new

    def temporary_directory(self, parent: str) -> str:
        """Create a directory in `parent` that nobody reads yet, and return its path."""
        path = self._temporary(parent)
        self._mkdir(path, 0o755)
        return path

    def link_to(self, text: str, path: str) -> bool:
        """Create a symbolic link that says `text`; return False where the name is taken."""
        try:
            self._symlink(text, path)
        except FileExistsError:
            return False
        self._sync_directory(os.path.dirname(path))
        return True

    def move(self, source: str, target: str) -> None:
        """Rename within one file system, durable in both directories."""
        self._rename(source, target)
        self._sync_directory(os.path.dirname(target))
        if os.path.dirname(source) != os.path.dirname(target):
            self._sync_directory(os.path.dirname(source))

    def remove(self, path: str) -> None:
        """Unlink a file or a link; one that is gone already is fine."""
        try:
            self._unlink(path)
        except FileNotFoundError:
            return
        self._sync_directory(os.path.dirname(path))

    def remove_tree(self, path: str) -> None:
        """Remove a directory with the files in it, not descending into links."""
        with os.scandir(path) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                self.remove_tree(entry.path)
            else:
                self._unlink(entry.path)
        self._rmdir(path)
        self._sync_directory(os.path.dirname(path))

    # What they are made of

    def _written(self, path: str, data: bytes) -> str:
        """Return a temporary file beside `path` that holds `data`, synced."""
        temporary = self._temporary(os.path.dirname(path))
        fd = self._open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                self._write(fd, data)
                self._sync(fd)
            finally:
                os.close(fd)
        except BaseException:
            self._discard(temporary)
            raise
        return temporary

    def _temporary(self, directory: str) -> str:
        return f"{directory}/{TEMPORARY}{os.getpid()}-{secrets.token_hex(6)}"

    def _discard(self, temporary: str) -> None:
        try:
            self._unlink(temporary)
        except FileNotFoundError:
            # Renamed away: it is in its place.
            return

    def _open(self, path: str, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)

    def _write(self, fd: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            # A write to a full disk or at a size limit may be short; the next one says why.
            view = view[os.write(fd, view) :]

    def _sync(self, fd: int) -> None:
        if self.durable:
            os.fsync(fd)

    def _sync_directory(self, path: str) -> None:
        if not self.durable:
            return
        fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            # EINVAL: this file system does not sync directories, its renames are durable
            # in order (macOS network mounts, some FUSE systems).
            if error.errno != errno.EINVAL:
                raise
        finally:
            os.close(fd)

    def _rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def _link(self, source: str, target: str) -> None:
        os.link(source, target, follow_symlinks=False)

    def _symlink(self, text: str, path: str) -> None:
        os.symlink(text, path)

    def _unlink(self, path: str) -> None:
        os.unlink(path)

    def _mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)

    def _rmdir(self, path: str) -> None:
        os.rmdir(path)
