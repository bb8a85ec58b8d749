"""Which negotiations certainly call for nothing, told without a snapshot of them.

Rules of the room:

- It says "quiet until" only where a snapshot of the same files would have no problem and no
  outcome, `quiet_until` would say the same second, and the responder's link is in its place.
  Whatever is unusual it leaves to those who look properly: nothing here says what is wrong.
- A namespace is certain only where nothing else lies in it: one listing proves that, and that
  what lies there are regular files. The directory's times are taken before. So whatever comes into
  it or is exchanged later has moved them by the next scan, and nobody need look again here.
- The two files need not be of the same moment. Nothing is decided from them: each is whole, and
  whoever changes one after it was read has rung, or is found by the next scan.
- A file is certain only where it says the same when it is written again: then no key
  occurs twice, and no field is unknown here.
"""

from __future__ import annotations

import itertools
import os
import re
from decimal import Decimal
from typing import Final, Literal

import msgspec

from nom_negotiate.core.evidence import CLOCK_S
from nom_negotiate.core.identity import (
    Address,
    check_listing_id,
    directory_name,
    is_chemical,
    parse_address,
    state_file_name,
)
from nom_negotiate.core.state import STATE_SCHEMA, Count, Level, Limits, Revision, Round
from nom_negotiate.core.terms import (
    CONDITIONS,
    Terms,
    agreement_key,
    check_condition,
    is_short,
    key_over,
)
from nom_negotiate.core.times import Duration, Seconds
from nom_negotiate.errors import InputError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.layout import ACTIVE, Layout

AT_ONCE: Final = 16 * 1024
"""Bytes of a file that one read brings; who has more to say is looked at properly."""

# Ids and addresses that are nothing hidden, and stand for themselves in JSON.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_%+@-][A-Za-z0-9_%+@.-]*")


class _Part(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A part of a state file, with the fields of an ordinary one, in their order.

    Numbers are kept as they are written. What is left out here is certain of nobody: an offer
    that accepts, a reason of an end.
    """


class _Offer(_Part):
    price: msgspec.Raw
    quantity: msgspec.Raw
    timestamp: Seconds
    round: Round | None = None
    valid_until: Seconds | None = None
    reason: str | None = None
    delivery: str | None = None
    payment: str | None = None
    quality: str | None = None


class _Past(_Part):
    price: msgspec.Raw
    quantity: msgspec.Raw
    timestamp: Seconds
    round: Round | None = None
    valid_until: Seconds | None = None
    accepts: bool = False
    reason: str | None = None
    delivery: str | None = None
    payment: str | None = None
    quality: str | None = None
    status: Literal["pending", "agreed", "rejected"] = "pending"


class _Message(_Part):
    timestamp: Seconds
    text: str


class _Limits(_Part):
    idle_s: Duration
    life_s: Duration
    max_rounds: Round | None = None


class _Read(_Part):
    timestamp: Seconds
    messages: Count


class _Reaction(_Part):
    timestamp: Seconds
    level: Level
    round: Round | None = None


class _State(_Part, kw_only=True):
    schema: str
    negotiation_id: str
    user: str
    counterparty: str
    role: Literal["buyer", "seller"]
    chemical: str
    offer: _Offer
    status: Literal["pending", "agreed"]
    agreement_key: str | None = None
    last_updated: Seconds
    revision: Revision
    history: list[_Past]
    messages: list[_Message]
    created: Seconds | None = None
    limits: _Limits | None = None
    read: _Read | None = None
    reaction: _Reaction | None = None
    listing: str | None = None


_decode: Final = msgspec.json.Decoder(_State).decode
_encode: Final = msgspec.json.Encoder().encode


def decode_certain(data: bytes) -> _State | None:
    """Return the state in `data` where it is certainly well-formed, as far as it stands alone.

    Its key is certain where the id and the addresses in it stand for themselves, which is for
    whoever asks to see.
    """
    try:
        state = _decode(data)
        if (
            _encode(state) != msgspec.json.format(data, indent=-1)
            or state.schema != STATE_SCHEMA
            or len(state.history) + len(state.messages) > state.revision
        ):
            return None
        for past in state.history:
            _terms(past)
        price, quantity, conditions = _terms(state.offer)
        if state.listing is not None:
            check_listing_id(state.listing)
    except (msgspec.MsgspecError, ValueError, RecursionError, InputError):
        # No JSON, no text, not of this shape: the proper look says what it is.
        return None
    if state.status == "pending":
        return state if state.agreement_key is None else None
    parties = state.user, state.counterparty
    buyer, seller = parties if state.role == "buyer" else parties[::-1]
    if conditions:
        key = agreement_key(
            negotiation_id=state.negotiation_id,
            chemical=state.chemical,
            buyer=buyer,
            seller=seller,
            terms=Terms(price=Decimal(price), quantity=Decimal(quantity), **conditions),
        )
    else:
        key = key_over(state.negotiation_id, state.chemical, buyer, seller, price, quantity)
    return state if state.agreement_key == key else None


def _terms(offer: _Offer | _Past) -> tuple[str, str, dict[str, str]]:
    """Return price, quantity and conditions as text.

    Raises:
        ValueError: where a number is odd.
        InputError: where a condition is none.
    """
    price, quantity = str(offer.price, "ascii"), str(offer.quantity, "ascii")
    if not (is_short(price) and is_short(quantity)) or quantity == "0":
        raise ValueError("not certain")
    said = {name: text for name in CONDITIONS if (text := getattr(offer, name)) is not None}
    for name, text in said.items():
        check_condition(text, name)
    return price, quantity, said


def _latest(state: _State) -> int:
    """Return the latest second that a state speaks of."""
    at = max(state.last_updated, state.offer.timestamp, state.created or 0)
    for said in (state.history, state.messages):
        if said:
            at = max(at, *(each.timestamp for each in said))
    return at


Quiet = tuple[int, int, int, int, str]
"""The directory's mtime and ctime in nanoseconds and its inode, due, the responder's directory."""


class Room:
    """The open room of one party, with the negotiations that it has initiated.

    Args:
        layout: of the data root.
        initiator: whose room.
        fd: the open directory, from `bounded.open_below`.
        now: unix seconds.
        defaults: the limits of a negotiation that says none itself.
        rooms: of responders that need no look any more; one that is looked at is added.
    """

    def __init__(
        self,
        layout: Layout,
        initiator: Address,
        fd: int,
        now: int,
        defaults: Limits,
        rooms: set[str],
    ) -> None:
        self._layout = layout
        self._initiator = initiator
        self._fd = fd
        self._now = now
        self._defaults = defaults
        self._rooms = rooms
        self._meant = f"../../{directory_name(initiator)}/{ACTIVE}/"
        self._responders: dict[str, tuple[str, str, str, str] | None] = {}

    def quiet(self, name: str) -> Quiet | None:
        """Return until when a namespace is certainly quiet, and what was seen of it.

        None where that is not certain: it is to be looked at.
        """
        try:
            directory = bounded.open_directory(name, self._fd)
            try:
                status = os.fstat(directory)
                with os.scandir(directory) as entries:
                    # A third one makes it uncertain, however many come after it.
                    found = [
                        # A FIFO or a device is not even opened: it has no such name.
                        entry.name if entry.is_file(follow_symlinks=False) else ""
                        for entry in itertools.islice(entries, 3)
                    ]
                if len(found) > 2:
                    return None
                said = [bounded.read_at_once(file, directory, AT_ONCE) for file in found]
            finally:
                os.close(directory)
            if _PLAIN.fullmatch(name) is None:
                return None
            states = [decode_certain(data) for data in said]
            certain = self._certain(name, found, states)
            if certain is None:
                return None
            due, home, link = certain
            if os.readlink(link) != f"{self._meant}{name}":
                return None
        except OSError:
            # ENOENT, ENOTDIR, ELOOP, EACCES, EINVAL, EIO: whatever it is, who looks properly
            # meets it again.
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, due, home

    def _certain(
        self, name: str, files: list[str], states: list[_State | None]
    ) -> tuple[int, str, str] | None:
        """Return until when it is quiet, and the responder's directory and link."""
        initiator = self._initiator
        opening, *rest = states or [None]
        answer = rest[0] if rest else None
        if opening is None or (rest and answer is None):
            return None
        if answer is not None and opening.user != initiator:
            opening, answer = answer, opening
            files = files[::-1]
        if opening.user == initiator:
            party = opening.counterparty
        elif answer is None and opening.listing is not None and opening.counterparty == initiator:
            # It answers a listing of the initiator, who has said nothing else yet.
            party = opening.user
        else:
            return None
        responder = self._responder(party)
        if responder is None or opening.negotiation_id != name:
            return None
        own_file, their_file, home, room = responder
        last, latest = opening.last_updated, _latest(opening)
        if answer is None:
            if files != [own_file if opening.user == initiator else their_file]:
                return None
        else:
            if (
                files != [own_file, their_file]
                or answer.negotiation_id != name
                or answer.user != opening.counterparty
                or answer.counterparty != initiator
                or answer.chemical != opening.chemical
                or answer.role == opening.role
                or (
                    opening.agreement_key == answer.agreement_key
                    and opening.agreement_key is not None
                )
            ):
                return None
            last, latest = max(last, answer.last_updated), max(latest, _latest(answer))
        created = opening.created
        if created is None or latest > self._now + CLOCK_S or not is_chemical(opening.chemical):
            return None
        limits = opening.limits or self._defaults
        due = min(max(created, last) + limits.idle_s, created + limits.life_s)
        return None if self._now > due else (due, home, f"{room}/{name}")

    def _responder(self, party: str) -> tuple[str, str, str, str] | None:
        """Return both state files' names, the responder's directory, and its room's path."""
        try:
            return self._responders[party]
        except KeyError:
            found = self._responders[party] = self._found(party)
            return found

    def _found(self, party: str) -> tuple[str, str, str, str] | None:
        initiator = self._initiator
        try:
            responder = parse_address(party)
        except InputError:
            return None
        if responder != party or responder == initiator:
            return None
        if not (_PLAIN.fullmatch(initiator) and _PLAIN.fullmatch(responder)):
            return None
        if not bounded.has_room(self._layout, responder, ACTIVE, self._rooms):
            return None
        return (
            state_file_name(initiator, responder),
            state_file_name(responder, initiator),
            directory_name(responder),
            self._layout.room(responder, ACTIVE),
        )
