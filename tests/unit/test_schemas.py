"""The published JSON Schemas are those of the files that are written and read."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    ID,
    Table,
    arbitrary_states,
    blank,
    numbers,
    offer,
    original_file,
)

from nom_negotiate import codec, schemas
from nom_negotiate.core.outcome import OUTCOME_SCHEMA, TRANSACTION_SCHEMA, Kind
from nom_negotiate.core.packed import Packed
from nom_negotiate.core.party import Listing, Profile, Settings
from nom_negotiate.core.preferences import Autopilot, Preferences
from nom_negotiate.core.state import STATE_SCHEMA, PartyState, Status
from nom_negotiate.core.terms import Role
from nom_negotiate.errors import RecordError

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "schemas"
SCHEMAS = schemas.json_schemas()


def problems(name: str, content: Any) -> list[str]:
    """Return what a validator says against a file, or against the fields of one."""
    found = json.loads(content) if isinstance(content, bytes) else content
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    return [error.message for error in validator.iter_errors(found)]


def state_fields(**changed: Any) -> dict[str, Any]:
    state = blank(ALICE, BOB, Role.BUYER).offering(offer(at=10), Status.AGREED, 10)
    fields: dict[str, Any] = json.loads(codec.encode(state.saying("hello", 12)))
    return fields | changed


# What is checked in


def test_the_checked_in_schemas_are_current(tmp_path: Path) -> None:
    written = {path.name: path.read_bytes() for path in schemas.write_schemas(tmp_path)}
    published = {path.name: path.read_bytes() for path in PUBLISHED.glob("*.json")}
    assert sorted(published) == sorted(written)
    assert published == written, "run `./dev schemas`"


def test_every_file_with_a_schema_has_one_published(tmp_path: Path) -> None:
    records = (Profile, Listing, Settings, Packed, Preferences, Autopilot)
    names = {STATE_SCHEMA, OUTCOME_SCHEMA, TRANSACTION_SCHEMA}
    names |= {record.__struct_defaults__[0] for record in records}
    assert set(SCHEMAS) == names
    assert (tmp_path / "deep" / "nom.state-1.schema.json") in schemas.write_schemas(
        tmp_path / "deep"
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_that_validators_take(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    text = json.dumps(SCHEMAS[name])
    assert '"null"' not in text, "null is never written"
    assert '"extra"' not in text, "unknown fields stand beside the known ones"
    assert "None" not in text, "a file has no None"


def objects(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "file", schema
    yield from ((k, s) for k, s in schema["$defs"].items() if "properties" in s)


@pytest.mark.parametrize("name", SCHEMAS)
def test_strangers_fields_are_welcome_everywhere(name: str) -> None:
    for about, found in objects(SCHEMAS[name]):
        assert "additionalProperties" not in found, about


def test_the_command_writes_them_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert schemas.main([str(tmp_path)]) == 0
    assert sorted(capsys.readouterr().out.split()) == sorted(map(str, tmp_path.iterdir()))
    assert schemas.main([]) == 2
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert schemas.main(["--help"]) == 2
    assert sorted(tmp_path.iterdir()) == before
    assert "usage" in capsys.readouterr().err


# What is written is valid


@given(arbitrary_states())
def test_every_state_that_is_written_is_valid(state: PartyState) -> None:
    assert problems(STATE_SCHEMA, codec.encode(state)) == []


def test_what_a_negotiation_leaves_behind_is_valid() -> None:
    agreed = Table().offer(ALICE, firm=False).offer(BOB, 6, 900, at=5).accept(ALICE, at=9)
    for state in agreed.states.values():
        assert problems(STATE_SCHEMA, codec.encode(state)) == []
    ended = [
        agreed,
        Table().offer(ALICE).reject(BOB, "too dear"),
        Table().offer(ALICE).withdraw(ALICE),
    ]
    for table, kind in zip(ended, (Kind.AGREED, Kind.REJECTED, Kind.WITHDRAWN), strict=True):
        outcome = table.poll()
        assert outcome is not None
        assert outcome.outcome is kind
        assert problems(OUTCOME_SCHEMA, codec.encode(outcome)) == []


@given(numbers, numbers)
def test_every_price_and_quantity_is_valid(price: Any, quantity: Any) -> None:
    state = blank(ALICE, BOB, Role.BUYER).offering(offer(price, quantity), Status.PENDING, 1)
    assert problems(STATE_SCHEMA, codec.encode(state)) == []


# Files of the original format


@pytest.mark.parametrize("role", ["buyer", "seller", "unknown", None])
@pytest.mark.parametrize("status", ["pending", "agreed", "rejected"])
def test_a_state_of_the_original_format_is_valid(role: str | None, status: str) -> None:
    data = original_file(role=role, status=status)
    assert problems(STATE_SCHEMA, data) == []
    codec.decode_state(data, ID)


def test_a_transaction_of_the_original_format_is_valid() -> None:
    fields = {
        "type": "sell",
        "chemical": "C",
        "price": 5.5,
        "quantity": 1000,
        "counterparty": "alice@stonybrook.edu",
        "negotiation_id": ID,
        "timestamp": 1704312400,
        "settled": False,
    }
    assert problems(TRANSACTION_SCHEMA, fields) == []


# What is not valid is not read either


INVALID: list[dict[str, Any]] = [
    {"schema": "nom.state/2"},
    {"user": "alice"},
    {"user": "a@b@c"},
    {"counterparty": ""},
    {"role": "unknown"},
    {"status": "accepted"},
    {"status": "pending"},
    {"agreement_key": "0" * 63},
    {"agreement_key": "X" * 64},
    {"last_updated": -1},
    {"last_updated": 1704312345000},
    {"last_updated": "5"},
    {"revision": -1},
    {"chemical": "../C"},
    {"chemical": "C" * 17},
    {"history": {}},
    {"messages": ["hello"]},
    {"limits": {"idle_s": 0}},
    {"limits": {"life_s": 10**9}},
    {"offer": {"price": -1, "quantity": 1, "timestamp": 1}},
    {"offer": {"price": 10**20, "quantity": 1, "timestamp": 1}},
    {"offer": {"price": "5", "quantity": 1, "timestamp": 1}},
    {"offer": {"price": 5, "quantity": 0, "timestamp": 1}},
    {"offer": {"price": 5, "quantity": 1}},
    {"offer": {"price": 5, "quantity": 1, "timestamp": 1, "round": 0}},
    {"offer": {"price": 5, "quantity": 1, "timestamp": 1, "delivery": ""}},
    {"offer": {"price": 5, "quantity": 1, "timestamp": 1, "quality": "x" * 501}},
    {"read": {"timestamp": 1, "messages": -1}},
    {"read": {"messages": 1}},
    {"reaction": {"timestamp": 1, "level": 101}},
    {"reaction": {"timestamp": 1, "level": "80"}},
]


@pytest.mark.parametrize("changed", INVALID, ids=str)
def test_the_schema_refuses_only_what_the_codec_refuses(changed: dict[str, Any]) -> None:
    assert problems(STATE_SCHEMA, state_fields()) == []
    fields = state_fields(**copy.deepcopy(changed))
    assert problems(STATE_SCHEMA, fields)
    with pytest.raises(RecordError):
        codec.decode_state(json.dumps(fields).encode(), ID)


@pytest.mark.parametrize("field", ["negotiation_id", "counterparty", "role", "offer", "user"])
def test_a_field_that_our_own_format_needs_is_required(field: str) -> None:
    fields = state_fields()
    del fields[field]
    assert problems(STATE_SCHEMA, fields)
    with pytest.raises(RecordError):
        codec.decode_state(json.dumps(fields).encode(), ID)


odd = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@given(st.sampled_from(sorted(state_fields())), odd)
def test_a_file_that_is_read_is_valid_but_for_null(field: str, value: Any) -> None:
    fields = state_fields(**{field: value})
    try:
        codec.decode_state(json.dumps(fields).encode(), ID)
    except (RecordError, UnicodeEncodeError):
        return
    present = {name: item for name, item in fields.items() if item is not None}
    assert problems(STATE_SCHEMA, present) == []
