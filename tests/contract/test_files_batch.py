"""The file store: many deals in one go are settled as each would be by itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.contract.test_negotiating import start
from tests.support import ALICE, BOB, NOON, Clock

from nom_negotiate import Desk, FileStore, Namespace, one_pass
from nom_negotiate.core.identity import Address, parse_address
from nom_negotiate.store.files.atomic import Disk

CHEMICALS = "CDNQ"
IDS = [f"alice_bob_{chemical}_{NOON}" for chemical in CHEMICALS]
A, B = parse_address(ALICE), parse_address(BOB)


class Recording(Disk):
    """A disk that remembers what it was to link, and under which temporary names it wrote."""

    def __init__(self) -> None:
        super().__init__(durable=False)
        self.links: list[str] = []
        self.temporaries: list[str] = []

    def link_to(self, text: str, path: str) -> bool:
        self.links.append(os.path.relpath(path, os.path.dirname(os.path.dirname(path))))
        return super().link_to(text, path)

    def _link(self, source: str, target: str) -> None:
        self.temporaries.append(os.path.basename(source))
        super()._link(source, target)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def desk_on(root: Path, clock: Clock, disk: Disk | None = None) -> Desk:
    store = FileStore(root, durable=False, disk=disk)
    return Desk(store, clock=clock, validators=(), after_settlement=())


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    """Return a desk at which alice and bob have agreed on four deals."""
    desk = desk_on(root, clock)
    agree(desk)
    return desk


def agree(desk: Desk) -> None:
    for chemical in CHEMICALS:
        deal = start(desk.party(ALICE), chemical=chemical)
        desk.party(BOB).accept(deal.id)


def archived(desk: Desk, party: Address) -> list[str]:
    return [place.id for place in desk.store.namespaces(party, archived=True)]


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_as_many_deals_as_there_are_are_settled_whatever_shares_barriers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(one_pass, "BATCH", batch)
    assert desk.poll().agreed == IDS
    for party in (A, B):
        assert len(desk.party(party).transactions()) == 4
        assert archived(desk, party) == IDS


def test_a_responder_gets_each_new_link_once(root: Path, desk: Desk, clock: Clock) -> None:
    disk = Recording()
    assert desk_on(root, clock, disk).poll().agreed == IDS
    assert sorted(disk.links) == [f"negotiations_archive/{id_}" for id_ in IDS]


def test_what_nobody_has_announced_is_announced_when_it_is_archived(root: Path, desk: Desk) -> None:
    place = Namespace(IDS[0], A)
    with FileStore(root, durable=False).batch() as batch:
        assert batch.archive(place, B) == place._replace(archived=True)
    assert archived(desk, B) == IDS[:1]


def test_transactions_are_written_under_one_temporary_name_and_outcomes_each_under_its_own(
    root: Path, desk: Desk, clock: Clock
) -> None:
    disk = Recording()
    assert desk_on(root, clock, disk).poll().agreed == IDS
    guarded = [name for name in disk.temporaries if "guarded" in name]
    assert len(set(guarded)) == len(guarded) == 4
    others = [name for name in disk.temporaries if "guarded" not in name]
    assert (len(set(others)), len(others)) == (1, 8)
    assert list(root.rglob(".tmp-*")) == []


def test_a_temporary_file_that_cannot_be_removed_stands_in_no_deals_way(
    root: Path, desk: Desk, clock: Clock
) -> None:
    class Keeping(Recording):
        """A disk that cannot remove what it has just written."""

        def _discard(self, temporary: str) -> None:
            pass

    assert desk_on(root, clock, Keeping()).poll().agreed == IDS
    assert len(desk.party(ALICE).transactions()) == 4
    # They have no other name's content under theirs: each transaction is its own.
    found = {filed.transaction.negotiation_id for filed in desk.party(BOB).transactions()}
    assert sorted(found) == IDS


def test_names_that_are_packed_are_taken_for_many_deals_too(desk: Desk) -> None:
    assert desk.poll().agreed == IDS
    for party in map(desk.party, (ALICE, BOB)):
        for filed in party.transactions():
            party.mark_settled(filed.name)
    before = [filed.name for filed in desk.party(ALICE).transactions()]
    desk.pack(-1)
    # The id of one that is packed is taken; in the same second they end, all the same.
    agree(desk)
    assert len(desk.poll().agreed) == 4
    names = [filed.name for filed in desk.party(ALICE).transactions()]
    assert names == sorted(before + [name.replace(".json", "_2.json") for name in before])
