"""An `os` whose files are in memory, for stopping a program at each of its steps.

What `store/files` uses of `os` is here, with the semantics and the errnos of Linux
(`test_memory_os` compares it with the real one). Constants and functions of strings are the
real ones; whatever else is asked for is refused, so that nothing strays to the real disk.

Each primitive tells `step` before and after it happens, a write in its middle, too. What
`step` raises ends the program there; it may as well switch to another greenlet. `power` says
what is left when the power fails.

Modes and owners are kept, not enforced. Paths are absolute, or below a directory descriptor.
"""

from __future__ import annotations

import copy
import errno
import functools
import io
import os
import posixpath
import stat
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final, NamedTuple, TypeVar, cast

from tests.faults.memory_disk import (
    ROOT,
    Attributes,
    Descriptor,
    Inode,
    MemoryDisk,
    Place,
    Slot,
    refusal,
)

__all__ = [
    "HOME",
    "MemoryOS",
    "Status",
    "Step",
]

HOME: Final = "/memory"
"""A directory that is there from the beginning."""

Tree = dict[str, bytes | str | None]

PASSED_ON: Final = frozenset(
    {
        *("PathLike", "DirEntry", "stat_result", "error", "sep", "curdir", "pardir", "linesep"),
        *("fspath", "fsencode", "fsdecode", "strerror", "urandom", "environ", "name"),
        *("supports_dir_fd", "cpu_count"),
    }
)
PURE_PATHS: Final = frozenset(
    {
        *("dirname", "basename", "join", "split", "splitext", "normpath", "relpath", "isabs"),
        *("abspath", "commonpath", "commonprefix", "normcase", "samestat", "sep"),
    }
)
NOTHING: Final = "nothing"

F = TypeVar("F", bound=Callable[..., Any])


class NotInMemory(AssertionError):
    """Something was asked of the system that must not stray to the real disk."""


class Step(NamedTuple):
    """One primitive.

    Attributes:
        number: counts all of them, those that only look, too.
        name: as in `os`.
        arguments: as given.
        changes: whether it may change the disk, or what of it is durable.
        when: `before`, `after`, and for a write `middle`: half of it is there.
    """

    number: int
    name: str
    arguments: tuple[Any, ...]
    changes: bool
    when: str

    def __str__(self) -> str:
        shown = ", ".join(
            f"<{len(a)} bytes>" if isinstance(a, bytes | memoryview) else repr(a)
            for a in self.arguments
        )
        return f"{self.when} {self.name}({shown})"


def _primitive(*, changes: bool) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        name = function.__name__.rstrip("_")

        @functools.wraps(function)
        def stepped(self: MemoryOS, *args: Any, **options: Any) -> Any:
            if changes and self.delays is not None:
                return self._in_another_order(stepped, *args, **options)
            if self.step is None:
                return function(self, *args, **options)
            shown = (*args, *options.values()) if options else args
            number = self._before(name, shown, changes)
            try:
                found = function(self, *args, **options)
            except OSError:
                self._tell(number, name, shown, changes, "after")
                raise
            self._tell(number, name, shown, changes, "after")
            return found

        return cast(F, stepped)

    return decorate


class Status:
    """What `stat` returns, as far as it is used."""

    __slots__ = (
        *("st_mode", "st_ino", "st_dev", "st_nlink", "st_uid", "st_gid", "st_size"),
        *("st_mtime_ns", "st_ctime_ns"),
    )

    def __init__(self, inode: Inode) -> None:
        self.st_mode = inode.kind | inode.attributes.mode
        self.st_ino = inode.number
        self.st_dev = 1
        self.st_nlink = inode.links
        if inode.kind == stat.S_IFDIR and inode.links:
            self.st_nlink = 2
        self.st_uid = inode.attributes.uid
        self.st_gid = inode.attributes.gid
        self.st_size = 4096 if inode.kind == stat.S_IFDIR else len(inode.content)
        self.st_mtime_ns = inode.mtime_ns
        self.st_ctime_ns = inode.ctime_ns

    @property
    def st_mtime(self) -> float:
        return self.st_mtime_ns / 1_000_000_000

    @property
    def st_ctime(self) -> float:
        return self.st_ctime_ns / 1_000_000_000

    st_atime = st_mtime


class Entry:
    """What `scandir` yields; its kind is that of the moment of the scan."""

    __slots__ = ("_fd", "_kind", "_number", "_os", "name", "path")

    def __init__(self, os_: MemoryOS, name: str, path: str, inode: Inode, fd: int | None) -> None:
        self._os = os_
        self._fd = fd
        self._kind = inode.kind
        self._number = inode.number
        self.name = name
        self.path = path

    def __fspath__(self) -> str:
        return self.path

    def inode(self) -> int:
        return self._number

    def is_symlink(self) -> bool:
        return self._kind == stat.S_IFLNK

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_IFDIR, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_IFREG, follow_symlinks)

    def _is(self, kind: int, follow: bool) -> bool:
        if follow and self._kind == stat.S_IFLNK:
            try:
                return stat.S_IFMT(self.stat().st_mode) == kind
            except FileNotFoundError:
                return False
        return self._kind == kind

    def stat(self, *, follow_symlinks: bool = True) -> Status:
        return self._os.stat(self.path, dir_fd=self._fd, follow_symlinks=follow_symlinks)


class _Scan:
    def __init__(self, entries: list[Entry]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[Entry]:
        return self._entries

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> _Scan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


class _Raw(io.RawIOBase):
    """A file object over a descriptor."""

    def __init__(self, os_: MemoryOS, fd: int) -> None:
        self._os = os_
        self._fd = fd

    def readable(self) -> bool:
        return self._os.disk.fds[self._fd].flags & os.O_ACCMODE in (os.O_RDONLY, os.O_RDWR)

    def writable(self) -> bool:
        return self._os.disk.fds[self._fd].flags & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def readinto(self, buffer: Any) -> int:
        data = self._os.read(self._fd, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        return self._os.write(self._fd, data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._os.lseek(self._fd, offset, whence)

    def close(self) -> None:
        if not self.closed:
            super().close()
            if self._fd in self._os.disk.fds:
                self._os.close(self._fd)


class _Paths:
    """What `os.path` offers."""

    def __init__(self, os_: MemoryOS) -> None:
        self._os = os_

    def __getattr__(self, name: str) -> Any:
        if name in PURE_PATHS:
            return getattr(posixpath, name)
        raise NotInMemory(f"os.path.{name} over memory")

    def _mode(self, path: Any, *, follow: bool = True) -> int:
        try:
            return self._os.stat(path, follow_symlinks=follow).st_mode
        except (OSError, ValueError):
            return 0

    def lexists(self, path: Any) -> bool:
        return self._mode(path, follow=False) != 0

    def exists(self, path: Any) -> bool:
        return self._mode(path) != 0

    def isdir(self, path: Any) -> bool:
        return stat.S_ISDIR(self._mode(path))

    def isfile(self, path: Any) -> bool:
        return stat.S_ISREG(self._mode(path))

    def islink(self, path: Any) -> bool:
        return stat.S_ISLNK(self._mode(path, follow=False))

    def getsize(self, path: Any) -> int:
        return self._os.stat(path).st_size

    def getmtime(self, path: Any) -> float:
        return self._os.stat(path).st_mtime


class MemoryOS:
    """What `os` offers as far as `store/files` uses it.

    Args:
        clock: returns unix seconds, for the times of files.
        disk: what it is over; a new one by default.

    Attributes:
        step: told before and after each primitive; None to be told nothing.
        delays: asked at each change of a name and each fsync, with the path, whether it is done
            only after the next one; None where all are done in order.
        forgets: asked at each fsync, with the path, whether it is forgotten; None where none
            is. A fork forgets nothing.
        steps: how many there were while somebody was told.
        pid: what `getpid` returns.
        uid: of whoever is at work; 0 at first. Owns what is made.
        tokens: how many random names were given; they are the same in each run.
    """

    step: Callable[[Step], object] | None = None
    forgets: Callable[[str], bool] | None = None
    delays: Callable[[str], bool] | None = None
    _due: Callable[[], object] | None = None

    def __init__(
        self, clock: Callable[[], float] = time.time, *, disk: MemoryDisk | None = None
    ) -> None:
        self.path = _Paths(self)
        self.steps = 0
        self.pid = 4711
        self.uid = 0
        self.tokens = 0
        self.boot = 1
        self.umask_ = 0o022
        if disk is None:
            disk = MemoryDisk(clock)
            self.disk = disk
            self.mkdir(HOME)
            disk.sync(ROOT)
        self.disk = disk

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("O_", "F_", "R_", "W_", "X_", "SEEK_", "EX_")) or name in PASSED_ON:
            return getattr(os, name)
        raise NotInMemory(f"os.{name} over memory")

    # Crashes

    def fork(self) -> MemoryOS:
        """Return an independent copy, in which nobody is told anything."""
        return self.over(self.disk.fork())

    def over(self, disk: MemoryDisk) -> MemoryOS:
        """Return one like this, over another disk."""
        twin = MemoryOS(disk=disk)
        twin.steps, twin.tokens, twin.boot = self.steps, self.tokens, self.boot
        twin.pid, twin.uid, twin.umask_ = self.pid, self.uid, self.umask_
        return twin

    def close_all(self) -> None:
        """Close what is open, as the end of a process does."""
        for fd in list(self.disk.fds):
            self._closed(fd)

    def worlds(self, rng: Random, limit: int) -> Iterator[MemoryOS]:
        """Yield what a power cut may leave: all of it, or where that is more, a sample.

        See `power`, where `power.worlds` says which of the two it was.
        """
        # Imported here: it is of no use to whoever cuts no power.
        from tests.faults.power import worlds

        yield from worlds(self, rng, limit).all

    def tree(self) -> Tree:
        """Return what lies below HOME: bytes of files, texts of links, None for directories."""
        found: Tree = {}
        home = self.disk.inodes[ROOT].entries[HOME[1:]]
        self._gather(home, "", found)
        return found

    def _gather(self, directory: int, prefix: str, found: Tree) -> None:
        inodes = self.disk.inodes
        for name, id_ in sorted(inodes[directory].entries.items()):
            inode = inodes[id_]
            path = prefix + name
            if inode.kind == stat.S_IFDIR:
                found[path] = None
                self._gather(id_, f"{path}/", found)
            elif inode.kind == stat.S_IFLNK:
                found[path] = os.fsdecode(inode.content)
            else:
                found[path] = inode.content

    def _before(self, name: str, arguments: tuple[Any, ...], changes: bool) -> int:
        self.steps += 1
        number = self.steps
        self._tell(number, name, arguments, changes, "before")
        return number

    def _tell(
        self, number: int, name: str, arguments: tuple[Any, ...], changes: bool, when: str
    ) -> None:
        if self.step is not None:
            self.step(Step(number, name, arguments, changes, when))

    def _in_another_order(self, change: Callable[..., Any], *args: Any, **options: Any) -> Any:
        delays, due = self.delays, self._due
        assert delays is not None
        path = self._fd(args[0]).path if isinstance(args[0], int) else os.fsdecode(args[0])
        if due is None and delays(path):
            if change.__name__ == "fsync":
                # The program will have closed it by then.
                self.disk.last_fd += 1
                self.disk.fds[self.disk.last_fd] = copy.copy(self._fd(args[0]))
                args = (self.disk.last_fd,)
            self._due = functools.partial(change, self, *args, **options)
            return None
        self._due = self.delays = None
        try:
            found = change(self, *args, **options)
            if due is not None:
                due()
        finally:
            self.delays = delays
        return found

    # Processes

    def getpid(self) -> int:
        return self.pid

    def geteuid(self) -> int:
        return self.uid

    getuid = getegid = getgid = geteuid

    def urandom(self, count: int) -> bytes:
        """Return random bytes that can be told in advance."""
        self.tokens += 1
        return self.tokens.to_bytes(count, "big")

    # Descriptors

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        changes = bool(flags & (os.O_CREAT | os.O_TRUNC))
        if self.step is None:
            return self._open(path, flags, mode, dir_fd)
        number = self._before("open", (path, flags), changes)
        try:
            fd = self._open(path, flags, mode, dir_fd)
        except OSError:
            self._tell(number, "open", (path, flags), changes, "after")
            raise
        self._tell(number, "open", (path, flags), changes, "after")
        return fd

    def _open(self, given: Any, flags: int, mode: int, dir_fd: int | None) -> int:
        path = os.fsdecode(given)
        exclusive = bool(flags & os.O_CREAT and flags & os.O_EXCL)
        follow = not (flags & os.O_NOFOLLOW or exclusive)
        place = self._find(path, dir_fd, follow=follow)
        if place.inode is None:
            if not flags & os.O_CREAT:
                raise refusal(errno.ENOENT, path)
            self._check_room(place, path)
            id_ = self._create(place, stat.S_IFREG, mode & ~self.umask_)
        else:
            id_ = place.inode
            self._check_open(self.disk.inodes[id_], flags, path, exclusive)
            if flags & os.O_TRUNC and self.disk.inodes[id_].content:
                self._write_content(id_, b"")
        self.disk.last_fd += 1
        self.disk.fds[self.disk.last_fd] = Descriptor(id_, flags, path)
        return self.disk.last_fd

    def _check_open(self, inode: Inode, flags: int, path: str, exclusive: bool) -> None:
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        if exclusive:
            raise refusal(errno.EEXIST, path)
        if inode.kind == stat.S_IFLNK:
            raise refusal(errno.ENOTDIR if flags & os.O_DIRECTORY else errno.ELOOP, path)
        if inode.kind == stat.S_IFDIR and (writes or flags & (os.O_CREAT | os.O_TRUNC)):
            raise refusal(errno.EISDIR, path)
        if inode.kind != stat.S_IFDIR and flags & os.O_DIRECTORY:
            raise refusal(errno.ENOTDIR, path)

    @_primitive(changes=False)
    def close(self, fd: int) -> None:
        self._fd(fd)
        self._closed(fd)

    def _closed(self, fd: int) -> None:
        id_ = self.disk.fds.pop(fd).inode
        self.disk.let_go(id_)

    @_primitive(changes=False)
    def read(self, fd: int, length: int) -> bytes:
        open_ = self._fd(fd)
        inode = self.disk.inodes[open_.inode]
        if open_.flags & os.O_ACCMODE == os.O_WRONLY:
            raise refusal(errno.EBADF)
        if inode.kind == stat.S_IFDIR:
            raise refusal(errno.EISDIR)
        data = inode.content[open_.offset : open_.offset + length]
        open_.offset += len(data)
        return data

    @_primitive(changes=False)
    def pread(self, fd: int, length: int, offset: int) -> bytes:
        open_ = self._fd(fd)
        if open_.flags & os.O_ACCMODE == os.O_WRONLY:
            raise refusal(errno.EBADF)
        inode = self.disk.inodes[open_.inode]
        if inode.kind == stat.S_IFDIR:
            raise refusal(errno.EISDIR)
        if offset < 0:
            raise refusal(errno.EINVAL)
        return inode.content[offset : offset + length]

    def write(self, fd: int, data: Any) -> int:
        data = bytes(data)
        if self.step is None:
            return self._write(fd, data)
        number = self._before("write", (fd, data), True)
        half = len(data) // 2
        if half:
            self._write(fd, data[:half])
            self._tell(number, "write", (fd, data), True, "middle")
        self._write(fd, data[half:])
        self._tell(number, "write", (fd, data), True, "after")
        return len(data)

    def _write(self, fd: int, data: bytes) -> int:
        open_ = self._fd(fd)
        if open_.flags & os.O_ACCMODE == os.O_RDONLY:
            raise refusal(errno.EBADF)
        content = self.disk.inodes[open_.inode].content
        at = len(content) if open_.flags & os.O_APPEND else open_.offset
        if data:
            hole = b"\0" * (at - len(content))
            self._write_content(open_.inode, content[:at] + hole + data + content[at + len(data) :])
        open_.offset = at + len(data)
        return len(data)

    def _write_content(self, id_: int, content: bytes) -> None:
        inode = self.disk.edit(id_)
        inode.content = content
        inode.mtime_ns = inode.ctime_ns = self.disk.now_ns()

    @_primitive(changes=False)
    def lseek(self, fd: int, offset: int, whence: int = 0) -> int:
        open_ = self._fd(fd)
        base = {0: 0, 1: open_.offset, 2: len(self.disk.inodes[open_.inode].content)}[whence]
        if base + offset < 0:
            raise refusal(errno.EINVAL)
        open_.offset = base + offset
        return open_.offset

    def fdopen(self, fd: int, mode: str = "r", buffering: int = -1) -> Any:
        self._fd(fd)
        raw = _Raw(self, fd)
        if "b" not in mode:
            raise NotInMemory("fdopen of text over memory")
        if buffering == 0:
            return raw
        if "+" in mode:
            return io.BufferedRandom(raw)
        return io.BufferedReader(raw) if mode == "rb" else io.BufferedWriter(raw)

    @_primitive(changes=True)
    def fsync(self, fd: int) -> None:
        inode = self._fd(fd).inode
        if self.forgets is None or not self.forgets(self._fd(fd).path):
            self.disk.sync(inode)

    fdatasync = fsync

    @_primitive(changes=True)
    def syncfs(self, fd: int) -> None:
        if self.forgets is None or not self.forgets(self._fd(fd).path):
            for id_ in list(self.disk.inodes):
                self.disk.sync(id_)

    @_primitive(changes=True)
    def sync(self) -> None:
        for id_ in list(self.disk.inodes):
            self.disk.sync(id_)

    @_primitive(changes=True)
    def ftruncate(self, fd: int, length: int) -> None:
        open_ = self._fd(fd)
        if open_.flags & os.O_ACCMODE == os.O_RDONLY:
            raise refusal(errno.EINVAL)
        self._truncated(open_.inode, length)

    @_primitive(changes=True)
    def truncate(self, path: Any, length: int) -> None:
        if isinstance(path, int):
            self._truncated(self._fd(path).inode, length)
            return
        id_ = self._existing(path, None)
        if self.disk.inodes[id_].kind == stat.S_IFDIR:
            raise refusal(errno.EISDIR, path)
        self._truncated(id_, length)

    def _truncated(self, id_: int, length: int) -> None:
        content = self.disk.inodes[id_].content
        self._write_content(id_, content[:length].ljust(length, b"\0"))

    # Looking

    @_primitive(changes=False)
    def stat(self, path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> Status:
        if isinstance(path, int):
            return Status(self.disk.inodes[self._fd(path).inode])
        return Status(self.disk.inodes[self._existing(path, dir_fd, follow=follow_symlinks)])

    def lstat(self, path: Any, *, dir_fd: int | None = None) -> Status:
        return self.stat(path, dir_fd=dir_fd, follow_symlinks=False)

    def access(self, path: Any, mode: int) -> bool:
        """Return whether there is anything: no rights are enforced here."""
        try:
            self.stat(path)
        except OSError:
            return False
        return True

    @_primitive(changes=False)
    def fstat(self, fd: int) -> Status:
        return Status(self.disk.inodes[self._fd(fd).inode])

    @_primitive(changes=False)
    def listdir(self, path: Any) -> list[str]:
        return list(self.disk.inodes[self._directory(path)].entries)

    @_primitive(changes=False)
    def scandir(self, path: Any) -> _Scan:
        found = self.disk.inodes[self._directory(path)].entries
        fd = path if isinstance(path, int) else None
        prefix = "" if fd is not None else f"{os.fsdecode(path).rstrip('/')}/"
        return _Scan(
            [
                Entry(self, name, prefix + name, self.disk.inodes[id_], fd)
                for name, id_ in found.items()
            ]
        )

    @_primitive(changes=False)
    def readlink(self, path: Any, *, dir_fd: int | None = None) -> str:
        inode = self.disk.inodes[self._existing(path, dir_fd, follow=False)]
        if inode.kind != stat.S_IFLNK:
            raise refusal(errno.EINVAL, path)
        return os.fsdecode(inode.content)

    # Changing names

    @_primitive(changes=True)
    def rename(
        self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
    ) -> None:
        source = self._find(os.fsdecode(src), src_dir_fd, follow=False)
        target = self._find(os.fsdecode(dst), dst_dir_fd, follow=False)
        if source.name is None or target.name is None:
            raise refusal(errno.EBUSY, src)
        if source.inode is None:
            raise refusal(errno.ENOENT, src)
        self._check_rename(source.inode, target, src)
        if source.inode == target.inode:
            return
        self.disk.apply(
            Slot(source.directory, source.name, None),
            Slot(target.directory, target.name, source.inode),
        )

    replace = rename

    def _check_rename(self, moved: int, target: Place, path: Any) -> None:
        inodes = self.disk.inodes
        is_directory = inodes[moved].kind == stat.S_IFDIR
        if is_directory and moved in self._ancestors(target.directory):
            raise refusal(errno.EINVAL, path)
        if target.inode is None:
            self._check_alive(target, path)
            return
        over = inodes[target.inode]
        if moved == target.inode:
            return
        if over.kind == stat.S_IFDIR:
            if not is_directory:
                # An ancestor of the source is found to be full first.
                raise refusal(errno.EISDIR, path)
            if over.entries:
                raise refusal(errno.ENOTEMPTY, path)
        elif is_directory:
            raise refusal(errno.ENOTDIR, path)

    def _ancestors(self, directory: int) -> set[int]:
        found = {directory}
        while directory != ROOT:
            directory = self.disk.inodes[directory].parent
            found.add(directory)
        return found

    @_primitive(changes=True)
    def link(
        self,
        src: Any,
        dst: Any,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        id_ = self._existing(src, src_dir_fd, follow=follow_symlinks)
        target = self._find(os.fsdecode(dst), dst_dir_fd, follow=False)
        self._check_room(target, dst)
        if self.disk.inodes[id_].kind == stat.S_IFDIR:
            raise refusal(errno.EPERM, src)
        assert target.name is not None
        self.disk.apply(Slot(target.directory, target.name, id_))

    @_primitive(changes=True)
    def symlink(
        self, src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None
    ) -> None:
        if not src:
            raise refusal(errno.ENOENT, src)
        place = self._find(os.fsdecode(dst), dir_fd, follow=False)
        self._check_room(place, dst)
        id_ = self.disk.make(stat.S_IFLNK, self._mine(0o777))
        self.disk.inodes[id_].content = os.fsencode(src)
        assert place.name is not None
        self.disk.apply(Slot(place.directory, place.name, id_))

    @_primitive(changes=True)
    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        place = self._find(os.fsdecode(path), dir_fd, follow=False)
        if place.inode is None:
            raise refusal(errno.ENOENT, path)
        if place.name is None or self.disk.inodes[place.inode].kind == stat.S_IFDIR:
            raise refusal(errno.EISDIR, path)
        self.disk.apply(Slot(place.directory, place.name, None))

    remove = unlink

    @_primitive(changes=True)
    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        place = self._find(os.fsdecode(path), dir_fd, follow=False)
        self._check_room(place, path)
        self._create(place, stat.S_IFDIR, mode & ~self.umask_)

    @_primitive(changes=True)
    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        place = self._find(os.fsdecode(path), dir_fd, follow=False)
        if place.inode is None:
            raise refusal(errno.ENOENT, path)
        inode = self.disk.inodes[place.inode]
        if inode.kind != stat.S_IFDIR:
            raise refusal(errno.ENOTDIR, path)
        if inode.entries:
            raise refusal(errno.ENOTEMPTY, path)
        if place.name is None:
            raise refusal(errno.EBUSY, path)
        self.disk.apply(Slot(place.directory, place.name, None))

    # Changing attributes

    @_primitive(changes=True)
    def chmod(
        self, path: Any, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
    ) -> None:
        id_ = self._existing(path, dir_fd, follow=follow_symlinks)
        self._edit_attributes(id_, mode=stat.S_IMODE(mode))

    @_primitive(changes=True)
    def fchmod(self, fd: int, mode: int) -> None:
        self._edit_attributes(self._fd(fd).inode, mode=stat.S_IMODE(mode))

    @_primitive(changes=True)
    def chown(
        self,
        path: Any,
        uid: int,
        gid: int,
        *,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        id_ = self._existing(path, dir_fd, follow=follow_symlinks)
        self._edit_attributes(id_, uid=uid, gid=gid)

    def lchown(self, path: Any, uid: int, gid: int) -> None:
        self.chown(path, uid, gid, follow_symlinks=False)

    @_primitive(changes=True)
    def fchown(self, fd: int, uid: int, gid: int) -> None:
        self._edit_attributes(self._fd(fd).inode, uid=uid, gid=gid)

    def _edit_attributes(self, id_: int, **new: int) -> None:
        inode = self.disk.edit(id_)
        inode.attributes = inode.attributes._replace(
            **{name: value for name, value in new.items() if value != -1}
        )
        inode.ctime_ns = self.disk.now_ns()

    @_primitive(changes=True)
    def utime(
        self,
        path: Any,
        times: tuple[float, float] | None = None,
        *,
        ns: tuple[int, int] | None = None,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        id_ = self._existing(path, dir_fd, follow=follow_symlinks)
        inode = self.disk.edit(id_)
        if ns is not None:
            inode.mtime_ns = ns[1]
        elif times is not None:
            inode.mtime_ns = int(times[1] * 1_000_000_000)
        else:
            inode.mtime_ns = self.disk.now_ns()
        inode.ctime_ns = self.disk.now_ns()

    # What they have in common

    def _fd(self, fd: Any) -> Descriptor:
        open_ = self.disk.fds.get(fd)
        if open_ is None:
            raise refusal(errno.EBADF)
        return open_

    def _find(self, path: str, dir_fd: int | None, *, follow: bool) -> Place:
        if path and path[0] == "/":
            return self.disk.find(path, follow=follow)
        if dir_fd is None:
            raise NotInMemory(f"a relative path over memory: {path!r}")
        return self.disk.find(path, follow=follow, start=self._fd(dir_fd).inode)

    def _existing(self, given: Any, dir_fd: int | None, *, follow: bool = True) -> int:
        if isinstance(given, int):
            return self._fd(given).inode
        path = os.fsdecode(given)
        place = self._find(path, dir_fd, follow=follow)
        if place.inode is None:
            raise refusal(errno.ENOENT, path)
        return place.inode

    def _directory(self, path: Any) -> int:
        id_ = self._existing(path, None)
        if self.disk.inodes[id_].kind != stat.S_IFDIR:
            raise refusal(errno.ENOTDIR, path)
        return id_

    def _check_room(self, place: Place, path: Any) -> None:
        if place.inode is not None:
            raise refusal(errno.EEXIST, path)
        self._check_alive(place, path)

    def _check_alive(self, place: Place, path: Any) -> None:
        if not self.disk.inodes[place.directory].links:
            # A directory that was removed, and is still open.
            raise refusal(errno.ENOENT, path)

    def _create(self, place: Place, kind: int, mode: int) -> int:
        id_ = self.disk.make(kind, self._mine(mode))
        assert place.name is not None
        self.disk.apply(Slot(place.directory, place.name, id_))
        return id_

    def _mine(self, mode: int) -> Attributes:
        return Attributes(mode, self.uid, self.uid)
