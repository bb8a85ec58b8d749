"""Is there an order in which one call after another would have been answered just so?

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), one negotiation
at a time: of the calls that nobody has to wait for, take one that the model would have answered
as it was answered, go on with the rest, and turn back where there is none. Situations that
were met before (the same calls left, the same state) are not looked at again.

A call is up to two *events*, since a party is shown the negotiation as it stands after what it
did: the word itself, and the look. Each of them is somewhere between the beginning and the end
of the call. A call that was cut off may have happened or not; a poll may find that a
negotiation has expired, and is the only one that may. Of an acceptance that is refused because
the offer was taken back at the same moment, the other party may see something before it is
taken back, too: so much the description admits (docs/adr/0001), and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tests.simulation import model
from tests.simulation.history import Call
from tests.simulation.model import Reaction, Seen, State

from nom_negotiate import Negotiation
from nom_negotiate.core.identity import Address

Known = State | None
"""None before the negotiation begins."""

Follow = Callable[[Known], Iterable[Known]]
"""What a state may be after an event; nothing where the event cannot be then."""

BEGINNINGS: Final = frozenset({"start", "respond"})
WORDS: Final = BEGINNINGS | {"offer", "accept", "reject", "withdraw", "say", "mark_read", "react"}


class Event(NamedTuple):
    """Something that happened at one instant between two moments."""

    label: str
    begun: int
    ended: int
    follow: Follow
    optional: bool = False
    after: int | None = None
    """The place in the list of an event that comes before it, if it comes at all."""
    before: int | None = None
    """The place in the list of an event that does not come before it."""


def linearizable(
    events: Sequence[Event], initial: Known, holds: Callable[[Known], bool] = lambda state: True
) -> bool:
    """Return whether there is an order that ends in a state for which `holds` is true."""
    everything = sum(1 << n for n, event in enumerate(events) if not event.optional)
    known: set[tuple[int, Known]] = set()
    waiting: list[tuple[int, int, Known]] = [(0, 0, initial)]
    while waiting:
        done, last, state = waiting.pop()
        if done & everything == everything and holds(state):
            return True
        for n, followers in _next(events, done, last, state):
            for following in followers:
                key = done | 1 << n, following
                if key not in known:
                    known.add(key)
                    waiting.append((key[0], max(last, events[n].begun), following))
    return False


def _next(
    events: Sequence[Event], done: int, last: int, state: Known
) -> Iterator[tuple[int, Iterable[Known]]]:
    left = [(n, event) for n, event in enumerate(events) if not done >> n & 1]
    first_end = min((event.ended for _, event in left if not event.optional), default=None)
    for n, event in left:
        if first_end is not None and event.begun > first_end:
            continue
        if event.ended < last or (event.after is not None and not done >> event.after & 1):
            continue
        if event.before is not None and done >> event.before & 1:
            continue
        yield n, event.follow(state)


# From calls to events


def events_of(calls: Iterable[Call], negotiation: str, *, strict: bool = True) -> list[Event]:
    """Return what happened to one negotiation in these calls.

    Args:
        calls: in any order.
        negotiation: its id.
        strict: with refusals and looks; else only with what had an effect.
    """
    events: list[Event] = []
    concerned = [c for c in calls if c.verb == "poll" or c.negotiation == negotiation]
    for call in concerned:
        if call.verb == "poll":
            events += _polled(call, negotiation, strict=strict)
            continue
        others = [c for c in concerned if c is not call and _overlap(c, call)]
        in_vain = any(c.verb == "accept" and c.code in ("moved", "busy") for c in others)
        crossed = frozenset(c.verb for c in others if c.party != call.party and c.verb in WORDS)
        if call.fate == "done":
            if call.verb in WORDS:
                # A power cut may take a mark that was there already, and was never reported.
                lost = call.verb == "mark_read" and not strict
                events.append(_event(call, _said(call, crossed), optional=lost))
            if strict and call.found is not None and not in_vain:
                word = len(events) - 1 if call.verb in WORDS else None
                events.append(_event(call, _looked(call, call.found), after=word))
        elif call.fate == "refused":
            if call.verb == "accept" and call.code in ("moved", "busy", "concluded"):
                events.append(_event(call, _accepted(call), optional=True, before=len(events) + 1))
                events.append(_event(call, _taken_back(call, judged=strict and not in_vain)))
            elif call.verb in BEGINNINGS:
                if not call.is_judged:
                    # It is there, and its author could not find it: see `Simulation._call`.
                    events.append(_event(call, _said(call, crossed), optional=True))
            elif strict and not in_vain and call.is_judged:
                events.append(_event(call, _refused(call)))
        elif call.verb in WORDS:
            events.append(_event(call, _said(call, crossed), optional=True))
    return events


def _overlap(one: Call, other: Call) -> bool:
    return one.begun < other.ended and other.begun < one.ended


def _event(
    call: Call,
    follow: Follow,
    *,
    optional: bool = False,
    after: int | None = None,
    before: int | None = None,
) -> Event:
    return Event(str(call), call.begun, call.ended, follow, optional, after, before)


def _times(call: Call) -> list[int]:
    return sorted(set(call.times))


def _said(call: Call, crossed: frozenset[str]) -> Follow:
    assert call.party is not None
    party = call.party

    def follow(state: Known) -> Iterator[Known]:
        for now in _times(call):
            if call.verb in BEGINNINGS:
                begun = model.started if call.verb == "start" else model.responded
                if state is None:
                    yield begun(party, call.options, now)
            elif state is not None:
                following, refusal = model.answered(state, party, call.verb, call.options, now)
                if refusal is None:
                    yield following
                if crossed:
                    yield from model.crossed(state, party, call.verb, call.options, now, crossed)

    return follow


def _accepted(call: Call) -> Follow:
    assert call.party is not None
    party = call.party

    def follow(state: Known) -> Iterator[Known]:
        for now in _times(call):
            if state is None:
                continue
            following = model.accepted_in_vain(state, party, call.options, now)
            if following is not None:
                yield following
            elif state.limited:
                # It was heard, and of the listing there was too little left.
                agreed, refusal = model.answered(state, party, "accept", call.options, now)
                if refusal is None:
                    yield agreed

    return follow


def _taken_back(call: Call, *, judged: bool) -> Follow:
    """Return what follows when the author of an acceptance is told that it does not count."""
    assert call.party is not None
    party = call.party
    refused = _refused(call) if judged else _nothing

    def follow(state: Known) -> Iterable[Known]:
        if state is None or state.vain is None or state.vain.by != party:
            # It never came to be; where it was written, silence begins anew.
            spoken = [] if state is None or call.code == "concluded" else _times(call)
            return [*refused(state), *(model.spoken(state, now) for now in spoken if state)]
        if call.code == "concluded":
            # It was answered, by the end of the negotiation, before its author was told of it.
            return [state._replace(vain=None)] if state.end == "ended" else []
        back = [model.taken_back(state, party, now) for now in _times(call)]
        return [following for following in back if following is not None]

    return follow


def _nothing(state: Known) -> Iterable[Known]:
    return [state]


def _looked(call: Call, found: Negotiation) -> Follow:
    shown = _shown(found)

    def follow(state: Known) -> Iterator[Known]:
        if state is None:
            return
        seen = state.seen()
        late = shown.phase == "expired" and any(state.over(now) for now in call.times)
        if seen == shown or (seen.phase == "open" and late):
            yield state

    return follow


def _shown(found: Negotiation) -> Seen:
    phase = "open" if found.phase.open else found.phase.value
    if phase in ("withdrawn", "rejected"):
        phase = "ended"
    if phase != "open":
        table, outcome = found.on_table, found.outcome
        deal = None
        if phase == "agreed":
            of = outcome.deal if outcome is not None else table
            assert of is not None
            deal = of.price, of.quantity, of.delivery
        return Seen(phase, deal)
    table = found.on_table
    terms = None if table is None else (table.price, table.quantity, table.delivery)
    lies = None if table is None or terms is None else (table.by, table.round, terms)
    one, other = found.initiator, found.responder
    first, second = (
        sum(message.by == party for message in found.messages) for party in (one, other)
    )
    return Seen(
        "open",
        None,
        lies,
        (first, second),
        (_read(found, one), _read(found, other)),
        (_reaction(found, one), _reaction(found, other)),
    )


def _read(found: Negotiation, party: Address | None) -> int:
    mark = None if party is None else found.read.get(party)
    return 0 if mark is None else mark.messages


def _reaction(found: Negotiation, party: Address | None) -> Reaction | None:
    reaction = None if party is None else found.reactions.get(party)
    return None if reaction is None else (reaction.level, reaction.round)


def _refused(call: Call) -> Follow:
    assert call.party is not None
    party, code = call.party, call.code

    def follow(state: Known) -> Iterator[Known]:
        if code == "unknown_negotiation" or state is None:
            if code == "unknown_negotiation" and state is None:
                yield state
            return
        if code in ("moved", "busy"):
            yield state
        elif code == "malformed_record":
            # A power cut has left an outcome torn: the parties wait until a pass makes it anew.
            if call.error is not None and "/outcome.json: " in call.error.message:
                yield state
        elif code == "already_accepted":
            if state.end == "agreed":
                yield state
        elif code == "not_listed":
            # How much is left of a listing hangs on other negotiations.
            if state.limited and call.verb == "accept":
                yield state
        elif call.verb == "look":
            return
        elif (code == "concluded" and state.end is not None) or any(
            model.answered(state, party, call.verb, call.options, now)[1] == code
            for now in _times(call)
        ):
            yield state

    return follow


def _polled(call: Call, negotiation: str, *, strict: bool) -> Iterator[Event]:
    report = call.report
    told = None
    if report is not None:
        kinds = ("active", "agreed", "rejected", "withdrawn", "expired")
        told = next((kind for kind in kinds if negotiation in getattr(report, kind)), None)

    def expires(state: Known) -> Iterator[Known]:
        for now in _times(call):
            following = None if state is None else model.expired(state, now)
            if following is not None:
                yield following

    def ends(state: Known) -> Iterator[Known]:
        yield from expires(state)
        if report is None and state is not None and (short := model.overdrawn(state)):
            yield short

    def found(state: Known) -> Iterator[Known]:
        if state is None:
            return
        if told == "rejected" and (short := model.overdrawn(state)):
            yield short
        if told == "active":
            # What waits for another deal over the same listing is agreed, and not concluded.
            fits = state.end is None or model.overdrawn(state) is not None
        elif told in ("rejected", "withdrawn"):
            fits = state.end == "ended"
        else:
            fits = state.end == told
        if fits:
            yield state
        elif told == "expired":
            yield from expires(state)

    if told is None or (told == "active" and not strict):
        yield _event(call, ends, optional=True)
    else:
        yield _event(call, found)
