"""The journal: what migrations have added to a data root, so that it can be taken away again.

Rules of the room:

- A line is durable before what it stands for is begun. So it may stand for something that a
  crash prevented, and nothing was ever added that has no line.
- Lines are only appended. For one thing the last line counts.
- A last line that is cut short stands for nothing: what it announces had not begun. A damaged
  line elsewhere is counted, and what it stood for stays where it is.
- Paths are not written down but made from addresses and ids, which are checked on reading.

`begin` opens a run from one source, `end` says that it came to its end, and `undone` that all
of that source was taken away again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from nom_negotiate.core.identity import Address, check_id, parse_address
from nom_negotiate.errors import InputError
from nom_negotiate.store.port import Namespace

SCHEMA: Final = "nom.migration/1"


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="begin"):
    """A run begins.

    Attributes:
        at: unix seconds.
        source: the old data directory, absolute.
        made: what of the data root was missing; see `Logbook.prepare`.
    """

    schema: str = SCHEMA
    at: int
    source: str
    made: tuple[str, ...] = ()


class MadeParty(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="party"):
    """A party, or what it lacked.

    Attributes:
        whole: whether its directory was made.
        rooms: those that were made.
        profile: sha256 of the profile that was written; None where there was one.
    """

    party: Address
    whole: bool
    rooms: tuple[str, ...] = ()
    profile: str | None = None


class MadeFile(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="file"):
    """A transaction or a listing.

    Attributes:
        key: what it was before; unique in its room.
    """

    party: Address
    room: str
    name: str
    sha256: str
    key: str


class MadeNamespace(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="namespace"):
    """A negotiation.

    Attributes:
        files: sha256 by name.
        legacy_id: the id it had.
    """

    id: str
    initiator: Address
    responder: Address
    archived: bool
    files: dict[str, str]
    legacy_id: str

    @property
    def place(self) -> Namespace:
        """Return where it was put."""
        return Namespace(self.id, self.initiator, self.archived)


class MadeOutcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="outcome"):
    """The outcome of a negotiation that was in the data root before."""

    id: str
    initiator: Address
    responder: Address
    sha256: str

    @property
    def place(self) -> Namespace:
        """Return whose outcome it is."""
        return Namespace(self.id, self.initiator)


class End(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="end"):
    """A run has come to its end."""

    at: int
    source: str


class Undone(msgspec.Struct, frozen=True, kw_only=True, tag_field="did", tag="undone"):
    """All that came from a source has been taken away again.

    Attributes:
        parties: those that are gone with it.
    """

    at: int
    source: str
    parties: tuple[Address, ...] = ()


Made = MadeParty | MadeFile | MadeNamespace | MadeOutcome
Line = Begin | MadeParty | MadeFile | MadeNamespace | MadeOutcome | End | Undone

_DECODER: Final = msgspec.json.Decoder(Line)


@dataclass(slots=True)
class Journal:
    """What the lines amount to.

    Attributes:
        things: what was added and not taken away again, by source; each in order.
        parties: what was added of each party, by whichever run.
        made: what was made of the data root itself.
        open: the sources whose last run has not come to its end.
        damaged: how many lines cannot be read.
    """

    things: dict[str, dict[tuple[str, ...], MadeFile | MadeNamespace | MadeOutcome]] = field(
        default_factory=dict
    )
    parties: dict[Address, MadeParty] = field(default_factory=dict)
    made: tuple[str, ...] = ()
    open: set[str] = field(default_factory=set)
    damaged: int = 0

    @property
    def sources(self) -> list[str]:
        """Return the sources of which something was migrated and not taken away again."""
        return sorted(self.things)

    def all_things(self) -> Iterator[MadeFile | MadeNamespace | MadeOutcome]:
        """Yield what was added, of all sources."""
        for things in self.things.values():
            yield from things.values()


def encode(lines: Iterable[Line]) -> bytes:
    """Return the bytes of these lines."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def decode(data: bytes) -> Journal:
    """Return what the journal in `data` amounts to."""
    journal, source = Journal(), ""
    whole = data[: data.rfind(b"\n") + 1]
    for text in whole.splitlines():
        try:
            line = _checked(_DECODER.decode(text))
        except (msgspec.DecodeError, InputError):
            journal.damaged += 1
            continue
        if isinstance(line, Begin):
            source = line.source
        _take(journal, source, line)
    return journal


def _take(journal: Journal, source: str, line: Line) -> None:
    match line:
        case Begin():
            journal.things.setdefault(source, {})
            journal.open.add(source)
            journal.made += tuple(path for path in line.made if path not in journal.made)
        case End():
            journal.open.discard(line.source)
        case Undone():
            journal.things.pop(line.source, None)
            journal.open.discard(line.source)
            for party in line.parties:
                journal.parties.pop(party, None)
        case MadeParty():
            journal.parties[line.party] = _joined(journal.parties.get(line.party), line)
        case MadeFile():
            journal.things[source]["file", line.party, line.room, line.key] = line
        case MadeNamespace():
            key = ("namespace", line.initiator, line.responder, line.legacy_id)
            journal.things[source][key] = line
        case MadeOutcome():
            journal.things[source]["outcome", line.initiator, line.id] = line


def _joined(earlier: MadeParty | None, later: MadeParty) -> MadeParty:
    # A second line for a party stands for what the first one announced and a crash prevented,
    # or for a room that went missing since: either way it is for what is said in both.
    if earlier is None:
        return later
    return MadeParty(
        party=later.party,
        whole=earlier.whole or later.whole,
        rooms=tuple(dict.fromkeys((*earlier.rooms, *later.rooms))),
        profile=later.profile or earlier.profile,
    )


def _checked(line: Line) -> Line:
    """Return the line if no name in it leads out of the data root.

    Raises:
        InputError: where one does.
    """
    checks: dict[str, Callable[[str], str]] = {
        "party": parse_address,
        "initiator": parse_address,
        "responder": parse_address,
        "id": check_id,
        "room": check_id,
        "name": check_id,
    }
    for name, check in checks.items():
        value = getattr(line, name, None)
        if value is not None and check(value) != value:
            raise InputError("invalid_id", f"expected a plain name, found {value[:80]!a}")
    for name in (*getattr(line, "rooms", ()), *getattr(line, "files", ())):
        check_id(name)
    return line
