"""The invariants of a whole tree, from its bytes: what must hold whenever a poll has ended."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from tests.faults.memory_os import MemoryOS
from tests.simulation.instants import OUTCOME, ROOMS, Violation, is_whole, namespaces

from nom_negotiate import Desk, Outcome, codec

Tree = Mapping[str, Any]

Row = tuple[str, str, str, str, str, Decimal, Decimal]
"""Owner, type, counterparty, negotiation, chemical, price, quantity."""


def check(memory: MemoryOS) -> None:
    """Check that each agreement has its two transactions, and each party its negotiations."""
    tree = memory.tree()
    if left := torn(memory):
        raise Violation(f"not whole, and left so: {left}")
    _check_transactions(memory, tree)
    for place, files in namespaces(memory).items():
        room = ROOMS[OUTCOME in files]
        if f"data/teams/{place.team}/{room}/{place.id}" not in tree:
            raise Violation(f"{place.id} has {sorted(files)}, and is not in {room}")
        state = next(json.loads(data) for name, data in files.items() if name != OUTCOME)
        responder = next(
            party for party in (state["user"], state["counterparty"]) if party != place.team
        )
        link = tree.get(f"data/teams/{responder}/{room}/{place.id}")
        if link != f"../../{place.team}/{room}/{place.id}":
            raise Violation(f"{responder} has {link!r} for {place.id} in {room}")


def torn(memory: MemoryOS) -> list[str]:
    """Return which records of the poller have no end: a power cut in a batch may leave such."""
    return [
        path
        for path, content in memory.tree().items()
        if _is_the_pollers(path) and isinstance(content, bytes) and not is_whole(content)
    ]


def _is_the_pollers(path: str) -> bool:
    room, _, name = path.rpartition("/")
    return name == OUTCOME or (room.endswith("/transactions") and name.endswith(".json"))


def check_figures(memory: MemoryOS, desk: Desk) -> None:
    """Check that what the product itself says of the tree is balanced and complete."""
    for chemical, volume in desk.stats().volumes.items():
        if not volume.conserved:
            raise Violation(f"what was bought of {chemical} is not what was sold: {volume}")
    for place, files in namespaces(memory).items():
        state = next(json.loads(data) for name, data in files.items() if name != OUTCOME)
        for party in (state["user"], state["counterparty"]):
            desk.party(party).negotiation(place.id)


def outcomes(memory: MemoryOS) -> list[Outcome]:
    """Return what was decided of each negotiation that has ended."""
    there = namespaces(memory).values()
    return [codec.decode_outcome(files[OUTCOME]) for files in there if OUTCOME in files]


def check_told(memory: MemoryOS, agreed: Collection[str]) -> None:
    """Check what must be there when a poll has said which deals it settled."""
    rows = _transactions(memory.tree())
    for id_ in agreed:
        if len([row for row in rows if row[3] == id_]) != 2:
            raise Violation(f"a poll said that it has settled {id_}, and there is {rows}")
    if len(set(rows)) != len(rows):
        raise Violation(f"a transaction is there twice: {rows}")


def _check_transactions(memory: MemoryOS, tree: Tree) -> None:
    found = _transactions(tree)
    expected: list[Row] = []
    for files in namespaces(memory).values():
        outcome = _numbers(files.get(OUTCOME, b'{"outcome": null}'))
        if outcome["outcome"] == "agreed":
            deal = outcome["deal"]
            buyer, seller = deal["buyer"], deal["seller"]
            rest = (outcome["negotiation_id"], deal["chemical"], deal["price"], deal["quantity"])
            expected += [(buyer, "buy", seller, *rest), (seller, "sell", buyer, *rest)]
    if sorted(found) != sorted(expected):
        raise Violation(f"expected the transactions {sorted(expected)}, found {sorted(found)}")


def _transactions(tree: Tree) -> list[Row]:
    fields = ("type", "counterparty", "negotiation_id", "chemical", "price", "quantity")
    found: list[Row] = []
    for path, content in tree.items():
        parts = path.split("/")
        if len(parts) == 5 and _is_the_pollers(path) and is_whole(content):
            record = _numbers(content)
            found.append((parts[2], *(record[field] for field in fields)))
    return found


def _numbers(data: Any) -> Any:
    return json.loads(data, parse_float=Decimal, parse_int=Decimal)


def check_swept(memory: MemoryOS) -> None:
    """Check that nothing is left of what was never finished."""
    tree = memory.tree()
    for path, content in tree.items():
        if "/.tmp-" in path:
            raise Violation(f"{path} was left")
        if isinstance(content, str):
            target = "/".join([*path.split("/")[:3], "x", "y"])
            parts = target.split("/")[:-2] + content.split("/")[2:]
            if "/".join(["data", "teams", *parts[3:]]) not in tree:
                raise Violation(f"{path} leads to {content}, where nothing is")


def revision(files: Mapping[str, bytes], party: str) -> int:
    """Return the revision of what a party says in a namespace; -1 where it says nothing."""
    states = [json.loads(data) for name, data in files.items() if name != OUTCOME]
    return next((state.get("revision", 0) for state in states if state["user"] == party), -1)
