"""Another user, a read-only disk, too few open files, signals, a root that goes away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.faults.real.support import (
    NOW,
    SOAK,
    Polls,
    SmallDisk,
    TroubledNom,
    agree,
    agree_and_more,
    copied,
    desk_at,
    mounted,
    named,
    settled_exactly_once,
    tree_of,
)
from tests.support import ALICE, BOB

ID = f"alice_bob_C_{NOW}"
NOBODY = 65534


@pytest.fixture
def public(memory: Path) -> Path:
    """Return a directory that other users may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else for a moment")
    memory.chmod(0o755)
    return memory


def given_to(uid: int, root: Path) -> None:
    for path in (root, *root.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def test_a_stranger_who_polls_is_told_what_is_denied(nom: TroubledNom, public: Path) -> None:
    agree(public / "root")
    before = tree_of(public / "root")
    result = nom("poll", "--json", root=public / "root", fixed=NOW, uid=NOBODY)
    assert result.status == 7
    assert named(result, "denied", "permission denied")
    (public / "root" / "config.json").chmod(0o600)
    result = nom("poll", "--json", root=public / "root", fixed=NOW, uid=NOBODY)
    assert named(result, "denied", "cannot read the settings: permission denied")
    assert tree_of(public / "root") == before


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_directory_that_is_closed_to_the_poller_is_named_and_delays_its_own_deals_only(
    mode: int, nom: TroubledNom, public: Path
) -> None:
    tree = public / "tree"
    agree_and_more(tree)
    nom.ok("init", root=tree, fixed=NOW)
    given_to(NOBODY, tree)
    polls = Polls(nom, tree, public / "root", uid=NOBODY)
    closed = ["poller", "teams", *(f"teams/{path}" for path in os.listdir(tree / "teams"))]
    for party in (ALICE, BOB):
        rooms = sorted(os.listdir(tree / "teams" / party))
        closed += [f"teams/{party}/{room}" for room in rooms if "." not in room]
    closed.append(f"teams/{ALICE}/negotiations/{ID}")
    for path in closed:
        room = polls.fresh() / path
        given_to(NOBODY, polls.root)
        usual = room.stat().st_mode
        room.chmod(mode)
        polls.poll(
            f"{path} is closed",
            partial(room.chmod, usual),
            causes=(("denied", "permission denied"),),
        )
    assert polls.hindered > 6


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk") as disk:
        yield disk


def test_on_a_read_only_disk_one_can_look_and_is_told_why_nothing_is_done(
    nom: TroubledNom, disk: SmallDisk, memory: Path
) -> None:
    agree_and_more(memory / "tree")
    polls = Polls(nom, memory / "tree", disk.path / "root")
    root = polls.fresh()
    nom.ok("init", root=root, fixed=NOW)
    disk.remount("ro")
    seen = nom.ok("ls", "--json", "--as", ALICE, root=root, fixed=NOW)
    assert ID in seen.out
    refused = nom("accept", ID, "--as", BOB, "--json", root=root, fixed=NOW)
    assert named(refused, "read_only", "mounted read-only") or refused.status == 3
    polls.poll("read-only", lambda: disk.remount("rw"), causes=(("read_only", "read-only"),))
    assert polls.hindered == 1


def test_with_too_few_open_files_it_says_so_or_does_it_all(nom: TroubledNom, memory: Path) -> None:
    agree_and_more(memory / "tree")
    polls = Polls(nom, memory / "tree", memory / "root")
    open_now = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 10
    for most in range(3, open_now + 12, 1 if SOAK else 2):
        polls.fresh()
        polls.poll(
            f"{most} open files",
            lambda: None,
            limits={"NOFILE": most},
            causes=(("too_many_files", "too many open files"),),
        )
    assert polls.hindered > 2
    assert polls.finished > 2


def test_signals_interrupt_nothing(nom: TroubledNom, memory: Path) -> None:
    agree_and_more(memory / "tree")
    polls = Polls(nom, memory / "tree", memory / "root")
    for _ in range(10):
        polls.fresh()
        polls.poll("a storm of signals", lambda: None, every_s=0.0003)
    assert polls.finished == 10


def test_signals_do_not_end_the_wait_for_a_lock(nom: TroubledNom, memory: Path) -> None:
    root = memory / "root"
    desk_at(root).party(ALICE).start(BOB, chemical="C", role="buyer", price="5", quantity=1)
    say = ("say", ID, "--as", BOB)
    stop: dict[str, Any] = {"root": root, "fixed": NOW, "among": ["rename"]}
    holder = nom.start(*say, "one", at=1, deed="stop", **stop).until_stopped()
    waiting = nom.start(*say, "two", root=root, fixed=NOW, every_s=0.002, among=["open"])
    nom.ok("say", ID, "three", "--as", ALICE, root=root, fixed=NOW, every_s=0.0003)
    os.kill(holder.pid, signal.SIGCONT)
    assert (holder.result().status, waiting.result().status) == (0, 0)
    said = [message.text for message in desk_at(root).party(ALICE).negotiation(ID).messages]
    assert sorted(said) == ["one", "three", "two"]


def test_a_root_that_goes_away_under_a_poller_loses_nothing(nom: TroubledNom, memory: Path) -> None:
    agree(memory / "tree")
    polls = Polls(nom, memory / "tree", memory / "root")
    count = len(nom("poll", root=polls.fresh(), fixed=NOW).changes)
    away = memory / "away"
    root = polls.root
    for at in range(1, count + 1):
        polls.fresh()
        run = nom.start("poll", "--json", root=root, fixed=NOW, at=at, deed="stop")
        poller = run.until_stopped()
        root.rename(away)
        os.kill(poller.pid, signal.SIGCONT)
        result = poller.result()
        if root.exists():
            # It had not come to taking its lock: for it there was an empty root.
            assert not [path for path in tree_of(root) if path.startswith("teams/")]
            assert result.json["agreed"] == []
            copied(memory / "nothing", root)
            away.rename(root)
            continue
        polls.check(
            f"stopped at {at}: {poller.changes[-1]}",
            result,
            partial(away.rename, root),
            causes=(("store_failed", "No such file or directory"), ("store_failed", "is gone")),
        )
    assert polls.hindered > 10
    settled_exactly_once(root)
