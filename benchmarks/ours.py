"""The library as a contestant: data roots, and the calls that are measured.

Rules of the room:

- What is measured is the public face, and the store below it where a section says so.
- Data roots are planted without it, file by file as docs/format.md has them and without a sync:
  a hundred thousand negotiations in seconds. The library then meets them as it meets what the
  original's clients wrote.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.market import CHEMICAL, LIFE_S, SELLERS, Case, team
from nom_negotiate import Desk, FileStore, Limits, Offer, PartyState, Report, Role, Status, Terms
from nom_negotiate.codec import encode
from nom_negotiate.core.identity import Address, state_file_name
from nom_negotiate.core.outcome import Basis, Kind, Outcome
from nom_negotiate.store.files import doorbell

FRESH_S: Final = 2.5
"""After so many seconds nobody takes a time stamp for too fresh to be trusted."""

_KEPT: Final = {"lock", "stats.jsonl", "swept", "aside"}
"""What the poller's room holds that is no hint: all else may be forgotten at any time."""


def desk(root: Path, *, durable: bool = True) -> Desk:
    """Return a desk without extensions: they are not what is measured."""
    return Desk(root, durable=durable, validators=(), after_settlement=())


def idle_pass(place: Desk) -> Report:
    """Make a pass as a poller makes most of them."""
    return place.poll()


def full_scan(place: Desk) -> Report:
    """Make a pass as a poller makes one every few minutes: over everything, with its cache."""
    store = place.store
    assert isinstance(store, FileStore), "a data root is files"
    doorbell.leave(store.disk, store.layout, doorbell.SCAN)
    return place.poll()


def distrustful_scan(place: Desk) -> Report:
    """Make a pass that looks at everything and trusts no hint, the cache included."""
    return place.poll(scan=True)


def forget(root: Path) -> None:
    """Remove the caches and hints of the poller, which it does without."""
    for directory, _, names in os.walk(root / "poller", topdown=False):
        for name in names:
            if name not in _KEPT:
                os.unlink(f"{directory}/{name}")


# Planting


def new_root(root: Path, teams: int) -> None:
    """Set up a data root with that many parties."""
    place = desk(root, durable=False)
    place.initialise()
    for number in range(teams):
        place.add_party(team(number))


def open_doorbell(root: Path) -> None:
    """Let writers ring, as they can once the first pass has been made."""
    store = desk(root).store
    assert isinstance(store, FileStore), "a data root is files"
    store.lay_out_poller()


def plant(root: Path, cases: Iterable[Case]) -> None:
    """Write negotiations into a data root, as `market` describes them."""
    templates: dict[tuple[str, str], Template] = {}
    for case in cases:
        pair = (case.initiator, case.responder)
        template = templates.get(pair) or templates.setdefault(pair, Template(case))
        namespace = f"{root}/teams/{case.initiator}/negotiations/{case.id}"
        os.mkdir(namespace)
        for name, data in template.states(case):
            _write(f"{namespace}/{name}", data)
        os.symlink(
            f"../../{case.initiator}/negotiations/{case.id}",
            f"{root}/teams/{case.responder}/negotiations/{case.id}",
        )


def plant_archived(root: Path, cases: Iterable[Case]) -> None:
    """Write negotiations into the archives, each with two states and an outcome.

    The files of ten thousand are links to those of one: nothing that is measured reads them, and
    a file each would measure how much room the disk has.
    """
    sources = [f"{root}.source-{os.getpid()}-{number}" for number in range(3)]
    for number, case in enumerate(cases):
        files = _ended(case) if number % 10_000 == 0 else {}
        for source, data in zip(sources, files.values(), strict=False):
            Path(source).unlink(missing_ok=True)
            _write(source, data)
        namespace = f"{root}/teams/{case.initiator}/negotiations_archive/{case.id}"
        os.mkdir(namespace)
        for source, name in zip(sources, _names(case), strict=True):
            os.link(source, f"{namespace}/{name}")
        os.symlink(
            f"../../{case.initiator}/negotiations_archive/{case.id}",
            f"{root}/teams/{case.responder}/negotiations_archive/{case.id}",
        )
    for source in sources:
        Path(source).unlink(missing_ok=True)


def _names(case: Case) -> tuple[str, str, str]:
    return (
        state_file_name(case.initiator, case.responder),
        state_file_name(case.responder, case.initiator),
        "outcome.json",
    )


def _ended(case: Case) -> dict[str, bytes]:
    """Return the files of a case that its initiator has rejected."""
    files = dict(Template(case).states(case))
    digests = {
        party: hashlib.sha256(data).hexdigest()
        for party, data in zip((case.initiator, case.responder), files.values(), strict=True)
    }
    outcome = Outcome(
        negotiation_id=case.id,
        outcome=Kind.REJECTED,
        at=case.at,
        initiator=case.initiator,
        responder=case.responder,
        chemical=CHEMICAL,
        by=case.initiator,
        states={party: Basis(revision=1, sha256=digest) for party, digest in digests.items()},
    )
    return {**files, "outcome.json": encode(outcome)}


class Template:
    """The files of one pair's negotiations, which differ in their ids and keys only."""

    def __init__(self, case: Case) -> None:
        self._id = case.id
        parties = (case.initiator, case.responder)
        self._states = [
            (state_file_name(by, to), encode(first_state(case, by, to, role, terms)), terms)
            for (by, role, terms), to in zip(case.offers, reversed(parties), strict=True)
        ]
        self._keys = [case.key(terms) for _, _, terms in self._states]

    def states(self, case: Case) -> list[tuple[str, bytes]]:
        """Return the names and the content of both state files."""
        return [
            (
                name,
                data.replace(self._id.encode(), case.id.encode()).replace(
                    key.encode(), case.key(terms).encode()
                ),
            )
            for (name, data, terms), key in zip(self._states, self._keys, strict=True)
        ]


def first_state(case: Case, by: Address, to: Address, role: Role, terms: Terms) -> PartyState:
    """Return what a party has said in a case: its one firm offer."""
    number = 1 if by == case.initiator else 2
    empty = PartyState(
        schema="nom.state/1",
        negotiation_id=case.id,
        user=by,
        counterparty=to,
        role=role,
        chemical=CHEMICAL,
        offer=None,
        status=Status.PENDING,
        last_updated=case.at,
        created=case.at if number == 1 else None,
        limits=Limits(idle_s=LIFE_S, life_s=2 * LIFE_S) if number == 1 else None,
    )
    offer = Offer(price=terms.price, quantity=terms.quantity, timestamp=case.at, round=number)
    return empty.offering(offer, Status.AGREED, case.at)


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    os.write(fd, data)
    os.close(fd)


def calm(*roots: Path) -> None:
    """Let the poller get to know what was planted, and time stamps grow old."""
    for root in roots:
        distrustful_scan(desk(root, durable=False))
    time.sleep(FRESH_S)
    for root in roots:
        # The first looks again at what was too fresh, the second finds nothing changed.
        full_scan(desk(root, durable=False))
        full_scan(desk(root, durable=False))


def agree(root: Path, cases: Iterable[Case]) -> None:
    """Let each initiator accept what is on the table."""
    place = desk(root, durable=False)
    for case in cases:
        place.party(case.initiator).accept(case.id)


# One update


class Updates:
    """State updates of a data root, one after the other, over negotiations in turn.

    An update is what one offer changes: the author's own state, whole, one revision on. The
    negotiations take turns, so that none of them grows long.

    Args:
        root: the data root.
        cases: which negotiations.
        durable: as for a desk.
    """

    def __init__(self, root: Path, cases: list[Case], *, durable: bool = True) -> None:
        self.desk = desk(root, durable=durable)
        self._cases = cases
        self._done = 0

    def _next(self) -> tuple[Case, Address]:
        case = self._cases[self._done % len(self._cases)]
        turn = self._done // len(self._cases) % 2
        self._done += 1
        return case, (case.initiator, case.responder)[turn]

    def offer(self) -> None:
        """Make a counter-offer, as a party does it: look, ask the rules, write, look again."""
        case, by = self._next()
        self.desk.party(by).offer(case.id, price=f"5.{self._done % 89 + 10}", quantity=950)

    def say(self) -> None:
        """Leave a message, as a party does it."""
        case, by = self._next()
        self.desk.party(by).say(case.id, "still interested?")


class Pen:
    """The store's part of an update: the party's lock, and its state written whole.

    Args:
        root: the data root.
        case: the negotiation; its initiator writes.
        durable: as for a desk.
        guarded: write only if both sides are still what was seen, as every action of a party
            does.
    """

    def __init__(
        self, root: Path, case: Case, *, durable: bool = True, guarded: bool = True
    ) -> None:
        self.store = FileStore(root, durable=durable)
        self._case = case
        self._guarded = guarded
        place = self.store.find(case.initiator, case.id)
        assert place is not None, "it was planted"
        self._place = place
        self.prepare()

    def prepare(self) -> None:
        """Look at the negotiation, and make up what to say."""
        snapshot = self.store.snapshot(self._place)
        assert snapshot is not None, "nobody archives it"
        own = snapshot.states[self._case.initiator]
        offer = Offer(
            price=SELLERS.price,
            quantity=SELLERS.quantity + own.revision % 50 + 1,
            timestamp=self._case.at,
            round=3,
        )
        said = own.offering(offer, Status.AGREED, self._case.at)
        # What was said before is left out: each update writes as much as the one before.
        self._said = msgspec.structs.replace(said, history=said.history[-1:])
        self._seen = snapshot if self._guarded else None

    def update(self) -> None:
        """Write what was prepared."""
        with self.store.writer(self._case.initiator) as pen:
            assert pen.write(self._place, self._said, seen=self._seen), "nobody else writes here"

    def content(self) -> bytes:
        """Return the bytes that an update writes."""
        return encode(self._said)
