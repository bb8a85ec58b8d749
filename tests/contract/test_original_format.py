"""The file store: programs that know only the original format negotiate by writing files.

They make the namespace and the link themselves, write their own state with a rename, know
nothing of revisions or rounds, and hash what they agreed on in a way of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import ALICE, BOB, DAY, HOUR, NOON, Clock

from nom_negotiate import Desk, Kind, Phase, RuleViolation
from nom_negotiate.store.port import SCAN_EVERY_S

ID = f"alice_bob_C_{NOON}"


class Bot:
    """A program of one party that knows the original format."""

    def __init__(self, root: Path, user: str, role: str, clock: Clock) -> None:
        self.home = root / "teams" / user
        self.user = user
        self.role = role
        self.clock = clock
        for room in ("negotiations", "transactions"):
            (self.home / room).mkdir(parents=True, exist_ok=True)

    @property
    def namespace(self) -> Path:
        return self.home / "negotiations" / ID

    def open_with(self, other: Bot, *, absolute: bool = False) -> None:
        self.namespace.mkdir()
        target = f"../../{self.user}/negotiations/{ID}"
        other.namespace.symlink_to(self.namespace.resolve() if absolute else target)

    def says(self, price: Any, quantity: Any, status: str = "pending", **fields: Any) -> None:
        now = int(self.clock.now)
        state: dict[str, Any] = {
            "user": self.user,
            "role": self.role,
            "chemical": "C",
            "offer": {"price": price, "quantity": quantity, "timestamp": now},
            "status": status,
        }
        if status == "agreed":
            terms = f"{price}|{quantity}"
            state["agreement_key"] = hashlib.sha256(terms.encode()).hexdigest()
        state["last_updated"] = now
        name = f"{self.user.partition('@')[0]}_state.json"
        temporary = self.namespace / f"{name}.{os.getpid()}"
        temporary.write_text(json.dumps({**state, **fields}, indent=4))
        os.rename(temporary, self.namespace / name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def desk(root: Path, clock: Clock) -> Desk:
    return Desk(root, clock=clock, durable=False, validators=(), after_settlement=())


@pytest.fixture
def alice(root: Path, clock: Clock) -> Bot:
    return Bot(root, ALICE, "buyer", clock)


@pytest.fixture
def bob(root: Path, clock: Clock) -> Bot:
    return Bot(root, BOB, "seller", clock)


def settled(desk: Desk) -> tuple[Decimal, Decimal]:
    """Return the terms that the next poll settles."""
    report = desk.poll()
    assert not report.problems
    assert report.agreed == [ID]
    [bought] = desk.party(ALICE).transactions()
    [sold] = desk.party(BOB).transactions()
    assert (bought.transaction.type, sold.transaction.type) == ("buy", "sell")
    terms = bought.transaction.price, bought.transaction.quantity
    assert terms == (sold.transaction.price, sold.transaction.quantity)
    return terms


@pytest.mark.parametrize("absolute", [False, True], ids=["relative link", "absolute link"])
def test_two_programs_haggle_to_a_settled_deal(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock, absolute: bool
) -> None:
    alice.open_with(bob, absolute=absolute)
    alice.says(5.50, 1000)
    assert desk.poll().active == [ID]
    clock.forward(60)
    bob.says(6.10, 900)
    clock.forward(SCAN_EVERY_S)
    alice.says(6.10, 900, "agreed")
    assert desk.poll().active == [ID]
    # They ring no doorbell: the next scan finds what they say.
    clock.forward(SCAN_EVERY_S)
    bob.says(6.1, 900, "agreed")
    assert settled(desk) == (Decimal("6.1"), Decimal(900))
    found = desk.party(BOB).negotiation(ID)
    assert (found.phase, found.archived) == (Phase.AGREED, True)
    assert not bob.namespace.is_symlink()


def test_a_program_and_a_party_of_ours_haggle_to_a_settled_deal(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000)
    ours = desk.party(BOB)
    [found] = ours.negotiations()
    assert (found.id, found.turn, found.responder) == (ID, BOB, BOB)
    clock.forward(60)
    ours.offer(ID, price="6.10", quantity=900)
    clock.forward(60)
    alice.says(6.1, 900.0, "agreed")
    assert settled(desk) == (Decimal("6.1"), Decimal(900))


def test_what_answers_a_program_whose_clock_is_ahead_comes_after_its_offer(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    ours = desk.party(BOB)
    alice.says(5.5, 1000, last_updated=int(clock.now) + HOUR)
    assert ours.offer(ID, price=7, quantity=1000).turn == ALICE
    clock.forward(60)
    # Its next offer, by the same clock, is not answered yet.
    alice.says(6, 1000, last_updated=int(clock.now) + HOUR)
    assert ours.negotiation(ID).turn == BOB
    assert ours.offer(ID, price=6.5, quantity=1000).turn == ALICE
    clock.forward(60)
    alice.says(6.25, 1000, "agreed", last_updated=int(clock.now) + HOUR)
    found = ours.accept(ID)
    assert [str(move.price) for move in found.moves] == ["7", "6.5", "6.25", "6.25"]
    assert settled(desk) == (Decimal("6.25"), Decimal(1000))


def test_a_program_accepts_what_a_party_of_ours_has_started(
    root: Path, desk: Desk, bob: Bot, clock: Clock
) -> None:
    desk.party(ALICE).start(BOB, chemical="C", role="buyer", price="5.5", quantity=1000)
    clock.forward(60)
    bob.says(5.5, 1000, "agreed")
    assert desk.party(ALICE).negotiation(ID).phase is Phase.AGREED
    assert settled(desk) == (Decimal("5.5"), Decimal(1000))


def test_a_party_of_ours_accepts_what_a_program_has_offered_and_it_confirms(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000)
    clock.forward(60)
    accepted = desk.party(BOB).accept(ID)
    assert (accepted.phase, accepted.turn) == (Phase.IN_PROGRESS, ALICE)
    assert desk.poll().active == [ID]
    clock.forward(SCAN_EVERY_S)
    alice.says(5.5, 1000, "agreed")
    assert settled(desk) == (Decimal("5.5"), Decimal(1000))


def test_a_program_that_agreed_at_once_is_taken_at_its_word(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000, "agreed")
    clock.forward(60)
    assert desk.party(BOB).accept(ID).phase is Phase.AGREED
    assert settled(desk) == (Decimal("5.5"), Decimal(1000))


def test_equal_hashes_of_different_terms_are_no_agreement(desk: Desk, alice: Bot, bob: Bot) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000, "agreed", agreement_key="0" * 64)
    bob.says(6, 1000, "agreed", agreement_key="0" * 64)
    report = desk.poll()
    assert (report.agreed, report.active) == ([], [ID])


@pytest.mark.parametrize(
    ("price", "meant"),
    [(0.1 + 0.2, "0.3"), (5, "5"), (5.0, "5"), (1e-3, "0.001"), (123456.789, "123456.789")],
)
def test_binary_doubles_are_read_as_what_was_meant(
    desk: Desk, alice: Bot, bob: Bot, price: float, meant: str
) -> None:
    alice.open_with(bob)
    alice.says(price, 10, "agreed")
    bob.says(Decimal(meant).__float__(), 10, "agreed")
    assert settled(desk)[0] == Decimal(meant)


def test_a_program_rejects(desk: Desk, alice: Bot, bob: Bot, clock: Clock) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000)
    clock.forward(60)
    bob.says(5.5, 1000, "rejected")
    assert desk.poll().rejected == [ID]
    outcome = desk.party(ALICE).negotiation(ID).outcome
    assert outcome is not None
    assert (outcome.outcome, outcome.by) == (Kind.REJECTED, BOB)


def test_silence_ends_what_programs_have_begun(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000)
    clock.forward(20 * HOUR)
    bob.says(6, 1000)
    clock.forward(DAY + 1)
    with pytest.raises(RuleViolation):
        desk.party(BOB).say(ID, "still there?")
    assert desk.poll().expired == [ID]
    assert desk.party(BOB).negotiation(ID).archived
    assert not bob.namespace.is_symlink()


def test_nobodys_word_ends_what_nobody_answered(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000)
    clock.forward(DAY + 1)
    # Only bob's link says who the responder is.
    assert desk.poll().expired == [ID]
    clock.forward(SCAN_EVERY_S)
    assert desk.poll().problems == []
    assert desk.party(BOB).negotiation(ID).archived
    assert not bob.namespace.is_symlink()


def test_a_partys_old_client_goes_on_with_what_its_new_one_began(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    ours = desk.party(ALICE)
    ours.start(BOB, chemical="C", role="buyer", price=5, quantity=10)
    clock.forward(60)
    desk.party(BOB).offer(ID, price=7, quantity=10)
    clock.forward(60)
    alice.says(7, 10, "agreed")
    assert settled(desk) == (Decimal(7), Decimal(10))


def test_what_a_program_adds_survives_when_the_party_acts_through_us(
    desk: Desk, alice: Bot, bob: Bot, clock: Clock
) -> None:
    alice.open_with(bob)
    alice.says(5.5, 1000, mood="cheerful")
    bob.says(6, 1000)
    desk.party(ALICE).offer(ID, price="5.75", quantity=1000)
    state = json.loads((alice.namespace / "alice_state.json").read_text())
    assert state["mood"] == "cheerful"
    assert state["schema"] == "nom.state/1"
    assert [past["price"] for past in state["history"]] == [5.5]
    clock.forward(60)
    bob.says(5.75, 1000, "agreed")
    assert settled(desk) == (Decimal("5.75"), Decimal(1000))
