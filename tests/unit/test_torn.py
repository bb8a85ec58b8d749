"""What a power cut leaves of a file of the poller is told from what somebody has written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.unit.making import ALICE, BOB, ID

from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.store.files import torn
from nom_negotiate.store.files.atomic import Disk

OUTCOME = {"schema": "nom.outcome/1", "negotiation_id": ID, "outcome": "agreed", "at": 5}
TRANSACTION = {"schema": "nom.transaction/1", "type": "buy", "counterparty": BOB, "settled": False}
WHOLE = [
    pytest.param(f"{json.dumps(record, indent=2)}\n".encode(), id=f"{record['schema']}, drawn")
    for record in (OUTCOME, TRANSACTION)
] + [
    pytest.param(json.dumps(record, separators=(",", ":")).encode(), id=f"{record['schema']}, flat")
    for record in (OUTCOME, TRANSACTION)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outcome.json"


@pytest.mark.parametrize("data", WHOLE)
def test_each_beginning_of_a_file_of_ours_is_torn(data: bytes) -> None:
    end = len(data.rstrip())
    for size in range(end):
        assert torn.is_torn(data[:size]), data[:size]
    assert not torn.is_torn(data[:end])
    assert not torn.is_torn(data)


@pytest.mark.parametrize("data", WHOLE)
def test_a_beginning_with_blocks_that_were_never_written_is_torn(data: bytes) -> None:
    for size in range(0, len(data.rstrip()), 7):
        assert torn.is_torn(data[:size].ljust(4096, b"\0")), size


@pytest.mark.parametrize("size", [0, 1, 512, 4096])
def test_nothing_but_zeros_is_torn(size: int) -> None:
    assert torn.is_torn(b"\0" * size)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"{}",
        b"[1, 2]",
        b" ",
        b"\n",
        b'{"user": "bob@stonybrook.edu", "ro',
        b'{\n  "schema": "nom.state/1",\n  "nego',
        b'{\n  "schema": "nom.outcome/2',
        b'{"type": "buy", "chemical": "C", "pri',
        b"\0\0{",
        b"\xff\xfe",
    ],
)
def test_what_somebody_else_has_written_is_not_torn(data: bytes) -> None:
    assert not torn.is_torn(data)


def test_a_whole_file_that_says_something_wrong_is_not_torn() -> None:
    assert not torn.is_torn(b'{"schema":"nom.outcome/1","outcome":"perhaps"}')


@pytest.mark.parametrize("left", [b"", b"\0" * 512, b'{\n  "schema": "nom.outcome/1",\n  "ne'])
def test_what_is_torn_is_removed(path: Path, left: bytes) -> None:
    path.write_bytes(left)
    assert torn.is_there(str(path))
    assert torn.discard(Disk(durable=False), str(path))
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize(
    "kind", ["whole", "no file", "a directory", "a FIFO", "a link", "too large"]
)
def test_nothing_else_is_touched(path: Path, kind: str) -> None:
    match kind:
        case "whole":
            path.write_text(json.dumps(OUTCOME))
        case "a directory":
            path.mkdir()
        case "a FIFO":
            os.mkfifo(path)
        case "a link":
            (path.parent / "empty").write_bytes(b"")
            path.symlink_to("empty")
        case "too large":
            path.write_bytes(b"\0" * (MAX_RECORD_BYTES + 1))
    before = sorted(os.listdir(path.parent))
    assert not torn.is_there(str(path))
    assert not torn.discard(Disk(durable=False), str(path))
    assert sorted(os.listdir(path.parent)) == before


def test_what_is_put_in_its_place_meanwhile_stays(path: Path) -> None:
    whole = json.dumps({**OUTCOME, "negotiation_id": str(ALICE)}).encode()

    class Overtaken(Disk):
        """A disk on which somebody places a whole file right before the torn one is hidden."""

        def hide(self, path: str) -> str:
            Path(path).write_bytes(whole)
            return super().hide(path)

    path.write_bytes(b"")
    torn.discard(Overtaken(durable=False), str(path))
    assert path.read_bytes() == whole
    assert os.listdir(path.parent) == [path.name]


def test_what_somebody_else_has_removed_meanwhile_is_gone(path: Path) -> None:
    class Overtaken(Disk):
        """A disk on which another pass is faster."""

        def hide(self, path: str) -> str:
            Path(path).unlink()
            return super().hide(path)

    path.write_bytes(b"")
    assert torn.discard(Overtaken(durable=False), str(path))
    assert os.listdir(path.parent) == []
