"""A full disk, of every degree: nothing is lost, the cause is named, and room makes it good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.real.support import (
    NOW,
    SOAK,
    STATS,
    Polls,
    Result,
    SmallDisk,
    TroubledNom,
    agree,
    agree_and_more,
    copied,
    desk_at,
    left_to_age,
    mounted,
    named,
    settled_exactly_once,
    tree_of,
)
from tests.support import ALICE, BOB, HOUR

FULL = (
    ("no_space", "no space left on the device"),
    ("no_space", "the file size limit is reached"),
)
ID = f"alice_bob_C_{NOW}"
TERMS = ("--price", "5.50", "--quantity", "1000")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "disk") as disk:
        yield disk


def named_the_full_disk(result: Result) -> bool:
    return any(named(result, *cause) for cause in FULL)


@pytest.mark.parametrize("short_of", ["pages", "files"])
@pytest.mark.parametrize(("made", "most"), [(agree, 8), (agree_and_more, 25)])
def test_a_poll_on_a_full_disk_loses_nothing_at_any_level(
    made: Callable[[Path], object],
    most: int,
    short_of: str,
    nom: TroubledNom,
    disk: SmallDisk,
    memory: Path,
) -> None:
    made(memory / "tree")
    polls = Polls(nom, memory / "tree", disk.path / "root")
    for left in range(most + 1):
        polls.fresh()
        disk.leave(**{short_of: left})
        polls.poll(f"room for {left} {short_of}", disk.make_room, causes=FULL)
    assert polls.hindered > 3
    assert polls.finished > 0


COMMANDS = [
    ("start", BOB, "N", "--as", ALICE, "--sell", *TERMS),
    ("offer", ID, "--as", BOB, *TERMS),
    ("accept", ID, "--as", BOB),
    ("reject", ID, "--as", BOB),
    ("withdraw", ID, "--as", ALICE),
    ("say", ID, "hello", "--as", BOB),
    ("init", "--party", "dave@stonybrook.edu"),
]


@pytest.mark.parametrize("short_of", ["pages", "files"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_party_on_a_full_disk_has_said_it_or_is_told_that_it_has_not(
    command: tuple[str, ...], short_of: str, nom: TroubledNom, disk: SmallDisk, memory: Path
) -> None:
    tree, root = memory / "tree", disk.path / "root"
    desk_at(tree).party(ALICE).start(BOB, chemical="C", role="buyer", price="5", quantity=1)
    for party in desk_at(tree).parties():
        with desk_at(tree).store.writer(party.address):
            # Its lock file is there from now on.
            pass
    copied(tree, root)
    nom.ok("poll", root=root, fixed=NOW)
    before = tree_of(root)
    nom.ok(*command, root=root, fixed=NOW)
    after = tree_of(root)
    refused = done = 0
    for left in range(10):
        copied(tree, root)
        disk.leave(**{short_of: left})
        result = nom(*command, "--json", root=root, fixed=NOW)
        disk.make_room()
        if result.status == 0:
            assert tree_of(root) == after
            done += 1
        else:
            assert named_the_full_disk(result), result
            left_to_age(root)
            nom.ok("poll", root=root, fixed=NOW + 2 * HOUR)
            assert tree_of(root) == before
            refused += 1
    assert refused > 0
    assert done > 0


def test_at_a_limit_of_the_file_size_it_is_the_same(nom: TroubledNom, memory: Path) -> None:
    agree_and_more(memory / "tree")
    polls = Polls(nom, memory / "tree", memory / "root")
    for bytes_ in range(0, 1500, 20 if SOAK else 100):
        polls.fresh()
        limits = {"FSIZE": bytes_}
        polls.poll(f"at most {bytes_} bytes", lambda: None, limits=limits, causes=FULL)
    assert polls.hindered > 3
    assert polls.finished > 0


def test_a_stats_log_that_cannot_be_written_spoils_no_pass(nom: TroubledNom, memory: Path) -> None:
    root = memory / "root"
    agree(root)
    count = len(nom("poll", root=copied(root, memory / "other"), fixed=NOW).changes)
    # Half a line is written, and then there is no room.
    full = {"at": count, "deed": "ENOSPC", "half": True}
    first = nom("poll", "--json", root=root, fixed=NOW, **full)
    assert first.status == 0
    assert first.json["agreed"] == [ID]
    [problem] = first.json["problems"]
    assert problem["path"] == STATS
    assert "no space left on the device" in problem["reason"]
    settled_exactly_once(root)
    nom.ok("poll", root=root, fixed=NOW)
    stats = nom("stats", "--json", root=root, fixed=NOW)
    assert stats.status == 0
    assert stats.json["last_pass"]["active"] == 0
    assert stats.json["transactions"] == 2
