"""What is agreed on in answer to a listing counts against it: once, and never beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.market.conftest import Scene
from tests.support import ALICE, BOB, CAROL, DAY, NOON

from nom_negotiate import (
    Desk,
    FileStore,
    Listing,
    MemoryStore,
    Outcome,
    Party,
    RuleViolation,
    Store,
    StoreError,
    codec,
    market,
)
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.listings import left_of, noted
from nom_negotiate.core.state import Limits

A, B, C = map(parse_address, (ALICE, BOB, CAROL))


def on_file(store: Store) -> Listing:
    [found] = store.listings(A)[0]
    return found


def why(party: Party, negotiation_id: str) -> str | None:
    outcome = party.negotiation(negotiation_id).outcome
    assert outcome is not None
    return outcome.reason


def test_deals_reduce_a_listing_until_it_is_closed(scene: Scene) -> None:
    scene.agree(scene.bob, quantity="30.5")
    assert scene.left() == 100, "a deal counts when it is settled"
    scene.desk.poll()
    assert scene.left() == Decimal("69.5")
    scene.clock.forward(10)
    last = market.respond(scene.carol, ALICE, scene.posted.id)
    assert last.offers[0].quantity == Decimal("69.5"), "all that is left"
    scene.alice.accept(last.id)
    scene.desk.poll()
    assert scene.left() == 0
    assert scene.desk.listings() == []
    with pytest.raises(RuleViolation, match="nothing of the listing"):
        market.respond(scene.bob, ALICE, scene.posted.id)


def test_who_agreed_first_gets_it_and_the_other_is_told_why(scene: Scene) -> None:
    bobs = market.respond(scene.bob, ALICE, scene.posted.id)
    carols = market.respond(scene.carol, ALICE, scene.posted.id)
    scene.alice.accept(carols.id)
    scene.clock.forward(1)
    scene.alice.accept(bobs.id)
    report = scene.desk.poll()
    assert (report.agreed, report.rejected, report.problems) == ([carols.id], [bobs.id], [])
    assert why(scene.bob, bobs.id) == f"nothing of the listing {scene.posted.id} is left"
    assert scene.bob.transactions() == []
    [filed] = scene.alice.transactions()
    assert filed.transaction.counterparty == CAROL


def test_what_is_too_much_by_now_cannot_be_accepted_and_may_be_countered(scene: Scene) -> None:
    carols = market.respond(scene.carol, ALICE, scene.posted.id, quantity=31)
    scene.agree(scene.bob, quantity=70)
    scene.desk.poll()
    with pytest.raises(RuleViolation, match=f"only 30 of the listing {scene.posted.id} are left"):
        scene.alice.accept(carols.id)
    scene.alice.offer(carols.id, price=5, quantity=31)
    with pytest.raises(RuleViolation, match="only 30 of the listing"):
        scene.carol.accept(carols.id)
    scene.carol.offer(carols.id, price=5, quantity=30)
    scene.alice.accept(carols.id)
    assert scene.desk.poll().agreed == [carols.id]
    assert scene.left() == 0


def test_what_a_program_agreed_to_all_the_same_is_refused_for_what_is_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    carols = market.respond(scene.carol, ALICE, scene.posted.id, quantity=31)
    scene.agree(scene.bob, quantity=70)
    scene.desk.poll()
    monkeypatch.setattr(type(scene.alice), "_check_left", lambda *_: None)
    scene.alice.accept(carols.id)
    assert scene.desk.poll().rejected == [carols.id]
    assert why(scene.carol, carols.id) == f"only 30 of the listing {scene.posted.id} are left"
    assert scene.left() == 30


def test_one_that_is_too_much_leaves_the_way_to_one_that_fits(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was agreed on is more than what was asked for, and less was asked for later."""
    much = market.respond(scene.bob, ALICE, scene.posted.id)
    scene.alice.offer(much.id, price=5, quantity=101)
    with monkeypatch.context() as patch:
        patch.setattr(type(scene.bob), "_check_left", lambda *_: None)
        scene.bob.accept(much.id)
    scene.clock.forward(1)
    fits = scene.agree(scene.carol, quantity=100)
    report = scene.desk.poll()
    assert (report.agreed, report.rejected) == ([fits], [much.id])


def test_many_answers_of_one_pass_are_shared_out_in_their_order(scene: Scene) -> None:
    ids = []
    for number in range(12):
        ids.append(scene.agree(scene.desk.party(f"p{number}@x.edu"), quantity=15))
        scene.clock.forward(1)
    report = scene.desk.poll()
    assert sorted(report.agreed) == sorted(ids[:6])
    assert sorted(report.rejected) == sorted(ids[6:])
    assert scene.left() == 10
    assert {why(scene.alice, one) for one in ids[6:]} == {
        f"only 10 of the listing {scene.posted.id} are left"
    }


def test_a_validator_that_objects_leaves_the_rest_to_others(scene: Scene) -> None:
    def no_bob(proposed: Outcome, store: Store) -> str | None:
        return "not to bob" if proposed.deal and proposed.deal.buyer == BOB else None

    desk = Desk(scene.store, clock=scene.clock, validators=[no_bob], after_settlement=())
    bobs, carols = scene.rivals()
    report = desk.poll()
    assert (report.rejected, report.agreed) == ([bobs], [carols])


def test_a_listing_without_a_quantity_is_never_used_up(scene: Scene) -> None:
    posted = market.post(scene.alice, side="sell", chemical="C", price=1)
    for _ in range(3):
        scene.agree(scene.bob, posted, quantity=10**9)
    assert len(scene.desk.poll().agreed) == 3
    [row] = [each for each in scene.desk.listings() if each.listing == posted]
    assert (row.left, row.stands) == (None, True)


def test_a_deal_that_answers_nothing_takes_nothing(scene: Scene) -> None:
    deal = scene.alice.start(BOB, chemical="C", role="seller", price=1, quantity=500)
    scene.bob.accept(deal.id)
    assert scene.desk.poll().agreed == [deal.id]
    assert scene.left() == 100


def test_what_is_closed_by_hand_may_still_be_agreed_on_within_what_was_left(scene: Scene) -> None:
    one = market.respond(scene.bob, ALICE, scene.posted.id, quantity=60)
    other = market.respond(scene.carol, ALICE, scene.posted.id, quantity=60)
    market.close(scene.alice, scene.posted.id)
    scene.alice.accept(one.id)
    scene.clock.forward(1)
    scene.alice.accept(other.id)
    report = scene.desk.poll()
    assert (report.agreed, report.rejected) == ([one.id], [other.id])


def test_without_the_listing_nothing_limits_what_its_author_agrees_to(scene: Scene) -> None:
    ids = [scene.agree(scene.bob), scene.agree(scene.carol)]
    with scene.store.writer(A) as pen:
        pen.remove_listing(scene.posted.id)
        pen.remove_listing(scene.posted.id)
    assert sorted(scene.desk.poll().agreed) == ids


# What is written down


def unnoted(scene: Scene, **terms: Any) -> None:
    """Let a deal be settled by a pass that cannot note what it leaves: somebody has the lock."""
    scene.agree(scene.bob, **terms)
    before = on_file(scene.store)
    with scene.store.writer(A):
        assert scene.desk.poll().problems == []
    assert on_file(scene.store) == before
    assert scene.store.transactions(A)[0]


def test_the_pass_that_settles_a_deal_writes_down_what_is_left(scene: Scene) -> None:
    scene.agree(scene.bob, quantity=30)
    scene.desk.poll()
    assert on_file(scene.store) == msgspec.structs.replace(scene.posted, left=Decimal(70))
    scene.clock.forward(DAY)
    scene.agree(scene.carol, quantity=70)
    scene.desk.poll()
    closed = on_file(scene.store)
    assert (closed.status, closed.closed_at, closed.left) == ("closed", NOON + DAY, Decimal(0))


def test_whoever_watches_is_told_that_the_last_deal_has_closed_a_listing(scene: Scene) -> None:
    with scene.desk.watch() as watch:
        watch.look()
        scene.agree(scene.bob, quantity=30)
        scene.desk.poll()
        assert "listing.closed" not in [event.kind for event in watch.look()]
        scene.agree(scene.carol, quantity=70)
        scene.desk.poll()
        told = [event.kind for event in watch.look()]
    assert sorted(told)[0] == "listing.closed"
    assert "negotiation.settled" in told


def test_a_pass_writes_down_what_one_that_was_cut_short_has_decided(scene: Scene) -> None:
    conclude(scene.desk, scene.agree(scene.bob, quantity=30))
    scene.desk.poll()
    assert on_file(scene.store).left == 70


def test_a_pass_waits_for_no_author_whose_next_call_writes_it_down(scene: Scene) -> None:
    unnoted(scene, quantity=30)
    scene.clock.forward(DAY)
    scene.alice.mark_settled(scene.alice.transactions()[0].name)
    assert on_file(scene.store) == msgspec.structs.replace(scene.posted, left=Decimal(70))
    unnoted(scene, quantity=70)
    assert (scene.left(), scene.desk.listings()) == (Decimal(0), [])
    scene.clock.forward(DAY)
    market.post(scene.alice, side="buy", chemical="N")
    closed, _ = scene.store.listings(A)[0]
    assert (closed.closed_at, closed.left) == (NOON + 2 * DAY, Decimal(0))
    assert closed.status == "closed"


def fail_to_write(scene: Scene, patch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    with scene.store.writer(A) as pen:
        patch.setattr(type(pen), "write_listing", fail)


def test_a_note_does_not_undo_what_a_program_writes_in_the_file_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheaper = msgspec.structs.replace(scene.posted, price=Decimal(4))
    dealt = scene.store.dealt

    def meanwhile(*asked: Any) -> Any:
        if not scene.alice.transactions():
            # Nothing is settled yet: this is not asked for the note.
            return dealt(*asked)
        if isinstance(scene.store, FileStore):
            path = Path(scene.store.layout.room(A, "listings"), f"{cheaper.id}.json")
            path.write_bytes(codec.encode(cheaper))
        elif isinstance(scene.store, MemoryStore):
            scene.store._listings[A][f"{cheaper.id}.json"] = codec.encode(cheaper)
        return dealt(*asked)

    deal = scene.agree(scene.bob, quantity=30)
    with monkeypatch.context() as patch:
        patch.setattr(scene.store, "dealt", meanwhile)
        assert scene.desk.poll().agreed == [deal]
    assert on_file(scene.store) == cheaper
    market.post(scene.alice, side="buy", chemical="N")
    [noted_later] = [each for each in scene.store.listings(A)[0] if each.id == cheaper.id]
    assert noted_later == msgspec.structs.replace(cheaper, left=Decimal(70))


def test_a_mark_holds_where_the_listing_cannot_be_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnoted(scene, quantity=30)
    fail_to_write(scene, monkeypatch, StoreError("no_space", "the disk is full"))
    name = scene.alice.transactions()[0].name
    assert scene.alice.mark_settled(name).settled
    assert scene.alice.transactions()[0].transaction.settled
    monkeypatch.undo()
    scene.alice.mark_settled(name)
    assert on_file(scene.store).left == 70


@pytest.mark.parametrize(
    ("error", "problems"),
    [(StoreError("no_space", "the disk is full"), 0), (ValueError("a defect"), 1)],
    ids=["full disk", "defect"],
)
def test_a_deal_is_settled_where_the_listing_cannot_be_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception, problems: int
) -> None:
    deal = scene.agree(scene.bob, quantity=30)
    fail_to_write(scene, monkeypatch, error)
    report = scene.desk.poll()
    assert (report.agreed, len(report.problems)) == ([deal], problems)
    assert (scene.left(), on_file(scene.store)) == (Decimal(70), scene.posted)


def test_closing_says_what_is_left(scene: Scene) -> None:
    scene.agree(scene.bob, quantity=30)
    scene.desk.poll()
    assert market.close(scene.alice, scene.posted.id).left == 70
    assert scene.left() == 70


def test_somebody_elses_call_writes_nothing(scene: Scene) -> None:
    unnoted(scene, quantity=30)
    scene.bob.mark_settled(scene.bob.transactions()[0].name)
    market.post(scene.bob, side="buy", chemical="C")
    scene.desk.listings()
    assert on_file(scene.store) == scene.posted


def test_whoever_cannot_read_the_transactions_is_shown_what_was_written_down(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.agree(scene.bob, quantity=30)
    scene.desk.poll()
    unnoted(scene, quantity=20)
    assert scene.left() == 50

    def fail(code: str) -> None:
        def dealt(*_: object) -> Mapping[str, Mapping[str, Decimal]]:
            raise StoreError(code, "not for you")

        monkeypatch.setattr(scene.store, "dealt", dealt)

    fail("denied")
    assert scene.left() == 70
    fail("store_failed")
    with pytest.raises(StoreError, match="not for you"):
        scene.desk.listings()


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


def test_packed_deals_count(scene: Scene) -> None:
    scene.agree(scene.bob)
    scene.desk.poll()
    scene.clock.forward(100 * DAY)
    posted = market.post(scene.alice, side="sell", chemical="C", price=1, quantity=100)
    scene.agree(scene.bob, posted, quantity=30)
    scene.desk.poll()
    for filed in scene.alice.transactions():
        scene.alice.mark_settled(filed.name)
    scene.clock.forward(DAY)
    assert scene.desk.pack(0, party=ALICE).transactions == 2
    scene.agree(scene.bob, posted, quantity=20)
    scene.desk.poll()
    [row] = scene.desk.listings()
    assert row.left == 50
    with pytest.raises(RuleViolation, match="only 50 of the listing"):
        market.respond(scene.bob, ALICE, posted.id, quantity=51)
    one = market.respond(scene.bob, ALICE, posted.id, quantity=50)
    other = market.respond(scene.carol, ALICE, posted.id, quantity=1)
    scene.alice.accept(one.id)
    scene.clock.forward(1)
    scene.alice.accept(other.id)
    report = scene.desk.poll()
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
    scene: Scene,
) -> None:
    bobs, carols = scene.rivals()
    conclude(scene.desk, carols)
    report = scene.desk.poll()
    assert (report.agreed, report.rejected) == ([carols], [bobs])


def test_it_is_found_where_no_hint_leads_to_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hint is only a hint: this pass looks at bob's alone."""
    bobs = market.respond(scene.bob, ALICE, scene.posted.id)
    carols = scene.agree(scene.carol)
    conclude(scene.desk, carols)
    scene.alice.accept(bobs.id)
    attend = scene.store.attend

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
        patch.setattr(scene.store, "attend", OnlyBobs)
        report = scene.desk.poll()
    assert (report.agreed, report.rejected, report.active) == ([], [], [bobs.id])
    report = scene.desk.poll()
    assert report.scanned, "the next one looks through everything"
    assert (report.agreed, report.rejected) == ([carols], [bobs.id])


def test_while_one_cannot_be_settled_the_other_waits_and_is_not_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bobs, carols = scene.rivals(quantity=80)
    small = scene.agree(scene.bob, quantity=20)
    settle = scene.store.settle

    def settle_later(outcome: Outcome) -> Any:
        if outcome.negotiation_id == bobs:
            raise StoreError("no_space", "the disk is full")
        return settle(outcome)

    with monkeypatch.context() as patch:
        patch.setattr(type(scene.store), "settle", lambda self, outcome: settle_later(outcome))
        for _ in range(2):
            report = scene.desk.poll()
            assert carols in report.active
            assert report.rejected == []
            assert len(report.problems) == 1
    assert [filed.transaction.negotiation_id for filed in scene.alice.transactions()] == [small]
    report = scene.desk.poll()
    assert (report.agreed, report.rejected) == ([bobs], [carols])
    assert scene.left() == 0


def test_one_that_could_not_be_concluded_at_all_keeps_nobody_waiting_for_long(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bobs, carols = scene.rivals()
    real = type(scene.store).conclude

    def refuse(self: Any, place: Any, outcome: Outcome) -> Outcome:
        if place.id == bobs:
            raise StoreError("no_space", "the disk is full")
        return real(self, place, outcome)

    with monkeypatch.context() as patch:
        patch.setattr(type(scene.store), "conclude", refuse)
        assert scene.desk.poll().agreed == []
    # The first to agree is still the first.
    report = scene.desk.poll()
    assert (report.agreed, report.rejected) == ([bobs], [carols])


def test_one_that_is_taken_back_while_it_is_decided_leaves_the_rest_to_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    bobs, carols = scene.rivals()
    real = type(scene.store).conclude

    def conclude_late(self: Any, place: Any, outcome: Outcome) -> Outcome:
        if place.id == bobs:
            monkeypatch.undo()
            found = scene.store.snapshot(place)
            assert found is not None
            with scene.store.writer(B) as pen:
                pen.write(place, found.states[B].rejecting("no", scene.desk.now()))
        return real(self, place, outcome)

    monkeypatch.setattr(type(scene.store), "conclude", conclude_late)
    report = scene.desk.poll()
    assert (report.rejected, report.agreed) == ([bobs], [carols])
