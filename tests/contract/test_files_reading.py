"""The file store: reading while others write, and who waits for whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.test_files_half_done import A
from tests.contract.test_negotiating import ID, start
from tests.support import ALICE, BOB, Clock

from nom_negotiate import Conflict, Desk, Namespace
from nom_negotiate.store.files import bounded, locking


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    """Return a desk at which alice and bob have agreed."""
    desk = Desk(root, clock=clock, durable=False, validators=(), after_settlement=())
    start(desk.party(ALICE))
    desk.party(BOB).accept(ID)
    return desk


def test_a_snapshot_is_of_one_moment(
    root: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alice withdraws after her file was read, and bob accepts before his is."""
    deal = start(desk.party(ALICE), chemical="N")
    namespace = root / f"teams/{ALICE}/negotiations/{deal.id}"
    offered = (namespace / "alice_state.json").read_bytes()
    start(desk.party(BOB), ALICE, chemical="D")
    desk.party(ALICE).withdraw(deal.id)
    withdrawn = (namespace / "alice_state.json").read_bytes()
    (namespace / "alice_state.json").write_bytes(offered)
    desk.party(BOB).accept(deal.id)
    accepted = (namespace / "bob_state.json").read_bytes()
    (namespace / "bob_state.json").write_bytes(b"{}")

    read_open = bounded.read_open
    reads: list[bytes] = []

    def moving(fd: int, size: int) -> object:
        data = read_open(fd, size)
        if not reads:
            for name, content in (("alice", withdrawn), ("bob", accepted)):
                temporary = namespace / "new"
                temporary.write_bytes(content)
                temporary.rename(namespace / f"{name}_state.json")
        assert isinstance(data, bytes)
        reads.append(data)
        return data

    monkeypatch.setattr(bounded, "read_open", moving)
    snapshot = desk.store.snapshot(Namespace(deal.id, A))
    assert snapshot is not None
    assert reads[0] == offered, "alice's file was read before she changed her mind"
    assert {user: state.status for user, state in snapshot.states.items()} == {
        ALICE: "rejected",
        BOB: "agreed",
    }


def test_a_namespace_that_never_holds_still_is_left_for_later(
    root: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = root / f"teams/{ALICE}/negotiations/{ID}"
    read_open = bounded.read_open

    def restless(fd: int, size: int) -> object:
        data = read_open(fd, size)
        path = namespace / "alice_state.json"
        temporary = namespace / "new"
        temporary.write_bytes(path.read_bytes())
        temporary.rename(path)
        return data

    monkeypatch.setattr(bounded, "read_open", restless)
    report = desk.poll()
    assert (report.agreed, report.active) == ([], [ID])
    assert "stop its writers" in report.problems[0].reason
    monkeypatch.undo()
    # Whoever wrote there rang no doorbell.
    assert desk.poll(scan=True).agreed == [ID]


# Locks


def test_a_party_waits_for_its_own_writers_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "TIMEOUT_S", 0)
    deal = start(desk.party(ALICE), chemical="N")
    with desk.store.writer(A):
        with pytest.raises(Conflict) as refused:
            desk.party(ALICE).say(deal.id, "hello")
        assert refused.value.code == "busy"
        # Nobody else waits: neither the counterparty nor the poller.
        desk.party(BOB).accept(deal.id)
        assert desk.poll().agreed == [ID, deal.id]
    assert desk.party(ALICE).transactions()
