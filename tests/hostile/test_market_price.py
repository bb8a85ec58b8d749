"""What lies among transactions and listings moves no market price unless it is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.hostile.guard import kept_inside
from tests.hostile.rows import device, directory, fifo, link, listening_socket, sparse
from tests.hostile.scene import DAVE, NOW, Scene
from tests.support import ALICE, BOB, CAROL

from nom_negotiate import market
from nom_negotiate.market_price import MarketPrice, market_price

HARMS: dict[str, Callable[[Path], object]] = {
    "a FIFO": fifo,
    "a device": device,
    "a directory": directory,
    "a socket": listening_socket,
    "a link out": lambda path: link(path, "/etc/passwd"),
    "a GiB": sparse,
    "no JSON": lambda path: path.write_bytes(b"\xff{"),
    "a list": lambda path: path.write_text("[1]"),
    "a price below nothing": lambda path: path.write_text('{"price": -1, "chemical": "C"}'),
}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    desk = scene.desk([])
    market.post(desk.party(DAVE), side="sell", chemical="C", price=7)
    desk.poll()
    return scene


def price(scene: Scene) -> MarketPrice | None:
    with kept_inside(scene.root):
        return market_price(scene.desk([]).store, "C")


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
@pytest.mark.parametrize("room", ["transactions", "listings"])
def test_what_is_no_record_moves_no_price(
    room: str, harm: Callable[[Path], object], scene: Scene
) -> None:
    before = price(scene)
    assert before is not None
    assert (before.transactions, before.listings) == (1, 1)
    for party in (ALICE, BOB, CAROL, DAVE):
        for number in range(3):
            # Of names that seem to be the last ones.
            name = f"{NOW + 999}_sell_C_{number}.json"
            harm(scene.room(party, room) / name)
    assert price(scene) == before


@pytest.mark.parametrize("room", ["transactions", "listings"])
def test_a_room_that_leads_elsewhere_moves_no_price(room: str, scene: Scene) -> None:
    before = price(scene)
    moved = scene.move_out(scene.room(CAROL, room))
    link(scene.room(CAROL, room), moved)
    assert price(scene) == before


def link_out(path: Path, outside: Path) -> None:
    link(path, outside)


def no_address(path: Path, outside: Path) -> None:
    shutil.copytree(outside, path.with_name(path.name.replace("@", "")))


@pytest.mark.parametrize("make", [link_out, no_address])
def test_what_is_no_party_takes_no_partys_place(
    make: Callable[[Path, Path], object], scene: Scene
) -> None:
    before = price(scene)
    for room in ("transactions", "listings"):
        # Newer than those of any party.
        (scene.outside / room).mkdir()
    for number in range(40):
        make(scene.root / "teams" / f"x{number}@x.org", scene.outside)
    assert price(scene) == before
