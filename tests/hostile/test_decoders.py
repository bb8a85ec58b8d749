"""Whatever bytes a decoder is given: a record or a `RecordError`, and in bounded time."""

from __future__ import annotations

import copy
import json
import os
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.decoding import DECODERS, check, check_files, seeds, words
from tests.support import NOON

from nom_negotiate import RecordError
from nom_negotiate.codec import MAX_RECORD_BYTES

RAW_NUMBERS = (
    "NaN",
    "-Infinity",
    "1e999",
    "-0",
    "-0.0",
    "1E-400",
    "01",
    "1e",
    "9" * 400,
    "9" * 5000,
    f"1e{'9' * 19}",
    "0.1000000000000000055511151231257827",
)
NAMES = (
    "alice_state.json",
    "bob_state.json",
    "carol_state.json",
    "alice@stonybrook.edu_state.json",
    "bob@stonybrook.edu_state.json",
    "zzz_state.json",
    "outcome.json",
)
# With NOM_SOAK=1 thirty times as many, which takes some minutes.
SOAK = os.environ.get("NOM_SOAK") == "1"
many = settings(max_examples=4500 if SOAK else 150, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    return seeds(tmp_path_factory.mktemp("decoders") / "prepared")


@st.composite
def deep(draw: st.DrawFn) -> str:
    """Return JSON that nests, around the bound and far beyond it."""
    opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")]))
    depth = draw(st.sampled_from([1, 15, 16, 17, 31, 32, 33, 1000, 20_000]))
    return opening * depth + draw(st.sampled_from(["1", "", "null"])) + closing * depth


odd_values = st.one_of(
    st.sampled_from(
        [None, True, False, -1, 2**53, 2**64, 10**30, "", "5.5", [], {}, [[]], {"": 0}]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(words()),
    st.just("x" * 3000),
)


@st.composite
def mutated(draw: st.DrawFn, files: list[bytes]) -> bytes:
    """Return a valid file in which values, fields, bytes or whole pieces are others."""
    fields = json.loads(draw(st.sampled_from(files)))
    raw: dict[str, str] = {}
    for number in range(draw(st.integers(0, 3))):
        spot = draw(spots(fields))
        if spot is None:
            break
        where, key = spot
        deed = draw(st.sampled_from(["value", "value", "raw", "deep", "gone", "copied"]))
        if deed == "gone":
            del where[key]
        elif deed == "copied":
            where[key] = json.loads(draw(st.sampled_from(files)))
        elif deed == "value":
            # A copy: the next deed may be done inside of it.
            where[key] = copy.deepcopy(draw(odd_values))
        else:
            raw[f"@{number}@"] = draw(deep() if deed == "deep" else st.sampled_from(RAW_NUMBERS))
            where[key] = f"@{number}@"
    # With indents and a line feed it is a file as we write it.
    indent, end = draw(st.sampled_from([(None, ""), (2, "\n")]))
    text = json.dumps(fields, indent=indent, ensure_ascii=draw(st.booleans())) + end
    for mark, piece in raw.items():
        text = text.replace(f'"{mark}"', piece)
    return draw(spliced(text.encode("utf-8", "surrogatepass")))


@st.composite
def spots(draw: st.DrawFn, fields: Any) -> tuple[Any, Any] | None:
    where = fields
    while where:
        key = draw(st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where))))
        if not isinstance(where[key], dict | list) or not where[key] or draw(st.booleans()):
            return where, key
        where = where[key]
    return None


@st.composite
def spliced(draw: st.DrawFn, data: bytes) -> bytes:
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        piece = draw(st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + piece + data[end:]
    return draw(st.sampled_from([data, data, data, data[: len(data) // 2], b"\xef\xbb\xbf" + data]))


@pytest.mark.parametrize("name", DECODERS)
def test_a_valid_file_is_a_record(name: str, valid: dict[str, list[bytes]]) -> None:
    assert valid[name]
    for data in valid[name]:
        assert check(name, data)


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.binary(max_size=300))
@many
def test_arbitrary_bytes_are_no_record_and_nothing_worse(name: str, data: bytes) -> None:
    check(name, data)


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@many
def test_a_file_that_was_tampered_with_is_a_record_or_none(
    name: str, valid: dict[str, list[bytes]], data: st.DataObject
) -> None:
    check(name, data.draw(mutated(valid[name])))


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize(
    "data",
    [
        b"[" * MAX_RECORD_BYTES,
        b'{"a":' * (MAX_RECORD_BYTES // 5),
        b'{"price": ' + b"9" * (MAX_RECORD_BYTES - 11) + b"}",
        b'{"price": 0.' + b"9" * (MAX_RECORD_BYTES - 13) + b"}",
        b'{"a": "' + b"\\u0041" * (MAX_RECORD_BYTES // 6 - 2) + b'"}',
        b"{" + b",".join(b'"%06x": 0' % n for n in range(20_000)) + b"}",
        b'{"history": [' + b",".join([b"{}"] * 80_000) + b"]}",
        b'{"messages": [' + b",".join([b"[]"] * 80_000) + b"]}",
        b'{"user": "' + "\u0130".encode() * 100_000 + b'"}',
        b'{"states": {' + b",".join(b'"a%05d@b": 0' % n for n in range(15_000)) + b"}}",
    ],
    ids=lambda data: data[:16].decode(),
)
def test_the_costliest_file_of_256_kib_is_judged_in_bounded_time(name: str, data: bytes) -> None:
    began = time.process_time()
    check(name, data)
    assert time.process_time() - began < 2


@given(data=st.data())
@many
def test_any_set_of_files_makes_a_snapshot(
    valid: dict[str, list[bytes]], data: st.DataObject
) -> None:
    pieces = st.one_of(
        st.sampled_from(valid["state"] + valid["outcome"]),
        mutated(valid["state"]),
        mutated(valid["outcome"]),
        st.binary(max_size=20),
        st.just(RecordError("malformed_record", "expected a regular file, found a link")),
    )
    files = data.draw(st.dictionaries(st.sampled_from(NAMES), pieces, max_size=5))
    check_files(files, data.draw(st.integers(0, 2 * NOON)))
