"""What the unit tests are made of: two parties, their states, and a table to haggle at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
from hypothesis import strategies as st

from nom_negotiate import codec
from nom_negotiate.core import rules
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import Address, parse_address
from nom_negotiate.core.negotiation import Negotiation, Snapshot, view
from nom_negotiate.core.outcome import Kind, Outcome
from nom_negotiate.core.rules import Action
from nom_negotiate.core.state import (
    STATE_SCHEMA,
    Limits,
    Message,
    Offer,
    PartyState,
    PastOffer,
    Reaction,
    ReadMark,
    Status,
)
from nom_negotiate.core.terms import Number, Role, parse_terms

ALICE = parse_address("alice@stonybrook.edu")
BOB = parse_address("bob@stonybrook.edu")
CAROL = parse_address("carol@stonybrook.edu")

ID = "alice_bob_C_1704312345"
HOUR = 3600
LIMITS = Limits(idle_s=24 * HOUR, life_s=48 * HOUR)

# Within the digits and the range of a number on disk, positive.
numbers = st.builds(
    lambda digits, exponent: Decimal((0, tuple(map(int, str(digits))), exponent)),
    st.integers(1, 10**15 - 1),
    st.integers(-20, 5),
)


def offer(
    price: Number = "5.50",
    quantity: Number = 1000,
    *,
    at: int = 0,
    round: int | None = 1,
    valid_until: int | None = None,
    accepts: bool = False,
    reason: str | None = None,
    **conditions: Any,
) -> Offer:
    terms = parse_terms(price, quantity, **conditions)
    offered = Offer(
        price=terms.price,
        quantity=terms.quantity,
        timestamp=at,
        round=round,
        valid_until=valid_until,
        accepts=accepts,
        reason=reason,
    )
    return msgspec.structs.replace(offered, **terms.conditions)


def blank(user: Address, other: Address, role: Role | None, *, at: int = 0) -> PartyState:
    """Return the state of a party that has not said anything yet."""
    return PartyState(
        schema=STATE_SCHEMA,
        negotiation_id=ID,
        user=user,
        counterparty=other,
        role=role,
        chemical="C",
        offer=None,
        status=Status.PENDING,
        last_updated=at,
    )


def original_file(
    user: str = ALICE,
    *,
    role: str | None = "buyer",
    price: object = 5.5,
    quantity: object = 1000,
    at: int = 0,
    status: str = "pending",
    last_updated: int | None = None,
    **more: Any,
) -> bytes:
    """Return a state file of the original format: only its fields, no schema."""
    fields: dict[str, Any] = {
        "user": user,
        "role": role,
        "chemical": "C",
        "offer": {"price": price, "quantity": quantity, "timestamp": at},
        "status": status,
        "agreement_key": "hashed in its own way",
        "last_updated": at if last_updated is None else last_updated,
    }
    if status != "agreed":
        del fields["agreement_key"]
    if role is None:
        del fields["role"]
    return json.dumps(fields | more).encode()


def original(user: str = ALICE, **fields: Any) -> PartyState:
    """Return the state that a file of the original format stands for."""
    return codec.decode_state(original_file(user, **fields), ID)


def snapshot(
    *states: PartyState,
    initiator: Address = ALICE,
    responder: Address | None = BOB,
    outcome: Outcome | None = None,
    decidable: bool = True,
) -> Snapshot:
    return Snapshot(
        id=ID,
        initiator=initiator,
        responder=responder,
        states={state.user: state for state in states},
        digests={state.user: sha256(codec.encode(state)).hexdigest() for state in states},
        outcome=outcome,
        decidable=decidable,
    )


@dataclass
class Table:
    """Two parties who keep to the rules: alice, who initiates and buys, and bob.

    Every action goes through `rules`, as those of a `Party` do.

    Attributes:
        listing: id of alice's listing that bob answers with the first word of all, if any.
    """

    limits: Limits = LIMITS
    now: int = 0
    states: dict[Address, PartyState] = field(default_factory=dict)
    listing: str | None = None

    @property
    def snapshot(self) -> Snapshot:
        return snapshot(*self.states.values())

    def view(self, at: int | None = None) -> Negotiation:
        return view(self.snapshot, self.now if at is None else at, LIMITS)

    def poll(self, at: int | None = None) -> Outcome | None:
        return decide(self.snapshot, self.now if at is None else at, LIMITS)

    def polled(self, at: int | None = None) -> Kind | None:
        outcome = self.poll(at)
        return None if outcome is None else outcome.outcome

    def own(self, party: Address) -> PartyState:
        other, role = (BOB, Role.BUYER) if party == ALICE else (ALICE, Role.SELLER)
        found = self.states.get(party)
        if found is None:
            found = blank(party, other, role, at=self.now)
            opening = self.snapshot.opening
            if party == ALICE or self.listing is not None:
                more = {"created": self.now, "limits": self.limits, "listing": self.listing}
                if opening is not None:
                    more["created"] = opening.created
                return PartyState(**{**_fields(found), **more})
        return found

    def offer(
        self,
        party: Address,
        price: Number = "5.50",
        quantity: Number = 1000,
        *,
        at: int | None = None,
        firm: bool = True,
        valid_until: int | None = None,
        **conditions: Any,
    ) -> Table:
        seen = self._acting(party, Action.OFFER, at)
        rules.check_cap(seen)
        said = offer(
            price,
            quantity,
            at=self.now,
            round=seen.round + 1,
            valid_until=valid_until,
            **conditions,
        )
        status = Status.AGREED if firm else Status.PENDING
        self.states[party] = self.own(party).offering(said, status, self.now)
        return self

    def accept(self, party: Address, *, round: int | None = None, at: int | None = None) -> Table:
        seen = self._acting(party, Action.ACCEPT, at)
        rules.check_round(seen, round)
        table = seen.on_table
        assert table is not None
        said = Offer.of(table.terms, timestamp=self.now, round=table.round, accepts=True)
        self.states[party] = self.own(party).offering(said, Status.AGREED, self.now)
        return self

    def reject(self, party: Address, reason: str | None = None, *, at: int | None = None) -> Table:
        self._acting(party, Action.REJECT, at)
        self.states[party] = self.own(party).rejecting(reason, self.now)
        return self

    def withdraw(
        self, party: Address, reason: str | None = None, *, at: int | None = None
    ) -> Table:
        self._acting(party, Action.WITHDRAW, at)
        self.states[party] = self.own(party).withdrawing(reason, self.now)
        return self

    def say(self, party: Address, text: str = "hello", *, at: int | None = None) -> Table:
        self._acting(party, Action.SAY, at)
        self.states[party] = self.own(party).saying(text, self.now)
        return self

    def write(self, state: PartyState) -> Table:
        """Write a state past the rules, as a program of somebody else may."""
        self.states[state.user] = state
        return self

    def _acting(self, party: Address, action: Action, at: int | None) -> Negotiation:
        self.now = self.now if at is None else at
        seen = self.view()
        # The first word of all begins the negotiation: no rule can stand in its way.
        if self.states:
            rules.check_action(seen, party, action, self.now)
        return seen


def _fields(state: PartyState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in state.__struct_fields__}


# Arbitrary states


seconds = st.integers(0, 10**11 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
conditions = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20
).filter(lambda text: text.strip() == text)
# A field that begins like this is unknown to every record.
unknown_fields = st.dictionaries(texts.map(lambda name: f"x_{name}"), json_values, max_size=3)


def arbitrary_offers(kind: type[Offer] = Offer, **more: st.SearchStrategy[Any]) -> Any:
    return st.builds(
        kind,
        price=numbers | st.just(Decimal(0)),
        quantity=numbers,
        timestamp=seconds,
        round=st.none() | st.integers(1, 1000),
        valid_until=st.none() | seconds,
        accepts=st.booleans(),
        reason=st.none() | texts,
        delivery=st.none() | conditions,
        payment=st.none() | conditions,
        quality=st.none() | conditions,
        extra=unknown_fields,
        **more,
    )


@st.composite
def arbitrary_states(draw: st.DrawFn, user: Address = ALICE, other: Address = BOB) -> PartyState:
    """Return any state of our own format, its key and status consistent."""
    said = draw(st.none() | arbitrary_offers())
    status = draw(st.sampled_from(Status)) if said is not None else Status.PENDING
    role = draw(st.sampled_from(Role))
    state = PartyState(
        schema=STATE_SCHEMA,
        negotiation_id=ID,
        user=user,
        counterparty=other,
        role=role,
        chemical=draw(st.sampled_from(["C", "N", "D2O"])),
        offer=said,
        status=status,
        last_updated=draw(seconds),
        revision=draw(st.integers(0, 10**6)),
        history=tuple(
            draw(st.lists(arbitrary_offers(PastOffer, status=st.sampled_from(Status)), max_size=3))
        ),
        messages=tuple(
            draw(
                st.lists(
                    st.builds(Message, timestamp=seconds, text=texts, extra=unknown_fields),
                    max_size=3,
                )
            )
        ),
        created=draw(st.none() | seconds),
        limits=draw(
            st.none()
            | st.builds(
                Limits,
                idle_s=st.integers(1, 10**6),
                life_s=st.integers(1, 10**6),
                max_rounds=st.none() | st.integers(1, 99),
                extra=unknown_fields,
            )
        ),
        reason=draw(st.none() | texts),
        read=draw(
            st.none()
            | st.builds(
                ReadMark, timestamp=seconds, messages=st.integers(0, 99), extra=unknown_fields
            )
        ),
        reaction=draw(
            st.none()
            | st.builds(
                Reaction,
                timestamp=seconds,
                level=st.integers(0, 100),
                round=st.none() | st.integers(1, 99),
                extra=unknown_fields,
            )
        ),
        extra=draw(unknown_fields),
    )
    return msgspec.structs.replace(state, agreement_key=state.commitment_key(role, other))
