"""The file store: what does not belong is reported and stepped over, and wedges nothing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.test_negotiating import ID, start
from tests.support import ALICE, BOB, CAROL, DAY, NOON, Clock

from nom_negotiate import Desk, NomError, Phase, RecordError
from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.core.decision import decide

OTHER = f"alice_carol_C_{NOON}"

Oddity = Callable[[Path], object]


def replace_with(content: bytes) -> Oddity:
    return lambda path: path.write_bytes(content)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening_socket(path: Path) -> None:
    # The name of a socket must be short; the file system does not mind moving it.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)
    (path.parent / "s").rename(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 32)


def link_to_a_file(path: Path) -> None:
    secret = path.parents[4] / "secret.json"
    secret.write_text("{}")
    path.symlink_to(secret)


ODDITIES: dict[str, Oddity] = {
    "a FIFO": fifo,
    "a directory": lambda path: path.mkdir(),
    "a socket": listening_socket,
    "a link": link_to_a_file,
    "a dangling link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "too large": replace_with(b'{"a": "' + b"x" * MAX_RECORD_BYTES + b'"}'),
    "far too large": sparse,
    "empty": replace_with(b""),
    "half a file": replace_with(b'{"user": "bob@stonybrook.edu", "ro'),
    "no JSON": replace_with(b"hello"),
    "no UTF-8": replace_with(b'{"user": "\xff\xfe"}'),
    "no object": replace_with(b"[1, 2]"),
    "too deep": replace_with(b'{"a": ' * 100 + b"1" + b"}" * 100),
    "NaN": replace_with(b'{"price": NaN}'),
    "a key twice": replace_with(b'{"user": "a", "user": "b"}'),
    "a number out of bounds": replace_with(b'{"price": 1e999999999}'),
    "half a surrogate pair": replace_with(b'{"chemical": "\\ud800"}'),
    "nothing of ours": replace_with(b'{"hello": "world"}'),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    """Return a desk with one negotiation that is agreed, and another that will meet trouble."""
    desk = Desk(root, clock=clock, durable=False, validators=(), after_settlement=())
    alice = desk.party(ALICE)
    start(alice)
    start(alice, CAROL)
    desk.party(CAROL).accept(OTHER)
    return desk


@pytest.fixture
def namespace(root: Path) -> Path:
    return root / f"teams/{ALICE}/negotiations/{ID}"


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


@pytest.mark.parametrize(
    ("name", "oddity"),
    [
        pytest.param(name, oddity, id=f"{name}-{kind}")
        for name in ("bob_state.json", "alice_state.json", "outcome.json")
        for kind, oddity in ODDITIES.items()
        # An empty outcome is what a power cut leaves: see below.
        if (name, kind) != ("outcome.json", "empty")
    ],
)
def test_a_file_that_cannot_be_trusted_stops_its_own_negotiation_only(
    root: Path, desk: Desk, namespace: Path, name: str, oddity: Oddity
) -> None:
    desk.party(BOB).accept(ID)
    (namespace / name).unlink(missing_ok=True)
    oddity(namespace / name)
    before = names(namespace)
    report = desk.poll()
    assert report.agreed == [OTHER]
    assert report.active == [ID]
    path = f"teams/{ALICE}/negotiations/{ID}/{name}"
    assert [problem.path for problem in report.problems] == [path]
    assert "\n" not in report.problems[0].reason
    assert names(namespace) == before
    assert len(desk.party(CAROL).transactions()) == 1
    assert desk.party(BOB).transactions() == []
    # The parties are told, too, and can go on elsewhere.
    with pytest.raises(RecordError, match=name):
        desk.party(BOB).say(ID, "hello?")
    assert start(desk.party(ALICE), BOB, chemical="N").phase is Phase.INITIATED


TORN = {
    "empty": b"",
    "never written": b"\0" * 4096,
    "its beginning": b'{\n  "schema": "nom.outcome/1",\n  "negotiation_id": "alice_b',
    "one character": b"{",
}


@pytest.mark.parametrize("left", TORN.values(), ids=TORN)
def test_an_outcome_of_which_a_power_cut_left_a_part_is_made_anew(
    desk: Desk, namespace: Path, left: bytes
) -> None:
    desk.party(BOB).accept(ID)
    (namespace / "outcome.json").write_bytes(left)
    report = desk.poll()
    assert (report.agreed, report.problems) == ([ID, OTHER], [])
    assert len(desk.party(BOB).transactions()) == 1
    archived = namespace.parent.with_name("negotiations_archive") / ID
    assert names(archived) == ["alice_state.json", "bob_state.json", "outcome.json"]


def test_a_damaged_outcome_from_which_transactions_have_followed_is_left_to_a_person(
    desk: Desk, namespace: Path
) -> None:
    desk.party(BOB).accept(ID)
    place = desk.store.find(desk.party(ALICE).address, ID)
    assert place is not None
    snapshot = desk.store.snapshot(place)
    assert snapshot is not None
    outcome = decide(snapshot, desk.now(), desk.settings.limits)
    assert outcome is not None
    desk.store.settle(desk.store.conclude(place, outcome))
    (namespace / "outcome.json").write_bytes(b"")
    report = desk.poll()
    assert (report.agreed, report.active) == ([OTHER], [ID])
    assert [problem.path.rsplit("/", 1)[1] for problem in report.problems] == ["outcome.json"]
    assert (namespace / "outcome.json").read_bytes() == b""


@pytest.mark.parametrize("oddity", ODDITIES.values(), ids=ODDITIES)
def test_what_a_stranger_leaves_stops_nobodys_deal(
    desk: Desk, namespace: Path, oddity: Oddity
) -> None:
    oddity(namespace / "mallory_state.json")
    desk.party(BOB).accept(ID)
    report = desk.poll()
    assert report.agreed == [ID, OTHER]
    [problem] = report.problems
    assert problem.path == f"teams/{ALICE}/negotiations/{ID}/mallory_state.json"
    archived = namespace.parent.with_name("negotiations_archive") / ID
    assert "mallory_state.json" in names(archived)


def test_a_third_partys_state_counts_for_nothing(desk: Desk, namespace: Path) -> None:
    state = json.loads((namespace / "alice_state.json").read_text())
    del state["schema"], state["counterparty"]
    for claimed in (CAROL, "mallory@x.org"):
        theirs = {**state, "user": claimed, "role": "seller"}
        (namespace / f"{claimed.partition('@')[0]}_state.json").write_text(json.dumps(theirs))
    report = desk.poll()
    assert report.active == [ID]
    reasons = {Path(problem.path).name: problem.reason for problem in report.problems}
    assert set(reasons) == {"carol_state.json", "mallory_state.json"}
    assert all("no party here" in reason for reason in reasons.values())
    assert desk.party(ALICE).negotiation(ID).turn == BOB


def test_a_state_under_another_ones_name_counts_for_nothing(desk: Desk, namespace: Path) -> None:
    state = json.loads((namespace / "alice_state.json").read_text())
    (namespace / "bob_state.json").write_text(json.dumps(state))
    report = desk.poll()
    assert report.agreed == [OTHER]
    [problem] = report.problems
    assert problem.path.endswith("bob_state.json")


def test_a_state_copied_from_another_negotiation_counts_for_nothing(
    desk: Desk, namespace: Path
) -> None:
    start(desk.party(ALICE), again=True)
    desk.party(BOB).accept(f"alice_bob_C_{NOON + 1}")
    other = namespace.with_name(f"alice_bob_C_{NOON + 1}") / "bob_state.json"
    (namespace / "bob_state.json").write_bytes(other.read_bytes())
    report = desk.poll()
    assert f"alice_bob_C_{NOON + 1}" in report.agreed
    assert report.active == [ID]
    assert f"alice_bob_C_{NOON + 1}" in report.problems[0].reason


def test_a_flood_of_files_is_reported_and_not_read(
    desk: Desk, namespace: Path, clock: Clock
) -> None:
    for number in range(1000):
        (namespace / f"a{number:04}_state.json").write_text("{}")
    report = desk.poll()
    assert report.agreed == [OTHER]
    assert report.active == [ID]
    assert len(report.problems) < 100
    crowded = [p for p in report.problems if p.path == f"teams/{ALICE}/negotiations/{ID}"]
    assert len(crowded) == 1
    # The parties' own are looked at first: whoever floods a namespace stops nothing.
    desk.party(BOB).accept(ID)
    assert desk.poll().agreed == [ID]


def test_a_flood_that_hides_who_the_responder_is_decides_nothing(
    desk: Desk, namespace: Path, clock: Clock
) -> None:
    state = json.loads((namespace / "alice_state.json").read_text())
    del state["schema"], state["counterparty"]
    (namespace / "alice_state.json").write_text(json.dumps(state))
    for number in range(1000):
        (namespace / f"a{number:04}_state.json").write_text("{}")
    # Nobody takes the parties' silence for theirs.
    clock.forward(3 * DAY)
    assert desk.poll().active == [ID]
    with pytest.raises(RecordError):
        desk.party(BOB).accept(ID)


def test_a_flood_does_not_hide_the_outcome(desk: Desk, namespace: Path) -> None:
    desk.party(BOB).reject(ID)
    desk.poll()
    archived = namespace.parent.with_name("negotiations_archive") / ID
    for number in range(1000):
        (archived / f"a{number:04}_state.json").write_text("{}")
    assert desk.party(BOB).negotiation(ID).phase is Phase.REJECTED


# Outside the namespaces


def test_a_room_that_is_no_directory_stops_that_party_only(root: Path, desk: Desk) -> None:
    room = root / f"teams/{BOB}/negotiations"
    for entry in room.iterdir():
        entry.unlink()
    room.rmdir()
    room.write_text("not a room")
    report = desk.poll()
    assert OTHER in report.agreed
    assert any(problem.path == f"teams/{BOB}/negotiations" for problem in report.problems)
    assert [negotiation.id for negotiation in desk.negotiations()] == [ID]


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("notes.txt", lambda path: path.write_text("x"), "expected a directory or a link"),
        ("elsewhere", lambda path: path.symlink_to("/etc"), "somewhere else"),
        ("up", lambda path: path.symlink_to("../../.."), "somewhere else"),
        ("other_name", lambda path: path.symlink_to(ID), "somewhere else"),
        (
            "my own",
            lambda path: path.mkdir(),
            "expected the id of a negotiation",
        ),
    ],
)
def test_an_odd_entry_among_the_negotiations_is_reported(
    root: Path, desk: Desk, name: str, make: Oddity, reason: str
) -> None:
    entry = root / f"teams/{ALICE}/negotiations/{name}"
    make(entry)
    report = desk.poll()
    assert report.agreed == [OTHER]
    [problem] = report.problems
    assert problem.path == f"teams/{ALICE}/negotiations/{name}"
    assert reason in problem.reason
    assert os.path.lexists(entry)
    assert [n.id for n in desk.party(ALICE).negotiations()] == [ID]


def test_an_empty_directory_is_left_alone(root: Path, desk: Desk, clock: Clock) -> None:
    made = root / f"teams/{ALICE}/negotiations/made_by_hand_C_1"
    made.mkdir()
    clock.forward(30 * DAY)
    report = desk.poll()
    assert "made_by_hand_C_1" in report.active
    assert made.is_dir()


def test_a_name_that_is_no_text_is_shown_as_one(root: Path, desk: Desk, namespace: Path) -> None:
    strange = os.fsdecode(b"\xff\xfe_state.json")
    (namespace / strange).write_text("{")
    (namespace.parent / os.fsdecode(b"\xff")).mkdir()
    report = desk.poll()
    assert report.agreed == [OTHER]
    shown = sorted(problem.path for problem in report.problems)
    assert [path.rpartition("/")[2] for path in shown] == ["\\xff", "\\xff\\xfe_state.json"]
    for path in shown:
        path.encode()


def test_a_stranger_among_the_parties_is_none(root: Path, desk: Desk) -> None:
    for name in ("README.txt", ".hidden", "no address", "UPPER@x.org", "a%2fb@x.org"):
        (root / "teams" / name).mkdir()
    (root / "teams" / "file@x.org").write_text("x")
    assert [party.address for party in desk.parties()] == [ALICE, BOB, CAROL]
    assert desk.poll().agreed == [OTHER]


@pytest.mark.parametrize("oddity", ["no JSON", "a FIFO", "too large", "a link"])
def test_a_transaction_that_cannot_be_read_is_left_out_and_told(
    root: Path, desk: Desk, clock: Clock, oddity: str
) -> None:
    room = root / f"teams/{CAROL}/transactions"
    ODDITIES[oddity](room / f"{NOON}_sell_C_to_alice.json")
    told: list[str] = []
    desk = Desk(root, clock=clock, durable=False, notice=told.append)
    # Its name is taken all the same.
    assert desk.poll().agreed == [OTHER]
    [filed] = desk.party(CAROL).transactions()
    assert filed.name == f"{NOON}_sell_C_to_alice_2.json"
    assert len(told) == 1
    assert f"{NOON}_sell_C_to_alice.json" in told[0]


def test_a_link_to_a_foreign_namespace_gives_no_part_in_it(root: Path, desk: Desk) -> None:
    (root / f"teams/{CAROL}/negotiations/{ID}").symlink_to(f"../../{ALICE}/negotiations/{ID}")
    with pytest.raises(NomError) as refused:
        desk.party(CAROL).accept(ID)
    assert refused.value.code == "not_a_party"
    assert desk.party(BOB).accept(ID).phase is Phase.AGREED
    assert ID in desk.poll().agreed


# Another process


def test_a_poll_beside_another_process_that_polls_leaves_at_once(root: Path, desk: Desk) -> None:
    program = (
        "import sys\n"
        "from nom_negotiate import FileStore\n"
        "with FileStore(sys.argv[1]).polling() as free:\n"
        "    print(free, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        report = desk.poll()
        assert (report.busy, report.agreed, report.active) == (True, [], [])
        assert desk.party(CAROL).transactions() == []
        other.stdin.close()
    assert desk.poll().agreed == [OTHER]


def test_the_lock_of_a_poll_that_was_killed_is_free(root: Path, desk: Desk) -> None:
    program = (
        "import os, signal, sys\n"
        "from nom_negotiate import FileStore\n"
        "with FileStore(sys.argv[1]).polling() as free:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(root)], env=dict(os.environ))
    assert killed.returncode == -9
    assert desk.poll().agreed == [OTHER]


@pytest.mark.parametrize("name", [".tmp-guarded-1-planted", ".tmp-1-planted"])
def test_a_directory_of_a_temporary_name_holds_nobody_up(root: Path, desk: Desk, name: str) -> None:
    (root / "teams" / ALICE / "negotiations" / ID / name / "more").mkdir(parents=True)
    desk.party(BOB).accept(ID)
    report = desk.poll()
    assert ID in report.agreed
    assert report.problems == []
    assert len(desk.party(BOB).transactions()) == 1
