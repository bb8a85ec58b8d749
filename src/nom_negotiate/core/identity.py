"""Addresses, short names, ids, and the one encoding that turns them into names.

Rules of the room:

- An address is compared casefolded; `parse_address` is the only way to get one.
- Every name in the file system that stems from a person comes through `encode_name`.
  The encoding is injective: two people never share a directory.
- An id is a label. It is made here and checked here, and never parsed for meaning.
- The name of a chemical enters ids and file names as it is, and so must be a plain word.
- What is asked about each party again and again is remembered, for a bounded number of them.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable
from typing import Final, NewType, ParamSpec, TypeVar, cast

from nom_negotiate.errors import InputError

Address = NewType("Address", str)
"""A casefolded, checked address such as `alice@stonybrook.edu`."""

MAX_ADDRESS_CHARS: Final = 254
"""The longest address that mail can carry (RFC 5321, section 4.5.3.1.3, less the brackets)."""

MAX_NAME_BYTES: Final = 255
"""The longest file name of the common file systems."""

# Two short names, a chemical, the seconds and three underscores must fit one file
# name, and a full address with "_state.json" must fit another.
MAX_DIRECTORY_BYTES: Final = 200
MAX_SHORT_NAME_BYTES: Final = 100

MAX_CHEMICAL_CHARS: Final = 16

LISTING_SUFFIX: Final = ".json"

_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789@._-")

MAX_REMEMBERED: Final = 4096

P = ParamSpec("P")
R = TypeVar("R")


def _remembered(function: Callable[P, R]) -> Callable[P, R]:
    """Return a pure function that remembers its latest results. What it raises is not kept."""
    return cast("Callable[P, R]", functools.lru_cache(MAX_REMEMBERED)(function))


@_remembered
def parse_address(text: str) -> Address:
    """Return `text` as an address, casefolded.

    Raises:
        InputError: `invalid_address`, where it is not `local@domain`, is longer than 254
            characters or than a directory name can hold, or has blanks, control or
            invisible characters.
    """
    if len(text) > MAX_ADDRESS_CHARS:
        raise InputError(
            "invalid_address",
            f"an address has at most {MAX_ADDRESS_CHARS} characters, this one has {len(text)}:"
            f" {text[:24]!a}...",
        )
    folded = _fold(text)
    local, at, domain = folded.partition("@")
    if not (local and at and domain) or "@" in domain:
        raise InputError("invalid_address", f"expected an address like name@domain, found {text!a}")
    bad = _unseen(folded)
    if bad is not None:
        raise InputError(
            "invalid_address",
            f"an address has no blank, control or invisible characters, found {bad!a} in {text!a}",
        )
    address = Address(folded)
    if (
        len(directory_name(address)) > MAX_DIRECTORY_BYTES
        or len(short_name(address)) > MAX_SHORT_NAME_BYTES
    ):
        raise InputError(
            "invalid_address", f"the address {text[:24]!a}... is too long for a directory name"
        )
    return address


def _unseen(text: str) -> str | None:
    """Return the first blank, control or invisible character, None where there is none."""
    if text.isascii() and text.isprintable():
        # The usual name, at a tenth of the time: the space is the only one left.
        return " " if " " in text else None
    return next((c for c in text if unicodedata.category(c)[0] in "CZ"), None)


def _fold(text: str) -> str:
    # Casefolding can undo a normalization and the other way round; a fixed point makes
    # parsing idempotent, so that an address read back from a file is the same address.
    while True:
        folded = unicodedata.normalize("NFC", text.casefold())
        if folded == text:
            return folded
        text = folded


def encode_name(text: str) -> str:
    """Return `text` as a file name: safe characters as they are, others percent-encoded.

    Injective, ASCII, never with a leading dot. `decode_name` is its inverse.
    """
    name = "".join(c if c in _SAFE else _percent(c) for c in text)
    return "%2E" + name[1:] if name.startswith(".") else name


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8"))


def decode_name(name: str) -> str | None:
    """Return the text whose encoding is `name`, or None where there is none."""
    if not name.isascii():
        # Names of files may hold what is no text at all.
        return None
    text = name if "%" not in name else _unquoted(name)
    return text if text is not None and encode_name(text) == name else None


def _unquoted(name: str) -> str | None:
    # Imported here: hardly any name needs it, and it brings `ipaddress` and more with it.
    from urllib.parse import unquote_to_bytes

    try:
        return unquote_to_bytes(name).decode("utf-8")
    except UnicodeDecodeError:
        return None


@_remembered
def directory_name(address: Address) -> str:
    """Return the name of the party's directory under `teams/`."""
    return encode_name(address)


@_remembered
def address_of_directory(name: str) -> Address | None:
    """Return the address whose directory is `name`, or None where it is nobody's."""
    text = decode_name(name)
    if text is None:
        return None
    try:
        address = parse_address(text)
    except InputError:
        return None
    return address if directory_name(address) == name else None


@_remembered
def short_name(address: Address) -> str:
    """Return the encoded local part of the address: the name used in ids and file names."""
    return encode_name(address.partition("@")[0])


def state_file_name(user: Address, counterparty: Address) -> str:
    """Return the name of `user`'s state file in a negotiation with `counterparty`.

    Parties with the same short name use their full encoded address.
    """
    short = short_name(user)
    if short == short_name(counterparty):
        return f"{directory_name(user)}_state.json"
    return f"{short}_state.json"


def negotiation_id(initiator: Address, responder: Address, chemical: str, seconds: int) -> str:
    """Return the id `{initiator}_{responder}_{chemical}_{unix seconds}`."""
    return f"{short_name(initiator)}_{short_name(responder)}_{chemical}_{seconds}"


def is_chemical(text: str) -> bool:
    """Return whether `text` can name a chemical: 1 to 16 ASCII letters and digits."""
    return text.isascii() and text.isalnum() and len(text) <= MAX_CHEMICAL_CHARS


def is_id(text: str) -> bool:
    """Return whether `text` can be the name of one namespace; see `check_id`."""
    try:
        check_id(text)
    except InputError:
        return False
    return True


def check_id(text: str) -> str:
    """Return `text` if it can be the name of one namespace.

    Raises:
        InputError: `invalid_id`, where it is empty, hidden, longer than 255 bytes, or has
            a slash, blank, control or invisible characters.
    """
    if (
        not text
        or text[0] == "."
        or "/" in text
        or "\\" in text
        or _unseen(text) is not None
        or len(text.encode("utf-8", "replace")) > MAX_NAME_BYTES
    ):
        shown = ascii(text if len(text) <= 60 else text[:60] + "...")
        raise InputError(
            "invalid_id", f"expected an id such as alice_bob_C_1704312345, found {shown}"
        )
    return text


def check_listing_id(text: str) -> str:
    """Return `text` if it can be the id of a listing, whose file is named after it.

    Raises:
        InputError: `invalid_id`, where it is empty, hidden, longer than 250 bytes, or has
            a slash, blank, control or invisible characters.
    """
    try:
        check_id(text)
        fits = len(f"{text}{LISTING_SUFFIX}".encode("utf-8", "replace")) <= MAX_NAME_BYTES
    except InputError:
        fits = False
    if not fits:
        shown = ascii(text if len(text) <= 60 else text[:60] + "...")
        raise InputError(
            "invalid_id",
            f"expected the id of a listing such as 1704312345_sell_C, found {shown}",
            hint="copy the id from `nom listing ls`",
        )
    return text
