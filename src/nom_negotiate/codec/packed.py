"""One line of a pack to a packed record and back.

Reading is strict and bounded like that of any record, with one difference: a field that
occurs twice counts with its last value. The digests say whether the files are the ones that
were packed.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, TypeVar

import msgspec

from nom_negotiate.codec.bounds import MAX_RECORD_BYTES
from nom_negotiate.codec.encoding import builtins, encode_line
from nom_negotiate.codec.loading import malformed
from nom_negotiate.core.identity import Address, check_id, parse_address
from nom_negotiate.core.packed import PACKED_SCHEMA, Digest, Packed, PackedKind
from nom_negotiate.core.times import Seconds
from nom_negotiate.errors import InputError, RecordError

MAX_PACKED_BYTES: Final = 4 * 1024 * 1024
"""The longest line of a pack: two states and an outcome of any content fit into it."""

MAX_PACKED_FILES: Final = 64


class PackedHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of a pack is about, without its files: see `Packed`."""

    schema: str
    kind: PackedKind
    id: str
    party: Address
    responder: Address | None = None
    at: Seconds
    sha256: dict[str, Digest]


class _Line(PackedHead, frozen=True, kw_only=True):
    files: dict[str, str]


R = TypeVar("R", _Line, PackedHead)

_LINE: Final = msgspec.json.Decoder(_Line)
_HEAD: Final = msgspec.json.Decoder(PackedHead)


def encode_packed(record: Packed) -> bytes:
    """Return the line of a pack with this record, and its line feed. Deterministic.

    Raises:
        RecordError: `record_too_large` where readers would refuse the line.
    """
    line = encode_line(builtins(record))
    _check_size(line)
    return line


def decode_packed(line: bytes) -> Packed:
    """Return the record of one line of a pack, every file of which has its digest.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    record = _decoded(line, _LINE)
    _check(record)
    if not 0 < len(record.files) <= MAX_PACKED_FILES or set(record.files) != set(record.sha256):
        raise malformed(
            f"expected 1 to {MAX_PACKED_FILES} files with a digest each, found"
            f" {len(record.files)} files and {len(record.sha256)} digests"
        )
    for name, text in record.files.items():
        _check_file(name, text, record.sha256[name])
    return Packed(
        kind=record.kind,
        id=record.id,
        party=record.party,
        responder=record.responder,
        at=record.at,
        files=record.files,
        sha256=record.sha256,
    )


def decode_packed_head(line: bytes) -> PackedHead:
    """Return what one line of a pack is about. Its files are not looked at.

    Raises:
        RecordError: `malformed_record` or `record_too_large`.
    """
    head = _decoded(line, _HEAD)
    _check(head)
    return head


def _decoded(line: bytes, decoder: msgspec.json.Decoder[R]) -> R:
    _check_size(line)
    try:
        return decoder.decode(line)
    except RecursionError:
        raise malformed("expected a line of a pack, found one that nests too deep") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise malformed(f"expected a line of a pack: {error}") from None


def _check_size(line: bytes) -> None:
    if len(line) > MAX_PACKED_BYTES:
        raise RecordError(
            "record_too_large",
            f"expected a line of at most {MAX_PACKED_BYTES} bytes, found {len(line)}",
        )


def _check(found: PackedHead) -> None:
    if found.schema != PACKED_SCHEMA:
        raise malformed(f"expected schema {PACKED_SCHEMA}, found {found.schema[:80]!a}")
    try:
        check_id(found.id)
        for address in (found.party, found.responder):
            if address is not None and parse_address(address) != address:
                raise malformed(f"expected a casefolded address, found {address[:80]!a}")
    except InputError as error:
        raise malformed(error.message) from None
    if found.party == found.responder:
        raise malformed(f"expected two parties, found {found.party} on both sides")
    if found.kind is PackedKind.TRANSACTION and (
        found.responder is not None or set(found.sha256) != {found.id}
    ):
        raise malformed(f"expected a transaction to be the one file {found.id}, and its owner's")


def _check_file(name: str, text: str, digest: str) -> None:
    try:
        check_id(name)
        data = text.encode()
    except InputError:
        raise malformed(f"expected the name of a file, found {name[:80]!a}") from None
    except UnicodeEncodeError:
        raise malformed(f"expected {name} to be UTF-8") from None
    if len(data) > MAX_RECORD_BYTES:
        raise RecordError(
            "record_too_large",
            f"expected {name} to have at most {MAX_RECORD_BYTES} bytes, found {len(data)}",
        )
    if sha256(data).hexdigest() != digest:
        raise malformed(f"expected {name} to have the sha256 {digest}, found another")
