"""What lies in an old data directory, by generation, told by names alone.

Rules of the room:

- The source is walked once, here. Nothing is opened but directories, and no link to a
  directory is followed.
- Names that a generation does not know are counted, and left alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from nom_negotiate.errors import NotFound
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.files import entries, shown
from nom_negotiate.legacy.part import Part
from nom_negotiate.legacy.records import Generation

DATABASE: Final = "cndq.db"
PROFILE: Final = "profile.json"
OFFERS: Final = "offers_made.json"
BUY_ORDERS: Final = "offers_received.json"
TRANSACTIONS: Final = "transactions.json"
ADS: Final = "advertisements.json"
LISTED: Final = "active_offers.json"
TRADES: Final = "completed_trades.json"

_DERIVED: Final = frozenset({"cached_state.json", "snapshot.json"})
_L1_TEAM: Final = frozenset({PROFILE, OFFERS, BUY_ORDERS, TRANSACTIONS, ADS})
_L1_MARKET: Final = frozenset({LISTED, TRADES})
_L1_PRIVATE: Final = frozenset(
    {"inventory.json", "production_history.json", "notifications.json", "shadow_prices.json"}
)
_MARKS: Final = ("teams", "negotiations", "marketplace", DATABASE)

_NEEDED: Final = (
    "_init.json",
    "_update_profile.json",
    "_add_transaction.json",
    "_close_negotiation.json",
    "_add_reaction.json",
)
"""The events of a team that a record needs. The market's own log has the orders, and the
negotiation files have the offers."""


@dataclass(slots=True)
class Team:
    """One directory under `teams/`.

    Attributes:
        snapshots: the names of its L1 files.
        events: the names of those of its L3 events that a record needs, in order.
        namespaces: the names of the real directories under `negotiations/`.
        links: the names of the links there.
        transactions: the names of the files under `transactions/`.
    """

    path: Path
    snapshots: set[str] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    transactions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Listing:
    """An old data directory, sorted by generation.

    Attributes:
        root: the data directory.
        parts: a tray for each generation, with its files counted.
        negotiations: the L2 files.
        market: the L1 files of the marketplace.
        events: the L3 events of the marketplace, in file-name order.
        database: the L4 database, if there is one.
    """

    root: Path
    parts: dict[Generation, Part]
    teams: list[Team] = field(default_factory=list)
    negotiations: list[Path] = field(default_factory=list)
    market: list[Path] = field(default_factory=list)
    events: list[Path] = field(default_factory=list)
    database: Path | None = None

    def shown(self, path: Path) -> str:
        """Return `path` as records name it."""
        return shown(path, self.root)


def find_root(path: Path) -> Path:
    """Return the data directory: `path` itself, or `data` in it.

    Raises:
        NotFound: `unknown_source`, where neither has anything of the old layout.
    """
    for candidate in (path, path / "data"):
        if any(os.path.lexists(candidate / mark) for mark in _MARKS):
            return candidate
    raise NotFound(
        "unknown_source",
        f"expected a directory with teams/, negotiations/, marketplace/ or {DATABASE},"
        f" found none of them in {os.fspath(path)!a}",
    )


def list_source(root: Path) -> Listing:
    """Return what lies in the data directory `root`."""
    generations: tuple[Generation, ...] = ("L1", "L2", "L3", "L4", "L5")
    listing = Listing(root, {generation: Part(generation) for generation in generations})
    for entry in _entries(listing, root / "teams", "L3"):
        _list_team(listing, entry)
    for entry in _entries(listing, root / "negotiations", "L2"):
        if _counted(listing.parts["L2"], entry, entry.name.startswith("negotiation_")):
            listing.negotiations.append(Path(entry.path))
    for entry in _entries(listing, root / "marketplace", "L3"):
        _list_market(listing, entry)
    if os.path.lexists(root / DATABASE):
        listing.database = root / DATABASE
    return listing


def _list_team(listing: Listing, entry: os.DirEntry[str]) -> None:
    path = Path(entry.path)
    if not entry.is_symlink() and not entry.is_dir(follow_symlinks=False):
        listing.parts["L3"].tally.update(files=1, other=1)
        return
    team = Team(path)
    listing.teams.append(team)
    for inner in _entries(listing, path, "L3"):
        if inner.name in _L1_TEAM:
            team.snapshots.add(inner.name)
            listing.parts["L1"].tally["files"] += 1
        elif inner.name in _L1_PRIVATE:
            listing.parts["L1"].tally.update(files=1, private=1)
        elif inner.name in ("negotiations", "transactions"):
            _list_namespaces(listing, team, Path(inner.path))
        else:
            _list_team_event(listing.parts["L3"], team, inner)


def _list_team_event(part: Part, team: Team, entry: os.DirEntry[str]) -> None:
    if not _counted(part, entry, entry.name.startswith("event_")):
        return
    part.tally["team_event_files"] += 1
    if entry.name.endswith(_NEEDED):
        team.events.append(entry.name)
    else:
        part.tally["skipped"] += 1


def _list_namespaces(listing: Listing, team: Team, path: Path) -> None:
    part = listing.parts["L5"]
    for entry in _entries(listing, path, "L5"):
        part.tally["files"] += 1
        if path.name == "transactions":
            if entry.name.endswith(".json") and not entry.name.startswith("tmp_"):
                team.transactions.append(entry.name)
            else:
                part.tally["derived" if entry.name.startswith("tmp_") else "other"] += 1
        elif entry.is_symlink():
            part.tally["links"] += 1
            team.links.append(entry.name)
        elif entry.is_dir(follow_symlinks=False):
            # A directory is no file; its state files are counted when they are read.
            part.tally["files"] -= 1
            team.namespaces.append(entry.name)
        else:
            part.tally["other"] += 1


def _list_market(listing: Listing, entry: os.DirEntry[str]) -> None:
    part = listing.parts["L3"]
    if entry.name in _L1_MARKET:
        listing.parts["L1"].tally["files"] += 1
        listing.market.append(Path(entry.path))
    elif entry.name == "events":
        for inner in _entries(listing, Path(entry.path), "L3"):
            if _counted(part, inner, inner.name.startswith("event_")):
                part.tally["event_files"] += 1
                listing.events.append(Path(inner.path))
    else:
        _counted(part, entry, False)


def _counted(part: Part, entry: os.DirEntry[str], wanted: bool) -> bool:
    """Count the entry, and tell whether it is a file to be read."""
    part.tally["files"] += 1
    if entry.name.startswith("tmp_") or entry.name in _DERIVED:
        part.tally["derived"] += 1
        return False
    if not (wanted and entry.name.endswith(".json")):
        part.tally["other"] += 1
        return False
    return True


def _entries(listing: Listing, path: Path, generation: Generation) -> list[os.DirEntry[str]]:
    if not os.path.lexists(path):
        return []
    try:
        return entries(path)
    except Refused as refused:
        listing.parts[generation].refuse(listing.shown(path), refused)
        return []
