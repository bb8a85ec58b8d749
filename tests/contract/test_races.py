"""Over every store: somebody else acts in the middle of an action.

What happens in the middle is put there by a store that runs it right before or right after a
party's own write. `test_interleavings` goes through all other places, too; these are the
stories that one can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.contract.test_negotiating import ID, start
from tests.support import ALICE, BOB, DAY, NOON, Clock

from nom_negotiate import (
    Conflict,
    Desk,
    Negotiation,
    NomError,
    Party,
    Phase,
    RuleViolation,
    Status,
)


class Interposed:
    """A store in which something happens right before, or right after, one write."""

    def __init__(
        self,
        store: Any,
        *,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        self.store = store
        self.before = before
        self.after = after
        self.armed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    @contextmanager
    def writer(self, party: Any) -> Iterator[Any]:
        with self.store.writer(party) as pen:
            yield _Pen(pen, self)


class _Pen:
    def __init__(self, pen: Any, store: Interposed) -> None:
        self.pen = pen
        self.store = store

    def write(self, *args: Any, **options: Any) -> Any:
        first, self.store.armed = self.store.armed, False
        if first:
            self.store.before()
        written = self.pen.write(*args, **options)
        if first:
            self.store.after()
        return written


@pytest.fixture
def meanwhile(desk: Desk, clock: Clock) -> Callable[..., Party]:
    """Return a function that gives a party in whose first write something happens."""

    def party(address: str, **happens: Callable[[], object]) -> Party:
        store: Any = Interposed(desk.store, **happens)
        return Desk(store, clock=clock, validators=(), after_settlement=()).party(address)

    return party


Meanwhile = Callable[..., Party]


def said(party: Party) -> dict[str, tuple[object, Status]]:
    """Return what both sides say now, as it stands in the store."""
    place = party.desk.store.find(party.address, ID)
    assert place is not None
    snapshot = party.desk.store.snapshot(place)
    assert snapshot is not None
    return {user: (state.offer, state.status) for user, state in snapshot.states.items()}


def conflict(action: Callable[[], Negotiation]) -> Conflict:
    with pytest.raises(Conflict) as refused:
        action()
    return refused.value


def test_an_acceptance_that_comes_before_a_withdrawal_stands(
    desk: Desk, alice: Party, bob: Party, meanwhile: Meanwhile
) -> None:
    start(alice)
    offered = said(alice)[ALICE]
    withdrawing = meanwhile(ALICE, before=lambda: bob.accept(ID))
    refused = conflict(lambda: withdrawing.withdraw(ID))
    assert refused.code == "already_accepted"
    assert BOB in refused.message
    assert said(alice)[ALICE] == offered
    assert desk.poll().agreed == [ID]


def test_a_withdrawal_that_comes_before_an_acceptance_stands(
    desk: Desk, alice: Party, meanwhile: Meanwhile
) -> None:
    start(alice)
    accepting = meanwhile(BOB, before=lambda: alice.withdraw(ID))
    with pytest.raises(RuleViolation) as refused:
        accepting.accept(ID)
    assert refused.value.code == "concluded"
    assert set(said(alice)) == {ALICE}
    assert desk.poll().withdrawn == [ID]


def test_a_withdrawal_right_after_an_acceptance_is_refused(
    desk: Desk, alice: Party, meanwhile: Meanwhile
) -> None:
    start(alice)
    refusals: list[str] = []

    def withdraw() -> None:
        with pytest.raises(NomError) as refused:
            alice.withdraw(ID)
        refusals.append(refused.value.code)

    assert meanwhile(BOB, after=withdraw).accept(ID).phase is Phase.AGREED
    assert refusals == ["concluded"]
    assert desk.poll().agreed == [ID]


def test_an_acceptance_is_not_of_another_offer_than_the_one_that_was_seen(
    desk: Desk, alice: Party, bob: Party, clock: Clock, meanwhile: Meanwhile
) -> None:
    start(alice, valid_until=NOON + 60)
    clock.forward(60)

    def lapse_and_offer() -> None:
        clock.forward(1)
        alice.offer(ID, price=9, quantity=1000)

    accepting = meanwhile(BOB, before=lapse_and_offer)
    assert conflict(lambda: accepting.accept(ID)).code == "moved"
    assert set(said(alice)) == {ALICE}
    assert desk.poll().active == [ID]
    assert bob.accept(ID, round=2).phase is Phase.AGREED


def test_a_lapsed_offer_that_was_accepted_in_time_is_not_replaced(
    desk: Desk, alice: Party, bob: Party, clock: Clock, meanwhile: Meanwhile
) -> None:
    start(alice, valid_until=NOON + 60)
    offered = said(alice)[ALICE]
    clock.forward(61)

    def accept_in_time() -> None:
        clock.forward(-1)
        bob.accept(ID)
        clock.forward(1)

    offering = meanwhile(ALICE, before=accept_in_time)
    refused = conflict(lambda: offering.offer(ID, price=6, quantity=1))
    assert refused.code == "already_accepted"
    assert said(alice)[ALICE] == offered
    assert desk.poll().agreed == [ID]


def test_a_rejection_is_not_of_another_offer_than_the_one_that_was_seen(
    desk: Desk, alice: Party, clock: Clock, meanwhile: Meanwhile
) -> None:
    start(alice, valid_until=NOON + 60)
    clock.forward(61)
    rejecting = meanwhile(BOB, before=lambda: alice.offer(ID, price=9, quantity=1000))
    assert conflict(lambda: rejecting.reject(ID)).code == "moved"
    assert desk.poll().active == [ID]


def test_a_message_gets_through_whatever_the_other_side_does(
    alice: Party, bob: Party, meanwhile: Meanwhile
) -> None:
    start(alice)
    speaking = meanwhile(ALICE, before=lambda: bob.offer(ID, price=6, quantity=900))
    spoken = speaking.say(ID, "are you there?")
    assert [message.text for message in spoken.messages] == ["are you there?"]
    assert spoken.turn == ALICE


def test_an_outcome_that_comes_right_after_an_acceptance_is_its_own(
    desk: Desk, alice: Party, meanwhile: Meanwhile
) -> None:
    start(alice)
    accepted = meanwhile(BOB, after=desk.poll).accept(ID)
    assert (accepted.phase, accepted.archived) == (Phase.AGREED, True)
    assert len(alice.transactions()) == 1


def test_an_outcome_that_comes_right_before_a_write_is_obeyed(
    desk: Desk, alice: Party, clock: Clock, meanwhile: Meanwhile
) -> None:
    start(alice)

    def expire() -> None:
        clock.forward(DAY + 1)
        assert desk.poll().expired == [ID]

    for verb, options in (("accept", {}), ("say", {"text": "yes!"}), ("reject", {})):
        acting = meanwhile(BOB, before=expire if verb == "accept" else lambda: None)
        with pytest.raises(RuleViolation) as refused:
            getattr(acting, verb)(ID, **options)
        assert refused.value.code == "concluded"
        assert "expired" in refused.value.message
    assert set(said(alice)) == {ALICE}


@pytest.mark.parametrize("verb", ["reject", "withdraw"])
def test_an_outcome_that_comes_right_after_an_end_is_its_own(
    desk: Desk, alice: Party, meanwhile: Meanwhile, verb: str
) -> None:
    start(alice)
    acting = meanwhile(BOB if verb == "reject" else ALICE, after=desk.poll)
    ended = getattr(acting, verb)(ID, reason="enough")
    assert ended.outcome is not None
    assert ended.outcome.reason == "enough"


def test_what_a_validator_turns_down_right_after_the_acceptance_is_told(
    desk: Desk, alice: Party, clock: Clock, meanwhile: Meanwhile
) -> None:
    start(alice)
    strict = Desk(desk.store, clock=clock, validators=[lambda *_: "no stock"], after_settlement=())
    accepting = meanwhile(BOB, after=strict.poll)
    with pytest.raises(RuleViolation, match="no stock"):
        accepting.accept(ID)


def test_two_tabs_of_a_party_see_each_others_revision(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    start(alice)
    tabs = [Desk(desk.store, clock=clock).party(BOB) for _ in range(2)]
    seen = [tab.negotiation(ID).revisions[tab.address] for tab in tabs]
    tabs[0].say(ID, "from one", revision=seen[0])
    with pytest.raises(Conflict) as refused:
        tabs[1].say(ID, "from the other", revision=seen[1])
    assert refused.value.code == "stale_revision"
    assert [message.text for message in bob.negotiation(ID).messages] == ["from one"]


def test_a_program_that_writes_the_partys_own_file_meanwhile_loses_nothing(
    desk: Desk, alice: Party, meanwhile: Meanwhile
) -> None:
    start(alice)

    with desk.store.writer(alice.address) as pen:
        place = desk.store.find(alice.address, ID)
        assert place is not None

    def write_past_the_lock() -> None:
        snapshot = desk.store.snapshot(place)
        assert snapshot is not None
        # The lock that this pen was had with is long given back.
        pen.write(place, snapshot.states[alice.address].saying("from a program", NOON))

    speaking = meanwhile(ALICE, before=write_past_the_lock)
    spoken = speaking.say(ID, "from the library")
    assert {message.text for message in spoken.messages} == {"from a program", "from the library"}


def test_an_action_that_is_disturbed_every_time_gives_up_and_says_so(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    class Disturbed(Interposed):
        """A store in which bob speaks before every single write."""

        @property
        def armed(self) -> bool:
            return True

        @armed.setter
        def armed(self, value: bool) -> None:
            pass

    start(alice)
    store: Any = Disturbed(desk.store, before=lambda: bob.say(ID, "wait"))
    speaking = Desk(store, clock=clock).party(ALICE)
    assert conflict(lambda: speaking.say(ID, "please")).code == "busy"
    assert {message.by for message in alice.negotiation(ID).messages} == {BOB}


def test_a_pass_that_a_party_gets_ahead_of_decides_anew(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    class Overtaken(Interposed):
        """A store in which something happens right before the first decision is recorded."""

        def conclude(self, *args: Any) -> Any:
            if self.armed:
                self.armed = False
                self.before()
            return self.store.conclude(*args)

    def accept_in_time() -> None:
        clock.forward(-1)
        bob.accept(ID)
        clock.forward(1)

    start(alice)
    clock.forward(DAY + 1)
    store: Any = Overtaken(desk.store, before=accept_in_time)
    report = Desk(store, clock=clock, validators=(), after_settlement=()).poll()
    assert (report.agreed, report.expired, report.problems) == ([ID], [], [])


def test_a_pass_leaves_for_later_what_is_written_to_all_the_time(
    desk: Desk, alice: Party, clock: Clock
) -> None:
    class Restless(Interposed):
        """A store in which alice speaks, in time, before every decision."""

        def conclude(self, *args: Any) -> Any:
            clock.forward(-1)
            alice.say(ID, "wait")
            clock.forward(1)
            # What she said is still too long ago.
            clock.forward(DAY)
            return self.store.conclude(*args)

    start(alice, life_s=30 * DAY)
    clock.forward(DAY + 1)
    store: Any = Restless(desk.store)
    report = Desk(store, clock=clock, validators=(), after_settlement=()).poll()
    assert (report.active, report.expired, report.problems) == ([ID], [], [])
    assert desk.poll().expired == [ID]
