"""What is private stays in the private room, whatever is in its place."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.support import ALICE, BOB, NOON, Clock

from nom_negotiate import Desk, FileStore, Party, RecordError, StoreError
from nom_negotiate.autopilot import setting, turn_on
from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.preferences import preferences, set_preferences

ID = f"alice_bob_C_{NOON}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def bob(root: Path, clock: Clock) -> Party:
    desk = Desk(FileStore(root), clock=clock, notice=lambda text: None)
    desk.party(ALICE).start(BOB, chemical="C", role="buyer", price=3, quantity=800)
    bob = desk.party(BOB)
    keep(bob)
    return bob


def keep(party: Party) -> None:
    set_preferences(party, negotiation_id=ID, reservation_price="4.3217", target_quantity=800)


def room(root: Path) -> Path:
    return root / "teams" / BOB / "private"


def test_its_files_are_for_the_owner_only_whatever_the_umask(root: Path, bob: Party) -> None:
    before = os.umask(0)
    try:
        turn_on(bob, ID)
    finally:
        os.umask(before)
    files = sorted(room(root).iterdir())
    assert [file.name for file in files] == [f"{ID}.autopilot.json", f"{ID}.preferences.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(room(root).stat().st_mode) == 0o700


def test_a_link_in_the_place_of_a_record_is_not_followed(
    root: Path, bob: Party, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    file = room(root) / f"{ID}.preferences.json"
    file.rename(other)
    file.symlink_to(other)
    with pytest.raises(RecordError):
        bob.suggest(ID)
    [held] = preferences(bob)
    assert held.preferences is None
    before = other.read_bytes()
    keep(bob)
    assert not file.is_symlink()
    assert other.read_bytes() == before
    assert bob.suggest(ID)


def test_a_link_in_the_place_of_the_room_is_not_followed(
    root: Path, bob: Party, tmp_path: Path
) -> None:
    room(root).rename(tmp_path / "away")
    room(root).symlink_to(tmp_path / "away")
    with pytest.raises(StoreError):
        keep(bob)
    with pytest.raises(StoreError):
        bob.suggest(ID)
    assert setting_is_refused(bob)


def setting_is_refused(party: Party) -> bool:
    try:
        setting(party, ID)
    except StoreError:
        return True
    return False


@pytest.mark.parametrize("what", ["large", "fifo", "directory", "empty"])
def test_what_is_no_record_is_refused_and_can_be_replaced(
    root: Path, bob: Party, what: str
) -> None:
    file = room(root) / f"{ID}.preferences.json"
    file.unlink()
    if what == "large":
        file.write_bytes(b" " * (MAX_RECORD_BYTES + 1))
    elif what == "fifo":
        os.mkfifo(file)
    elif what == "directory":
        file.mkdir()
    else:
        file.touch()
    with pytest.raises(RecordError):
        bob.suggest(ID)
    if what != "directory":
        keep(bob)
        assert bob.suggest(ID)


def test_a_room_that_is_missing_is_empty_and_made_anew(root: Path, bob: Party) -> None:
    (room(root) / f"{ID}.preferences.json").unlink()
    room(root).rmdir()
    assert list(preferences(bob)) == []
    assert setting(bob, ID) is None
    keep(bob)
    assert stat.S_IMODE(room(root).stat().st_mode) == 0o700


def test_other_files_in_the_room_are_left_alone(root: Path, bob: Party) -> None:
    mine = room(root) / "notes.txt"
    mine.write_text("mine")
    strategy = room(root) / "strategy.json"
    strategy.write_text("{}")
    assert len(list(preferences(bob))) == 1
    keep(bob)
    assert (mine.read_text(), strategy.read_text()) == ("mine", "{}")
