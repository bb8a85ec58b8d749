"""Over every store: read marks, reactions, terms in words, and a rejection that goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.test_negotiating import ID, ended, refusal, start
from tests.contract.test_races import Meanwhile, meanwhile, said  # noqa: F401
from tests.support import ALICE, BOB, DAY, HOUR, NOON, Clock

from nom_negotiate import Desk, InputError, Kind, Party, Phase, Store
from nom_negotiate.core.rules import MAX_MESSAGES
from nom_negotiate.core.state import Message, PartyState

FOB: dict[str, Any] = {
    "delivery": "FOB Rotterdam",
    "payment": "30 days net",
    "quality": "99.9 % pure",
}


def state(party: Party) -> PartyState:
    """Return what stands in the file of a party."""
    place = party.desk.store.find(party.address, ID)
    assert place is not None
    snapshot = party.desk.store.snapshot(place)
    assert snapshot is not None
    return snapshot.states[party.address]


def unread(party: Party) -> int:
    return party.negotiation(ID).unread(party.address)


def talked(alice: Party, bob: Party, clock: Clock) -> None:
    """Let alice start, and bob leave two messages."""
    start(alice)
    for text in ("hm", "could you deliver on Monday?"):
        clock.forward(10)
        bob.say(ID, text)


# Reading


@pytest.mark.durable
def test_what_the_counterparty_says_is_unread_until_it_is_marked(
    alice: Party, bob: Party, clock: Clock
) -> None:
    talked(alice, bob, clock)
    assert (unread(alice), unread(bob)) == (2, 0)
    marked = alice.mark_read(ID)
    assert (marked.unread(alice.address), marked.unread(bob.address)) == (0, 0)
    assert [message.read for message in bob.negotiation(ID).messages] == [True, True]
    bob.say(ID, "well?")
    assert unread(alice) == 1
    assert [message.read for message in bob.negotiation(ID).messages] == [True, True, False]


def test_ones_own_messages_are_never_unread(alice: Party, bob: Party) -> None:
    start(alice, message="interested?")
    assert (unread(alice), unread(bob)) == (0, 1)
    assert alice.mark_read(ID).unread(bob.address) == 1


def test_only_what_was_seen_is_marked_where_its_reader_says_how_much(
    alice: Party, bob: Party, clock: Clock
) -> None:
    talked(alice, bob, clock)
    assert alice.mark_read(ID, messages=1).unread(alice.address) == 1
    # A mark does not move back, nor past what has been said.
    assert alice.mark_read(ID, messages=0).unread(alice.address) == 1
    alice.mark_read(ID, messages=99)
    bob.say(ID, "well?")
    assert unread(alice) == 1
    assert refusal(alice.mark_read, ID, messages=-1) == "invalid_number"


def rewrite(party: Party, **changes: Any) -> None:
    """Let a program write in the party's file what no call of ours would."""
    place = party.desk.store.find(party.address, ID)
    assert place is not None
    with party.desk.store.writer(party.address) as pen:
        assert pen.write(place, msgspec.structs.replace(state(party), **changes))


def test_what_is_said_after_a_mark_is_unread_where_a_program_has_taken_messages_away(
    alice: Party, bob: Party, clock: Clock
) -> None:
    talked(alice, bob, clock)
    alice.mark_read(ID)
    rewrite(bob, messages=state(bob).messages[1:])
    assert unread(alice) == 0
    clock.forward(1)
    rewrite(bob, messages=())
    bob.say(ID, "forget what I said")
    assert unread(alice) == 1
    assert alice.mark_read(ID, messages=0).unread(alice.address) == 1
    assert alice.mark_read(ID).unread(alice.address) == 0
    assert [message.read for message in bob.negotiation(ID).messages] == [True]
    bob.say(ID, "and this")
    assert unread(alice) == 1


def test_what_was_read_stays_read_where_its_author_has_a_clock_that_is_ahead(
    alice: Party, bob: Party, clock: Clock
) -> None:
    talked(alice, bob, clock)
    ahead = int(clock.now) + 90
    rewrite(bob, messages=(Message(timestamp=ahead, text="hello from tomorrow"),))
    assert alice.mark_read(ID).unread(alice.address) == 0
    mark = state(alice).read
    assert mark is not None
    assert (mark.messages, mark.timestamp) == (1, ahead)


def test_a_mark_says_when_it_was_made(alice: Party, bob: Party, clock: Clock) -> None:
    talked(alice, bob, clock)
    clock.forward(HOUR)
    alice.mark_read(ID)
    mark = state(alice).read
    assert mark is not None
    assert (mark.messages, mark.timestamp) == (2, clock.now)


def test_marking_what_is_marked_writes_nothing(
    alice: Party, bob: Party, clock: Clock, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    talked(alice, bob, clock)
    alice.mark_read(ID)
    clock.forward(HOUR)
    before = state(alice)

    def nobody(party: object) -> Any:
        raise AssertionError("a lock is taken")

    monkeypatch.setattr(store, "writer", nobody)
    assert alice.mark_read(ID).unread(alice.address) == 0
    assert bob.mark_read(ID).unread(bob.address) == 0
    assert state(alice) == before


def test_a_read_mark_is_no_word(desk: Desk, alice: Party, bob: Party, clock: Clock) -> None:
    talked(alice, bob, clock)
    before = alice.negotiation(ID)
    clock.forward(DAY - 1)
    after = alice.mark_read(ID)
    assert after.expires_at == before.expires_at
    assert (after.revisions, after.on_table, after.turn) == (
        before.revisions,
        before.on_table,
        before.turn,
    )
    clock.forward(2)
    assert desk.poll().expired == [ID]


def test_who_has_only_read_has_not_spoken(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    started = start(alice, message="interested?")
    clock.forward(HOUR)
    read = bob.mark_read(ID)
    assert (read.phase, read.turn) == (Phase.INITIATED, BOB)
    assert (read.created, read.expires_at) == (started.created, started.expires_at)
    clock.forward(HOUR)
    assert bob.accept(ID).phase is Phase.AGREED
    assert ended(desk, bob)[0] is Kind.AGREED


def test_a_read_mark_leaves_the_decisions_of_another_tab_alone(
    alice: Party, bob: Party, clock: Clock
) -> None:
    talked(alice, bob, clock)
    seen = alice.negotiation(ID).revisions[alice.address]
    alice.mark_read(ID)
    assert alice.say(ID, "no", revision=seen).revisions[alice.address] == seen + 1


def test_what_has_ended_is_read_without_a_mark(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    talked(alice, bob, clock)
    bob.reject(ID, reason="sold")
    before = state(alice)
    assert alice.mark_read(ID).unread(alice.address) == 0
    desk.poll()
    assert alice.mark_read(ID).outcome is not None
    assert state(alice) == before


def test_a_stranger_reads_nothing(desk: Desk, alice: Party) -> None:
    start(alice, message="interested?")
    carol = desk.party("carol@stonybrook.edu")
    assert refusal(carol.mark_read, ID) == "unknown_negotiation"
    assert refusal(carol.react, ID, 50) == "unknown_negotiation"


def test_a_mark_does_not_undo_an_acceptance_that_it_crosses(
    desk: Desk,
    alice: Party,
    bob: Party,
    clock: Clock,
    meanwhile: Meanwhile,  # noqa: F811
) -> None:
    talked(alice, bob, clock)
    reading = meanwhile(ALICE, before=lambda: bob.accept(ID))
    found = reading.mark_read(ID)
    assert (found.phase, state(alice).read) == (Phase.AGREED, None)
    assert desk.poll().agreed == [ID]


def test_an_acceptance_goes_through_while_its_offer_is_marked_as_read(
    desk: Desk,
    alice: Party,
    bob: Party,
    clock: Clock,
    meanwhile: Meanwhile,  # noqa: F811
) -> None:
    talked(alice, bob, clock)
    accepting = meanwhile(BOB, before=lambda: alice.mark_read(ID))
    assert accepting.accept(ID).phase is Phase.AGREED
    assert state(alice).read is not None
    assert desk.poll().agreed == [ID]


# Reacting


@pytest.mark.durable
def test_a_reaction_is_seen_by_both_and_binds_nobody(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    before = start(alice)
    clock.forward(60)
    after = bob.react(ID, 80)
    assert alice.negotiation(ID) == after
    reaction = after.reactions[bob.address]
    assert (reaction.level, reaction.round, reaction.timestamp) == (80, 1, NOON + 60)
    assert (after.phase, after.turn, after.moves) == (before.phase, before.turn, before.moves)
    assert after.expires_at == before.expires_at
    clock.forward(DAY - 59)
    assert desk.poll().expired == [ID]


def test_a_party_has_one_reaction_the_latest(alice: Party, bob: Party, clock: Clock) -> None:
    start(alice)
    for level in (0, 100, 30):
        bob.react(ID, level)
    bob.offer(ID, price=6, quantity=900)
    alice.offer(ID, price="5.8", quantity=950)
    clock.forward(5)
    assert bob.react(ID, 30).reactions[bob.address].round == 3
    assert len(bob.negotiation(ID).reactions) == 1


def test_one_reacts_to_the_counterpartys_offer_and_not_to_ones_own(
    alice: Party, bob: Party
) -> None:
    start(alice)
    bob.offer(ID, price=6, quantity=900)
    assert bob.react(ID, 40).reactions[bob.address].round == 1
    assert alice.react(ID, 40).reactions[alice.address].round == 2


def test_a_reaction_to_no_offer_names_no_round(alice: Party) -> None:
    start(alice)
    assert alice.react(ID, 40).reactions[alice.address].round is None


@pytest.mark.parametrize("level", [-1, 101, 50.5, "50", True, None])
def test_a_level_is_a_whole_number_from_0_to_100(alice: Party, bob: Party, level: Any) -> None:
    start(alice)
    with pytest.raises(InputError) as refused:
        bob.react(ID, level)
    assert refused.value.code == "invalid_level"


def test_nobody_reacts_to_what_has_ended(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    bob.accept(ID)
    assert refusal(alice.react, ID, 50) == "concluded"
    desk.poll()
    assert refusal(bob.react, ID, 50) == "concluded"


def test_a_reaction_is_not_to_another_offer_than_the_one_that_was_seen(
    alice: Party,
    clock: Clock,
    meanwhile: Meanwhile,  # noqa: F811
) -> None:
    start(alice, valid_until=NOON + 60)
    clock.forward(61)
    reacting = meanwhile(BOB, before=lambda: alice.offer(ID, price=9, quantity=1))
    assert refusal(reacting.react, ID, 90) == "moved"


def test_a_reaction_survives_what_is_said_next(alice: Party, bob: Party) -> None:
    start(alice, message="interested?")
    bob.mark_read(ID)
    bob.react(ID, 70)
    bob.say(ID, "hm")
    bob.offer(ID, price=6, quantity=900)
    said_since = state(bob)
    assert said_since.reaction is not None
    assert said_since.read is not None
    assert (said_since.reaction.level, said_since.read.messages) == (70, 1)


# How much may be said


def test_a_party_may_leave_a_thousand_messages(alice: Party, bob: Party) -> None:
    start(alice)
    for number in range(MAX_MESSAGES):
        bob.say(ID, f"{number}")
    assert refusal(bob.say, ID, "one more") == "messages_exhausted"
    # It stops the talking, and nothing else.
    alice.say(ID, "you talk a lot")
    assert bob.mark_read(ID).unread(bob.address) == 0
    assert bob.accept(ID).phase is Phase.AGREED


# Terms in words


@pytest.mark.durable
def test_terms_in_words_are_agreed_and_settled_with_the_numbers(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice, delivery="FOB Antwerp")
    bob.offer(ID, price=6, quantity=900, **FOB)
    accepted = alice.accept(ID)
    assert [move.terms.conditions for move in accepted.moves] == [
        {"delivery": "FOB Antwerp"},
        FOB,
        FOB,
    ]
    assert desk.poll().agreed == [ID]
    outcome = alice.negotiation(ID).outcome
    assert outcome is not None
    assert outcome.deal is not None
    assert outcome.deal.terms.conditions == FOB
    for party in (alice, bob):
        [filed] = party.transactions()
        settled = filed.transaction
        assert (settled.delivery, settled.payment, settled.quality) == tuple(FOB.values())
        assert settled.agreement_key == outcome.deal.agreement_key


def test_an_offer_says_all_of_its_terms(alice: Party, bob: Party) -> None:
    start(alice, **FOB)
    bob.offer(ID, price=6, quantity=900)
    found = alice.negotiation(ID).on_table
    assert found is not None
    assert found.terms.conditions == {}


def test_the_same_numbers_with_other_words_are_no_agreement(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice, **FOB)
    bob.offer(ID, price="5.50", quantity=1000)
    assert desk.poll().active == [ID]
    # What the other says in the very same words is agreed, as with numbers.
    assert alice.negotiation(ID).phase is Phase.IN_PROGRESS
    alice.offer(ID, price="5.50", quantity=1000)
    assert desk.poll().agreed == [ID]


def test_the_verb_of_the_original_design_accepts_only_all_of_the_terms(
    alice: Party, bob: Party
) -> None:
    start(alice, **FOB)
    assert bob.update(ID, price="5.5", quantity=1000, status="agreed").round == 2
    assert alice.update(ID, price="5.5", quantity=1000, status="agreed", **FOB).round == 3
    accepted = bob.update(ID, price="5.5", quantity=1000, status="agreed", **FOB)
    assert (accepted.round, accepted.phase) == (3, Phase.AGREED)


@pytest.mark.parametrize("text", ["", "x" * 501, " FOB", "two\nlines", "\x1b[2J"])
def test_a_term_that_cannot_bind_is_refused_before_anything_is_written(
    alice: Party, bob: Party, text: str
) -> None:
    assert refusal(start, alice, delivery=text) == "invalid_text"
    assert alice.negotiations() == []
    start(alice)
    for verb in (bob.offer, bob.reject, bob.update):
        assert refusal(verb, ID, price=6, quantity=1, quality=text) == "invalid_text"
    assert bob.negotiation(ID).revisions[bob.address] == 0


# A rejection that goes on


def test_a_rejection_may_come_with_a_counter_offer(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    found = bob.reject(ID, reason="too low", price=6, quantity=900, firm=False, **FOB)
    assert (found.phase, found.turn, found.round) == (Phase.IN_PROGRESS, ALICE, 2)
    counter = found.on_table
    assert counter is not None
    assert (counter.reason, counter.firm, counter.terms.conditions) == ("too low", False, FOB)
    assert desk.poll().active == [ID]


def test_only_what_could_be_rejected_is_countered_so(
    alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, valid_until=NOON + 60)
    assert refusal(alice.reject, ID, price=6, quantity=900) == "not_your_turn"
    clock.forward(61)
    # Her own offer has lapsed: she may make another one, and has nothing to reject.
    assert refusal(alice.reject, ID, price=6, quantity=900) == "own_offer"
    assert bob.reject(ID, price=6, quantity=900).round == 2


@pytest.mark.parametrize(
    "half", [{"price": 6}, {"quantity": 900}, {"firm": False}, {"delivery": "FOB"}], ids=str
)
def test_half_a_counter_offer_does_not_end_the_negotiation(
    alice: Party, bob: Party, half: dict[str, Any]
) -> None:
    start(alice)
    assert refusal(bob.reject, ID, **half) == "invalid_number"
    assert bob.negotiation(ID).phase is Phase.INITIATED
