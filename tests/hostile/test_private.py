"""Whatever lies in a party's private room: it stops its own autopilot only, and nobody is told.

Alice keeps a limit and has an autopilot in one negotiation, dave in another. Alice's records are
spoilt, one way at a time.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.hostile.guard import kept_inside
from tests.hostile.rows import device, directory, fifo, link, listening_socket, sparse
from tests.hostile.scene import DAVE, DUE, OTHERS, OTHERS_DUE, SAME, SECRET, VICTIM, Scene
from tests.support import ALICE, BOB

from nom_negotiate import Desk, NomError
from nom_negotiate.autopilot import Pilots, Step, setting, turn_on
from nom_negotiate.cli import entry
from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.doctor import examine
from nom_negotiate.preferences import preferences, set_preferences
from nom_negotiate.suggestion import suggest

LIMIT: Final = "4.3217"
TARGET: Final = 137
WANTED: Final = f"{SAME}.preferences.json"
AUTOPILOT: Final = f"{SAME}.autopilot.json"


def limit(who: str, negotiation_id: str, desk: Desk) -> None:
    party = desk.party(who)
    set_preferences(
        party, negotiation_id=negotiation_id, reservation_price=LIMIT, target_quantity=TARGET
    )
    turn_on(party, negotiation_id)


@pytest.fixture
def scene(scene: Scene) -> Scene:
    desk = scene.desk([])
    limit(ALICE, SAME, desk)
    limit(DAVE, OTHERS, desk)
    return scene


class Odd(NamedTuple):
    """One way to spoil a record.

    Attributes:
        name: a sentence.
        file: of which record.
        harm: does it.
        code: of the doctor's finding.
        mends: whether its party can say it anew over it.
    """

    name: str
    file: str
    harm: Callable[[Path], object]
    code: str = "malformed_private"
    mends: bool = True


def of_another_kind() -> Iterator[Odd]:
    for file, what in ((WANTED, "preferences"), (AUTOPILOT, "an autopilot")):
        yield Odd(f"{what} that are a FIFO", file, fifo)
        yield Odd(f"{what} that are a device", file, device)
        yield Odd(f"{what} that are a socket", file, listening_socket)
        yield Odd(f"{what} that are a directory", file, directory, mends=False)
        yield Odd(f"{what} that are a link out", file, lambda path: link(path, "/etc/passwd"))
        yield Odd(f"{what} that are a link to nothing", file, lambda path: link(path, "nowhere"))
        yield Odd(
            f"{what} that are a link to another party's", file, lambda path: link(path, daves(path))
        )
        yield Odd(f"{what} of a GiB", file, sparse)
        yield Odd(f"{what} of no bytes", file, lambda path: path.write_bytes(b""))
        yield Odd(f"{what} of zeros", file, lambda path: path.write_bytes(b"\0" * 4096))
        yield Odd(f"{what} that are no text", file, lambda path: path.write_bytes(b"\xff\xfe{"))
        yield Odd(f"{what} that end too early", file, lambda path: path.write_bytes(whole(path)))
        yield Odd(f"{what} that are a list", file, lambda path: path.write_text(f"[{LIMIT}]"))
        yield Odd(f"{what} that nest", file, lambda path: path.write_text("[" * 5000))
        yield Odd(
            f"{what} of a later version",
            file,
            said(schema=f"nom.{file.split('.')[-2]}/2"),
            "unknown_schema",
        )
        yield Odd(f"{what} of no schema", file, said(schema=LIMIT))


def daves(path: Path) -> Path:
    return path.parents[2] / DAVE / "private" / path.name.replace(SAME, OTHERS)


def whole(path: Path) -> bytes:
    return path.read_bytes().rstrip()[:-1]


def said(**fields: Any) -> Callable[[Path], object]:
    """Return what lets a record say something else in these fields; None for nothing."""

    def harm(path: Path) -> None:
        kept = json.loads(path.read_bytes()) | fields
        path.write_text(json.dumps({key: each for key, each in kept.items() if each is not None}))

    return harm


def number(text: str) -> Callable[[Path], object]:
    """Return what writes the reservation price in these characters."""

    def harm(path: Path) -> None:
        data = path.read_text()
        assert f": {LIMIT}" in data
        path.write_text(data.replace(f": {LIMIT}", f": {text}"))

    return harm


ROWS: Final = [
    *of_another_kind(),
    *(
        Odd(f"a reservation price of {text[:24]}", WANTED, number(text))
        for text in ("-4.3217", '"4.3217"', "NaN", "1e999", "4.32170000000000001", "9" * 5000)
    ),
    Odd("a reservation price that is said twice", WANTED, number('1, "reservation_price": 4.3217')),
    Odd("no reservation price", WANTED, said(reservation_price=None)),
    Odd("a target quantity of nothing", WANTED, said(target_quantity=0)),
    Odd("a cost below nothing", WANTED, said(shortfall=-4.3217)),
    Odd("a cost in words", WANTED, said(excess=SECRET)),
    Odd("no round at all", AUTOPILOT, said(max_rounds=0)),
    Odd("more rounds than there are", AUTOPILOT, said(max_rounds=10**30)),
    Odd("rounds in words", AUTOPILOT, said(max_rounds=SECRET)),
    Odd("a yes that is none", AUTOPILOT, said(auto_accept=LIMIT)),
    Odd("no beginning", AUTOPILOT, said(created=None)),
]


def quotes_nothing(text: str) -> None:
    for secret in (LIMIT, SECRET, "43217", str(TARGET)):
        assert secret not in text
    assert [char for char in text if not (char.isprintable() or char == "\n")] == []


def flown(desk: Desk) -> tuple[list[Step], list[str]]:
    """Let the autopilots of all parties look through what there is."""
    steps: list[Step] = []
    told: list[str] = []
    pilots = Pilots(desk, every_s=0, on_step=steps.append, notice=told.append)
    pilots.look_through()
    pilots.follow(desk.poll())
    for text in told:
        quotes_nothing(text)
    return steps, told


def printed(
    scene: Scene, command: list[str], capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    capsys.readouterr()
    status = entry.run(["--data", str(scene.root), *command])
    said = capsys.readouterr()
    assert status != entry.EXIT_FAULT, said.err
    assert SECRET not in said.out + said.err
    return status, said.out, said.err


def examined(scene: Scene, *, repair: bool = False) -> set[tuple[str, str]]:
    found = examine(scene.desk([]), repair=repair, mount=False, wait_s=0.2).findings
    for one in found:
        quotes_nothing(f"{one.path} {one.reason} {one.remedy}")
    return {(one.code, one.path) for one in found if not one.repaired}


def goes_on_but_for_alice(scene: Scene) -> list[str]:
    """Assert that what alice keeps stops her autopilot only; return what is told."""
    steps, told = flown(scene.desk([]))
    assert {(step.party, step.negotiation_id) for step in steps} == {(DAVE, OTHERS)}
    desk = scene.desk([])
    assert {one.id for one in desk.archive()} == {VICTIM, DUE, OTHERS_DUE}
    assert len(desk.party(ALICE).negotiation(SAME).moves) == 2
    return told


def test_an_autopilot_of_each_answers_where_nothing_is_odd(scene: Scene) -> None:
    steps, told = flown(scene.desk([]))
    assert {step.party for step in steps} == {ALICE, DAVE}
    assert told == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize("odd", ROWS, ids=[row.name for row in ROWS])
def test_what_is_odd_in_a_private_room(
    odd: Odd, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    path = scene.room(ALICE, "private") / odd.file
    odd.harm(path)
    with kept_inside(scene.root):
        alice = scene.desk([]).party(ALICE)
        for ask in (lambda: suggest(alice, SAME), lambda: setting(alice, SAME)):
            assert SECRET not in answer(ask)
        assert SECRET not in repr(list(preferences(alice)))
        for command in (["prefs", "show"], ["prefs", "show", "--json"], ["suggest", SAME]):
            status, _, err = printed(scene, [*command, "--as", ALICE], capsys)
            assert err.count("\n") <= 1 or not status, err
        for command in (["show", SAME, "--as", BOB], ["ls", "--all"], ["tree", "--party", ALICE]):
            _, out, err = printed(scene, command, capsys)
            quotes_nothing(out + err)
        [told] = goes_on_but_for_alice(scene)
        assert told.startswith(f"the autopilot of {ALICE} in {SAME} waits: ")
        assert (odd.code, f"teams/{ALICE}/private/{odd.file}") in examined(scene)
        assert (odd.code, f"teams/{ALICE}/private/{odd.file}") in examined(scene, repair=True)
        assert os.path.lexists(path), "nobody but its party takes anything out of the room"
        said_anew(scene, odd)


def answer(ask: Callable[[], object]) -> str:
    try:
        return repr(ask())
    except NomError as error:
        return f"{error.message}; {error.hint}"


def said_anew(scene: Scene, odd: Odd) -> None:
    desk = scene.desk([])
    if odd.mends:
        limit(ALICE, SAME, desk)
        assert {step.party for step in flown(desk)[0]} >= {ALICE}
        return
    with pytest.raises(NomError) as refused:
        limit(ALICE, SAME, desk)
    quotes_nothing(refused.value.message)


# The room itself


def room_elsewhere(room: Path) -> None:
    moved = room.parents[3] / "outside" / "private"
    room.rename(moved)
    room.symlink_to(moved)


def no_room(room: Path) -> None:
    moved = room.parents[3] / "outside" / "private"
    room.rename(moved)


def file_for_a_room(room: Path) -> None:
    no_room(room)
    room.write_text(LIMIT)


def fifo_for_a_room(room: Path) -> None:
    no_room(room)
    os.mkfifo(room)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("harm", [room_elsewhere, no_room, file_for_a_room, fifo_for_a_room])
def test_what_is_in_the_place_of_a_private_room(
    harm: Callable[[Path], object], scene: Scene
) -> None:
    harm(scene.room(ALICE, "private"))
    with kept_inside(scene.root):
        goes_on_but_for_alice(scene)
        assert f"teams/{ALICE}/private" in {path for _, path in examined(scene)} or harm is no_room


TEETH: Final = "\x1b[2J\u202e"


@pytest.mark.parametrize(
    "name",
    [f"{TEETH}.autopilot", "a b.autopilot", ".hidden.autopilot", ".autopilot", "x" * 240],
)
def test_a_name_that_can_be_none_of_a_record_is_its_partys_own_business(
    name: str, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    (scene.room(ALICE, "private") / f"{name}.json").write_text(f'"{SECRET}"')
    steps, told = flown(scene.desk([]))
    assert {step.party for step in steps} == {ALICE, DAVE}
    assert told == []
    assert examined(scene) == set()
    _, out, err = printed(scene, ["prefs", "show", "--as", ALICE], capsys)
    assert TEETH[0] not in out + err


def test_a_negotiation_that_there_is_none_of_keeps_no_autopilot_busy(scene: Scene) -> None:
    own = (scene.room(ALICE, "private") / AUTOPILOT).read_bytes()
    for number in range(50):
        (scene.room(ALICE, "private") / f"none_{number}.autopilot.json").write_bytes(own)
    steps, told = flown(scene.desk([]))
    assert {step.party for step in steps} == {ALICE, DAVE}
    assert told == []


def test_an_autopilot_in_the_negotiation_of_others_says_nothing(scene: Scene) -> None:
    for kind in ("autopilot", "preferences"):
        own = scene.room(ALICE, "private") / f"{SAME}.{kind}.json"
        (own.with_name(f"{OTHERS}.{kind}.json")).write_bytes(own.read_bytes())
    steps, _ = flown(scene.desk([]))
    assert {(step.party, step.negotiation_id) for step in steps} == {(ALICE, SAME), (DAVE, OTHERS)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to somebody else")
def test_a_record_of_another_user_is_named_and_heeded_as_far_as_it_can_be_read(
    scene: Scene,
) -> None:
    path = scene.room(ALICE, "private") / WANTED
    os.chown(path, 61_001, 61_001)
    assert ("owner", f"teams/{ALICE}/private/{WANTED}") in examined(scene, repair=True)
    assert {step.party for step in flown(scene.desk([]))[0]} == {ALICE, DAVE}


def test_a_record_that_others_may_read_is_named_and_kept_from_them(scene: Scene) -> None:
    path = scene.room(ALICE, "private") / WANTED
    before = path.read_bytes()
    path.chmod(0o644)
    assert ("mode", f"teams/{ALICE}/private/{WANTED}") in examined(scene)
    assert examined(scene, repair=True) == set()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == before


# What changes while it is looked at


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "harm", [Path.unlink, fifo, lambda path: link(path, "/etc/passwd"), directory, sparse]
)
def test_a_record_that_becomes_something_else_after_it_was_listed(
    harm: Callable[[Path], object], scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    listdir = os.listdir
    done: list[str] = []

    def listed(path: str) -> list[str]:
        found = listdir(path)
        if not done and str(path).endswith(f"{ALICE}/private"):
            done.append(path)
            harm(Path(path) / AUTOPILOT)
        return found

    monkeypatch.setattr(os, "listdir", listed)
    with kept_inside(scene.root):
        goes_on_but_for_alice(scene)
    assert done


@pytest.mark.timeout(20)
def test_a_record_that_grows_while_it_is_read_ends_at_the_bound(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, wanted = os.read, scene.room(ALICE, "private") / WANTED
    inode, reads = wanted.stat().st_ino, []

    def grown(fd: int, size: int) -> bytes:
        data = read(fd, size)
        if os.fstat(fd).st_ino == inode:
            reads.append(len(data))
            with wanted.open("ab") as file:
                file.write(b" " * (MAX_RECORD_BYTES // 8))
        return data

    monkeypatch.setattr(os, "read", grown)
    steps, _ = flown(scene.desk([]))
    assert DAVE in {step.party for step in steps}
    # Read a few times, and not for as long as it grows.
    assert 0 < len(reads) < 50
    assert max(reads) <= MAX_RECORD_BYTES


# Numbers at the edge of what can be said


@pytest.mark.parametrize("price", ["99999999999999900000", "0.00000000000000000001", "0"])
@pytest.mark.parametrize("quantity", ["99999999999999900000", "0.00000000000000000001"])
def test_no_limit_is_told_where_it_is_too_large_or_too_small_to_haggle_with(
    price: str, quantity: str, scene: Scene
) -> None:
    desk = scene.desk([])
    set_preferences(
        desk.party(ALICE), negotiation_id=SAME, reservation_price=price, target_quantity=quantity
    )
    steps, told = flown(desk)
    assert DAVE in {step.party for step in steps}
    for line in told:
        assert re.findall("[0-9.e+]{4,}", line.replace(SAME, "")) == [], line


def test_whoever_has_ten_thousand_records_costs_a_look_at_names_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = scene.room(ALICE, "private")
    for number in range(10_000):
        (room / f"x{number}.preferences.json").touch()
    opened: list[str] = []
    real = os.open

    def opening(path: Any, *rest: Any, **options: Any) -> int:
        opened.append(str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", opening)
    Pilots(scene.desk([]), every_s=0).look_through()
    assert len([path for path in opened if "x1" in path]) == 0
