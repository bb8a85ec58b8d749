"""What one party says in its own file: frozen records, and the states that may follow.

Rules of the room:

- Field names are those of the file. The first nine of `PartyState` besides `schema`,
  `negotiation_id` and `counterparty` have the meaning of the original format.
- `offer` and `status` are what the party says now, `history` what it said before.
- A state never changes: each method returns the state that follows it, one revision on.
- The bounds of a field are those of the file; who makes a record is expected to keep them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Self

import msgspec

from nom_negotiate.core.fields import always
from nom_negotiate.core.identity import MAX_CHEMICAL_CHARS, Address
from nom_negotiate.core.terms import Condition, Role, Terms, agreement_key, terms_of
from nom_negotiate.core.times import Duration, Seconds

STATE_SCHEMA: Final = "nom.state/1"

MAX_ROUND: Final = 1_000_000
"""More rounds than 256 KiB of offers can hold: a number beyond it is no count of them."""

# For the published schema only: see `identity.is_chemical`.
Chemical = Annotated[
    str, msgspec.Meta(extra_json_schema={"pattern": f"^[A-Za-z0-9]{{1,{MAX_CHEMICAL_CHARS}}}$"})
]

Round = Annotated[int, msgspec.Meta(ge=1, le=MAX_ROUND)]

# JSON numbers above 2^53 are not the same for every reader.
Revision = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]

MAX_LEVEL: Final = 100
Level = Annotated[int, msgspec.Meta(ge=0, le=MAX_LEVEL)]


class Status(enum.StrEnum):
    """What the party says of the terms in its `offer`."""

    PENDING = "pending"
    AGREED = "agreed"
    REJECTED = "rejected"


class Offer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Terms that a party put forward or accepted.

    Attributes:
        price: per unit.
        quantity: in units.
        timestamp: unix seconds at which it was made or accepted.
        round: counts the offers of both sides from 1; None in files of the original format.
        valid_until: unix seconds after which nobody can accept it; None for no limit.
        accepts: true where these are the counterparty's terms, accepted in that round.
        reason: why the counterparty's offer was turned down by this one.
        delivery: where, when and how it changes hands; None where that is left open.
        payment: when and how it is paid; None where that is left open.
        quality: what it has to be like; None where that is left open.
        extra: fields that this version does not know, kept as they are.
    """

    price: Decimal
    quantity: Decimal
    timestamp: Seconds
    round: Round | None = None
    valid_until: Seconds | None = None
    accepts: bool = False
    reason: str | None = None
    delivery: Condition | None = None
    payment: Condition | None = None
    quality: Condition | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, terms: Terms, *, timestamp: int, round: int, **more: Any) -> Self:
        """Return the offer of these terms.

        Args:
            terms: all of them.
            timestamp: unix seconds.
            round: see `round`.
            more: the fields that are no terms.
        """
        return cls(
            price=terms.price,
            quantity=terms.quantity,
            timestamp=timestamp,
            round=round,
            delivery=terms.delivery,
            payment=terms.payment,
            quality=terms.quality,
            **more,
        )

    @property
    def terms(self) -> Terms:
        """Return what it is over: all that a deal would bind."""
        return terms_of(self)


class PastOffer(Offer, frozen=True, kw_only=True, omit_defaults=True):
    """An offer that its author has since replaced, with the status it had.

    Attributes:
        status: `agreed` for a firm offer or an acceptance, `pending` for an indicative one.
    """

    status: Status = Status.PENDING


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A remark of a party to its counterparty.

    Attributes:
        timestamp: unix seconds.
        text: what is said, at most 2,000 characters.
        extra: fields that this version does not know, kept as they are.
    """

    timestamp: Seconds
    text: str
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class ReadMark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a party has read what the counterparty said.

    Attributes:
        timestamp: unix seconds; no earlier than that of any message that was read.
        messages: how many of the counterparty's messages, from the first one on.
        extra: fields that this version does not know, kept as they are.
    """

    timestamp: Seconds
    messages: Count
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def covers(self, number: int, message: Message) -> bool:
        """Return whether a message has been read.

        One that was said after the mark was made has not, wherever it stands: a program may have
        taken others away since.

        Args:
            number: of the message in its file, from 0.
            message: what was said.
        """
        return number < self.messages and message.timestamp <= self.timestamp


class Reaction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a party lets its counterparty know of how it likes what is offered. Binds nobody.

    Attributes:
        timestamp: unix seconds.
        level: from 0, not at all, to 100, very much.
        round: of the counterparty's offer that it is about; None where there was none.
        extra: fields that this version does not know, kept as they are.
    """

    timestamp: Seconds
    level: Level
    round: Round | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a negotiation may last.

    Attributes:
        idle_s: seconds without a word from either side before it expires.
        life_s: seconds from its first offer to its end, whatever is said.
        max_rounds: offers of both sides together; None for no cap.
        extra: fields that this version does not know, kept as they are.
    """

    idle_s: Duration = always(lambda: 24 * 3600)
    life_s: Duration = always(lambda: 48 * 3600)
    max_rounds: Round | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class PartyState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one party says in one negotiation: the content of its state file.

    Attributes:
        schema: `nom.state/1`, or None for a file of the original format.
        negotiation_id: the name of the namespace that holds the file.
        user: the author, and the only writer.
        counterparty: the other party; None where a file of the original format leaves it
            open.
        role: what the author is; None where a file of the original format leaves it open.
        chemical: what is traded.
        offer: what the author offers or accepts; None before its first offer.
        status: `agreed` where the author is committed to `offer`, `rejected` where it has
            ended the negotiation.
        agreement_key: binds the terms of `offer`; present only where `status` is `agreed`.
            Never trusted: a reader makes its own.
        last_updated: unix seconds of the last word, a message included. A read mark and a
            reaction are none.
        revision: grows by one with each change, other than that of a read mark.
        history: the author's earlier offers, oldest first, without the current one.
        messages: what the author said, oldest first.
        created: unix seconds at which the negotiation began; the initiator says it, or else
            who began it by answering a listing.
        limits: how long it may last; the same one says it.
        reason: why a party rejected or withdrew.
        withdrawn: where `status` is `rejected`, whether the author took its own offer back
            or turned the other side's down; None where it does not say.
        read: how far the author has read; None where it has marked nothing.
        reaction: how the author likes what is offered; None where it does not say.
        listing: id of the initiator's listing that the negotiation answers; None for none.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str | None
    negotiation_id: str
    user: Address
    counterparty: Address | None
    role: Role | None
    chemical: Chemical
    offer: Offer | None
    status: Status
    agreement_key: str | None = None
    last_updated: Seconds
    revision: Revision = always(int)
    history: tuple[PastOffer, ...] = always(tuple)
    messages: tuple[Message, ...] = always(tuple)
    created: Seconds | None = None
    limits: Limits | None = None
    reason: str | None = None
    withdrawn: bool | None = None
    read: ReadMark | None = None
    reaction: Reaction | None = None
    listing: str | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def committed_at(self) -> int:
        """Return when the current `offer` and `status` were said, in unix seconds.

        A message moves `last_updated` and not this. The original's clients copied the
        offer that they accepted, time stamp included, so there only `last_updated` counts.
        """
        if self.schema is None or self.offer is None or self.status is Status.REJECTED:
            return self.last_updated
        return self.offer.timestamp

    def commitment_key(self, role: Role, counterparty: Address) -> str | None:
        """Return the key of the terms this party is committed to now, or None.

        Recomputed from the party's own terms.
        """
        if self.status is not Status.AGREED or self.offer is None:
            return None
        buyer, seller = (
            (self.user, counterparty) if role is Role.BUYER else (counterparty, self.user)
        )
        return agreement_key(
            negotiation_id=self.negotiation_id,
            chemical=self.chemical,
            buyer=buyer,
            seller=seller,
            terms=self.offer.terms,
        )

    def offering(self, offer: Offer, status: Status, now: int) -> PartyState:
        """Return the state in which this party says `offer`, and what it said is history."""
        said = self._dated_offer()
        earlier = () if said is None else (_past(said, self.status),)
        return self._next(
            now,
            offer=offer,
            status=status,
            history=self.history + earlier,
            reason=None,
            withdrawn=None,
        )

    def forgetting(self) -> PartyState | None:
        """Return the state without the oldest of its earlier offers, None where there is none.

        The same revision: it is for making room in what is about to be said.
        """
        if not self.history:
            return None
        return msgspec.structs.replace(self, history=self.history[1:])

    def rejecting(self, reason: str | None, now: int) -> PartyState:
        """Return the state in which this party turns down what the other has offered."""
        return self._next(now, status=Status.REJECTED, reason=reason, withdrawn=False)

    def withdrawing(self, reason: str | None, now: int) -> PartyState:
        """Return the state in which this party takes back what it has offered."""
        return self._next(now, status=Status.REJECTED, reason=reason, withdrawn=True)

    def saying(self, text: str, now: int) -> PartyState:
        """Return the state with one more message."""
        return self._next(now, messages=(*self.messages, Message(timestamp=now, text=text)))

    def reading(self, messages: int, now: int) -> PartyState:
        """Return the state in which so many of the counterparty's messages are read.

        It is no word: neither the idle clock nor the revision moves.
        """
        mark = ReadMark(timestamp=now, messages=messages)
        return self._next(now, read=mark, revision=self.revision, last_updated=self.last_updated)

    def reacting(self, level: int, round: int | None, now: int) -> PartyState:
        """Return the state with this reaction in the place of any before. No word: see above."""
        reaction = Reaction(timestamp=now, level=level, round=round)
        return self._next(now, reaction=reaction, last_updated=self.last_updated)

    def restoring(self, before: PartyState, now: int) -> PartyState:
        """Return the state that says again what `before` said."""
        return self._next(
            now,
            offer=before._dated_offer(),
            status=before.status,
            history=before.history,
            reason=before.reason,
            withdrawn=before.withdrawn,
        )

    def _dated_offer(self) -> Offer | None:
        # Once the state is of our format, only the offer says when it was made or accepted.
        if self.schema is not None or self.offer is None or self.status is Status.REJECTED:
            return self.offer
        return msgspec.structs.replace(self.offer, timestamp=self.committed_at)

    def _next(self, now: int, **changes: Any) -> PartyState:
        fields = {
            "schema": STATE_SCHEMA,
            "offer": self._dated_offer(),
            "revision": self.revision + 1,
            # The clock may go backwards between two writes; the file's own time does not.
            "last_updated": max(now, self.last_updated),
            **changes,
        }
        changed = msgspec.structs.replace(self, **fields)
        key = None
        if changed.role is not None and changed.counterparty is not None:
            key = changed.commitment_key(changed.role, changed.counterparty)
        return msgspec.structs.replace(changed, agreement_key=key)


def _past(offer: Offer, status: Status) -> PastOffer:
    return PastOffer(
        price=offer.price,
        quantity=offer.quantity,
        timestamp=offer.timestamp,
        round=offer.round,
        valid_until=offer.valid_until,
        accepts=offer.accepts,
        reason=offer.reason,
        delivery=offer.delivery,
        payment=offer.payment,
        quality=offer.quality,
        extra=offer.extra,
        status=status,
    )
