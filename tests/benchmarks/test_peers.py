"""The peers do the work that they are measured by: the same deals settle, nothing else does."""

from __future__ import annotations

import importlib.util
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from benchmarks.market import SELLERS, TEAMS, Case, cases
from benchmarks.peers import original, raw
from benchmarks.peers.sqlite import Database
from benchmarks.sections.settle import transactions

from benchmarks import ours
from nom_negotiate import Desk

HAS_REDIS = importlib.util.find_spec("redis") is not None


@pytest.fixture
def market() -> list[Case]:
    return cases(40)


@pytest.fixture
def root(tmp_path: Path, market: list[Case]) -> Path:
    """Return a data root with that market."""
    root = tmp_path / "data"
    ours.new_root(root, TEAMS)
    ours.plant(root, market)
    return root


def test_what_was_planted_is_what_the_library_would_have_written(
    root: Path, market: list[Case]
) -> None:
    desk = Desk(root)
    assert len(desk.negotiations()) == len(market)
    report = ours.distrustful_scan(desk)
    assert (len(report.active), report.problems) == (len(market), [])
    case = market[7]
    found = desk.party(case.responder).negotiation(case.id)
    assert (found.round, found.on_table and found.on_table.by) == (2, case.responder)


def test_what_was_planted_in_the_archives_is_found_there(root: Path) -> None:
    [ended] = cases(1, first=500)
    ours.plant_archived(root, [ended])
    [found] = Desk(root).archive()
    assert (found.id, found.phase) == (ended.id, "rejected")
    assert [path.name for path in root.parent.iterdir()] == ["data"]


def test_the_library_settles_what_is_agreed_and_forgets_its_hints_unharmed(
    root: Path, market: list[Case]
) -> None:
    desk = ours.desk(root)
    assert len(ours.distrustful_scan(desk).active) == len(market)
    assert ours.full_scan(desk).agreed == ours.idle_pass(desk).agreed == []
    ours.agree(root, market[:5])
    ours.forget(root)
    report = ours.idle_pass(desk)
    assert sorted(report.agreed) == sorted(case.id for case in market[:5])


def test_updates_are_accepted_round_after_round(root: Path, market: list[Case]) -> None:
    updates = ours.Updates(root, market[:2])
    for _ in range(6):
        updates.offer()
        updates.say()
    found = Desk(root).party(market[0].initiator).negotiation(market[0].id)
    assert found.round > 2


@pytest.mark.parametrize("guarded", [True, False])
def test_a_pen_writes_states_that_do_not_grow(
    guarded: bool, root: Path, market: list[Case]
) -> None:
    pen = ours.Pen(root, market[0], guarded=guarded)
    lengths = set()
    for _ in range(30):
        pen.prepare()
        pen.update()
        lengths.add(len(pen.content()) // 100)
    assert len(lengths) == 1
    own = Desk(root).party(market[0].initiator).negotiation(market[0].id)
    assert own.on_table is not None
    assert own.on_table.by == market[0].initiator


def test_the_original_settles_what_is_agreed_and_keeps_at_most_one_file_a_pair_and_second(
    root: Path, market: list[Case]
) -> None:
    assert original.one_pass(root) == 0
    ours.agree(root, market[:10])
    assert original.one_pass(root) == 10
    assert original.one_pass(root) == 0
    assert 2 <= transactions(root) <= 20


def test_the_bare_operations_settle_what_is_agreed(root: Path, market: list[Case]) -> None:
    assert raw.stat_each(root) == raw.read_each(root) == len(market)
    ours.agree(root, market[:10])
    assert raw.settle_each(root) == 10
    assert transactions(root) == 20
    # What they leave is where the library would have left it.
    assert ours.distrustful_scan(ours.desk(root)).agreed == []
    ended = list((root / "teams").glob("*/negotiations_archive/*"))
    assert Counter(path.is_symlink() for path in ended) == {True: 10, False: 10}
    assert not list(root.rglob(".tmp-*"))


def offer_and_accept(peer: Database, case: Case) -> None:
    _, _, terms = case.offers[1]
    peer.offer(case, 1, "7", "900", "another key")
    peer.offer(case, 1, str(terms.price), str(terms.quantity), case.key(terms))
    peer.offer(case, 0, str(terms.price), str(terms.quantity), case.key(terms))


@pytest.mark.parametrize("commit_each", [True, False])
def test_sqlite_finds_what_is_agreed_by_its_index_and_by_its_marks(
    commit_each: bool, tmp_path: Path, market: list[Case]
) -> None:
    database = Database(tmp_path / "market.db")
    database.fill(market)
    assert database.look() == database.look_at_marks() == []
    offer_and_accept(database, market[3])
    assert database.look() == database.look_at_marks() == [market[3].number]
    database.agree(market[:2])
    assert sorted(database.look()) == sorted(case.number for case in (*market[:2], market[3]))
    assert database.settle(commit_each=commit_each) == 3
    assert database.look() == database.look_at_marks() == []
    database.close()


def test_sqlite_is_durable_and_polls_on_its_indexes_alone(
    tmp_path: Path, market: list[Case]
) -> None:
    database = Database(tmp_path / "market.db")
    database.fill(market)
    told = database.explained()
    database.close()
    assert (told.journal, told.synchronous) == ("wal", 2)
    assert ["COVERING INDEX agreed" in step for step in told.plan[:2]] == [True, True], told.plan
    assert ["INDEX ready" in told.plan[2], "INDEX due" in told.plan[3]] == [True, True], told.plan


@pytest.mark.skipif(not HAS_REDIS, reason="the client of Redis is in the benchmarks' environment")
def test_redis_finds_what_is_agreed(tmp_path: Path, market: list[Case]) -> None:
    from benchmarks.peers import redis

    if not redis.is_installed():
        pytest.skip("there is no redis-server on the path")
    with redis.server(tmp_path / "redis") as socket:
        client = redis.Client(socket)
        client.fill(market)
        assert client.look() == []
        _, _, terms = market[3].offers[1]
        client.offer(market[3], 0, str(terms.price), str(terms.quantity), market[3].key(terms))
        assert client.look() == [market[3].number]
        client.agree(market[:2])
        assert client.settle(pipelined=True) == 3
        assert client.look() == []
        client.close()


def test_the_locked_file_holds_what_was_offered(tmp_path: Path, market: list[Case]) -> None:
    pytest.importorskip("filelock", reason="filelock is in the benchmarks' environment")
    from benchmarks.peers.locked import LockedFile

    path = tmp_path / "market.json"
    locked = LockedFile(path)
    locked.fill(market)
    locked.offer(market[0], 1, "7", "900", "key")
    states = json.loads(path.read_bytes())
    assert states[str(market[0].number)][1]["price"] == "7"
    assert states[str(market[0].number)][0]["price"] != str(SELLERS.price)
    assert sorted(os.listdir(tmp_path)) in (["market.json"], ["market.json", "market.json.lock"])
