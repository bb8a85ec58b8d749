"""What schedules begin with: situations in which something can go wrong at all.

Left to chance, the words of two parties seldom meet. A scene says what alice has started, what
was answered, and who says what at the same moment; when exactly, and what befalls them, remains
for the seed to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tests.support import ALICE, BOB


class Word(NamedTuple):
    """What a party says; None for a poll.

    Attributes:
        party: who says it.
        verb: as in `history.Call`; `fly` for what the autopilots of all parties say.
        options: its other arguments.
        of: in which of the negotiations that alice has started; the first is 0.
    """

    party: str | None
    verb: str
    options: Mapping[str, Any] = MappingProxyType({})
    of: int = 0


POLL: Final = Word(None, "poll")
FLY: Final = Word(None, "fly")


class Scene(NamedTuple):
    """One situation.

    Attributes:
        start: options of alice's start that are not left to chance.
        before: what is said before, one after another.
        at_once: what is said at the same moment, each by a process of its own.
        last_second: it is the last second in which it may be said.
        nobody: there are no parties yet, and nothing was started.
        more: how many negotiations alice has started besides, in the same way.
        listed: how much alice sells in a listing, of which everything is an answer; 0 for none.
        wanted: the reservation price of each party that has an autopilot from the beginning.
    """

    start: dict[str, Any]
    before: tuple[Word, ...]
    at_once: tuple[Word, ...]
    last_second: bool = False
    nobody: bool = False
    more: int = 0
    listed: int = 0
    wanted: Mapping[str, str] = MappingProxyType({})


FIRM: Final = {"firm": True, "valid_until": None, "idle_s": None}
INDICATIVE: Final = {**FIRM, "firm": False}
SHORT: Final = {**FIRM, "idle_s": 20}
LAPSING: Final = {**FIRM, "valid_until": 5}

ACCEPT = Word(BOB, "accept")
ACCEPT_ROUND_1 = Word(BOB, "accept", {"round": 1})
ACCEPT_TOO = Word(ALICE, "accept")
REJECT = Word(BOB, "reject")
WITHDRAW = Word(ALICE, "withdraw")
COUNTER = Word(BOB, "offer")
OFFER_AGAIN = Word(ALICE, "offer")
ALICE_SAYS = Word(ALICE, "say", {"text": "well"})
BOB_SAYS = Word(BOB, "say", {"text": "well"})
ALICE_READS = Word(ALICE, "mark_read")
ALICE_REACTS = Word(ALICE, "react", {"level": 80})
LOOK = Word(ALICE, "look")


def of(number: int, *words: Word) -> tuple[Word, ...]:
    """Return what is said in another of the negotiations."""
    return tuple(word._replace(of=number) for word in words)


def in_all(count: int, *words: Word) -> tuple[Word, ...]:
    """Return what is said in each of so many negotiations."""
    return tuple(said for number in range(count) for said in of(number, *words))


START = Word(ALICE, "start")
START_BACK = Word(BOB, "start")

RESPOND = Word(BOB, "respond", {"again": True})
RESPOND_FOR_TWO = Word(BOB, "respond", {"again": True, "quantity": 2})
CLOSE = Word(ALICE, "close")

# Alice buys, bob sells. Nobody else would say these prices, nor anything that has these digits.
ALICES_LIMIT: Final = "9.31417"
BOBS_LIMIT: Final = "2.71931"
OVERLAPPING: Final = {ALICE: ALICES_LIMIT, BOB: BOBS_LIMIT}
APART: Final = {ALICE: BOBS_LIMIT, BOB: ALICES_LIMIT}
STRICTER: Final = "7.62947"
BARGAIN: Final = {**FIRM, "price": "2.5", "max_rounds": 6}
TURN_OFF = Word(BOB, "turn_off")
PREFER = Word(BOB, "prefer", {"reservation_price": STRICTER})

SCENES: Final = {
    "accepted and taken back": Scene(FIRM, (), (ACCEPT, WITHDRAW, POLL)),
    "accepted in the last second": Scene(SHORT, (), (ACCEPT, POLL), last_second=True),
    "said in the last second": Scene(SHORT, (), (BOB_SAYS, POLL), last_second=True),
    "lapsed, accepted and offered again": Scene(
        LAPSING, (), (ACCEPT_ROUND_1, OFFER_AGAIN, POLL), last_second=True
    ),
    "accepted by both, or taken back": Scene(
        INDICATIVE, (ACCEPT,), (ACCEPT_TOO, Word(BOB, "withdraw"), POLL)
    ),
    "ended by both": Scene(FIRM, (), (REJECT, WITHDRAW, POLL)),
    "countered and taken back": Scene(FIRM, (), (COUNTER, WITHDRAW, POLL)),
    "settled by two pollers": Scene(FIRM, (ACCEPT,), (POLL, POLL, LOOK)),
    "rejected and polled": Scene(FIRM, (), (REJECT, POLL, POLL)),
    "spoken of by everybody": Scene(FIRM, (BOB_SAYS,), (ALICE_SAYS, BOB_SAYS, LOOK, POLL)),
    "accepted while it is read": Scene(
        FIRM, (BOB_SAYS,), (ACCEPT, ALICE_READS, ALICE_REACTS, POLL)
    ),
    "read and spoken of by everybody": Scene(
        FIRM, (BOB_SAYS,), (ALICE_READS, ALICE_READS, BOB_SAYS, Word(BOB, "mark_read"), POLL)
    ),
    "read in the last second": Scene(
        SHORT, (BOB_SAYS,), (ALICE_READS, ALICE_REACTS, POLL), last_second=True
    ),
    "read, and taken back": Scene(FIRM, (BOB_SAYS,), (ALICE_READS, WITHDRAW, ACCEPT, POLL)),
    "started by both": Scene(FIRM, (), (START, START_BACK, POLL)),
    "the first of all": Scene({}, (), (START, START, START_BACK, POLL), nobody=True),
    "two windows of one party": Scene(FIRM, (), (ACCEPT, COUNTER, POLL)),
    # More than two decisions share their barriers; meanwhile somebody writes.
    "a batch that is spoken of": Scene(
        FIRM, in_all(4, ACCEPT), (POLL, POLL, *of(1, ALICE_SAYS), *of(2, BOB_SAYS, LOOK)), more=3
    ),
    "a batch in the last second": Scene(
        SHORT,
        in_all(2, ACCEPT),
        (POLL, *of(2, ACCEPT), *of(3, WITHDRAW), *of(4, COUNTER)),
        last_second=True,
        more=4,
    ),
    "a batch, and whoever changes their mind": Scene(
        INDICATIVE,
        (*in_all(4, ACCEPT), *in_all(3, ACCEPT_TOO)),
        (POLL, *of(3, ACCEPT_TOO, Word(BOB, "withdraw")), *of(0, BOB_SAYS)),
        more=3,
    ),
    "a batch of which some is taken back": Scene(
        FIRM,
        in_all(3, ACCEPT),
        (POLL, *of(3, ACCEPT, WITHDRAW), *of(4, COUNTER, WITHDRAW), POLL),
        more=4,
    ),
    "two answers to a listing for one": Scene(
        {}, (RESPOND, RESPOND), (*in_all(2, ACCEPT_TOO), POLL, POLL), listed=15
    ),
    "many answers to a listing": Scene(
        {},
        (RESPOND, RESPOND_FOR_TWO, RESPOND, RESPOND_FOR_TWO),
        (*in_all(4, ACCEPT_TOO), POLL, RESPOND_FOR_TWO),
        listed=14,
    ),
    "a batch over one listing": Scene(
        {}, (*[RESPOND] * 4, *in_all(4, ACCEPT_TOO)), (POLL, POLL, CLOSE), listed=35
    ),
    "a listing that is closed while it is answered": Scene(
        {}, (RESPOND,), (CLOSE, RESPOND, ACCEPT_TOO, POLL), listed=15
    ),
    "an answer that is taken back": Scene(
        {}, (RESPOND,), (ACCEPT_TOO, Word(BOB, "withdraw"), ALICE_REACTS, POLL), listed=10
    ),
    "two autopilots": Scene(BARGAIN, (), (FLY, FLY, POLL), wanted=OVERLAPPING),
    "two autopilots that cannot agree": Scene(BARGAIN, (), (FLY, FLY, POLL), wanted=APART),
    "an autopilot and its party": Scene(
        BARGAIN, (), (FLY, BOB_SAYS, ALICE_READS, POLL), wanted={BOB: BOBS_LIMIT}
    ),
    "an autopilot whose offer is taken back": Scene(
        {**BARGAIN, "price": 9}, (), (FLY, FLY, WITHDRAW, POLL), wanted={BOB: BOBS_LIMIT}
    ),
    "an autopilot that is turned off": Scene(
        BARGAIN, (), (FLY, FLY, TURN_OFF, POLL), wanted=OVERLAPPING
    ),
    "an autopilot that is to want more": Scene(
        {**BARGAIN, "price": 5}, (), (FLY, FLY, PREFER, POLL), wanted=OVERLAPPING
    ),
}
