"""Addresses, the names that stem from them, and ids."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nom_negotiate.core.identity import (
    MAX_DIRECTORY_BYTES,
    MAX_NAME_BYTES,
    MAX_SHORT_NAME_BYTES,
    Address,
    address_of_directory,
    check_id,
    decode_name,
    directory_name,
    encode_name,
    is_chemical,
    negotiation_id,
    parse_address,
    short_name,
    state_file_name,
)
from nom_negotiate.core.outcome import Side, next_name, transaction_name
from nom_negotiate.errors import InputError

VECTORS = Path(__file__).resolve().parents[2] / "data" / "vectors" / "names.json"

# All that can be written as UTF-8: every character but half a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]))
parts = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="@"), min_size=1)


@st.composite
def addresses(draw: st.DrawFn) -> Address:
    text = f"{draw(parts)}@{draw(parts)}"
    try:
        return parse_address(text)
    except InputError:
        # Too long once it is encoded.
        return parse_address("alice@stonybrook.edu")


def refused(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_address(text)
    assert caught.value.code == "invalid_address"
    return caught.value.message


# Addresses


def test_an_address_is_compared_casefolded() -> None:
    assert parse_address("Alice@StonyBrook.EDU") == "alice@stonybrook.edu"
    assert parse_address("STRASSE@x.de") == parse_address("straße@x.de")


def test_two_ways_to_type_the_same_letter_are_one_address() -> None:
    composed, decomposed = "zo\u00eb@x.org", "zoe\u0308@x.org"
    assert composed != decomposed
    assert parse_address(composed) == parse_address(decomposed)


@given(texts)
@example("\u01f0@x")
@example("\u0390@\u1fd3")
@example("\u0345\u0301a@x")
def test_parsing_an_address_again_changes_nothing(text: str) -> None:
    try:
        once = parse_address(text)
    except InputError:
        return
    assert parse_address(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert unicodedata.normalize("NFC", once.casefold()) == once


@pytest.mark.parametrize(
    "text",
    ["", "@", "alice", "alice@", "@stonybrook.edu", "a@b@c", "alice@stonybrook@edu", "@@"],
)
def test_an_address_has_a_name_and_a_domain(text: str) -> None:
    assert "name@domain" in refused(text)


@pytest.mark.parametrize(
    "odd",
    [" ", "\n", "\t", "\0", "\x7f", "\x9b", "\u200b", "\u202e", "\u00a0", "\ufeff", "\ud800"],
)
@pytest.mark.parametrize("where", ["{}alice@x", "al{}ice@x", "alice@x{}", "alice@{}x"])
def test_an_address_has_nothing_that_cannot_be_seen(odd: str, where: str) -> None:
    message = refused(where.format(odd))
    assert message.isascii()
    assert message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300 + "@x.edu",
        "a" * (MAX_SHORT_NAME_BYTES + 1) + "@x.edu",
        "a@" + "x" * MAX_DIRECTORY_BYTES,
        # few characters, but many bytes once they are encoded
        "é" * 40 + "@x.edu",
        "a@" + "\U0001d4b3" * 40,
    ],
    ids=["far", "name", "domain", "encoded name", "encoded domain"],
)
def test_an_address_is_not_longer_than_its_names_may_be(text: str) -> None:
    message = refused(text)
    assert "long" in message or "at most" in message
    assert len(message) < 320


def test_the_longest_address_has_names_that_fit_a_file_system() -> None:
    short = "a" * MAX_SHORT_NAME_BYTES
    longest = parse_address(short + "@" + "x" * (MAX_DIRECTORY_BYTES - len(short) - 1))
    other = parse_address(short + "@other.edu")
    chemical, late = "X" * 16, 99_999_999_999
    assert is_chemical(chemical)
    names = [
        directory_name(longest),
        state_file_name(longest, other),
        negotiation_id(longest, other, chemical, late),
        next_name(transaction_name(Side.SELL, chemical, longest, late), 9999),
    ]
    # What is written under a temporary name first needs a few more.
    assert max(map(len, names)) <= MAX_NAME_BYTES - 15


# The encoding


@given(texts)
@example(".")
@example("..")
@example("../../etc/passwd")
@example("%2E")
@example("a\0b")
def test_every_text_is_the_only_one_with_its_name(text: str) -> None:
    name = encode_name(text)
    assert decode_name(name) == text
    assert name.isascii()
    assert not name.startswith(".")
    assert "/" not in name
    assert "\0" not in name


few = st.text(st.sampled_from("aA.%24eE"), max_size=4)


@given(few, few)
def test_two_texts_share_no_name_where_case_does_not_count(one: str, other: str) -> None:
    # macOS: two directories whose names differ in case only are one.
    assert (encode_name(one).lower() == encode_name(other).lower()) == (one == other)


@given(st.text(st.sampled_from("abAB%2Ee5Ff.@_-/ ")))
def test_only_what_the_encoding_gives_is_a_name(name: str) -> None:
    text = decode_name(name)
    assert text is None or encode_name(text) == name


@pytest.mark.parametrize(
    "name", [".hidden", "%2e", "%61", "A", "a b", "%", "%4", "%FF", "é", "a/b"]
)
def test_a_name_that_nobody_has_stands_for_nobody(name: str) -> None:
    assert decode_name(name) is None


def test_who_looks_alike_is_not_the_same_person() -> None:
    lookalikes = ["a+b@x.edu", "a_b@x.edu", "a.b@x.edu", "a%b@x.edu", "a%2bb@x.edu"]
    assert len({directory_name(parse_address(text)) for text in lookalikes}) == len(lookalikes)


@given(addresses())
def test_a_party_is_found_again_from_its_directory(address: Address) -> None:
    assert address_of_directory(directory_name(address)) == address


@pytest.mark.parametrize(
    "name", ["lost+found", "Alice@x.edu", "%41lice@x.edu", "alice", "a@b@c", ".a@x", "a@%"]
)
def test_a_directory_that_is_no_partys_belongs_to_nobody(name: str) -> None:
    assert address_of_directory(name) is None


# Names


def test_parties_with_one_short_name_use_their_whole_address() -> None:
    here, there = parse_address("alice@a.edu"), parse_address("alice@b.edu")
    bob = parse_address("bob@a.edu")
    assert state_file_name(here, there) == "alice@a.edu_state.json"
    assert state_file_name(there, here) == "alice@b.edu_state.json"
    assert state_file_name(here, bob) == "alice_state.json"


@given(addresses(), addresses())
def test_two_parties_never_write_the_same_file(one: Address, other: Address) -> None:
    assert one == other or state_file_name(one, other) != state_file_name(other, one)


def test_an_id_names_both_parties_the_chemical_and_the_second() -> None:
    alice, bob = parse_address("alice@stonybrook.edu"), parse_address("bob@stonybrook.edu")
    assert negotiation_id(alice, bob, "C", 1704312345) == "alice_bob_C_1704312345"
    # An id is a label: who knows where one name ends and the next one begins?
    mary, jane = parse_address("mary@x.edu"), parse_address("jane_li@x.edu")
    mary_jane, li = parse_address("mary_jane@x.edu"), parse_address("li@x.edu")
    assert negotiation_id(mary, jane, "C", 1) == negotiation_id(mary_jane, li, "C", 1)


@given(addresses(), addresses(), st.integers(0, 10**11))
def test_every_id_that_is_made_passes_the_check(one: Address, other: Address, at: int) -> None:
    name = negotiation_id(one, other, "C", at)
    assert check_id(name) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        ".hidden",
        "../alice_bob_C_1",
        "a/b",
        "a\\b",
        "a b",
        "a\nb",
        "a\0b",
        "a\u202eb",
        "a\udcffb",
        "x" * 256,
        "é" * 128,
    ],
)
def test_an_id_cannot_leave_its_directory(text: str) -> None:
    with pytest.raises(InputError) as caught:
        check_id(text)
    assert caught.value.code == "invalid_id"
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


@pytest.mark.parametrize("text", ["C", "D2O", "x" * 16])
def test_a_chemical_is_a_short_word(text: str) -> None:
    assert is_chemical(text)


@pytest.mark.parametrize(
    "text", ["", "x" * 17, "a b", "a/b", "../a", "a.b", "a_b", "a-b", "C\n", "é", "\u0663", "C\0"]
)
def test_a_chemical_enters_file_names_and_so_has_letters_and_digits_only(text: str) -> None:
    assert not is_chemical(text)


# The published vectors


def vectors() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return found


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector["about"])
def test_the_published_names_are_ours(vector: dict[str, Any]) -> None:
    given_, expected = vector["input"], vector["expected"]
    one, other = parse_address(given_["initiator"]), parse_address(given_["responder"])
    assert expected == {
        "initiator": one,
        "responder": other,
        "directories": [directory_name(one), directory_name(other)],
        "short_names": [short_name(one), short_name(other)],
        "state_files": [state_file_name(one, other), state_file_name(other, one)],
        "negotiation_id": negotiation_id(one, other, given_["chemical"], given_["seconds"]),
        "transaction_files_of_a_purchase": [
            transaction_name(Side.BUY, given_["chemical"], other, given_["seconds"]),
            transaction_name(Side.SELL, given_["chemical"], one, given_["seconds"]),
        ],
    }
