"""Over every store: what is packed is found and read as before, and comes back as it was."""

from __future__ import annotations

import pytest
from tests.contract.history import NAMESAKE, everything, live
from tests.contract.test_negotiating import refusal, start
from tests.support import ALICE, BOB, CAROL, DAY, HOUR, NOON, Clock

from nom_negotiate import Desk, Kind, Packing, Party, Settings, StoreError
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import parse_address
from nom_negotiate.store.port import SCAN_EVERY_S

JANUARY, FEBRUARY = "2024-01", "2024-02"
LATER = 30 * DAY


def counts(packing: Packing) -> tuple[int, int]:
    """Return what was moved, where nothing was odd."""
    assert packing.problems == ()
    return packing.negotiations, packing.transactions


def held(desk: Desk, address: str) -> dict[str, tuple[int, int]]:
    """Return how much each of a party's packs holds, by month."""
    packs = desk.store.packs(parse_address(address))
    assert all(pack.size > 0 and pack.problems == () for pack in packs)
    return {pack.month: (pack.negotiations, pack.transactions) for pack in packs}


# Figures


@pytest.mark.durable
def test_no_figure_changes_when_all_is_packed_and_unpacked(desk: Desk, clock: Clock) -> None:
    live(desk, clock)
    before = everything(desk)
    assert len(before["archive"]) == 24
    assert {n.phase.value for n in before["archive"]} == set(Kind)
    assert counts(desk.pack(0)) == (24, 8)
    assert everything(desk) == before
    assert counts(desk.pack(0)) == (0, 0)
    assert held(desk, ALICE) == {JANUARY: (16, 3)}
    assert counts(desk.unpack(JANUARY)) == (24, 8)
    assert everything(desk) == before
    assert held(desk, ALICE) == {}
    assert counts(desk.pack(0)) == (24, 8)
    assert everything(desk) == before


def test_what_ended_goes_by_its_age(desk: Desk, alice: Party, bob: Party, clock: Clock) -> None:
    for _ in range(3):
        bob.reject(start(alice).id)
        desk.poll()
        clock.forward(10 * DAY)
    assert counts(desk.pack(30 * DAY)) == (0, 0)
    # To the second: what is 30 days old is not older than that.
    clock.forward(1)
    assert counts(desk.pack(30 * DAY)) == (1, 0)
    clock.forward(10 * DAY)
    assert counts(desk.pack(30 * DAY)) == (1, 0)
    assert held(desk, ALICE) == held(desk, BOB) == {JANUARY: (2, 0)}
    assert counts(desk.pack(0)) == (1, 0)
    assert len(alice.negotiations(archived=True)) == 3


def test_a_pack_holds_the_month_of_the_outcome(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    # The outcome of the second falls into February, 1706745600 in unix seconds.
    bob.reject(start(alice).id)
    desk.poll()
    clock.now = 1_706_745_600 - 1
    bob.reject(start(alice).id)
    clock.forward(1)
    desk.poll()
    desk.pack(-1)
    assert held(desk, ALICE) == {JANUARY: (1, 0), FEBRUARY: (1, 0)}


def test_the_packs_of_one_party_can_be_made_alone(desk: Desk, clock: Clock) -> None:
    live(desk, clock, rounds=1)
    before = everything(desk)
    packing = desk.pack(0, party=CAROL)
    # Her one transaction is not settled.
    assert counts(packing) == (4, 0)
    assert held(desk, CAROL) == held(desk, BOB) == {JANUARY: (4, 0)}
    assert held(desk, ALICE) == {}
    assert everything(desk) == before
    assert counts(desk.unpack(JANUARY, party=CAROL)) == (4, 0)
    assert held(desk, CAROL) == held(desk, BOB) == {}
    assert everything(desk) == before


def test_a_call_packs_no_more_than_it_is_told_and_says_so(desk: Desk, clock: Clock) -> None:
    live(desk, clock)
    before = everything(desk)
    moved, calls = 0, 0
    while True:
        packing = desk.store.pack(int(clock.now), at_most=5)
        moved, calls = moved + sum(counts(packing)), calls + 1
        assert everything(desk) == before
        if not packing.more:
            break
        assert sum(packing[:2]) == 5
    assert (moved, calls) == (32, 7)


# What is never packed


def test_what_goes_on_is_not_packed(desk: Desk, alice: Party, clock: Clock) -> None:
    deal = start(alice, idle_s=300 * DAY, life_s=300 * DAY)
    clock.forward(200 * DAY)
    assert counts(desk.pack(0)) == (0, 0)
    assert [n.id for n in alice.negotiations()] == [deal.id]


def test_a_transaction_that_is_not_settled_is_not_packed(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    bob.accept(start(alice).id)
    desk.poll()
    clock.forward(LATER)
    assert counts(desk.pack(0)) == (1, 0)
    [mine] = alice.transactions()
    alice.mark_settled(mine.name)
    assert counts(desk.pack(0)) == (0, 1)
    assert [filed.transaction.settled for filed in alice.transactions()] == [True]
    assert [filed.transaction.settled for filed in bob.transactions()] == [False]


def test_a_transaction_of_a_negotiation_that_is_not_archived_yet_is_not_packed(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    deal = bob.accept(start(alice).id)
    place = desk.store.find(alice.address, deal.id)
    assert place is not None
    snapshot = desk.store.snapshot(place)
    assert snapshot is not None
    outcome = decide(snapshot, desk.now(), desk.settings.limits)
    assert outcome is not None
    # A pass that is cut short between the settlement and the archive.
    desk.store.conclude(place, outcome)
    desk.store.settle(outcome)
    for party in (alice, bob):
        [mine] = party.transactions()
        party.mark_settled(mine.name)
    clock.forward(LATER)
    assert counts(desk.pack(0)) == (0, 0)
    assert desk.poll().agreed == [deal.id]
    assert counts(desk.pack(0)) == (1, 2)


# Marks


def test_a_packed_transaction_can_be_marked_again(desk: Desk, clock: Clock) -> None:
    live(desk, clock)
    before = everything(desk)
    alice = desk.party(ALICE)
    desk.pack(0)
    name = alice.transactions()[0].name
    assert alice.mark_settled(name).settled
    assert not alice.mark_settled(name, settled=False).settled
    assert next(f.name for f in alice.transactions() if not f.transaction.settled) == name
    assert desk.stats().settled == before["stats"].settled - 1
    assert counts(desk.pack(0)) == (0, 0)
    assert alice.mark_settled(name).settled
    assert everything(desk) == before
    assert counts(desk.pack(0)) == (0, 1)
    assert everything(desk) == before
    # Marked and packed anew, it is there once.
    assert held(desk, ALICE) == {JANUARY: (16, 3)}
    assert counts(desk.unpack(name)) == (0, 1)
    assert everything(desk) == before


def test_a_transaction_that_is_not_there_is_not_found_in_a_pack_either(
    desk: Desk, clock: Clock
) -> None:
    live(desk, clock)
    desk.pack(0)
    assert refusal(desk.party(ALICE).mark_settled, "x.json") == "unknown_transaction"


# Idempotence


def test_settling_again_what_is_packed_adds_nothing(desk: Desk, clock: Clock) -> None:
    live(desk, clock)
    outcomes = [n.outcome for n in desk.archive() if n.outcome is not None and n.outcome.deal]
    desk.pack(0)
    before = everything(desk)
    for outcome in outcomes:
        filed = desk.store.settle(outcome)
        assert {party: one.name for party, one in filed.items()} == dict(outcome.transactions)
    assert everything(desk) == before


def test_a_pass_that_comes_very_late_obeys_what_is_packed(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    deal = bob.accept(start(alice).id)
    place = desk.store.find(alice.address, deal.id)
    assert place is not None
    desk.poll()
    outcome = alice.negotiation(deal.id).outcome
    assert outcome is not None
    clock.forward(LATER)
    desk.pack(0)
    before = everything(desk)
    assert desk.store.conclude(place, outcome) == outcome
    assert desk.store.archive(place, outcome.responder) == place._replace(archived=True)
    assert everything(desk) == before


def test_what_is_packed_is_concluded(desk: Desk, clock: Clock) -> None:
    [deal, *_] = live(desk, clock)
    desk.pack(0)
    assert refusal(desk.party(ALICE).say, deal, "hello?") == "concluded"
    assert desk.party(ALICE).negotiation(deal).archived


def test_a_packed_id_is_taken(desk: Desk, alice: Party, bob: Party, clock: Clock) -> None:
    bob.reject(start(alice).id)
    desk.poll()
    desk.pack(-1)
    assert start(alice).id == f"alice_bob_C_{NOON + 1}"
    clock.forward(-HOUR)
    assert start(alice, chemical="N").id == f"alice_bob_N_{NOON - HOUR}"
    assert desk.negotiation(f"alice_bob_C_{NOON}").archived


def test_a_packed_name_of_a_transaction_is_taken(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    bob.accept(start(alice).id)
    desk.poll()
    [first] = alice.transactions()
    alice.mark_settled(first.name)
    desk.pack(-1)
    bob.accept(start(alice).id)
    desk.poll()
    assert [f.name for f in alice.transactions()] == [
        first.name,
        first.name.replace(".json", "_2.json"),
    ]
    assert len(bob.transactions()) == 2


# Unpacking


def test_a_negotiation_is_unpacked_with_its_transactions(desk: Desk, clock: Clock) -> None:
    [deal, *_] = live(desk, clock)
    before = everything(desk)
    desk.pack(0)
    assert counts(desk.unpack(deal)) == (1, 2)
    assert everything(desk) == before
    assert held(desk, ALICE) == {JANUARY: (15, 2)}
    assert held(desk, BOB) == {JANUARY: (15, 2)}
    assert counts(desk.pack(0)) == (1, 2)
    assert everything(desk) == before


def test_what_is_not_packed_cannot_be_unpacked(desk: Desk, clock: Clock) -> None:
    [deal, *_] = live(desk, clock)
    for what in (deal, JANUARY, "2031-12", "nobody_knows_C_1"):
        assert refusal(desk.unpack, what) == "not_packed"
    assert refusal(desk.unpack, "../x") == "invalid_id"


def test_namesakes_do_not_get_each_others_negotiations(desk: Desk, clock: Clock) -> None:
    live(desk, clock, rounds=1)
    desk.pack(0)
    for address, expected in ((ALICE, 8), (NAMESAKE, 4), (BOB, 8)):
        found = desk.party(address).negotiations(archived=True)
        assert len(found) == expected
        assert all(address in (n.initiator, n.responder) for n in found)


# The hourly sweep


def test_a_pass_packs_once_in_an_hour_what_is_older_than_the_setting(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    desk.initialise(Settings(pack_after_s=2 * HOUR))
    bob.reject(start(alice).id)
    assert desk.poll().packed == 0
    clock.forward(2 * HOUR + 1)
    assert desk.poll().packed == 1
    bob.reject(start(alice).id)
    desk.poll()
    clock.forward(2 * HOUR + 1)
    desk.initialise(Settings(pack_after_s=HOUR))
    desk.store.note_sweep(desk.now() - HOUR + 1)
    assert desk.poll(scan=True).packed == 0
    clock.forward(1)
    assert desk.poll(scan=True).packed == 1
    assert desk.poll(scan=True).packed == 0
    assert held(desk, ALICE) == {JANUARY: (2, 0)}


def test_a_root_may_never_pack(desk: Desk, alice: Party, bob: Party, clock: Clock) -> None:
    desk.initialise(Settings(pack_after_s=0))
    bob.reject(start(alice).id)
    desk.poll()
    clock.forward(3000 * DAY)
    assert desk.poll().packed == 0
    assert counts(desk.pack(0)) == (1, 0)


def test_by_default_a_quarter_of_a_year_stays_unpacked(
    desk: Desk, alice: Party, bob: Party, clock: Clock
) -> None:
    bob.reject(start(alice).id)
    desk.poll()
    clock.forward(90 * DAY)
    assert desk.poll().packed == 0
    clock.forward(HOUR)
    assert desk.poll().packed == 1


def test_a_wrong_hint_costs_one_sweep(desk: Desk, alice: Party, bob: Party, clock: Clock) -> None:
    desk.initialise(Settings(pack_after_s=1))
    for hint in (0, desk.now() + 10**6):
        bob.reject(start(alice, again=True).id)
        desk.poll()
        clock.forward(SCAN_EVERY_S)
        desk.store.note_sweep(hint)
        assert desk.poll().packed == 1
        assert desk.store.swept_at() == desk.now()


def test_a_sweep_that_has_more_to_do_goes_on_at_the_next_pass(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(desk, clock)
    desk.initialise(Settings(pack_after_s=1))
    desk.store.note_sweep(0)
    clock.forward(SCAN_EVERY_S)
    pack = desk.store.pack
    monkeypatch.setattr(desk.store, "pack", lambda before: pack(before, at_most=20))
    assert [desk.poll().packed for _ in range(3)] == [20, 12, 0]


@pytest.mark.parametrize("error", [StoreError("no_space", "it is full"), RuntimeError("odd")])
def test_a_sweep_that_fails_stops_no_deal_and_is_not_begun_again_each_minute(
    desk: Desk, alice: Party, bob: Party, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def failing(*args: object, **options: object) -> Packing:
        raise error

    monkeypatch.setattr(desk.store, "pack", failing)
    deal = bob.accept(start(alice).id)
    report = desk.poll()
    assert report.agreed == [deal.id]
    [problem] = report.problems
    assert problem.path == "the hourly sweep"
    assert str(error) in problem.reason
    assert desk.poll().problems == []


def test_nobody_packs_by_hand_while_a_pass_is_running(desk: Desk) -> None:
    desk.initialise()
    with desk.store.polling():
        assert refusal(desk.pack, 0) == "busy"
        assert refusal(desk.unpack, JANUARY) == "busy"
