"""The real old data, brought over: every count and every id, and life goes on."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.legacy.support import NOW, Migration, times_of
from tests.support import Clock

from nom_negotiate import Desk, Kind
from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.market import listings

Archive = tuple[Path, Any]


@pytest.fixture(scope="module")
def carried(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Migration:
    """Return the real data, carried over; the tests of this module only look at it."""
    return Migration(archive[0], tmp_path_factory.mktemp("carried") / "root").checked()


def statuses(desk: Desk) -> Counter[str]:
    kinds = {Kind.AGREED: "accepted", Kind.REJECTED: "rejected"}
    found = Counter(
        kinds[negotiation.outcome.outcome]
        for negotiation in desk.archive()
        if negotiation.outcome is not None
    )
    found["pending"] = len(desk.negotiations())
    return found


def everything(desk: Desk) -> list[Negotiation]:
    return [*desk.negotiations(), *desk.archive()]


def test_every_negotiation_and_every_offer_is_there(carried: Migration, archive: Archive) -> None:
    expected = archive[1]
    desk = Desk(carried.root, clock=Clock(NOW))
    assert statuses(desk) == expected["negotiations"]
    assert sum(len(one.offers) for one in everything(desk)) == expected["negotiation_offers"]
    assert all(one.phase.open for one in desk.negotiations())


def test_every_standing_order_is_a_listing_of_its_author(
    carried: Migration, archive: Archive
) -> None:
    expected = archive[1]
    found = list(listings(Desk(carried.root)))
    ids = {
        kind: sorted(one.id for one in found if one.extra["legacy_kind"] == kind)
        for kind in ("offer", "buy_order", "ad")
    }
    assert ids["offer"] == expected["offer_ids"]
    assert ids["buy_order"] == expected["buy_order_ids"]
    assert len(ids["ad"]) == expected["active_ads"]


def test_each_old_transaction_is_a_settled_one_on_the_side_that_had_it(carried: Migration) -> None:
    desk = Desk(carried.root)
    filed = [(party.address, one) for party in desk.parties() for one in party.transactions()]
    assert len(filed) == 18
    assert all(one.transaction.settled for _, one in filed)
    assert all(one.transaction.negotiation_id == "" for _, one in filed)
    # One of them traded with itself, and it stays in the books as it was.
    assert [a for a, one in filed if one.transaction.counterparty == a] == ["o.neil@stonybrook.edu"]
    names = {party: [one.name for p, one in filed if p == party] for party, _ in filed}
    assert all(len(set(found)) == len(found) for found in names.values())


def test_ids_that_clash_move_on_a_second(carried: Migration) -> None:
    ids = Counter(one.id for one in everything(Desk(carried.root)))
    # The old program started two of one pair over one chemical in one second, three times;
    # and two people called alice each one with the same carol.
    for first, second in (
        ("o.neil_o.neil1_N_1795249767", "o.neil_o.neil1_N_1795249768"),
        ("sam1_dave_Q_1795249767", "sam1_dave_Q_1795249768"),
        ("zoe_sam_N_1795249768", "zoe_sam_N_1795249769"),
        ("alice_carol_Q_1795249768", "alice_carol_Q_1795249769"),
    ):
        assert ids[first] == ids[second] == 1
    assert set(ids.values()) == {1}


def test_a_second_run_changes_nothing(carried: Migration) -> None:
    before = times_of(carried.root)
    assert carried.run().added == {}
    carried.verify().check()
    assert times_of(carried.root) == before


def test_the_source_is_not_touched(archive: Archive, tmp_path: Path) -> None:
    before = times_of(archive[0])
    migration = Migration(archive[0], tmp_path / "root").checked()
    migration.rollback()
    assert not migration.root.exists()
    assert times_of(archive[0]) == before


def test_two_migrated_parties_continue_to_a_settled_deal(archive: Archive, tmp_path: Path) -> None:
    migration = Migration(archive[0], tmp_path / "root").checked()
    clock = Clock(NOW + 3600)
    desk = Desk(migration.root, clock=clock)
    [deal] = [one for one in desk.negotiations() if one.id == "alice_sam_Q_1795249767"]
    assert deal.turn is not None
    assert deal.responder is not None
    answering, waiting = deal.turn, ({deal.initiator, deal.responder} - {deal.turn}).pop()

    countered = desk.party(answering).offer(deal.id, price="5.25", quantity=400)
    assert countered.round == len(deal.offers) + 1
    clock.forward(60)
    desk.party(waiting).accept(deal.id, round=countered.round)
    report = desk.poll()

    assert (report.agreed, report.problems) == ([deal.id], [])
    assert len(report.active) == 76
    for party in (answering, waiting):
        [mine] = [
            one
            for one in desk.party(party).transactions()
            if one.transaction.negotiation_id == deal.id
        ]
        terms = (mine.transaction.price, mine.transaction.quantity)
        assert terms == (Decimal("5.25"), Decimal(400))
    assert all(volume.conserved for volume in desk.stats().volumes.values())
    # What went on since begins with what there was, so it is no difference.
    migration.verify().check()


def test_a_poll_ends_nothing_that_was_just_carried_over(archive: Archive, tmp_path: Path) -> None:
    migration = Migration(archive[0], tmp_path / "root").checked()
    desk = Desk(migration.root, clock=Clock(NOW + 23 * 3600))
    report = desk.poll()
    assert (len(report.active), report.problems) == (77, [])
    ended = (report.agreed, report.rejected, report.withdrawn, report.expired)
    assert ended == ([], [], [], [])
    migration.verify().check()
