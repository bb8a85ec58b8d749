"""A single deal, as when `nom run` settles it, costs the same whatever was settled before."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Desk


def test_a_name_that_is_taken_costs_no_sync(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path / "data", clock=clock, validators=(), after_settlement=())
    alice, bob = desk.party(ALICE), desk.party(BOB)
    fsync, syncs = os.fsync, [0]

    def counted(fd: int) -> None:
        syncs[-1] += 1
        fsync(fd)

    monkeypatch.setattr(os, "fsync", counted)
    # Deals of one pair in one second want the same names.
    for _ in range(6):
        deal = alice.start(BOB, chemical="C", role="buyer", price=5, quantity=10)
        bob.accept(deal.id)
        syncs.append(0)
        assert desk.poll().agreed == [deal.id]
        syncs.append(0)
    assert len(alice.transactions()) == 6
    # The first pass makes the poller's room as well.
    assert len(set(syncs[3:-1:2])) == 1
