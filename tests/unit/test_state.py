"""What a party says next: one revision on, and nothing of what it said before is lost."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    ID,
    arbitrary_offers,
    arbitrary_states,
    blank,
    offer,
    original,
    texts,
)

from nom_negotiate import codec
from nom_negotiate.core.state import (
    STATE_SCHEMA,
    Offer,
    PartyState,
    PastOffer,
    Reaction,
    ReadMark,
    Status,
)
from nom_negotiate.core.terms import Role, agreement_key

times = st.integers(0, 10**11 - 1)


@given(
    arbitrary_states(), arbitrary_offers(), st.sampled_from([Status.PENDING, Status.AGREED]), times
)
def test_an_offer_makes_the_one_before_it_history(
    state: PartyState, next_: Offer, status: Status, now: int
) -> None:
    after = state.offering(next_, status, now)
    assert (after.offer, after.status) == (next_, status)
    earlier = after.history[len(state.history) :]
    assert after.history[: len(state.history)] == state.history
    if state.offer is None:
        assert earlier == ()
        return
    [past] = earlier
    assert isinstance(past, PastOffer)
    assert past.status is state.status
    for field in Offer.__struct_fields__:
        assert getattr(past, field) == getattr(state.offer, field)


@given(arbitrary_states(), texts, times)
def test_a_message_changes_nothing_but_the_messages(state: PartyState, text: str, now: int) -> None:
    after = state.saying(text, now)
    assert [message.text for message in after.messages[len(state.messages) :]] == [text]
    same = ("offer", "status", "agreement_key", "history", "reason", "limits", "created", "extra")
    assert all(getattr(after, field) == getattr(state, field) for field in same)


@given(arbitrary_states(), times)
def test_every_change_is_one_revision_on_and_never_earlier(state: PartyState, now: int) -> None:
    for after in (
        state.offering(offer(), Status.AGREED, now),
        state.rejecting("too dear", now),
        state.saying("hello", now),
        state.restoring(state, now),
    ):
        assert after.revision == state.revision + 1
        assert after.last_updated == max(now, state.last_updated)
        assert after.schema == STATE_SCHEMA


@given(arbitrary_states(), times)
def test_whatever_is_said_next_can_be_read_by_everybody(state: PartyState, now: int) -> None:
    for after in (
        state.offering(offer(), Status.AGREED, now),
        state.offering(offer(), Status.PENDING, now),
        state.rejecting(None, now),
        state.saying("hello", now),
    ):
        assert codec.decode_state(codec.encode(after), ID) == after


def test_a_key_stands_exactly_where_the_party_is_committed() -> None:
    state = blank(ALICE, BOB, Role.BUYER)
    assert state.agreement_key is None
    firm = state.offering(offer(), Status.AGREED, 1)
    assert firm.agreement_key == agreement_key(
        negotiation_id=ID, chemical="C", buyer=ALICE, seller=BOB, terms=offer().terms
    )
    assert firm.saying("hello", 2).agreement_key == firm.agreement_key
    assert firm.rejecting(None, 2).agreement_key is None
    assert firm.offering(offer(6), Status.PENDING, 2).agreement_key is None


def test_the_two_sides_of_a_deal_have_one_key() -> None:
    buying = blank(ALICE, BOB, Role.BUYER).offering(offer("5.50"), Status.AGREED, 1)
    selling = blank(BOB, ALICE, Role.SELLER).offering(offer("5.5"), Status.AGREED, 2)
    assert buying.agreement_key == selling.agreement_key


def test_a_commitment_is_dated_by_its_offer_and_not_by_a_later_message() -> None:
    state = blank(ALICE, BOB, Role.BUYER).offering(offer(at=10), Status.AGREED, 10)
    assert state.saying("hello", 50).committed_at == 10
    assert state.rejecting(None, 60).committed_at == 60


def test_a_commitment_of_the_original_format_is_dated_by_its_file() -> None:
    assert original(at=10, status="agreed", last_updated=30).committed_at == 30


def test_a_state_that_is_restored_says_what_it_said_before() -> None:
    before = blank(ALICE, BOB, Role.BUYER).offering(offer(5), Status.AGREED, 1)
    after = before.offering(offer(6), Status.PENDING, 2).saying("wait", 3)
    restored = after.restoring(before, 4)
    for field in ("offer", "status", "history", "reason", "agreement_key"):
        assert getattr(restored, field) == getattr(before, field)
    assert restored.revision == after.revision + 1
    assert restored.messages == after.messages, "what was said was said"


@pytest.mark.parametrize("status", ["pending", "agreed"])
def test_a_state_of_the_original_format_comes_over_with_the_time_of_its_file(status: str) -> None:
    before = original(at=10, status=status, last_updated=30)
    before = msgspec.structs.replace(before, counterparty=BOB)
    spoken = before.saying("hello", 50)
    assert spoken.offer is not None
    assert spoken.offer.timestamp == 30
    assert spoken.restoring(before, 60).offer == spoken.offer
    assert before.offering(offer(6), Status.AGREED, 50).history[0].timestamp == 30


@given(arbitrary_states(), st.integers(0, 99), st.integers(0, 100), times)
def test_a_read_mark_and_a_reaction_are_no_words(
    state: PartyState, read: int, level: int, now: int
) -> None:
    marked = state.reading(read, now)
    assert marked.read == ReadMark(timestamp=now, messages=read)
    assert msgspec.structs.replace(marked, read=state.read) == state
    reacted = state.reacting(level, 3, now)
    assert reacted.reaction == Reaction(timestamp=now, level=level, round=3)
    assert (
        msgspec.structs.replace(reacted, reaction=state.reaction, revision=state.revision) == state
    )
    assert reacted.revision == state.revision + 1


@pytest.mark.parametrize("status", ["pending", "agreed"])
def test_a_state_of_the_original_format_is_marked_without_becoming_younger(status: str) -> None:
    state = original(at=10, status=status, last_updated=30)
    for marked in (state.reading(2, 50), state.reacting(80, 1, 50)):
        assert (marked.schema, marked.last_updated, marked.committed_at) == (STATE_SCHEMA, 30, 30)
        assert marked.status is state.status


def test_a_state_never_changes() -> None:
    state = blank(ALICE, BOB, Role.BUYER)
    with pytest.raises(AttributeError):
        state.revision = 5  # type: ignore[misc]
