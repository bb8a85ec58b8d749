"""Ordinary files go a short way through the codec, and nothing but the time tells which one.

The long way is the measure: it goes over every field and every number, whoever wrote them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final
from unittest import mock

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    ID,
    Table,
    arbitrary_states,
    blank,
    conditions,
    numbers,
    offer,
    seconds,
    texts,
)

from nom_negotiate import codec
from nom_negotiate.codec import decoding, encoding
from nom_negotiate.core.decision import decide
from nom_negotiate.core.outcome import Basis, Kind, Outcome, Transaction, mirrored
from nom_negotiate.core.state import Limits, Message, PartyState, Status
from nom_negotiate.core.terms import CONDITIONS, Role, is_short
from nom_negotiate.errors import NomError

DECODERS: Final[dict[str, Callable[[bytes], msgspec.Struct]]] = {
    "state": lambda data: codec.decode_state(data, ID),
    "outcome": codec.decode_outcome,
    "transaction": codec.decode_transaction,
}
RECORDS: Final[dict[str, type[msgspec.Struct]]] = {
    "state": PartyState,
    "outcome": Outcome,
    "transaction": Transaction,
}


@contextmanager
def the_long_way() -> Iterator[None]:
    with mock.patch.object(decoding, "_ordinary", return_value=None):
        yield


def found(decode: Callable[[bytes], msgspec.Struct], data: bytes) -> str:
    """Return all that can be told of the record in `data`, or of the error."""
    try:
        record = decode(data)
    except NomError as error:
        return f"{type(error)} {error.code} {error.message} {error.hint}"
    # The digits of a number and the type of a sequence stand in it, too.
    return repr(record)


def is_the_same_either_way(name: str, data: bytes) -> None:
    short = found(DECODERS[name], data)
    with the_long_way():
        assert found(DECODERS[name], data) == short


def went_the_short_way(name: str, data: bytes) -> bool:
    return decoding._ordinary(data, RECORDS[name]) is not None


# Records


def made_ordinary(record: Any) -> Any:
    """Return the record, and all it is made of, with short numbers and known fields only.

    And without conditions, which are looked at character by character.
    """
    if isinstance(record, tuple):
        return tuple(map(made_ordinary, record))
    if isinstance(record, Decimal):
        return record if is_short(str(record)) and record else Decimal("5.5")
    if not isinstance(record, msgspec.Struct):
        return record
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    ordinary = {name: made_ordinary(value) for name, value in fields.items()}
    left_open = {name: None for name in CONDITIONS if name in fields}
    return type(record)(**ordinary | ({"extra": {}} if "extra" in fields else {}) | left_open)


@st.composite
def ordinary_states(draw: st.DrawFn) -> PartyState:
    found: PartyState = made_ordinary(draw(arbitrary_states()))
    state = msgspec.structs.replace(
        found, offer=found.offer or offer(), status=draw(st.sampled_from(Status))
    )
    return msgspec.structs.replace(
        state, agreement_key=state.commitment_key(state.role or Role.BUYER, BOB)
    )


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    said: dict[str, Any] = draw(
        st.fixed_dictionaries({}, optional=dict.fromkeys(CONDITIONS, conditions))
    )
    table = Table().offer(ALICE, draw(numbers), draw(numbers), **said).accept(BOB, at=10)
    agreed = decide(table.snapshot, draw(st.integers(10, 10**6)), Limits())
    assert agreed is not None
    if draw(st.booleans()):
        return agreed
    return msgspec.structs.replace(
        agreed,
        outcome=draw(st.sampled_from([Kind.REJECTED, Kind.WITHDRAWN, Kind.EXPIRED])),
        at=draw(seconds),
        responder=draw(st.sampled_from([None, BOB])),
        by=draw(st.sampled_from([None, ALICE, BOB])),
        reason=draw(st.none() | texts),
        deal=None,
        states=draw(st.sampled_from([{}, {ALICE: Basis(revision=2, sha256="0" * 64)}])),
        transactions={},
        extra=draw(st.dictionaries(texts.map(lambda name: f"x_{name}"), texts, max_size=1)),
    )


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    agreed = draw(outcomes().filter(lambda outcome: outcome.outcome is Kind.AGREED))
    return msgspec.structs.replace(
        draw(st.sampled_from(list(mirrored(agreed).values()))),
        settled=draw(st.booleans()),
        agreement_key=draw(st.none() | texts),
        extra=draw(st.dictionaries(texts.map(lambda name: f"x_{name}"), texts, max_size=1)),
    )


records: Final[dict[str, st.SearchStrategy[Any]]] = {
    "state": arbitrary_states() | ordinary_states(),
    "outcome": outcomes(),
    "transaction": transactions(),
}


# Writing


@pytest.mark.parametrize("name", records)
@given(data=st.data())
def test_a_record_is_written_as_the_long_way_writes_it(name: str, data: st.DataObject) -> None:
    record = data.draw(records[name])
    assert codec.encode(record) == encoding.encode_carefully(record)


def test_every_character_is_written_as_the_long_way_writes_it() -> None:
    every = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    state = blank(ALICE, BOB, Role.BUYER).offering(offer(), Status.AGREED, 0)
    for start in range(0, len(every), 50_000):
        text = "".join(every[start : start + 50_000])
        said = msgspec.structs.replace(state, messages=(Message(timestamp=0, text=text),))
        data = encoding.encode_ordinary(said)
        assert data is not None
        assert data == encoding.encode_carefully(said)
        assert codec.decode_state(data, ID) == said
        is_the_same_either_way("state", data)


def test_half_of_a_surrogate_pair_goes_the_long_way_to_its_refusal() -> None:
    state = blank(ALICE, BOB, Role.BUYER).offering(offer(), Status.AGREED, 0)
    said = msgspec.structs.replace(state, reason="half a pair: \ud800")
    assert encoding.encode_ordinary(said) is None


# Reading


@pytest.mark.parametrize("name", records)
@given(data=st.data())
def test_a_file_of_ours_is_read_as_the_long_way_reads_it(name: str, data: st.DataObject) -> None:
    is_the_same_either_way(name, codec.encode(data.draw(records[name])))


@given(ordinary_states())
def test_an_ordinary_state_goes_the_short_way(state: PartyState) -> None:
    assert went_the_short_way("state", codec.encode(state))


def test_a_deal_goes_the_short_way_from_its_states_to_its_transactions() -> None:
    table = Table().offer(ALICE).offer(BOB, 6, firm=False).say(BOB).accept(ALICE).accept(BOB)
    for state in table.states.values():
        assert went_the_short_way("state", codec.encode(state))
    outcome = decide(table.snapshot, 30, Limits())
    assert outcome is not None
    assert went_the_short_way("outcome", codec.encode(outcome))
    for transaction in mirrored(outcome).values():
        assert went_the_short_way("transaction", codec.encode(transaction))


odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
    st.sampled_from(["agreed", "buyer", "a@b", "Alice@Stonybrook.edu", "nom.state/1", "5.5"]),
    st.sampled_from([0, -1, 1e300, 10**11, 2**53, 2**64, 10**30, "x" * 3000, [], {}, {"": 0}]),
)
FIELDS: Final = sorted(
    {name for record in RECORDS.values() for name in record.__struct_fields__}
    | {"price", "quantity", "round", "valid_until", "accepts", "idle_s", "text", "unknown"}
)
# In a file of ours each of them stands somewhere; none changes what the line looks like.
SWAPS: Final = [
    (b"1000", b"1000.0"),
    (b"1000", b"1e3"),
    (b"1000", b"0"),
    (b"1000", b"-1000"),
    (b"1000", b'"1000"'),
    (b"1000", b"1" * 20),
    (b"5.5", b"5.50"),
    (b"5.5", b"0.1234567890123456789"),
    (b"5.5", b"1e-400"),
    (b"5.5", b"1e999999999999999999999"),
    (b"5.5", b"NaN"),
    (b"5.5", b"-0.0"),
    (b": 0", b": 0.0"),
    (b": 0", b": -0"),
    (b": 1", b": 1.0"),
    (b": 1", b": true"),
    (b"alice", b"Alice"),
    (b"alice", b"\\u0061lice"),
    (b"alice", b"\xff"),
    (b"alice", b"\xed\xa0\x80"),
    (b"alice", b"\\ud800"),
    (b"alice", b"ali ce"),
    (b"bob", b"alice"),
    (b'"user"', b'"extra"'),
    (b'"user"', b'"\\u0075ser"'),
    (b'"history": []', b'"history": [],\n  "extra": {\n    "a": 1\n  }'),
    (b'"history": []', b'"history": null'),
    (b'"messages": []', b'"messages": {}'),
    (b'"states": {', b'"extra": {'),
    (b"nom.", b"nim."),
    (b"  ", b"\t"),
    (b"\n", b"\r\n"),
    (b"}\n", b"}"),
    (b"}\n", b"}\n\n"),
    (b"}\n", b"}\n{}"),
    (b"{\n", b"\xef\xbb\xbf{\n"),
]


@st.composite
def tampered(draw: st.DrawFn, name: str) -> bytes:
    """Return a file that looks like one of ours, with something in it that may be odd."""
    data = codec.encode(draw(records[name]))
    for _ in range(draw(st.integers(1, 2))):
        deed = draw(st.sampled_from(["value", "swap", "line", "bytes"]))
        if deed == "value":
            data = draw(with_another_value(data))
        elif deed == "swap":
            here = [(old, new) for old, new in SWAPS if old in data]
            old, new = draw(st.sampled_from(here or SWAPS))
            data = data.replace(old, new, draw(st.sampled_from([1, -1])))
        elif deed == "line":
            # A field twice, or gone, or in another place.
            lines = data.splitlines(keepends=True)
            at = draw(st.integers(0, len(lines) - 1))
            line = lines[at]
            del lines[at : at + draw(st.integers(0, 1))]
            lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from([b"", line])))
            data = b"".join(lines)
        else:
            at = draw(st.integers(0, len(data)))
            data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


@st.composite
def with_another_value(draw: st.DrawFn, data: bytes) -> bytes:
    """Return the file with a field set, in our layout: the short way is the one that is tried."""
    try:
        fields: dict[str, Any] = json.loads(data)
    except ValueError:
        return data
    where: Any = fields
    inner = [each for each in fields.values() if isinstance(each, dict | list) and each]
    if draw(st.booleans()) and inner:
        where = inner[draw(st.integers(0, len(inner) - 1))]
    if isinstance(where, list):
        where[-1] = draw(odd_values)
    else:
        where[draw(st.sampled_from([*FIELDS, *where]))] = draw(odd_values)
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", records)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_file_that_looks_like_ours_is_read_or_refused_as_by_the_long_way(
    name: str, data: st.DataObject
) -> None:
    is_the_same_either_way(name, data.draw(tampered(name)))


@pytest.mark.parametrize("name", records)
@pytest.mark.parametrize(("old", "new"), SWAPS, ids=lambda value: ascii(value)[2:-1])
def test_an_odd_piece_in_a_file_of_ours_is_found_either_way(
    name: str, old: bytes, new: bytes
) -> None:
    table = Table().offer(ALICE).accept(BOB)
    agreed = decide(table.snapshot, 1, Limits())
    assert agreed is not None
    files: dict[str, msgspec.Struct] = {
        "state": table.states[ALICE],
        "outcome": agreed,
        "transaction": mirrored(agreed)[ALICE],
    }
    data = codec.encode(files[name])
    assert went_the_short_way(name, data)
    for count in (1, -1):
        is_the_same_either_way(name, data.replace(old, new, count))


def spoken() -> PartyState:
    """Return a state of ours with something in each of its fields."""
    table = Table().offer(ALICE).offer(BOB, 6).offer(ALICE, "5.75").say(ALICE)
    return msgspec.structs.replace(table.states[ALICE], limits=Limits())


@pytest.mark.parametrize("unknown", [{"mood": "good"}, {"extra": {"a": 1}}], ids=["mood", "extra"])
@pytest.mark.parametrize("place", ["", "offer", "history", "messages", "limits"])
def test_unknown_fields_are_found_either_way_wherever_they_stand(
    place: str, unknown: dict[str, Any]
) -> None:
    state = spoken()
    assert went_the_short_way("state", codec.encode(state))
    inner: Any = getattr(state, place) if place else state
    many = isinstance(inner, tuple)
    with_it = msgspec.structs.replace(inner[0] if many else inner, extra=unknown)
    if place:
        with_it = msgspec.structs.replace(state, **{place: (with_it,) if many else with_it})
    data = codec.encode(with_it)
    assert data == encoding.encode_carefully(with_it)
    assert codec.decode_state(data, ID) == with_it
    is_the_same_either_way("state", data)
    is_the_same_either_way("state", data.replace(b'"mood"', b'"extra"'))


def test_every_single_line_twice_is_a_key_twice() -> None:
    lines = codec.encode(spoken()).splitlines(keepends=True)
    for at, line in enumerate(lines):
        if line.endswith(b",\n"):
            twice = b"".join([*lines[: at + 1], *lines[at:]])
            is_the_same_either_way("state", twice)
            assert not went_the_short_way("state", twice)
