"""What a row of the table says, and what it may take for granted."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.hostile.scene import VICTIM, Scene
from tests.support import ALICE

from nom_negotiate.codec import MAX_RECORD_BYTES

HERE = f"teams/{ALICE}/negotiations/{VICTIM}"
BOBS = f"{HERE}/bob_state.json"
ALICES = f"{HERE}/alice_state.json"
OUTCOME = f"{HERE}/outcome.json"

Harm = Callable[[Scene], object]


class Fate(Enum):
    """What becomes of the deal that was spoilt."""

    WAITS = "goes on, undecided"
    SETTLES = "is settled all the same"
    EXPIRES = "expires"
    HIDDEN = "cannot be told: a room of one of its parties is gone"


class Row(NamedTuple):
    """One way to spoil a data root, and what must be said and hold.

    Attributes:
        name: a sentence.
        harm: spoils the root.
        path: of the problem, below the root; None where nothing is wrong.
        says: what its reason contains.
        fate: of the spoilt deal.
        spoils: what else hangs on that room; it settles on both sides or on neither.
        refuses: the code of the error that a pass ends with.
        holds: asked afterwards.
    """

    name: str
    harm: Harm
    path: str | None
    says: str = ""
    fate: Fate = Fate.WAITS
    spoils: tuple[str, ...] = ()
    refuses: str | None = None
    holds: Callable[[Scene], None] | None = None


def replaced(party_file: Callable[[Scene], Path], make: Callable[[Scene, Path], object]) -> Harm:
    """Return what removes something, and makes something else of that name."""

    def harm(scene: Scene) -> None:
        path = party_file(scene)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
        make(scene, path)

    return harm


# Ways to put something in the place of a file


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def device(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    path.unlink(missing_ok=True)
    os.mknod(path, 0o20666, os.makedev(1, 3))


def listening_socket(path: Path) -> None:
    path.unlink(missing_ok=True)
    # The name of a socket must be short; the file system does not mind moving it.
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)
    (path.parent / "s").rename(path)


def directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def link(path: Path, text: str | Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(text)


def sparse(path: Path, size: int = 1 << 30) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def filled(path: Path, size: int) -> None:
    """Let a JSON file be exactly that large, without changing what it says."""
    data = path.read_bytes().rstrip()
    path.write_bytes(data + b" " * (size - len(data)))


def bobs(content: bytes | str) -> Harm:
    """Return what puts this in the place of bob's state."""
    data = content.encode() if isinstance(content, str) else content
    return lambda scene: scene.file("bob").write_bytes(data)


def bob_says(**fields: Any) -> Harm:
    return lambda scene: scene.change("bob", **fields)


def bob_offers(**fields: Any) -> Harm:
    return lambda scene: scene.change_offer("bob", **fields)


def bob_becomes(make: Callable[[Path], object]) -> Harm:
    """Return what puts something of another kind in the place of bob's state."""

    def harm(scene: Scene) -> None:
        path = scene.file("bob")
        make(path)

    return harm


def bobs_number(field: str, text: str) -> Harm:
    """Return what writes a number of bob's offer in these characters."""

    def harm(scene: Scene) -> None:
        path = scene.file("bob")
        offer = scene.state("bob")["offer"]
        before = f'"{field}": {offer[field]}'
        data = path.read_text()
        assert before in data
        path.write_text(data.replace(before, f'"{field}": {text}'))

    return harm


def too_large(path: Path) -> None:
    filled(path, MAX_RECORD_BYTES + 1)
