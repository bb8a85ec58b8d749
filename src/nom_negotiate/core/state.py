"""What one party says in its own file: frozen records, and the states that may follow.

Rules of the room:

- Field names are those of the file. The first nine of `PartyState` besides `schema`,
  `negotiation_id` and `counterparty` have the meaning of the original format.
- `offer` and `status` are what the party says now, `history` what it said before.
- A state never changes: each method returns the state that follows it, one revision on.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.terms import Role, Terms, agreement_key

STATE_SCHEMA: Final = "nom.state/1"


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
        extra: fields that this version does not know, kept as they are.
    """

    price: Decimal
    quantity: Decimal
    timestamp: int
    round: int | None = None
    valid_until: int | None = None
    accepts: bool = False
    reason: str | None = None
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)

    @property
    def terms(self) -> Terms:
        """Return price and quantity."""
        return Terms(price=self.price, quantity=self.quantity)


class PastOffer(Offer, frozen=True, kw_only=True, omit_defaults=True):
    """An offer that its author has since replaced, with the status it had.

    Attributes:
        status: `agreed` for a firm offer or an acceptance, `pending` for an indicative one.
    """

    status: Status = Status.PENDING


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A remark of a party to its counterparty.

    Attributes:
        timestamp: unix seconds.
        text: at most 2,000 characters.
        extra: fields that this version does not know, kept as they are.
    """

    timestamp: int
    text: str
    extra: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a negotiation may last.

    Attributes:
        idle_s: seconds without a word from either side before it expires.
        life_s: seconds from its first offer to its end, whatever is said.
        max_rounds: offers of both sides together; None for no cap.
    """

    idle_s: int = 24 * 3600
    life_s: int = 48 * 3600
    max_rounds: int | None = None


class PartyState(msgspec.Struct, frozen=True, kw_only=True):
    """All that one party says in one negotiation: the content of its state file.

    Attributes:
        schema: `nom.state/1`, or None for a file of the original format.
        user: the author, and the only writer.
        role: None where a file of the original format leaves it open.
        agreement_key: present only where `status` is `agreed`. Never trusted: see
            `commitment_key`.
        last_updated: unix seconds of the last change, a message included.
        revision: grows by one with each change.
        history: earlier offers, oldest first, without the current one.
        created: unix seconds at which the negotiation began; the initiator says it.
        limits: how long it may last; the initiator says it.
        reason: why a party rejected or withdrew.
        extra: fields that this version does not know, kept as they are.
    """

    schema: str | None
    negotiation_id: str
    user: Address
    counterparty: Address | None
    role: Role | None
    chemical: str
    offer: Offer | None
    status: Status
    agreement_key: str | None = None
    last_updated: int
    revision: int = 0
    history: tuple[PastOffer, ...] = ()
    messages: tuple[Message, ...] = ()
    created: int | None = None
    limits: Limits | None = None
    reason: str | None = None
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
        earlier = () if self.offer is None else (_past(self.offer, self.status),)
        return self._next(
            now, offer=offer, status=status, history=self.history + earlier, reason=None
        )

    def rejecting(self, reason: str | None, now: int) -> PartyState:
        """Return the state in which this party ends the negotiation."""
        return self._next(now, status=Status.REJECTED, reason=reason)

    def saying(self, text: str, now: int) -> PartyState:
        """Return the state with one more message."""
        return self._next(now, messages=(*self.messages, Message(timestamp=now, text=text)))

    def restoring(self, before: PartyState, now: int) -> PartyState:
        """Return the state that says again what `before` said."""
        return self._next(
            now,
            offer=before.offer,
            status=before.status,
            history=before.history,
            reason=before.reason,
        )

    def _next(self, now: int, **changes: Any) -> PartyState:
        # The clock may go backwards between two writes; the file's own time does not.
        at = max(now, self.last_updated)
        changed = msgspec.structs.replace(
            self, schema=STATE_SCHEMA, revision=self.revision + 1, last_updated=at, **changes
        )
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
        extra=offer.extra,
        status=status,
    )
