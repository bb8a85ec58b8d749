"""What a migration brought is no finding: the old programs left much on one side only."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nom_negotiate import Desk, FileStore
from nom_negotiate.doctor import examine
from nom_negotiate.legacy.rollback import rollback
from nom_negotiate.legacy.run import run
from nom_negotiate.legacy.source import read_source

SAMPLE = Path(__file__).parents[2] / "data" / "legacy-sample"


@pytest.fixture(params=["into a new root", "in place"])
def migrated(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Desk]:
    """Return the source of a migration, and the desk of the root that it went to."""
    source = SAMPLE
    if request.param == "in place":
        source = Path(shutil.copytree(SAMPLE, tmp_path / "root"))
    desk = Desk(tmp_path / "root", durable=False, validators=(), after_settlement=())
    run(FileStore(tmp_path / "root"), read_source(str(source)), desk.now())
    return source, desk


def test_a_migrated_root_is_clean(migrated: tuple[Path, Desk]) -> None:
    _, desk = migrated
    found = examine(desk, mount=False)
    assert found.findings == ()
    assert found.counted["transactions"] == 3
    assert "deals" not in found.counted or found.counted["deals"] == 0
    desk.poll()
    assert examine(desk, repair=True, mount=False).findings == ()


def test_a_migrated_root_that_was_traded_in_is_clean(migrated: tuple[Path, Desk]) -> None:
    _, desk = migrated
    going_on = next(one for one in desk.negotiations() if one.turn is not None)
    assert going_on.turn is not None
    desk.party(going_on.turn).accept(going_on.id)
    assert desk.poll().agreed == [going_on.id]
    found = examine(desk, mount=False)
    assert found.findings == ()
    assert found.counted["deals"] == 1


def test_a_root_after_a_rollback_is_clean(migrated: tuple[Path, Desk]) -> None:
    source, desk = migrated
    store = desk.store
    assert isinstance(store, FileStore)
    desk.add_party("somebody@stonybrook.edu")
    rollback(store, str(source), desk.now())
    codes = {one.code for one in examine(desk, mount=False).findings}
    # What was migrated in place is the old program's own again, which knows no rooms.
    assert codes <= {"missing_room", "no_profile", "unknown_file"}
