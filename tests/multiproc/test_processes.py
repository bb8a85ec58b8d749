"""Real processes on one data root: every deal settles exactly once, and no word is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nom_negotiate import Desk, Kind, Negotiation, Phase, Side

WORKER = Path(__file__).with_name("worker.py")
PARTIES = [f"team{number}@stonybrook.edu" for number in range(10)]
CHEMICALS = ["C", "N", "D", "Q"]
DEADLINE_S = 200


def start(role: str, root: Path, seed: int, *more: str) -> subprocess.Popen[str]:
    """Start one worker process."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(WORKER), role, str(root), str(seed), *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Return what a worker said it has done, once it has ended well."""
    printed, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors
    return [json.loads(line) for line in printed.splitlines()]


def fifty_negotiations(desk: Desk) -> list[str]:
    """Start fifty negotiations between ten parties, in both directions."""
    ids = []
    for number in range(50):
        initiator, responder = number % 10, (number * 7 + number // 10 + 1) % 10
        if initiator == responder:
            responder = (responder + 1) % 10
        negotiation = desk.party(PARTIES[initiator]).start(
            PARTIES[responder],
            chemical=CHEMICALS[number % 4],
            role="buyer" if number % 3 else "seller",
            price="5.5",
            quantity=100 + number,
            again=True,
        )
        ids.append(negotiation.id)
    return ids


@pytest.mark.parametrize("poller", ["poll", "poll-unlocked"])
def test_fifty_negotiations_of_eight_processes_and_two_pollers_settle_exactly_once(
    poller: str, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    desk = Desk(root)
    ids = fifty_negotiations(desk)

    pollers = [start(poller, root, number) for number in range(2)]
    workers = [start("haggle", root, number) for number in range(8)]
    done = [line for worker in workers for line in finish(worker)]
    passes = [line for process in pollers for line in finish(process)]
    last = desk.poll()

    assert last.active == []
    assert last.problems == []
    ended = {negotiation.id: negotiation for negotiation in desk.archive()}
    assert sorted(ended) == sorted(ids)
    settled = [name for line in passes for name in line["agreed"]] + last.agreed
    agreed = {name for name, found in ended.items() if found.phase is Phase.AGREED}
    assert set(settled) == agreed
    assert len(agreed) >= 5, "hardly anything was agreed: the test shows nothing"
    check_books(desk, ended)
    check_promises(done, ended)
    check_links(root, ended)
    assert [str(path) for path in root.rglob(".tmp-*")] == []


def check_books(desk: Desk, ended: dict[str, Negotiation]) -> None:
    """Each agreement has one transaction on each side, and the sums are equal."""
    sides: dict[str, Counter[str]] = defaultdict(Counter)
    for party in desk.parties():
        for _, transaction in party.transactions():
            outcome = ended[transaction.negotiation_id].outcome
            assert outcome is not None
            assert outcome.deal is not None
            owner = outcome.deal.buyer if transaction.type is Side.BUY else outcome.deal.seller
            assert owner == party.address
            assert transaction.price == outcome.deal.price
            assert transaction.quantity == outcome.deal.quantity
            sides[transaction.negotiation_id][transaction.type] += 1
    for name, negotiation in ended.items():
        expected = {"buy": 1, "sell": 1} if negotiation.phase is Phase.AGREED else {}
        assert dict(sides[name]) == expected, name
    volumes = desk.stats().volumes
    assert all(volume.conserved for volume in volumes.values())
    assert sum((volume.bought for volume in volumes.values()), Decimal(0)) > 0


def check_promises(done: list[dict[str, Any]], ended: dict[str, Negotiation]) -> None:
    """What a call reported as done is true in the end."""
    kinds = {"withdraw": Kind.WITHDRAWN, "reject": Kind.REJECTED}
    # Two may end it at the same instant; then one of them has.
    endings: dict[str, set[tuple[Kind, str]]] = defaultdict(set)
    for line in done:
        if line["did"] in kinds:
            endings[line["id"]].add((kinds[line["did"]], line["by"]))
    for line in done:
        negotiation = ended[line["id"]]
        outcome = negotiation.outcome
        assert outcome is not None
        if line["did"] in kinds:
            assert (outcome.outcome, outcome.by) in endings[line["id"]], line
        elif line["did"] == "accept" and line["firm"]:
            assert outcome.outcome is Kind.AGREED, line
        elif line["did"] == "say":
            assert (line["by"], line["text"]) in {(m.by, m.text) for m in negotiation.messages}
        elif line["did"] == "offer":
            terms = (line["by"], Decimal(str(line["price"])), Decimal(line["quantity"]))
            assert terms in {(m.by, m.price, m.quantity) for m in negotiation.offers}, line


def check_links(root: Path, ended: dict[str, Negotiation]) -> None:
    """Each party finds each of its negotiations in its own archive, and nothing is active."""
    for negotiation in ended.values():
        for address in (negotiation.initiator, negotiation.responder):
            assert address is not None
            entry = root / "teams" / address / "negotiations_archive" / negotiation.id
            assert (entry / "outcome.json").is_file()
            assert entry.is_symlink() == (address == negotiation.responder)
    assert [str(path) for path in root.glob("teams/*/negotiations/*")] == []


def test_a_party_in_six_processes_loses_none_of_its_words(tmp_path: Path) -> None:
    root = tmp_path / "data"
    desk = Desk(root)
    alice, bob = PARTIES[:2]
    negotiation = desk.party(alice).start(
        bob, chemical="C", role="buyer", price="5.5", quantity=1000
    )

    speakers = [start("speak", root, seed, alice, "20") for seed in range(6)]
    said = [line["text"] for process in speakers for line in finish(process)]

    found = desk.party(bob).negotiation(negotiation.id)
    assert sorted(message.text for message in found.messages) == sorted(said)
    assert len(said) == 120
    assert found.revisions == {alice: 121, bob: 0}


def test_both_parties_speak_at_once_and_nobody_waits_in_vain(tmp_path: Path) -> None:
    root = tmp_path / "data"
    desk = Desk(root)
    alice, bob = PARTIES[:2]
    negotiation = desk.party(alice).start(
        bob, chemical="C", role="buyer", price="5.5", quantity=1000
    )

    speakers = [start("speak", root, n, address, "40") for n, address in enumerate([alice, bob])]
    said = [(line["by"], line["text"]) for process in speakers for line in finish(process)]

    found = desk.party(bob).negotiation(negotiation.id)
    assert sorted((message.by, message.text) for message in found.messages) == sorted(said)
    assert len(said) == 80
