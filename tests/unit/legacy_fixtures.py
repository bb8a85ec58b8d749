"""An old data directory, made by hand: one method for each thing an old program wrote.

Each method takes what a test is about and fills in the rest, in the shape of
`data/legacy-sample`.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

from nom_negotiate.core.identity import Address

ALICE = Address("alice@stonybrook.edu")
BOB = Address("bob@stonybrook.edu")
CAROL = Address("carol@cs.stonybrook.edu")

T0 = 1795249765

SCHEMA = """
CREATE TABLE negotiations (
    id TEXT PRIMARY KEY, chemical TEXT, type TEXT, initiator_id TEXT, initiator_name TEXT,
    responder_id TEXT, responder_name TEXT, session_number INTEGER, status TEXT,
    last_offer_by TEXT, accepted_by TEXT, rejected_by TEXT, rejection_reason TEXT,
    created_at INTEGER, updated_at INTEGER, accepted_at INTEGER, rejected_at INTEGER, ad_id TEXT);
CREATE TABLE negotiation_offers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, negotiation_id TEXT, from_team_id TEXT,
    from_team_name TEXT, quantity REAL, price REAL, heat_is_hot INTEGER, heat_total REAL,
    created_at INTEGER);
CREATE TABLE team_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, team_email TEXT, team_name TEXT, event_type TEXT,
    payload TEXT, timestamp REAL, created_at INTEGER);
CREATE TABLE marketplace_events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, team_email TEXT, team_name TEXT, event_type TEXT,
    payload TEXT, timestamp REAL, created_at INTEGER);
"""


class OldTree:
    """A data directory of any generation, under `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, content: Any) -> Path:
        """Write bytes as they are, and anything else as JSON."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        target.write_bytes(data)
        return target

    # ---------------------------------------------------------------- L2

    def negotiation(self, id: str = "neg_1", /, *, file: str | None = None, **changes: Any) -> str:
        """Write a negotiation file; a change of `...` leaves the field out."""
        record = negotiation_record(id) | changes
        record = {key: value for key, value in record.items() if value is not ...}
        path = f"negotiations/negotiation_{file or id}.json"
        self.put(path, record)
        return path

    # ---------------------------------------------------------------- L3

    def team_event(
        self, team: str, at: float, type: str, payload: Any, name: str | None = None
    ) -> str:
        path = f"teams/{name or team}/event_{at:.6f}_{type}.json"
        self.put(path, _event(team, at, type, payload))
        return path

    def market_event(self, team: str, at: float, type: str, payload: Any) -> str:
        path = f"marketplace/events/event_{at:.6f}_{type}.json"
        self.put(path, _event(team, at, type, payload))
        return path

    def offer(self, id: str, /, at: float = T0, team: str = ALICE, **changes: Any) -> str:
        return self.market_event(team, at, "add_offer", offer_payload(id, team) | changes)

    def init(self, team: str, at: float = T0, name: str | None = None, **profile: Any) -> str:
        payload = {
            "profile": {
                "email": team,
                "teamName": "Swift Bear",
                "createdAt": int(at),
                "currentFunds": 10000,
                "startingFunds": 10000,
                **profile,
            },
            "inventory": {"C": 1535, "N": 995, "D": 896, "Q": 1421},
            "shadowPrices": {"C": 1.25, "N": 0, "D": 0, "Q": 0},
        }
        return self.team_event(team, at, "init", payload, name)

    # ---------------------------------------------------------------- L5

    def state(self, owner: str, id: str, user: str, /, **changes: Any) -> str:
        record = {
            "user": user,
            "role": "buyer",
            "chemical": "C",
            "offer": {"price": 5.5, "quantity": 1000, "timestamp": T0},
            "status": "pending",
            "last_updated": T0 + 1,
        } | changes
        record = {key: value for key, value in record.items() if value is not ...}
        path = f"teams/{owner}/negotiations/{id}/{user.partition('@')[0]}_state.json"
        self.put(path, record)
        return path

    def link(self, team: str, id: str, target: str) -> str:
        path = self.root / "teams" / team / "negotiations" / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
        return path.relative_to(self.root).as_posix()

    def book(self, team: str, name: str, **changes: Any) -> str:
        record = {
            "type": "buy",
            "chemical": "C",
            "price": 5.5,
            "quantity": 1000,
            "counterparty": BOB,
            "negotiation_id": "alice_bob_C_1704312345",
            "timestamp": 1704312400,
            "settled": False,
        } | changes
        path = f"teams/{team}/transactions/{name}.json"
        self.put(path, record)
        return path

    # ---------------------------------------------------------------- L4

    def database(self, schema: str = SCHEMA) -> OldDatabase:
        self.root.mkdir(parents=True, exist_ok=True)
        return OldDatabase(self.root / "cndq.db", schema)


class OldDatabase:
    """The database `cndq.db`."""

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        with self._connection() as connection:
            connection.executescript(schema)

    def insert(self, table: str, **row: Any) -> None:
        names = ", ".join(row)
        marks = ", ".join("?" for _ in row)
        with self._connection() as connection:
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*row.values()])
            connection.commit()

    def negotiation(self, id: str = "neg_1", /, **changes: Any) -> None:
        row = {
            "id": id,
            "chemical": "C",
            "type": "sell",
            "initiator_id": ALICE,
            "initiator_name": "Swift Bear",
            "responder_id": BOB,
            "responder_name": "Calm Otter",
            "session_number": 2,
            "status": "pending",
            "last_offer_by": ALICE,
            "created_at": T0,
            "updated_at": T0,
        } | changes
        self.insert("negotiations", **row)

    def offer(self, id: str, team: str, price: float, quantity: float, at: int = T0) -> None:
        self.insert(
            "negotiation_offers",
            negotiation_id=id,
            from_team_id=team,
            price=price,
            quantity=quantity,
            created_at=at,
        )

    def event(self, table: str, team: str, at: float, type: str, payload: Any) -> None:
        self.insert(
            table,
            team_email=team,
            team_name="Swift Bear",
            event_type=type,
            payload=payload if isinstance(payload, str) else json.dumps(payload),
            timestamp=at,
        )

    def _connection(self) -> contextlib.closing[sqlite3.Connection]:
        return contextlib.closing(sqlite3.connect(self.path))


def negotiation_record(id: str = "neg_1") -> dict[str, Any]:
    return {
        "id": id,
        "chemical": "C",
        "type": "sell",
        "initiatorId": ALICE,
        "initiatorName": "Swift Bear",
        "responderId": BOB,
        "responderName": "Calm Otter",
        "sessionNumber": 3,
        "offers": [offer_record(ALICE, 5.5, 100, T0), offer_record(BOB, 4, 90.5, T0 + 5)],
        "status": "pending",
        "lastOfferBy": BOB,
        "createdAt": T0,
        "updatedAt": T0 + 5,
    }


def offer_record(team: str, price: Any, quantity: Any, at: int) -> dict[str, Any]:
    return {
        "fromTeamId": team,
        "fromTeamName": "Somebody",
        "quantity": quantity,
        "price": price,
        "createdAt": at,
        "heat": {"isHot": True, "total": 12.5},
    }


def offer_payload(id: str, team: str = ALICE) -> dict[str, Any]:
    return {
        "chemical": "N",
        "quantity": 59,
        "minPrice": 0.56,
        "type": "sell",
        "id": id,
        "sellerId": team,
        "createdAt": T0,
        "status": "active",
        "teamName": "Swift Bear",
    }


def trade_payload(id: str = "txn_1795249765_9dfea962", /, **changes: Any) -> dict[str, Any]:
    return {
        "type": "buy",
        "chemical": "C",
        "quantity": 169,
        "pricePerUnit": 8.15,
        "counterparty": BOB,
        "timestamp": T0,
        "id": id,
    } | changes


def _event(team: str, at: float, type: str, payload: Any) -> dict[str, Any]:
    return {
        "type": type,
        "payload": payload,
        "timestamp": at,
        "teamId": team,
        "teamName": "Swift Bear",
    }
