"""Changes to the disk, each of them whole or not at all. Nothing else changes the disk.

How a file comes to be:

- `replace`: temporary file in the same directory, write, fsync, rename over, fsync of the
  directory. A reader sees the old bytes or the new ones.
- `create`: the same with a link instead of the rename. A name that is taken stays as it
  is, and the caller is told: of any number of creators exactly one wins.

Both can be *guarded*: they happen only while something holds that was true when they were
prepared. The order makes it so: the temporary file is there before its author checks what
must hold; whoever changes what others may rely on calls `overtake` after the change, which
removes the guarded temporary files of that directory. Either the check sees the change, or
the rename (or link) finds its source gone, or it came first, and whoever made the change
finds the result when it looks. Nobody waits for anybody.

What is promised: when a call returns, its change survives a power cut, provided the
device keeps what it has acknowledged (with `durable=False` nothing is promised of a power
cut). A crash in between leaves at most a temporary file, whose name starts with
`TEMPORARY`, never half a file under a name that anybody reads.

What is not promised: that several calls happen together. Their order is what callers
build on.
"""

from __future__ import annotations

import copy
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from nom_negotiate.store.files import syncing

TEMPORARY: Final = ".tmp-"
GUARDED: Final = f"{TEMPORARY}guarded-"
FILE_MODE: Final = 0o644
DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_lock(path: str) -> int:
    """Open a lock file, which is made where there is none. Not durable: it says nothing."""
    return os.open(
        path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, FILE_MODE
    )


def _parent(path: str) -> str:
    """Return the directory of a path, in a fifth of the time of `os.path.dirname`."""
    return path.rpartition("/")[0] or os.path.dirname(path)


class Overtaken(Exception):
    """Tell that a guarded change was not made: what it relied on no longer holds."""


class Disk:
    """The primitives that change the disk, and the few changes that are made of them.

    Args:
        durable: fsync files and directories.

    Attributes:
        file_mode: what every new file gets, whatever the umask; None to leave it to the umask.
        rooms: those that were looked at and need no look any more; None to look each time. For
            many changes in one go: a pass of the poller, which looks at each party's once.
    """

    file_mode: int | None = None
    rooms: set[str] | None = None
    # What a batch has of its own: see `batch` and `together`.
    _mark: str = ""
    _shared: int | None = None
    _ahead: syncing.Ahead | None = None
    _temporary_name: str | None = None
    _later: set[str] | None = None
    _doomed: list[str] | None = None

    def __init__(self, *, durable: bool = True) -> None:
        self.durable = durable

    @contextmanager
    def batch(self, mark: str) -> Iterator[Disk]:
        """Yield a disk for many changes whose directories are synced once, at the end.

        What is changed through it is durable when the block has ended, and not before; the
        content of a file is durable before its name is there, as ever. What it removes as a
        tree goes after that: until a directory has durably left its place, it stays whole.

        Args:
            mark: begins its temporary names, so that whoever made them knows them again.
        """
        later: set[str] = set()
        doomed: list[str] = []
        batch = copy.copy(self)
        batch._mark, batch._later, batch._doomed = mark, later, doomed
        yield batch
        self._confirm_all(later)
        for path in doomed:
            self._empty(path)
            self._rmdir(path)
        self._confirm_all({os.path.dirname(path) for path in doomed})

    @contextmanager
    def together(self, root: str) -> Iterator[Disk]:
        """Yield a disk for many changes that share barriers.

        What is changed through it is durable when `barrier` has been called after it, content
        and names, and not before; a power cut before that may leave a name without its content.
        Where the system has no such barrier, or it would not tell of an error, each change is
        synced by itself.

        Args:
            root: a directory of the file system in which all of it lies.
        """
        together = copy.copy(self)
        together.rooms = set()
        together._temporary_name = os.path.basename(self._temporary(root))
        if not self.durable or not syncing.is_offered():
            yield together
            return
        # Open from now on: only so does a barrier tell of what could not be written meanwhile.
        together._shared = os.open(root, DIRECTORY)
        try:
            with self._writing_ahead(root) as together._ahead:
                yield together
        finally:
            os.close(together._shared)

    @contextmanager
    def _writing_ahead(self, root: str) -> Iterator[syncing.Ahead]:
        fd = os.open(root, DIRECTORY)
        ahead = syncing.Ahead(fd)
        try:
            yield ahead
        finally:
            ahead.end()
            os.close(fd)

    def barrier(self) -> None:
        """Make durable what was changed `together`; each other change is already."""
        if self._shared is not None:
            self._sync_all(self._shared)
        if self._ahead is not None:
            self._ahead.end()

    def _confirm_all(self, directories: set[str]) -> None:
        for path in sorted(directories):
            # One that has been moved or removed since was synced before, or is no matter.
            self.confirm(path)

    # Changes

    def replace(self, path: str, data: bytes, holds: Callable[[], bool] | None = None) -> None:
        """Give `path` the content `data`, whether or not it exists.

        Args:
            path: of a file.
            data: its content.
            holds: guards the change; asked once the temporary file is there.

        Raises:
            Overtaken: where the guard does not hold.
        """
        directory = os.path.dirname(path)
        temporary = self._written(directory, data, guarded=holds is not None)
        try:
            if holds is not None and not holds():
                raise Overtaken
            self._rename(temporary, path)
        except BaseException as error:
            # Whatever ends it, an interrupt, too, goes on to the caller.
            self._discard(temporary)
            if holds is not None and isinstance(error, FileNotFoundError):
                raise Overtaken from None
            raise
        if holds is None:
            self._sync_directory(directory)
        else:
            # It may have been concluded and archived since. That is no failure of this change:
            # an outcome that follows from it was synced in this directory after it.
            self.confirm(directory)

    def create(self, path: str, data: bytes, holds: Callable[[], bool] | None = None) -> bool:
        """Create `path` with the content `data`; return False where it exists already.

        What exists is durable, too, when this returns, whoever created it.

        Args:
            path: of a file.
            data: its content.
            holds: guards the change; asked once the temporary file is there.

        Raises:
            Overtaken: where the guard does not hold.
        """
        directory = _parent(path)
        temporary = self._written(directory, data, guarded=holds is not None)
        try:
            if holds is not None and not holds():
                raise Overtaken
            self._link(temporary, path)
            new = True
        except FileExistsError:
            new = False
        except FileNotFoundError:
            if holds is not None:
                raise Overtaken from None
            raise
        finally:
            self._discard(temporary)
        self._sync_directory(directory)
        if self._ahead is not None:
            self._ahead.changed()
        return new

    def overtake(self, directory: str) -> None:
        """Void the guarded changes in `directory` that rely on what stood before this call."""
        self._remove_temporaries(directory, GUARDED)

    def clear(self, directory: str) -> None:
        """Remove every temporary file in a directory that nobody has a reason to write to."""
        self._remove_temporaries(directory, TEMPORARY)

    def confirm_file(self, path: str) -> None:
        """Make durable what somebody else has written in a file, if it is still there."""
        with suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                self._sync(fd)
            finally:
                os.close(fd)

    def confirm(self, directory: str) -> None:
        """Make durable what somebody else has placed in `directory`, if it is still there."""
        try:
            self._sync_directory(directory)
        except FileNotFoundError:
            return

    def sync_directory(self, path: str) -> bool:
        """Make durable what was placed in a directory; return False where that is not offered."""
        fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            # EINVAL: this file system does not sync directories, its renames are durable
            # in order (macOS network mounts, some FUSE systems).
            if error.errno != errno.EINVAL:
                raise
            return False
        finally:
            os.close(fd)
        return True

    # Hints: whole or lost, never durable

    def leave_hint(self, path: str) -> None:
        """Make sure that there is a file."""
        # Not waiting: somebody may have put a FIFO there.
        os.close(self._open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK))

    def discard(self, path: str) -> None:
        """Unlink a file.

        Raises:
            FileNotFoundError: where it is gone already.
        """
        self._unlink(path)

    def replace_hint(self, path: str, data: bytes, more: Iterable[bytes] = ()) -> None:
        """Give `path` the content `data`, and `more` after it, which is made part by part.

        A reader finds the old content or the new one.
        """
        hint = copy.copy(self)
        hint.durable = False
        temporary = hint._written(os.path.dirname(path), data)
        try:
            for part in more:
                hint.append(temporary, part)
            hint._rename(temporary, path)
        except BaseException:
            # A full disk, an interrupt: it goes on to the caller.
            hint._discard(temporary)
            raise

    def cut(self, path: str, size: int, data: bytes = b"") -> None:
        """Let a file end at `size`, and then with `data`. A crash may leave a part of it."""
        fd = self._open(path, os.O_WRONLY)
        try:
            os.ftruncate(fd, size)
            os.lseek(fd, size, os.SEEK_SET)
            self._write(fd, data)
        finally:
            os.close(fd)

    def overwrite(self, path: str, begin: int, data: bytes) -> None:
        """Put `data` in the place of as many bytes of a file."""
        fd = self._open(path, os.O_WRONLY)
        try:
            os.lseek(fd, begin, os.SEEK_SET)
            self._write(fd, data)
        finally:
            os.close(fd)

    def append(self, path: str, data: bytes) -> None:
        """Append `data` in one write. Not durable: for logs."""
        fd = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self._write(fd, data)
        finally:
            os.close(fd)

    def append_durable(self, path: str, data: bytes) -> None:
        """Append `data` in one write, synced when this returns: for journals.

        A crash in between may leave a beginning of it.
        """
        fd = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            self._write(fd, data)
            self._sync(fd)
        finally:
            os.close(fd)
        self._sync_directory(os.path.dirname(path))

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
            new = True
        except FileExistsError:
            new = False
        # Also where another process made it: that one may not have synced it yet.
        self._sync_directory(_parent(path))
        return new

    def replace_link(self, text: str, path: str) -> None:
        """Let the symbolic link `path` say `text`; a reader finds the old one or the new one."""
        temporary = self._temporary(os.path.dirname(path))
        self._symlink(text, temporary)
        try:
            self._rename(temporary, path)
        except BaseException:
            # Whatever ends it, an interrupt, too, goes on to the caller: nothing is left over.
            self._discard(temporary)
            raise
        self._sync_directory(os.path.dirname(path))

    def move(self, source: str, target: str) -> None:
        """Rename within one file system, durable in both directories."""
        if self._later is not None and source in self._later:
            # A directory of this batch: whole before anybody finds it under its name.
            self._later.discard(source)
            self._sync_now(source)
        self._rename(source, target)
        before, after = _parent(source), _parent(target)
        self._sync_directory(after)
        if before != after:
            self._sync_directory(before)

    def hide(self, path: str) -> str:
        """Move a file or a directory to a temporary name beside it, and return that.

        Raises:
            FileNotFoundError: where it is gone already.
        """
        hidden = self._temporary(os.path.dirname(path))
        self.move(path, hidden)
        return hidden

    def put_back(self, hidden: str, path: str) -> bool:
        """Give a hidden file its name back; return False where the name is taken by now.

        It is not hidden any more afterwards.
        """
        try:
            self._link(hidden, path)
            free = True
        except FileExistsError:
            free = False
        self._sync_directory(os.path.dirname(path))
        self._discard(hidden)
        return free

    def remove(self, path: str) -> None:
        """Unlink a file or a link; one that is gone already is fine."""
        with suppress(FileNotFoundError):
            self._unlink(path)
        # Also where it was gone: whoever removed it may not have synced that yet.
        self.confirm(os.path.dirname(path))

    def drop(self, path: str) -> None:
        """Unlink a file or a link; a power cut may bring it back, for a sweep to find."""
        with suppress(FileNotFoundError):
            self._unlink(path)

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory; one that is gone already is fine."""
        with suppress(FileNotFoundError):
            self._rmdir(path)
        self.confirm(os.path.dirname(path))

    def set_mode(self, path: str, mode: int) -> None:
        """Change the mode of a directory or a file. A power cut may undo it."""
        self._chmod(path, mode)

    def give(self, path: str, uid: int, gid: int, mode: int) -> None:
        """Change owner, group and mode of a file or a directory that is no link."""
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._chown(fd, uid, gid)
            # After the owner: a change of owner clears setgid.
            self._chmod(fd, mode)
            self._sync(fd)
        finally:
            os.close(fd)

    def remove_tree(self, path: str) -> None:
        """Remove a directory with all that is in it, not descending into links.

        It goes by open directories: whoever exchanges one for a link meanwhile does not make
        this reach what the link leads to.
        """
        if self._doomed is not None:
            self._doomed.append(path)
            return
        self._empty(path)
        self._rmdir(path)
        self._sync_directory(os.path.dirname(path))

    def remove_left_over(self, path: str) -> None:
        """Remove a temporary directory whose writer may yet wake up.

        It is taken away from its writer first: one that renames it to its name in the middle
        of this would have a directory out of which the files go. And durably: it may have been
        hidden by one who did not come to syncing that, and a power cut would put it back.
        """
        taken = self._temporary(os.path.dirname(path))
        self.move(path, taken)
        self.remove_tree(taken)

    def _empty(self, path: str, parent: int | None = None) -> None:
        directory = os.open(path, DIRECTORY, dir_fd=parent)
        try:
            for name in os.listdir(directory):
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    self._empty(name, directory)
                    self._rmdir(name, directory)
                else:
                    self._unlink(name, directory)
        finally:
            os.close(directory)

    # What they are made of

    def _remove_temporaries(self, directory: str, prefix: str) -> None:
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            # It was moved away: nothing can be finished under this name.
            return
        for name in names:
            if name.startswith(prefix):
                self._discard(f"{directory}/{name}")

    def _written(self, directory: str, data: bytes, *, guarded: bool = False) -> str:
        """Return a temporary file in `directory` that holds `data`, synced."""
        if guarded or self._temporary_name is None:
            temporary = self._temporary(directory, GUARDED if guarded else TEMPORARY)
        else:
            # One at a time: the same name each time costs a sixth less than another one.
            temporary = f"{directory}/{self._temporary_name}"
        try:
            fd = self._open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            if self._temporary_name is None:
                raise
            # It could not be removed the last time: whoever sweeps may.
            temporary = self._temporary(directory)
            fd = self._open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            try:
                if self.file_mode is not None:
                    self._chmod(fd, self.file_mode)
                self._write(fd, data)
                self._sync(fd)
            finally:
                os.close(fd)
        except BaseException:
            # A full disk, an I/O error, an interrupt: it goes on to the caller.
            self._discard(temporary)
            raise
        return temporary

    def _temporary(self, directory: str, prefix: str = TEMPORARY) -> str:
        return f"{directory}/{prefix}{self._mark}{os.getpid()}-{os.urandom(6).hex()}"

    def _discard(self, temporary: str) -> None:
        try:
            self._unlink(temporary)
        except FileNotFoundError:
            # Renamed away, so that it is in its place; or overtaken.
            return
        except IsADirectoryError:
            # Somebody made a directory of such a name: it is swept when it is old.
            return
        except PermissionError:
            # EPERM: in a sticky directory another's temporary file is not ours to remove.
            # EACCES: it was frozen meanwhile; whoever froze it clears it.
            return

    def _open(self, path: str, flags: int) -> int:
        # From its birth on nobody may read what is to be private: the power may fail before the
        # mode that it gets afterwards is on the disk.
        mode = FILE_MODE if self.file_mode is None else FILE_MODE & self.file_mode
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def _write(self, fd: int, data: bytes) -> None:
        written = os.write(fd, data) if data else 0
        while written < len(data):
            # A write to a full disk or at a size limit may be short; the next one says why.
            written += os.write(fd, memoryview(data)[written:])

    def _sync(self, fd: int) -> None:
        if self.durable and self._shared is None:
            os.fsync(fd)

    def _sync_all(self, fd: int) -> None:
        syncing.sync_file_system(fd)

    def _sync_directory(self, path: str) -> None:
        if self._later is not None:
            self._later.add(path)
        else:
            self._sync_now(path)

    def _sync_now(self, path: str) -> None:
        if self.durable and self._shared is None:
            self.sync_directory(path)

    def _rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def _link(self, source: str, target: str) -> None:
        os.link(source, target, follow_symlinks=False)

    def _symlink(self, text: str, path: str) -> None:
        os.symlink(text, path)

    def _unlink(self, path: str, directory: int | None = None) -> None:
        os.unlink(path, dir_fd=directory)

    def _mkdir(self, path: str, mode: int) -> None:
        os.mkdir(path, mode)

    def _rmdir(self, path: str, directory: int | None = None) -> None:
        os.rmdir(path, dir_fd=directory)

    def _chmod(self, path: str | int, mode: int) -> None:
        os.chmod(path, mode)

    def _chown(self, fd: int, uid: int, gid: int) -> None:
        os.chown(fd, uid, gid)
