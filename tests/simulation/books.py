"""The invariants of a whole tree, from its bytes: what must hold whenever a poll has ended."""

from __future__ import annotations

import json
from collections import Counter
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


def check_listings(memory: MemoryOS) -> None:
    """Check that no listing is overdrawn, and that none was refused for nothing."""
    tree = memory.tree()
    listed = {
        (path.split("/")[2], path.split("/")[4].removesuffix(".json")): _numbers(content)
        for path, content in tree.items()
        if "/listings/" in path and "/." not in path and isinstance(content, bytes)
    }
    dealt: Counter[tuple[str, str]] = Counter()
    for path, content in tree.items():
        if _is_the_pollers(path) and "/transactions/" in path and isinstance(content, bytes):
            record = _numbers(content)
            key = path.split("/")[2], record.get("listing")
            if key in listed:
                dealt[key] += record["quantity"]
    for key, listing in listed.items():
        if dealt[key] > listing["quantity"]:
            raise Violation(f"{dealt[key]} was dealt of the listing {listing}")
    for place, files in namespaces(memory).items():
        outcome = _numbers(files.get(OUTCOME, b"{}"))
        if outcome.get("outcome") != "rejected" or "by" in outcome:
            continue
        listing = listed[place.team, outcome["listing"]]
        wanted = _numbers(files[f"{place.team.partition('@')[0]}_state.json"])["offer"]["quantity"]
        if dealt[place.team, listing["id"]] + wanted <= listing["quantity"]:
            raise Violation(f"{place.id} was refused, and enough is left of {listing}")


def moves(memory: MemoryOS, party: str, id_: str) -> list[Any]:
    """Return what a party has offered and accepted in a negotiation, oldest first."""
    for place, files in namespaces(memory).items():
        for name, content in files.items():
            state = _numbers(content)
            if place.id == id_ and name != OUTCOME and state["user"] == party:
                return [*state.get("history", ()), *([state["offer"]] if "offer" in state else ())]
    return []


def check_kept(memory: MemoryOS, party: str, id_: str, limit: str | None, before: int) -> None:
    """Check that an autopilot has stayed within what its party wants.

    Args:
        memory: what is judged.
        party: whose autopilot it is.
        id_: of the negotiation.
        limit: the reservation price since then; None where it was to say nothing more.
        before: how many offers and acceptances of the party there were by then.
    """
    later = moves(memory, party, id_)[before:]
    if limit is None:
        if later:
            raise Violation(f"the autopilot of {party} was off in {id_}, and said {later}")
        if any(f"/private/{id_}.autopilot.json" in path for path in memory.tree() if party in path):
            raise Violation(f"the autopilot of {party} was turned off in {id_}, and is on")
        return
    for move in later:
        bought = _role(memory, party, id_) == "buyer"
        if move["price"] > Decimal(limit) if bought else move["price"] < Decimal(limit):
            raise Violation(f"the autopilot of {party} went beyond {limit} in {id_}: {move}")


def check_wanted(memory: MemoryOS, party: str, id_: str, limits: Collection[str]) -> None:
    """Check that what a party has said that it wants is kept, one of these, while that goes on."""
    content = memory.tree().get(f"data/teams/{party}/private/{id_}.preferences.json")
    if content is None:
        if all(OUTCOME in files for place, files in namespaces(memory).items() if place.id == id_):
            return
        raise Violation(f"what {party} wants of {id_} is lost")
    if str(_numbers(content)["reservation_price"]) not in limits:
        raise Violation(f"{party} wants {limits} of {id_}, and kept is {content!r}")


def _role(memory: MemoryOS, party: str, id_: str) -> str:
    """Return the role of a party in a negotiation."""
    for place, files in namespaces(memory).items():
        for name, content in files.items():
            state = _numbers(content)
            if place.id == id_ and name != OUTCOME and state["user"] == party:
                return str(state["role"])
    raise Violation(f"{party} has said nothing in {id_}")


def check_told_nobody(memory: MemoryOS, limits: Collection[str]) -> None:
    """Check that what a party wants stands in its private room only, but for what it offers."""
    for path, content in memory.tree().items():
        if "/private/" not in path and isinstance(content, bytes):
            text = content.decode("utf-8", "replace")
            for limit in limits:
                text = text.replace(f'"price": {limit}', "").replace(f'"price":{limit}', "")
            check_silence(text, limits)


def check_silence(text: str, limits: Collection[str]) -> None:
    """Check that a text says nothing of what parties keep to themselves."""
    for word in (*limits, "nom.preferences", "nom.autopilot", "reservation_price"):
        if word in text:
            raise Violation(f"{word} is told: {text[:400]}")


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
