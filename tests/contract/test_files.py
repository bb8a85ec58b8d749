"""The file store: names, links and bytes as other programs rely on them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.test_negotiating import refusal, start
from tests.support import ALICE, BOB, NOON, Clock

from nom_negotiate import (
    ConfigurationError,
    Desk,
    FileStore,
    Phase,
    RecordError,
    Settings,
    StoreError,
)
from nom_negotiate.store.files.atomic import Disk

ID = f"alice_bob_C_{NOON}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    return Desk(root, clock=clock, durable=False, validators=(), after_settlement=())


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def tree(root: Path) -> set[str]:
    """Return every file, link and empty directory, but for locks."""
    found = set()
    for path in root.rglob("*"):
        empty = path.is_dir() and not path.is_symlink() and not any(path.iterdir())
        if path.name not in (".lock", "lock") and (empty or path.is_symlink() or path.is_file()):
            found.add(f"{path.relative_to(root)}{'/' if empty else ''}")
    return found


# The seed flow


def test_the_first_ten_minutes_leave_exactly_this_on_disk(
    root: Path, desk: Desk, clock: Clock
) -> None:
    alice, bob = desk.party(ALICE), desk.party(BOB)
    alice.start(BOB, chemical="C", role="buyer", price="5.50", quantity=1000)
    team = {party: f"teams/{party}@stonybrook.edu" for party in ("alice", "bob")}
    rest = {
        f"{path}/{name}"
        for path in team.values()
        for name in ("init.json", "private/", "listings/")
    } | {"config.json"}
    assert tree(root) == rest | {
        f"{team['alice']}/negotiations/{ID}/alice_state.json",
        f"{team['alice']}/negotiations_archive/",
        f"{team['alice']}/transactions/",
        f"{team['bob']}/negotiations/{ID}",
        f"{team['bob']}/negotiations_archive/",
        f"{team['bob']}/transactions/",
        "poller/",
    }
    link = root / team["bob"] / "negotiations" / ID
    assert os.readlink(link) == f"../../alice@stonybrook.edu/negotiations/{ID}"

    clock.forward(30)
    bob.offer(ID, price=6, quantity=900)
    clock.forward(25)
    alice.accept(ID)
    desk.poll()
    archived = f"{team['alice']}/negotiations_archive/{ID}"
    assert tree(root) == rest | {
        f"{archived}/alice_state.json",
        f"{archived}/bob_state.json",
        f"{archived}/outcome.json",
        f"{team['alice']}/negotiations/",
        f"{team['alice']}/transactions/{NOON + 55}_buy_C_from_bob.json",
        f"{team['bob']}/negotiations/",
        f"{team['bob']}/negotiations_archive/{ID}",
        f"{team['bob']}/transactions/{NOON + 55}_sell_C_to_alice.json",
        "poller/doorbell/",
        "poller/scan",
        "poller/stats.jsonl",
        "poller/swept",
    }
    link = root / team["bob"] / "negotiations_archive" / ID
    assert os.readlink(link) == f"../../alice@stonybrook.edu/negotiations_archive/{ID}"
    assert (link / "outcome.json").samefile(root / archived / "outcome.json")


def test_a_state_file_has_these_fields_in_this_order(root: Path, desk: Desk) -> None:
    desk.party(ALICE).start(BOB, chemical="C", role="buyer", price="5.50", quantity=1000)
    bob = desk.party(BOB)
    bob.say(ID, "hm")
    bob.offer(ID, price="6.00", quantity=900)
    path = root / f"teams/{ALICE}/negotiations/{ID}/bob_state.json"
    state = read(path)
    assert list(state)[:15] == [
        "schema",
        "negotiation_id",
        "user",
        "counterparty",
        "role",
        "chemical",
        "offer",
        "status",
        "agreement_key",
        "last_updated",
        "revision",
        "history",
        "messages",
    ]
    key = state.pop("agreement_key")
    assert len(key) == 64
    assert state == {
        "schema": "nom.state/1",
        "negotiation_id": ID,
        "user": BOB,
        "counterparty": ALICE,
        "role": "seller",
        "chemical": "C",
        "offer": {"price": 6, "quantity": 900, "timestamp": NOON, "round": 2},
        "status": "agreed",
        "last_updated": NOON,
        "revision": 2,
        "history": [],
        "messages": [{"timestamp": NOON, "text": "hm"}],
    }
    assert b'"price": 6,' in path.read_bytes()


def test_an_indicative_offer_has_no_key(root: Path, desk: Desk) -> None:
    start(desk.party(ALICE), firm=False)
    state = read(root / f"teams/{ALICE}/negotiations/{ID}/alice_state.json")
    assert state["status"] == "pending"
    assert "agreement_key" not in state


def test_the_transactions_mirror_each_other(root: Path, desk: Desk) -> None:
    start(desk.party(ALICE))
    desk.party(BOB).accept(ID)
    desk.poll()
    bought = read(root / f"teams/{ALICE}/transactions/{NOON}_buy_C_from_bob.json")
    sold = read(root / f"teams/{BOB}/transactions/{NOON}_sell_C_to_alice.json")
    key = bought["agreement_key"]
    assert bought == {
        "schema": "nom.transaction/1",
        "type": "buy",
        "chemical": "C",
        "price": 5.5,
        "quantity": 1000,
        "counterparty": BOB,
        "negotiation_id": ID,
        "timestamp": NOON,
        "settled": False,
        "agreement_key": key,
    }
    assert sold == {**bought, "type": "sell", "counterparty": ALICE}
    state = read(root / f"teams/{BOB}/negotiations_archive/{ID}/bob_state.json")
    assert state["agreement_key"] == key


def test_the_private_room_is_for_its_owner_only(root: Path, desk: Desk) -> None:
    desk.add_party(ALICE)
    mode = (root / f"teams/{ALICE}/private").stat().st_mode
    assert stat.S_IMODE(mode) == 0o700


# Addresses and names


@pytest.mark.parametrize(
    ("address", "directory"),
    [
        ("a+b@x.org", "a%2Bb@x.org"),
        ("a_b@x.org", "a_b@x.org"),
        (".dot@x.org", "%2Edot@x.org"),
        ("mary_jane@x.org", "mary_jane@x.org"),
        ("zoë@x.org", "zo%C3%AB@x.org"),
        ("per%cent@x.org", "per%25cent@x.org"),
        ("../../etc@x.org", "%2E.%2F..%2Fetc@x.org"),
    ],
)
def test_every_address_has_a_directory_of_its_own(
    root: Path, desk: Desk, address: str, directory: str
) -> None:
    deal = start(desk.party(address))
    start(desk.party(BOB), address, chemical="N")
    assert (root / "teams" / directory / "negotiations" / deal.id).is_dir()
    assert [party.address for party in desk.parties()] == sorted([address, BOB])
    assert {path.name for path in (root / "teams").iterdir()} == {directory, BOB}
    desk.party(BOB).accept(deal.id)
    assert desk.poll().agreed == [deal.id]
    assert len(desk.party(address).transactions()) == 1


def test_an_underscore_in_a_name_confuses_nobody(root: Path, desk: Desk) -> None:
    one = start(desk.party("mary@x.org"), "jane_bob@x.org")
    other = start(desk.party("mary_jane@x.org"), "bob@x.org")
    assert one.id == other.id == f"mary_jane_bob_C_{NOON}"
    desk.party("bob@x.org").accept(other.id)
    report = desk.poll()
    assert (report.agreed, report.active) == ([other.id], [one.id])
    assert desk.party("jane_bob@x.org").negotiation(one.id).initiator == "mary@x.org"
    assert refusal(desk.negotiation, one.id) == "ambiguous_negotiation"


def test_parties_of_one_short_name_use_their_full_address(root: Path, desk: Desk) -> None:
    deal = start(desk.party("alice@a.edu"), "alice@b.edu")
    desk.party("alice@b.edu").accept(deal.id)
    directory = root / f"teams/alice@a.edu/negotiations/{deal.id}"
    assert {path.name for path in directory.iterdir()} == {
        "alice@a.edu_state.json",
        "alice@b.edu_state.json",
    }
    assert desk.poll().agreed == [deal.id]


# Rewriting


def test_unknown_fields_survive_a_rewrite(root: Path, desk: Desk) -> None:
    alice = desk.party(ALICE)
    start(alice, message="hello")
    path = root / f"teams/{ALICE}/negotiations/{ID}/alice_state.json"
    state = read(path)
    state["mood"] = {"good": [1, 2.50]}
    state["offer"]["unit"] = "kg"
    state["messages"][0]["seen"] = True
    path.write_text(json.dumps(state))
    alice.say(ID, "still there")
    desk.party(BOB).offer(ID, price=6, quantity=1)
    alice.offer(ID, price=5, quantity=1)
    rewritten = read(path)
    assert rewritten["mood"] == {"good": [1, 2.5]}
    assert rewritten["history"][0]["unit"] == "kg"
    assert rewritten["messages"][0] == {"timestamp": NOON, "text": "hello", "seen": True}
    assert "unit" not in rewritten["offer"]


def test_a_marked_transaction_keeps_what_its_owner_noted_in_it(root: Path, desk: Desk) -> None:
    alice = desk.party(ALICE)
    start(alice)
    desk.party(BOB).accept(ID)
    desk.poll()
    path = root / f"teams/{ALICE}/transactions/{NOON}_buy_C_from_bob.json"
    noted = {**read(path), "invoice": "7/2024"}
    path.write_text(json.dumps(noted))
    alice.mark_settled(path.name)
    assert read(path) == {**noted, "settled": True}


def test_writing_leaves_no_temporary_file(root: Path, desk: Desk) -> None:
    alice, bob = desk.party(ALICE), desk.party(BOB)
    start(alice)
    for n in range(3):
        bob.say(ID, f"{n}")
    bob.accept(ID)
    desk.poll()
    alice.mark_settled(alice.transactions()[0].name)
    desk.initialise(Settings(closed=True))
    hidden = [path for path in root.rglob(".*") if path.name != ".lock"]
    assert hidden == []


def test_a_state_too_large_for_its_readers_is_not_written(root: Path, desk: Desk) -> None:
    alice = desk.party(ALICE)
    start(alice)
    for _ in range(40):
        alice.say(ID, "\u20ac" * 2000)
    with pytest.raises(RecordError, match="245760") as refused:
        alice.say(ID, "\u20ac" * 2000)
    assert refused.value.code == "record_too_large"
    assert len(alice.negotiation(ID).messages) == 40
    # It can still be ended.
    assert alice.withdraw(ID).phase is Phase.WITHDRAWN


# Roots


def test_a_root_that_is_a_file_is_refused_and_stays(root: Path, desk: Desk) -> None:
    root.write_text("precious")
    for action in (
        lambda: desk.initialise(),
        lambda: start(desk.party(ALICE)),
        lambda: desk.poll(),
        lambda: desk.negotiations(),
        lambda: desk.stats(),
    ):
        with pytest.raises(ConfigurationError) as refused:
            action()
        assert refused.value.code == "unusable_root"
        assert str(root) in refused.value.message
    assert root.read_text() == "precious"


@pytest.mark.parametrize(
    ("primitive", "named"),
    [("_rename", "rename"), ("_link", "hard link"), ("_symlink", "symbolic links")],
)
def test_a_file_system_that_cannot_do_what_is_needed_is_refused_at_the_start(
    root: Path, primitive: str, named: str
) -> None:
    class Poor(Disk):
        pass

    def fails(*_: object) -> Any:
        raise OSError(95, "Operation not supported")

    setattr(Poor, primitive, fails)
    store = FileStore(root, disk=Poor(durable=False))
    for action in (
        lambda: store.initialise(Settings()),
        lambda: start(Desk(store, validators=()).party(ALICE)),
    ):
        with pytest.raises(ConfigurationError) as refused:
            action()
        assert refused.value.code == "unsupported_file_system"
        assert named in refused.value.message
    assert list(root.rglob("*")) == []


def test_a_file_system_on_which_a_link_replaces_is_refused(root: Path) -> None:
    class Careless(Disk):
        def _link(self, source: str, target: str) -> None:
            os.replace(source, target)
            Path(source).touch()

    with pytest.raises(ConfigurationError) as refused:
        FileStore(root, disk=Careless(durable=False)).initialise(Settings())
    assert "only where there is none" in refused.value.message


def test_a_full_disk_is_named_and_nothing_has_changed(root: Path, desk: Desk, clock: Clock) -> None:
    class Full(Disk):
        def _write(self, fd: int, data: bytes) -> None:
            raise OSError(28, "No space left on device")

    alice = desk.party(ALICE)
    start(alice)
    before = tree(root)
    full = Desk(FileStore(root, disk=Full(durable=False)), clock=clock)
    actions: list[Callable[[], object]] = [
        lambda: full.party(BOB).accept(ID),
        lambda: start(full.party(ALICE), chemical="N"),
        lambda: start(full.party(ALICE), "new@x.org"),
    ]
    for action in actions:
        with pytest.raises(StoreError) as refused:
            action()
        assert refused.value.code == "no_space"
    assert tree(root) == before
    assert alice.negotiation(ID).turn == BOB


def test_settings_that_cannot_be_read_are_named(root: Path, desk: Desk) -> None:
    desk.initialise(Settings())
    (root / "config.json").write_text("{")
    for action in (lambda: start(desk.party(ALICE)), lambda: desk.poll()):
        with pytest.raises(ConfigurationError) as refused:
            action()
        assert refused.value.code == "malformed_settings"
    desk.initialise(Settings())
    assert desk.settings == Settings()
