"""A migration that is killed anywhere is completed by the next one, in either direction."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.legacy import crashing
from tests.legacy.support import NOW, SAMPLE, Migration, Tree, times_of, tree_of
from tests.mortal import KILLED
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, OldTree

STRIDE = int(os.environ.get("NOM_CRASH_STRIDE", "11"))
"""Every how manieth change a process is killed at; 1 tries them all and takes minutes."""


def killed(action: str, deaths: dict[int, Path], source: str = str(SAMPLE)) -> dict[int, int]:
    """Let one process for each root die at its change; return how each one ended."""
    said = subprocess.run(
        [
            *(sys.executable, "-W", "error", crashing.__file__, action, source, str(NOW)),
            *(f"{at}:{root}" for at, root in deaths.items()),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.stderr == ""
    ends = dict(line.rsplit(" ", 1) for line in said.stdout.splitlines())
    return {at: int(ends[str(root)]) for at, root in deaths.items()}


def points(count: int) -> range:
    """Return where to die: from the first change to the last one."""
    return range(1, count + 1, STRIDE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Migration:
    """Return a migration that nothing disturbed."""
    return Migration(SAMPLE, tmp_path_factory.mktemp("whole") / "root").checked()


@pytest.fixture(scope="module")
def changes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Return how many changes of the disk each direction takes."""
    root = tmp_path_factory.mktemp("count") / "root"
    found = {}
    for action in ("run", "rollback"):
        assert killed(action, {0: root}) == {0: 0}
        found[action] = int(root.with_suffix(".count").read_text())
    return found


def test_a_run_that_was_killed_is_completed_by_the_next(
    whole: Migration, changes: dict[str, int], tmp_path: Path
) -> None:
    roots = {at: tmp_path / str(at) / "root" for at in points(changes["run"])}
    for root in roots.values():
        root.parent.mkdir()
    ends = killed("run", roots)
    assert set(ends.values()) == {KILLED}
    for at, root in roots.items():
        again = Migration(SAMPLE, root)
        again.run()
        assert again.tree == whole.tree, f"killed at change {at}"
        again.verify().check()
        before = times_of(root)
        assert again.run().added == {}
        assert times_of(root) == before, f"killed at change {at}"


def test_a_run_that_was_killed_can_be_taken_away(changes: dict[str, int], tmp_path: Path) -> None:
    roots = {at: tmp_path / str(at) / "root" for at in points(changes["run"])}
    for root in roots.values():
        root.parent.mkdir()
    killed("run", roots)
    for at, root in roots.items():
        Migration(SAMPLE, root).rollback()
        assert left(root) == {}, f"killed at change {at}"


def test_a_rollback_that_was_killed_is_completed_by_the_next(
    whole: Migration, changes: dict[str, int], tmp_path: Path
) -> None:
    roots = copies(whole, changes, tmp_path)
    ends = killed("rollback", roots)
    assert set(ends.values()) == {KILLED}
    for at, root in roots.items():
        Migration(SAMPLE, root).rollback()
        assert left(root) == {}, f"killed at change {at}"


def test_after_a_rollback_that_was_killed_a_run_makes_it_whole_again(
    whole: Migration, changes: dict[str, int], tmp_path: Path
) -> None:
    roots = copies(whole, changes, tmp_path)
    killed("rollback", roots)
    for at, root in roots.items():
        again = Migration(SAMPLE, root)
        again.run()
        assert again.tree == whole.tree, f"killed at change {at}"
        again.verify().check()
        again.rollback()
        assert left(root) == {}, f"killed at change {at}"


def copies(whole: Migration, changes: dict[str, int], where: Path) -> dict[int, Path]:
    roots = {at: where / str(at) for at in points(changes["rollback"])}
    for root in roots.values():
        shutil.copytree(whole.root, root, symlinks=True)
    return roots


def left(root: Path) -> Tree:
    """Return what is left of a root that was made by the migration."""
    migration = Migration(SAMPLE, root)
    return {**migration.tree, **({"migration": ()} if (root / "migration").exists() else {})}


def test_in_place_it_is_no_different(tmp_path: Path) -> None:
    pristine = OldTree(tmp_path / "pristine")
    id = "alice_bob_C_1704312345"
    for user, role in ((ALICE, "buyer"), (BOB, "seller")):
        pristine.state(ALICE, id, user, role=role, status="agreed")
    pristine.link(BOB, id, f"../../{ALICE}/negotiations/{id}")
    pristine.book(ALICE, "1704312400_buy_C_from_bob")
    pristine.negotiation(responderId=CAROL, offers=[], lastOfferBy=None)
    pristine.negotiation("neg_2")
    before = tree_of(pristine.root)

    def copy(name: str) -> Migration:
        shutil.copytree(pristine.root, tmp_path / name, symlinks=True)
        return Migration(tmp_path / name, tmp_path / name)

    whole = copy("whole").checked()
    counted = copy("counted")
    assert killed("run", {0: counted.root}, ".") == {0: 0}
    count = int(counted.root.with_suffix(".count").read_text())
    roots = {at: copy(f"run-{at}").root for at in points(count)}
    killed("run", roots, ".")
    for at, root in roots.items():
        again = Migration(root, root).checked()
        assert again.tree == whole.tree, f"killed at change {at}"
        # And back: from a copy each, killed on the way, too.
        killed("rollback", {at: root}, ".")
        again.rollback()
        assert tree_of(root, but="") == before, f"killed at change {at}"
