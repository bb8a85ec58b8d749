"""Bytes to records and back: strict, bounded, deterministic, and nothing is lost."""

from __future__ import annotations

import copy
import decimal
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    ID,
    arbitrary_states,
    blank,
    offer,
    original,
    original_file,
    unknown_fields,
)

from nom_negotiate import codec
from nom_negotiate.codec import MAX_DEPTH, MAX_RECORD_BYTES
from nom_negotiate.core.outcome import Basis, Deal, Kind, Outcome, Side, Transaction
from nom_negotiate.core.party import Listing, ListingStatus, Profile, Settings
from nom_negotiate.core.state import Limits, Message, PartyState, Status
from nom_negotiate.core.terms import Role, agreement_key
from nom_negotiate.errors import InputError, RecordError

DECODERS: dict[str, Callable[[bytes], Any]] = {
    "state": lambda data: codec.decode_state(data, ID),
    "outcome": codec.decode_outcome,
    "transaction": codec.decode_transaction,
    "profile": codec.decode_profile,
    "listing": codec.decode_listing,
    "settings": codec.decode_settings,
}


def state_file(**changed: Any) -> dict[str, Any]:
    """Return the fields of a file that alice wrote, changed."""
    state = blank(ALICE, BOB, Role.BUYER).offering(offer(at=10), Status.AGREED, 10)
    state = state.offering(offer("5.75", at=20, round=3), Status.AGREED, 20).saying("hello", 25)
    state = msgspec.structs.replace(state, created=5, limits=Limits())
    fields: dict[str, Any] = json.loads(codec.encode(state))
    return fields | changed


DEAL = Deal(
    buyer=ALICE,
    seller=BOB,
    chemical="C",
    price=Decimal("5.5"),
    quantity=Decimal(1000),
    agreement_key=agreement_key(
        negotiation_id=ID, chemical="C", buyer=ALICE, seller=BOB, terms=offer().terms
    ),
)


def outcome(**changed: Any) -> Outcome:
    record = Outcome(
        negotiation_id=ID,
        outcome=Kind.AGREED,
        at=30,
        initiator=ALICE,
        responder=BOB,
        chemical="C",
        deal=DEAL,
        states={ALICE: Basis(revision=1, sha256="0" * 64), BOB: Basis(revision=1, sha256="1" * 64)},
        transactions={ALICE: "30_buy_C_from_bob.json", BOB: "30_sell_C_to_alice.json"},
    )
    return msgspec.structs.replace(record, **changed)


TRANSACTION = Transaction(
    type=Side.BUY,
    chemical="C",
    price=Decimal("5.5"),
    quantity=Decimal(1000),
    counterparty=BOB,
    negotiation_id=ID,
    timestamp=30,
)
LISTING = Listing(id="1_buy_C", user=ALICE, type=Side.BUY, chemical="C", created=1)
PROFILE = Profile(address=ALICE, display_name="Alice", created=1)

FILES: dict[str, dict[str, Any]] = {
    "state": state_file(),
    "outcome": json.loads(codec.encode(outcome())),
    "transaction": json.loads(codec.encode(TRANSACTION)),
    "profile": json.loads(codec.encode(PROFILE)),
    "listing": json.loads(codec.encode(LISTING)),
    "settings": json.loads(codec.encode(Settings())),
}


def refused(decode: Callable[[bytes], Any], data: bytes | dict[str, Any]) -> str:
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    with pytest.raises(RecordError) as caught:
        decode(data)
    message = caught.value.message
    assert message.isprintable(), "a message is one line"
    assert len(message) <= 400
    return message


def state_refused(data: bytes | dict[str, Any]) -> str:
    return refused(DECODERS["state"], data)


# What is no record


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"5",
        b'"text"',
        b"{",
        b"{} {}",
        b"{}\0",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1e-99999999999999999999}',
        b'{"a": 01}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": [{"c": 1, "c": 2}]}}',
        b'{"a": 1, "\\u0061": 1}',
        b"[" * 100_000,
        b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
        b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
        b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":' + b"[" * 1010 + b"]" * 1010 + b"}",
    ],
    ids=lambda data: ascii(data[:24])[2:-1],
)
@pytest.mark.parametrize("decode", [codec.load, *DECODERS.values()], ids=["json", *DECODERS])
def test_what_is_no_plain_bounded_json_object_is_malformed(
    decode: Callable[[bytes], Any], data: bytes
) -> None:
    refused(decode, data)


def test_a_number_that_is_none_is_found_in_whatever_decimal_context_the_caller_works() -> None:
    with decimal.localcontext() as context:
        context.traps[decimal.InvalidOperation] = False
        assert "number" in refused(codec.load, b'{"a": 1e-99999999999999999999}')


def test_the_depth_is_that_of_the_deepest_level_and_not_the_number_of_brackets() -> None:
    flat: dict[str, Any] = {"unknown": [[] for _ in range(100)]}
    deep: Any = []
    for _ in range(MAX_DEPTH - 3):
        deep = [deep]
    assert codec.decode_profile(json.dumps(FILES["profile"] | flat).encode()).extra == flat
    kept = codec.decode_profile(json.dumps(FILES["profile"] | {"unknown": [deep]}).encode())
    assert kept.extra["unknown"] == [deep]
    assert "levels" in refused(codec.decode_profile, FILES["profile"] | {"unknown": [[deep]]})


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
def test_a_file_of_more_than_256_kib_is_not_looked_at(decode: Callable[[bytes], Any]) -> None:
    with pytest.raises(RecordError) as caught:
        decode(b" " * (MAX_RECORD_BYTES + 1))
    assert caught.value.code == "record_too_large"


def test_a_file_of_exactly_256_kib_is_read() -> None:
    data = codec.encode(PROFILE)
    assert codec.decode_profile(data + b" " * (MAX_RECORD_BYTES - len(data))) == PROFILE


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
@given(data=st.binary(max_size=200))
@example(data=b"\x00" * 8)
def test_arbitrary_bytes_are_malformed_and_nothing_else(
    decode: Callable[[bytes], Any], data: bytes
) -> None:
    with pytest.raises(RecordError):
        decode(data)


odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**17, 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["agreed", "pending", "buyer", "a@b", "A@B", "nom.state/1", "x" * 3000, -1, 10**13, "5.5"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """Return a valid file in which a few values, fields or bytes are not what they were."""
    fields = copy.deepcopy(FILES[name]) | draw(unknown_fields)
    for _ in range(draw(st.integers(1, 3))):
        where: Any = fields
        while True:
            key = draw(
                st.sampled_from(sorted(where) if isinstance(where, dict) else range(len(where)))
            )
            if isinstance(where[key], dict | list) and where[key] and draw(st.booleans()):
                where = where[key]
                continue
            if draw(st.booleans()):
                where[key] = draw(odd_values)
            else:
                del where[key]
            break
        if not fields:
            break
    # As many programs write it, and as ours does.
    text = json.dumps(fields, indent=draw(st.sampled_from([None, 2])), ensure_ascii=False) + "\n"
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    # Most bytes are such that no JSON is left when they change.
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@pytest.mark.parametrize("name", DECODERS)
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_file_is_read_or_malformed_and_nothing_else(
    name: str, data: st.DataObject
) -> None:
    content = data.draw(damaged(name))
    try:
        record = DECODERS[name](content)
    except RecordError:
        return
    # What was read can be written, and is then the same.
    assert DECODERS[name](codec.encode(record)) == record


# States of our own format


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("schema", "nom.state/2", "nom.state/1"),
        ("schema", 1, "nom.state/1"),
        ("negotiation_id", "alice_bob_C_1", ID),
        ("negotiation_id", None, "negotiation_id"),
        ("user", "alice", "user"),
        ("user", None, "user"),
        ("user", BOB, "two parties"),
        ("counterparty", None, "counterparty"),
        ("counterparty", "Alice@Stonybrook.edu", "two parties"),
        ("role", None, "role"),
        ("role", "unknown", "role"),
        ("role", "seller", "agreement_key"),
        ("status", "accepted", "status"),
        ("status", "pending", "agreement_key"),
        ("status", "A" * 200_000, "status"),
        ("agreement_key", None, "agreement_key"),
        ("agreement_key", "0" * 64, "agreement_key"),
        ("agreement_key", "\n\x1b[2J" * 50, "agreement_key"),
        ("offer", None, "offer"),
        ("offer", [], "object"),
        ("history", None, "history"),
        ("history", {}, "history"),
        ("history", [5], "object"),
        ("messages", ["hello"], "object"),
        ("messages", [{"text": "hello"}], "timestamp"),
        ("last_updated", "1704312345", "last_updated"),
        ("last_updated", 1704312345.5, "last_updated"),
        ("last_updated", True, "last_updated"),
        ("last_updated", -1, "last_updated"),
        ("last_updated", 1704312345000, "last_updated"),
        ("created", -1, "created"),
        ("created", 10**30, "created"),
        ("revision", -1, "revision"),
        ("revision", 2**53, "revision"),
        ("limits", [], "object"),
        ("limits", {"idle_s": 0}, "idle_s"),
        ("limits", {"life_s": 10**12}, "life_s"),
        ("limits", {"max_rounds": 0}, "max_rounds"),
        ("read", 3, "object"),
        ("read", {"messages": 3}, "timestamp"),
        ("read", {"timestamp": 5}, "messages"),
        ("read", {"timestamp": 5, "messages": -1}, "messages"),
        ("read", {"timestamp": 5, "messages": 2**53}, "messages"),
        ("reaction", 80, "object"),
        ("reaction", {"level": 80}, "timestamp"),
        ("reaction", {"timestamp": 5, "level": 101}, "level"),
        ("reaction", {"timestamp": 5, "level": -1}, "level"),
        ("reaction", {"timestamp": 5, "level": 50.5}, "level"),
        ("reaction", {"timestamp": 5, "level": 50, "round": 0}, "round"),
        ("chemical", "", "chemical"),
        ("chemical", "../../C", "chemical"),
        ("chemical", "C" * 17, "chemical"),
        ("chemical", "C\n", "chemical"),
        ("chemical", 6, "chemical"),
    ],
)
def test_a_state_that_breaks_its_format_is_malformed(field: str, value: Any, expected: str) -> None:
    assert expected in state_refused(state_file(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "5.5"),
        ("price", True),
        ("price", -1),
        ("price", 1e21),
        ("price", 1e-30),
        ("price", 1234567890123456),
        ("price", 0.1234567890123456),
        ("price", None),
        ("price", [5]),
        ("quantity", 0),
        ("quantity", -0.0),
        ("quantity", "1000"),
        ("timestamp", -1),
        ("timestamp", 1704312345000),
        ("round", 0),
        ("round", 10**9),
        ("round", "1"),
        ("valid_until", 10**12),
        ("accepts", 1),
        ("reason", 5),
        ("delivery", ""),
        ("delivery", "x" * 501),
        ("delivery", " FOB"),
        ("payment", 30),
        ("payment", "two\nlines"),
        ("payment", "a tab\t"),
        ("quality", ["pure"]),
        ("quality", "\x1b[2J"),
        ("quality", "two\u2029lines"),
    ],
)
def test_an_offer_that_breaks_its_format_is_malformed(field: str, value: Any) -> None:
    fields = state_file()
    fields["offer"][field] = value
    assert field in state_refused(fields)
    fields = state_file()
    fields["history"][0][field] = value
    assert field in state_refused(fields)


def test_a_missing_field_is_named() -> None:
    for field in ("user", "chemical", "status", "last_updated"):
        fields = state_file()
        del fields[field]
        assert field in state_refused(fields)


def test_a_key_is_recomputed_from_the_terms_beside_it() -> None:
    fields = state_file()
    fields["offer"]["price"] = 5.76
    assert "agreement_key" in state_refused(fields)
    fields["offer"]["price"] = 5.75
    assert codec.decode_state(json.dumps(fields).encode(), ID).agreement_key is not None


def test_the_author_is_compared_casefolded() -> None:
    fields = state_file(user="Alice@StonyBrook.EDU", counterparty="BOB@stonybrook.edu")
    state = codec.decode_state(json.dumps(fields).encode(), ID)
    assert (state.user, state.counterparty) == (ALICE, BOB)


# Files of the original format


def test_a_file_with_the_original_fields_only_is_read() -> None:
    state = original(role="buyer", price=5.5, quantity=1000, at=1704312345, status="agreed")
    assert state.schema is None
    assert (state.user, state.counterparty, state.role) == (ALICE, None, Role.BUYER)
    assert state.negotiation_id == ID
    assert state.offer is not None
    assert (state.offer.price, state.offer.quantity) == (Decimal("5.5"), Decimal(1000))
    assert state.offer.round is None
    assert state.status is Status.AGREED


def test_a_key_of_the_original_format_only_says_that_its_author_agreed() -> None:
    for key in ("whatever", None, "0" * 64):
        state = original(status="agreed", agreement_key=key)
        assert state.commitment_key(Role.BUYER, BOB) == agreement_key(
            negotiation_id=ID, chemical="C", buyer=ALICE, seller=BOB, terms=offer().terms
        )
    assert original(status="pending").commitment_key(Role.BUYER, BOB) is None


@pytest.mark.parametrize("role", ["unknown", None, "Buyer", "", 5, ["buyer"]])
def test_a_role_of_the_original_format_may_be_open(role: Any) -> None:
    assert original(role=role).role is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0.30000000000000004", "0.3"),
        ("5.4999999999999996", "5.5"),
        ("1234.5678901234567", "1234.56789012346"),
        ("1234567890123456", "1234567890123460"),
        ("12345678901234567890", "12345678901234600000"),
        ("1.2345678901235E+18", "1234567890123500000"),
        ("1e-05", "0.00001"),
    ],
)
def test_doubles_of_the_original_format_are_rounded_to_15_digits(written: str, meant: str) -> None:
    data = original_file(price=7, quantity=8).replace(b'"price": 7', f'"price": {written}'.encode())
    state = codec.decode_state(
        data.replace(b'"quantity": 8', b'"quantity": ' + written.encode()), ID
    )
    assert state.offer is not None
    assert (state.offer.price, state.offer.quantity) == (Decimal(meant), Decimal(meant))


@pytest.mark.parametrize("written", ["1e25", "1e-9999999", "-5.5", '"5.5"', "true", "{}", "1e-300"])
def test_the_original_format_does_not_make_everything_a_number(written: str) -> None:
    data = original_file(price=7).replace(b'"price": 7', f'"price": {written}'.encode())
    assert "price" in state_refused(data)


def test_nobody_negotiates_with_themselves_in_the_original_format_either() -> None:
    assert "two parties" in state_refused(original_file(counterparty=ALICE))


def test_a_file_of_the_original_format_cannot_name_another_directory() -> None:
    assert "chemical" in state_refused(original_file(chemical="../../../etc"))


def test_a_transaction_of_the_original_format_is_read() -> None:
    fields = {
        "type": "buy",
        "chemical": "C",
        "price": 5.1000000000000005,
        "quantity": 1000,
        "counterparty": "Bob@stonybrook.edu",
        "negotiation_id": ID,
        "timestamp": 30,
        "settled": False,
    }
    found = codec.decode_transaction(json.dumps(fields).encode())
    assert found == msgspec.structs.replace(TRANSACTION, price=Decimal("5.1"))


# Outcomes and settings


@pytest.mark.parametrize(
    "changed",
    [
        {"deal": None},
        {"outcome": Kind.REJECTED},
        {"responder": None},
        {"responder": ALICE},
        {"responder": ALICE, "outcome": Kind.EXPIRED, "deal": None, "transactions": {}},
        {"transactions": {ALICE: "1_buy_C_from_bob.json"}},
        {"transactions": {ALICE: "../1.json", BOB: "1.json"}},
        {"transactions": {ALICE: "a/b.json", BOB: "1.json"}},
        {"transactions": {ALICE: ".json", BOB: "1.json"}},
        {"transactions": {ALICE: "1.txt", BOB: "1.json"}},
        {"transactions": {ALICE: "a\0.json", BOB: "1.json"}},
        {"transactions": {ALICE: "a" * 300 + ".json", BOB: "1.json"}},
        {"deal": msgspec.structs.replace(DEAL, seller="carol@x.edu")},
        {"deal": msgspec.structs.replace(DEAL, seller=ALICE)},
        {"deal": msgspec.structs.replace(DEAL, price=Decimal(6))},
        {"deal": msgspec.structs.replace(DEAL, delivery="to Bob")},
        {"deal": msgspec.structs.replace(DEAL, quality="a\x1b[2J")},
        {"negotiation_id": "alice_bob_C_1"},
        {"at": -1},
    ],
    ids=str,
)
def test_an_outcome_that_settles_nothing_whole_is_malformed(changed: dict[str, Any]) -> None:
    assert codec.decode_outcome(codec.encode(outcome())) == outcome()
    refused(codec.decode_outcome, codec.encode(outcome(**changed)))


@pytest.mark.parametrize("text", ["", " FOB", "two\nlines", "x" * 501, 5])
def test_a_transaction_with_a_condition_that_cannot_bind_is_malformed(text: object) -> None:
    settled = msgspec.structs.replace(TRANSACTION, delivery="FOB")
    assert codec.decode_transaction(codec.encode(settled)) == settled
    fields = FILES["transaction"] | {"delivery": text}
    assert "transaction.delivery" in refused(codec.decode_transaction, fields)


def test_a_party_cannot_stand_twice_in_an_outcome_in_two_spellings() -> None:
    fields = copy.deepcopy(FILES["outcome"])
    fields["transactions"]["BOB@stonybrook.edu"] = "2.json"
    assert "bob@stonybrook.edu" in refused(codec.decode_outcome, fields)


@pytest.mark.parametrize(
    "changed",
    [
        {"chemicals": ["C", "../x"]},
        {"chemicals": ["C N"]},
        {"chemicals": []},
        {"chemicals": "CNDQ"},
        {"limits": {"idle_s": 0}},
        {"limits": {"life_s": -1}},
        {"limits": {"max_rounds": 0}},
        {"closed": "yes"},
        {"schema": "nom.config/2"},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_malformed(changed: dict[str, Any]) -> None:
    refused(codec.decode_settings, FILES["settings"] | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"chemicals": ()},
        {"chemicals": ("C", "")},
        {"chemicals": ("C", "../N")},
        {"chemicals": ("C" * 17,)},
        {"limits": Limits(idle_s=0)},
        {"limits": Limits(idle_s=10**9)},
        {"limits": Limits(life_s=-1)},
        {"limits": Limits(max_rounds=0)},
    ],
    ids=str,
)
def test_settings_that_cannot_work_cannot_be_made(changed: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Settings(**changed)
    assert caught.value.code in ("invalid_setting", "invalid_time")
    with pytest.raises(InputError):
        msgspec.structs.replace(Settings(), **changed)


def test_settings_may_leave_everything_to_the_defaults() -> None:
    assert codec.decode_settings(b'{"schema": "nom.config/1"}') == Settings()


# Writing


@given(arbitrary_states())
def test_a_state_comes_back_as_it_was_written(state: PartyState) -> None:
    data = codec.encode(state)
    assert codec.decode_state(data, ID) == state
    assert codec.encode(codec.decode_state(data, ID)) == data


@pytest.mark.parametrize(
    "record",
    [
        outcome(),
        # A migrated agreement was executed before.
        outcome(transactions={}),
        outcome(outcome=Kind.EXPIRED, deal=None, transactions={}, responder=None, reason="silence"),
        TRANSACTION,
        msgspec.structs.replace(TRANSACTION, settled=True, extra={"legacy_id": "txn_1"}),
        PROFILE,
        LISTING,
        msgspec.structs.replace(
            LISTING, price=Decimal(5), status=ListingStatus.CLOSED, closed_at=9
        ),
        Settings(closed=True, chemicals=("H2O",), limits=Limits(max_rounds=5)),
    ],
    ids=lambda record: type(record).__name__,
)
def test_every_record_comes_back_as_it_was_written(record: msgspec.Struct) -> None:
    data = codec.encode(record)
    name = type(record).__name__.lower()
    assert DECODERS[name](data) == record
    assert orjson.loads(data)["schema"].startswith("nom.")
    assert data.endswith(b"}\n")


@given(st.dictionaries(st.text(min_size=1, max_size=6), odd_values, max_size=4))
def test_unknown_fields_survive_any_number_of_rewrites(unknown: dict[str, Any]) -> None:
    fields = {f"x_{name}": value for name, value in unknown.items()}
    try:
        data = json.dumps(FILES["profile"] | fields).encode()
        once = codec.decode_profile(data)
    except (RecordError, UnicodeEncodeError):
        return
    assert json.loads(json.dumps({name: fields[name] for name in once.extra})) == fields
    written = codec.encode(once)
    again = codec.decode_profile(written)
    assert again == once
    assert codec.encode(again) == written
    found = json.loads(written)
    assert {name: found[name] for name in fields} == fields


@pytest.mark.parametrize(
    "number",
    [
        "1.0",
        "5.50",
        "-0.0",
        "0.1000000000000000055511151231257827",
        "12345678901234567890123",
        "1e+300",
        "1e-300",
        "1e-7",
    ],
)
def test_a_number_in_an_unknown_field_keeps_its_digits(number: str) -> None:
    data = json.dumps(FILES["profile"]).encode()[:-1] + f', "unknown": {number}}}'.encode()
    written = codec.encode(codec.decode_profile(data))
    found = json.loads(written, parse_float=str, parse_int=str)["unknown"]
    assert str(Decimal(found)) == str(Decimal(number)) or found == format(Decimal(number), "f")


def test_unknown_fields_are_kept_at_every_level() -> None:
    fields = state_file(mood="good", extra={"a": 1})
    fields["offer"]["heat"] = {"isHot": True, "total": 1.50}
    fields["history"][0]["seen"] = [1, 2]
    fields["messages"][0]["extra"] = None
    fields["limits"]["grace_s"] = 60
    state = codec.decode_state(json.dumps(fields).encode(), ID).saying("more", 30)
    found = json.loads(codec.encode(state))
    assert found["mood"] == "good"
    assert found["extra"] == {"a": 1}
    assert found["offer"]["heat"] == {"isHot": True, "total": 1.5}
    assert found["history"][0]["seen"] == [1, 2]
    assert found["messages"][0]["extra"] is None
    assert found["limits"]["grace_s"] == 60
    moved_on = state.offering(offer(at=40), Status.AGREED, 40)
    assert json.loads(codec.encode(moved_on))["history"][-1]["heat"] == {
        "isHot": True,
        "total": 1.5,
    }


def test_a_party_of_the_original_format_keeps_its_own_fields_when_it_moves_on() -> None:
    state = original(mood="good")
    state = msgspec.structs.replace(state, counterparty=BOB)
    found = json.loads(codec.encode(state.offering(offer(at=9), Status.AGREED, 9)))
    assert found["schema"] == "nom.state/1"
    assert found["mood"] == "good"


@given(arbitrary_states())
def test_what_is_written_is_plain_json_to_any_reader(state: PartyState) -> None:
    found = json.loads(codec.encode(state))
    assert None not in found.values() or state.extra
    if state.offer is not None:
        # A reader with binary doubles has the same price.
        assert Decimal(repr(found["offer"]["price"])) == state.offer.price


def test_a_field_without_a_value_is_left_out() -> None:
    found = json.loads(
        codec.encode(blank(ALICE, BOB, Role.BUYER).offering(offer(), Status.PENDING, 0))
    )
    assert None not in found.values()
    assert set(found["offer"]) == {"price", "quantity", "timestamp", "round"}
    assert "agreement_key" not in found


def test_numbers_are_written_as_plain_decimals() -> None:
    for price, text in (
        ("5.50", "5.5"),
        ("1e-20", "0." + "0" * 19 + "1"),
        ("1e19", "1" + "0" * 19),
    ):
        data = codec.encode(blank(ALICE, BOB, Role.BUYER).offering(offer(price), Status.PENDING, 0))
        assert f'"price": {text},'.encode() in data


def test_equal_records_are_the_same_bytes() -> None:
    same = msgspec.structs.replace(TRANSACTION, price=Decimal("5.50"), quantity=Decimal("1E+3"))
    assert same == TRANSACTION
    assert codec.encode(same) == codec.encode(TRANSACTION)


def test_a_record_that_readers_would_refuse_is_not_written() -> None:
    state = blank(ALICE, BOB, Role.BUYER)
    with pytest.raises(RecordError) as caught:
        codec.encode(
            msgspec.structs.replace(
                state, messages=(Message(timestamp=1, text="x" * MAX_RECORD_BYTES),)
            )
        )
    assert caught.value.code == "record_too_large"


def test_a_record_that_is_too_large_with_its_indents_is_written_without() -> None:
    past = {"price": 1, "quantity": 1, "timestamp": 1, "status": "pending"}
    fields = state_file(history=[past] * 4500)
    compact = json.dumps(fields, separators=(",", ":")).encode()
    state = codec.decode_state(compact, ID)
    data = codec.encode(state.rejecting("enough", 30))
    assert data.count(b"\n") == 1
    assert codec.decode_state(data, ID).status is Status.REJECTED


@pytest.mark.parametrize(
    "changed",
    [
        {"display_name": "half a pair: \ud800"},
        {"extra": {"a": object()}},
        {"extra": {"\udfff": 1}},
        {"extra": {"a": Decimal("NaN")}},
    ],
    ids=["surrogate", "object", "surrogate in a name", "NaN"],
)
def test_what_cannot_be_written_is_refused_in_one_line(changed: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        codec.encode(msgspec.structs.replace(PROFILE, **changed))
    assert caught.value.message.isprintable()


def test_an_integer_of_any_size_can_be_written_and_read() -> None:
    for number in (2**63, 2**64 - 1, 2**64, -(2**63) - 1, -(2**70), 10**300):
        record = msgspec.structs.replace(PROFILE, extra={"deep": [{"number": number}]})
        assert json.loads(codec.encode(record))["deep"] == [{"number": number}]
        assert codec.decode_profile(codec.encode(record)) == record


def test_a_line_of_the_log_is_one_line() -> None:
    line = codec.encode_line({"time": 5, "text": "a\nb", "number": Decimal("5.50")})
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"time": 5, "text": "a\nb", "number": 5.5}


@given(
    st.dictionaries(
        st.sampled_from(["time", "active", "duration_ms"]),
        st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_a_line_of_figures_says_what_any_line_with_them_says(figures: dict[str, float]) -> None:
    line = codec.encode_figures(figures)
    assert line.endswith(b"}\n")
    assert json.loads(line) == json.loads(codec.encode_line(figures)) == figures


def test_a_line_of_the_stats_log_is_what_it_was() -> None:
    figures = {"time": 1_704_312_345, "active": 12, "problems": 0, "duration_ms": 0.067}
    assert codec.encode_figures(figures) == codec.encode_line(figures)


def test_output_is_made_of_records_and_builtins() -> None:
    found = json.loads(
        codec.encode_output({Kind.AGREED: [TRANSACTION, (1, None)], "n": Decimal(2)})
    )
    assert found == {"agreed": [json.loads(codec.encode(TRANSACTION)), [1, None]], "n": 2}
