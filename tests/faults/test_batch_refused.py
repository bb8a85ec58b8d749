"""A batch that cannot be made is named, and the next pass makes it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.support import ALICE, BOB

from nom_negotiate import Desk
from nom_negotiate.errors import StoreError
from nom_negotiate.store.files.atomic import Disk


def agreed(desk: Desk) -> list[str]:
    """Return the ids of three deals that no pass has seen yet."""
    alice, bob = desk.party(ALICE), desk.party(BOB)
    ids = [
        alice.start(BOB, chemical=chemical, role="buyer", price=1, quantity=1).id
        for chemical in "CND"
    ]
    for id_ in ids:
        bob.accept(id_)
    return sorted(ids)


def refuse(self: Disk, root: str) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_batch_that_cannot_begin_says_why_and_is_made_by_the_next_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, validators=(), after_settlement=())
    ids = agreed(desk)
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "together", refuse)
        with pytest.raises(StoreError) as caught:
            desk.poll()
    assert caught.value.code == "too_many_files"
    assert desk.poll().agreed == ids


def test_a_barrier_that_fails_reports_nothing_as_settled_and_the_next_pass_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path, validators=(), after_settlement=())
    ids = agreed(desk)

    def fail(self: Disk) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "barrier", fail)
        report = desk.poll()
    assert report.agreed == []
    assert {problem.path for problem in report.problems} == set(ids)
    assert desk.party(ALICE).transactions() == []
    assert desk.poll().agreed == ids
    assert len(desk.party(ALICE).transactions()) == 3
