"""From an old negotiation of L2 or L4 to the two states, and the outcome, that it becomes.

Rules of the room:

- Pure. The same negotiation, id and time give the same bytes.
- Each offer keeps its author, terms, time and place in the order; rounds count from 1.
- Only the offer on the table is firm. Earlier ones are history without a commitment: two of
  the same terms, one from each side, must not become an agreement that nobody made.
- What goes on begins anew at the time of the migration, so that it does not expire before its
  parties have seen it. What has ended keeps all its times, and stands for no transactions: it
  was executed before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, state_file_name
from nom_negotiate.core.outcome import Basis, Deal, Kind, Outcome
from nom_negotiate.core.state import (
    STATE_SCHEMA,
    Limits,
    Offer,
    PartyState,
    PastOffer,
    Reaction,
    Status,
)
from nom_negotiate.core.terms import Role, Terms, agreement_key
from nom_negotiate.legacy.records import OldNegotiation, OldOffer, OldReaction
from nom_negotiate.legacy.target import mark
from nom_negotiate.store.reading import OUTCOME_NAME

WHY_UNKNOWN = "the old program ended it and noted no reason"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a negotiation ended.

    Attributes:
        at: unix seconds.
        by: who ended it.
        terms: of the deal, for `agreed`.
    """

    kind: Kind
    at: int
    by: Address | None = None
    reason: str | None = None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A negotiation as it will lie in the data root.

    Attributes:
        states: the initiator's first.
        ending: None while it goes on.
        extra: of the outcome.
    """

    states: tuple[PartyState, PartyState]
    ending: Ending | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        """Return its files by name.

        Raises:
            RecordError: `record_too_large`.
        """
        initiator, responder = self.states
        pairs = ((initiator, responder.user), (responder, initiator.user))
        files = {state_file_name(state.user, other): codec.encode(state) for state, other in pairs}
        if self.ending is not None:
            files[OUTCOME_NAME] = codec.encode(self.outcome(list(files.values()), self.ending))
        return files

    def outcome(self, data: list[bytes], ending: Ending) -> Outcome:
        """Return the outcome that `ending` is, decided from states of these bytes."""
        initiator, responder = self.states
        return Outcome(
            negotiation_id=initiator.negotiation_id,
            outcome=ending.kind,
            at=ending.at,
            initiator=initiator.user,
            responder=responder.user,
            chemical=initiator.chemical,
            by=ending.by,
            reason=ending.reason,
            deal=None if ending.terms is None else _deal(initiator, ending.terms),
            listing=initiator.listing,
            states={
                state.user: Basis(revision=state.revision, sha256=sha256(text).hexdigest())
                for state, text in zip(self.states, data, strict=True)
            },
            extra=self.extra,
        )


def _deal(initiator: PartyState, terms: Terms) -> Deal:
    assert initiator.counterparty is not None, "both parties are known"
    buyer, seller = initiator.user, initiator.counterparty
    if initiator.role is Role.SELLER:
        buyer, seller = seller, buyer
    return Deal(
        buyer=buyer,
        seller=seller,
        chemical=initiator.chemical,
        price=terms.price,
        quantity=terms.quantity,
        agreement_key=agreement_key(
            negotiation_id=initiator.negotiation_id,
            chemical=initiator.chemical,
            buyer=buyer,
            seller=seller,
            terms=terms,
        ),
    )


def keyed(state: PartyState) -> PartyState:
    """Return the state with the key of what it is committed to, if it is to anything."""
    assert state.role is not None, "a draft knows who buys"
    assert state.counterparty is not None, "a draft knows both parties"
    key = state.commitment_key(state.role, state.counterparty)
    return msgspec.structs.replace(state, agreement_key=key)


def draft(
    old: OldNegotiation, id: str, now: int, limits: Limits, listing: str | None = None
) -> Draft:
    """Return what an old negotiation becomes.

    Args:
        old: with at least one offer, between two people.
        id: the one it will have.
        now: unix seconds of the migration.
        limits: how long it may last if it goes on.
        listing: id of the initiator's listing that it answers, if it does.
    """
    about = mark(
        id=old.id,
        generation=old.generation,
        session=old.session,
        created=old.created_at,
        updated=old.updated_at,
        ad_id=old.ad_id if listing is None else None,
        accepted_by=old.closed_by if old.status == "accepted" else None,
    )
    table = old.offers[-1]
    live = old.status == "pending"
    at = max(now, *(offer.at for offer in old.offers))
    states = []
    for user in (old.initiator, old.responder):
        state = PartyState(
            schema=STATE_SCHEMA,
            negotiation_id=id,
            user=user,
            counterparty=old.responder if user == old.initiator else old.initiator,
            role=_role(old, user),
            chemical=old.chemical,
            offer=None,
            status=Status.PENDING,
            last_updated=at if live else old.created_at,
            created=(at if live else old.created_at) if user == old.initiator else None,
            limits=limits if user == old.initiator else None,
            listing=listing,
            extra=about if user == old.initiator else mark(id=old.id),
            reaction=next((_reaction(one) for one in old.reactions if one.by == user), None),
        )
        state = _with_offers(state, old.offers, live)
        states.append(keyed(state if live else _with_end(state, old, table)))
    initiator, responder = states
    return Draft((initiator, responder), None if live else _ending(old), mark(id=old.id))


def _reaction(old: OldReaction) -> Reaction:
    return Reaction(timestamp=old.at, level=old.level)


def _role(old: OldNegotiation, user: Address) -> Role:
    own = Role.BUYER if old.side == "buy" else Role.SELLER
    return own if user == old.initiator else own.other


def _with_offers(state: PartyState, offers: tuple[OldOffer, ...], live: bool) -> PartyState:
    said = [(n, one) for n, one in enumerate(offers, 1) if one.by == state.user]
    if not said:
        return state
    number, last = said[-1]
    return msgspec.structs.replace(
        state,
        offer=_offer(number, last),
        status=Status.AGREED if number == len(offers) else Status.PENDING,
        last_updated=state.last_updated if live else last.at,
        revision=len(said),
        history=tuple(
            PastOffer(price=o.price, quantity=o.quantity, timestamp=o.at, round=n)
            for n, o in said[:-1]
        ),
    )


def _offer(number: int, offer: OldOffer) -> Offer:
    return Offer(price=offer.price, quantity=offer.quantity, timestamp=offer.at, round=number)


def _with_end(state: PartyState, old: OldNegotiation, table: OldOffer) -> PartyState:
    """Return the state as it was when the negotiation ended."""
    assert old.closed_at is not None, "what is not pending was closed"
    if old.status == "accepted" and state.user != table.by:
        accepted = Offer(
            price=table.price,
            quantity=table.quantity,
            timestamp=old.closed_at,
            round=len(old.offers),
            accepts=True,
        )
        return state.offering(accepted, Status.AGREED, old.closed_at)
    if old.status == "rejected" and state.user == old.closed_by:
        return state.rejecting(old.reason, old.closed_at)
    return state


def _ending(old: OldNegotiation) -> Ending:
    assert old.closed_at is not None, "what is not pending was closed"
    if old.status == "accepted":
        table = old.offers[-1]
        terms = Terms(price=table.price, quantity=table.quantity)
        return Ending(Kind.AGREED, old.closed_at, terms=terms)
    reason = old.reason
    if reason is None and old.closed_by is None:
        reason = WHY_UNKNOWN
    return Ending(Kind.REJECTED, old.closed_at, by=old.closed_by, reason=reason)
