"""The simulation finds what it is for: the product broken on purpose, one way at a time.

Each test takes one rule out of the product and plays a scene until it is caught. How many seeds
that takes depends on the steps of the product; `MOST` is several times what it takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.simulation.simulation import Failed, play

from nom_negotiate import Kind, allotment, autopilot
from nom_negotiate.allotment import Allotments, Verdict
from nom_negotiate.core import rules
from nom_negotiate.core.state import PartyState
from nom_negotiate.one_pass import Pass
from nom_negotiate.party.action import Actor
from nom_negotiate.store.files import doorbell, namespace
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.writer import FileWriter

MOST = 2000

Break = Callable[[pytest.MonkeyPatch], object]


def a_writer_overtakes_nobody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Disk, "overtake", lambda self, directory: None)


def a_state_is_written_without_its_guard(patch: pytest.MonkeyPatch) -> None:
    replace = Disk.replace
    patch.setattr(Disk, "replace", lambda self, path, data, holds=None: replace(self, path, data))


def an_outcome_is_created_without_its_guard(patch: pytest.MonkeyPatch) -> None:
    create = Disk.create
    patch.setattr(Disk, "create", lambda self, path, data, holds=None: create(self, path, data))


def a_writer_does_not_look_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Actor,
        "_look_again",
        lambda self, pen, place, before, said, action: self._look(said.negotiation_id).negotiation,
    )


def a_writer_does_not_obey_the_outcome(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Actor, "_obey", lambda self, found, said, action: found)


def a_deal_is_settled_before_it_is_concluded(patch: pytest.MonkeyPatch) -> None:
    decide = Pass._decided

    def decided(self: Any, *arguments: Any) -> Any:
        outcome = decide(self, *arguments)
        if outcome is not None and outcome.outcome is Kind.AGREED:
            self._store.settle(outcome)
        return outcome

    patch.setattr(Pass, "_decided", decided)


def a_deal_is_archived_before_it_is_settled(patch: pytest.MonkeyPatch) -> None:
    settle = Pass._settle

    def archived(self: Any, case: Any, store: Any) -> None:
        store.archive(case.place, case.outcome.responder)
        settle(self, case, store)

    patch.setattr(Pass, "_settle", archived)


def a_hint_is_taken_after_the_look(patch: pytest.MonkeyPatch) -> None:
    look = Pass._look

    def looked(self: Any, case: Any, *rest: Any) -> None:
        look(self, case, *rest)
        path = f"{self._store.layout.doorbell}/{doorbell.name_of(case.place)}"
        with suppress(FileNotFoundError):
            self._store.disk.discard(path)

    patch.setattr(doorbell, "take", lambda disk, layout, name: True)
    patch.setattr(Pass, "_look", looked)


def a_writer_rings_before_it_writes(patch: pytest.MonkeyPatch) -> None:
    write = FileWriter.write

    def written(self: Any, place: Any, state: Any, *, seen: Any = None) -> bool:
        ring(self._disk, self._layout, place)
        return write(self, place, state, seen=seen)

    ring = doorbell.ring
    patch.setattr(doorbell, "ring", lambda disk, layout, place: None)
    patch.setattr(FileWriter, "write", written)


def a_batch_is_settled_before_its_barrier(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Pass, "_barrier", lambda self, store, cases: cases)


def a_second_outcome_replaces_the_first(patch: pytest.MonkeyPatch) -> None:
    create = Disk.create

    def replaced(self: Any, path: str, data: bytes, holds: Any = None) -> bool:
        if not path.endswith("/outcome.json"):
            return create(self, path, data, holds)
        self.replace(path, data, holds)
        return True

    patch.setattr(Disk, "create", replaced)


def a_withdrawal_looks_like_a_rejection(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PartyState, "withdrawing", PartyState.rejecting)


def a_snapshot_is_not_looked_at_a_second_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(namespace, "_still_stand", lambda directory, names, seen: set(names) == set(seen))


def an_acceptance_does_not_check_the_round(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "check_round", lambda negotiation, seen: None)


def a_directory_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Disk, "_sync_now", lambda self, path: None)


def a_file_is_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Disk, "_sync", lambda self, fd: None)


def a_listing_is_sold_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Allotments, "judge", lambda self, proposed: Verdict.GRANTED)


def a_deal_counts_twice_against_its_listing(patch: pytest.MonkeyPatch) -> None:
    quantity = allotment._quantity
    patch.setattr(allotment, "_quantity", lambda outcome: 2 * quantity(outcome))


def an_autopilot_does_not_look_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(autopilot._Seat, "_check", Actor._check)


def an_autopilot_heeds_no_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        autopilot,
        "_decided",
        lambda party, seen, table, *rest: ("accept", table.terms),
    )


def what_is_private_lies_among_the_listings(patch: pytest.MonkeyPatch) -> None:
    write = FileWriter.write_private

    def written(self: Any, name: str, data: bytes) -> None:
        write(self, name, data)
        room = self._layout.room(self._party, "listings")
        self._disk.replace(f"{room}/.{name}", data)

    patch.setattr(FileWriter, "write_private", written)


BREAKS: list[tuple[Break, str]] = [
    (a_writer_overtakes_nobody, "accepted and taken back"),
    (a_state_is_written_without_its_guard, "accepted and taken back"),
    (an_outcome_is_created_without_its_guard, "said in the last second"),
    (a_writer_does_not_look_again, "accepted and taken back"),
    (a_writer_does_not_obey_the_outcome, "accepted in the last second"),
    (a_deal_is_settled_before_it_is_concluded, "settled by two pollers"),
    (a_deal_is_archived_before_it_is_settled, "settled by two pollers"),
    (a_second_outcome_replaces_the_first, "settled by two pollers"),
    (a_hint_is_taken_after_the_look, "accepted and taken back"),
    (a_writer_rings_before_it_writes, "accepted and taken back"),
    (a_batch_is_settled_before_its_barrier, "a batch that is spoken of"),
    (a_withdrawal_looks_like_a_rejection, "countered and taken back"),
    (a_snapshot_is_not_looked_at_a_second_time, "spoken of by everybody"),
    (an_acceptance_does_not_check_the_round, "lapsed, accepted and offered again"),
    (a_directory_is_not_synced, "accepted and taken back"),
    (a_file_is_not_synced, "accepted and taken back"),
    (a_listing_is_sold_twice, "two answers to a listing for one"),
    (a_deal_counts_twice_against_its_listing, "a batch over one listing"),
    (an_autopilot_does_not_look_again, "an autopilot that is turned off"),
    (an_autopilot_does_not_look_again, "an autopilot that is to want more"),
    (an_autopilot_heeds_no_limit, "two autopilots that cannot agree"),
    (what_is_private_lies_among_the_listings, "two autopilots"),
]


@pytest.mark.parametrize(
    ("broken", "scene"), BREAKS, ids=lambda value: getattr(value, "__name__", "")
)
def test_it_finds_that(broken: Break, scene: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch)
    for seed in itertools.count():
        assert seed < MOST, "the simulation has not noticed"
        try:
            play(seed, scene)
        except Failed as failure:
            print(f"after {seed + 1} seeds: {failure.why}")
            return
