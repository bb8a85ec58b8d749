"""The autopilot: `nom run` negotiates for a party, within its own preferences.

Rules of the room:

- It keeps no state that matters: whether it is on stands in the party's private room, and what
  there is to answer in the negotiation. A crash between any two steps costs nothing.
- It speaks through the verbs of `Party` and answers the offer that it has seen. Right before each
  write, while the party's own lock is held, it looks once more whether it is still on, whether its
  party wants what it wanted, and whether that offer is still on the table: once it was turned off,
  nothing more is said, and once a limit was changed, nothing beyond it.
- The advisor proposes, and `Preferences.allows` disposes: exact, and independent of it.
- What it says of itself names the offers that it makes, and nothing that they come from.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nom_negotiate import codec
from nom_negotiate.advisor import should_auto_accept
from nom_negotiate.closing import LAST_OFFER
from nom_negotiate.core import rules
from nom_negotiate.core.identity import Address
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.preferences import (
    AUTOPILOT,
    MAX_ROUNDS,
    Autopilot,
    Preferences,
    is_autopilot,
    negotiation_of,
)
from nom_negotiate.core.state import MAX_ROUND
from nom_negotiate.core.terms import Terms
from nom_negotiate.endgame import ACCEPT, COUNTER, END
from nom_negotiate.errors import (
    Conflict,
    InputError,
    NomError,
    NotFound,
    RecordError,
    RuleViolation,
    StoreError,
)
from nom_negotiate.market_price import MarketPrice
from nom_negotiate.party import Party
from nom_negotiate.preferences import preferences_in, tidy
from nom_negotiate.preferences import setting as setting
from nom_negotiate.suggestion import consider, market_around, role_in, utility

if TYPE_CHECKING:
    from nom_negotiate.desk import Desk
    from nom_negotiate.report import Report
    from nom_negotiate.store.port import Namespace

WAIT: Final = "wait"
"""What a step says where a person has to judge: nothing."""

Look = Callable[[Party, Negotiation], MarketPrice | None]
"""How to tell what the chemical of a negotiation trades at."""

MARKET_S: Final = 10.0
"""Seconds for which `Pilots` remember a market price: to tell it takes longer than a step."""

MAX_TOLD: Final = 4096
"""How many troubles are remembered, so that each is told once."""


class Step(NamedTuple):
    """What an autopilot has said, or that it waits for a person.

    Attributes:
        party: for whom.
        negotiation_id: in which negotiation.
        action: `accept`, `counter` or `end`; `wait` where the offer on the table says something in
            words that its party has not offered itself.
        terms: what it accepted or offered; None to end, and to wait.
        after: the negotiation as it stands afterwards.
    """

    party: Address
    negotiation_id: str
    action: str
    terms: Terms | None
    after: Negotiation


# Turning it on and off


def turn_on(
    party: Party, negotiation_id: str, *, max_rounds: int | None = None, auto_accept: bool = False
) -> Autopilot:
    """Let `nom run` negotiate for a party from now on; durable. Replaces what was set before.

    Args:
        party: for whom.
        negotiation_id: in which negotiation.
        max_rounds: of the negotiation, both sides together; in later ones it makes no offer, but
            accepts or rejects. 40 if None.
        auto_accept: take without haggling what comes near the target price and quantity.

    Raises:
        NotFound: `unknown_negotiation`, `no_preferences`; also where `auto_accept` has no target
            price to go by.
        RuleViolation: `concluded`; `own_offer`, where the party's own offer on the table is one
            that its preferences do not allow: the counterparty could accept it.
        InputError: `invalid_number`.
    """
    if max_rounds is not None and not 0 < max_rounds <= MAX_ROUND:
        raise InputError(
            "invalid_number",
            f"max_rounds must be from 1 to {MAX_ROUND}, found {max_rounds}",
            hint="give a whole number of rounds",
        )
    seen = party.negotiation(negotiation_id)
    if not seen.phase.open:
        raise rules.concluded(seen)
    wanted = preferences_in(party, seen)
    wanted.check(seen.roles.get(party.address))
    _check_own_offer(party, seen, wanted)
    if auto_accept and wanted.target_price is None:
        raise NotFound(
            "no_preferences", "to accept at once needs a target price, and you have said none"
        )
    found = Autopilot(
        max_rounds=max_rounds or MAX_ROUNDS, auto_accept=auto_accept, created=party.desk.now()
    )
    store = party.desk.store
    with store.writer(party.address) as pen:
        tidy(store, pen)
        pen.write_private(negotiation_id + AUTOPILOT, codec.encode(found))
        place = store.find(party.address, negotiation_id)
        if place is not None:
            pen.ring(place)
    return found


def _check_own_offer(party: Party, seen: Negotiation, wanted: Preferences) -> None:
    table, role = seen.on_table, seen.roles.get(party.address)
    if table is None or table.by != party.address or role is None:
        return
    if table.lapsed(party.desk.now()) or wanted.allows(role, table.terms):
        return
    raise RuleViolation(
        "own_offer",
        f"your offer on the table of {seen.id}, {rules.describe(table)}, is beyond your own"
        " preferences, and an autopilot cannot take it back",
        hint="withdraw it, or say other preferences with `nom prefs set`",
    )


def turn_off(party: Party, negotiation_id: str) -> bool:
    """Let it say nothing more; return whether it was on. Durable.

    When this returns, nothing is written for the party any more: one that is about to, waits for
    the same lock and looks again.
    """
    store = party.desk.store
    if not store.known(party.address):
        return False
    with store.writer(party.address) as pen:
        return pen.discard_private(negotiation_id + AUTOPILOT)


# One step


class _Off(Exception):
    """It was turned off meanwhile."""


class _Seat(Party):
    """A party whose word is written only while its autopilot is on, and all that counts is as seen.

    That is the offer on the table, what the autopilot may do, and what its party wants.
    """

    def __init__(
        self, desk: Desk, address: Address, table: Move, may: Autopilot, wanted: Preferences
    ) -> None:
        super().__init__(desk, address)
        self._table = table
        self._may = may
        self._wanted = wanted

    def _check(
        self,
        seen: Negotiation,
        action: rules.Action,
        now: int,
        round: int | None,
        revision: int | None,
    ) -> None:
        # Called under the party's lock, between the look and the write.
        super()._check(seen, action, now, round, revision)
        may = setting(self, seen.id)
        if may is None:
            raise _Off
        if (may, preferences_in(self, seen)) != (self._may, self._wanted):
            raise Conflict("moved", f"what is wanted of {seen.id} was changed at the same moment")
        if seen.on_table != self._table:
            raise Conflict("moved", f"the counterparty changed {seen.id} at the same moment")


def step(party: Party, negotiation_id: str, *, look: Look = market_around) -> Step | None:
    """Say one word for a party if its autopilot is on and it is its turn; None if nothing was said.

    Nothing is said where the counterparty has not spoken yet, nor where its offer says something
    in words that the party has not offered itself: then the step says `wait`. Where no more offers
    may be made, or none is worth anything, what is on the table is rejected.

    Args:
        party: for whom.
        negotiation_id: in which negotiation.
        look: how to tell the market price.

    Raises:
        NotFound: `no_preferences`, or where there is no such negotiation.
        Conflict: where somebody else moved first; the next step looks again.
        RecordError: where a record cannot be read.
        StoreError: where the disk did not do its work.
    """
    may = setting(party, negotiation_id)
    if may is None:
        return None
    seen = party.negotiation(negotiation_id)
    table = seen.on_table
    if table is None or seen.turn != party.address:
        return None
    words = _words(seen, party.address)
    if table.terms.conditions != words:
        # No preference says what they are worth.
        return Step(party.address, negotiation_id, WAIT, None, seen)
    wanted = preferences_in(party, seen)
    action, terms = _decided(party, seen, table, wanted, may, look)
    seat = _Seat(party.desk, party.address, table, may, wanted)
    revision = seen.revisions.get(party.address, 0)
    try:
        if action == ACCEPT:
            after = seat.accept(negotiation_id, round=table.round, revision=revision)
        elif action == COUNTER:
            assert terms is not None, "a counter-offer has terms"
            after = seat.offer(
                negotiation_id,
                price=terms.price,
                quantity=terms.quantity,
                reason=LAST_OFFER if _cap(seen, may) < seen.round + 3 else None,
                revision=revision,
                **words,
            )
        else:
            after = seat.reject(negotiation_id, revision=revision)
    except _Off:
        return None
    return Step(party.address, negotiation_id, action, terms, after)


def _words(seen: Negotiation, party: Address) -> dict[str, Any]:
    """Return what a party has last offered in words: delivery, payment, quality."""
    own = [move.terms.conditions for move in seen.offers if move.by == party]
    return own[-1] if own else {}


def _decided(
    party: Party,
    seen: Negotiation,
    table: Move,
    wanted: Preferences,
    may: Autopilot,
    look: Look,
) -> tuple[str, Terms | None]:
    """Return what is said, which the party's own limits allow whatever was suggested."""
    role = role_in(seen, party.address)
    in_time = not table.lapsed(party.desk.now())
    if may.auto_accept and wanted.target_price is not None and in_time:
        good = should_auto_accept(
            role.value,
            table.price,
            table.quantity,
            target_price=wanted.target_price,
            target_quantity=wanted.target_quantity,
            own_reservation_price=wanted.reservation_price,
            own_utility=utility(role, wanted),
        )
        if good and wanted.allows(role, table.terms):
            return ACCEPT, table.terms
    found = consider(party, seen, wanted, max_rounds=may.max_rounds, look=look)
    terms = table.terms if found.action == ACCEPT else found.terms
    if terms is None or not wanted.allows(role, terms):
        return END, None
    if found.action == COUNTER and seen.round >= _cap(seen, may):
        return END, None
    return found.action, terms


def _cap(seen: Negotiation, may: Autopilot) -> int:
    """Return the last round in which it may make an offer."""
    return min(may.max_rounds, seen.limits.max_rounds or MAX_ROUND)


# All of them


class Pilots:
    """The autopilots of all parties whose private room this process can read.

    Args:
        desk: where they negotiate.
        only: whose; None for everybody's.
        every_s: seconds after which all of them are looked through, whatever was noticed.
        on_step: told what was said.
        notice: told in one line, once, what keeps one from negotiating.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        only: Address | None = None,
        every_s: float,
        on_step: Callable[[Step], object] = lambda step: None,
        notice: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._desk = desk
        self._only = only
        self._every_s = every_s
        self._on_step = on_step
        self._notice = notice
        self._closed: set[Address] = set()
        self._told: set[str] = set()
        self._looked_at: float | None = None
        self._market: dict[str, tuple[float, MarketPrice | None]] = {}

    def follow(self, report: Report) -> None:
        """Let them answer what a pass has looked at; and, each so often, whatever there is."""
        late = self._looked_at is None or time.monotonic() - self._looked_at >= self._every_s
        if late or report.scanned:
            self.look_through()
            return
        for place in report.places:
            for address in self._parties(place):
                self._step(address, place.id)

    def look_through(self) -> None:
        """Let all of them answer what there is to answer."""
        self._looked_at = time.monotonic()
        closed = set()
        for address in [self._only] if self._only else self._desk.store.parties():
            try:
                names = self._desk.store.private_names(address)
            except StoreError as error:
                if error.code == "denied":
                    closed.add(address)
                else:
                    self._tell(f"left out the autopilots of {address}: {error.message}")
                continue
            for name in names:
                negotiation_id = negotiation_of(name)
                if negotiation_id is not None and is_autopilot(name):
                    self._step(address, negotiation_id)
            self._tidy(address, names)
        self._closed = closed
        if closed:
            first, more = min(closed), len(closed) - 1
            whose = first + (f" and {more} more" if more else "")
            self._tell(
                f"cannot read the private room of {whose}: for a party that wants an autopilot,"
                " let its own user run `nom run --as ADDRESS`"
            )

    def _parties(self, place: Namespace) -> list[Address]:
        if self._only is not None:
            return [self._only]
        snapshot = self._desk.store.snapshot(place)
        if snapshot is None or snapshot.responder is None:
            return []
        return [
            each for each in (snapshot.initiator, snapshot.responder) if each not in self._closed
        ]

    def _step(self, address: Address, negotiation_id: str) -> None:
        try:
            done = step(self._desk.party(address), negotiation_id, look=self._look)
        except Conflict:
            # Somebody was faster: the next look sees what there is.
            return
        except RuleViolation as error:
            # Others mean that it has ended, or was answered, since the look.
            if error.code == "not_listed":
                self._tell(
                    f"the autopilot of {address} in {negotiation_id} waits: less is left of the"
                    " listing than was offered"
                )
        except RecordError:
            # Not what it says: it may quote the record, and the record may be a private one.
            why = "a record cannot be read; see `nom prefs show` and `nom show`"
            self._tell(f"the autopilot of {address} in {negotiation_id} waits: {why}")
        except InputError:
            # Nor what was made of one: what would be offered follows from what its party wants.
            why = "its numbers are too large or too small to haggle with; see `nom prefs show`"
            self._tell(f"the autopilot of {address} in {negotiation_id} waits: {why}")
        except NotFound as error:
            if error.code == "no_preferences":
                self._tell(f"the autopilot of {address} in {negotiation_id} waits: {error.code}")
        except NomError as error:
            if error.code != "denied":
                self._tell(f"the autopilot of {address} in {negotiation_id} waits: {error.message}")
        else:
            if done is None:
                return
            if done.action != WAIT:
                self._on_step(done)
                return
            self._tell(
                f"the autopilot of {address} in {negotiation_id} waits for a person: the offer on"
                " the table speaks of delivery, payment or quality"
            )

    def _look(self, party: Party, seen: Negotiation) -> MarketPrice | None:
        known = self._market.get(seen.id)
        now = time.monotonic()
        if known is None or now - known[0] >= MARKET_S:
            if len(self._market) >= MAX_TOLD:
                self._market.clear()
            known = self._market[seen.id] = (now, market_around(party, seen))
        return known[1]

    def _tidy(self, address: Address, names: list[str]) -> None:
        store = self._desk.store
        try:
            for name in names:
                negotiation_id = negotiation_of(name)
                place = store.find(address, negotiation_id) if negotiation_id else None
                if place is not None and place.archived:
                    with store.writer(address) as pen:
                        tidy(store, pen)
                    return
        except NomError as error:
            self._tell(f"cannot tidy the private room of {address}: {error.message}")

    def _tell(self, text: str) -> None:
        if text in self._told:
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told.add(text)
        self._notice(text)
