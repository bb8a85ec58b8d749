"""What the last scan has found: which namespaces were as they are, and when each is due.

One file, `poller/scan`:

    nom.scan/2 BOOT AT SIZE CRC        the header
    ["alice@...", ["alice_bob_C_1", ...], [...], ...]   the cache: SIZE bytes of JSON,
                                       a line for each initiator, a column for each figure
    1704398745 alice@...:alice_bob_C_1   the due list, the earliest last

Rules of the room:

- All of it is a hint. A file that is missing, cut short or changed by somebody, of another
  start of the machine or from the future, is as good as none: then everything is looked at.
- What is due next is read from the end, whatever the size of the file; what was due is cut off
  there. The cache is read by scans only.
- A namespace is only in the cache where its directory has not changed for a while: the time
  stamp of a change that is too fresh may be that of the next change, too.
- There may be a hundred thousand of them: columns take a quarter of the memory that rows would,
  and the file is written and read a line at a time.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import zlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.atomic import Disk

MAGIC: Final = b"nom.scan/2"
HEADER_BYTES: Final = 128
AT_DIGITS: Final = 12
"""Digits of the time in the header: always as many, so that it can be written over."""

TAIL_BYTES: Final = 4096

FRESH_NS: Final = 2_000_000_000
"""Nanoseconds within which a second change may have the same time stamp as the first."""

KEPT_BYTES: Final = 4 << 20
"""A cache of that size is kept in memory between two scans: some 30,000 negotiations."""

MAX_BYTES: Final = 1 << 30

WRITE_BYTES: Final = 1 << 20
"""What is made of the file before it is written: no more of it is held at once."""


class Header(NamedTuple):
    """What a scan says of itself.

    Attributes:
        at: unix seconds at which it began.
        size: bytes of the cache.
        crc: checksum of the cache.
        begin: where the cache begins in the file.
    """

    at: int
    size: int
    crc: int
    begin: int

    @property
    def end(self) -> int:
        """Return where the due list begins."""
        return self.begin + self.size


class Seen(NamedTuple):
    """One namespace as a scan has found it.

    Attributes:
        mtime_ns: of its directory.
        ctime_ns: of its directory.
        inode: of its directory.
        due: unix second after which it expires, if nobody writes.
        responder: name of the responder's directory.
    """

    mtime_ns: int
    ctime_ns: int
    inode: int
    due: int
    responder: str


class Rows:
    """What a scan has found of the negotiations of one initiator.

    A column for the names, and one for each attribute of `Seen`.
    """

    __slots__ = ("ctimes", "dues", "inodes", "mtimes", "names", "responders")

    def __init__(self) -> None:
        self.names: list[str] = []
        self.mtimes = array("q")
        self.ctimes = array("q")
        self.inodes = array("Q")
        self.dues = array("q")
        self.responders: list[str] = []

    def add(
        self, name: str, mtime_ns: int, ctime_ns: int, inode: int, due: int, responder: str
    ) -> None:
        """Add one row.

        Raises:
            OverflowError: for a time that no file system of a sound clock has.
        """
        self.mtimes.append(mtime_ns)
        self.ctimes.append(ctime_ns)
        self.inodes.append(inode)
        self.dues.append(due)
        self.names.append(name)
        self.responders.append(responder)

    def __iter__(self) -> Iterator[tuple[str, int, int, int, int, str]]:
        """Yield each row: the name, and what `Seen` has."""
        return zip(
            self.names,
            self.mtimes,
            self.ctimes,
            self.inodes,
            self.dues,
            self.responders,
            strict=True,
        )

    def __len__(self) -> int:
        return len(self.names)


Cache = dict[str, Rows]
"""By the name of the initiator's directory."""


class Due(NamedTuple):
    """One line of the due list: a hint of the doorbell, with its time."""

    at: int
    name: str


@functools.cache
def boot_id() -> str:
    """Return which start of the machine this is; empty where that cannot be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except (OSError, UnicodeDecodeError):
        return ""


class ScanFile:
    """The file of the last scan.

    Args:
        path: of it.
        disk: what changes go through.
        known: takes up what was read or written last, by its size and checksum: who finds the
            same in the header needs not read it again. A large one is not kept; None for none.
    """

    def __init__(
        self, path: str, disk: Disk, known: dict[tuple[int, int], Cache] | None = None
    ) -> None:
        self._path = path
        self._disk = disk
        self._known = known

    def glance(self) -> tuple[Header, int | None] | None:
        """Return the header, and when something is due next; None where that is lost.

        Costs the same however much is in the file.
        """
        try:
            fd = self._open()
        except OSError:
            return None
        try:
            header = _header(os.pread(fd, HEADER_BYTES, 0))
            if header is None:
                return None
            size = os.fstat(fd).st_size
            if size == header.end:
                return header, None
            begin = max(header.end, size - TAIL_BYTES)
            lines = os.pread(fd, size - begin, begin).splitlines(keepends=True)
            return header, _due(lines[-1]).at
        except (OSError, ValueError, IndexError):
            return None
        finally:
            os.close(fd)

    def cache(self, header: Header) -> Cache:
        """Return the cache; empty where it is not what was written."""
        import msgspec.json

        if self._known is not None and (header.size, header.crc) in self._known:
            return self._known[header.size, header.crc]
        try:
            data = self._read(header.begin, header.size)
            if zlib.crc32(data) != header.crc:
                return {}
            found = _decoded(data)
        except (OSError, msgspec.MsgspecError, ValueError, OverflowError):
            return {}
        self._keep(header.size, header.crc, found)
        return found

    def _keep(self, size: int, crc: int, cache: Cache) -> None:
        if self._known is None:
            return
        self._known.clear()
        if size <= KEPT_BYTES:
            self._known[size, crc] = cache

    def pop(self, header: Header, now: int) -> list[str] | None:
        """Take from the due list what was due before `now`; None where it cannot be read."""
        try:
            begin, rows = self._soon(header, now)
            if rows:
                self._disk.cut(self._path, begin)
        except (OSError, ValueError):
            return None
        return [row.name for row in rows]

    def push(self, header: Header, new: Iterable[Due]) -> bool:
        """Add to the due list what is due soon; return False where it cannot be read."""
        rows = list(new)
        if not rows:
            return True
        try:
            begin, earlier = self._soon(header, max(rows).at)
            lines = map(_line, sorted([*rows, *earlier], reverse=True))
            self._disk.cut(self._path, begin, b"".join(lines))
        except (OSError, ValueError):
            return False
        return True

    def write(self, at: int, cache: Cache, due: Iterable[tuple[int, str]]) -> None:
        """Write all of it anew. Whole, not durable.

        Args:
            at: unix seconds at which the scan began.
            cache: what is not to be read again while it is the same.
            due: what `Due` has, the latest first.
        """
        size = crc = 0
        for line in _encoded(cache):
            size, crc = size + len(line), zlib.crc32(line, crc)
        header = b"%s %s %0*d %d %d\n" % (MAGIC, _boot(), AT_DIGITS, at, size, crc)
        parts = _joined(itertools.chain((header,), _encoded(cache), map(_line, due)))
        self._disk.replace_hint(self._path, next(parts), parts)
        self._keep(size, crc, cache)

    def confirm(self, at: int) -> None:
        """Note that at that time everything was as it stands here."""
        begin = len(MAGIC) + len(_boot()) + 2
        self._disk.overwrite(self._path, begin, b"%0*d" % (AT_DIGITS, at))

    def _soon(self, header: Header, before: int) -> tuple[int, list[Due]]:
        """Return where in the file what is due before a time begins, and what it is."""
        size = os.stat(self._path).st_size
        length = TAIL_BYTES
        while True:
            begin = max(header.end, size - length)
            data = self._read(begin, size - begin)
            if begin > header.end:
                # The first line may have begun further up.
                cut = data.index(b"\n") + 1
                begin, data = begin + cut, data[cut:]
            lines = data.splitlines(keepends=True)
            rows = [_due(line) for line in lines]
            late = next((n for n, row in enumerate(rows) if row.at < before), len(rows))
            if late > 0 or begin == header.end:
                return begin + sum(map(len, lines[:late])), rows[late:]
            length *= 8

    def _read(self, begin: int, size: int) -> bytes:
        fd = self._open()
        try:
            return os.pread(fd, min(size, MAX_BYTES), begin)
        finally:
            os.close(fd)

    def _open(self) -> int:
        fd = bounded.open_regular(self._path)
        if isinstance(fd, RecordError):
            # Not a file of ours: a link leads nowhere, a FIFO keeps nobody waiting.
            raise OSError(errno.EINVAL, fd.message, self._path)
        return fd


def _boot() -> bytes:
    return boot_id().encode() or b"-"


def _header(data: bytes) -> Header | None:
    line, newline, _ = data.partition(b"\n")
    fields = line.split(b" ")
    if not newline or len(fields) != 5 or fields[0] != MAGIC or fields[1] != _boot():
        return None
    if fields[1] == b"-":
        return None
    try:
        at, size, crc = map(int, fields[2:])
    except ValueError:
        return None
    if not 0 <= size <= MAX_BYTES:
        # Further than a file can be read.
        return None
    return Header(at, size, crc, len(line) + 1)


def _due(line: bytes) -> Due:
    """Return what a line says; raise ValueError where it is none."""
    at, _, name = line.partition(b" ")
    if not name.endswith(b"\n"):
        raise ValueError("cut short")
    return Due(int(at), name[:-1].decode())


def _line(due: tuple[int, str]) -> bytes:
    at, name = due
    return f"{at} {name}\n".encode()


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in parts that are worth a write each."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= WRITE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _encoded(cache: Cache) -> Iterator[bytes]:
    """Yield the lines of a cache."""
    import msgspec.json

    encode = msgspec.json.Encoder().encode
    for home, rows in cache.items():
        columns = (rows.mtimes, rows.ctimes, rows.inodes, rows.dues)
        figures = [column.tolist() for column in columns]
        yield encode((home, rows.names, *figures, rows.responders)) + b"\n"


def _decoded(data: bytes) -> Cache:
    """Return the cache of these lines; raise what says that it is none."""
    import msgspec.json

    line = tuple[str, list[str], list[int], list[int], list[int], list[int], list[str]]
    decode = msgspec.json.Decoder(line).decode
    found: Cache = {}
    shared: dict[str, str] = {}
    begin = 0
    while begin < len(data):
        end = data.index(b"\n", begin)
        home, names, mtimes, ctimes, inodes, dues, responders = decode(memoryview(data)[begin:end])
        begin = end + 1
        rows = found[home] = Rows()
        rows.names = names
        rows.mtimes.fromlist(mtimes)
        rows.ctimes.fromlist(ctimes)
        rows.inodes.fromlist(inodes)
        rows.dues.fromlist(dues)
        # One text for each party, and not for each negotiation.
        rows.responders = [shared.setdefault(name, name) for name in responders]
        if {len(names)} != {len(mtimes), len(ctimes), len(inodes), len(dues), len(responders)}:
            raise ValueError("columns of different lengths")
    return found
