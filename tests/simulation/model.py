"""A negotiation as one would keep it where nothing ever happens at the same time.

Written from the description, not from `core`: this is what the product is judged by. A `State`
is all that there is, and one function a verb says what follows and how it is answered.
Addresses are strings, numbers decimals, times unix seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from decimal import Decimal
from typing import Any, Final, NamedTuple

DAY: Final = 24 * 3600

Terms = tuple[Decimal, Decimal, str | None]
"""Price, quantity, and what is said of the delivery."""


class Table(NamedTuple):
    """What is to be answered: the last offer or acceptance."""

    by: str
    round: int
    terms: Terms
    lapses: int | None


class Promise(NamedTuple):
    """What a party is committed to until it says something else."""

    terms: Terms
    lapses: int | None


Reaction = tuple[int, int | None]
"""A level, and the round of the offer that it is about."""


class Vain(NamedTuple):
    """An acceptance that its author will take back."""

    by: str
    table: Table | None
    promise: Promise | None


class State(NamedTuple):
    """One negotiation.

    Attributes:
        table: what was said last; None before the first offer.
        promises: of the initiator and of the responder.
        messages: how many each of them has left.
        read: how many of the other's each of them has marked as read.
        reactions: the level of each of them, and the round that it is about.
        offered: the round of the latest offer of each of them.
        created: when it began.
        last_word: when somebody spoke last.
        idle_s: seconds of silence that it lasts.
        life_s: seconds that it lasts in any case.
        cap: how many rounds it may have; None for any number.
        end: how it ended: `agreed`, `ended` by a party, `expired`.
        deal: what was agreed.
        vain: who has accepted in vain, and what stood before, until that is put back.
        limited: it answers a listing, of which too little may be left for what was agreed.
    """

    parties: tuple[str, str]
    table: Table | None
    promises: tuple[Promise | None, Promise | None]
    messages: tuple[int, int]
    read: tuple[int, int]
    reactions: tuple[Reaction | None, Reaction | None]
    offered: tuple[int | None, int | None]
    created: int
    last_word: int
    idle_s: int
    life_s: int
    cap: int | None
    end: str | None = None
    deal: Terms | None = None
    vain: Vain | None = None
    limited: bool = False

    @property
    def expires_at(self) -> int:
        return min(max(self.created, self.last_word) + self.idle_s, self.created + self.life_s)

    def over(self, now: int) -> bool:
        return self.end is not None or now > self.expires_at

    def seen(self) -> Seen:
        """Return what somebody who looks at it finds."""
        if self.end is not None:
            return Seen(self.end, self.deal)
        table = self.table
        lies = None if table is None else (table.by, table.round, table.terms)
        return Seen("open", None, lies, self.messages, self.read, self.reactions)


class Seen(NamedTuple):
    """What can be told of a negotiation by looking; of one that has ended, only how."""

    phase: str
    deal: Terms | None
    table: tuple[str, int, Terms] | None = None
    messages: tuple[int, int] = (0, 0)
    read: tuple[int, int] = (0, 0)
    reactions: tuple[Reaction | None, Reaction | None] = (None, None)


Answer = tuple[State, str | None]
"""What follows, and the code of the refusal; None where there is none."""


def started(by: str, options: Mapping[str, Any], now: int) -> State:
    """Return a negotiation that has just begun."""
    terms = asked(options)
    lapses = options.get("valid_until")
    promise = Promise(terms, lapses) if options.get("firm", True) else None
    return State(
        parties=(by, options["counterparty"]),
        table=Table(by, 1, terms, lapses),
        promises=(promise, None),
        messages=(1 if options.get("message") else 0, 0),
        read=(0, 0),
        reactions=(None, None),
        offered=(1, None),
        created=now,
        last_word=now,
        idle_s=options.get("idle_s") or DAY,
        life_s=options.get("life_s") or 2 * DAY,
        cap=options.get("max_rounds"),
    )


def responded(by: str, options: Mapping[str, Any], now: int) -> State:
    """Return a negotiation that has just begun with an answer to a listing.

    Its author is the initiator, and has said nothing.
    """
    begun = started(options["author"], {**options, "counterparty": by}, now)
    assert begun.table is not None
    return begun._replace(
        table=begun.table._replace(by=by),
        promises=(None, begun.promises[0]),
        messages=(0, begun.messages[0]),
        offered=(None, 1),
        limited=True,
    )


def asked(options: Mapping[str, Any]) -> Terms:
    """Return the terms that the options of an offer ask for."""
    return Decimal(options["price"]), Decimal(options["quantity"]), options.get("delivery")


def spoken(state: State, now: int) -> State:
    """Return the state after somebody has spoken at `now`, whatever was said."""
    return state._replace(last_word=max(state.last_word, now))


def answered(state: State, by: str, verb: str, options: Mapping[str, Any], now: int) -> Answer:
    """Return what follows from one word of one party at `now`, and how it is answered."""
    if state.over(now):
        return state, None if verb == "mark_read" else "concluded"
    if verb in _MARKS:
        # They are no words: silence goes on.
        return _MARKS[verb](state, by, options), None
    return _VERBS[verb](spoken(state, now), state, by, options, now)


def _offer(said: State, state: State, by: str, options: Mapping[str, Any], now: int) -> Answer:
    table = state.table
    if table is not None and table.by == by and not _lapsed(table, now):
        return state, "not_your_turn"
    count = 0 if table is None else table.round
    if state.cap is not None and count >= state.cap:
        return state, "rounds_exhausted"
    terms = asked(options)
    lapses = options.get("valid_until")
    first, second = said.offered
    offered = (count + 1, second) if by == said.parties[0] else (first, count + 1)
    said = said._replace(table=Table(by, count + 1, terms, lapses), offered=offered)
    promise = Promise(terms, lapses) if options.get("firm", True) else None
    return _promised(said, by, promise, now), None


def _accept(said: State, state: State, by: str, options: Mapping[str, Any], now: int) -> Answer:
    table, seen = state.table, options.get("round")
    if table is None:
        return state, "nothing_on_table"
    if seen is not None and seen != table.round:
        return state, "stale_round"
    if table.by == by:
        return state, "own_offer"
    if _lapsed(table, now):
        return state, "offer_lapsed"
    said = said._replace(table=Table(by, table.round, table.terms, None))
    return _promised(said, by, Promise(table.terms, None), now), None


def _reject(said: State, state: State, by: str, options: Mapping[str, Any], now: int) -> Answer:
    if state.table is not None and state.table.by == by:
        return state, "own_offer"
    return said._replace(end="ended"), None


def _withdraw(said: State, state: State, by: str, options: Mapping[str, Any], now: int) -> Answer:
    if state.table is not None and state.table.by != by:
        return state, "not_your_turn"
    return said._replace(end="ended"), None


def _say(said: State, state: State, by: str, options: Mapping[str, Any], now: int) -> Answer:
    mine = state.parties.index(by)
    first, second = state.messages
    messages = (first + 1, second) if mine == 0 else (first, second + 1)
    return said._replace(messages=messages), None


def _mark_read(state: State, by: str, options: Mapping[str, Any]) -> State:
    mine = state.parties.index(by)
    read = list(state.read)
    read[mine] = max(read[mine], state.messages[1 - mine])
    return state._replace(read=(read[0], read[1]))


def _react(state: State, by: str, options: Mapping[str, Any]) -> State:
    mine = state.parties.index(by)
    reactions = list(state.reactions)
    reactions[mine] = options["level"], state.offered[1 - mine]
    return state._replace(reactions=(reactions[0], reactions[1]))


_MARKS = {"mark_read": _mark_read, "react": _react}

_VERBS = {
    "offer": _offer,
    "accept": _accept,
    "reject": _reject,
    "withdraw": _withdraw,
    "say": _say,
}


def _lapsed(table: Table, now: int) -> bool:
    return table.lapses is not None and now > table.lapses


def _promised(state: State, by: str, mine: Promise | None, now: int) -> State:
    """Return the state in which a party has promised this, or nothing any more.

    Two promises of the same terms are a deal, if both stood when the second was made.
    """
    first, second = state.promises
    theirs = second if by == state.parties[0] else first
    promises = (mine, second) if by == state.parties[0] else (first, mine)
    said = state._replace(promises=promises)
    if mine is None or theirs is None or mine.terms != theirs.terms:
        return said
    if any(promise.lapses is not None and now > promise.lapses for promise in (mine, theirs)):
        return said
    return said._replace(end="agreed", deal=mine.terms)


# Two words at the same moment, each of them checked before either was there
#
# There is no lock between two parties. The product promises that no deal comes of it, and of
# the rest what follows here.


def crossed(
    state: State, by: str, verb: str, options: Mapping[str, Any], now: int, other: Set[str]
) -> Iterator[State]:
    """Yield what may follow from a word that another word has crossed.

    Args:
        state: after the other one.
        by: whose word this is.
        verb: what it is.
        options: of the verb.
        now: when it was said.
        other: what the counterparty was saying.
    """
    ends = ("reject", "withdraw")
    if state.end == "ended" and verb in ("offer", *ends) and not other.isdisjoint(ends):
        # It has ended, and both are shown that it has.
        yield state
    again = state.end == "agreed" and verb == "offer" and options.get("firm", True)
    if again and "accept" in other and asked(options) == state.deal:
        # The terms that were accepted at the same moment, once more: both are committed to them.
        yield state
    if state.over(now) or state.table is None or "offer" not in other:
        return
    if verb in ends:
        yield spoken(state, now)._replace(end="ended")
    if verb == "offer" and state.table.by != by:
        # Both count from the round that both have seen; one of them lies on the table.
        said = answered(
            state._replace(table=state.table._replace(round=state.table.round - 1)),
            by,
            verb,
            options,
            now,
        )
        if said[1] is None:
            yield said[0]
            yield said[0]._replace(table=state.table)


def accepted_in_vain(state: State, by: str, options: Mapping[str, Any], now: int) -> State | None:
    """Return the state after an acceptance that will be taken back; None where there is none."""
    following, refusal = answered(state, by, "accept", options, now)
    if refusal is not None or following.end is not None:
        return None
    promise = state.promises[state.parties.index(by)]
    return following._replace(vain=Vain(by, state.table, promise))


def taken_back(state: State, by: str, now: int) -> State | None:
    """Return the state after an acceptance has been taken back, if there was one."""
    if state.end == "agreed":
        return None
    vain = state.vain
    if vain is None or vain.by != by:
        return spoken(state, now)
    first, second = state.promises
    mine = state.parties.index(by) == 0
    answer = state.table is not None and state.table.by != by
    return spoken(state, now)._replace(
        promises=(vain.promise, second) if mine else (first, vain.promise),
        table=state.table if answer else vain.table,
        vain=None,
    )


def expired(state: State, now: int) -> State | None:
    """Return the state in which a poll at `now` finds that nobody speaks any more."""
    if state.end is None and now > state.expires_at:
        return state._replace(end="expired")
    return None


def overdrawn(state: State) -> State | None:
    """Return the state in which a poll has found too little left of the listing for the deal."""
    if state.limited and state.end == "agreed":
        return state._replace(end="ended", deal=None)
    return None


# From files: what a reader without any of the product finds


def read(files: Mapping[str, bytes], initiator: str) -> State | None:
    """Return the negotiation that these files of one namespace say, None where there is none.

    Args:
        files: the content of each, by name.
        initiator: in whose directory they lie. Where it has posted a listing, it need not have
            said anything.
    """
    records = {
        name: json.loads(data, parse_float=Decimal, parse_int=Decimal)
        for name, data in files.items()
    }
    outcome = records.pop("outcome.json", None)
    states = {record["user"]: record for record in records.values()}
    opening = next((state for state in states.values() if "created" in state), None)
    if opening is None:
        return None
    limits = opening.get("limits", {})
    both = {opening["user"], opening["counterparty"]}
    [responder] = both - {initiator}
    parties = (initiator, responder)
    first, second = (states.get(party) for party in parties)
    said = _moves(states)
    state = State(
        parties=parties,
        table=said[-1].table if said else None,
        promises=(_promise(first), _promise(second)),
        messages=(_messages(first), _messages(second)),
        read=(_marked(first), _marked(second)),
        reactions=(_reaction(first), _reaction(second)),
        offered=(_offered(said, parties[0]), _offered(said, parties[1])),
        created=int(opening["created"]),
        last_word=max(int(state["last_updated"]) for state in states.values()),
        idle_s=int(limits.get("idle_s", DAY)),
        life_s=int(limits.get("life_s", 2 * DAY)),
        cap=_whole(limits.get("max_rounds")),
        limited=any("listing" in state for state in states.values()),
    )
    return _ended(state, states, said, outcome)


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)


class _Move(NamedTuple):
    table: Table
    at: int
    accepts: bool
    now: bool


def _moves(states: Mapping[str, Any]) -> list[_Move]:
    """Return what was offered and accepted, in its order."""
    found = []
    for user, state in states.items():
        for offer in [*state.get("history", ()), state.get("offer")]:
            if offer is not None:
                lapses = _whole(offer.get("valid_until"))
                table = Table(user, int(offer["round"]), _terms(offer), lapses)
                now = offer is state.get("offer")
                accepts = bool(offer.get("accepts"))
                found.append(_Move(table, int(offer["timestamp"]), accepts, now))
    authors = {move.table.round: move.table.by for move in found if not move.accepts}

    def order(move: _Move) -> tuple[int, bool, bool]:
        # Where both accept one offer, its author does so second.
        return move.table.round, move.accepts, move.table.by == authors.get(move.table.round)

    return sorted(found, key=order)


def _terms(offer: Any) -> Terms:
    return Decimal(offer["price"]), Decimal(offer["quantity"]), offer.get("delivery")


def _promise(state: Any) -> Promise | None:
    if state is None or state["status"] != "agreed" or state.get("offer") is None:
        return None
    return Promise(_terms(state["offer"]), _whole(state["offer"].get("valid_until")))


def _offered(said: list[_Move], party: str) -> int | None:
    rounds = [move.table.round for move in said if move.table.by == party and not move.accepts]
    return max(rounds, default=None)


def _marked(state: Any) -> int:
    return 0 if state is None else int(state.get("read", {}).get("messages", 0))


def _reaction(state: Any) -> Reaction | None:
    if state is None or "reaction" not in state:
        return None
    return int(state["reaction"]["level"]), _whole(state["reaction"].get("round"))


def _messages(state: Any) -> int:
    return 0 if state is None else len(state.get("messages", ()))


def _ended(state: State, states: Mapping[str, Any], said: list[_Move], outcome: Any) -> State:
    if outcome is not None:
        kind = outcome["outcome"]
        deal = outcome.get("deal")
        return state._replace(
            end=kind if kind in ("agreed", "expired") else "ended",
            deal=None if deal is None else _terms(deal),
        )
    first, second = state.promises
    if first is not None and second is not None and first.terms == second.terms:
        earlier, later = [move for move in said if move.now]
        if not _lapsed(earlier.table, later.at) and not _lapsed(later.table, later.at):
            return state._replace(end="agreed", deal=first.terms)
    if any(record["status"] == "rejected" for record in states.values()):
        return state._replace(end="ended")
    return state
