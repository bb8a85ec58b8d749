"""Reading files that somebody else wrote: no links followed, regular only, bounded.

The rooms of a party are looked at the same way: a link in the place of one leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, Final

from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.core.identity import Address
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files.layout import Layout

# O_NONBLOCK: opening a FIFO that nobody writes to must not hang.
FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

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
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    kind = "a directory" if stat.S_ISDIR(mode) else "something else"
    return RecordError("malformed_record", f"expected a regular file, found {kind}")


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


def read_open(fd: int) -> bytes | RecordError:
    """Return the content of an open regular file, at most 256 KiB."""
    size = os.fstat(fd).st_size
    if size > MAX_RECORD_BYTES:
        return RecordError(
            "record_too_large", f"expected at most {MAX_RECORD_BYTES} bytes, found {size}"
        )
    # One byte more than it had: a file that grows meanwhile is seen, and not followed byte by
    # byte for as long as it grows.
    chunks = []
    left = size + 1
    while left and (chunk := os.read(fd, left)):
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)


def read_record(path: str) -> bytes | None:
    """Return the content of a file, None where there is none.

    Raises:
        RecordError: where it is no regular file, or larger than 256 KiB.
        OSError: whatever is wrong with the disk.
    """
    try:
        fd = open_regular(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if isinstance(fd, RecordError):
        raise fd
    try:
        data = read_open(fd)
    finally:
        os.close(fd)
    if isinstance(data, RecordError):
        raise data
    return data


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
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in path.removeprefix(f"{top}/").split("/"):
            below = os.open(name, DIRECTORY_FLAGS, dir_fd=fd)
            fd, above = below, fd
            os.close(above)
    except BaseException:
        # ENOENT, ENOTDIR, an interrupt: it goes on to the caller, without an open directory.
        os.close(fd)
        raise
    return fd


def is_directory(path: str) -> bool:
    """Return whether there is a directory of that name, and not a link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


def has_room(layout: Layout, party: Address, name: str) -> bool:
    """Return whether a party has that room, and it neither is nor lies behind a link."""
    return is_directory(layout.party(party)) and is_directory(layout.room(party, name))


def check_room(layout: Layout, party: Address, name: str) -> str:
    """Return the path of a party's room, which neither is nor lies behind a link.

    Raises:
        OSError: ENOENT where it is missing, ENOTDIR where something else is in its place.
    """
    for path in (layout.party(party), layout.room(party, name)):
        mode = os.lstat(path).st_mode
        if not stat.S_ISDIR(mode):
            reason = f"expected a directory, found {_kind(mode)}; move it away"
            raise NotADirectoryError(errno.ENOTDIR, reason, path)
    return layout.room(party, name)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link"
    if stat.S_ISREG(mode):
        return "a file"
    return "a directory" if stat.S_ISDIR(mode) else "something else"
