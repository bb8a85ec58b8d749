"""The file store: what a look at a namespace sees, and what it may take for granted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_files_half_done import A, B
from tests.contract.test_negotiating import ID, start
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk, FileStore, Namespace, codec
from nom_negotiate.store.files import bounded, namespace
from nom_negotiate.store.files.layout import Layout

PLACE = Namespace(ID, A)


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """Return a desk at which bob has answered alice."""
    desk = Desk(tmp_path / "data", clock=clock, durable=False, validators=(), after_settlement=())
    start(desk.party(ALICE))
    desk.party(BOB).offer(ID, price=6, quantity=10)
    return desk


@pytest.fixture
def directory(desk: Desk) -> Path:
    assert isinstance(desk.store, FileStore)
    return Path(desk.store.layout.namespace(PLACE))


def meanwhile(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """Let a deed be done once, after the first file of a look was read."""
    read_open = bounded.read_open

    def read(fd: int, size: int) -> Any:
        data = read_open(fd, size)
        monkeypatch.setattr(bounded, "read_open", read_open)
        deed()
        return data

    monkeypatch.setattr(bounded, "read_open", read)


def test_a_file_that_appears_while_the_others_are_read_is_seen(
    desk: Desk, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bobs = directory / "bob_state.json"
    said = bobs.read_bytes()
    bobs.unlink()
    meanwhile(monkeypatch, lambda: bobs.write_bytes(said))
    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    assert set(snapshot.states) == {A, B}


def test_a_file_that_goes_while_the_others_are_read_is_not_seen(
    desk: Desk, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, (directory / "bob_state.json").unlink)
    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    assert set(snapshot.states) == {A}


def test_a_file_that_is_written_in_place_while_it_is_read_is_read_again(
    desk: Desk, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As programs do that know nothing of renames: the inode stays the same."""
    alices = directory / "alice_state.json"
    said = alices.read_bytes()
    alices.write_bytes(said[: len(said) // 2])
    meanwhile(monkeypatch, lambda: alices.write_bytes(said))
    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    assert (set(snapshot.states), snapshot.problems) == ({A, B}, ())


def test_a_file_that_is_replaced_after_the_listing_is_read_again(
    desk: Desk, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = desk.store.snapshot(PLACE)
    assert before is not None
    said = before.states[B].saying("hello", 0)
    listdir = os.listdir

    def listed(path: Any) -> list[str]:
        monkeypatch.setattr(os, "listdir", listdir)
        found = listdir(path)
        (directory / "new").write_bytes(codec.encode(said))
        (directory / "new").rename(directory / "bob_state.json")
        return found

    monkeypatch.setattr(os, "listdir", listed)
    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    assert snapshot.states[B] == said


def test_a_negotiation_whose_id_says_nothing_is_read(desk: Desk, directory: Path) -> None:
    """An id is a label."""
    for name in ("label", "alice_", "alice_alice_C_1", "alice_" + "x" * 240, "alice_é_C_1"):
        directory.rename(directory.with_name(name))
        directory = directory.with_name(name)
        for path in directory.iterdir():
            # Not agreed: a key would be for the old id.
            said = {**json.loads(path.read_bytes()), "negotiation_id": name, "status": "pending"}
            said.pop("agreement_key", None)
            path.write_text(json.dumps(said))
        snapshot = desk.store.snapshot(Namespace(name, A))
        assert snapshot is not None
        assert set(snapshot.states) == {A, B}, name


def test_a_room_that_is_open_already_is_not_gone_to_again(desk: Desk, directory: Path) -> None:
    assert isinstance(desk.store, FileStore)
    layout = desk.store.layout
    room = bounded.open_below(layout.teams, layout.room(A, "negotiations"))
    try:
        found = namespace.read_snapshot(layout, PLACE, room=room)
        assert found == desk.store.snapshot(PLACE)
        directory.with_name("alice_bob_C_1").symlink_to(directory)
        assert namespace.read_snapshot(layout, Namespace("alice_bob_C_1", A), room=room) is None
    finally:
        os.close(room)


# What a guard looks at


def test_what_stands_is_told_without_reading_a_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(desk.store, FileStore)
    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    monkeypatch.setattr(namespace, "read_snapshot", None)
    assert namespace.stands(desk.store.layout, PLACE, snapshot.digests)


@pytest.mark.parametrize(
    "change",
    [
        lambda directory: (directory / "bob_state.json").write_bytes(b"{}"),
        lambda directory: (directory / "alice_state.json").unlink(),
        lambda directory: (directory / "outcome.json").write_bytes(
            (directory / "decided").read_bytes()
        ),
        lambda directory: directory.rename(directory.with_name("alice_bob_C_1")),
    ],
    ids=["a state has changed", "a state is gone", "there is an outcome", "it was moved"],
)
def test_what_no_longer_stands_is_told(
    desk: Desk, directory: Path, change: Callable[[Path], object]
) -> None:
    assert isinstance(desk.store, FileStore)
    snapshot = desk.store.snapshot(PLACE)
    assert snapshot is not None
    other = start(desk.party(ALICE), chemical="N")
    desk.party(BOB).reject(other.id)
    desk.poll()
    archived = directory.parents[1] / "negotiations_archive" / other.id / "outcome.json"
    (directory / "decided").write_text(archived.read_text().replace(other.id, ID))
    change(directory)
    assert not namespace.stands(desk.store.layout, PLACE, snapshot.digests)


# What a link means


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (f"../../{ALICE}/negotiations/{ID}", PLACE),
        (f"../../{ALICE}/negotiations_archive/{ID}", PLACE._replace(archived=True)),
        (f"../../../teams/{ALICE}/negotiations/{ID}", PLACE),
        (f".././../{ALICE}//negotiations/{ID}", PLACE),
        (f"/root/teams/{ALICE}/negotiations/{ID}", PLACE),
        (f"../../{ALICE}/negotiations/../negotiations/{ID}", PLACE),
        (f"../../{ALICE}/private/{ID}", None),
        (f"../../../{ALICE}/negotiations/{ID}", None),
        (f"../../{ALICE}/negotiations/..", None),
        (f"../../../../{ALICE}/negotiations/{ID}", None),
        ("../../nobody/negotiations/x", None),
        (f"../../{ALICE}/negotiations/.hidden", None),
        (f"{ALICE}/negotiations/{ID}", None),
        ("", None),
    ],
)
def test_a_link_means_a_namespace_of_this_root_or_nothing(
    text: str, meant: Namespace | None
) -> None:
    assert Layout("/root").link_target(f"/root/teams/{BOB}/negotiations/{ID}", text) == meant


def test_a_link_that_is_read_elsewhere_is_taken_from_there() -> None:
    text = f"../../{ALICE}/negotiations/{ID}"
    layout = Layout("/root")
    assert layout.link_target(f"/root/teams/{BOB}/{ID}", text) is None
    assert layout.link_target(f"/other/{BOB}/negotiations/{ID}", text) is None


# Rooms that were looked at


def test_a_disk_for_many_changes_looks_at_each_room_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(desk.store, FileStore)
    layout, known = desk.store.layout, set[str]()
    assert bounded.check_room(layout, A, "transactions", known)
    assert bounded.has_room(layout, A, "listings", known)
    assert not bounded.has_room(layout, A, "packs", known)
    os.mkdir(layout.room(A, "packs"))
    assert bounded.has_room(layout, A, "packs", known)
    monkeypatch.setattr(os, "lstat", None)
    assert bounded.check_room(layout, A, "listings", known) == layout.room(A, "listings")
    assert bounded.has_room(layout, A, "transactions", known)
