"""Exact numbers, terms, and the agreement key."""

from __future__ import annotations

import decimal
import hashlib
import json
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.making import conditions, numbers

from nom_negotiate.core.terms import (
    CONDITIONS,
    MAX_DIGITS,
    Role,
    Terms,
    agreement_key,
    parse_number,
    parse_terms,
    plain,
)
from nom_negotiate.errors import InputError

VECTORS = Path(__file__).resolve().parents[2] / "data" / "vectors" / "agreement_keys.json"


def refused(value: Any, *, positive: bool = False) -> str:
    with pytest.raises(InputError) as caught:
        parse_number(value, "price", positive=positive)
    assert caught.value.code == "invalid_number"
    assert "price" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200
    return caught.value.message


# Numbers


@given(numbers)
@example(Decimal("1E-20"))
@example(Decimal("99999999999999900000"))
@example(Decimal("0.1"))
def test_a_number_comes_back_from_json_and_from_a_binary_double_exactly(number: Decimal) -> None:
    exact = parse_number(number, "price")
    text = plain(exact)
    assert exact == number
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == number
    # What a reader with binary doubles holds, written by it again.
    assert parse_number(float(text), "price") == number


@given(numbers)
def test_a_number_has_one_way_to_be_written(number: Decimal) -> None:
    digits = format(number, "f")
    longer = digits + ("000" if "." in digits else ".000")
    parsed = parse_number(longer, "price")
    assert str(parsed.as_tuple()) == str(parse_number(number, "price").as_tuple())
    text = plain(parsed)
    assert "e" not in text.lower()
    assert text == "0" or "." not in text or not text.endswith("0")
    assert text == "0" or text[0] != "0" or text.startswith("0.")


@given(st.from_regex(r"[0-9]{0,17}(\.[0-9]{0,17})?", fullmatch=True), st.booleans())
@example("0", True)
@example("100000000000000", False)
@example("1000000000000000", False)
@example("0.100000000000000", False)
@example("12345678.12345678", False)
def test_a_plain_number_is_what_it_is_with_a_sign_too(text: str, positive: bool) -> None:
    # The sign takes it off the short way.
    found, signed = parsed_or_not(text, positive), parsed_or_not(f"+{text}", positive)
    assert repr(found) == repr(signed)


def parsed_or_not(text: str, positive: bool) -> Decimal | None:
    try:
        return parse_number(text, "price", positive=positive)
    except InputError:
        return None


def test_a_number_is_plain_in_whatever_decimal_context_the_caller_works() -> None:
    with decimal.localcontext() as context:
        context.capitals = 0
        assert plain(Decimal("1E-7")) == "0.0000001"


@pytest.mark.parametrize(
    ("given_", "text"),
    [
        ("5.50", "5.5"),
        ("1000", "1000"),
        ("1e3", "1000"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("0", "0"),
        ("-0", "0"),
        ("0e-99", "0"),
        ("-0.000", "0"),
        (5, "5"),
        (5.1, "5.1"),
        (1e-05, "0.00001"),
        (1e19, "10000000000000000000"),
        (Decimal("5.500"), "5.5"),
        (Decimal("1E+2"), "100"),
        ("0" * 40 + "5", "5"),
    ],
)
def test_a_number_is_read_as_people_mean_it(given_: Any, text: str) -> None:
    assert plain(parse_number(given_, "price")) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 5",
        "5 ",
        "5\n",
        "5,50",
        "5.5.5",
        "1_000",
        "0x10",
        "1/2",
        "five",
        "e5",
        ".",
        "--5",
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "sNaN",
        "\u0665",
        "5\0",
        "1" * 65,
        "1e99999",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    assert "finite number" in refused(text)


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        Decimal("-Infinity"),
        [5],
        10**5000,
        -(10**5000),
        Decimal(10**100),
    ],
    ids=["bool", "none", "nan", "inf", "NaN", "-Infinity", "list", "huge", "-huge", "long"],
)
def test_a_value_that_is_no_finite_number_is_refused(value: Any) -> None:
    refused(value)


@pytest.mark.parametrize("text", ["-1", "-0.01", "-1e-20"])
def test_a_price_is_not_negative(text: str) -> None:
    assert "0 or more" in refused(text)


@pytest.mark.parametrize("text", ["0", "-0", "0.000", "-1"])
def test_a_quantity_is_more_than_nothing(text: str) -> None:
    assert "greater than 0" in refused(text, positive=True)


@pytest.mark.parametrize("text", ["1.234567890123456", "1234567890123456", "100000000000000.5"])
def test_a_number_has_at_most_15_digits(text: str) -> None:
    assert str(MAX_DIGITS) in refused(text)


@pytest.mark.parametrize(
    "text", ["12345678901234500000", "0.00000123456789012345", "1.5" + 30 * "0"]
)
def test_zeros_at_either_end_do_not_count_as_digits(text: str) -> None:
    assert parse_number(text, "price") == Decimal(text)


@pytest.mark.parametrize("text", ["1e20", "1e400", "100000000000000000000", "1e-21", "1e-400"])
def test_a_number_stays_within_its_bounds(text: str) -> None:
    assert "10^20" in refused(text)


def test_a_number_is_exact_in_whatever_decimal_context_the_caller_works() -> None:
    with decimal.localcontext() as context:
        context.prec = 3
        context.Emax = 5
        context.rounding = decimal.ROUND_UP
        for signal in (decimal.Inexact, decimal.Rounded, decimal.FloatOperation):
            context.traps[signal] = True
        terms = parse_terms("1.23456789", "123456789012345")
        assert [plain(terms.price), plain(terms.quantity)] == ["1.23456789", "123456789012345"]
        key = agreement_key(negotiation_id="x", chemical="C", buyer="a", seller="b", terms=terms)
    again = parse_terms("1.23456789", "123456789012345")
    assert again == terms
    assert key == agreement_key(
        negotiation_id="x", chemical="C", buyer="a", seller="b", terms=again
    )


@given(st.decimals() | st.floats() | st.integers() | st.text(max_size=80))
def test_whatever_is_given_is_a_checked_number_or_refused(value: Any) -> None:
    try:
        number = parse_number(value, "price")
    except InputError:
        return
    assert number.is_finite()
    assert 0 <= number < 10**20
    assert len(number.as_tuple().digits) <= 20


@pytest.mark.parametrize("text", ["0", "-0", "0.00", "-0.00", "0E+5", "-0E-5"])
def test_there_is_one_zero(text: str) -> None:
    assert plain(Decimal(text)) == "0"


# Terms


def test_terms_are_equal_where_their_numbers_are() -> None:
    assert parse_terms("5.50", 1000) == parse_terms(5.5, "1e3")
    assert hash(parse_terms("5.50", 1000)) == hash(parse_terms(5.5, "1e3"))
    assert parse_terms("5.50", 1000) != parse_terms("5.51", 1000)


def test_each_role_has_the_other_one() -> None:
    assert Role.BUYER.other is Role.SELLER
    assert Role.SELLER.other is Role.BUYER


# The agreement key


def key(price: Any = "5.5", quantity: Any = "1000", **changed: str) -> str:
    fields = {"negotiation_id": "alice_bob_C_1", "chemical": "C", "buyer": "a@x", "seller": "b@x"}
    return agreement_key(**(fields | changed), terms=parse_terms(price, quantity))


@given(numbers, numbers)
def test_the_key_is_of_the_numbers_and_not_of_how_they_are_written(
    price: Decimal, quantity: Decimal
) -> None:
    written = Terms(price=Decimal(f"{price:f}"), quantity=quantity)
    fields = {"negotiation_id": "alice_bob_C_1", "chemical": "C", "buyer": "a@x", "seller": "b@x"}
    assert key(price, quantity) == agreement_key(**fields, terms=written)
    assert key(str(price), plain(quantity)) == key(price, quantity)


@pytest.mark.parametrize(
    "changed",
    [
        {"price": "5.51"},
        {"quantity": "1001"},
        {"price": "1000", "quantity": "5.5"},
        {"negotiation_id": "alice_bob_C_2"},
        {"chemical": "N"},
        {"buyer": "b@x", "seller": "a@x"},
        {"buyer": "c@x"},
    ],
    ids=str,
)
def test_the_key_binds_the_terms_the_parties_their_roles_and_the_negotiation(
    changed: dict[str, str],
) -> None:
    assert key(**changed) != key()


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.fixed_dictionaries(dict.fromkeys(["buyer", "chemical", "negotiation_id", "seller"], texts))
)
@example({"buyer": "".join(map(chr, range(0x20))), "chemical": '"', "negotiation_id": "\\/\x7f"})
@example({"buyer": "\u2028", "chemical": "\U0001f600", "negotiation_id": "\xa0", "seller": "a b"})
def test_the_key_is_over_the_canonical_json_of_an_independent_writer(
    fields: dict[str, str],
) -> None:
    fields = {"seller": "b@x"} | fields
    material = rfc8785.dumps(fields | {"price": "5.5", "quantity": "1000"})
    terms = parse_terms("5.50", 1000)
    assert agreement_key(**fields, terms=terms) == hashlib.sha256(material).hexdigest()


@given(
    st.fixed_dictionaries(dict.fromkeys(["buyer", "chemical", "negotiation_id", "seller"], texts)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(CONDITIONS, conditions)),
)
@example(dict.fromkeys(["buyer", "chemical", "negotiation_id", "seller"], "x"), {"quality": '"\\'})
def test_conditions_enter_the_canonical_json_where_there_are_any(
    fields: dict[str, str], said: dict[str, str]
) -> None:
    material = rfc8785.dumps(fields | said | {"price": "5.5", "quantity": "1000"})
    terms = parse_terms("5.50", 1000, **said)
    assert agreement_key(**fields, terms=terms) == hashlib.sha256(material).hexdigest()


# Conditions


@given(conditions)
def test_a_condition_is_bound_as_it_is_written(text: str) -> None:
    assert parse_terms(1, 1, delivery=text).conditions == {"delivery": text}


def test_terms_differ_where_their_conditions_do() -> None:
    plain_terms = parse_terms("5.50", 1000)
    fob = parse_terms("5.50", 1000, delivery="FOB")
    assert fob == parse_terms(5.5, "1e3", delivery="FOB")
    assert len({plain_terms, fob, parse_terms("5.50", 1000, payment="FOB")}) == 3
    assert fob != parse_terms("5.50", 1000, delivery="fob")


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1 to 500 characters, has 0"),
        ("x" * 501, "1 to 500 characters, has 501"),
        (" FOB", "begin or end with a blank"),
        ("FOB ", "begin or end with a blank"),
        ("FOB\u00a0", "begin or end with a blank"),
        ("\u3000", "begin or end with a blank"),
        ("two\nlines", "'\\n'"),
        ("a\ttab", "'\\t'"),
        ("\x1b[2J", "'\\x1b'"),
        ("\x9b2J", "'\\x9b'"),
        ("two\u2028lines", "'\\u2028'"),
        ("half \ud800 a pair", "'\\ud800'"),
        (5, "a text, found int"),
    ],
)
def test_a_condition_that_could_be_taken_for_another_is_refused(
    name: str, text: Any, says: str
) -> None:
    with pytest.raises(InputError) as refused:
        parse_terms(1, 1, **{name: text})
    assert refused.value.code == "invalid_text"
    assert refused.value.message.startswith(f"{name} must ")
    assert says in refused.value.message


def test_a_condition_may_have_500_characters_of_any_script() -> None:
    text = "\U0001f9ea" * 250 + "\u0645" * 250
    assert parse_terms(1, 1, quality=text).quality == text


# The published vectors


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return found


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["about"])
def test_the_published_keys_are_ours(vector: dict[str, Any]) -> None:
    fields = dict(vector["input"])
    conditions = {name: fields.pop(name) for name in CONDITIONS if name in fields}
    terms = parse_terms(fields.pop("price"), fields.pop("quantity"), **conditions)
    assert agreement_key(**fields, terms=terms) == vector["key"]


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["about"])
def test_the_published_keys_follow_from_the_text_alone(vector: dict[str, Any]) -> None:
    # Nothing of ours in here: an independent writer of canonical JSON, and sha256.
    material = {
        **vector["input"],
        "price": format(Decimal(vector["input"]["price"]).normalize(), "f"),
        "quantity": format(Decimal(vector["input"]["quantity"]).normalize(), "f"),
    }
    canonical = rfc8785.dumps(material)
    assert canonical == vector["canonical"].encode()
    assert hashlib.sha256(canonical).hexdigest() == vector["key"]


def published(kind: str) -> list[Any]:
    path = VECTORS.with_name("conditions.json")
    cases = json.loads(path.read_text(encoding="utf-8"))[kind]
    return [pytest.param(case["text"], id=case["about"]) for case in cases]


@pytest.mark.parametrize("text", published("accepted"))
def test_a_condition_that_is_published_as_one_is_one(text: str) -> None:
    assert parse_terms(1, 1, payment=text).payment == text


@pytest.mark.parametrize("text", published("refused"))
def test_a_condition_that_is_published_as_none_is_none(text: str) -> None:
    with pytest.raises(InputError):
        parse_terms(1, 1, payment=text)
    # And what any language can tell of it: nothing of ours in here.
    ends = [unicodedata.category(char) for char in (*text[:1], *text[-1:])]
    kinds = {unicodedata.category(char) for char in text}
    assert (
        not 0 < len(text) <= 500 or "Zs" in ends or not kinds.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    )


def test_the_published_keys_differ_where_the_deals_do() -> None:
    by_key: dict[str, set[str]] = {}
    for vector in vectors():
        by_key.setdefault(vector["key"], set()).add(vector["canonical"])
    assert all(len(texts) == 1 for texts in by_key.values())
    assert len(by_key) == len(vectors()) - 2
