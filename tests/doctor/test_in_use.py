"""A root that is used by several processes at once has nothing wrong with it, at any moment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.doctor.scene import Scene
from tests.multiproc import actor

from nom_negotiate import Desk
from nom_negotiate.doctor import examine

SOAK = os.environ.get("NOM_SOAK") == "1"
NEGOTIATIONS = 300 if SOAK else 40
"""With the flag it takes some minutes."""

PARTIES = [f"{name}@stonybrook.edu" for name in ("alice", "bob", "carol", "dave", "eve")]


def spawn(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, actor.__file__, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(1800)
def test_an_examination_beside_parties_and_pollers_finds_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "data", validators=(), after_settlement=())
    for party in PARTIES:
        desk.add_party(party)
    pairs = [(one, other) for one in PARTIES for other in PARTIES if one != other]
    for number in range(NEGOTIATIONS):
        one, other = pairs[number * 7 % len(pairs)]
        desk.party(one).start(
            other,
            chemical="CNDQ"[number % 4],
            role="buyer",
            price=number + 1,
            quantity=1,
            again=True,
        )
    pollers = [spawn("poll", tmp_path / "data") for _ in range(2)]
    hagglers = [spawn("haggle", tmp_path / "data", seed) for seed in range(3)]
    looks = 0
    while any(process.poll() is None for process in hagglers):
        found = examine(desk, mount=looks == 0)
        assert found.findings == (), looks
        looks += 1
    for process in (*hagglers, *pollers):
        _, errors = process.communicate("", timeout=60)
        assert process.returncode == 0, errors
    desk.poll()
    last = examine(desk, mount=False)
    assert last.findings == ()
    assert last.counted["archived"] == NEGOTIATIONS
    assert looks


def test_repairs_beside_parties_and_pollers_disturb_nobody(scene: Scene) -> None:
    pollers = [spawn("poll", scene.path) for _ in range(2)]
    hagglers = [spawn("haggle", scene.path, seed) for seed in range(2)]
    while any(process.poll() is None for process in hagglers):
        examine(scene.desk, repair=True, mount=False, wait_s=30)
    for process in (*hagglers, *pollers):
        _, errors = process.communicate("", timeout=60)
        assert process.returncode == 0, errors
    scene.desk.poll()
    assert scene.findings() == []
    assert not (scene.path / "poller" / "aside").exists()
