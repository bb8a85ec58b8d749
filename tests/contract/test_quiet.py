"""What is passed over as certainly quiet: nothing that a proper look would tell, decide or mend.

The measure is a snapshot of the same files, with `decide` and `quiet_until`, and what is told of
the responder's link.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    CAROL,
    ID,
    LIMITS,
    Table,
    arbitrary_states,
    blank,
    conditions,
    json_values,
    numbers,
    offer,
    seconds,
    texts,
)

from nom_negotiate import codec
from nom_negotiate.core.decision import decide, quiet_until
from nom_negotiate.core.identity import Address, directory_name, parse_address
from nom_negotiate.core.state import Limits, PartyState, Status
from nom_negotiate.core.terms import CONDITIONS, Role, is_short
from nom_negotiate.errors import NomError
from nom_negotiate.store.files import bounded, mending, namespace
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import ACTIVE, PARTY_ROOMS, Layout
from nom_negotiate.store.files.quiet import AT_ONCE, Room, decode_certain
from nom_negotiate.store.port import Namespace

PLACE = Namespace(ID, ALICE)
ALICES, BOBS = "alice_state.json", "bob_state.json"


class Scene:
    """A data root with one negotiation of alice and bob."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(str(root))
        for party in (ALICE, BOB, CAROL):
            for room in PARTY_ROOMS:
                os.makedirs(self.layout.room(party, room), exist_ok=True)
        self.directory = Path(self.layout.namespace(PLACE))
        self.directory.mkdir()
        self.link = Path(self.layout.entry(BOB, ID, archived=False))
        self.link.symlink_to(self.layout.link_text(PLACE))

    def write(self, **files: bytes) -> None:
        """Let the namespace hold these files, by the names of their authors, and no others."""
        shutil.rmtree(self.directory)
        self.directory.mkdir()
        for who, data in files.items():
            (self.directory / f"{who}_state.json").write_bytes(data)

    def due(self, now: int, limits: Limits = LIMITS) -> int | None:
        """Return until when it is certainly quiet; fail where a proper look would not say so."""
        layout = self.layout
        fd = bounded.open_below(layout.teams, layout.room(ALICE, ACTIVE))
        try:
            found = Room(layout, ALICE, fd, now, limits, set()).quiet(ID)
        finally:
            os.close(fd)
        if found is None:
            return None
        *seen, due, home = found
        status = os.stat(self.directory)
        assert seen == [status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        snapshot = namespace.read_snapshot(layout, PLACE)
        assert snapshot is not None
        assert snapshot.as_of(now).problems == ()
        assert snapshot.outcome is None
        assert decide(snapshot, now, limits) is None
        assert decide(snapshot, due, limits) is None
        assert quiet_until(snapshot, now, limits) == due
        assert snapshot.responder is not None
        assert home == directory_name(snapshot.responder)
        assert namespace.has_link(layout, PLACE, snapshot.responder)
        told = mending.mend(Disk(durable=False), layout, snapshot.responder, {ID}, thorough=False)
        assert list(told) == []
        return due


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("quiet"))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def told(table: Table) -> dict[str, bytes]:
    return {user.partition("@")[0]: codec.encode(state) for user, state in table.states.items()}


def haggle() -> Table:
    """Return a negotiation in which much was said, and nothing agreed."""
    table = Table().offer(ALICE, "5.5", 1000, at=10).say(BOB, "hm", at=15)
    table.offer(BOB, 6, 900, firm=False, valid_until=500, at=20).offer(ALICE, "5.75", 950, at=30)
    return table.say(ALICE, 'größe\n"now"', at=40).offer(BOB, "5.9", 950, at=50)


def marked(table: Table) -> Table:
    """Let alice have read what bob said, and like it; that is no word."""
    alice = table.states[ALICE]
    return table.write(alice.reading(1, 57).reacting(80, 4, 58)).write(
        table.states[BOB].reacting(0, None, 59)
    )


def in_words() -> Table:
    """Return a negotiation over more than numbers."""
    table = Table().offer(ALICE, at=10, delivery="FOB Rotterdam", payment='30 "days"')
    table.offer(BOB, 6, at=20, firm=False, quality="größer als\u00a0 99 \\ %").say(ALICE, at=30)
    return table.offer(ALICE, at=40, delivery="fob Rotterdam")


def answer() -> Table:
    """Return an answer to a listing, whose author has said nothing else."""
    return Table(listing="1704312000_buy_C").offer(BOB, 6, 900, at=10).say(BOB, at=20)


# It does say so


def test_what_is_as_usual_is_quiet_until_it_expires(shared: Scene) -> None:
    day = LIMITS.idle_s
    usual = [
        (Table().offer(ALICE), day),
        (Table().offer(ALICE).offer(BOB, 6, 900, at=10), day + 10),
        (Table().offer(ALICE, firm=False).offer(BOB, 6, at=7, firm=False), day + 7),
        (Table().offer(ALICE).offer(BOB, at=5, firm=False, price=0), day + 5),
        (haggle(), day + 50),
        (haggle().say(BOB, "?", at=day + 40), 2 * day + 10),
        (marked(haggle()), day + 50),
        (in_words(), day + 40),
        (answer(), day + 20),
        (answer().offer(ALICE, 5, 900, at=25, delivery="FOB"), day + 25),
    ]
    for table, due in usual:
        shared.write(**told(table))
        assert shared.due(60) == due


def test_limits_of_its_own_count_and_else_those_of_the_root(shared: Scene) -> None:
    shared.write(**told(Table(limits=Limits(idle_s=100, life_s=150, max_rounds=9)).offer(ALICE)))
    assert shared.due(60) == 100
    table = Table().offer(ALICE)
    fields = json.loads(codec.encode(table.states[ALICE]))
    del fields["limits"]
    shared.write(alice=json.dumps(fields).encode())
    assert shared.due(60, Limits(idle_s=70, life_s=80)) == 70


def test_the_limits_of_a_responder_count_where_it_answers_a_listing_only(shared: Scene) -> None:
    table = Table(listing="1704312000_buy_C", limits=Limits(idle_s=100, life_s=150)).offer(BOB)
    shared.write(**told(table))
    assert shared.due(60) == 100
    fields = json.loads(told(table)["bob"])
    del fields["listing"]
    shared.write(bob=json.dumps(fields).encode())
    assert shared.due(60) is None


def test_what_another_program_wrote_without_indents_is_quiet(shared: Scene) -> None:
    data = told(Table().offer(ALICE).offer(BOB, 6, at=10))
    for indent in (None, 0, 1, 4):
        shared.write(
            **{
                who: json.dumps(json.loads(each), indent=indent).encode()
                for who, each in data.items()
            }
        )
        assert shared.due(60) == LIMITS.idle_s + 10


def test_parties_of_the_same_short_name_are_heard_under_their_addresses(tmp_path: Path) -> None:
    other = parse_address("alice@elsewhere.org")
    scene = Scene(tmp_path)
    name = "alice_alice_C_1704312345"
    os.makedirs(scene.layout.room(other, ACTIVE))
    os.symlink(
        scene.layout.link_text(Namespace(name, ALICE)),
        scene.layout.entry(other, name, archived=False),
    )
    directory = Path(scene.layout.namespace(Namespace(name, ALICE)))
    directory.mkdir()
    for user, party, role in ((ALICE, other, Role.BUYER), (other, ALICE, Role.SELLER)):
        fields: dict[str, Any] = json.loads(
            codec.encode(blank(user, party, role).offering(offer(), Status.PENDING, 5))
        )
        fields |= {"negotiation_id": name, "created": 5}
        (directory / f"{user}_state.json").write_text(json.dumps(fields))
    fd = os.open(directory.parent, os.O_RDONLY)
    try:
        found = Room(scene.layout, ALICE, fd, 60, LIMITS, set()).quiet(name)
    finally:
        os.close(fd)
    assert found is not None
    assert found[3:] == (LIMITS.idle_s + 5, other)


# It does not


def test_what_calls_for_something_is_not_quiet(shared: Scene) -> None:
    loud = {
        "agreed": Table().offer(ALICE).accept(BOB, at=10),
        "rejected": Table().offer(ALICE).reject(BOB, at=10),
        "withdrawn": Table().offer(ALICE).withdraw(ALICE, at=10),
        "offered twice, and so agreed": Table().offer(ALICE).offer(BOB, at=10),
        "accepted, and to be confirmed": Table().offer(ALICE, firm=False).accept(BOB, at=10),
    }
    for name, table in loud.items():
        shared.write(**told(table))
        assert shared.due(60) is None, name


def test_what_has_expired_is_not_quiet(shared: Scene) -> None:
    shared.write(**told(haggle()))
    assert shared.due(LIMITS.idle_s + 50) == LIMITS.idle_s + 50
    assert shared.due(LIMITS.idle_s + 51) is None


def test_what_speaks_from_the_future_is_not_quiet(shared: Scene) -> None:
    shared.write(**told(Table(now=10**6).offer(ALICE)))
    assert shared.due(5 * 10**5) is None


def another(name: str, make: Callable[[Path], object]) -> Callable[[Scene], object]:
    return lambda scene: make(scene.directory / name)


def in_place(make: Callable[[Path], object]) -> Callable[[Scene], object]:
    def harm(scene: Scene) -> None:
        path = scene.directory / BOBS
        path.unlink()
        make(path)

    return harm


def elsewhere(text: str) -> Callable[[Scene], object]:
    def harm(scene: Scene) -> None:
        scene.link.unlink()
        scene.link.symlink_to(text)

    return harm


def moved(source: str, target: str) -> Callable[[Scene], object]:
    return lambda scene: (scene.directory / source).rename(scene.directory / target)


def copied_to_carol(scene: Scene) -> None:
    shutil.copy(scene.directory / BOBS, scene.directory / "carol_state.json")


def link_to_itself(scene: Scene) -> None:
    shutil.move(scene.directory / BOBS, scene.directory.parent / "beside")
    (scene.directory / BOBS).symlink_to("../beside")


def no_link_but_a_file(scene: Scene) -> None:
    scene.link.unlink()
    scene.link.write_bytes(b"")


def responders_room_is_a_link(scene: Scene) -> None:
    room = Path(scene.layout.room(BOB, ACTIVE))
    room.rename(room.with_name("moved"))
    room.symlink_to("moved")


def fifo_that_is_filled(scene: Scene) -> None:
    path = scene.directory / BOBS
    data = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    # Kept open for reading, too: opening it for writing alone waits for a reader.
    os.write(os.open(path, os.O_RDWR), data)


def lone_under_another_name(scene: Scene) -> None:
    scene.write(alice=told(Table().offer(ALICE, at=10))["alice"])
    assert scene.due(60) is not None
    moved(ALICES, "alice@stonybrook.edu_state.json")(scene)


def too_long(scene: Scene) -> None:
    path = scene.directory / BOBS
    path.write_bytes(path.read_bytes() + b" " * AT_ONCE)


HARMS: dict[str, Callable[[Scene], object]] = {
    "an outcome": another("outcome.json", lambda path: path.write_bytes(b"{}")),
    "a torn outcome": another("outcome.json", lambda path: path.write_bytes(b"")),
    "a link for an outcome": another("outcome.json", lambda path: path.symlink_to("nowhere")),
    "a stranger's file": copied_to_carol,
    "another file": another("notes.txt", lambda path: path.write_bytes(b"")),
    "what a writer left over": another(".tmp-1-0123456789ab", lambda path: path.write_bytes(b"")),
    "a directory": another("more", lambda path: path.mkdir()),
    "a FIFO in the place of a state": in_place(os.mkfifo),
    "a directory in the place of a state": in_place(lambda path: path.mkdir()),
    "a link in the place of a state": link_to_itself,
    "nothing in a state": in_place(lambda path: path.write_bytes(b"")),
    "a state that is too long": too_long,
    "no state of the initiator": lambda scene: (scene.directory / ALICES).unlink(),
    "a FIFO with a state in it": fifo_that_is_filled,
    "an unanswered one under another name": lone_under_another_name,
    "the initiator's under another name": moved(ALICES, "alice@stonybrook.edu_state.json"),
    "the responder's under another name": moved(BOBS, "bob@stonybrook.edu_state.json"),
    "no link": lambda scene: scene.link.unlink(),
    "a file in the place of the link": no_link_but_a_file,
    "a link to another negotiation": elsewhere(f"../../{ALICE}/negotiations/alice_bob_C_1"),
    "a link to another party": elsewhere(f"../../{CAROL}/negotiations/{ID}"),
    "a link to the archive": elsewhere(f"../../{ALICE}/negotiations_archive/{ID}"),
    "a link to nowhere": elsewhere("nowhere"),
    "a link in the place of the responder's room": responders_room_is_a_link,
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_where_anything_is_not_in_its_place_it_is_not_quiet(
    scene: Scene, harm: Callable[[Scene], object]
) -> None:
    scene.write(**told(haggle()))
    assert scene.due(60) is not None
    harm(scene)
    assert scene.due(60) is None


@pytest.mark.parametrize("name", ["a b", ".hidden", 'a"b', "a\\b", "\x7f"])
def test_what_has_no_id_for_a_name_is_not_quiet(tmp_path: Path, name: str) -> None:
    layout = Layout(str(tmp_path))
    for party in (ALICE, BOB):
        os.makedirs(layout.room(party, ACTIVE))
    directory = Path(layout.room(ALICE, ACTIVE), name)
    directory.mkdir()
    os.symlink(f"../../{ALICE}/negotiations/{name}", f"{layout.room(BOB, ACTIVE)}/{name}")
    fields = json.loads(told(Table().offer(ALICE, firm=False))["alice"])
    (directory / ALICES).write_text(json.dumps(fields | {"negotiation_id": name}))
    fd = os.open(directory.parent, os.O_RDONLY)
    try:
        assert Room(layout, ALICE, fd, 60, LIMITS, set()).quiet(name) is None
    finally:
        os.close(fd)


def test_a_namespace_that_is_gone_or_is_none_is_not_quiet(scene: Scene) -> None:
    scene.directory.rmdir()
    assert scene.due(60) is None
    scene.directory.write_bytes(b"")
    assert scene.due(60) is None
    scene.directory.unlink()
    scene.directory.symlink_to(scene.link)
    assert scene.due(60) is None


# Compared with a proper look


def paths(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where in a JSON value something stands."""
    if here:
        yield here
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(item, (*here, key))


def changed(fields: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(fields)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


ODD: list[Any] = [
    ...,
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    100,
    100_000,
    10**6,
    10**11,
    10**16,
    2**70,
    1.0,
    5.5,
    1e30,
    "",
    "buyer",
    "seller",
    "agreed",
    "pending",
    "rejected",
    "5.5",
    "D",
    "X" * 17,
    "ü",
    ALICE,
    BOB,
    CAROL,
    ALICE.upper(),
    " FOB",
    "a\nb",
    "x" * 501,
    "../x",
    "nom.state/2",
    "f" * 64,
    [],
    {},
    [{}],
    {"a": 1},
]


# Without keys, which would tell of much that is odd, and with them.
HAGGLES: dict[str, Table] = {
    "firm": haggle(),
    "indicative": Table().offer(ALICE, firm=False, at=10).offer(BOB, 6, 900, firm=False, at=20),
    "marked": marked(haggle()),
    "unanswered": Table().offer(ALICE, firm=False, at=10),
    "in words": in_words(),
    "answer to a listing": answer(),
    "answered by the author of a listing": answer().offer(ALICE, 5, 900, firm=False, at=25),
}


@pytest.mark.parametrize("table", HAGGLES.values(), ids=HAGGLES)
def test_no_field_with_an_odd_value_is_passed_over(shared: Scene, table: Table) -> None:
    data = told(table)
    quiet = 0
    for who in data:
        fields = json.loads(data[who])
        for path in paths(fields):
            for value in ODD:
                text = json.dumps(changed(fields, path, value), ensure_ascii=False)
                shared.write(**data | {who: text.encode()})
                quiet += shared.due(60) is not None
    # A word more or less, and an hour: most of it is not.
    assert 0 < quiet < 300


def test_a_field_that_nobody_knows_is_not_passed_over(shared: Scene) -> None:
    data = told(haggle())
    fields = json.loads(data["bob"])
    for path in [(), *paths(fields)]:
        inner = fields
        for key in path:
            inner = inner[key]
        if isinstance(inner, dict):
            for name in ("x", "extra", "withdrawn", "seen"):
                text = json.dumps(changed(fields, (*path, name), "?")).encode()
                shared.write(**data | {"bob": text})
                assert shared.due(60) is None


def test_a_key_that_occurs_twice_is_not_passed_over(shared: Scene) -> None:
    data = told(haggle())
    lines = data["bob"].splitlines(keepends=True)
    for number, line in enumerate(lines):
        if b'": ' in line and line.rstrip()[-1:] not in b"[{":
            twice = line if line.rstrip().endswith(b",") else line.rstrip() + b",\n"
            shared.write(**data | {"bob": b"".join([*lines[:number], twice, *lines[number:]])})
            assert shared.due(60) is None, line


TOKENS = [b"", b" ", b"0", b"1", b"9", b"-", b".", b"e", b"E1", b'"', b"\\", b"\\u0041", b"\\ud800"]
TOKENS += [b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\0", b"\x1f", b"\x7f", b"\xff", b"\xc3\xbc"]
TOKENS += [b"null", b"true", b"NaN", b"\t", b"//", b"/**/", b"\xef\xbb\xbf"]


def believed(data: bytes) -> bool:
    """Return whether bytes are certain; fail where they say something else to a proper reader."""
    state = decode_certain(data)
    if state is None:
        return False
    said = state.negotiation_id, state.user, state.counterparty, state.chemical
    if said != (ID, BOB, ALICE, "C"):
        # Whose file it is, and of what, is looked at by whoever asks.
        return False
    try:
        found = codec.decode_state(data, ID)
    except NomError as error:
        raise AssertionError(f"{data!r} is not certain: {error}") from error
    assert (found.role, found.chemical, found.status) == (state.role, state.chemical, state.status)
    assert found.offer is not None
    assert (str(found.offer.price), str(found.offer.quantity)) == (
        str(state.offer.price, "ascii"),
        str(state.offer.quantity, "ascii"),
    )
    assert found.offer.terms.conditions == {
        name: text for name in CONDITIONS if (text := getattr(state.offer, name)) is not None
    }
    assert (found.agreement_key, found.last_updated) == (state.agreement_key, state.last_updated)
    assert (found.created, found.revision) == (state.created, state.revision)
    assert [past.timestamp for past in found.history] == [p.timestamp for p in state.history]
    assert [each.text for each in found.messages] == [each.text for each in state.messages]
    return True


@pytest.mark.parametrize("table", [haggle(), in_words()], ids=["in numbers", "in words"])
def test_no_byte_that_is_changed_is_passed_over_where_it_matters(table: Table) -> None:
    data = told(table)["bob"]
    assert believed(data)
    believing = 0
    for position in range(len(data)):
        for token in TOKENS:
            for end in (position, position + 1):
                believing += believed(data[:position] + token + data[end:])
    # Blanks, the words of a message, figures that nothing depends on.
    assert 0 < believing < len(data) * len(TOKENS)


@given(st.data())
def test_no_bytes_are_believed_that_a_proper_reader_refuses(data: st.DataObject) -> None:
    content = bytearray(told(data.draw(st.sampled_from([haggle(), in_words()])))["bob"])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content)))
        content[position : position + data.draw(st.integers(0, 30))] = data.draw(
            st.sampled_from(TOKENS) | st.binary(max_size=4)
        )
    believed(bytes(content))


in_text: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(CONDITIONS), conditions, max_size=3
)


@st.composite
def haggles(draw: st.DrawFn) -> Table:
    """Return what two parties said who mostly keep to the rules."""
    limits = st.builds(Limits, idle_s=st.integers(1, 9000), life_s=st.integers(1, 9000))
    listing = draw(st.none() | st.just("1704312000_buy_C"))
    table = Table(limits=draw(st.just(LIMITS) | limits), listing=listing).offer(
        ALICE if listing is None else BOB,
        draw(numbers | st.just(5)),
        draw(numbers | st.just(10)),
        firm=draw(st.booleans()),
        **draw(st.just({}) | in_text),
    )
    for _ in range(draw(st.integers(0, 6))):
        party = draw(st.sampled_from([ALICE, BOB]))
        at = table.now + draw(st.integers(0, 2000))
        act = draw(
            st.sampled_from(
                [
                    lambda p, at: table.offer(p, "5.5", 10, at=at),
                    lambda p, at: table.offer(p, 6, 10, at=at, firm=False),
                    lambda p, at: table.offer(p, 7, 9, at=at, valid_until=at + 5),
                    lambda p, at: table.offer(p, "5.5", 10, at=at, delivery="FOB"),
                    lambda p, at: table.say(p, "hm", at=at),
                    lambda p, at: table.accept(p, at=at),
                    lambda p, at: table.reject(p, at=at),
                    lambda p, at: table.withdraw(p, at=at),
                ]
            )
        )
        try:
            act(party, at)
        except NomError:
            continue
    return table


@given(haggles(), st.integers(0, 20_000))
def test_whatever_two_parties_say_nothing_is_passed_over_that_calls_for_something(
    shared: Scene, table: Table, now: int
) -> None:
    shared.write(**told(table))
    due = shared.due(now)
    found = namespace.read_snapshot(shared.layout, PLACE)
    assert found is not None
    accepting = any(s.offer is not None and s.offer.accepts for s in found.states.values())
    short = all(
        is_short(str(each))
        for state in found.states.values()
        for said in (state.offer, *state.history)
        if said is not None
        for each in (said.price, said.quantity)
    )
    silent = any(state.offer is None for state in found.states.values())
    # The same terms of both sides, of which one had lapsed: that is for a proper look to tell.
    keys = [s.agreement_key for s in found.states.values() if s.agreement_key is not None]
    alike = len(set(keys)) < len(keys)
    if short and not (accepting or silent or alike):
        # Nor is more looked at than need be.
        assert due == quiet_until(found, now, LIMITS)


@given(haggles(), st.data())
def test_whatever_is_made_of_a_file_nothing_is_passed_over_that_calls_for_something(
    shared: Scene, table: Table, data: st.DataObject
) -> None:
    files = told(table)
    for _ in range(data.draw(st.integers(1, 3))):
        who = data.draw(st.sampled_from(sorted(files)))
        fields = json.loads(files[who])
        path = data.draw(st.sampled_from(list(paths(fields))))
        value = data.draw(st.sampled_from(ODD) | json_values | seconds)
        files[who] = json.dumps(changed(fields, path, value)).encode("utf-8", "replace")
    shared.write(**files)
    shared.due(data.draw(st.sampled_from([0, table.now, 20_000]) | seconds))


@given(st.data())
def test_whatever_two_files_say_nothing_is_passed_over_that_calls_for_something(
    shared: Scene, data: st.DataObject
) -> None:
    def state(user: Address, other: Address) -> bytes:
        found: PartyState = data.draw(arbitrary_states())
        fields = json.loads(codec.encode(found))
        fields |= {"user": user, "counterparty": other, "negotiation_id": ID, "chemical": "C"}
        if data.draw(st.booleans()):
            fields.setdefault("created", data.draw(seconds))
            fields |= {"status": "pending", "role": "buyer" if user == ALICE else "seller"}
            fields.pop("agreement_key", None)
        return json.dumps(fields).encode("utf-8", "replace")

    shared.write(alice=state(ALICE, BOB), bob=state(BOB, ALICE))
    shared.due(data.draw(seconds))


@given(texts)
def test_whatever_is_said_is_heard_as_it_is(text: str) -> None:
    assume(text)
    state = codec.encode(Table().offer(ALICE).say(BOB, text).offer(BOB, 6).states[BOB])
    assert believed(state)
