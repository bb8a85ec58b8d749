"""The names of the doorbell: whose hint it is stands in its name, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import ALICE, BOB, ID

from nom_negotiate.core.identity import MAX_NAME_BYTES, directory_name, parse_address
from nom_negotiate.store.files import doorbell
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.port import Namespace

PLACE = Namespace(ID, ALICE)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(str(tmp_path))
    os.makedirs(layout.doorbell)
    return layout


@pytest.fixture
def disk() -> Disk:
    return Disk(durable=False)


ids = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\"),
    min_size=1,
    max_size=30,
).filter(lambda text: text[0] != ".")
parties = st.sampled_from(
    [
        ALICE,
        BOB,
        parse_address("a+b@x.org"),
        parse_address("grüße@x.org"),
        parse_address("a:b@x.org"),
        parse_address("%3a@x.org"),
    ]
)


@given(ids, parties)
def test_a_hint_means_the_negotiation_that_it_was_left_for(name: str, initiator: str) -> None:
    place = Namespace(name, parse_address(initiator))
    hint = doorbell.name_of(place)
    assert doorbell.place_of(hint) == place
    assert "/" not in hint
    assert hint not in (doorbell.SCAN, doorbell.UNFINISHED)


@given(ids, ids, parties, parties)
def test_two_negotiations_have_two_hints(one: str, two: str, first: str, second: str) -> None:
    places = {Namespace(one, parse_address(first)), Namespace(two, parse_address(second))}
    assert len({doorbell.name_of(place) for place in places}) == len(places)


def test_an_id_may_have_a_colon() -> None:
    place = Namespace("alice:bob:C", ALICE)
    assert doorbell.name_of(place) == f"{directory_name(ALICE)}:alice:bob:C"
    assert doorbell.place_of(doorbell.name_of(place)) == place


@pytest.mark.parametrize(
    "name",
    [
        doorbell.SCAN,
        doorbell.UNFINISHED,
        ":",
        f":{ID}",
        ID,
        "alice@stonybrook.edu",
        "alice@stonybrook.edu:",
        f"Alice@stonybrook.edu:{ID}",
        f"alice%40stonybrook.edu:{ID}",
        f"nobody:{ID}",
        f"..:{ID}",
        f"../alice@stonybrook.edu:{ID}",
        "alice@stonybrook.edu:..",
        "alice@stonybrook.edu:.tmp-1-x",
        "alice@stonybrook.edu:../outcome.json",
        "alice@stonybrook.edu:a b",
        "alice@stonybrook.edu:a\nb",
        "alice@stonybrook.edu:\udcff",
        "\udcff:x",
        ".tmp-1-x",
    ],
)
def test_a_name_that_is_no_hint_means_no_negotiation(name: str) -> None:
    assert doorbell.place_of(name) is None


@given(st.text(max_size=60))
def test_whatever_a_file_is_called_it_leads_to_no_other_place(name: str) -> None:
    place = doorbell.place_of(name)
    assert place is None or doorbell.name_of(place) == name


def test_a_rung_bell_is_an_empty_file_of_that_name(disk: Disk, layout: Layout) -> None:
    for _ in range(3):
        doorbell.ring(disk, layout, PLACE)
    assert doorbell.rung(layout) == [f"alice@stonybrook.edu:{ID}"]
    assert os.stat(f"{layout.doorbell}/alice@stonybrook.edu:{ID}").st_size == 0


def test_a_name_that_is_too_long_asks_for_a_look_at_everything(disk: Disk, layout: Layout) -> None:
    home = len(directory_name(ALICE)) + 1
    fits, too_long = "x" * (MAX_NAME_BYTES - home), "x" * (MAX_NAME_BYTES - home + 1)
    doorbell.ring(disk, layout, Namespace(fits, ALICE))
    assert doorbell.rung(layout) == [f"{directory_name(ALICE)}:{fits}"]
    assert doorbell.take(disk, layout, f"{directory_name(ALICE)}:{fits}")
    doorbell.ring(disk, layout, Namespace(too_long, ALICE))
    assert doorbell.rung(layout) == [doorbell.SCAN]


def test_what_counts_for_the_length_of_a_name_is_its_bytes(disk: Disk, layout: Layout) -> None:
    doorbell.ring(disk, layout, Namespace("ü" * 127, ALICE))
    assert doorbell.rung(layout) == [doorbell.SCAN]


def test_a_hint_is_taken_once(disk: Disk, layout: Layout) -> None:
    doorbell.ring(disk, layout, PLACE)
    [name] = doorbell.rung(layout)
    assert doorbell.take(disk, layout, name)
    assert doorbell.rung(layout) == []
    assert not doorbell.take(disk, layout, name)


def test_what_cannot_be_taken_away_is_a_hint_each_time(disk: Disk, layout: Layout) -> None:
    name = doorbell.name_of(PLACE)
    os.mkdir(f"{layout.doorbell}/{name}")
    for _ in range(2):
        assert doorbell.take(disk, layout, name)
    assert doorbell.rung(layout) == [name]


@pytest.mark.parametrize("kind", ["nothing", "a file"])
def test_where_there_is_no_doorbell_ringing_fails_for_nobody(
    disk: Disk, layout: Layout, kind: str
) -> None:
    os.rmdir(layout.doorbell)
    if kind == "a file":
        Path(layout.doorbell).write_text("")
    doorbell.ring(disk, layout, PLACE)
    assert doorbell.rung(layout) == []


def test_a_link_in_the_place_of_a_hint_leads_nowhere(
    disk: Disk, layout: Layout, tmp_path: Path
) -> None:
    name = doorbell.name_of(PLACE)
    os.symlink(tmp_path / "elsewhere", f"{layout.doorbell}/{name}")
    doorbell.ring(disk, layout, PLACE)
    assert not (tmp_path / "elsewhere").exists()
    assert doorbell.take(disk, layout, name)
    assert doorbell.rung(layout) == []
