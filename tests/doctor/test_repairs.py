"""What a repair promises: nothing lost, nothing overwritten, and finished by the next one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doctor import killed
from tests.doctor.scene import CURABLE, UNFINISHED, Scene, aged, codes, file, states
from tests.mortal import KILLED
from tests.support import ALICE, BOB, CAROL

from nom_negotiate import Conflict, MemoryStore
from nom_negotiate.desk import Desk
from nom_negotiate.doctor import Verdict, examine
from nom_negotiate.errors import ConfigurationError
from nom_negotiate.store.files import locking
from nom_negotiate.store.files.inspection import Severity

EVERY = 1 if os.environ.get("NOM_SOAK") == "1" else 3
"""One in so many deaths; with the flag all of them, which takes half a minute."""

TOGETHER = (
    "an_absolute_link",
    "a_link_that_was_removed_from_the_archive",
    "a_link_at_somebody_who_is_no_party",
    "a_file_among_the_teams",
    "a_file_in_a_negotiation",
    "the_state_of_a_third_party",
    "a_file_in_the_place_of_a_room",
    "a_listing_that_cannot_be_read",
    "a_transaction_that_cannot_be_read",
    "a_profile_that_was_removed",
    "a_private_room_that_everybody_may_read",
)


def ill(scene: Scene) -> None:
    by_name = {one.name: one for one in CURABLE}
    for name in TOGETHER:
        by_name[name].cause(scene)


def aside(scene: Scene) -> dict[str, Path]:
    """Return what was set aside, by where it was."""
    room = scene.path / "poller" / "aside"
    lines = (room / "journal.jsonl").read_text().splitlines()
    return {line["was"]: scene.path / line["is"] for line in map(json.loads, lines)}


def die(doing: str, deaths: list[tuple[int, Path]]) -> list[int]:
    done = subprocess.run(
        [sys.executable, killed.__file__, doing, *(f"{at}:{root}" for at, root in deaths)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return [int(line) for line in done.stdout.split()]


def dead_roots(scene: Scene, tmp_path: Path, doing: str) -> Iterator[tuple[int, Path]]:
    """Yield a copy of the root for each primitive at which somebody died."""
    statuses, first = [KILLED], 1
    while statuses[-1] == KILLED:
        deaths = [(at, tmp_path / f"dead-{at}") for at in range(first, first + 20 * EVERY, EVERY)]
        for _, root in deaths:
            shutil.copytree(scene.path, root, symlinks=True)
        statuses = die(doing, deaths)
        yield from deaths
        first += 20 * EVERY
    assert set(statuses) <= {0, KILLED}
    assert first > 80


def test_a_repair_that_is_killed_anywhere_is_finished_by_the_next(
    scene: Scene, tmp_path: Path
) -> None:
    ill(scene)
    before = states(scene.path)
    for at, root in dead_roots(scene, tmp_path, "repair"):
        dead = Scene(root)
        dead.examine(repair=True)
        assert dead.findings() == [], f"killed at {at}"
        assert states(root) == before, f"killed at {at}"
        assert dead.desk.stats().volumes["C"].conserved
        assert len(dead.desk.party(ALICE).transactions()) == 1


def test_a_use_that_is_killed_anywhere_is_clean_after_one_pass(
    scene: Scene, tmp_path: Path
) -> None:
    for at, root in dead_roots(scene, tmp_path, "use"):
        dead = Scene(root)
        assert dead.examine().verdict is Verdict.CLEAN, f"killed at {at}"
        dead.desk.poll()
        assert dead.findings() == [], f"killed at {at}"


def test_what_is_set_aside_is_whole_and_can_be_put_back(scene: Scene) -> None:
    path = file(scene.home(ALICE) / "transactions" / "notes.txt", "my notes")
    scene.examine(repair=True)
    moved = aside(scene)[scene.relative(path)]
    assert not path.exists()
    assert moved.read_text() == "my notes"
    moved.rename(path)
    assert scene.findings() == [("foreign", scene.relative(path))]


def test_two_things_of_one_name_are_both_kept(scene: Scene) -> None:
    path = scene.home(ALICE) / "transactions" / "notes.txt"
    for text in ("first", "second"):
        file(path, text)
        scene.examine(repair=True)
    room = scene.path / "poller" / "aside"
    assert sorted(found.read_text() for found in room.rglob("notes.txt")) == ["first", "second"]


def test_the_journal_says_why(scene: Scene) -> None:
    file(scene.home(ALICE) / "negotiations" / "notes.txt")
    scene.examine(repair=True)
    [line] = (scene.path / "poller/aside/journal.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "expected a negotiation or a link to one, found a file"


def test_a_repair_waits_for_no_pass_for_ever(scene: Scene) -> None:
    ill(scene)
    before = states(scene.path)
    with (
        locking.exclusive(str(scene.path / "poller" / "lock"), 0),
        pytest.raises(Conflict, match="a pass was running") as caught,
    ):
        scene.examine(repair=True)
    assert caught.value.code == "busy"
    assert states(scene.path) == before
    assert not (scene.path / "poller" / "aside").exists()


def test_an_examination_beside_a_pass_that_never_ends_says_so(scene: Scene) -> None:
    file(scene.home(ALICE) / "transactions" / "notes.txt")
    with locking.exclusive(str(scene.path / "poller" / "lock"), 0):
        found = scene.examine()
    assert codes(found) == {"foreign", "busy"}


def test_what_a_pass_did_not_finish_is_no_note_any_more(scene: Scene) -> None:
    by_name = {one.name: one for one in UNFINISHED}
    by_name["an_outcome_that_was_not_settled_yet"].cause(scene)
    shutil.rmtree(scene.home(BOB) / "transactions")
    file(scene.home(BOB) / "transactions").chmod(0o600)
    # One that only looks where it was rung has nothing to do with it.
    scene.desk.poll()
    assert [one for one in scene.examine().findings if one.code == "not_finished"] == []
    (scene.path / "poller" / "scan").unlink()
    scene.desk.poll()
    [found] = [one for one in scene.examine().findings if one.code == "not_finished"]
    assert found.severity is Severity.WARNING
    assert "the hourly sweep was made since" in found.reason
    assert scene.examine(repair=True).verdict is Verdict.MENDED
    assert scene.findings() == []


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_cannot_be_mended_says_why(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    file(scene.home(ALICE) / "transactions" / "notes.txt")

    monkeypatch.setattr(type(scene.desk.store.disk), "_rename", full)  # type: ignore[attr-defined]
    [found] = scene.examine(repair=True).findings
    assert not found.repaired
    assert "it could not be mended: cannot set" in found.reason
    assert "no space left" in found.reason


def test_settings_that_cannot_be_read_stop_no_other_repair(scene: Scene) -> None:
    file(scene.path / "config.json", "{")
    aged(file(scene.home(ALICE) / ".tmp-1-2"))
    file(scene.home(ALICE) / "transactions" / "notes.txt")
    found = scene.examine(repair=True)
    assert {one.code for one in found.findings if one.repaired} == {"foreign", "left_over"}
    assert [one.code for one in found.open] == ["malformed_settings"]


def test_what_our_own_pass_did_not_finish_is_no_note_either(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scene.home(CAROL) / "listings").rmdir()
    monkeypatch.setattr(scene.desk, "poll", lambda *, scan: None)
    [found] = scene.examine(repair=True).findings
    assert (found.code, found.severity) == ("not_finished", Severity.WARNING)
    assert "a pass has not finished it" in found.reason


def test_both_sides_of_a_lost_deal_are_named(scene: Scene) -> None:
    for party in (ALICE, BOB):
        scene.transaction(party).unlink()
    [found] = scene.examine().findings
    assert ALICE in found.reason
    assert BOB in found.reason


def test_what_this_user_may_not_read_is_not_set_aside(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(scene.home(ALICE) / "listings" / "one.json", "{")
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = scene.examine(repair=True)
    assert [(one.code, one.path) for one in found.findings] == [
        ("unreadable", scene.relative(path))
    ]
    assert path.exists()


def test_a_link_is_corrected_in_one_step(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    link = scene.active(CAROL)
    link.unlink()
    link.symlink_to(scene.active())
    monkeypatch.setattr(type(scene.desk.store.disk), "_rename", full)  # type: ignore[attr-defined]
    scene.examine(repair=True)
    assert link.readlink() == scene.active()
    assert list(link.parent.glob(".tmp-*")) == []


def test_temporary_files_of_writers_at_work_are_only_counted(scene: Scene) -> None:
    file(scene.home(ALICE) / "transactions" / ".tmp-1-2")
    name = "alice_bob_Q_1"
    (scene.home(BOB) / "negotiations" / name).symlink_to(f"../../{ALICE}/negotiations/{name}")
    found = scene.examine()
    assert found.findings == ()
    assert found.counted["temporary"] == 2


def test_files_that_nobody_reads_are_a_note(scene: Scene) -> None:
    file(scene.home(ALICE) / "my notes.txt")
    file(scene.home(ALICE) / "photo.jpg")
    found = scene.examine(repair=True)
    [one] = found.findings
    assert (one.code, one.path) == ("unknown_file", f"teams/{ALICE}")
    assert "my notes.txt and 1 more" in one.reason
    assert found.verdict is Verdict.CLEAN


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_is_another_users_is_found(scene: Scene) -> None:
    for path in (scene.home(ALICE) / "listings", scene.transaction(BOB), scene.active()):
        os.chown(path, 1234, -1)
    os.lchown(scene.active(CAROL), 1234, -1)
    assert sorted(scene.findings()) == [
        ("owner", f"teams/{ALICE}/listings"),
        ("owner", scene.relative(scene.active())),
        ("owner", scene.relative(scene.transaction(BOB))),
    ]


def test_there_is_nothing_to_examine_where_there_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no data root"):
        examine(Desk(tmp_path / "nothing"))
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(ConfigurationError, match="another store"):
        examine(Desk(MemoryStore()))


def test_a_root_with_nothing_in_it_is_clean(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "root")
    desk.initialise()
    assert examine(desk, repair=True, mount=False).verdict is Verdict.CLEAN
