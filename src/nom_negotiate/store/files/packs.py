"""Packs: one file a party and month, and what is found in it.

Rules of the room:

- A pack is gzip members, one after the other, and each holds whole lines: `zcat` reads it,
  and to append is to add a member. Of two lines about the same thing the later one counts.
- It is read like any file of others: regular, bounded in what it unfolds to, each member and
  each file in it with a checksum. What cannot be read is a problem, and the rest is found.
- Nothing is changed here: see `packing` and `unpacking`. A pack is replaced as a whole, so
  that what was found in one holds as long as its file is the same.
- What is unpacked as well counts as it is unpacked.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeVar

from nom_negotiate.codec.packed import PackedHead, decode_packed, decode_packed_head
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.packed import Packed, PackedKind, is_month, month_of
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.isolation import SHARED, Owners
from nom_negotiate.store.files.layout import PACK_SUFFIX, PACKS, Layout
from nom_negotiate.store.files.packfile import MAX_PACK_BYTES, lines_of, members, unfolded
from nom_negotiate.store.packed import place_of, snapshot_of, transaction_of
from nom_negotiate.store.port import Filed, Namespace, PackSummary

MONTH_S: Final = 31 * 24 * 3600
MAX_PROBLEMS: Final = 10
MAX_LOOKS: Final = 100
CACHED_LINES: Final = 200_000
CACHED_BYTES: Final = 32 * 1024 * 1024

Identity = tuple[int, int, int, int]
T = TypeVar("T")


class Replaced(Exception):
    """Tell that a pack is not the one any more that something was found in."""


class Spot(NamedTuple):
    """Where a line is: the number of its member, and its bounds in what that unfolds to."""

    member: int
    start: int
    end: int


class Pack:
    """What one pack holds: where each of its lines is."""

    def __init__(self, party: Address, month: str, path: str, identity: Identity) -> None:
        self.party = party
        self.month = month
        self.path = path
        self.identity = identity
        self.members: list[tuple[int, int]] = []
        self.negotiations: dict[Namespace, Spot] = {}
        self.transactions: dict[str, Spot] = {}
        self.problems: list[str] = []

    @property
    def lines(self) -> int:
        """Return how many things it holds."""
        return len(self.negotiations) + len(self.transactions)

    def spot(self, record: Packed | PackedHead) -> Spot | None:
        """Return where it says something about the same thing."""
        if record.kind is PackedKind.TRANSACTION:
            return self.transactions.get(record.id)
        return self.negotiations.get(place_of(record))

    def problem(self, reason: str) -> None:
        """Note that something in it cannot be read."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(reason)


def check_whole(pack: Pack) -> None:
    """Refuse to write a pack anew of which something cannot be read.

    Raises:
        RecordError: `malformed_record`.
    """
    if pack.problems:
        raise RecordError(
            "malformed_record",
            f"a damaged pack is left as it is: {pack.problems[0]}",
            hint="put back a copy of the file",
        )


class Packs:
    """Read the packs of a data root. Threads may share one.

    Keeps what it found in a pack, as long as its file is the same, in bounded memory.

    Args:
        layout: of the data root.
        owners: returns who may have written a pack.
    """

    def __init__(self, layout: Layout, owners: Callable[[], Owners] = lambda: SHARED) -> None:
        self._layout = layout
        self._owners = owners
        self._known: OrderedDict[str, Pack] = OrderedDict()
        self._texts: OrderedDict[tuple[str, Identity, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    # Which there are

    def path(self, party: Address, month: str) -> str:
        """Return where the party's pack of a month is, or would be."""
        return self._layout.pack(party, month)

    def signature(self, party: Address) -> tuple[tuple[str, Identity], ...]:
        """Return what changes whenever a pack of the party does."""
        try:
            names = os.listdir(self._layout.room(party, PACKS))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        found = ((month, self.identity(party, month)) for month in map(_month, names) if month)
        return tuple(sorted((month, identity) for month, identity in found if identity))

    def identity(self, party: Address, month: str) -> Identity | None:
        """Return what tells the pack of a month from any earlier one, None without one."""
        try:
            return _identity(os.stat(self._layout.pack(party, month), follow_symlinks=False))
        except FileNotFoundError:
            return None

    def retried(self, look: Callable[[], T]) -> T:
        """Return what `look` finds, which may meet a pack that has just been replaced."""
        for _ in range(MAX_LOOKS):
            try:
                return look()
            except Replaced:
                continue
        return look()

    def steady(self, party: Address, look: Callable[[], T]) -> T:
        """Return what `look` finds while no pack of the party changes.

        What is packed or unpacked meanwhile is then found in the one place or the other.
        """
        for _ in range(MAX_LOOKS):
            before = self.signature(party)
            try:
                found = look()
            except Replaced:
                continue
            if self.signature(party) == before:
                return found
        return look()

    def of(self, party: Address, *, since: str = "") -> list[Pack]:
        """Return the party's packs, by month; those of that month and later."""
        found = (
            self._get(party, month, identity)
            for month, identity in self.signature(party)
            if month >= since
        )
        return [pack for pack in found if pack is not None]

    def get(self, party: Address, month: str) -> Pack | None:
        """Return the party's pack of a month, None where there is none."""
        return self._get(party, month, self.identity(party, month))

    def _get(self, party: Address, month: str, identity: Identity | None) -> Pack | None:
        path = self._layout.pack(party, month)
        with self._lock:
            known = self._known.get(path)
            if known is not None and known.identity == identity:
                self._known.move_to_end(path)
                return known
        pack = self._loaded(party, month, path)
        with self._lock:
            self._known.pop(path, None)
            if pack is not None:
                self._known[path] = pack
            lines = sum(each.lines for each in self._known.values())
            while len(self._known) > 1 and lines > CACHED_LINES:
                lines -= self._known.popitem(last=False)[1].lines
        return pack

    # What is in them

    def summaries(self, party: Address) -> list[PackSummary]:
        """Return what each of the party's packs holds."""
        return [
            PackSummary(
                pack.month,
                len(pack.negotiations),
                len(pack.transactions),
                pack.identity[2],
                tuple(self.problems(pack)),
            )
            for pack in self.of(party)
        ]

    def problems(self, pack: Pack) -> Iterator[Problem]:
        """Yield what of a pack cannot be read."""
        path = self._layout.relative(pack.path)
        for reason in pack.problems:
            yield Problem(path=path, reason=f"{reason}; put back a copy of the file")

    def places(self, party: Address) -> Iterator[Namespace]:
        """Yield the negotiations in the party's packs."""
        for pack in self.of(party):
            yield from pack.negotiations

    def negotiation(self, place: Namespace) -> Packed | None:
        """Return a packed negotiation as its initiator has it.

        Raises:
            RecordError: where it cannot be read.
        """
        for pack in reversed(self.of(place.initiator)):
            spot = pack.negotiations.get(place._replace(archived=True))
            if spot is not None:
                return self.fetch(pack, spot)
        return None

    def snapshot(self, place: Namespace) -> Snapshot | None:
        """Return what a packed negotiation holds, None where it is not packed."""
        try:
            record = self.negotiation(place)
        except RecordError as error:
            path = self._layout.relative(self._layout.namespace(place))
            return Snapshot(
                id=place.id,
                initiator=place.initiator,
                responder=None,
                states={},
                digests={},
                problems=(Problem(path=path, reason=f"{error.message}; {error.hint}"),),
                decidable=False,
                archived=True,
            )
        return None if record is None else snapshot_of(record)

    def transactions(
        self,
        party: Address,
        wanted: Callable[[str], bool] = lambda name: True,
        *,
        since: int = 0,
    ) -> tuple[list[Filed], list[Problem]]:
        """Return the party's packed transactions, and what could not be read.

        Args:
            party: whose.
            wanted: whether one of that name is asked for.
            since: unix seconds; packs of the months before are not opened.
        """
        found: list[Filed] = []
        problems: list[Problem] = []
        for pack in self.of(party, since=month_of(since)):
            problems += self.problems(pack)
            for name, spot in pack.transactions.items():
                if not wanted(name):
                    continue
                try:
                    found.append(Filed(name, transaction_of(self.fetch(pack, spot))))
                except RecordError as error:
                    path = f"{self._layout.relative(pack.path)}: {name}"
                    problems.append(Problem(path=path, reason=f"{error.message}; {error.hint}"))
        return found, problems

    def transaction(self, party: Address, name: str, at: int) -> Transaction | None:
        """Return the party's packed transaction of that name and time.

        Raises:
            RecordError: where it cannot be read.
        """
        pack = self.get(party, month_of(at))
        spot = None if pack is None else pack.transactions.get(name)
        return None if pack is None or spot is None else transaction_of(self.fetch(pack, spot))

    def digest(self, party: Address, name: str) -> str | None:
        """Return the sha256 of the party's packed transaction of that name, in any month.

        Raises:
            RecordError: where it cannot be read.
        """
        for pack in reversed(self.of(party)):
            if name in pack.transactions:
                return self.fetch(pack, pack.transactions[name]).sha256[name]
        return None

    def takes(self, party: Address, negotiation_id: str, seconds: int) -> bool:
        """Return whether an id that stems from that time is packed at the party."""
        # The outcome came later, but for a clock that was set back in between.
        since = month_of(max(0, seconds - MONTH_S))
        return any(
            place.id == negotiation_id
            for month, _ in self.signature(party)
            if month >= since and (pack := self.get(party, month)) is not None
            for place in pack.negotiations
        )

    def fetch(self, pack: Pack, spot: Spot) -> Packed:
        """Return the record of one line.

        Raises:
            RecordError: where it cannot be read.
            Replaced: where the pack is another one by now.
        """
        return decode_packed(self.text(pack, spot.member)[spot.start : spot.end])

    def text(self, pack: Pack, member: int) -> bytes:
        """Return what one member of a pack unfolds to.

        Raises:
            Replaced: where the pack is another one by now.
        """
        key = (pack.path, pack.identity, member)
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
                return self._texts[key]
        offset, length = pack.members[member]
        text = unfolded(self._part(pack, offset, length))
        self._keep(key, text)
        return text

    def content(self, pack: Pack) -> bytes:
        """Return the bytes of a pack.

        Raises:
            Replaced: where it is another one by now.
        """
        return self._part(pack, 0, pack.identity[2])

    def holds(self, party: Address, month: str, data: bytes) -> bool:
        """Return whether the pack of a month has exactly this content."""
        found = self._opened(self._layout.pack(party, month))
        if found is None or isinstance(found, RecordError):
            return False
        with os.fdopen(found, "rb") as file:
            return os.fstat(found).st_size == len(data) and file.read() == data

    def _part(self, pack: Pack, offset: int, length: int) -> bytes:
        found = self._opened(pack.path)
        if found is None or isinstance(found, RecordError):
            raise Replaced
        with os.fdopen(found, "rb") as file:
            if _identity(os.fstat(found)) != pack.identity:
                raise Replaced
            file.seek(offset)
            return file.read(length)

    def _opened(self, path: str) -> int | RecordError | None:
        try:
            return bounded.open_regular(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _keep(self, key: tuple[str, Identity, int], text: bytes) -> None:
        with self._lock:
            self._texts[key] = text
            size = sum(map(len, self._texts.values()))
            while len(self._texts) > 1 and size > CACHED_BYTES:
                size -= len(self._texts.popitem(last=False)[1])

    # Loading

    def _loaded(self, party: Address, month: str, path: str) -> Pack | None:
        found = self._opened(path)
        if found is None:
            return None
        if isinstance(found, RecordError):
            pack = Pack(party, month, path, self.identity(party, month) or (0, 0, 0, 0))
            pack.problem(found.message)
            return pack
        with os.fdopen(found, "rb") as file:
            status = os.fstat(found)
            pack = Pack(party, month, path, _identity(status))
            if not self._owners().is_decider(status.st_uid):
                pack.problem("expected a pack that the poller has written, found somebody's file")
            elif status.st_size > MAX_PACK_BYTES:
                pack.problem(f"expected at most {MAX_PACK_BYTES} bytes, found {status.st_size}")
            else:
                self._fill(pack, file.read(MAX_PACK_BYTES))
        return pack

    def _fill(self, pack: Pack, data: bytes) -> None:
        number = 0
        try:
            for index, member in enumerate(members(data)):
                pack.members.append((member.offset, member.length))
                self._keep((pack.path, pack.identity, index), member.text)
                for start, end in lines_of(member.text):
                    number += 1
                    try:
                        _note(pack, Spot(index, start, end), member.text[start:end])
                    except RecordError as error:
                        pack.problem(f"line {number}: {error.message}")
        except RecordError as error:
            pack.problem(f"after line {number}: {error.message}")


def _note(pack: Pack, spot: Spot, line: bytes) -> None:
    head = decode_packed_head(line)
    if month_of(head.at) != pack.month:
        raise RecordError("malformed_record", f"belongs to the pack of {month_of(head.at)}")
    if pack.party not in (head.party, head.responder):
        raise RecordError("malformed_record", f"belongs to a pack of {head.party}")
    if head.kind is PackedKind.TRANSACTION:
        pack.transactions[head.id] = spot
    else:
        pack.negotiations[place_of(head)] = spot


def _month(name: str) -> str | None:
    month = name.removesuffix(PACK_SUFFIX)
    return month if name.endswith(PACK_SUFFIX) and is_month(month) else None


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
