"""An answer and a start at the same moment, one change of the file system at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.contract import test_interleavings_files as stepping
from tests.contract.test_interleavings import ID, desk
from tests.contract.test_interleavings_files import Ends
from tests.contract.test_interleavings_files import ends as ends
from tests.contract.test_interleavings_files import looks_are_steps as looks_are_steps
from tests.support import ALICE, BOB, NOON

from nom_negotiate import Desk, market

LISTING = f"{NOON}_sell_C"
NEXT = f"alice_bob_C_{NOON + 1}"


class LinkingDisk(stepping.SteppedDisk):
    """A disk that stops its actor before a link, too: who makes it has the name."""

    def _symlink(self, text: str, path: str) -> None:
        self.thread.gate("symlink")
        with self.shown("linked"):
            super()._symlink(text, path)


def listed(desk: Desk) -> None:
    market.post(desk.party(ALICE), side="sell", chemical="C", price=5, quantity=10)
    desk.add_party(BOB)


def starts(store: Any) -> Any:
    return (
        desk(store)
        .party(ALICE)
        .start(BOB, chemical="C", role="seller", price=5, quantity=10, again=True)
    )


def answers(store: Any) -> Any:
    return market.respond(desk(store).party(BOB), ALICE, LISTING, again=True)


def test_both_want_one_id_and_each_gets_one_that_both_find(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alice starts with bob while he answers her; neither holds the lock of the other."""
    monkeypatch.setattr(stepping, "SteppedDisk", LinkingDisk)
    firsts = Counter[str]()
    for end in ends(listed, {"start": starts, "answer": answers}):
        started, answered = end.results["start"], end.results["answer"]
        assert started.done, end
        assert answered.done, end
        assert {started.value.id, answered.value.id} == {ID, NEXT}, end
        firsts["start" if started.value.id == ID else "answer"] += 1
        for who in (ALICE, BOB):
            found = {one.id: one for one in desk(end.run.store).party(who).negotiations()}
            assert set(found) == {ID, NEXT}, end
            spoken = {name: [move.by for move in one.moves] for name, one in found.items()}
            assert spoken == {started.value.id: [ALICE], answered.value.id: [BOB]}, end
    assert set(firsts) == {"start", "answer"}
