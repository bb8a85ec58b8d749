"""The lines of a pack: whatever is packed comes back, and nothing else is believed."""

from __future__ import annotations

import gzip
import json
import zlib
from hashlib import sha256
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import ALICE, BOB, ID

from nom_negotiate import RecordError, schemas
from nom_negotiate.codec import MAX_RECORD_BYTES
from nom_negotiate.codec.packed import (
    MAX_PACKED_BYTES,
    MAX_PACKED_FILES,
    decode_packed,
    decode_packed_head,
    encode_packed,
)
from nom_negotiate.core.packed import PACKED_SCHEMA, Packed, PackedKind, is_month, month_of
from nom_negotiate.store.files import packfile

VALIDATOR = jsonschema.Draft202012Validator(schemas.json_schemas()[PACKED_SCHEMA])

# Whatever UTF-8 can hold, and names that a directory can have.
texts = st.text(max_size=60)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters="/\\."),
    min_size=1,
    max_size=20,
)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def negotiation(files: dict[str, str], at: int = 5) -> Packed:
    return Packed(
        kind=PackedKind.NEGOTIATION,
        id=ID,
        party=ALICE,
        responder=BOB,
        at=at,
        files=files,
        sha256={name: digest(text) for name, text in files.items()},
    )


def fields(**changed: Any) -> dict[str, Any]:
    """Return the fields of a line, with changes; `...` leaves one out."""
    found: dict[str, Any] = json.loads(encode_packed(negotiation({"outcome.json": "{}\n"})))
    return {key: value for key, value in (found | changed).items() if value is not ...}


def line(**changed: Any) -> bytes:
    return json.dumps(fields(**changed)).encode() + b"\n"


# What is packed comes back


@given(st.dictionaries(names, texts, min_size=1, max_size=5), st.integers(0, 10**11 - 1))
def test_every_text_comes_back_to_the_letter(files: dict[str, str], at: int) -> None:
    record = negotiation(files, at)
    data = encode_packed(record)
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    assert decode_packed(data) == record
    assert encode_packed(decode_packed(data)) == data
    head = decode_packed_head(data)
    assert (head.kind, head.id, head.party, head.responder, head.at, head.sha256) == (
        record.kind,
        record.id,
        record.party,
        record.responder,
        record.at,
        record.sha256,
    )
    assert not list(VALIDATOR.iter_errors(json.loads(data)))


def test_a_transaction_is_the_one_file_of_its_name() -> None:
    files = {"1_buy_C_from_bob.json": "{}"}
    record = Packed(
        kind=PackedKind.TRANSACTION,
        id="1_buy_C_from_bob.json",
        party=ALICE,
        at=1,
        files=files,
        sha256={name: digest(text) for name, text in files.items()},
    )
    assert decode_packed(encode_packed(record)) == record
    assert b"responder" not in encode_packed(record)


def test_a_line_has_these_fields_in_this_order() -> None:
    assert list(fields()) == ["schema", "kind", "id", "party", "responder", "at", "files", "sha256"]


def test_what_a_later_version_adds_is_welcome() -> None:
    assert decode_packed(line(more={"x": [1]})) == decode_packed(line())


def test_the_longest_states_fit() -> None:
    quotes = '"' * MAX_RECORD_BYTES
    files = {"alice_state.json": quotes, "bob_state.json": quotes, "outcome.json": quotes}
    record = negotiation(files)
    assert decode_packed(encode_packed(record)) == record


# What is not believed


EVIL: dict[str, dict[str, Any]] = {
    "no schema": {"schema": ...},
    "another schema": {"schema": "nom.packed/2"},
    "no kind": {"kind": "listing"},
    "a path for an id": {"id": "../../x"},
    "a hidden id": {"id": ".x"},
    "an id with an escape": {"id": "a\x1bb"},
    "no address": {"party": "alice"},
    "an address that is not casefolded": {"party": "ALICE@x.edu"},
    "a path for an address": {"responder": "../../etc"},
    "one party on both sides": {"responder": ALICE},
    "a time in milliseconds": {"at": 1704312345000},
    "a time before time": {"at": -1},
    "a time that is none": {"at": "5"},
    "no files": {"files": {}, "sha256": {}},
    "a path for a file": {"files": {"../x": "a"}, "sha256": {"../x": digest("a")}},
    "no digest": {"sha256": {}},
    "a digest too many": {"sha256": {"outcome.json": digest("{}\n"), "x": digest("")}},
    "another digest": {"sha256": {"outcome.json": digest("{}")}},
    "a digest that is none": {"sha256": {"outcome.json": "0"}},
    "a number for a text": {"files": {"outcome.json": 5}},
    "half a character": {
        "files": {"outcome.json": "\ud800"},
        "sha256": {"outcome.json": digest("")},
    },
    "a transaction with another name": {"kind": "transaction", "responder": ...},
    "too many files": {
        "files": {str(n): "" for n in range(MAX_PACKED_FILES + 1)},
        "sha256": {str(n): digest("") for n in range(MAX_PACKED_FILES + 1)},
    },
}


@pytest.mark.parametrize("name", EVIL)
def test_a_line_that_nobody_packed_is_refused(name: str) -> None:
    with pytest.raises(RecordError) as refused:
        decode_packed(line(**EVIL[name]))
    assert refused.value.code == "malformed_record"
    assert len(refused.value.message) < 500
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"[]",
        b"null",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"x":' + b"[" * 100_000,
        b"\xff",
        b"{}{}",
    ],
)
def test_what_is_no_line_is_refused(data: bytes) -> None:
    for decode in (decode_packed, decode_packed_head):
        with pytest.raises(RecordError):
            decode(data)


def test_what_is_too_large_is_refused() -> None:
    large = "x" * (MAX_RECORD_BYTES + 1)
    with pytest.raises(RecordError) as refused:
        decode_packed(line(files={"a": large}, sha256={"a": digest(large)}))
    assert refused.value.code == "record_too_large"
    with pytest.raises(RecordError) as refused:
        encode_packed(negotiation({"a": "x" * MAX_PACKED_BYTES}))
    assert refused.value.code == "record_too_large"


@given(st.binary(max_size=200))
def test_whatever_is_read_raises_nothing_but_a_record_error(data: bytes) -> None:
    for decode in (decode_packed, decode_packed_head):
        try:
            decode(data)
        except RecordError:
            continue


odd = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.none())


@given(st.sampled_from(sorted(fields())), odd)
def test_one_wrong_field_raises_nothing_but_a_record_error(field: str, value: Any) -> None:
    try:
        record = decode_packed(line(**{field: value}))
    except (RecordError, UnicodeEncodeError):
        return
    assert not list(VALIDATOR.iter_errors(json.loads(encode_packed(record))))


# Months


def test_a_month_is_that_of_utc() -> None:
    assert month_of(0) == "1970-01"
    assert month_of(1_706_745_599) == "2024-01"
    assert month_of(1_706_745_600) == "2024-02"
    assert month_of(10**11 - 1) == "5138-11"


@given(st.integers(0, 10**11 - 1), st.integers(0, 10**11 - 1))
def test_months_are_in_the_order_of_time(one: int, other: int) -> None:
    assert is_month(month_of(one))
    if one <= other:
        assert month_of(one) <= month_of(other)


@pytest.mark.parametrize("text", ["", "2024", "2024-00", "2024-13", "2024-1", "2024-01-01", "x"])
def test_what_is_no_month_is_none(text: str) -> None:
    assert not is_month(text)


# The bytes of a pack


some_lines = st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"") + b"\n"))


@given(some_lines, some_lines)
def test_a_pack_is_what_gzip_reads_and_appending_is_adding(
    first: list[bytes], second: list[bytes]
) -> None:
    data = packfile.compressed(first) + packfile.compressed(second)
    text = b"".join([*first, *second])
    assert gzip.decompress(data) == text
    found = list(packfile.members(data))
    assert b"".join(member.text for member in found) == text
    for member in found:
        part = data[member.offset : member.offset + member.length]
        assert packfile.unfolded(part) == member.text
        lines = [member.text[start:end] for start, end in packfile.lines_of(member.text)]
        assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)


PACK = packfile.compressed([b"one\n"]) + packfile.compressed([b"two\n"])


@given(st.integers(0, len(PACK) - 1), st.binary(min_size=1, max_size=8))
def test_a_damaged_pack_raises_nothing_but_a_record_error(at: int, junk: bytes) -> None:
    for data in (PACK[:at] + junk + PACK[at + len(junk) :], PACK[:at], PACK + junk):
        found = []
        try:
            for member in packfile.members(data):
                found.append(member.text)
        except RecordError:
            assert found in ([], [b"one\n"], [b"one\n", b"two\n"])


def test_what_unfolds_to_too_much_is_refused_in_bounded_memory() -> None:
    machine = zlib.compressobj(wbits=31)
    data = b"".join(machine.compress(bytes(1 << 20)) for _ in range(65)) + machine.flush()
    assert len(data) < 100_000
    with pytest.raises(RecordError) as refused:
        list(packfile.members(data))
    assert refused.value.code == "record_too_large"
