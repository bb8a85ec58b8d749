"""Reading files that somebody else wrote: no links followed, regular only, bounded."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO, Final

from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.errors import RecordError

# O_NONBLOCK: opening a FIFO that nobody writes to must not hang.
FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

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
            # The file's owner keeps it from us; that is no trouble of the store.
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


def read_open(fd: int) -> bytes | RecordError:
    """Return the content of an open regular file, at most 256 KiB."""
    size = os.fstat(fd).st_size
    if size > MAX_RECORD_BYTES:
        return RecordError(
            "record_too_large", f"expected at most {MAX_RECORD_BYTES} bytes, found {size}"
        )
    # One byte more than allowed: a file that grows meanwhile is seen by the decoder.
    chunks = []
    left = MAX_RECORD_BYTES + 1
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
