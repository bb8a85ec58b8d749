"""A migration and its rollback as use cases whose every crash point is tried."""

from __future__ import annotations

from pathlib import Path

from tests.faults.invariants import below
from tests.faults.memory_host import installed
from tests.faults.memory_os import MemoryOS, Tree
from tests.faults.scene import Scene
from tests.support import Clock
from tests.unit.legacy_fixtures import ALICE, BOB, CAROL, T0, OldTree

from nom_negotiate.legacy.records import OldData
from nom_negotiate.legacy.rollback import rollback
from nom_negotiate.legacy.run import run
from nom_negotiate.legacy.source import read_source
from nom_negotiate.legacy.verify import verify

NOW = T0 + 30 * 24 * 3600
ID = f"alice_bob_C_{T0}"


def old_data(root: Path) -> OldData:
    """Return a bit of everything: a deal, its transaction, what goes on, what ended, an order."""
    old = OldTree(root)
    for user, role in ((ALICE, "buyer"), (BOB, "seller")):
        old.state(ALICE, ID, user, role=role, status="agreed")
    old.link(BOB, ID, f"../../{ALICE}/negotiations/{ID}")
    old.book(ALICE, f"{T0}_buy_C_from_bob")
    old.negotiation(responderId=CAROL, offers=[], lastOfferBy=None)
    old.negotiation("neg_2")
    return read_source(root)


class Migrating:
    """Run a migration from old data that lie on the real disk."""

    name = "a migration"
    scene = Scene
    refusals: frozenset[str] = frozenset()

    def __init__(self, old: OldData) -> None:
        self.old = old
        # What a run leaves that nothing disturbs.
        scene = Scene(MemoryOS(Clock()), Clock())
        with installed(scene.memory):
            scene.clock.now = NOW
            run(scene.store, old, NOW)
            self.whole: Tree = migrated(scene)

    def prepare(self, scene: Scene) -> None:
        """Begin with nothing."""
        scene.clock.now = NOW

    def act(self, scene: Scene) -> None:
        """Run it."""
        run(scene.store, self.old, NOW)
        scene.reported("it was migrated", self.done)

    def recover(self, scene: Scene) -> None:
        """Run it again: the tree is what it would have been."""
        scene.check_facts(at_once=True)
        run(scene.store, self.old, NOW)
        found = migrated(scene)
        assert found == self.whole, f"{found} is not {self.whole}"

    def done(self, scene: Scene) -> None:
        """Assert that all of the old data is there."""
        found = verify(scene.store, self.old, NOW)
        assert found.mismatches == ()
        found.check()


class RollingBack(Migrating):
    """Take a migration away again."""

    name = "a rollback"

    def prepare(self, scene: Scene) -> None:
        """Begin with what a run has added."""
        scene.clock.now = NOW
        run(scene.store, self.old, NOW)
        scene.memory.sync()

    def act(self, scene: Scene) -> None:
        """Take it away."""
        rollback(scene.store, str(self.old.root), NOW)
        scene.reported("it was taken away", nobody)

    def recover(self, scene: Scene) -> None:
        """Take it away again: nothing is left."""
        scene.check_facts(at_once=True)
        rollback(scene.store, str(self.old.root), NOW)
        left = below(scene.memory.tree())
        assert left == {}, f"left: {left}"

    def done(self, scene: Scene) -> None:
        """Assert that nothing is there of it."""
        nobody(scene)


def nobody(scene: Scene) -> None:
    assert scene.desk.parties() == []


def migrated(scene: Scene) -> Tree:
    """Return what a migration has added, without its own room."""
    return {
        path: what
        for path, what in below(scene.memory.tree()).items()
        if path.split("/")[0] != "migration"
    }
