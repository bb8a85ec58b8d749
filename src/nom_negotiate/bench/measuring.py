"""One measurement: what is made ready, and what takes turns.

Rules of the room:

- All of it happens in a temporary directory, which is removed again: nothing that was there
  before is read or written.
- Whoever is compared takes turns within one run: what others do to the machine meets both.
- Whatever must be there before an operation is prepared outside its time, and with the same
  syncs, so that no operation pays for what another one has left to be written.
- A figure is what was measured here and now. Nothing here says what is good enough.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import count
from typing import Final

from nom_negotiate import codec
from nom_negotiate.bench.figures import Measurement, Stopwatch, Timed
from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.desk import Desk
from nom_negotiate.party import Party
from nom_negotiate.store.files import FileStore, bare
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.mount import Mount, try_out

SECONDS: Final = 45.0
"""What a measurement takes where nobody says; with making ready and removing below a minute."""

# At most: a fast disk is done sooner.
LIVES: Final = 200
BATCHES: Final = 5
PASSES: Final = 200
SYNCS: Final = 100
NOTICES: Final = 500

BATCH: Final = 200
TRIAL: Final = 10
ACTIVE: Final = (10, 1_000)
TEAMS: Final = 20
SNAPSHOTS: Final = 5
PATIENCE_S: Final = 2.0
"""What making ready may take, however little time there is in all, and waiting for calm."""

NOTICE_S: Final = 2.0


def measure(
    directory: str | os.PathLike[str],
    *,
    seconds: float = SECONDS,
    planned: bool = False,
    interruptible: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Measurement:
    """Measure the file system of a directory, in a temporary directory in it.

    What is in the directory is neither read nor changed. Whatever ends it, what it made is
    removed; what a kill leaves is swept like other temporary files of a data root, or by the
    next measurement.

    Args:
        directory: a data root, or any directory.
        seconds: about how long it may take. Each operation is measured once at least, and
            1,000 negotiations are made ready in any case where that takes few seconds.
        planned: where there is no such directory, measure in the one that it would be in.
        interruptible: entered around what may be interrupted; the rest, making and removing
            the temporary directory, is short.

    Raises:
        ConfigurationError: `unusable_root` where there is no directory;
            `unsupported_file_system` where no data root can be on it.
        StoreError: what the disk says: `no_space`, `read_only`, `denied` and so on.
    """
    place = bare.place_of(os.fspath(directory), planned=planned)
    begun, at, load = time.monotonic(), int(time.time()), _load()
    with bare.room(place) as room, interruptible():
        bench = _Bench(room, begun + seconds)
        bench.run()
    return Measurement(
        directory=place,
        at=at,
        duration_s=round(time.monotonic() - begun, 3),
        system=f"{platform.system()} {platform.release()}",
        processors=os.cpu_count() or 1,
        load=(*load, *_load()),
        operations=tuple(bench.watch.figures()),
        mount=dict(bench.mount.figures),
        findings=bench.mount.findings,
        syncfs=bench.syncfs,
        notifications=bench.notifications,
        timestamp_step_ms=None if bench.mount.step_ns is None else bench.mount.step_ns / 1e6,
    )


def _load() -> tuple[float, ...]:
    try:
        return (round(os.getloadavg()[0], 2),)
    except OSError:
        # The system does not count it.
        return ()


class _Clock:
    """A clock that is moved on before an id is used up: the next free one would be looked for."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def tick(self) -> None:
        self.now += 1


class _Bench:
    """One measurement, in a directory of its own."""

    def __init__(self, room: str, end: float) -> None:
        self.room = room
        self.end = end
        self.clock = _Clock()
        self.watch = Stopwatch()
        self.disk = bare.Bare()
        self.mount = Mount({}, ())
        self.syncfs = False
        self.restless = False
        self.notifications = False
        self.names = (f"{number:06}" for number in count(1))

    def run(self) -> None:
        self.mount = try_out(self.disk, Layout(self.room))
        phases: tuple[tuple[int, Callable[[float], None]], ...] = (
            (30, self.lives),
            (10, self.relaxed_lives),
            (30, self.batches),
            (20, self.passes),
            (5, self.syncs),
            (5, self.notices),
        )
        left = sum(share for share, _ in phases)
        for share, phase in phases:
            # What one has not used is for those that follow.
            now = time.monotonic()
            phase(now + max(0.0, self.end - now) * share / left)
            left -= share

    def desk(self, name: str, *, durable: bool) -> Desk:
        """Return a desk of a data root in the room; no package of this machine interferes."""
        store = FileStore(f"{self.room}/{name}", durable=durable)
        return Desk(store, clock=self.clock, validators=(), after_settlement=())

    def teams(self, desk: Desk, number: int) -> tuple[Party, Party]:
        """Return two of the teams, each pair in its turn; all pairs had theirs in one second."""
        if number % (TEAMS * (TEAMS - 1)) == 0:
            self.clock.tick()
        other = number + 1 + number // TEAMS % (TEAMS - 1)
        return desk.party(_team(number)), desk.party(_team(other))

    def calm(self) -> None:
        """Have written what making ready has left to be written, as far as can be asked."""
        if self.restless:
            return
        begun = time.monotonic()
        self.syncfs = self.disk.sync_file_system(self.room)
        # Where others write that much all the time, waiting for them brings no calm.
        self.restless = time.monotonic() - begun > PATIENCE_S

    # The life of one negotiation

    def lives(self, deadline: float) -> None:
        desk = self.desk("lives", durable=True)
        desk.initialise()
        self.content = _content(desk, *self.teams(desk, 0))
        pair = bare.Pair(f"{self.room}/bare-lives", self.content, durable=True)
        # The first one is not counted: whatever is loaded and made once.
        self.life(desk, pair, Stopwatch())
        for _ in _rounds(LIVES, deadline):
            self.life(desk, pair, self.watch)

    def life(self, desk: Desk, pair: bare.Pair, watch: Stopwatch) -> None:
        (one, other), name = self.teams(desk, 0), next(self.names)
        begin = partial(_start, one, other)
        deal = watch.turns("raw_start", partial(pair.start, name), "start", begin)
        _haggle(watch, (one, other), deal.id, partial(pair.answer, name))
        place = desk.store.find(one.address, deal.id)
        assert place is not None, "it goes on"
        for _ in range(SNAPSHOTS):
            look = partial(desk.store.snapshot, place)
            watch.turns("raw_read", partial(pair.read, name), "snapshot", look)

        def settle() -> None:
            other.accept(deal.id)
            _settled(desk, 1)

        def settle_bare() -> None:
            pair.answer(name)
            pair.settle(name)

        watch.turns("raw_deal", settle_bare, "deal", settle)

    def relaxed_lives(self, deadline: float) -> None:
        desk = self.desk("relaxed", durable=False)
        desk.initialise()
        pair = bare.Pair(f"{self.room}/bare-relaxed", self.content, durable=False)
        self.calm()
        self.relaxed_life(desk, pair, Stopwatch())
        for _ in _rounds(LIVES, deadline):
            self.relaxed_life(desk, pair, self.watch)

    def relaxed_life(self, desk: Desk, pair: bare.Pair, watch: Stopwatch) -> None:
        (one, other), name = self.teams(desk, 0), next(self.names)
        deal = _start(one, other)
        pair.start(name)
        _haggle(watch, (one, other), deal.id, partial(pair.answer, name), durable=False)
        other.accept(deal.id)
        _settled(desk, 1)

    # Many deals in one pass

    def batches(self, deadline: float) -> None:
        begun = time.monotonic()
        pair = bare.Pair(f"{self.room}/bare-batch", self.content, durable=False)
        for name in ("batch", "batch_relaxed"):
            desk = self.desk(name, durable=False)
            _populate(desk)
            # The first pass of a root has more to do.
            desk.poll()
        ready = time.monotonic()
        self.batch(Stopwatch(), pair, TRIAL, 0)
        spent_s = time.monotonic() - ready
        # On a slow disk fewer, so that it comes to an end.
        size = int(TRIAL * max(PATIENCE_S, deadline - begun) / spent_s)
        for number in _rounds(BATCHES, deadline):
            self.batch(self.watch, pair, max(TRIAL, min(BATCH, size)), number)

    def batch(self, watch: Stopwatch, pair: bare.Pair, size: int, turn: int) -> None:
        raw = Timed("raw_batch", size)
        deeds = [partial(self.batch_bare, watch, pair, raw)]
        for name, durable in (("batch", True), ("batch_relaxed", False)):
            watch.compare(Timed(name, size), raw)
            deeds.append(partial(self.batch_of_deals, watch, Timed(name, size), durable))
        for place in range(len(deeds)):
            deeds[(turn + place) % len(deeds)]()

    def batch_bare(self, watch: Stopwatch, pair: bare.Pair, key: Timed) -> None:
        names = [next(self.names) for _ in range(key.size)]
        for name in names:
            pair.start(name)
            pair.answer(name)
        self.calm()

        def settle() -> None:
            for name in names:
                pair.settle(name)

        watch.time(key, settle)

    def batch_of_deals(self, watch: Stopwatch, key: Timed, durable: bool) -> None:
        desk = self.desk(key.operation, durable=False)
        for number in range(key.size):
            one, other = self.teams(desk, number)
            other.accept(_start(one, other).id)
        self.calm()
        desk = self.desk(key.operation, durable=durable)
        watch.time(key, partial(_settled, desk, key.size))

    # Passes that find nothing to do

    def passes(self, deadline: float) -> None:
        begun = time.monotonic()
        deeds: list[tuple[Timed, Callable[[], object]]] = []
        for number, size in enumerate(ACTIVE):
            ready_by = begun + max(PATIENCE_S, (deadline - begun) / 2)
            paths = self.idle(self.desk(f"idle-{number}", durable=False), size, ready_by)
            desk = self.desk(f"idle-{number}", durable=True)
            desk.poll()
            states = bare.files_in(paths)
            for peer, raw, operation, deed in (
                ("raw_stats", partial(bare.stat_each, paths), "idle_pass", desk.poll),
                (
                    "raw_reads",
                    partial(bare.read_each, states),
                    "scan",
                    partial(desk.poll, scan=True),
                ),
            ):
                key, other = Timed(operation, len(paths)), Timed(peer, len(paths))
                self.watch.compare(key, other)
                deeds += [(other, raw), (key, deed)]
            deeds.append((Timed("raw_stat"), partial(bare.stat_each, paths[:1])))
        self.calm()
        for number in _rounds(PASSES, deadline):
            for turn in range(len(deeds)):
                self.watch.time(*deeds[(number + turn) % len(deeds)])

    def idle(self, desk: Desk, size: int, ready_by: float) -> list[str]:
        """Start that many negotiations, fewer on a slow disk; return their directories."""
        _populate(desk)
        for number in range(size):
            _start(*self.teams(desk, number))
            if number >= ACTIVE[0] and time.monotonic() > ready_by:
                break
        assert isinstance(desk.store, FileStore)
        return [desk.store.layout.namespace(place) for place in desk.store.namespaces()]

    # What the system offers

    def syncs(self, deadline: float) -> None:
        if not self.syncfs:
            return
        sync = partial(self.disk.sync_file_system, self.room)
        for _ in _rounds(SYNCS, deadline):
            self.disk.append(f"{self.room}/synced", b"1")
            self.watch.time(Timed("raw_syncfs"), sync)

    def notices(self, deadline: float) -> None:
        if any(finding.code == "no_notifications" for finding in self.mount.findings):
            return
        # Imported here: nobody else needs it.
        from nom_negotiate.store.files import noticing

        path = f"{self.room}/noticed"
        self.disk.make_directory(path)
        disk = bare.Bare(durable=False)
        with noticing.watching(path) as bell:
            for _ in _rounds(NOTICES, deadline):
                name = next(self.names)
                disk.write(f"{path}/new", b"1")
                change = partial(disk.rename, f"{path}/new", f"{path}/{name}")
                seconds = bell.seconds_after(change, NOTICE_S, name)
                if seconds is None:
                    self.notifications = False
                    return
                self.notifications = True
                self.watch.note(Timed("notification"), seconds)


def _rounds(most: int, deadline: float) -> Iterator[int]:
    """Count rounds that are likely to end by the deadline; there is one in any case."""
    begun = time.monotonic()
    for number in range(most):
        now = time.monotonic()
        if number and now + (now - begun) / number > deadline:
            return
        yield number


def _team(number: int) -> str:
    return f"team{number % TEAMS:02}@bench"


def _start(one: Party, other: Party) -> Negotiation:
    return one.start(
        other.address, chemical="C", role="buyer", price="5.50", quantity=1000, again=True
    )


def _populate(desk: Desk) -> None:
    for number in range(TEAMS):
        desk.add_party(_team(number))


def _haggle(
    watch: Stopwatch,
    parties: tuple[Party, Party],
    negotiation_id: str,
    raw: Callable[[], object],
    *,
    durable: bool = True,
) -> None:
    """Make four offers in turn and say a word, each beside its bare replacement of a file."""
    peer, suffix = ("raw_replace_synced", "") if durable else ("raw_replace", "_relaxed")
    one, other = parties
    for number, author in enumerate((other, one, other, one)):
        offer = partial(author.offer, negotiation_id, price=f"6.{number}", quantity=900)
        watch.turns(peer, raw, f"offer{suffix}", offer)
    say = partial(other.say, negotiation_id, "that is my last word")
    watch.turns(peer, raw, f"say{suffix}", say)


def _settled(desk: Desk, size: int) -> None:
    found = len(desk.poll().agreed)
    # Otherwise the time would be that of something else.
    assert found == size, f"expected {size} deals to be settled, found {found}"


def _content(desk: Desk, one: Party, other: Party) -> bare.Content:
    """Return what the files of a deal hold, taken from one."""
    deal = _start(one, other)
    _haggle(Stopwatch(), (one, other), deal.id, lambda: None)
    other.accept(deal.id)
    _settled(desk, 1)
    place = desk.store.find(one.address, deal.id)
    snapshot = None if place is None else desk.store.snapshot(place)
    assert snapshot is not None, "it is in the archive"
    assert snapshot.outcome is not None, "it was settled"
    [filed] = one.transactions()
    return bare.Content(
        state=codec.encode(snapshot.states[one.address]),
        outcome=codec.encode(snapshot.outcome),
        transaction=codec.encode(filed.transaction),
    )
