"""Validators and hooks of installed packages are found without being named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.contract.test_negotiating import ID, start
from tests.support import ALICE, BOB, CAROL, NOON, Clock

from nom_negotiate import Desk, FileStore, Phase

SHOP = """
calls = []

def in_stock(proposed, store):
    return "out of stock" if proposed.chemical == "N" else None

def note(outcome, transactions):
    calls.append((outcome.negotiation_id, sorted(transactions)))
"""


def install(site: Path, *entries: str) -> None:
    """Make a package with these entry points look installed."""
    (site / "shop.py").write_text(SHOP)
    info = site / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(entries) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(__import__("sys").modules, "shop", raising=False)
    return site


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """Return a desk that names no extensions, with two deals that wait for a poll."""
    desk = Desk(FileStore(tmp_path / "data", durable=False), clock=clock)
    for chemical in "CN":
        start(desk.party(ALICE), chemical=chemical)
        desk.party(BOB).accept(f"alice_bob_{chemical}_{NOON}")
    return desk


def test_the_validator_of_an_installed_package_is_asked(site: Path, desk: Desk) -> None:
    install(site, "[nom_negotiate.validators]", "stock = shop:in_stock")
    report = desk.poll()
    assert (report.agreed, report.rejected) == ([ID], [f"alice_bob_N_{NOON}"])


def test_the_hook_of_an_installed_package_is_called(site: Path, desk: Desk) -> None:
    install(site, "[nom_negotiate.after_settlement]", "note = shop:note")
    report = desk.poll()
    assert len(report.agreed) == 2
    import shop  # type: ignore[import-not-found]

    assert shop.calls == [(name, [ALICE, BOB]) for name in report.agreed]


@pytest.mark.parametrize("missing", ["shop:nothing", "nowhere:in_stock"])
def test_no_deal_is_decided_without_a_validator_that_cannot_be_loaded(
    site: Path, desk: Desk, missing: str
) -> None:
    install(site, "[nom_negotiate.validators]", f"stock = {missing}")
    start(desk.party(ALICE), CAROL)
    desk.party(CAROL).reject(f"alice_carol_C_{NOON}")
    report = desk.poll()
    assert report.agreed == []
    assert report.rejected == [f"alice_carol_C_{NOON}"]
    assert sorted(report.active) == [ID, f"alice_bob_N_{NOON}"]
    assert all("stock of nom_negotiate.validators" in one.reason for one in report.problems)
    assert len(report.problems) == 2


def test_no_deal_is_archived_without_a_hook_that_cannot_be_loaded(site: Path, desk: Desk) -> None:
    install(site, "[nom_negotiate.after_settlement]", "note = shop:nothing")
    report = desk.poll()
    assert len(report.problems) == 2
    # The deals stand; the hook is called for them once it can be.
    assert desk.party(BOB).negotiation(ID).phase is Phase.AGREED
    assert not desk.party(BOB).negotiation(ID).archived
    assert len(desk.party(BOB).transactions()) == 2
    (site / "shop-1.0.dist-info" / "entry_points.txt").write_text(
        "[nom_negotiate.after_settlement]\nnote = shop:note\n"
    )
    repaired = Desk(desk.store, clock=lambda: NOON)
    assert len(repaired.poll().agreed) == 2
    assert len(desk.party(BOB).transactions()) == 2
