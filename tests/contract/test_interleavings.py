"""What parties are told stays true, in whatever order their steps and a poll's fall.

Each test runs every order of the steps of two or three actors (see `explorer`). A step is one
call of the store: a look, a write, a decision. The next module does the same with the single
changes of the file system.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from tests.contract.explorer import Actor, Result, Run, SteppedStore, World, explore
from tests.support import ALICE, BOB, DAY, NOON

from nom_negotiate import Desk, Kind, MemoryStore, Negotiation

ID = f"alice_bob_C_{NOON}"


def desk(store: Any, at: int = NOON) -> Desk:
    return Desk(store, clock=lambda: at, validators=(), after_settlement=())


def acting(who: str, verb: str, *, at: int = NOON, **options: Any) -> Actor:
    return lambda store: getattr(desk(store, at).party(who), verb)(ID, **options)


def polling(at: int = NOON) -> Actor:
    return lambda store: desk(store, at).poll()


def contents(store: MemoryStore) -> Any:
    """Return what a later step can find, as something to compare."""
    files = {place: tuple(sorted(files.items())) for place, files in store._files.items()}
    hints = sorted(store._rung), sorted(store._due.items()), store._scanned_at
    return repr(sorted(files.items())), repr(sorted(store._transactions.items())), repr(hints)


def common_key(store: Any) -> str | None:
    """Return the key that both parties are committed to at this instant."""
    place = store.find(ALICE, ID)
    states = store.snapshot(place).states if place else {}
    keys = {state.agreement_key for state in states.values()}
    return keys.pop() if len(states) == 2 and len(keys) == 1 else None


@dataclass
class End:
    """How one order ended, once a last poll has been made."""

    run: Run
    results: dict[str, Result]
    found: Negotiation

    @property
    def outcome(self) -> Kind | None:
        return None if self.found.outcome is None else self.found.outcome.outcome

    def __str__(self) -> str:
        return f"{self.run}\nin the end: {self.found.phase}, {self.outcome}"


def ends(
    prepare: Callable[[Desk], object], actors: Mapping[str, Actor], *, last_poll: int = NOON
) -> Iterator[End]:
    """Yield how each order of the actors' steps ends."""

    def make() -> World:
        store = MemoryStore()
        prepare(desk(store))
        return World(store, SteppedStore, contents, common_key)

    for run in explore(make, list(actors.items())):
        report = desk(run.store, last_poll).poll()
        assert not report.problems, run
        found = desk(run.store, last_poll).negotiation(ID)
        end = End(run, dict(zip(actors, run.results, strict=True)), found)
        settled_once(end)
        yield end


def settled_once(end: End) -> None:
    """Check the invariants that hold whoever acted: exactly once, and only what was agreed."""
    outcome = end.found.outcome
    sides = [end.run.store.transactions(party)[0] for party in (ALICE, BOB)]
    expected = 1 if end.outcome is Kind.AGREED else 0
    assert [len(side) for side in sides] == [expected, expected], end
    if outcome is not None and outcome.deal is not None:
        key = outcome.deal.agreement_key
        assert key in end.run.noted, f"nobody agreed on this at any instant\n{end}"
        assert {filed.transaction.agreement_key for [filed] in sides} == {key}, end


def firm_offer(desk: Desk, **options: Any) -> None:
    desk.party(ALICE).start(BOB, chemical="C", role="buyer", price="5.5", quantity=10, **options)


WITH_AND_WITHOUT_A_POLL = pytest.mark.parametrize("polls", [0, 1], ids=["alone", "and a poll"])


@WITH_AND_WITHOUT_A_POLL
def test_an_offer_is_accepted_or_withdrawn_and_both_are_told_which(polls: int) -> None:
    actors = {"accept": acting(BOB, "accept"), "withdraw": acting(ALICE, "withdraw")}
    if polls:
        actors["poll"] = polling()
    seen = Counter[Kind | None]()
    for end in ends(firm_offer, actors):
        accepted, withdrawn = end.results["accept"], end.results["withdraw"]
        seen[end.outcome] += 1
        if accepted.done:
            assert end.outcome is Kind.AGREED, end
            assert withdrawn.error is not None, end
            assert withdrawn.error.code in ("already_accepted", "concluded"), end
        else:
            assert accepted.error is not None, end
            assert accepted.error.code in ("moved", "concluded"), end
            assert withdrawn.done, end
            assert end.outcome in (Kind.WITHDRAWN, Kind.REJECTED), end
            assert end.found.outcome is not None, end
            assert end.found.outcome.by == ALICE, end
    assert seen[Kind.AGREED], "no order in which the acceptance came first"
    assert seen[Kind.WITHDRAWN], "no order in which the withdrawal came first"


@WITH_AND_WITHOUT_A_POLL
def test_a_lapsed_offer_is_accepted_in_time_or_replaced(polls: int) -> None:
    lapse = NOON + 100
    actors = {
        "accept": acting(BOB, "accept", at=lapse, round=1),
        "offer": acting(ALICE, "offer", at=lapse + 1, price=6, quantity=10),
    }
    if polls:
        actors["poll"] = polling(lapse + 1)
    seen = Counter[bool]()
    for end in ends(lambda desk: firm_offer(desk, valid_until=lapse), actors, last_poll=lapse + 1):
        accepted, offered = end.results["accept"], end.results["offer"]
        assert accepted.done != offered.done, end
        seen[accepted.done] += 1
        if accepted.done:
            assert end.outcome is Kind.AGREED, end
            assert end.found.outcome is not None, end
            assert end.found.outcome.deal is not None, end
            assert end.found.outcome.deal.price == Decimal("5.5"), end
        else:
            assert end.found.phase.open, end
            assert end.found.on_table is not None, end
            assert (end.found.on_table.by, end.found.on_table.round) == (ALICE, 2), end
            assert end.found.turn == BOB, end
    assert seen[True], "no order in which the acceptance came first"
    assert seen[False], "no order in which the new offer came first"


def test_an_acceptance_in_the_last_second_settles_or_is_refused() -> None:
    actors = {"accept": acting(BOB, "accept", at=NOON + DAY), "poll": polling(NOON + DAY + 1)}
    seen = Counter[bool]()
    for end in ends(firm_offer, actors, last_poll=NOON + DAY + 1):
        accepted = end.results["accept"]
        seen[accepted.done] += 1
        assert end.outcome is (Kind.AGREED if accepted.done else Kind.EXPIRED), end
    assert set(seen) == {True, False}


@pytest.mark.parametrize(
    ("verb", "options"),
    [("say", {"text": "one moment"}), ("offer", {"price": 4, "quantity": 10})],
)
def test_a_word_in_the_last_second_keeps_a_negotiation_alive_or_is_refused(
    verb: str, options: dict[str, Any]
) -> None:
    actors = {
        verb: acting(BOB, verb, at=NOON + DAY, **options),
        "poll": polling(NOON + DAY + 1),
    }
    seen = Counter[bool]()
    for end in ends(firm_offer, actors, last_poll=NOON + DAY + 1):
        spoken = end.results[verb]
        seen[spoken.done] += 1
        assert end.outcome is (None if spoken.done else Kind.EXPIRED), end
    assert set(seen) == {True, False}


def talked(desk: Desk) -> None:
    firm_offer(desk)
    desk.party(BOB).say(ID, "hm")


@WITH_AND_WITHOUT_A_POLL
def test_an_acceptance_is_neither_refused_nor_undone_by_a_read_mark(polls: int) -> None:
    actors = {"accept": acting(BOB, "accept"), "read": acting(ALICE, "mark_read")}
    if polls:
        actors["poll"] = polling()
    for end in ends(talked, actors):
        assert end.results["accept"].done, end
        assert end.results["read"].done, end
        assert end.outcome is Kind.AGREED, end


@WITH_AND_WITHOUT_A_POLL
def test_an_acceptance_is_neither_refused_nor_undone_by_a_reaction(polls: int) -> None:
    actors = {"accept": acting(BOB, "accept"), "react": acting(ALICE, "react", level=80)}
    if polls:
        actors["poll"] = polling()
    seen = Counter[bool]()
    for end in ends(talked, actors):
        assert end.results["accept"].done, end
        assert end.outcome is Kind.AGREED, end
        reacted = end.results["react"]
        seen[reacted.done] += 1
        if reacted.error is not None:
            assert reacted.error.code in ("already_accepted", "concluded"), end
    assert set(seen) == {True, False}


@pytest.mark.parametrize(
    ("verb", "options"), [("mark_read", {}), ("react", {"level": 80})], ids=["read", "react"]
)
def test_a_read_mark_or_a_reaction_in_the_last_second_keeps_nothing_alive(
    verb: str, options: dict[str, Any]
) -> None:
    actors = {
        verb: acting(ALICE, verb, at=NOON + DAY, **options),
        "poll": polling(NOON + DAY + 1),
    }
    for end in ends(talked, actors, last_poll=NOON + DAY + 1):
        assert end.outcome is Kind.EXPIRED, end
        if verb == "mark_read":
            assert end.results[verb].done, end


@WITH_AND_WITHOUT_A_POLL
def test_whoever_ends_it_first_has_ended_it(polls: int) -> None:
    actors = {"reject": acting(BOB, "reject"), "withdraw": acting(ALICE, "withdraw")}
    if polls:
        actors["poll"] = polling()
    for end in ends(firm_offer, actors):
        rejected, withdrawn = end.results["reject"], end.results["withdraw"]
        assert rejected.done != withdrawn.done, end
        expected = (Kind.REJECTED, BOB) if rejected.done else (Kind.WITHDRAWN, ALICE)
        assert end.found.outcome is not None, end
        assert (end.outcome, end.found.outcome.by) == expected, end


@WITH_AND_WITHOUT_A_POLL
def test_an_offer_is_countered_or_withdrawn(polls: int) -> None:
    actors = {
        "offer": acting(BOB, "offer", price=6, quantity=10),
        "withdraw": acting(ALICE, "withdraw"),
    }
    if polls:
        actors["poll"] = polling()
    for end in ends(firm_offer, actors):
        offered, withdrawn = end.results["offer"], end.results["withdraw"]
        assert offered.done != withdrawn.done, end
        assert end.outcome is (None if offered.done else Kind.WITHDRAWN), end


@WITH_AND_WITHOUT_A_POLL
def test_nobody_rejects_an_offer_that_was_not_on_the_table(polls: int) -> None:
    lapse = NOON + 100
    actors = {
        "reject": acting(BOB, "reject", at=lapse),
        "offer": acting(ALICE, "offer", at=lapse + 1, price=6, quantity=10),
    }
    if polls:
        actors["poll"] = polling(lapse + 1)
    for end in ends(lambda desk: firm_offer(desk, valid_until=lapse), actors, last_poll=lapse + 1):
        rejected, offered = end.results["reject"], end.results["offer"]
        # Both are done only where alice's new offer was there when bob first looked.
        if rejected.done and offered.done:
            order = end.run.order
            assert order.index("offer: write") < order.index("reject: snapshot"), end
        assert end.outcome is (Kind.REJECTED if rejected.done else None), end


@WITH_AND_WITHOUT_A_POLL
def test_an_indicative_offer_takes_two_acceptances_or_none(polls: int) -> None:
    def accepted_by_bob(desk: Desk) -> None:
        firm_offer(desk, firm=False)
        desk.party(BOB).accept(ID)

    actors = {"accept": acting(ALICE, "accept"), "withdraw": acting(BOB, "withdraw")}
    if polls:
        actors["poll"] = polling()
    seen = Counter[bool]()
    for end in ends(accepted_by_bob, actors):
        accepted, withdrawn = end.results["accept"], end.results["withdraw"]
        assert accepted.done != withdrawn.done, end
        seen[accepted.done] += 1
        assert (end.outcome is Kind.AGREED) == accepted.done, end
    assert set(seen) == {True, False}


@WITH_AND_WITHOUT_A_POLL
def test_two_tabs_of_one_party_wait_for_each_other(polls: int) -> None:
    actors = {
        "one tab": acting(BOB, "accept"),
        "other tab": acting(BOB, "offer", price=6, quantity=10),
    }
    if polls:
        actors["poll"] = polling()
    for end in ends(firm_offer, actors):
        one, other = end.results["one tab"], end.results["other tab"]
        assert one.done != other.done, end
        assert end.outcome is (Kind.AGREED if one.done else None), end


def test_two_tabs_that_speak_at_once_are_both_heard() -> None:
    actors = {
        "one tab": acting(BOB, "say", text="one"),
        "other tab": acting(BOB, "say", text="other"),
        "alice": acting(ALICE, "say", text="third"),
    }
    for end in ends(firm_offer, actors):
        assert all(result.done for result in end.results.values()), end
        assert {message.text for message in end.found.messages} == {"one", "other", "third"}


def test_two_pollers_whose_lock_does_not_hold_settle_once() -> None:
    def poll_without_lock(store: Any) -> Any:
        store._poller_lock = NoLock()
        return desk(store).poll()

    def accepted(desk: Desk) -> None:
        firm_offer(desk)
        desk.party(BOB).accept(ID)

    actors = {"one": poll_without_lock, "other": poll_without_lock}
    for end in ends(accepted, actors):
        reports = [result.value for result in end.results.values()]
        assert not any(report.busy or report.problems for report in reports), end
        assert end.outcome is Kind.AGREED, end


class NoLock:
    """A lock that everybody can have."""

    def acquire(self, *, blocking: bool) -> bool:
        return True

    def release(self) -> None:
        pass
