"""Every decoder, what must hold of it whatever it is given, and valid files to begin with.

Used by the tests and by the fuzzer, which has neither pytest nor hypothesis.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from tests.hostile.scene import SAME, VICTIM, prepare
from tests.support import ALICE, BOB, DAY

from nom_negotiate import Desk, RecordError, codec, market
from nom_negotiate.autopilot import turn_on
from nom_negotiate.codec.packed import decode_packed, decode_packed_head, encode_packed
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.negotiation import view
from nom_negotiate.core.state import Limits
from nom_negotiate.preferences import set_preferences
from nom_negotiate.store import reading

A = TypeVar("A")
B = TypeVar("B")

VECTORS: Final = Path(__file__).resolve().parents[2] / "data" / "vectors"


class Decoder(NamedTuple):
    """From bytes to a record, and back where there is a way back."""

    decode: Callable[[bytes], msgspec.Struct]
    encode: Callable[[Any], bytes] | None = codec.encode


DECODERS: Final = {
    "state": Decoder(lambda data: codec.decode_state(data, VICTIM)),
    "outcome": Decoder(codec.decode_outcome),
    "transaction": Decoder(codec.decode_transaction),
    "listing": Decoder(codec.decode_listing),
    "preferences": Decoder(codec.decode_preferences),
    "autopilot": Decoder(codec.decode_autopilot),
    "profile": Decoder(codec.decode_profile),
    "settings": Decoder(codec.decode_settings),
    "packed": Decoder(decode_packed, encode_packed),
    "packed head": Decoder(decode_packed_head, None),
}


def check(name: str, data: bytes) -> bool:
    """Decode, and return whether there was a record.

    Whatever comes out but a record or a `RecordError` is a finding; so is a record that cannot
    be written, or is another one when it is read again.
    """
    decoder = DECODERS[name]
    record = _or_error(decoder.decode, data)
    if isinstance(record, RecordError):
        assert record.message.isprintable(), "a message is one line without teeth"
        assert len(record.message) <= 400, "a message has an end"
        return False
    if decoder.encode is None:
        return True
    written = _or_error(decoder.encode, record)
    if isinstance(written, RecordError):
        # Written shorter by somebody else there was room, and as we write it there is none.
        assert written.code == "record_too_large"
        assert len(data) > codec.MAX_RECORD_BYTES // 8
        return True
    again = decoder.decode(written)
    assert again == record, "what was read is read again"
    assert decoder.encode(again) == written, "equal records give the same bytes"
    return True


def _or_error(call: Callable[[A], B], argument: A) -> B | RecordError:
    try:
        return call(argument)
    except RecordError as error:
        return error


def check_files(files: Mapping[str, reading.File], now: int) -> None:
    """Make a snapshot of any files, and ask what it means and what it decides."""
    snapshot = reading.assemble(
        VICTIM,
        parse_address(ALICE),
        files,
        where=f"teams/{ALICE}/negotiations/{VICTIM}",
        linked=lambda party: party == BOB,
        archived=False,
    )
    view(snapshot, now, Limits())
    outcome = decide(snapshot, now, Limits())
    if outcome is not None:
        assert snapshot.decidable
        assert codec.decode_outcome(codec.encode(outcome)) == outcome
    for problem in snapshot.problems:
        assert (problem.path + problem.reason).isprintable()
        assert ";" in problem.reason or "move" in problem.reason, problem.reason


def seeds(base: Path) -> dict[str, list[bytes]]:
    """Return valid files of each kind, from a data root that is made below `base`."""
    scene = prepare(base)
    desk = scene.desk([])
    market.post(desk.party(ALICE), side="buy", chemical="C", price="5.5", quantity=10)
    market.post(desk.party(BOB), side="sell", chemical="C")
    prefer(desk)
    names = {
        "state": [scene.file("alice"), scene.file("bob")],
        "profile": list(scene.root.glob("teams/*/init.json")),
        "listing": list(scene.root.glob("teams/*/listings/*.json")),
        "preferences": list(scene.root.glob("teams/*/private/*er.json")),
        "autopilot": list(scene.root.glob("teams/*/private/*.autopilot.json")),
        "settings": [scene.root / "config.json"],
    }
    found = {name: [path.read_bytes() for path in paths] for name, paths in names.items()}
    scene.originals()
    found["state"] += [scene.file("alice").read_bytes(), scene.file("bob").read_bytes()]
    desk.poll()
    found["outcome"] = [path.read_bytes() for path in scene.root.glob("teams/*/*/*/outcome.json")]
    found["transaction"] = [
        path.read_bytes() for path in scene.root.glob("teams/*/transactions/*.json")
    ]
    for filed in desk.party(ALICE).transactions():
        desk.party(ALICE).mark_settled(filed.name)
    desk.store.pack(int(scene.clock.now) + DAY)
    lines = [
        line
        for path in scene.root.glob("teams/*/packs/*.gz")
        for line in gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    ]
    return found | {"packed": lines, "packed head": lines}


def prefer(desk: Desk) -> None:
    """Let each say what it wants of any N, and alice have an autopilot."""
    wanted: dict[str, Any] = {"chemical": "N", "reservation_price": "6.5", "target_quantity": 10}
    more: dict[str, Any] = {"target_price": 8, "shortfall": "0.5", "excess": 2}
    set_preferences(desk.party(ALICE), role="seller", **wanted, **more)
    set_preferences(desk.party(BOB), role="buyer", **wanted)
    turn_on(desk.party(ALICE), SAME, max_rounds=9, auto_accept=True)


def words() -> list[str]:
    """Return what stands in the golden vectors, and the names of all fields: a dictionary."""
    found: set[str] = {"nom.state/1", "nom.outcome/1", "nom.packed/1", "agreed", "1e999", "NaN"}

    def gather(value: Any) -> None:
        if isinstance(value, dict):
            found.update(value)
            for each in value.values():
                gather(each)
        elif isinstance(value, list):
            for each in value:
                gather(each)
        elif isinstance(value, str):
            found.add(value)

    for path in VECTORS.glob("*.json"):
        gather(json.loads(path.read_text()))
    return sorted(found)
