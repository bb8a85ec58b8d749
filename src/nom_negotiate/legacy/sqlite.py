"""L4: the SQLite database `cndq.db`.

`negotiations` with their `negotiation_offers`; `team_events` and `marketplace_events`,
whose payloads are those of L3. `rejection_reason` and `ad_id` came later, and may be
absent from the schema.

The database is opened read-only and as immutable, which alone makes SQLite write nothing:
without it, even a reader of a database in WAL mode creates `-wal` and `-shm` beside it. The
price is that a `-wal` or a `-journal` that was left behind is not looked at. Where one
holds anything, it is reported, because the newest changes are then missing.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from nom_negotiate.legacy import fields
from nom_negotiate.legacy.events import TEAM_TYPES, Event, take_market_event, take_team_event
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.files import MAX_JSON_BYTES, parse_object, why
from nom_negotiate.legacy.listing import Listing
from nom_negotiate.legacy.negotiations import negotiation
from nom_negotiate.legacy.part import Part
from nom_negotiate.legacy.records import Subject

Row = dict[str, Any]

# column -> the name in the negotiation files of L2; a missing column is a missing field
_NEGOTIATION: Final = {
    "id": "id",
    "chemical": "chemical",
    "type": "type",
    "initiator_id": "initiatorId",
    "initiator_name": "initiatorName",
    "responder_id": "responderId",
    "responder_name": "responderName",
    "session_number": "sessionNumber",
    "status": "status",
    "last_offer_by": "lastOfferBy",
    "accepted_by": "acceptedBy",
    "accepted_at": "acceptedAt",
    "rejected_by": "rejectedBy",
    "rejected_at": "rejectedAt",
    "rejection_reason": "rejection_reason",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "ad_id": "adId",
}
_OFFER: Final = {
    "negotiation_id": "negotiationId",
    "from_team_id": "fromTeamId",
    "quantity": "quantity",
    "price": "price",
    "created_at": "createdAt",
}
_EVENT: Final = {
    "team_email": "teamId",
    "team_name": "teamName",
    "event_type": "type",
    "payload": "payload",
    "timestamp": "timestamp",
}

_TABLES: Final = ("negotiations", "negotiation_offers", "marketplace_events", "team_events")


def read_database(listing: Listing) -> Part:
    """Return what the database says, if there is one."""
    part = listing.parts["L4"]
    if listing.database is None:
        return part
    part.tally["files"] += 1
    shown = listing.shown(listing.database)
    try:
        _check_files(part, listing.database, shown)
        # as_uri quotes what has a meaning in an address, such as a question mark.
        uri = f"{listing.database.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            _Database(connection, part, shown).read()
    except Refused as refused:
        part.refuse(shown, refused)
    except sqlite3.Error as error:
        part.refuse(shown, f"not a readable SQLite database: {error}")
    return part


def _check_files(part: Part, path: Path, shown: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:  # ENOENT: gone since it was listed; EACCES, EIO, ESTALE
        raise Refused(why(error)) from error
    if stat.S_ISLNK(mode):
        raise Refused("a symbolic link; not followed")
    if not stat.S_ISREG(mode):
        raise Refused("not a regular file")
    for ending in ("-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(path.with_name(path.name + ending)).st_size > 0:
                part.refuse(
                    shown + ending,
                    "holds changes that are not in the database yet: stop the old program,"
                    " open the database once with it or with sqlite3, and read again",
                )


class _Database:
    """An open database, read into a part table by table."""

    def __init__(self, connection: sqlite3.Connection, part: Part, shown: str) -> None:
        self._connection = connection
        self._part = part
        self._shown = shown
        # Text that is no UTF-8 becomes lone surrogates, which ids and addresses refuse
        # and names replace, instead of an error that would end the table.
        connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
        connection.execute("PRAGMA trusted_schema = OFF")

    def read(self) -> None:
        # Reads the first page: a file that is no database is refused once, not per table.
        self._connection.execute("PRAGMA schema_version")
        if not any(map(self._columns, _TABLES)):
            raise Refused(f"a database with none of the tables {', '.join(_TABLES)}")
        self._table("negotiations", "negotiation", self._read_negotiations)
        self._table("marketplace_events", "order", self._read_market_events)
        self._table("team_events", "source", self._read_team_events)

    def _table(self, name: str, subject: Subject, read: Callable[[], None]) -> None:
        # A damaged page ends its own table, not the others.
        try:
            read()
        except sqlite3.Error as error:
            self._part.refuse(f"{self._shown}#{name}", f"cannot be read further: {error}", subject)

    def _read_negotiations(self) -> None:
        offers: defaultdict[Any, list[Row]] = defaultdict(list)
        for _, row in self._rows("negotiation_offers", _OFFER, "created_at, rowid"):
            offers[row.get("negotiationId")].append(row)
        for path, row in self._rows("negotiations", _NEGOTIATION, "rowid"):
            row["offers"] = offers.pop(row.get("id"), [])
            try:
                self._part.negotiations.append(negotiation(row, generation="L4", path=path))
            except Refused as refused:
                self._part.refuse(path, refused, "negotiation")
        if offers:
            count = sum(map(len, offers.values()))
            self._part.refuse(
                f"{self._shown}#negotiation_offers",
                f"{count} offers belong to {len(offers)} negotiations that are not there",
                "negotiation",
            )

    def _read_market_events(self) -> None:
        for path, row in self._rows("marketplace_events", _EVENT, "timestamp, rowid"):
            self._part.tally["event_files"] += 1
            try:
                take_market_event(self._part, _event(row, path))
            except Refused as refused:
                self._part.refuse(path, refused, "order")

    def _read_team_events(self) -> None:
        for path, row in self._rows("team_events", _EVENT, "timestamp, rowid"):
            self._part.tally["team_event_files"] += 1
            type = row.get("type")
            if type not in TEAM_TYPES:
                self._part.tally["skipped"] += 1
                continue
            try:
                take_team_event(self._part, _event(row, path))
            except Refused as refused:
                self._part.refuse(path, refused, TEAM_TYPES[type])

    def _rows(self, table: str, columns: dict[str, str], order: str) -> Iterator[tuple[str, Row]]:
        """Yield each row's path and its fields, under the names that L2 and L3 have."""
        present = self._columns(table)
        wanted = [column for column in columns if column in present]
        if not wanted:
            return
        # All names are constants of this module; none comes from the database.
        query = f"SELECT rowid, {', '.join(wanted)} FROM {table} ORDER BY {order}"
        for number, *values in self._connection.execute(query):
            row = {columns[column]: value for column, value in zip(wanted, values, strict=True)}
            yield f"{self._shown}#{table}/{number}", row

    def _columns(self, table: str) -> set[str]:
        # Tables only: a view by that name could run anything.
        found = self._connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
        )
        if found.fetchone() is None:
            return set()
        return {row[1] for row in self._connection.execute(f"PRAGMA table_info({table})")}


def _event(row: Row, path: str) -> Event:
    type, payload = row.get("type"), row.get("payload")
    if not isinstance(type, str):
        raise Refused("event_type must be text")
    if not isinstance(payload, str) or len(payload) > MAX_JSON_BYTES:
        raise Refused(f"payload must be JSON of at most {MAX_JSON_BYTES // 1024**2} MiB")
    return Event(
        type=type,
        payload=parse_object(payload),
        at=_time(row.get("timestamp")),
        team=row.get("teamId"),
        team_name=row.get("teamName"),
        path=path,
    )


def _time(timestamp: Any) -> Decimal:
    fields.seconds(timestamp, "timestamp")
    # repr, for the six decimals that L3 has in its file names.
    return Decimal(repr(timestamp))
