"""Records for the tests that speak to a store without a desk."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.support import ALICE, BOB, NOON

from nom_negotiate import (
    Deal,
    Kind,
    Limits,
    Namespace,
    Offer,
    Outcome,
    PartyState,
    Profile,
    Role,
    Status,
    Store,
    Terms,
    agreement_key,
)
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import Address, parse_address
from nom_negotiate.core.outcome import preferred_names
from nom_negotiate.core.state import STATE_SCHEMA

A, B = parse_address(ALICE), parse_address(BOB)


def profile(address: str) -> Profile:
    return Profile(address=parse_address(address), display_name=address, created=NOON)


def admit(store: Store, *addresses: str) -> None:
    for address in addresses:
        store.add_party(profile(address))


def opening(
    user: Address, counterparty: Address, role: Role = Role.BUYER
) -> Callable[[str], PartyState]:
    """Return what makes the first state of a negotiation: a firm offer of 10 at 5.5."""

    def first_state(negotiation_id: str) -> PartyState:
        return stating(negotiation_id, user, counterparty, role)

    return first_state


def stating(
    negotiation_id: str,
    user: Address,
    counterparty: Address,
    role: Role,
    *,
    price: str = "5.5",
    at: int = NOON,
    **offer: Any,
) -> PartyState:
    blank = PartyState(
        schema=STATE_SCHEMA,
        negotiation_id=negotiation_id,
        user=user,
        counterparty=counterparty,
        role=role,
        chemical="C",
        offer=None,
        status=Status.PENDING,
        last_updated=at,
    )
    terms = Offer(price=Decimal(price), quantity=Decimal(10), timestamp=at, **{"round": 1, **offer})
    return blank.offering(terms, Status.AGREED, at)


def accepting(negotiation_id: str) -> PartyState:
    """Return bob's acceptance of alice's first offer."""
    return stating(negotiation_id, B, A, Role.SELLER, accepts=True)


def started(store: Store, seconds: int = NOON) -> Namespace:
    """Return a negotiation that alice has started with bob."""
    admit(store, A, B)
    with store.writer(A) as pen:
        return pen.create(B, "C", seconds, opening(A, B))


def accept(store: Store, place: Namespace) -> bool:
    with store.writer(B) as pen:
        return pen.write(place, accepting(place.id))


def decided(store: Store, place: Namespace, at: int = NOON) -> Outcome:
    """Return the outcome that the negotiation calls for, without recording it."""
    snapshot = store.snapshot(place)
    assert snapshot is not None
    outcome = decide(snapshot, at, Limits())
    assert outcome is not None
    return outcome


def agreed(negotiation_id: str, *, price: str = "5.5", at: int = NOON) -> Outcome:
    """Return an agreement of alice and bob that does not say from which states."""
    terms = Terms(price=Decimal(price), quantity=Decimal(10))
    deal = Deal(
        buyer=A,
        seller=B,
        chemical="C",
        price=terms.price,
        quantity=terms.quantity,
        agreement_key=agreement_key(
            negotiation_id=negotiation_id, chemical="C", buyer=A, seller=B, terms=terms
        ),
    )
    return Outcome(
        negotiation_id=negotiation_id,
        outcome=Kind.AGREED,
        at=at,
        initiator=A,
        responder=B,
        chemical="C",
        deal=deal,
        transactions=preferred_names(deal, at),
    )
