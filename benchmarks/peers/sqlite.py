"""SQLite in WAL mode with synchronous=FULL: the same market in four tables.

What makes it fast is in the schema:

- Numbers are exact, so they are text. What belongs to a negotiation lies side by side: the
  primary keys are the order on disk (WITHOUT ROWID).
- `agreed` holds the committed states only. The poll joins it with itself, on the index alone:
  `status` is in it because SQLite would look it up otherwise, and the join is a cross join because
  that settles its order. Three other shapes of index and query were slower.
- `ready` holds nothing on most days: whoever makes a state notices that the keys are equal, and
  marks the negotiation in the same commit. A poll that trusts the mark looks at one empty index.
- `due` gives the next one to expire without a look at the others.
- An ended negotiation leaves all three indexes; its rows stay where they are, which is what
  archiving is here.
- Every statement is prepared once, by the connection's cache; commits are explicit.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.market import CHEMICAL, LIFE_S, Case

SCHEMA: Final = """
CREATE TABLE negotiations (
    number      INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    initiator   TEXT NOT NULL,
    responder   TEXT NOT NULL,
    chemical    TEXT NOT NULL,
    expires_at  INTEGER NOT NULL,
    ready       INTEGER NOT NULL DEFAULT 0,
    outcome     TEXT,
    ended_at    INTEGER
);
CREATE UNIQUE INDEX by_id ON negotiations(id, initiator);
CREATE INDEX ready ON negotiations(number) WHERE ready;
CREATE INDEX due ON negotiations(expires_at) WHERE outcome IS NULL;

CREATE TABLE states (
    negotiation   INTEGER NOT NULL REFERENCES negotiations,
    side          INTEGER NOT NULL,   -- 0 the initiator, who buys; 1 the responder
    price         TEXT NOT NULL,
    quantity      TEXT NOT NULL,
    round         INTEGER NOT NULL,
    status        TEXT NOT NULL,      -- pending, agreed, rejected, ended
    agreement_key TEXT,
    revision      INTEGER NOT NULL,
    last_updated  INTEGER NOT NULL,
    PRIMARY KEY (negotiation, side)
) WITHOUT ROWID;
CREATE INDEX agreed ON states(side, negotiation, agreement_key, status)
    WHERE status = 'agreed';

CREATE TABLE history (
    negotiation INTEGER NOT NULL,
    side        INTEGER NOT NULL,
    revision    INTEGER NOT NULL,
    price       TEXT NOT NULL,
    quantity    TEXT NOT NULL,
    round       INTEGER NOT NULL,
    PRIMARY KEY (negotiation, side, revision)
) WITHOUT ROWID;

CREATE TABLE transactions (
    party        TEXT NOT NULL,
    negotiation  INTEGER NOT NULL,
    type         TEXT NOT NULL,
    chemical     TEXT NOT NULL,
    price        TEXT NOT NULL,
    quantity     TEXT NOT NULL,
    counterparty TEXT NOT NULL,
    timestamp    INTEGER NOT NULL,
    settled      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (party, negotiation, type)
) WITHOUT ROWID;
"""

JOINED: Final = """
SELECT one.negotiation FROM states AS one CROSS JOIN states AS other
    ON other.side = 1 AND other.status = 'agreed' AND other.negotiation = one.negotiation
        AND other.agreement_key = one.agreement_key
WHERE one.side = 0 AND one.status = 'agreed'
"""
MARKED: Final = "SELECT number FROM negotiations WHERE ready"
DUE: Final = "SELECT number FROM negotiations WHERE outcome IS NULL AND expires_at <= ?"


class Explained(NamedTuple):
    """How a database works: what makes it durable, and the steps of its poll."""

    journal: str
    synchronous: int
    plan: list[str]


class Database:
    """One connection to one database.

    Args:
        path: of the database, which is made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute("PRAGMA mmap_size = 268435456")

    def fill(self, cases: Iterable[Case]) -> None:
        """Create the tables and put the cases in."""
        self._db.executescript(SCHEMA)
        self._db.execute("BEGIN")
        for case in cases:
            self._db.execute(
                "INSERT INTO negotiations(number, id, initiator, responder, chemical, expires_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    case.number,
                    case.id,
                    case.initiator,
                    case.responder,
                    CHEMICAL,
                    case.at + LIFE_S,
                ),
            )
            for side, (_, _, terms) in enumerate(case.offers):
                self._db.execute(
                    "INSERT INTO states VALUES (?, ?, ?, ?, ?, 'agreed', ?, 1, ?)",
                    (
                        case.number,
                        side,
                        str(terms.price),
                        str(terms.quantity),
                        side + 1,
                        case.key(terms),
                        case.at,
                    ),
                )
        self._db.execute("COMMIT")
        self._db.execute("ANALYZE")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def explained(self) -> Explained:
        """Return how this works."""
        steps = [
            step
            for query, arguments in ((JOINED, ()), (MARKED, ()), (DUE, (0,)))
            for *_, step in self._db.execute(f"EXPLAIN QUERY PLAN {query}", arguments)
        ]
        [journal] = self._db.execute("PRAGMA journal_mode").fetchone()
        [synchronous] = self._db.execute("PRAGMA synchronous").fetchone()
        return Explained(journal, synchronous, steps)

    # The poll

    def look(self) -> list[int]:
        """Return what is agreed or due, by the index over the agreed states."""
        return self._found(JOINED)

    def look_at_marks(self) -> list[int]:
        """Return what is agreed or due, by the marks of those who made the states."""
        return self._found(MARKED)

    def _found(self, query: str) -> list[int]:
        now = int(time.time())
        agreed = self._db.execute(query).fetchall()
        due = self._db.execute(DUE, (now,)).fetchall()
        return [number for (number,) in agreed + due]

    def settle(self, *, commit_each: bool) -> int:
        """Settle what is agreed, in a commit each or in one for all; return how many."""
        now = int(time.time())
        numbers = [number for (number,) in self._db.execute(MARKED).fetchall()]
        if not commit_each:
            self._db.execute("BEGIN IMMEDIATE")
        for number in numbers:
            if commit_each:
                self._db.execute("BEGIN IMMEDIATE")
            self._settle(number, now)
            if commit_each:
                self._db.execute("COMMIT")
        if not commit_each:
            self._db.execute("COMMIT")
        return len(numbers)

    def _settle(self, number: int, now: int) -> None:
        row = self._db.execute(
            "SELECT n.initiator, n.responder, n.chemical, s.price, s.quantity"
            " FROM negotiations AS n JOIN states AS s ON s.negotiation = n.number AND s.side = 0"
            " JOIN states AS o ON o.negotiation = n.number AND o.side = 1"
            " WHERE n.number = ? AND n.outcome IS NULL AND s.agreement_key = o.agreement_key",
            (number,),
        ).fetchone()
        assert row is not None, "it is marked as ready"
        buyer, seller, chemical, price, quantity = row
        self._db.execute(
            "UPDATE negotiations SET outcome = 'agreed', ended_at = ?, ready = 0 WHERE number = ?",
            (now, number),
        )
        self._db.execute("UPDATE states SET status = 'ended' WHERE negotiation = ?", (number,))
        self._db.executemany(
            "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                (buyer, number, "buy", chemical, price, quantity, seller, now),
                (seller, number, "sell", chemical, price, quantity, buyer, now),
            ),
        )

    # What a party does

    def offer(self, case: Case, side: int, price: str, quantity: str, key: str) -> None:
        """Make a counter-offer, durable when this returns."""
        now = int(time.time())
        self._db.execute("BEGIN IMMEDIATE")
        seen = self._db.execute(
            "SELECT n.outcome, s.round, s.agreement_key FROM negotiations AS n"
            " JOIN states AS s ON s.negotiation = n.number AND s.side = ? WHERE n.number = ?",
            (1 - side, case.number),
        ).fetchone()
        assert seen[0] is None, "it goes on"
        self._db.execute(
            "INSERT INTO history SELECT negotiation, side, revision, price, quantity, round"
            " FROM states WHERE negotiation = ? AND side = ?",
            (case.number, side),
        )
        self._db.execute(
            "UPDATE states SET price = ?, quantity = ?, round = ?, status = 'agreed',"
            " agreement_key = ?, revision = revision + 1, last_updated = ?"
            " WHERE negotiation = ? AND side = ?",
            (price, quantity, seen[1] + 1, key, now, case.number, side),
        )
        self._db.execute(
            "UPDATE negotiations SET ready = ?, expires_at = ? WHERE number = ?",
            (int(seen[2] == key), now + LIFE_S, case.number),
        )
        self._db.execute("COMMIT")

    def agree(self, cases: Iterable[Case]) -> None:
        """Let each initiator accept what is on the table."""
        self._db.execute("BEGIN")
        for case in cases:
            _, _, terms = case.offers[1]
            key = case.key(terms)
            self._db.execute(
                "UPDATE states SET price = ?, quantity = ?, agreement_key = ?"
                " WHERE negotiation = ? AND side = 0",
                (str(terms.price), str(terms.quantity), key, case.number),
            )
            self._db.execute("UPDATE negotiations SET ready = 1 WHERE number = ?", (case.number,))
        self._db.execute("COMMIT")
