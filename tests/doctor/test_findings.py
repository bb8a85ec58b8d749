"""Each thing that can be wrong is found, with where and what to do, and put right or left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doctor.scene import (
    CURABLE,
    GRAVE,
    UNFINISHED,
    Ailment,
    Scene,
    codes,
    everything,
    of,
    states,
    worth_a_look,
)
from tests.support import ALICE, BOB

from nom_negotiate.doctor import Verdict
from nom_negotiate.store.files.inspection import Severity
from nom_negotiate.store.files.inspection.findings import KINDS

ANY = [*UNFINISHED, *CURABLE, *GRAVE]


def every(ailments: list[Ailment]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("ailment", ailments, ids=[one.name for one in ailments])


def test_a_healthy_root_is_clean(scene: Scene) -> None:
    found = scene.examine()
    assert (found.findings, found.verdict) == ((), Verdict.CLEAN)
    assert found.counted == {
        "active": 1,
        "archived": 2,
        "deals": 1,
        "links": 3,
        "parties": 3,
        "transactions": 2,
    }


def test_an_examination_changes_nothing(scene: Scene) -> None:
    for ailment in (*UNFINISHED[:4], *CURABLE[:2], *GRAVE[:3]):
        ailment.cause(scene)
    before = everything(scene.path)
    scene.examine()
    assert everything(scene.path) == before


@every(ANY)
def test_an_ailment_is_found_where_it_is_with_what_to_do(ailment: Ailment, scene: Scene) -> None:
    path = ailment.cause(scene)
    found = scene.examine()
    where = "." if path == scene.path else scene.relative(path)
    assert where.replace("\x1b", "\\x1b") in [
        one.path.replace("\x1b", "\\x1b") for one in of(found, ailment.code)
    ]
    assert codes(found) - ailment.also == {ailment.code}
    for one in of(found, ailment.code):
        assert one.severity is KINDS[one.code].severity
        assert one.reason
        assert one.remedy
        assert not one.repaired


@every(UNFINISHED)
def test_what_a_pass_finishes_is_clean_and_gone_after_it(ailment: Ailment, scene: Scene) -> None:
    ailment.cause(scene)
    found = scene.examine()
    assert found.verdict is Verdict.CLEAN
    assert all(one.severity is Severity.NOTE for one in found.findings)
    # In time: what asks nobody to look waits for the hourly sweep, which this does.
    scene.desk.poll(scan=True)
    assert scene.findings() == []


@every([*UNFINISHED, *CURABLE])
def test_a_repair_puts_it_right_and_changes_no_state(ailment: Ailment, scene: Scene) -> None:
    before = states(scene.path)
    ailment.cause(scene)
    caused = states(scene.path)
    found = scene.examine(repair=True)
    assert found.verdict is Verdict.MENDED, found.findings
    assert ailment.code in codes(found)
    assert all(one.repaired for one in found.findings)
    assert scene.findings() == []
    assert scene.examine().verdict is Verdict.CLEAN
    assert states(scene.path) == caused
    assert set(before) <= set(caused)
    assert scene.desk.stats().volumes["C"].conserved
    assert len(scene.desk.party("alice@stonybrook.edu").transactions()) == 1


@every(GRAVE)
def test_what_needs_a_person_stays_as_it_is(ailment: Ailment, scene: Scene) -> None:
    ailment.cause(scene)
    before = states(scene.path)
    found = scene.examine(repair=True)
    assert found.verdict is Verdict.NEEDS_A_PERSON
    assert ailment.code in worth_a_look(found)
    assert ailment.code in worth_a_look(scene.examine())
    assert states(scene.path) == before
    rooms = [scene.home(party) / "transactions" for party in (ALICE, BOB)]
    assert all(len(list(room.iterdir())) <= 1 for room in rooms if room.is_dir())


def test_every_kind_of_finding_about_the_tree_has_an_ailment() -> None:
    of_the_mount = {code for code in KINDS if code in MOUNT}
    elsewhere = {
        "access",
        "damaged_pack",
        "half_packed",
        "pack_differs",
        "busy",
        "not_conserved",
        "not_finished",
        "owner",
        "unreadable",
        "unknown_file",
    }
    assert {one.code for one in ANY} == set(KINDS) - of_the_mount - elsewhere


def test_every_code_is_explained_to_the_operator() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operation.md").read_text()
    assert [code for code in KINDS if f"`{code}`" not in page] == []


MOUNT = {
    "rename_not_atomic",
    "unsupported_file_system",
    "locks_do_not_exclude",
    "coarse_timestamps",
    "no_directory_sync",
    "no_notifications",
    "case_insensitive",
    "little_space",
    "not_writable",
}
