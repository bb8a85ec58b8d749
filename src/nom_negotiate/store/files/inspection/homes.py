"""The root, the parties' directories, and which rooms they have.

What lies directly in the root beside our own is the operator's, and not looked at.
"""

from __future__ import annotations

import os
import stat
from typing import Final

from nom_negotiate import codec
from nom_negotiate.core.identity import LISTING_SUFFIX, Address, address_of_directory
from nom_negotiate.errors import ConfigurationError, NomError, RecordError
from nom_negotiate.store.files import bounded, doorbell
from nom_negotiate.store.files.inspection.look import Look, kind_of, named
from nom_negotiate.store.files.isolation import UnixOwners
from nom_negotiate.store.files.layout import PACKS, PARTY_ROOMS, PRIVATE, PROFILE, SPARE
from nom_negotiate.store.files.removal import HIDDEN, LOCK

ROOMS: Final = (*PARTY_ROOMS, PRIVATE)


def look_at_root(look: Look) -> list[Address]:
    """Look at the root, at what lies in `teams/`, and return whose directories are there."""
    layout = look.layout
    _settings(look)
    status = os.stat(layout.root)
    if not look.owners.isolated and status.st_mode & stat.S_IWOTH:
        mode = stat.S_IMODE(status.st_mode)
        look.add("writable_root", layout.root, f"everybody may write here: mode {mode:o}")
    for path in (layout.teams, layout.poller):
        _own_directory(look, path)
    for _ in look.entries(layout.root):
        # Only for what is temporary in it.
        continue
    _poller(look)
    parties = [
        party
        for entry, status in look.entries(layout.teams)
        if (party := _home(look, entry, status))
    ]
    look.counted["parties"] = len(parties)
    return sorted(parties)


def _settings(look: Look) -> None:
    path = look.layout.config
    try:
        data = bounded.read_record(path)
        if data is not None:
            codec.decode_settings(data)
    except (RecordError, ConfigurationError) as error:
        look.add("malformed_settings", path, error.message)


def _poller(look: Look) -> None:
    layout = look.layout
    for entry, status in look.entries(layout.poller):
        if entry.path == layout.doorbell:
            _doorbell(look, entry, status)
            continue
        if stat.S_ISREG(status.st_mode):
            continue
        reason = f"expected a file of the poller, found {kind_of(status)}"
        if entry.path in (layout.stats_log, layout.swept, layout.scan):
            look.aside("foreign", entry.path, reason)
        elif entry.path == layout.poller_lock:
            # Taking it away would let in who waits for it.
            remedy = "stop the poller, and move it away"
            look.add("foreign", entry.path, reason, remedy=remedy)


def _doorbell(look: Look, entry: os.DirEntry[str], status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        reason = f"expected the doorbell, a directory, found {kind_of(status)}"
        look.aside("foreign", entry.path, reason)
        return
    look.check_access(entry.path, status)
    for hint, of_hint in look.entries(entry.path):
        if not doorbell.is_hint(hint.name):
            reason = f"expected a hint, named after a negotiation, found {named(hint.name)!a}"
        elif not stat.S_ISREG(of_hint.st_mode):
            reason = f"expected a hint, an empty file, found {kind_of(of_hint)}"
        else:
            continue
        look.aside("foreign", hint.path, reason)


def _own_directory(look: Look, path: str) -> None:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        # The first thing that is written makes it.
        return
    if not os.path.isdir(path):
        look.add("linked_room", path, f"expected a directory, found {kind_of(status)}")
    elif not stat.S_ISLNK(status.st_mode):
        look.check_access(path, status)


def _home(look: Look, entry: os.DirEntry[str], status: os.stat_result) -> Address | None:
    if entry.name.startswith(HIDDEN):
        look.add("hidden", entry.path, "a rollback that was stopped has hidden something here")
        return None
    party = address_of_directory(entry.name)
    if stat.S_ISDIR(status.st_mode):
        if party is None:
            reason = f"expected the encoded address of a party, found {named(entry.name)!a}"
            look.add("foreign_directory", entry.path, reason)
            return None
        look.check_access(entry.path, status)
        return party
    if party is not None and stat.S_ISLNK(status.st_mode):
        look.add("linked_room", entry.path, "expected the directory of a party, found a link")
    else:
        reason = f"expected the directory of a party, found {kind_of(status)}"
        look.aside("foreign", entry.path, reason)
    return None


def look_at_home(look: Look, party: Address) -> list[str]:
    """Look at a party's directory; return which of its rooms can be looked into."""
    home = look.layout.party(party)
    rooms: list[str] = []
    unknown: list[str] = []
    names: set[str] = set()
    before = len(look.found)
    for entry, status in look.entries(home):
        names.add(entry.name)
        if entry.name in (*ROOMS, PACKS):
            if _room(look, entry, status):
                rooms.append(entry.name)
        elif entry.name == LOCK:
            if not stat.S_ISREG(status.st_mode):
                reason = f"expected the lock of this party, found {kind_of(status)}"
                look.aside("foreign", entry.path, reason)
        elif entry.name == PROFILE:
            _profile(look, party, entry.path)
        elif entry.name != SPARE:
            unknown.append(entry.name)
    if any(found.finding.code == "unreadable" for found in look.found[before:]):
        return rooms
    _unknown(look, home, unknown)
    _missing(look, party, home, names)
    return rooms


def _room(look: Look, entry: os.DirEntry[str], status: os.stat_result) -> bool:
    if stat.S_ISLNK(status.st_mode):
        look.add("linked_room", entry.path, "expected a directory, found a link")
        return False
    if not stat.S_ISDIR(status.st_mode):
        look.aside("foreign", entry.path, f"expected a directory, found {kind_of(status)}")
        return False
    if entry.name == PRIVATE:
        look.check_access(entry.path, status, exact=0o700)
        return True
    look.check_access(entry.path, status)
    return True


def _profile(look: Look, party: Address, path: str) -> None:
    try:
        data = bounded.read_record(path)
        if data is None:
            return
        found = codec.decode_profile(data).address
    except NomError as error:
        look.add("malformed_profile", path, error.message)
        return
    if found != party:
        look.add("malformed_profile", path, f"expected the profile of {party}, found {found!a}")


def _unknown(look: Look, home: str, names: list[str]) -> None:
    # What was migrated in place lies beside what became of it.
    if not names or os.path.isdir(f"{look.layout.root}/migration"):
        return
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    look.add("unknown_file", home, f"no part of a party's directory: {named(names[0])}{more}")


def _missing(look: Look, party: Address, home: str, names: set[str]) -> None:
    if not os.path.isdir(home):
        # Rolled back meanwhile.
        return
    for room in ROOMS:
        if room not in names:
            look.add("missing_room", f"{home}/{room}", "expected a directory, found none")
    if PROFILE not in names:
        look.add(
            "no_profile",
            f"{home}/{PROFILE}",
            "expected a profile, found none",
            mend=lambda repair: repair.write_profile(party),
        )


def look_at_access(look: Look) -> None:
    """Look at owners and modes where each party is a Unix user of its own."""
    if isinstance(look.owners, UnixOwners):
        for problem in look.owners.wrong():
            path = f"{look.layout.root}/{problem.path}"
            look.add("access", path, problem.reason)


def look_at_listings(look: Look, party: Address) -> None:
    """Look at the listings of a party."""
    for entry, _ in look.entries(look.layout.room(party, "listings")):
        if not entry.name.endswith(".json"):
            look.aside("foreign", entry.path, "expected a listing, named by its id and .json")
            continue
        look.counted["listings"] += 1
        try:
            data = bounded.read_record(entry.path)
            if data is None:
                continue
            listing = codec.decode_listing(data)
        except NomError as error:
            look.refuse("malformed", entry.path, error.message)
            continue
        if listing.user != party:
            look.aside(
                "malformed",
                entry.path,
                f"expected a listing of {party}, found one of {listing.user!a}",
            )
        elif entry.name != f"{listing.id}{LISTING_SUFFIX}":
            look.aside(
                "malformed",
                entry.path,
                f"expected the listing that its name says, found {listing.id!a}",
            )
