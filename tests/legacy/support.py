"""What the tests of the migration share: old trees, and a look at a tree as a whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.unit.legacy_fixtures import T0, OldTree

from nom_negotiate.legacy.planner import make_plan
from nom_negotiate.legacy.rollback import Undoing, rollback
from nom_negotiate.legacy.run import Done, run
from nom_negotiate.legacy.source import read_source
from nom_negotiate.legacy.verify import Verification, verify
from nom_negotiate.store.files import FileStore

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "data" / "legacy-sample"

DAY = 24 * 3600
NOW = T0 + 30 * DAY
"""When the tests migrate: a month after the old data were written."""

Tree = dict[str, tuple[Any, ...]]


def tree_of(root: Path, *, but: str = "migration") -> Tree:
    """Return what lies under `root`: the kind, mode and content of each entry."""
    found: Tree = {}
    for path in sorted(root.rglob("*")) if root.exists() else []:
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] == but:
            continue
        mode = path.lstat().st_mode
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("directory", mode)
        else:
            found[name] = ("file", mode, path.read_bytes())
    return found


def times_of(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return what every change below `root` changes, the journal and the locks included."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


class Migration:
    """A migration from `source` to `root`, at a time that stands still."""

    def __init__(self, source: Path, root: Path, now: int = NOW) -> None:
        self.source = source
        self.root = root
        self.now = now

    @property
    def store(self) -> FileStore:
        return FileStore(self.root)

    @property
    def tree(self) -> Tree:
        return tree_of(self.root)

    def plan(self) -> Any:
        return make_plan(self.store, read_source(self.source), self.now)

    def run(self) -> Done:
        return run(self.store, read_source(self.source), self.now)

    def verify(self) -> Verification:
        return verify(self.store, read_source(self.source), self.now)

    def rollback(self, *, force: bool = False) -> Undoing:
        return rollback(self.store, self.source, self.now, force=force)

    def checked(self) -> Migration:
        """Run it, and find nothing to complain about."""
        self.run()
        found = self.verify()
        assert found.mismatches == ()
        found.check()
        return self


def reasons(migration: Migration) -> dict[str, str]:
    """Return why each thing is left out, by its path in the source."""
    return {one.path: one.reason for one in migration.plan().left}


__all__ = [
    "DAY",
    "NOW",
    "REPO",
    "SAMPLE",
    "Migration",
    "OldTree",
    "reasons",
    "times_of",
    "tree_of",
]
