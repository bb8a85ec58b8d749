"""What happens is told once and in order, whoever looks how often, over every store."""

from __future__ import annotations

import signal
import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import ALICE, BOB, CAROL, DAY, HOUR, NOON, Clock

from nom_negotiate import Desk, InputError, MemoryStore, NomError, Party, Side, Store, market
from nom_negotiate.core import events
from nom_negotiate.core.events import Event
from nom_negotiate.watch import Watch

TERMS: dict[str, Any] = {"chemical": "C", "role": "buyer", "price": "5.50", "quantity": 1000}
DEADLINE_S = 60.0


def kinds(found: list[Event]) -> list[str]:
    return [event.kind.removeprefix("negotiation.") for event in found]


def test_a_deal_is_told_from_its_start_to_its_settlement(
    desk: Desk, alice: Party, bob: Party, clock: Clock, watch: Watch
) -> None:
    deal = alice.start(BOB, **TERMS)
    clock.forward(1)
    bob.offer(deal.id, price=6, quantity=900, reason="too little")
    clock.forward(1)
    bob.say(deal.id, "and no less")
    clock.forward(1)
    alice.accept(deal.id)
    desk.poll()
    found = watch.look()
    assert kinds(found) == [
        "started",
        "offer_made",
        "offer_made",
        "message_sent",
        "accepted",
        "settled",
    ]
    started, first, second, message, accepted, settled = found
    assert isinstance(started, events.Started)
    assert (started.by, started.buyer, started.seller) == (ALICE, ALICE, BOB)
    assert (started.negotiation_id, started.responder, started.at) == (deal.id, BOB, NOON)
    assert isinstance(first, events.OfferMade)
    assert (first.by, first.round, first.price, first.quantity) == (
        ALICE,
        1,
        Decimal("5.5"),
        Decimal(1000),
    )
    assert first.firm is True
    assert isinstance(second, events.OfferMade)
    assert (second.by, second.round, second.reason, second.at) == (BOB, 2, "too little", NOON + 1)
    assert isinstance(message, events.MessageSent)
    assert (message.by, message.text) == (BOB, "and no less")
    assert isinstance(accepted, events.Accepted)
    assert (accepted.by, accepted.round, accepted.price) == (ALICE, 2, Decimal(6))
    assert isinstance(settled, events.Settled)
    assert (settled.buyer, settled.seller, settled.quantity) == (ALICE, BOB, Decimal(900))
    assert set(settled.transactions) == {ALICE, BOB}
    assert watch.look(scan=True) == []


def test_an_event_is_a_dict_without_what_says_nothing(alice: Party, watch: Watch) -> None:
    deal = alice.start(BOB, **TERMS)
    started, offer = watch.look()
    assert offer.as_dict() == {
        "kind": "negotiation.offer_made",
        "at": NOON,
        "negotiation_id": deal.id,
        "initiator": ALICE,
        "responder": BOB,
        "chemical": "C",
        "by": ALICE,
        "round": 1,
        "price": Decimal("5.5"),
        "quantity": Decimal(1000),
        "firm": True,
    }
    assert started.as_dict()["kind"] == "negotiation.started"


def test_what_was_there_before_is_no_event(desk: Desk, alice: Party, bob: Party) -> None:
    deal = alice.start(BOB, **TERMS)
    other = alice.start(CAROL, **TERMS)
    bob.accept(deal.id)
    desk.poll()
    market.post(bob, side="sell", chemical="C")
    with desk.watch() as watch:
        assert watch.look(scan=True) == []
        desk.party(CAROL).reject(other.id, reason="no")
        [rejected] = watch.look()
        assert isinstance(rejected, events.Rejected)
        assert (rejected.by, rejected.reason) == (CAROL, "no")


def test_each_way_to_end_is_told_once(
    desk: Desk, alice: Party, bob: Party, clock: Clock, watch: Watch
) -> None:
    rejected, withdrawn, expired = (alice.start(BOB, again=True, **TERMS).id for _ in range(3))
    watch.look()
    bob.reject(rejected, reason="too little")
    alice.withdraw(withdrawn)
    assert sorted(kinds(watch.look())) == ["rejected", "withdrawn"]
    desk.poll()
    assert watch.look(scan=True) == []
    clock.forward(DAY + 1)
    assert kinds(watch.look()) == ["expiring"]
    desk.poll()
    [event] = watch.look()
    assert isinstance(event, events.Expired)
    assert (event.negotiation_id, event.by) == (expired, None)
    assert event.reason is not None
    assert watch.look(scan=True) == []


def test_a_deal_that_a_validator_refuses_is_rejected_by_nobody(store: Store, clock: Clock) -> None:
    desk = Desk(
        store, clock=clock, validators=(lambda outcome, store: "no stock",), after_settlement=()
    )
    with desk.watch() as watch:
        deal = desk.party(ALICE).start(BOB, **TERMS)
        desk.party(BOB).accept(deal.id)
        desk.poll()
        *_, accepted, rejected = watch.look()
        assert isinstance(accepted, events.Accepted)
        assert isinstance(rejected, events.Rejected)
        assert (rejected.by, rejected.reason) == (None, "no stock")


def test_an_indicative_offer_needs_two_acceptances(alice: Party, bob: Party, watch: Watch) -> None:
    deal = alice.start(BOB, firm=False, **TERMS)
    [_, offer] = watch.look()
    assert isinstance(offer, events.OfferMade)
    assert offer.firm is False
    bob.accept(deal.id)
    alice.accept(deal.id)
    found = watch.look()
    assert [(event.kind, event.by) for event in found if isinstance(event, events.Accepted)] == [
        ("negotiation.accepted", BOB),
        ("negotiation.accepted", ALICE),
    ]


# ------------------------------------------------------------------ what is about to expire


def test_it_is_told_six_hours_ahead_that_one_expires_once_for_each_due_time(
    alice: Party, bob: Party, clock: Clock, watch: Watch
) -> None:
    deal = alice.start(BOB, **TERMS)
    watch.look()
    clock.forward(18 * HOUR - 1)
    assert watch.look() == []
    clock.forward(1)
    [event] = watch.look()
    assert isinstance(event, events.Expiring)
    assert (event.negotiation_id, event.expires_at) == (deal.id, NOON + DAY)
    assert watch.look(scan=True) == []
    bob.offer(deal.id, price=6, quantity=900)
    assert kinds(watch.look()) == ["offer_made"]
    clock.forward(18 * HOUR)
    [event] = watch.look()
    assert isinstance(event, events.Expiring)
    assert event.expires_at == NOON + 42 * HOUR


def test_a_word_puts_the_warning_off(alice: Party, clock: Clock, watch: Watch) -> None:
    deal = alice.start(BOB, **TERMS)
    clock.forward(17 * HOUR)
    alice.say(deal.id, "well?")
    watch.look()
    clock.forward(17 * HOUR)
    assert watch.look() == []
    clock.forward(HOUR)
    assert kinds(watch.look()) == ["expiring"]


def test_what_has_ended_is_not_warned_of(
    desk: Desk, alice: Party, bob: Party, clock: Clock, watch: Watch
) -> None:
    deal = alice.start(BOB, **TERMS)
    other = alice.start(CAROL, **TERMS)
    bob.accept(deal.id)
    desk.party(CAROL).reject(other.id)
    watch.look()
    clock.forward(20 * HOUR)
    assert watch.look() == []


def test_who_begins_to_watch_is_told_what_is_about_to_expire(
    desk: Desk, alice: Party, clock: Clock
) -> None:
    deal = alice.start(BOB, **TERMS)
    clock.forward(20 * HOUR)
    with desk.watch() as watch:
        [event] = watch.look()
        assert isinstance(event, events.Expiring)
        assert event.negotiation_id == deal.id


def test_a_short_lived_one_is_warned_of_in_its_last_quarter_unless_told_otherwise(
    desk: Desk, alice: Party, clock: Clock, watch: Watch
) -> None:
    with desk.watch(warn_ahead_s=600) as late:
        alice.start(BOB, idle_s=2 * HOUR, **TERMS)
        assert (len(watch.look()), len(late.look())) == (2, 2)
        clock.forward(1.5 * HOUR)
        assert (kinds(watch.look()), late.look()) == (["expiring"], [])
        clock.forward(HOUR / 3)
        assert (watch.look(), kinds(late.look())) == ([], ["expiring"])


# ------------------------------------------------------------------ whose events


def test_a_party_sees_its_own_negotiations_whoever_began_them(
    desk: Desk, alice: Party, bob: Party
) -> None:
    with desk.watch(BOB) as of_bob, desk.watch(CAROL) as of_carol:
        deal = alice.start(BOB, **TERMS)
        assert kinds(of_bob.look()) == ["started", "offer_made"]
        bob.accept(deal.id)
        assert kinds(of_bob.look()) == ["accepted"]
        desk.poll()
        assert kinds(of_bob.look()) == ["settled"]
        assert of_carol.look(scan=True) == []
        market.post(alice, side="sell", chemical="C")
        assert of_bob.look(scan=True) == []
        market.post(bob, side="sell", chemical="C")
        assert kinds(of_bob.look()) == ["listing.posted"]


def test_one_negotiation_is_watched_alone(desk: Desk, alice: Party, bob: Party) -> None:
    deal = alice.start(BOB, **TERMS)
    other = alice.start(CAROL, **TERMS)
    with desk.watch(negotiation=deal.id) as watch, desk.watch(BOB, deal.id) as of_bob:
        alice.say(other.id, "hello?")
        market.post(bob, side="sell", chemical="C")
        bob.say(deal.id, "hm")
        bob.accept(deal.id)
        desk.poll()
        for each in (watch, of_bob):
            assert sorted(kinds(each.look(scan=True))) == ["accepted", "message_sent", "settled"]


@pytest.mark.parametrize("wrong", [{"party": "bob"}, {"negotiation": "../bob"}])
def test_whom_and_what_to_watch_is_checked(desk: Desk, wrong: dict[str, str]) -> None:
    with pytest.raises(InputError):
        desk.watch(**wrong)  # type: ignore[arg-type]


def test_two_watches_tell_each_of_them_everything(desk: Desk, alice: Party, watch: Watch) -> None:
    with desk.watch() as other:
        alice.start(BOB, **TERMS)
        assert watch.look() == other.look() != []


# ------------------------------------------------------------------ listings


def test_listings_are_told_when_they_are_posted_and_closed(
    bob: Party, clock: Clock, watch: Watch
) -> None:
    listing = market.post(bob, side="sell", chemical="C", price=7, quantity=100)
    [posted] = watch.look()
    assert isinstance(posted, events.ListingPosted)
    assert (posted.kind, posted.listing_id, posted.by) == ("listing.posted", listing.id, BOB)
    assert (posted.type, posted.price, posted.quantity) == (Side.SELL, Decimal(7), Decimal(100))
    clock.forward(5)
    market.close(bob, listing.id)
    [closed] = watch.look()
    assert (closed.kind, closed.at) == ("listing.closed", NOON + 5)
    assert watch.look(scan=True) == []


def test_a_listing_that_was_posted_and_closed_between_two_looks_is_told_as_both(
    bob: Party, watch: Watch
) -> None:
    market.close(bob, market.post(bob, side="buy", chemical="N").id)
    assert kinds(watch.look()) == ["listing.posted", "listing.closed"]


# ------------------------------------------------------------------ waiting


def test_the_iterator_waits_for_the_next_event(alice: Party, watch: Watch) -> None:
    begun = threading.Event()

    def act() -> None:
        begun.wait(DEADLINE_S)
        alice.start(BOB, **TERMS)

    thread = threading.Thread(target=act)
    thread.start()
    begun.set()
    assert [next(watch).kind, next(watch).kind] == ["negotiation.started", "negotiation.offer_made"]
    thread.join()


def test_the_iteration_ends_after_a_time_without_an_event(desk: Desk, alice: Party) -> None:
    with desk.watch(timeout_s=0.01) as watch:
        alice.start(BOB, **TERMS)
        assert len(list(watch)) == 2
        assert watch.next(0.0) is None
        alice.start(CAROL, **TERMS)
        assert watch.next(DEADLINE_S) is not None


@pytest.mark.parametrize("how", ["stop", "close"])
def test_another_thread_ends_the_wait(desk: Desk, how: str) -> None:
    watch = desk.watch()
    found: list[Event] = []
    waiting = threading.Thread(target=lambda: found.extend(watch))
    waiting.start()
    getattr(watch, how)()
    waiting.join(DEADLINE_S)
    assert not waiting.is_alive()
    assert found == []
    watch.close()
    watch.close()
    assert list(watch) == []
    assert watch.look() == []


def test_a_signal_handler_ends_the_wait(watch: Watch) -> None:
    former = signal.signal(signal.SIGALRM, lambda number, frame: watch.stop())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert list(watch) == []
    finally:
        signal.signal(signal.SIGALRM, former)


# ------------------------------------------------------------------ however often somebody looks

STEPS = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB]),
        st.sampled_from(["offer", "indicative", "accept", "reject", "withdraw", "say", "poll"]),
        st.booleans(),
    ),
    max_size=14,
)


@given(steps=STEPS)
def test_the_events_do_not_depend_on_when_somebody_looks(
    steps: list[tuple[str, str, bool]],
) -> None:
    clock = Clock()
    desk = Desk(MemoryStore(), clock=clock, validators=(), after_settlement=())
    often, seldom, once = desk.watch(), desk.watch(), desk.watch()
    deal = desk.party(ALICE).start(BOB, **TERMS)
    seen, glimpsed = often.look(), []
    for number, (who, what, looks) in enumerate(steps):
        clock.forward(1)
        party = desk.party(who)
        try:
            if what in ("offer", "indicative"):
                firm = what == "offer"
                party.offer(deal.id, price=number % 3 + 1, quantity=900, firm=firm)
            elif what == "say":
                party.say(deal.id, "hm")
            elif what == "poll":
                desk.poll()
            else:
                getattr(party, what)(deal.id)
        except NomError:
            continue
        seen += often.look()
        glimpsed += seldom.look() if looks else []
    assert [told(e) for e in glimpsed + seldom.look()] == [told(e) for e in seen]
    assert [told(e) for e in once.look()] == [told(e) for e in seen]


def told(event: Event) -> dict[str, Any]:
    # Whether an offer was firm is lost with the end of the negotiation.
    return {name: value for name, value in event.as_dict().items() if name != "firm"}


def test_who_answers_a_listing_is_said_to_have_started(
    desk: Desk, alice: Party, bob: Party, clock: Clock, watch: Watch
) -> None:
    listing = market.post(alice, side="sell", chemical="C", price=6, quantity=500)
    market.respond(bob, ALICE, listing.id)
    clock.forward(1)
    market.close(alice, listing.id)
    found = watch.look()
    assert sorted(kinds(found)) == ["listing.closed", "listing.posted", "offer_made", "started"]
    [started] = [event for event in found if event.kind == "negotiation.started"]
    assert isinstance(started, events.Started)
    assert (started.by, started.initiator, started.buyer) == (BOB, ALICE, BOB)
    assert started.listing == listing.id


def test_a_settlement_names_the_listing_that_it_counts_against(
    desk: Desk, alice: Party, bob: Party, watch: Watch
) -> None:
    listing = market.post(alice, side="sell", chemical="C", price=6, quantity=500)
    deal = market.respond(bob, ALICE, listing.id)
    alice.accept(deal.id)
    desk.poll()
    [settled] = [event for event in watch.look() if isinstance(event, events.Settled)]
    assert settled.listing == listing.id


def test_terms_in_words_are_told_with_the_numbers(
    desk: Desk, alice: Party, bob: Party, clock: Clock, watch: Watch
) -> None:
    deal = alice.start(BOB, **TERMS, delivery="FOB Rotterdam")
    clock.forward(1)
    bob.accept(deal.id)
    desk.poll()
    found = watch.look()
    assert kinds(found) == ["started", "offer_made", "accepted", "settled"]
    for event in found[1:]:
        assert isinstance(event, events.OfferMade | events.Accepted | events.Settled)
        assert (event.delivery, event.payment) == ("FOB Rotterdam", None)
        assert event.as_dict()["delivery"] == "FOB Rotterdam"
        assert "payment" not in event.as_dict()
