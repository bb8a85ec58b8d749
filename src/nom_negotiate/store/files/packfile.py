"""The bytes of a pack: gzip members, each of whole lines, as any gzip reads them.

Rules of the room:

- Bytes in, bytes out: no file is touched here.
- What is unfolded is bounded, whatever the bytes are.
- Equal lines give equal bytes: no name and no time in a header.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nom_negotiate.errors import RecordError

MAX_PACK_BYTES: Final = 64 * 1024 * 1024
"""The largest pack, compressed."""

MAX_MEMBER_BYTES: Final = 64 * 1024 * 1024
"""What one member may unfold to; ours have about one mebibyte."""

MAX_UNFOLDED_BYTES: Final = 1024 * 1024 * 1024
"""What a whole pack may unfold to."""

MEMBER_BYTES: Final = 1024 * 1024
"""What a member that is written unfolds to, or one line if that is longer."""

CHUNK_BYTES: Final = 64 * 1024


class Member(NamedTuple):
    """One gzip member: where it lies in the pack, and what it unfolds to."""

    offset: int
    length: int
    text: bytes


def members(data: bytes) -> Iterator[Member]:
    """Yield the members of a pack.

    Raises:
        RecordError: where one is damaged, or unfolds to too much; those before are good.
    """
    view, offset, left = memoryview(data), 0, MAX_UNFOLDED_BYTES
    while offset < len(data):
        text, length = _unfolded(view[offset:], min(left, MAX_MEMBER_BYTES))
        yield Member(offset, length, text)
        offset, left = offset + length, left - len(text)


def unfolded(data: bytes) -> bytes:
    """Return what one member unfolds to.

    Raises:
        RecordError: where it is damaged, or unfolds to too much.
    """
    return _unfolded(memoryview(data), MAX_MEMBER_BYTES)[0]


def _unfolded(view: memoryview, at_most: int) -> tuple[bytes, int]:
    """Return what the member at the beginning of `view` unfolds to, and its own length."""
    machine, chunks, fed, left = zlib.decompressobj(wbits=31), [], 0, at_most
    try:
        while not machine.eof:
            chunk = view[fed : fed + CHUNK_BYTES]
            if not chunk:
                raise RecordError("malformed_record", "expected a whole gzip member, found half")
            fed += len(chunk)
            chunks.append(machine.decompress(chunk, left + 1))
            left -= len(chunks[-1])
            if left < 0:
                raise RecordError(
                    "record_too_large", f"expected a member of at most {at_most} bytes, found more"
                )
    except zlib.error as error:
        raise RecordError("malformed_record", f"expected a gzip member: {error}") from None
    return b"".join(chunks), fed - len(machine.unused_data)


def lines_of(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the bounds of each line, with its line feed."""
    start = 0
    while start < len(text):
        end = text.find(b"\n", start) + 1 or len(text)
        yield start, end
        start = end


def compressed(lines: Iterable[bytes]) -> bytes:
    """Return lines as members of a pack. Equal lines give equal bytes."""
    members, chunk, size = [], [], 0
    for line in lines:
        chunk.append(line)
        size += len(line)
        if size >= MEMBER_BYTES:
            members.append(_member(chunk))
            chunk, size = [], 0
    return b"".join([*members, _member(chunk)] if chunk else members)


def _member(lines: list[bytes]) -> bytes:
    machine = zlib.compressobj(wbits=31)
    return machine.compress(b"".join(lines)) + machine.flush()
