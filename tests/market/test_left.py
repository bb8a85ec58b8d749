"""What is agreed on in answer to a listing counts against it: once, and never beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.support import ALICE, BOB, CAROL, DAY, NOON, Clock

from nom_negotiate import Desk, Listing, Outcome, Party, RuleViolation, Store, StoreError, market
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.listings import left_of, noted
from nom_negotiate.core.state import Limits

A, B, C = map(parse_address, (ALICE, BOB, CAROL))


def left(desk: Desk) -> Decimal | None:
    [row] = desk.listings(closed=True)
    return row.left


def on_file(store: Store) -> Listing:
    [found] = store.listings(A)[0]
    return found


def agree(alice: Party, other: Party, posted: Listing, **terms: Any) -> str:
    """Let somebody answer, and alice accept."""
    deal = market.respond(other, ALICE, posted.id, **{"again": True, **terms})
    alice.accept(deal.id)
    return deal.id


def why(party: Party, negotiation_id: str) -> str | None:
    outcome = party.negotiation(negotiation_id).outcome
    assert outcome is not None
    return outcome.reason


def test_deals_reduce_a_listing_until_it_is_closed(
    desk: Desk, alice: Party, bob: Party, carol: Party, posted: Listing, clock: Clock
) -> None:
    agree(alice, bob, posted, quantity="30.5")
    assert left(desk) == 100, "a deal counts when it is settled"
    desk.poll()
    assert left(desk) == Decimal("69.5")
    clock.forward(10)
    last = market.respond(carol, ALICE, posted.id)
    assert last.offers[0].quantity == Decimal("69.5"), "all that is left"
    alice.accept(last.id)
    desk.poll()
    assert left(desk) == 0
    assert desk.listings() == []
    with pytest.raises(RuleViolation, match="nothing of the listing"):
        market.respond(bob, ALICE, posted.id)


def test_who_agreed_first_gets_it_and_the_other_is_told_why(
    desk: Desk, alice: Party, bob: Party, carol: Party, posted: Listing, clock: Clock
) -> None:
    bobs = market.respond(bob, ALICE, posted.id)
    carols = market.respond(carol, ALICE, posted.id)
    alice.accept(carols.id)
    clock.forward(1)
    alice.accept(bobs.id)
    report = desk.poll()
    assert (report.agreed, report.rejected, report.problems) == ([carols.id], [bobs.id], [])
    assert why(bob, bobs.id) == f"nothing of the listing {posted.id} is left"
    assert bob.transactions() == []
    [filed] = alice.transactions()
    assert filed.transaction.counterparty == CAROL


def test_what_is_too_much_by_now_cannot_be_accepted_and_may_be_countered(
    desk: Desk, alice: Party, bob: Party, carol: Party, posted: Listing
) -> None:
    carols = market.respond(carol, ALICE, posted.id, quantity=31)
    agree(alice, bob, posted, quantity=70)
    desk.poll()
    with pytest.raises(RuleViolation, match=f"only 30 of the listing {posted.id} are left"):
        alice.accept(carols.id)
    alice.offer(carols.id, price=5, quantity=31)
    with pytest.raises(RuleViolation, match="only 30 of the listing"):
        carol.accept(carols.id)
    carol.offer(carols.id, price=5, quantity=30)
    alice.accept(carols.id)
    assert desk.poll().agreed == [carols.id]
    assert left(desk) == 0


def test_what_a_program_agreed_to_all_the_same_is_refused_for_what_is_left(
    desk: Desk,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    carols = market.respond(carol, ALICE, posted.id, quantity=31)
    agree(alice, bob, posted, quantity=70)
    desk.poll()
    monkeypatch.setattr(type(alice), "_check_left", lambda *_: None)
    alice.accept(carols.id)
    assert desk.poll().rejected == [carols.id]
    assert why(carol, carols.id) == f"only 30 of the listing {posted.id} are left"
    assert left(desk) == 30


def test_one_that_is_too_much_leaves_the_way_to_one_that_fits(
    desk: Desk,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was agreed on is more than what was asked for, and less was asked for later."""
    much = market.respond(bob, ALICE, posted.id)
    alice.offer(much.id, price=5, quantity=101)
    with monkeypatch.context() as patch:
        patch.setattr(type(bob), "_check_left", lambda *_: None)
        bob.accept(much.id)
    clock.forward(1)
    fits = agree(alice, carol, posted, quantity=100)
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([fits], [much.id])


def test_many_answers_of_one_pass_are_shared_out_in_their_order(
    desk: Desk, alice: Party, posted: Listing, clock: Clock
) -> None:
    ids = []
    for number in range(12):
        ids.append(agree(alice, desk.party(f"p{number}@x.edu"), posted, quantity=15))
        clock.forward(1)
    report = desk.poll()
    assert sorted(report.agreed) == sorted(ids[:6])
    assert sorted(report.rejected) == sorted(ids[6:])
    assert left(desk) == 10
    assert {why(alice, one) for one in ids[6:]} == {f"only 10 of the listing {posted.id} are left"}


def test_a_validator_that_objects_leaves_the_rest_to_others(
    store: Store, clock: Clock, alice: Party, bob: Party, carol: Party, posted: Listing
) -> None:
    def no_bob(proposed: Outcome, store: Store) -> str | None:
        return "not to bob" if proposed.deal and proposed.deal.buyer == BOB else None

    desk = Desk(store, clock=clock, validators=[no_bob], after_settlement=())
    bobs = agree(alice, bob, posted)
    clock.forward(1)
    carols = agree(alice, carol, posted)
    report = desk.poll()
    assert (report.rejected, report.agreed) == ([bobs], [carols])


def test_a_listing_without_a_quantity_is_never_used_up(
    desk: Desk, alice: Party, bob: Party
) -> None:
    posted = market.post(alice, side="sell", chemical="C", price=1)
    for _ in range(3):
        agree(alice, bob, posted, quantity=10**9)
    assert len(desk.poll().agreed) == 3
    [row] = desk.listings()
    assert (row.left, row.stands) == (None, True)


def test_a_deal_that_answers_nothing_takes_nothing(
    desk: Desk, alice: Party, bob: Party, posted: Listing
) -> None:
    deal = alice.start(BOB, chemical="C", role="seller", price=1, quantity=500)
    bob.accept(deal.id)
    assert desk.poll().agreed == [deal.id]
    assert left(desk) == 100


def test_what_is_closed_by_hand_may_still_be_agreed_on_within_what_was_left(
    desk: Desk, alice: Party, bob: Party, carol: Party, posted: Listing, clock: Clock
) -> None:
    one = market.respond(bob, ALICE, posted.id, quantity=60)
    other = market.respond(carol, ALICE, posted.id, quantity=60)
    market.close(alice, posted.id)
    alice.accept(one.id)
    clock.forward(1)
    alice.accept(other.id)
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([one.id], [other.id])


def test_without_the_listing_nothing_limits_what_its_author_agrees_to(
    desk: Desk, store: Store, alice: Party, bob: Party, carol: Party, posted: Listing
) -> None:
    ids = [agree(alice, bob, posted), agree(alice, carol, posted)]
    with store.writer(A) as pen:
        pen.remove_listing(posted.id)
        pen.remove_listing(posted.id)
    assert sorted(desk.poll().agreed) == ids


# What is written down


def test_the_authors_next_call_writes_down_what_is_left(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing, clock: Clock
) -> None:
    agree(alice, bob, posted, quantity=30)
    desk.poll()
    assert on_file(store) == posted, "nobody writes in another's listing, the poller included"
    clock.forward(DAY)
    alice.mark_settled(alice.transactions()[0].name)
    assert on_file(store) == msgspec.structs.replace(posted, left=Decimal(70))
    agree(alice, bob, posted, quantity=70)
    desk.poll()
    clock.forward(DAY)
    market.post(alice, side="buy", chemical="N")
    closed, _ = store.listings(A)[0]
    assert (closed.closed_at, closed.left) == (NOON + 2 * DAY, Decimal(0))
    assert closed.status == "closed"


def test_a_mark_holds_where_the_listing_cannot_be_written(
    desk: Desk,
    store: Store,
    alice: Party,
    bob: Party,
    posted: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agree(alice, bob, posted, quantity=30)
    desk.poll()

    def full(*_: object) -> None:
        raise StoreError("no_space", "the disk is full")

    with store.writer(A) as pen:
        monkeypatch.setattr(type(pen), "write_listing", full)
    name = alice.transactions()[0].name
    assert alice.mark_settled(name).settled
    assert alice.transactions()[0].transaction.settled
    monkeypatch.undo()
    alice.mark_settled(name)
    assert on_file(store).left == 70


def test_closing_says_what_is_left(desk: Desk, alice: Party, bob: Party, posted: Listing) -> None:
    agree(alice, bob, posted, quantity=30)
    desk.poll()
    assert market.close(alice, posted.id).left == 70
    assert left(desk) == 70


def test_somebody_elses_call_writes_nothing(
    desk: Desk, store: Store, alice: Party, bob: Party, posted: Listing
) -> None:
    agree(alice, bob, posted, quantity=30)
    desk.poll()
    bob.mark_settled(bob.transactions()[0].name)
    market.post(bob, side="buy", chemical="C")
    desk.listings()
    assert on_file(store) == posted


def test_whoever_cannot_read_the_transactions_is_shown_what_was_written_down(
    desk: Desk,
    store: Store,
    alice: Party,
    bob: Party,
    posted: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agree(alice, bob, posted, quantity=30)
    desk.poll()
    alice.mark_settled(alice.transactions()[0].name)
    agree(alice, bob, posted, quantity=20)
    desk.poll()
    assert left(desk) == 50

    def fail(code: str) -> None:
        def dealt(*_: object) -> Mapping[str, Mapping[str, Decimal]]:
            raise StoreError(code, "not for you")

        monkeypatch.setattr(store, "dealt", dealt)

    fail("denied")
    assert left(desk) == 70
    fail("store_failed")
    with pytest.raises(StoreError, match="not for you"):
        desk.listings()


@pytest.mark.parametrize(
    ("amount", "written"),
    [("70", "70"), ("0.0", "0"), ("1" * 20, "111111111111111" + "0" * 5), ("99.9", "99.9")],
)
def test_what_is_written_down_has_fifteen_digits_and_is_never_too_much(
    amount: str, written: str
) -> None:
    assert str(noted(Decimal(amount))) == written


def test_what_is_left_is_exact_over_forty_digits(posted: Listing) -> None:
    large = msgspec.structs.replace(posted, quantity=Decimal(10) ** 19)
    assert str(left_of(large, [Decimal("1e-20")])) == "9" * 19 + "." + "9" * 20
    assert left_of(large, [Decimal(10) ** 19, Decimal(1)]) == 0


# Packed


def test_packed_deals_count(
    desk: Desk, alice: Party, bob: Party, carol: Party, clock: Clock
) -> None:
    old = market.post(alice, side="sell", chemical="C", price=1, quantity=10)
    agree(alice, bob, old)
    desk.poll()
    clock.forward(100 * DAY)
    posted = market.post(alice, side="sell", chemical="C", price=1, quantity=100)
    agree(alice, bob, posted, quantity=30)
    desk.poll()
    for filed in alice.transactions():
        alice.mark_settled(filed.name)
    clock.forward(DAY)
    assert desk.pack(0, party=ALICE).transactions == 2
    agree(alice, bob, posted, quantity=20)
    desk.poll()
    [row] = desk.listings()
    assert row.left == 50
    with pytest.raises(RuleViolation, match="only 50 of the listing"):
        market.respond(bob, ALICE, posted.id, quantity=51)
    one = market.respond(bob, ALICE, posted.id, quantity=50)
    other = market.respond(carol, ALICE, posted.id, quantity=1)
    alice.accept(one.id)
    clock.forward(1)
    alice.accept(other.id)
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([one.id], [other.id])


# What a crash leaves


def conclude(desk: Desk, negotiation_id: str) -> None:
    """Decide as a pass does, and die before anything follows from it."""
    place = desk.store.find(A, negotiation_id)
    assert place is not None
    snapshot = desk.store.snapshot(place)
    assert snapshot is not None
    outcome = decide(snapshot, desk.now(), Limits())
    assert outcome is not None
    desk.store.conclude(place, outcome)


def test_what_was_decided_before_a_crash_is_settled_before_anybody_else_is_judged(
    desk: Desk, alice: Party, bob: Party, carol: Party, posted: Listing, clock: Clock
) -> None:
    bobs = agree(alice, bob, posted)
    clock.forward(1)
    carols = agree(alice, carol, posted)
    conclude(desk, carols)
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([carols], [bobs])


def test_it_is_found_where_no_hint_leads_to_it(
    desk: Desk,
    store: Store,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hint is only a hint: this pass looks at bob's alone."""
    bobs = market.respond(bob, ALICE, posted.id)
    carols = agree(alice, carol, posted)
    conclude(desk, carols)
    alice.accept(bobs.id)
    attend = store.attend

    class OnlyBobs:
        def __init__(self, now: int, **options: Any) -> None:
            self.real = attend(now, **options)

        def __enter__(self) -> Any:
            agenda = self.real.__enter__()
            agenda.places = [place for place in agenda.places if place.id == bobs.id]
            return agenda

        def __exit__(self, *error: Any) -> Any:
            return self.real.__exit__(*error)

    with monkeypatch.context() as patch:
        patch.setattr(store, "attend", OnlyBobs)
        report = desk.poll()
    assert (report.agreed, report.rejected, report.active) == ([], [], [bobs.id])
    report = desk.poll()
    assert report.scanned, "the next one looks through everything"
    assert (report.agreed, report.rejected) == ([carols], [bobs.id])


def test_while_one_cannot_be_settled_the_other_waits_and_is_not_refused(
    desk: Desk,
    store: Store,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bobs = agree(alice, bob, posted, quantity=80)
    clock.forward(1)
    carols = agree(alice, carol, posted, quantity=80)
    small = agree(alice, bob, posted, quantity=20)
    settle = store.settle

    def settle_later(outcome: Outcome) -> Any:
        if outcome.negotiation_id == bobs:
            raise StoreError("no_space", "the disk is full")
        return settle(outcome)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "settle", lambda self, outcome: settle_later(outcome))
        for _ in range(2):
            report = desk.poll()
            assert carols in report.active
            assert report.rejected == []
            assert len(report.problems) == 1
    assert [filed.transaction.negotiation_id for filed in alice.transactions()] == [small]
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([bobs], [carols])
    assert left(desk) == 0


def test_one_that_could_not_be_concluded_at_all_keeps_nobody_waiting_for_long(
    desk: Desk,
    store: Store,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bobs = agree(alice, bob, posted)
    clock.forward(1)
    carols = agree(alice, carol, posted)
    real = type(store).conclude

    def refuse(self: Any, place: Any, outcome: Outcome) -> Outcome:
        if place.id == bobs:
            raise StoreError("no_space", "the disk is full")
        return real(self, place, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "conclude", refuse)
        assert desk.poll().agreed == []
    # The first to agree is still the first.
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([bobs], [carols])


def test_one_that_is_taken_back_while_it_is_decided_leaves_the_rest_to_others(
    desk: Desk,
    store: Store,
    alice: Party,
    bob: Party,
    carol: Party,
    posted: Listing,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bobs = agree(alice, bob, posted)
    clock.forward(1)
    carols = agree(alice, carol, posted)
    real = type(store).conclude

    def conclude_late(self: Any, place: Any, outcome: Outcome) -> Outcome:
        if place.id == bobs:
            monkeypatch.undo()
            found = store.snapshot(place)
            assert found is not None
            with store.writer(B) as pen:
                pen.write(place, found.states[B].rejecting("no", desk.now()))
        return real(self, place, outcome)

    monkeypatch.setattr(type(store), "conclude", conclude_late)
    report = desk.poll()
    assert (report.rejected, report.agreed) == ([bobs], [carols])
