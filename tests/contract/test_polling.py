"""Over every store: a pass of the poller, its report, validators and hooks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from tests.contract.test_negotiating import ID, refusal, start
from tests.support import ALICE, BOB, CAROL, DAY, HOUR, NOON, Clock

from nom_negotiate import (
    Desk,
    Filed,
    Kind,
    Namespace,
    Outcome,
    Party,
    Phase,
    Report,
    Store,
    StoreError,
)
from nom_negotiate.core.identity import parse_address


def with_extensions(desk: Desk, clock: Clock, **extensions: Any) -> Desk:
    """Return another desk over the same store, with validators or hooks."""
    options: dict[str, Any] = {"validators": (), "after_settlement": (), **extensions}
    return Desk(desk.store, clock=clock, **options)


# A pass


@pytest.mark.durable
def test_a_pass_reports_each_negotiation_once(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    for chemical in "CND":
        start(alice, chemical=chemical)
    start(alice, chemical="Q", idle_s=9)
    start(alice, CAROL)
    bob.accept(f"alice_bob_C_{NOON}")
    bob.reject(f"alice_bob_N_{NOON}")
    alice.withdraw(f"alice_bob_D_{NOON}")
    clock.forward(10)
    report = desk.poll()
    assert report == Report(
        at=NOON + 10,
        agreed=[f"alice_bob_C_{NOON}"],
        rejected=[f"alice_bob_N_{NOON}"],
        withdrawn=[f"alice_bob_D_{NOON}"],
        expired=[f"alice_bob_Q_{NOON}"],
        active=[f"alice_carol_C_{NOON}"],
        places=[Namespace(f"alice_carol_C_{NOON}", parse_address(ALICE))],
        duration_ms=report.duration_ms,
        scanned=True,
    )
    assert desk.poll(scan=True).active == [f"alice_carol_C_{NOON}"]
    assert [n.id for n in desk.negotiations()] == [f"alice_carol_C_{NOON}"]
    assert len(desk.archive()) == len(bob.negotiations(archived=True)) == 4


def test_a_pass_over_nothing_is_a_pass(desk: Desk) -> None:
    report = desk.poll()
    assert report == Report(at=NOON, duration_ms=report.duration_ms, scanned=True)


def test_a_pass_names_what_it_looked_at(desk: Desk, alice: Party, bob: Party) -> None:
    for chemical in "CN":
        start(alice, chemical=chemical)
    assert desk.poll().active == [f"alice_bob_C_{NOON}", f"alice_bob_N_{NOON}"]
    bob.say(ID, "hm")
    report = desk.poll()
    places = [Namespace(ID, parse_address(ALICE))]
    assert report == Report(at=NOON, active=[ID], places=places, duration_ms=report.duration_ms)
    report = desk.poll()
    assert report == Report(at=NOON, duration_ms=report.duration_ms)


def test_a_pass_appends_one_line_to_the_log(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    bob.accept(ID)
    start(alice, CAROL)
    for _ in range(2):
        desk.poll(scan=True)
    first, second = (json.loads(line) for line in desk.store.passes())
    assert first.pop("duration_ms") > 0
    counts = {"agreed": 1, "rejected": 0, "withdrawn": 0, "expired": 0, "problems": 0}
    assert first == {"time": NOON, "active": 1, **counts}
    assert (second["active"], second["agreed"]) == (1, 0)


def test_a_second_pass_at_the_same_time_leaves_and_says_so(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice)
    bob.accept(ID)
    with desk.store.polling() as free:
        assert free
        assert desk.poll() == Report(at=NOON, busy=True)
    assert alice.transactions() == []
    assert list(desk.store.passes()) == []
    assert desk.poll().agreed == [ID]


def test_a_late_pass_settles_what_was_agreed_in_time(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, valid_until=NOON + HOUR)
    clock.forward(HOUR)
    bob.accept(ID)
    clock.forward(10 * DAY)
    assert desk.poll().agreed == [ID]
    [mine] = alice.transactions()
    assert mine.transaction.timestamp == int(clock.now)


def test_the_outcome_names_what_it_was_decided_from(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    bob.say(ID, "hm")
    bob.accept(ID)
    place = desk.store.find(alice.address, ID)
    assert place is not None
    before = desk.store.snapshot(place)
    assert before is not None
    desk.poll()
    outcome = alice.negotiation(ID).outcome
    assert outcome is not None
    assert {party: basis.revision for party, basis in outcome.states.items()} == {ALICE: 1, BOB: 2}
    assert {party: basis.sha256 for party, basis in outcome.states.items()} == before.digests
    assert outcome.deal is not None
    assert (outcome.deal.buyer, outcome.deal.seller) == (ALICE, BOB)
    assert (outcome.deal.price, outcome.deal.quantity) == (Decimal("5.5"), Decimal(1000))
    assert {
        party: [f.name for f in desk.party(party).transactions()] for party in (ALICE, BOB)
    } == {party: [name] for party, name in outcome.transactions.items()}


def test_settling_again_after_the_owner_has_marked_it_adds_nothing(
    desk: Desk, alice: Party, bob: Party
) -> None:
    start(alice)
    bob.accept(ID)
    desk.poll()
    [mine] = alice.transactions()
    assert alice.mark_settled(mine.name).settled
    outcome = alice.negotiation(ID).outcome
    assert outcome is not None
    desk.store.settle(outcome)
    [still] = alice.transactions()
    assert still.transaction == msgspec.structs.replace(mine.transaction, settled=True)


# Marks and figures


def test_a_party_marks_its_own_transactions(desk: Desk, alice: Party, bob: Party) -> None:
    start(alice)
    bob.accept(ID)
    desk.poll()
    [mine] = alice.transactions()
    assert alice.mark_settled(mine.name) == alice.mark_settled(mine.name)
    assert [f.transaction.settled for f in alice.transactions()] == [True]
    assert [f.transaction.settled for f in bob.transactions()] == [False]
    assert refusal(bob.mark_settled, mine.name) == "unknown_transaction"
    assert not alice.mark_settled(mine.name, settled=False).settled


def test_a_party_that_is_not_here_has_nothing_to_mark_and_is_not_created(desk: Desk) -> None:
    assert refusal(desk.party(ALICE).mark_settled, "x.json") == "unknown_transaction"
    assert desk.store.parties() == []


def test_the_figures_of_both_sides_are_equal(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice, price="0.1", quantity="0.2")
    bob.accept(ID)
    start(bob, ALICE, price="123456789.012345", quantity=3, again=True)
    alice.accept(f"bob_alice_C_{NOON}")
    start(alice, CAROL)
    desk.poll()
    clock.forward(2 * DAY)
    alice.mark_settled(alice.transactions()[0].name)
    desk.poll()
    stats = desk.stats()
    volume = stats.volumes["C"]
    assert (volume.bought, volume.paid) == (Decimal("3.2"), Decimal("370370367.057035"))
    assert volume.conserved
    assert (stats.parties, stats.active, stats.transactions, stats.settled) == (3, 0, 4, 1)
    assert stats.ended == {"agreed": 2, "expired": 1}
    assert stats.last_pass is not None
    assert json.loads(stats.last_pass)["expired"] == 1


# Validators


def test_a_validator_that_objects_turns_the_deal_down(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    asked: list[Outcome] = []

    def no_stock(proposed: Outcome, store: Store) -> str | None:
        asked.append(proposed)
        assert store is desk.store
        return "the seller has no stock"

    start(alice)
    bob.accept(ID)
    report = with_extensions(desk, clock, validators=[no_stock]).poll()
    assert (report.rejected, report.agreed, report.problems) == ([ID], [], [])
    assert [outcome.outcome for outcome in asked] == [Kind.AGREED]
    ended = alice.negotiation(ID)
    assert (ended.phase, ended.archived) == (Phase.REJECTED, True)
    assert ended.outcome is not None
    assert ended.outcome.reason == "the seller has no stock"
    assert (ended.outcome.deal, ended.outcome.by) == (None, None)
    assert alice.transactions() == bob.transactions() == []


def test_validators_are_asked_in_turn_until_one_objects(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    asked: list[str] = []

    def content(proposed: Outcome, store: Store) -> str | None:
        asked.append("content")
        return None

    def objecting(proposed: Outcome, store: Store) -> str | None:
        asked.append("objecting")
        return "no"

    start(alice)
    bob.accept(ID)
    start(bob, CAROL)
    with_extensions(desk, clock, validators=[content, objecting, content]).poll()
    assert asked == ["content", "objecting"]


def raising(proposed: Outcome, store: Store) -> str | None:
    raise ZeroDivisionError("what a validator can do")


@pytest.mark.parametrize(
    "validator",
    [raising, lambda *_: True, lambda *_: "", lambda *_: "\ud800", lambda *_: "x" * 3000],
    ids=["raises", "is no text", "is empty", "cannot be written", "is too long"],
)
def test_a_validator_that_fails_leaves_the_deal_undecided_and_is_reported(
    desk: Desk, alice: Party, bob: Party, clock: Clock, validator: Any
) -> None:
    start(alice)
    bob.accept(ID)
    start(alice, CAROL)
    desk.party(CAROL).reject(f"alice_carol_C_{NOON}")
    report = with_extensions(desk, clock, validators=[validator]).poll()
    assert (report.active, report.rejected) == ([ID], [f"alice_carol_C_{NOON}"])
    [problem] = report.problems
    assert problem.path == ID
    assert "validator" in problem.reason
    assert alice.negotiation(ID).outcome is None
    # Repaired, it may answer.
    assert desk.poll().agreed == [ID]


# Hooks


def test_a_hook_is_given_both_transactions_of_a_settled_deal(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    calls: list[tuple[Outcome, Mapping[Any, Filed]]] = []

    def hook(outcome: Outcome, transactions: Mapping[Any, Filed]) -> None:
        calls.append((outcome, transactions))
        # Both are there when it is called, and the negotiation is not archived yet.
        assert alice.transactions() == [transactions[ALICE]]
        assert bob.transactions() == [transactions[BOB]]
        assert not alice.negotiation(ID).archived

    start(alice)
    bob.accept(ID)
    start(alice, CAROL)
    alice.withdraw(f"alice_carol_C_{NOON}")
    report = with_extensions(desk, clock, after_settlement=[hook]).poll()
    assert not report.problems
    [(outcome, transactions)] = calls
    assert outcome == alice.negotiation(ID).outcome
    assert set(transactions) == {ALICE, BOB}


def test_a_hook_that_raises_is_reported_and_the_deal_is_archived(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    called: list[str] = []

    def broken(outcome: Outcome, transactions: Mapping[Any, Filed]) -> None:
        raise ZeroDivisionError("what a hook can do")

    def working(outcome: Outcome, transactions: Mapping[Any, Filed]) -> None:
        called.append(outcome.negotiation_id)

    start(alice)
    bob.accept(ID)
    other = with_extensions(desk, clock, after_settlement=[broken, working])
    report = other.poll()
    assert report.agreed == called == [ID]
    [problem] = report.problems
    assert "what a hook can do" in problem.reason
    assert alice.negotiation(ID).archived
    other.poll()
    assert called == [ID]


# What goes wrong with one negotiation


def test_trouble_with_one_negotiation_stops_no_other(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    class Troubled:
        """A store that cannot settle one of the deals."""

        def __init__(self, error: Exception) -> None:
            self.error = error

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.store, name)

        @contextmanager
        def batch(self) -> Iterator[Any]:
            yield self

        def settle(self, outcome: Outcome) -> Any:
            if outcome.chemical == "C":
                raise self.error
            return desk.store.settle(outcome)

    for chemical in "CNDQ":
        start(alice, chemical=chemical)
        bob.accept(f"alice_bob_{chemical}_{NOON}")
    full: Any = Troubled(StoreError("no_space", "the disk is full"))
    report = with_extensions(Desk(full), clock).poll()
    assert report.agreed == [f"alice_bob_{chemical}_{NOON}" for chemical in "DNQ"]
    assert ["the disk is full" in problem.reason for problem in report.problems] == [True]
    defective: Any = Troubled(ZeroDivisionError("a defect"))
    report = with_extensions(Desk(defective), clock).poll()
    assert ["a defect" in problem.reason for problem in report.problems] == [True]
    # The outcome stands, and the next pass finishes what it stands for.
    assert desk.poll().agreed == [ID]
    assert len(alice.transactions()) == len(bob.transactions()) == 4
