"""The file store's packs: what they look like, and what a crash, a reader or a stranger meets."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.contract.history import PARTIES, everything, live
from tests.contract.test_negotiating import ID, refusal, start
from tests.support import ALICE, BOB, CAROL, DAY, NOON, Clock

from nom_negotiate import Desk, FileStore, RecordError
from nom_negotiate.codec.packed import decode_packed
from nom_negotiate.store.files import namespace, packfile
from nom_negotiate.store.files import packs as reader
from nom_negotiate.store.files.atomic import Disk

MONTH = "2024-01"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    """Return a desk with half a month behind it."""
    desk = opened(root, clock)
    live(desk, clock, rounds=1)
    return desk


def opened(root: Path, clock: Clock, disk: Disk | None = None) -> Desk:
    """Return a desk that remembers nothing of what another one has read."""
    store = FileStore(root, durable=False, disk=disk)
    return Desk(store, clock=clock, validators=(), after_settlement=())


def pack_of(root: Path, party: str = ALICE) -> Path:
    return root / f"teams/{party}/packs/{MONTH}.jsonl.gz"


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a pack as a standard tool reads them."""
    said = subprocess.run(["zcat", str(path)], capture_output=True, check=True)
    return [json.loads(line) for line in said.stdout.splitlines()]


def bytes_under(root: Path) -> dict[str, bytes | str | None]:
    found: dict[str, bytes | str | None] = {}
    for path in sorted((root / "teams").rglob("*")):
        if path.name != ".lock":
            found[str(path.relative_to(root))] = (
                os.readlink(path)
                if path.is_symlink()
                else path.read_bytes()
                if path.is_file()
                else None
            )
    return found


def entries(root: Path) -> int:
    """Return how many names of negotiations and transactions there are, but for packs."""
    rooms = ("negotiations_archive", "transactions")
    return sum(len(list(root.glob(f"teams/*/{room}/*"))) for room in rooms)


# What they look like


def test_a_pack_is_read_with_standard_tools(root: Path, desk: Desk) -> None:
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.glob(f"teams/{ALICE}/*/*/*")
        if path.is_file() and not path.parent.is_symlink()
    }
    desk.pack(0)
    found = [line for line in lines(pack_of(root)) if line["party"] == ALICE]
    assert {line["schema"] for line in found} == {"nom.packed/1"}
    for line in found:
        for name, text in line["files"].items():
            assert sha256(text.encode()).hexdigest() == line["sha256"][name]
            if line["kind"] == "negotiation":
                path = f"teams/{ALICE}/negotiations_archive/{line['id']}/{name}"
                assert files.pop(path) == text.encode()
    assert files == {}
    # Both parties can take their archives home.
    theirs = {line["id"]: line for line in lines(pack_of(root, BOB))}
    shared = [line for line in found if line.get("responder") == BOB]
    assert len(shared) == 4
    assert all(theirs[line["id"]] == line for line in shared)


def test_what_is_packed_leaves_no_directory_link_or_file(root: Path, desk: Desk) -> None:
    assert entries(root) > 24
    desk.pack(0)
    # The transactions that are not settled.
    assert entries(root) == 4
    assert [path.name for path in root.rglob(".tmp-*")] == []


def test_the_same_records_give_the_same_bytes(root: Path, desk: Desk, clock: Clock) -> None:
    desk.pack(0)
    first = {party: pack_of(root, party).read_bytes() for party in PARTIES}
    desk.unpack(MONTH)
    assert not (root / f"teams/{ALICE}/packs").exists()
    clock.forward(DAY)
    opened(root, clock).pack(0)
    assert {party: pack_of(root, party).read_bytes() for party in PARTIES} == first


def test_unpacking_restores_each_byte_and_link(root: Path, desk: Desk) -> None:
    before = bytes_under(root)
    desk.pack(0)
    desk.unpack(MONTH)
    assert bytes_under(root) == before


def test_what_is_packed_later_is_appended(root: Path, desk: Desk, clock: Clock) -> None:
    desk.pack(0)
    first = pack_of(root).read_bytes()
    before = everything(desk)["archive"]
    alice, bob = desk.party(ALICE), desk.party(BOB)
    clock.forward(-3 * DAY)
    bob.reject(start(alice).id)
    desk.poll()
    clock.forward(3 * DAY)
    desk.pack(0)
    assert pack_of(root).read_bytes().startswith(first)
    assert len(desk.archive()) == len(before) + 1


def test_long_packs_have_many_members_and_are_found_whole(
    root: Path, desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(desk)
    monkeypatch.setattr("nom_negotiate.store.files.packfile.MEMBER_BYTES", 100)
    desk.pack(0)
    count = sum(1 for _ in packfile.members(pack_of(root).read_bytes()))
    assert count == len(lines(pack_of(root)))
    assert everything(opened(root, clock)) == before
    monkeypatch.setattr(reader, "CACHED_BYTES", 1)
    monkeypatch.setattr(reader, "CACHED_LINES", 1)
    assert everything(opened(root, clock)) == before


def test_a_pack_is_read_once_and_not_for_each_negotiation(
    root: Path, desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.pack(0)
    unfolded: list[int] = []
    real = zlib.decompressobj

    def counted(wbits: int) -> Any:
        unfolded.append(wbits)
        return real(wbits=wbits)

    monkeypatch.setattr(zlib, "decompressobj", counted)
    fresh = opened(root, clock)
    for _ in range(3):
        assert len(fresh.archive()) == 12
        fresh.stats()
    # One of negotiations and one of transactions, for each of the four who have both or one.
    assert len(unfolded) <= 8


# Crashes, and readers in between


class Stopped(BaseException):
    """The process dies here."""


class Stepping(Disk):
    """A disk that calls somebody before each primitive."""

    def __init__(self, each: Callable[[int, str], object]) -> None:
        super().__init__(durable=True)
        self.each = each
        self.steps = 0

    def _step(self, name: str) -> None:
        self.steps += 1
        self.each(self.steps, name)


def _stepped(name: str) -> Callable[..., Any]:
    def primitive(self: Stepping, *args: Any, **options: Any) -> Any:
        self._step(name)
        if name in ("sync", "sync_now"):
            return None
        return getattr(Disk, f"_{name}")(self, *args, **options)

    return primitive


for _name in [
    "open",
    "write",
    "sync",
    "sync_now",
    "rename",
    "link",
    "symlink",
    "unlink",
    "mkdir",
    "rmdir",
]:
    setattr(Stepping, f"_{_name}", _stepped(_name))


def nothing(number: int, name: str) -> None:
    """Let it pass."""


def pack(desk: Desk) -> None:
    assert desk.pack(0).problems == ()


def unpack(desk: Desk) -> None:
    assert desk.unpack(MONTH).problems == ()


def small(root: Path, clock: Clock) -> Desk:
    """Return a desk with two negotiations that have ended, one of them settled."""
    desk = opened(root, clock)
    alice, bob = desk.party(ALICE), desk.party(BOB)
    bob.accept(start(alice).id)
    bob.reject(start(alice, chemical="N").id)
    desk.poll()
    alice.mark_settled(alice.transactions()[0].name)
    clock.forward(DAY)
    return desk


WAYS = pytest.mark.parametrize("way", [pack, unpack])


@WAYS
def test_whoever_reads_meanwhile_finds_everything(
    root: Path, clock: Clock, way: Callable[[Desk], None]
) -> None:
    desk = small(root, clock)
    if way is unpack:
        pack(desk)
    before = everything(desk)
    looks = 0

    def look(number: int, name: str) -> None:
        nonlocal looks
        looks += 1
        assert everything(opened(root, clock)) == before, (number, name)
        assert everything(desk) == before, (number, name)

    way(opened(root, clock, Stepping(look)))
    assert looks > 20
    assert everything(desk) == before


@WAYS
def test_a_crash_at_any_step_changes_no_figure_and_a_redo_ends_as_if_undisturbed(
    tmp_path: Path, clock: Clock, way: Callable[[Desk], None]
) -> None:
    counted = Stepping(nothing)
    desk = small(tmp_path / "whole", clock)
    if way is unpack:
        pack(desk)
    before = everything(desk)
    way(opened(tmp_path / "whole", clock, counted))
    whole = bytes_under(tmp_path / "whole")
    now = clock.now
    for stop in range(1, counted.steps + 1):
        root = tmp_path / str(stop)
        clock.now = NOON
        desk = small(root, clock)
        assert clock.now == now
        if way is unpack:
            pack(desk)

        def die(number: int, name: str, stop: int = stop) -> None:
            if number >= stop:
                raise Stopped

        with pytest.raises(Stopped):
            way(opened(root, clock, Stepping(die)))
        assert everything(opened(root, clock)) == before, stop
        after = opened(root, clock)
        after.poll()
        finish(after, way)
        for path in root.rglob(".tmp-*"):
            os.utime(path, (NOON, NOON), follow_symlinks=False)
        after.poll(scan=True)
        assert bytes_under(root) == whole, stop
        assert everything(after)["archive"] == before["archive"]


def finish(desk: Desk, way: Callable[[Desk], None]) -> None:
    held = [pack for party in desk.parties() for pack in desk.store.packs(party.address)]
    if way is pack or any(pack.negotiations for pack in held):
        way(desk)
    desk.store.note_sweep(0)


def test_nobody_sees_half_of_what_is_taken_away(root: Path, clock: Clock) -> None:
    desk = small(root, clock)
    place = desk.store.find(desk.party(ALICE).address, ID)
    assert place is not None
    expected = desk.store.snapshot(place)
    path = root / f"teams/{ALICE}/negotiations_archive/{ID}"
    held = os.open(path, os.O_RDONLY)
    desk.pack(0)
    # Whoever had opened the directory finds it empty now, and looks elsewhere.
    assert os.listdir(held) == []
    os.close(held)
    assert desk.store.snapshot(place) == expected


def test_whoever_is_reading_a_negotiation_that_is_taken_away_reads_it_from_the_pack(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = small(root, clock)
    place = desk.store.find(desk.party(ALICE).address, ID)
    assert place is not None
    expected = desk.store.snapshot(place)
    real = namespace._stable

    def stable(*args: Any, **options: Any) -> Any:
        # Between opening the directory and looking into it.
        monkeypatch.setattr(namespace, "_stable", real)
        assert desk.pack(0)[:2] == (2, 1)
        return real(*args, **options)

    monkeypatch.setattr(namespace, "_stable", stable)
    assert opened(root, clock).store.snapshot(place) == expected
    assert namespace._stable is real


@WAYS
def test_whoever_lists_between_the_two_places_misses_nothing(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, way: Callable[[Desk], None]
) -> None:
    desk = small(root, clock)
    if way is unpack:
        pack(desk)
    before = everything(desk)
    todo: list[Callable[[Desk], None]] = []

    def first(real: Callable[..., Any]) -> Callable[..., Any]:
        def listed(*args: Any, **options: Any) -> Any:
            found = real(*args, **options)
            found = found if isinstance(found, tuple) else iter(list(found))
            while todo:
                # It moves to where was looked already, or will not be looked.
                todo.pop()(desk)
            return found

        return listed

    for name in ("_entries", "_records"):
        monkeypatch.setattr(FileStore, name, first(getattr(FileStore, name)))
    for look in (
        lambda desk: [one.id for one in desk.archive()],
        lambda desk: [one.id for one in desk.party(BOB).negotiations(archived=True)],
        lambda desk: desk.party(ALICE).transactions(),
    ):
        expected = look(desk)
        todo.append(way)
        assert look(opened(root, clock)) == expected
        assert todo == []
        (pack if way is unpack else unpack)(desk)
    assert everything(desk) == before


# What others do meanwhile


def test_two_who_pack_at_once_lose_nothing_of_each_other(root: Path, clock: Clock) -> None:
    desk = opened(root, clock)
    live(desk, clock, rounds=1)
    before = everything(desk)
    other = opened(root, clock)

    alice, bob = (desk.party(address).address for address in (ALICE, BOB))

    def meanwhile(number: int, name: str) -> None:
        # As if the lock had failed to hold: at each step the other one packs one more, some of
        # it the same, and all of it into packs that this one writes, too.
        other.store.pack(int(clock.now), party=alice, at_most=1)

    desk = opened(root, clock, Stepping(meanwhile))
    packing = desk.store.pack(int(clock.now), party=bob)
    assert packing.problems == ()
    other.pack(0)
    assert everything(other) == before
    assert entries(root) == 4
    ids = [(line["kind"], line["id"]) for line in lines(pack_of(root))]
    assert len(ids) == len(set(ids))


def test_a_mark_that_is_made_while_it_is_packed_stays(root: Path, clock: Clock) -> None:
    desk = small(root, clock)
    [filed] = desk.party(ALICE).transactions()
    path = root / f"teams/{ALICE}/transactions/{filed.name}"

    archive = root / f"teams/{ALICE}/negotiations_archive"

    def mark(number: int, name: str) -> None:
        # A program of alice's, which knows nothing of locks, at the moment it is hidden.
        if name == "rename" and path.exists() and not any(archive.iterdir()):
            text = path.read_text().replace('"settled": true', '"settled": false')
            path.with_suffix(".new").write_text(text)
            path.with_suffix(".new").rename(path)

    opened(root, clock, Stepping(mark)).pack(0)
    assert [f.transaction.settled for f in desk.party(ALICE).transactions()] == [False]
    assert path.exists()
    desk.pack(0)
    assert path.exists()


def test_a_transaction_that_its_owner_is_at_is_left_for_the_next_sweep(
    root: Path, clock: Clock
) -> None:
    desk = small(root, clock)
    with desk.store.writer(desk.party(ALICE).address):
        assert desk.pack(0)[:2] == (2, 0)
    assert desk.pack(0)[:2] == (0, 1)


def test_a_file_that_is_added_while_it_is_packed_stays(root: Path, clock: Clock) -> None:
    desk = small(root, clock)
    before = everything(desk)["archive"]
    path = root / f"teams/{ALICE}/negotiations_archive/{ID}"

    def add(number: int, name: str) -> None:
        if name == "unlink" and path.exists():
            (path / "note.txt").write_text("wait")

    packing = opened(root, clock, Stepping(add)).pack(0)
    assert [problem.path for problem in packing.problems] == [
        f"teams/{ALICE}/negotiations_archive/{ID}"
    ]
    assert (path / "note.txt").read_text() == "wait"
    assert everything(desk)["archive"] == before
    assert desk.pack(0).problems == ()
    assert not path.exists()
    assert [line["files"].get("note.txt") for line in lines(pack_of(root)) if line["id"] == ID] == [
        None,
        "wait",
    ]
    assert everything(desk)["archive"] == before
    desk.unpack(ID)
    assert (path / "note.txt").read_text() == "wait"
    assert all(line["id"] != ID for line in lines(pack_of(root)))


# What cannot be packed


def fifo(path: Path) -> None:
    os.mkfifo(path / "pipe")


def link(path: Path) -> None:
    (path / "link").symlink_to("/etc/passwd")


def directory(path: Path) -> None:
    (path / "more").mkdir()


def too_large(path: Path) -> None:
    (path / "large").write_bytes(b"x" * (256 * 1024 + 1))


def no_text(path: Path) -> None:
    (path / "image").write_bytes(b"\x89PNG\xff")


def no_name(path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(path) + b"/\xff"))).write_text("x")


def too_many(path: Path) -> None:
    for number in range(64):
        (path / f"{number}").write_text("x")


def third_party(path: Path) -> None:
    (path / "carol_state.json").write_text("{")


def broken_outcome(path: Path) -> None:
    (path / "outcome.json").write_text("{")


def no_outcome(path: Path) -> None:
    (path / "outcome.json").unlink()


def no_state(path: Path) -> None:
    (path / "alice_state.json").write_text("[]")


ODD = [
    fifo,
    link,
    directory,
    too_large,
    no_text,
    no_name,
    too_many,
    third_party,
    broken_outcome,
    no_outcome,
    no_state,
]


@pytest.mark.parametrize("make", ODD)
def test_what_cannot_be_packed_exactly_stays_and_is_told(
    root: Path, clock: Clock, make: Callable[[Path], None]
) -> None:
    desk = small(root, clock)
    path = root / f"teams/{ALICE}/negotiations_archive/{ID}"
    make(path)
    before = everything(desk)
    stays = sorted(os.fsencode(found) for found in path.iterdir())
    packing = desk.pack(0)
    assert len(packing.problems) == 1
    assert packing.problems[0].path.startswith(f"teams/{ALICE}/negotiations_archive/{ID}")
    assert packing.problems[0].reason.isprintable()
    # The other one goes.
    assert packing[:2] == (1, 1)
    assert sorted(os.fsencode(found) for found in path.iterdir()) == stays
    assert everything(desk) == before


def test_a_transaction_that_cannot_be_read_stays_and_is_told(root: Path, clock: Clock) -> None:
    desk = small(root, clock)
    odd = root / f"teams/{ALICE}/transactions/odd.json"
    odd.write_text("{")
    packing = desk.pack(0)
    assert [problem.path for problem in packing.problems] == [
        f"teams/{ALICE}/transactions/odd.json"
    ]
    assert odd.exists()


def test_another_transaction_under_a_name_that_is_packed_counts_and_stays(
    root: Path, clock: Clock
) -> None:
    desk = small(root, clock)
    [filed] = desk.party(ALICE).transactions()
    path = root / f"teams/{ALICE}/transactions/{filed.name}"
    text = path.read_text()
    desk.pack(0)
    path.write_text(text.replace(ID, "alice_bob_C_1"))
    assert [f.transaction.negotiation_id for f in desk.party(ALICE).transactions()] == [
        ID,
        "alice_bob_C_1",
    ]
    [problem] = desk.pack(0).problems
    assert "another one of that name is packed" in problem.reason
    assert path.exists()
    [problem] = desk.unpack(MONTH).problems
    assert "is another transaction by now" in problem.reason
    assert len(desk.party(ALICE).transactions()) == 2


def test_a_negotiation_that_differs_from_its_packed_self_stays_both(
    root: Path, clock: Clock
) -> None:
    desk = small(root, clock)
    state = root / f"teams/{ALICE}/negotiations_archive/{ID}/alice_state.json"
    data = state.read_bytes()
    desk.pack(0)
    state.parent.mkdir()
    state.write_bytes(data)
    [problem] = desk.unpack(MONTH).problems
    assert "differs from what is packed" in problem.reason
    assert [line["id"] for line in lines(pack_of(root))] == [ID]


# Damage


def damaged_at_the_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def followed_by_something(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0\0\0\0")


def another_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + gzip.compress(b'{"schema":"nom.packed/1"}\n'))


def a_line_of_another_month(path: Path) -> None:
    data = gzip.decompress(path.read_bytes()).replace(b'"at":17', b'"at":18')
    path.write_bytes(path.read_bytes() + gzip.compress(data))


def a_line_of_others(path: Path) -> None:
    data = gzip.decompress(path.read_bytes()).replace(b"alice@", b"mallory@")
    path.write_bytes(path.read_bytes() + gzip.compress(data))


def a_bomb(path: Path) -> None:
    machine = zlib.compressobj(wbits=31)
    data = b"".join(machine.compress(bytes(1 << 20)) for _ in range(100))
    path.write_bytes(path.read_bytes() + data + machine.flush())


def no_gzip(path: Path) -> None:
    path.write_bytes(b"hello")


def a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


KEEPS = [
    damaged_at_the_end,
    followed_by_something,
    another_line,
    a_line_of_another_month,
    a_line_of_others,
    a_bomb,
]
LOSES = [no_gzip, a_fifo, a_link]


@pytest.mark.parametrize("damage", [*KEEPS, *LOSES])
def test_a_damaged_pack_is_told_and_left_as_it_is(
    root: Path, clock: Clock, damage: Callable[[Path], None]
) -> None:
    desk = small(root, clock)
    desk.pack(0)
    path = pack_of(root)
    # Alone in its month, so that it is the end that is damaged.
    bob = desk.party(BOB)
    clock.forward(1)
    damage(path)
    size = path.lstat().st_size
    told: list[str] = []
    fresh = Desk(
        FileStore(root, durable=False),
        clock=clock,
        validators=(),
        after_settlement=(),
        notice=told.append,
    )
    fresh.stats()
    assert told
    assert all(line.startswith(f"left out teams/{ALICE}/packs/{MONTH}") for line in told)
    if damage in KEEPS[1:]:
        assert len(fresh.archive()) == 2
        assert len(fresh.party(ALICE).transactions()) == 1
    assert len(bob.transactions()) == 1
    clock.now = NOON + 7 * DAY
    bob.reject(start(fresh.party(ALICE)).id)
    fresh.poll()
    clock.forward(1)
    packing = fresh.pack(0)
    assert packing[:2] == (0, 0)
    assert {problem.path for problem in packing.problems} == {
        f"teams/{ALICE}/packs/{MONTH}.jsonl.gz"
    }
    assert path.lstat().st_size == size
    assert len(bob.negotiations(archived=True)) >= 1


def test_a_file_of_a_packed_negotiation_that_was_tampered_with_is_not_believed(
    root: Path, clock: Clock
) -> None:
    desk = small(root, clock)
    desk.pack(0)
    path = pack_of(root)
    data = gzip.decompress(path.read_bytes()).replace(b'\\"price\\": 5.5', b'\\"price\\": 9.9')
    path.write_bytes(gzip.compress(data))
    fresh = opened(root, clock)
    assert fresh.party(ALICE).transactions() == []
    place = fresh.store.find(fresh.party(ALICE).address, ID)
    assert place is not None
    snapshot = fresh.store.snapshot(place)
    assert snapshot is not None
    assert "sha256" in snapshot.problems[0].reason


# The sweep


def test_an_hourly_sweep_removes_what_was_left_in_the_archive(root: Path, clock: Clock) -> None:
    desk = small(root, clock)
    home = root / f"teams/{ALICE}"
    left = [
        home / f"negotiations_archive/{ID}/.tmp-1-x",
        home / "packs/.tmp-1-x",
        home / "transactions/.tmp-guarded-1-x",
        home / "listings/.tmp-1-x",
        root / "migration/.tmp-1-x",
        root / "poller/.tmp-1-x",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
    dangling = root / f"teams/{CAROL}/negotiations_archive/alice_carol_C_1"
    desk.add_party(CAROL)
    dangling.symlink_to(f"../../{ALICE}/negotiations_archive/alice_carol_C_1")
    wrong = root / f"teams/{CAROL}/negotiations_archive/elsewhere"
    wrong.symlink_to("/etc")
    desk.store.note_sweep(0)
    [problem] = desk.poll().problems
    assert problem.path == f"teams/{CAROL}/negotiations_archive/elsewhere"
    assert all(map(os.path.lexists, [*left, dangling, wrong]))
    for path in (*left, dangling, wrong):
        os.utime(path, (NOON, NOON), follow_symlinks=False)
    desk.store.note_sweep(0)
    desk.poll(scan=True)
    assert [path for path in (*left, dangling) if os.path.lexists(path)] == []
    assert wrong.is_symlink()
    assert len(desk.party(BOB).negotiations(archived=True)) == 2


@pytest.fixture
def living() -> Iterator[int]:
    """Return the number of a process that lives."""
    process = subprocess.Popen(["sleep", "60"])
    yield process.pid
    process.kill()
    process.wait()


def test_what_a_living_writer_is_at_is_kept_for_a_day(
    root: Path, clock: Clock, living: int
) -> None:
    import time

    desk = small(root, clock)
    gone = subprocess.Popen(["true"])
    gone.wait()
    room = root / f"teams/{ALICE}/transactions"
    names = {
        "alive": f".tmp-{living}-0123456789ab",
        "alive, guarded": f".tmp-guarded-{living}-0123456789ab",
        "alive, in a batch": f".tmp-pack-{living}-0123456789ab",
        "gone": f".tmp-{gone.pid}-0123456789ab",
        "gone, guarded": f".tmp-guarded-{gone.pid}-0123456789ab",
        "own": f".tmp-{os.getpid()}-0123456789ab",
    }
    for hours, kept in ((0.5, set(names)), (2, {n for n in names if "alive" in n}), (25, set())):
        then = time.time() - hours * 3600
        for name in names.values():
            (room / name).write_text("{")
            os.utime(room / name, (then, then))
        desk.poll(scan=True)
        assert {name for name, path in names.items() if (room / path).exists()} == kept


def test_a_writer_that_was_stopped_for_too_long_fails_and_says_so(root: Path, clock: Clock) -> None:
    desk = small(root, clock)

    def stopped_for_a_day(number: int, name: str) -> None:
        if name in ("rename", "link"):
            for path in root.rglob(".tmp-*"):
                path.unlink()

    late = opened(root, clock, Stepping(stopped_for_a_day))
    [filed] = desk.party(ALICE).transactions()
    with pytest.raises(Exception, match="cannot write") as failed:
        late.party(ALICE).mark_settled(filed.name, settled=False)
    assert failed.value.code == "store_failed"  # type: ignore[attr-defined]
    assert [f.transaction.settled for f in desk.party(ALICE).transactions()] == [True]


def test_a_line_that_is_longer_than_any_record_can_make_it_is_refused() -> None:
    with pytest.raises(RecordError, match="at most 4194304 bytes") as refused:
        decode_packed(b" " * (4 * 1024 * 1024 + 1))
    assert refused.value.code == "record_too_large"


def test_an_id_that_is_no_month_is_no_month(root: Path, desk: Desk) -> None:
    desk.pack(0)
    assert refusal(desk.unpack, "2024-13") == "not_packed"
