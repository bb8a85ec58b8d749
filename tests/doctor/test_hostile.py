"""Whatever somebody puts into a data root: the doctor finds it, and a repair loses nothing."""

from __future__ import annotations

import pytest
from tests.hostile import table_files, table_places
from tests.hostile.conftest import prepared as prepared
from tests.hostile.conftest import scene as scene
from tests.hostile.guard import kept_inside
from tests.hostile.rows import Row
from tests.hostile.scene import SECRET, Scene

from nom_negotiate import NomError
from nom_negotiate.doctor import Diagnosis, examine

ROWS = table_files.ROWS + table_places.ROWS


OF_A_PASS = {"a deal over a chemical that is not traded here does not settle"}
"""What is told by a pass, which knows the settings."""


def small_states(scene: Scene) -> list[bytes]:
    """Return the bytes of each state and outcome, wherever it lies by now."""
    found = [
        path.read_bytes()
        for path in scene.root.rglob("*.json")
        if path.name.endswith(("_state.json", "outcome.json"))
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size < 1 << 20
    ]
    return sorted(found)


def told(scene: Scene, *, repair: bool = False) -> Diagnosis | None:
    try:
        found = examine(scene.desk([]), repair=repair, mount=False, wait_s=0.2)
    except NomError as refused:
        said = refused.message
        assert SECRET not in said
        return None
    for one in found.findings:
        said = f"{one.path} {one.reason} {one.remedy}"
        assert SECRET not in said
        assert one.path.isprintable()
        assert one.reason.isprintable()
    return found


@pytest.mark.timeout(20)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_is_hostile(row: Row, scene: Scene) -> None:
    row.harm(scene)
    before = small_states(scene)
    with kept_inside(scene.root):
        found = told(scene)
        told(scene, repair=True)
        left = told(scene)
    if row.path is not None and row.name not in OF_A_PASS:
        assert found is None or found.findings
    after = small_states(scene)
    assert all(after.count(data) >= before.count(data) for data in before)
    if left is not None:
        assert [one for one in left.open if one.code == "not_conserved"] == []
