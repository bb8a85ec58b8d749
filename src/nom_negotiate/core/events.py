"""What has happened in a negotiation, told from what was known of it and what is there now.

Rules of the room:

- Events follow from the files alone: whoever wrote them, and however many changes lie between
  two looks. `follow` takes what is known and a snapshot, and returns what is new and what is
  known then; `posted_or_closed` does the same for listings.
- Each thing that a party said has an identity of its own: who, when, the terms and the round of
  an offer; who, when and the text of a message; and which one of several equal ones it is. What
  is known is the set of those that were told. So nothing is told twice, and nothing that still
  stands in a file, as an earlier offer or a message, is left out.
- An end is told when it comes, by a party's own word or by the outcome. Where the outcome says
  something else than that party did, both are told.
- Within one negotiation events come in the order in which things were said: offers and
  acceptances by their rounds, the messages of a party as its file has them, one with another by
  their times.
- A state that cannot be read says nothing, and what was known of it stays known.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.moves import Move, moves_of
from nom_negotiate.core.negotiation import course_of, ended_by
from nom_negotiate.core.outcome import Kind, Side
from nom_negotiate.core.party import Listing, ListingStatus
from nom_negotiate.core.snapshot import Snapshot
from nom_negotiate.core.state import Limits, Offer, PartyState, Status
from nom_negotiate.core.terms import plain

WARN_AHEAD_S: Final = 6 * 3600
"""Seconds before a negotiation expires at which that is told, unless it is short-lived."""


# ------------------------------------------------------------------ what may happen


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has happened.

    Attributes:
        kind: what it is, such as `negotiation.started`; the same for all of a class.
        at: unix seconds at which it happened, as the files have it.
    """

    kind: ClassVar[str] = ""

    at: int

    def as_dict(self) -> dict[str, Any]:
        """Return its kind and its fields, those left out that say nothing; decimals kept."""
        found: dict[str, Any] = {"kind": self.kind}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                found[name] = Decimal(plain(value))
            elif isinstance(value, Mapping):
                found[name] = dict(value)
            elif value is not None:
                found[name] = value
        return found


class NegotiationEvent(Event, frozen=True, kw_only=True):
    """Something that has happened in a negotiation.

    Attributes:
        negotiation_id: which one.
        initiator: who began it, and whose directory holds it.
        responder: the other party; None while no file says who it is.
        chemical: what is traded.
        by: whose doing it is; None where it is nobody's, or no file says.
    """

    negotiation_id: str
    initiator: Address
    responder: Address | None
    chemical: str
    by: Address | None = None


class Started(NegotiationEvent, frozen=True, kw_only=True):
    """A negotiation is there that was not there before.

    Attributes:
        buyer: None where no file says yet who buys.
        seller: None where no file says yet who sells.
        listing: id of the initiator's listing that it answers; None for none.
    """

    kind: ClassVar[str] = "negotiation.started"

    buyer: Address | None = None
    seller: Address | None = None
    listing: str | None = None


class _Terms(NegotiationEvent, frozen=True, kw_only=True):
    round: int
    price: Decimal
    quantity: Decimal
    delivery: str | None = None
    payment: str | None = None
    quality: str | None = None


class OfferMade(_Terms, frozen=True, kw_only=True):
    """A party has made an offer, the first one or a counter-offer.

    Attributes:
        round: 1 for the first offer.
        price: per unit.
        quantity: in units.
        delivery: a term in words, as `payment` and `quality`; None where it is left open.
        firm: whether it commits its author; None where its author has ended the negotiation
            since, and the file does not tell any more.
        valid_until: unix seconds after which it cannot be accepted.
        reason: why the offer before it was turned down.
    """

    kind: ClassVar[str] = "negotiation.offer_made"

    firm: bool | None = None
    valid_until: int | None = None
    reason: str | None = None


class Accepted(_Terms, frozen=True, kw_only=True):
    """A party has accepted an offer.

    Attributes:
        round: of the offer.
        price: per unit.
        quantity: in units.
        delivery: a term in words, as `payment` and `quality`; None where it is left open.
    """

    kind: ClassVar[str] = "negotiation.accepted"


class Rejected(NegotiationEvent, frozen=True, kw_only=True):
    """A party has turned down the offer on the table, or a validator the deal.

    Attributes:
        by: None for a validator.
        reason: why, in words.
    """

    kind: ClassVar[str] = "negotiation.rejected"

    reason: str | None = None


class Withdrawn(NegotiationEvent, frozen=True, kw_only=True):
    """A party has taken its own offer back, and ended the negotiation.

    Attributes:
        reason: why, in words.
    """

    kind: ClassVar[str] = "negotiation.withdrawn"

    reason: str | None = None


class Expired(NegotiationEvent, frozen=True, kw_only=True):
    """A pass has found that nobody spoke in time.

    Attributes:
        reason: which of its limits it reached.
    """

    kind: ClassVar[str] = "negotiation.expired"

    reason: str | None = None


class Expiring(NegotiationEvent, frozen=True, kw_only=True):
    """A negotiation is going to expire unless somebody speaks. Told once for each due time.

    Attributes:
        expires_at: unix seconds after which it expires.
    """

    kind: ClassVar[str] = "negotiation.expiring"

    expires_at: int


class MessageSent(NegotiationEvent, frozen=True, kw_only=True):
    """A party has said something.

    Attributes:
        text: what.
    """

    kind: ClassVar[str] = "negotiation.message_sent"

    text: str


class Settled(NegotiationEvent, frozen=True, kw_only=True):
    """Both transactions of a deal are in their places.

    Attributes:
        price: per unit.
        quantity: in units.
        delivery: a term in words, as `payment` and `quality`; None where it was left open.
        listing: id of the initiator's listing that it counts against; None for none.
        transactions: the names of the files that were asked for, by party.
    """

    kind: ClassVar[str] = "negotiation.settled"

    buyer: Address
    seller: Address
    price: Decimal
    quantity: Decimal
    delivery: str | None = None
    payment: str | None = None
    quality: str | None = None
    listing: str | None = None
    transactions: Mapping[Address, str]


class ListingEvent(Event, frozen=True, kw_only=True):
    """Something that has happened to a listing.

    Attributes:
        listing_id: unique among those of its author.
        by: its author.
        type: what its author wants to do.
        price: per unit; None where it is left open.
        quantity: in units; None where it is left open.
    """

    listing_id: str
    by: Address
    type: Side
    chemical: str
    price: Decimal | None = None
    quantity: Decimal | None = None


class ListingPosted(ListingEvent, frozen=True, kw_only=True):
    """A party has posted a listing, or opened one again."""

    kind: ClassVar[str] = "listing.posted"


class ListingClosed(ListingEvent, frozen=True, kw_only=True):
    """A listing does not stand any more."""

    kind: ClassVar[str] = "listing.closed"


KINDS: Final[tuple[type[Event], ...]] = (
    Started,
    OfferMade,
    Accepted,
    Rejected,
    Withdrawn,
    Expired,
    Expiring,
    MessageSent,
    Settled,
    ListingPosted,
    ListingClosed,
)


# ------------------------------------------------------------------ negotiations


class Known(NamedTuple):
    """What is known of a negotiation: enough to tell what is new in it, and little more.

    Attributes:
        told: identities of what the parties said, as hashes: a chance of one in 2^50 to take
            something new for known is worth a tenth of the memory.
        last: of each party that writes no history, the terms it said last.
        ended: how it has ended, by a party's word or the outcome; None while it goes on.
        settled: whether its settlement was told.
        due: unix second after which it expires, with no further word; None where it has ended.
        idle_s: seconds of silence after which it expires.
        warned: the due time that was warned of.
        about: what each event of it says.
    """

    told: frozenset[int]
    last: Mapping[Address, tuple[object, ...]]
    ended: Kind | None
    settled: bool
    due: int | None
    idle_s: int
    warned: int | None
    about: Mapping[str, Any]


def follow(
    known: Known | None, snapshot: Snapshot, defaults: Limits
) -> tuple[list[Event], Known | None]:
    """Return what is new in a negotiation, in order, and what is known of it then.

    Args:
        known: from the call before; None where there was none.
        snapshot: what is there now.
        defaults: the limits of a negotiation that says none itself.
    """
    states = snapshot.states
    if not states or _is_ambiguous(snapshot):
        return [], known
    moves = moves_of(snapshot)
    said = _Saying(known, snapshot)
    chronicle = heapq.merge(
        said.moves(moves), *map(said.messages, states.values()), key=lambda event: event.at
    )
    events: list[Event] = [] if known is not None else [_started(snapshot, said.about, moves)]
    events += chronicle
    events += said.endings(moves)
    course = course_of(snapshot, defaults, lambda: moves)
    goes_on = said.ended is None and course.agreed_at is None and snapshot.outcome is None
    after = Known(
        told=said.before | said.fresh if said.fresh else said.before,
        last=said.last,
        ended=said.ended,
        settled=said.settled,
        due=course.expires_at if goes_on else None,
        idle_s=course.limits.idle_s,
        warned=None if known is None else known.warned,
        about=said.about if known is None or known.about != said.about else known.about,
    )
    return events, after


def warn_at(known: Known, ahead_s: int | None) -> int | None:
    """Return when it is to be told that a negotiation expires; None where it was, or will not.

    Args:
        known: what is known of it.
        ahead_s: seconds before; None for six hours, or a quarter of the silence that it lasts
            where that is less.
    """
    if known.due is None or known.due == known.warned:
        return None
    if ahead_s is None:
        ahead_s = min(WARN_AHEAD_S, known.idle_s // 4)
    return known.due - ahead_s


def warn(known: Known, ahead_s: int | None) -> tuple[Expiring, Known]:
    """Return the warning, and what is known after it; to be asked from `warn_at` on."""
    at = warn_at(known, ahead_s)
    assert at is not None, "what is not due is not warned of"
    assert known.due is not None, "what is warned of is due"
    event = Expiring(at=at, expires_at=known.due, **known.about)
    return event, known._replace(warned=known.due)


def _is_ambiguous(snapshot: Snapshot) -> bool:
    """Return whether what can be read may mean something else with what cannot.

    In the original format only the other side's terms tell an offer from an acceptance.
    """
    if snapshot.decidable or len(snapshot.states) > 1:
        return False
    return any(state.schema is None for state in snapshot.states.values())


def _started(snapshot: Snapshot, about: Mapping[str, Any], moves: tuple[Move, ...]) -> Started:
    roles = {
        party: snapshot.role(party)
        for party in (snapshot.initiator, snapshot.responder)
        if party is not None
    }
    opening = snapshot.opening
    times = [state.last_updated for state in snapshot.states.values()]
    at = None if opening is None else opening.created
    return Started(
        at=min([*times, *(move.at for move in moves)]) if at is None else at,
        # Who answers a listing speaks first, and is not the initiator.
        by=moves[0].by if moves and snapshot.listing is not None else snapshot.initiator,
        buyer=next((party for party, role in roles.items() if role == "buyer"), None),
        seller=next((party for party, role in roles.items() if role == "seller"), None),
        listing=snapshot.listing,
        **about,
    )


class _Saying:
    """What the two parties say, compared with what was known."""

    def __init__(self, known: Known | None, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.about: dict[str, Any] = {
            "negotiation_id": snapshot.id,
            "initiator": snapshot.initiator,
            "responder": snapshot.responder,
            "chemical": next(state.chemical for state in snapshot.states.values()),
        }
        self.before: frozenset[int] = frozenset() if known is None else known.told
        self.fresh: set[int] = set()
        self.last = {} if known is None else dict(known.last)
        self.ended = None if known is None else known.ended
        self.settled = known is not None and known.settled

    def is_new(self, *identities: int) -> bool:
        """Return whether none of these was told, and note that they are now."""
        new = self.before.isdisjoint(identities) and self.fresh.isdisjoint(identities)
        self.fresh.add(identities[0])
        return new

    def moves(self, moves: tuple[Move, ...]) -> Iterator[Event]:
        rounds = {party: _rounds(state) for party, state in self.snapshot.states.items()}
        current = {
            party: max((n for n, move in enumerate(moves) if move.by == party), default=-1)
            for party, state in self.snapshot.states.items()
            if state.schema is None
        }
        seen: Counter[tuple[object, ...]] = Counter()
        found: list[Event] = []
        for number, move in enumerate(moves):
            state = self.snapshot.states[move.by]
            terms = (move.price, move.quantity, move.firm)
            written = (move.by, move.at, *terms)
            queue = rounds[move.by].get(written[1:])
            identity = (*written, queue.pop(0) if queue else None)
            seen[identity] += 1
            own = hash((*identity, seen[identity]))
            # Whoever ended the negotiation does not tell any more whether its offer was firm.
            ended = state.status is Status.REJECTED
            firm = hash((*identity[:4], True, identity[-1], seen[identity]))
            new = self.is_new(own, firm) if ended else self.is_new(own)
            if current.get(move.by) == number:
                # A file without a history: written once more with the same words, it says
                # nothing new; with others it does, in the same second, too.
                last = self.last.get(move.by)
                new = last is None or last[: 2 if ended else 3] != terms[: 2 if ended else 3]
                self.last[move.by] = terms
            if new:
                found.append(self._move(move, None if ended and not move.firm else move.firm))
        return iter(found)

    def _move(self, move: Move, firm: bool | None) -> Event:
        terms: dict[str, Any] = {
            "round": move.round,
            "price": move.price,
            "quantity": move.quantity,
            **move.terms.conditions,
        }
        if move.accepts:
            return Accepted(at=move.at, by=move.by, **terms, **self.about)
        return OfferMade(
            at=move.at,
            by=move.by,
            firm=firm,
            valid_until=move.valid_until,
            reason=move.reason,
            **terms,
            **self.about,
        )

    def messages(self, state: PartyState) -> Iterator[Event]:
        seen: Counter[tuple[object, ...]] = Counter()
        for message in state.messages:
            identity = (state.user, message.timestamp, message.text)
            seen[identity] += 1
            if self.is_new(hash((*identity, seen[identity]))):
                yield MessageSent(
                    at=message.timestamp, by=state.user, text=message.text, **self.about
                )

    def endings(self, moves: tuple[Move, ...]) -> Iterator[Event]:
        """Yield how it has ended, where that is new, and that it is settled."""
        snapshot, outcome = self.snapshot, self.snapshot.outcome
        ending = ended_by(snapshot, moves)
        kind = None if ending is None else ending[1]
        if outcome is not None:
            kind = outcome.outcome
        elif kind is None and not snapshot.decidable:
            # What cannot be read may have ended it.
            kind = self.ended
        # A client that knows no rules may go on after an end; the next one is told again.
        before, self.ended = self.ended, kind
        if kind is not None and kind is not before:
            if ending is not None and kind is ending[1]:
                state = ending[0]
                yield from self._end(kind, state.last_updated, state.user, state.reason)
            elif outcome is not None:
                yield from self._end(kind, outcome.at, outcome.by, outcome.reason)
        # The move to the archive begins when both transactions are durable.
        deal = None if outcome is None or not outcome.transactions else outcome.deal
        if snapshot.archived and outcome is not None and deal is not None and not self.settled:
            self.settled = True
            yield Settled(
                at=outcome.at,
                buyer=deal.buyer,
                seller=deal.seller,
                price=deal.price,
                quantity=deal.quantity,
                delivery=deal.delivery,
                payment=deal.payment,
                quality=deal.quality,
                listing=outcome.listing,
                transactions=outcome.transactions,
                **self.about,
            )

    def _end(self, kind: Kind, at: int, by: Address | None, reason: str | None) -> Iterator[Event]:
        if kind is Kind.REJECTED:
            yield Rejected(at=at, by=by, reason=reason, **self.about)
        elif kind is Kind.WITHDRAWN:
            yield Withdrawn(at=at, by=by, reason=reason, **self.about)
        elif kind is Kind.EXPIRED:
            yield Expired(at=at, reason=reason, **self.about)


def _rounds(state: PartyState) -> dict[tuple[object, ...], list[int | None]]:
    """Return the rounds that a party wrote itself, by time and terms, in their order."""
    found: dict[tuple[object, ...], list[int | None]] = {}

    def note(offer: Offer, at: int, *, firm: bool) -> None:
        found.setdefault((at, offer.price, offer.quantity, firm), []).append(offer.round)

    for past in state.history:
        note(past, past.timestamp, firm=past.status is Status.AGREED)
    if state.offer is not None:
        rejected = state.status is Status.REJECTED
        at = state.last_updated if state.schema is None and not rejected else state.offer.timestamp
        note(state.offer, at, firm=state.status is Status.AGREED)
    return found


# ------------------------------------------------------------------ listings


def posted_or_closed(
    known: Mapping[str, Listing], found: Iterable[Listing], unreadable: Iterable[str], now: int
) -> tuple[list[Event], dict[str, Listing]]:
    """Return what is new among the listings of a party, and what is known of them then.

    Args:
        known: from the call before, by id.
        found: those that are there, open or closed.
        unreadable: ids of those that are there and cannot be read: they stay as known.
        now: unix seconds; when one was removed that nobody had closed.
    """
    events: list[Event] = []
    after = {listing.id: listing for listing in found}
    for listing in after.values():
        before = known.get(listing.id)
        was_open = before is not None and before.status is ListingStatus.ACTIVE
        is_open = listing.status is ListingStatus.ACTIVE
        if before is None or (is_open and not was_open):
            events.append(ListingPosted(at=listing.created, **_listed(listing)))
            was_open = True
        if was_open and not is_open:
            at = listing.created if listing.closed_at is None else listing.closed_at
            events.append(ListingClosed(at=at, **_listed(listing)))
    kept = set(unreadable)
    for listing in known.values():
        if listing.id in after:
            continue
        if listing.id in kept:
            after[listing.id] = listing
        elif listing.status is ListingStatus.ACTIVE:
            events.append(ListingClosed(at=now, **_listed(listing)))
    events.sort(key=lambda event: event.at)
    return events, after


def _listed(listing: Listing) -> dict[str, Any]:
    return {
        "listing_id": listing.id,
        "by": listing.user,
        "type": listing.type,
        "chemical": listing.chemical,
        "price": listing.price,
        "quantity": listing.quantity,
    }
