"""What the simulation has found, each as small as it could be made."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.memory_host import installed
from tests.faults.memory_os import MemoryOS, Step
from tests.simulation.instants import ROOT
from tests.support import ALICE, BOB, DAY, NOON

from nom_negotiate import Conflict, Desk, FileStore, MemoryStore, NomError, Phase
from nom_negotiate.autopilot import step, turn_on
from nom_negotiate.preferences import set_preferences
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.writer import FileWriter
from nom_negotiate.suggestion import consider


def test_a_word_is_of_the_moment_at_which_it_was_allowed() -> None:
    times: Iterator[int] = iter(())

    def clock() -> int:
        return next(times, NOON + DAY + 1)

    desk = Desk(MemoryStore(), clock=clock, validators=(), after_settlement=())
    times = iter([NOON] * 20)
    alice = desk.party(ALICE)
    deal = alice.start(BOB, chemical="C", role="buyer", price=5, quantity=10)
    times = iter([NOON + DAY])
    # The first look says that it goes on; with the next one, a second later, it has expired.
    found = alice.say(deal.id, "one moment")
    assert [message.at for message in found.messages] == [NOON + DAY]


def test_a_start_that_wakes_up_while_it_is_swept_leaves_no_negotiation_without_its_state(
    tmp_path: Path,
) -> None:
    hidden = tmp_path / f"teams/{ALICE}/negotiations/.tmp-1-0123456789ab"
    named = hidden.with_name("alice_bob_C_1")

    class Waking(Disk):
        def _unlink(self, *where: Any) -> None:
            # What a writer that was stopped for a day does first, before anything is removed.
            if hidden.exists():
                hidden.rename(named)
            super()._unlink(*where)

    desk = Desk(FileStore(tmp_path, disk=Waking()), validators=(), after_settlement=())
    desk.add_party(ALICE)
    hidden.mkdir()
    (hidden / "alice_state.json").write_bytes(b"{}")
    os.utime(hidden, (0, 0))
    desk.poll()
    assert not hidden.exists()
    assert not named.exists() or (named / "alice_state.json").exists()


def test_an_acceptance_that_was_heard_and_never_confirmed_is_no_refusal(tmp_path: Path) -> None:
    now = NOON

    def desk_of(store: FileStore) -> Desk:
        return Desk(store, clock=lambda: now, validators=(), after_settlement=())

    desk = desk_of(FileStore(tmp_path))
    deal = desk.party(ALICE).start(
        BOB, chemical="C", role="buyer", price=5, quantity=10, firm=False
    )
    write = FileWriter.write

    def written(self: FileWriter, *arguments: Any, **options: Any) -> bool:
        nonlocal now
        done = write(self, *arguments, **options)
        now += DAY + 1
        assert desk_of(FileStore(tmp_path)).poll().expired == [deal.id]
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileWriter, "write", written)
        found = desk.party(BOB).accept(deal.id)
    assert found.phase is Phase.EXPIRED
    assert [move.accepts for move in found.moves] == [False, True]


@pytest.mark.parametrize("changed", ["limit", "rounds"])
def test_an_autopilot_says_nothing_that_its_party_has_forbidden_meanwhile(changed: str) -> None:
    desk = Desk(MemoryStore(), clock=lambda: NOON, validators=(), after_settlement=())
    deal = desk.party(ALICE).start(BOB, chemical="C", role="buyer", price=5, quantity=10)
    bob = desk.party(BOB)

    def want(limit: int) -> None:
        set_preferences(
            bob, negotiation_id=deal.id, reservation_price=limit, target_quantity=10, target_price=9
        )

    want(2)
    turn_on(bob, deal.id)

    def considered(*arguments: Any, **options: Any) -> Any:
        found = consider(*arguments, **options)
        if changed == "limit":
            want(8)
        else:
            turn_on(bob, deal.id, max_rounds=1)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nom_negotiate.autopilot.consider", considered)
        with pytest.raises(Conflict):
            step(bob, deal.id)
    assert len(bob.negotiation(deal.id).moves) == 1
    assert step(bob, deal.id) is not None


class Stop(BaseException):
    """Ends a process as a signal does."""


def test_what_was_started_is_durable_though_its_parties_were_made_by_somebody_who_died() -> None:
    for change in itertools.count(2):
        memory = MemoryOS(lambda: float(NOON))
        with installed(memory):
            desk = Desk(FileStore(ROOT), clock=lambda: NOON, validators=(), after_settlement=())
            alice = desk.party(ALICE)
            memory.step = stopping_after(change)
            try:
                alice.start(BOB, chemical="C", role="buyer", price=5, quantity=10)
                break
            except Stop:
                memory.step = None
                memory.close_all()
            deal = alice.start(BOB, chemical="C", role="buyer", price=5, quantity=10, again=True)
        for world in memory.worlds(random.Random(change), 10):
            with installed(world):
                desk.poll()
                assert finds(desk, ALICE, deal.id), change
                assert finds(desk, BOB, deal.id), change
    assert change > 20


def stopping_after(change: int) -> Callable[[Step], None]:
    left = [change]

    def told(step: Step) -> None:
        if step.when == "after" and step.name in ("mkdir", "rename", "link", "symlink"):
            left[0] -= 1
            if left[0] == 0:
                raise Stop

    return told


def finds(desk: Desk, party: str, negotiation_id: str) -> bool:
    try:
        return desk.party(party).negotiation(negotiation_id).id == negotiation_id
    except NomError:
        return False
