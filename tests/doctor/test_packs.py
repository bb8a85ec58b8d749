"""Packs are looked into: each line, each digest, and whether both parties have the same."""

from __future__ import annotations

import gzip
import json
import time
from hashlib import sha256
from pathlib import Path

import pytest
from tests.doctor.scene import Scene, codes, file, of, worth_a_look
from tests.support import ALICE, BOB, CAROL

from nom_negotiate.doctor import Verdict


@pytest.fixture
def packed(scene: Scene) -> Scene:
    """Return a root in which everything that has ended is packed."""
    for name in (ALICE, BOB):
        party = scene.desk.party(name)
        [filed] = scene.desk.store.transactions(party.address)[0]
        party.mark_settled(filed.name)
    with scene.desk.store.polling():
        scene.desk.store.pack(int(time.time()) + 60)
    assert list((scene.home(ALICE) / "transactions").iterdir()) == []
    assert not scene.archived().exists()
    return scene


def pack_of(scene: Scene, party: str) -> Path:
    [found] = (scene.home(party) / "packs").iterdir()
    return found


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def write(path: Path, records: list[dict[str, object]]) -> None:
    text = "".join(f"{json.dumps(record)}\n" for record in records)
    path.write_bytes(gzip.compress(text.encode()))


def test_a_packed_root_is_clean(packed: Scene) -> None:
    found = packed.examine()
    assert found.findings == ()
    assert found.counted["packs"] == 3
    assert found.counted["packed"] == 6
    assert found.counted["deals"] == 1


def test_a_root_that_is_half_unpacked_is_clean(packed: Scene) -> None:
    with packed.desk.store.polling():
        packed.desk.store.unpack(packed.deal)
    assert packed.findings() == []


def test_a_pack_with_a_flipped_bit_is_found(packed: Scene) -> None:
    path = pack_of(packed, ALICE)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(data)
    found = packed.examine(repair=True)
    [one, *_] = of(found, "damaged_pack")
    assert one.path == packed.relative(path)
    assert found.verdict is Verdict.NEEDS_A_PERSON
    assert path.read_bytes() == data


def test_a_packed_file_that_was_changed_is_found(packed: Scene) -> None:
    path = pack_of(packed, ALICE)
    records = lines(path)
    for record in records:
        files = record["files"]
        assert isinstance(files, dict)
        for name in files:
            files[name] = files[name].replace("5.5", "7.5")
    write(path, records)
    found = packed.examine()
    assert "damaged_pack" in worth_a_look(found)
    assert "sha256" in of(found, "damaged_pack")[0].reason


def test_a_line_in_the_pack_of_another_month_is_found(packed: Scene) -> None:
    path = pack_of(packed, ALICE)
    path.rename(path.with_name("2001-01.jsonl.gz"))
    reasons = [one.reason for one in of(packed.examine(), "damaged_pack")]
    assert any("belongs to the pack of" in reason for reason in reasons)


def test_a_pack_that_one_party_has_lost_is_found(packed: Scene) -> None:
    pack_of(packed, CAROL).unlink()
    found = packed.examine()
    [one] = found.findings
    assert (one.code, one.path) == ("half_packed", packed.relative(pack_of(packed, BOB)))
    assert packed.rejected in one.reason


def test_a_packed_transaction_that_was_lost_is_placed_again(packed: Scene) -> None:
    path = pack_of(packed, BOB)
    write(path, [record for record in lines(path) if record["kind"] != "transaction"])
    found = packed.examine()
    assert "unsettled" in codes(found)
    assert packed.examine(repair=True).verdict is Verdict.MENDED
    assert packed.findings() == []
    assert packed.transaction(BOB).exists()


def test_a_negotiation_that_is_unpacked_too_with_other_files_is_found(packed: Scene) -> None:
    with packed.desk.store.polling():
        before = {party: pack_of(packed, party).read_bytes() for party in (ALICE, BOB)}
        packed.desk.store.unpack(packed.deal)
    for party, data in before.items():
        room = packed.home(party) / "packs"
        room.mkdir(exist_ok=True)
        (room / pack_of(packed, CAROL).name).write_bytes(data)
    assert packed.findings() == []
    state = packed.archived() / "alice_state.json"
    state.write_text(state.read_text().replace("5.5", "7.5"))
    assert "pack_differs" in codes(packed.examine())


def test_a_packed_transaction_that_is_there_under_another_name_too_is_set_aside(
    packed: Scene,
) -> None:
    [line] = [line for line in lines(pack_of(packed, ALICE)) if line["kind"] == "transaction"]
    files = line["files"]
    assert isinstance(files, dict)
    [(name, text)] = files.items()
    copy = file(packed.home(ALICE) / "transactions" / name.replace(".json", "_2.json"), text)
    [found] = of(packed.examine(), "doubled_transaction")
    assert found.path == packed.relative(copy)
    assert packed.examine(repair=True).verdict is Verdict.MENDED
    assert packed.findings() == []
    assert len(packed.desk.party(ALICE).transactions()) == 1


def test_a_packed_transaction_with_another_price_is_found(packed: Scene) -> None:
    path = pack_of(packed, ALICE)
    records = lines(path)
    for record in records:
        files, digests = record["files"], record["sha256"]
        assert isinstance(files, dict)
        assert isinstance(digests, dict)
        if record["kind"] == "transaction":
            for name, text in files.items():
                files[name] = text.replace("5.5", "7.5")
                digests[name] = sha256(files[name].encode()).hexdigest()
    write(path, records)
    found = of(packed.examine(), "deal_differs")
    assert [one.path for one in found] == [
        packed.relative(pack_of(packed, ALICE)),
        packed.relative(pack_of(packed, BOB)),
    ]
    assert "10 C at 7.5" in found[0].reason


def test_what_is_packed_and_not_taken_away_yet_counts_once(packed: Scene) -> None:
    data = pack_of(packed, ALICE).read_bytes()
    month = pack_of(packed, ALICE).name
    with packed.desk.store.polling():
        packed.desk.store.unpack(packed.deal)
    (packed.home(ALICE) / "packs").mkdir(exist_ok=True)
    (packed.home(ALICE) / "packs" / month).write_bytes(data)
    assert packed.findings() == []


def test_what_is_no_pack_is_set_aside(packed: Scene) -> None:
    path = file(packed.home(ALICE) / "packs" / "notes.txt")
    assert packed.findings() == [("foreign", packed.relative(path))]
    assert packed.examine(repair=True).verdict is Verdict.MENDED
