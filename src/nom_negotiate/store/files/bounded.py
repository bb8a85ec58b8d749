"""Reading files that somebody else wrote: no links followed, regular only, bounded.

The rooms of a party are looked at the same way: a link in the place of one leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO, Final

from nom_negotiate.codec.bounds import MAX_RECORD_BYTES
from nom_negotiate.core.identity import Address
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files.layout import Layout

# O_NONBLOCK: opening a FIFO that nobody writes to must not hang.
FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

ONE_READ: Final = 64 * 1024
"""What is read of a file at once; a larger buffer costs more than the file."""

COARSEST_TIME_NS: Final = 2_000_000_000
"""Two changes of a file within this time may show the same time: FAT has steps of 2 seconds."""

NOT_A_FILE: Final = {
    errno.ELOOP: "a link",
    errno.ENXIO: "a socket or a device",
    errno.ENODEV: "a device",
    errno.EISDIR: "a directory",
}


def open_regular(path: str, dir_fd: int | None = None) -> int | RecordError:
    """Open a file for reading, or say why it is none to read.

    Raises:
        OSError: ENOENT where there is nothing, and whatever is wrong with the disk.
    """
    found = open_looked(path, dir_fd)
    return found if isinstance(found, RecordError) else found[0]


def open_looked(path: str, dir_fd: int | None = None) -> tuple[int, os.stat_result] | RecordError:
    """Open a file for reading and look at it, or say why it is none to read.

    Raises:
        OSError: ENOENT where there is nothing, and whatever is wrong with the disk.
    """
    try:
        fd = os.open(path, FLAGS, dir_fd=dir_fd)
    except OSError as error:
        found = NOT_A_FILE.get(error.errno or 0)
        if error.errno == errno.EACCES:
            # The file's owner keeps it from us; that is no trouble of the store. A directory
            # that cannot be searched is: this raises it again.
            os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
            return RecordError(
                "malformed_record", "expected a readable file, found one that is not"
            )
        if found is None:
            raise
        return RecordError("malformed_record", f"expected a regular file, found {found}")
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return fd, status
    os.close(fd)
    kind = "a directory" if stat.S_ISDIR(status.st_mode) else "something else"
    return RecordError("malformed_record", f"expected a regular file, found {kind}")


def read_at_once(name: str, directory: int, limit: int) -> bytes:
    """Return the content of a file that was listed as a regular one; nothing where it is larger.

    Args:
        name: of the file in the open directory.
        directory: listed before: then whatever takes the file's place later moves its times.
        limit: in bytes; what has as many is taken for larger.

    Raises:
        OSError: whatever is in the way; a link in its place, too.
    """
    fd = os.open(name, FLAGS, dir_fd=directory)
    try:
        data = os.read(fd, limit)
    finally:
        os.close(fd)
    return data if len(data) < limit else b""


def open_log(path: str) -> BinaryIO:
    """Open a log or a journal of our own, which has no bound, for reading.

    Raises:
        OSError: ENOENT where there is none, EINVAL where it is no regular file.
    """
    fd = open_regular(path)
    if isinstance(fd, RecordError):
        raise OSError(errno.EINVAL, fd.message, path)
    return os.fdopen(fd, "rb")


def is_cut_short(path: str) -> bool:
    """Return whether a log of our own ends in the middle of a line: a full disk, a crash."""
    try:
        with open_log(path) as file:
            size = file.seek(0, os.SEEK_END)
            return size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
    except FileNotFoundError:
        return False


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a log; one that is too long to be of ours is left out."""
    cut = False
    while line := file.readline(MAX_RECORD_BYTES):
        whole = line.endswith(b"\n") or len(line) < MAX_RECORD_BYTES
        if whole and not cut:
            yield line
        cut = not whole


def read_open(fd: int, size: int) -> bytes | RecordError:
    """Return the content of an open regular file, at most 256 KiB.

    Args:
        fd: of the file, at its beginning.
        size: that it had when it was looked at.
    """
    if size > MAX_RECORD_BYTES:
        return RecordError(
            "record_too_large", f"expected at most {MAX_RECORD_BYTES} bytes, found {size}"
        )
    # One byte more than it had: a file that grows meanwhile is seen, and not followed byte by
    # byte for as long as it grows.
    data = os.read(fd, size + 1)
    while len(data) < size and (chunk := os.read(fd, size + 1 - len(data))):
        data += chunk
    return data


def read_record(path: str) -> bytes | None:
    """Return the content of a file, None where there is none.

    Raises:
        RecordError: where it is no regular file, or larger than 256 KiB.
        OSError: whatever is wrong with the disk.
    """
    try:
        found = open_looked(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if isinstance(found, RecordError):
        raise found
    fd, status = found
    try:
        data = read_open(fd, status.st_size)
    finally:
        os.close(fd)
    if isinstance(data, RecordError):
        raise data
    return data


def read_once(path: str) -> bytes | None:
    """Return the content of a file, None where one read does not tell.

    For comparing with what was read before: a link or a directory has none, nor has what is not
    there, too large for one read, or not to be had.
    """
    try:
        fd = os.open(path, FLAGS)
    except OSError:
        # Whatever is wrong with it or with the disk, it is no file that is as it was.
        return None
    try:
        data = os.read(fd, ONE_READ)
    except OSError:
        # A directory; a FIFO that somebody writes to; whatever is wrong with the disk.
        return None
    finally:
        os.close(fd)
    return data if len(data) < ONE_READ else None


Content = tuple[int, int, int, int, int]
"""What tells one content of a file from any other: see `content`."""


def content(path: str) -> Content | None:
    """Return what tells the content of a file from any that it has later.

    None where nothing can be told: where there is no such file, or its times are so new that
    it could change once more and still show the same.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < COARSEST_TIME_NS:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def irregular(path: str) -> str | None:
    """Return why a file of our own can be neither read nor written, None where it can be."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return None
    return None if stat.S_ISREG(mode) else f"expected a regular file, found {_kind(mode)}"


def open_below(top: str, path: str) -> int:
    """Open a directory below `top`, following no link on the way from there.

    Raises:
        OSError: ENOENT where there is nothing, ENOTDIR where a name on the way is a link or a
            file.
    """
    first, *names = path[len(top) + 1 :].split("/")
    fd = os.open(f"{top}/{first}", DIRECTORY_FLAGS)
    try:
        for name in names:
            below = os.open(name, DIRECTORY_FLAGS, dir_fd=fd)
            fd, above = below, fd
            os.close(above)
    except BaseException:
        # ENOENT, ENOTDIR, an interrupt: it goes on to the caller, without an open directory.
        os.close(fd)
        raise
    return fd


def open_directory(name: str, above: int) -> int:
    """Open a directory in an open one, and no link to one.

    Raises:
        OSError: ENOENT where there is nothing, ENOTDIR where it is a link or a file.
    """
    return os.open(name, DIRECTORY_FLAGS, dir_fd=above)


def is_directory(path: str) -> bool:
    """Return whether there is a directory of that name, and not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except (OSError, ValueError):
        # As `os.path.isdir` has it: whatever cannot be looked at is no directory.
        return False


def has_room(layout: Layout, party: Address, name: str, known: set[str] | None = None) -> bool:
    """Return whether a party has that room, and it neither is nor lies behind a link.

    Args:
        layout: of the data root.
        party: whose.
        name: of the room.
        known: rooms that need no look any more; one that is looked at is added.
    """
    room = layout.room(party, name)
    if known is not None and room in known:
        return True
    found = is_directory(layout.party(party)) and is_directory(room)
    if found and known is not None:
        known.add(room)
    return found


def check_room(layout: Layout, party: Address, name: str, known: set[str] | None = None) -> str:
    """Return the path of a party's room, which neither is nor lies behind a link.

    Args:
        layout: of the data root.
        party: whose.
        name: of the room.
        known: rooms that need no look any more; one that is looked at is added.

    Raises:
        OSError: ENOENT where it is missing, ENOTDIR where something else is in its place.
    """
    room = layout.room(party, name)
    if known is not None and room in known:
        return room
    for path in (layout.party(party), room):
        mode = os.lstat(path).st_mode
        if not stat.S_ISDIR(mode):
            reason = f"expected a directory, found {_kind(mode)}; move it away"
            raise NotADirectoryError(errno.ENOTDIR, reason, path)
    if known is not None:
        known.add(room)
    return room


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISREG(mode):
        return "a file"
    return "a directory" if stat.S_ISDIR(mode) else "something else"
