"""What must be true once several processes have been at one data root, some of them killed."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stateful.books import assert_conserved
from tests.support import DAY

from nom_negotiate import Desk, FileStore, Kind, Negotiation, Phase


def root_of(desk: Desk) -> str:
    assert isinstance(desk.store, FileStore)
    return desk.store.layout.root


@dataclass
class Told:
    """What the processes were told."""

    actions: list[dict[str, Any]] = field(default_factory=list)
    passes: list[dict[str, Any]] = field(default_factory=list)

    def done(self, verb: str) -> Iterator[dict[str, Any]]:
        for action in self.actions:
            if action["verb"] == verb and action["refused"] is None:
                yield action


def ended(desk: Desk) -> dict[str, Negotiation]:
    """Return every negotiation, all of which must have ended, by initiator and id."""
    assert desk.poll(scan=True).active == []
    assert desk.negotiations() == []
    return {f"{found.initiator} {found.id}": found for found in desk.archive()}


def settled_exactly_once(desk: Desk, found: dict[str, Negotiation]) -> None:
    """Check invariants 3, 4 and 9 over the whole root."""
    deals = [one.outcome.deal for one in found.values() if one.outcome and one.outcome.deal]
    expected = Counter(
        (party, deal.agreement_key) for deal in deals for party in (deal.buyer, deal.seller)
    )
    filed = [(party, one.transaction) for party in desk.parties() for one in party.transactions()]
    assert Counter((party.address, one.agreement_key) for party, one in filed) == expected
    assert set(expected.values()) <= {1}
    assert_conserved(one for _, one in filed)


def nothing_left_over(desk: Desk, *, days_later: int = 0) -> None:
    root = Path(root_of(desk))
    if days_later:
        # What a killed process has left is old by then, and the next pass removes it, even
        # if another process has its number by now.
        then = time.time() - days_later * DAY
        for path in root.rglob("*"):
            if path.name.startswith(".tmp-") or (path.is_symlink() and not path.exists()):
                os.utime(path, (then, then), follow_symlinks=False)
        desk.poll(scan=True)
    temporary = [path for path in root.rglob("*") if path.name.startswith(".tmp-")]
    assert temporary == []
    dangling = [path for path in root.rglob("*") if path.is_symlink() and not path.exists()]
    assert dangling == []
    for party in desk.parties():
        assert list((root / "teams" / party.address / "negotiations").iterdir()) == []


def everybody_was_told_the_truth(told: Told, found: dict[str, Negotiation]) -> None:
    """Check that what was reported as done is true, and nothing else has happened."""
    by_party = {
        (party, one.id): one for one in found.values() for party in (one.initiator, one.responder)
    }
    for action in told.done("say"):
        one = by_party[action["by"], action["id"]]
        mine = [message.text for message in one.messages if message.by == action["by"]]
        assert mine.count(action["text"]) == 1, action
    for action in told.done("offer"):
        one = by_party[action["by"], action["id"]]
        offers = [(move.by, move.round, move.quantity) for move in one.offers]
        assert (action["by"], action["seen"], action["quantity"]) in offers, action
    for action in told.done("accept"):
        outcome = by_party[action["by"], action["id"]].outcome
        if action["agreed"]:
            assert outcome is not None, action
            assert outcome.outcome is Kind.AGREED, action
    for verb in ("reject", "withdraw"):
        for action in told.done(verb):
            outcome = by_party[action["by"], action["id"]].outcome
            assert outcome is not None, action
            assert outcome.outcome in (Kind.REJECTED, Kind.WITHDRAWN), action
            assert outcome.by == action["by"], action
    for one in found.values():
        assert one.phase is not Phase.EXPIRED
