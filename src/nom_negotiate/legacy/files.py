"""Old files, opened so that nothing in the source can hurt: no link, no FIFO, no flood.

Rules of the room:

- Only this module and `sqlite` open anything.
- A file is a regular file of bounded size, or it is refused. No link is followed, and no
  open waits for a writer.
- Numbers with a fraction come out as exact decimals; NaN and Infinity are no numbers.
"""

from __future__ import annotations

import decimal
import errno
import json
import os
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NoReturn

from nom_negotiate.legacy.fields import Refused, mapping

MAX_JSON_BYTES: Final = 4 * 1024 * 1024

# What an errno says about this one file. The others (EMFILE, ENFILE, ENOMEM) speak of this
# process: to take those for bad files would drop good records, so they are passed on.
_OF_THE_FILE: Final = frozenset(
    {
        errno.EACCES,  # not ours to read
        errno.EPERM,  # the same, from an access control module
        errno.ELOOP,  # a link (O_NOFOLLOW)
        errno.EMLINK,  # the same, on FreeBSD
        errno.ENOENT,  # gone since it was listed
        errno.ENOTDIR,  # a directory that has become something else
        errno.ENXIO,  # a socket, or a device without a driver
        errno.ENODEV,  # the same
        errno.EIO,  # a bad sector
        errno.ESTALE,  # gone, on NFS
        errno.EOVERFLOW,  # too large for this system to open
        errno.ENAMETOOLONG,  # on a file system with shorter names
    }
)


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file at `path`.

    Raises:
        Refused: where it is no regular file, is larger than 4 MiB, or is no JSON object.
        OSError: for trouble of this process rather than of the file (EMFILE, ENOMEM).
    """
    return parse_object(read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Return the content of the regular file at `path`, at most 4 MiB.

    Raises:
        Refused: where it is no regular file, is larger, or cannot be read.
        OSError: for trouble of this process rather than of the file (EMFILE, ENOMEM).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _content(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:  # those of _OF_THE_FILE; the others go on upwards
        if error.errno not in _OF_THE_FILE:
            raise
        raise Refused(why(error)) from error


def _content(descriptor: int) -> bytes:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a regular file")
    # Not the size alone: a file may grow while it is read.
    parts: list[bytes] = []
    left = MAX_JSON_BYTES + 1
    while left > 0 and (part := os.read(descriptor, min(left, status.st_size + 1))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise Refused(f"larger than {MAX_JSON_BYTES // 1024**2} MiB")
    return b"".join(parts)


def parse_object(data: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `data`, with exact decimals.

    Raises:
        Refused: where it is no UTF-8, no JSON, nested too deeply, or no object.
    """
    text = _decoded(data) if isinstance(data, bytes) else data
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Refused(
            f"not JSON: {error.msg} in line {error.lineno}" if text else "an empty file"
        ) from error
    except RecursionError as error:
        raise Refused("not JSON: nested too deeply") from error
    except (ValueError, decimal.InvalidOperation) as error:
        # ValueError: an integer of more than 4300 digits. InvalidOperation: an exponent
        # beyond what Decimal can hold.
        raise Refused("not JSON: a number of absurd size") from error
    return mapping(value, "the file")


def _decoded(data: bytes) -> str:
    try:
        # utf-8-sig: a file that was mended with a Windows editor starts with a mark.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"not UTF-8 at byte {error.start}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise Refused(f"not JSON: {name} is no number")


def why(error: OSError) -> str:
    """Return the reason for an error of the file, in words."""
    if error.errno in (errno.ELOOP, errno.EMLINK):
        return "a symbolic link; not followed"
    return f"cannot be read: {os.strerror(error.errno or 0).lower()}"


def entries(path: Path) -> list[os.DirEntry[str]]:
    """Return the entries of the directory at `path`, sorted by name.

    Raises:
        Refused: where it is a link, no directory, or cannot be listed.
        OSError: for trouble of this process rather than of the directory.
    """
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            raise Refused("a symbolic link; not followed")
        if not stat.S_ISDIR(mode):
            raise Refused("not a directory")
        with os.scandir(path) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:  # those of _OF_THE_FILE; the others go on upwards
        if error.errno not in _OF_THE_FILE:
            raise
        raise Refused(why(error)) from error


def shown(path: Path, root: Path) -> str:
    """Return `path` relative to `root`, fit to print: bytes that are no UTF-8 escaped."""
    relative = path.relative_to(root).as_posix()
    return os.fsencode(relative).decode("utf-8", "backslashreplace")
