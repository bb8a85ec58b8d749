"""What a crash can leave outside the decisions, found and finished at each full pass.

- A responder's link that still says where a namespace was before it was archived.
- A namespace that its responder has no link to.
- A room of a party that is missing.
- A link without a namespace, or a temporary file or directory: a start or a write that
  was cut short. They are removed once they are older than `LEFT_OVER_S`, and the process
  that the name of a temporary file tells of is gone; after `ABANDONED_S` in any case,
  because the number of a process is used again. Should a stopped writer wake up after that,
  its rename fails and it reports so, and a missing link is made good by the next pass: this
  is a courtesy, nothing depends on it.

The archives are looked through by `sweep_archive`, which is for once in an hour: they may
hold a lot.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Final

from nom_negotiate.core.identity import Address, is_id
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.store.files import archive, bounded, namespace, oddities
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.isolation import SHARED, Owners, UnixOwners
from nom_negotiate.store.files.layout import (
    ACTIVE,
    ARCHIVE,
    PACK_SUFFIX,
    PACKS,
    PARTY_ROOMS,
    PRIVATE,
    Layout,
)
from nom_negotiate.store.port import Namespace

LEFT_OVER_S: Final = 3600.0
ABANDONED_S: Final = 24 * 3600.0

# As `Disk` makes them, that of a batch with its mark: only these name a process for certain.
_WRITERS: Final = re.compile(r"(?:[a-z]+-)*([1-9][0-9]{0,8})-[0-9a-f]{12}")


def repair_link(disk: Disk, layout: Layout, place: Namespace, responder: Address) -> bool:
    """Make sure that the responder's directory leads to the namespace."""
    entry = layout.entry(responder, place.id, archived=place.archived)
    room = ARCHIVE if place.archived else ACTIVE
    if not bounded.has_room(layout, responder, room) or os.path.lexists(entry):
        return False
    if not os.path.isdir(layout.namespace(place)):
        return False
    return disk.link_to(layout.link_text(place), entry)


def complete(disk: Disk, layout: Layout, party: Address) -> None:
    """Make those rooms of a party that are missing."""
    for room in PARTY_ROOMS:
        _make_room(disk, layout.room(party, room), 0o755)
    _make_room(disk, layout.room(party, PRIVATE), 0o700)


def _make_room(disk: Disk, path: str, mode: int) -> None:
    if not os.path.lexists(path):
        disk.make_directory(path, mode)


def mend(
    disk: Disk,
    layout: Layout,
    party: Address,
    names: Collection[str],
    owners: Owners = SHARED,
    *,
    thorough: bool,
) -> Iterator[Problem]:
    """Finish or remove what was left half done at one party; yield what is odd.

    Args:
        disk: what changes go through.
        layout: of the data root.
        party: whose directory.
        names: what to look at in the room of active negotiations.
        owners: who may have written what.
        thorough: look into each room, too.
    """
    if isinstance(owners, UnixOwners):
        yield from owners.prepare(disk, party)
    else:
        complete(disk, layout, party)
    rooms = (*PARTY_ROOMS, PACKS)
    if thorough:
        sweep(disk, layout.party(party))
    for room in rooms:
        if not bounded.has_room(layout, party, room):
            yield from oddities.of_room(layout, party, room)
        elif thorough:
            sweep(disk, layout.room(party, room))
    if thorough and bounded.has_room(layout, party, PRIVATE):
        # EACCES: where it is the party's alone, its own next write there sweeps.
        with suppress(PermissionError):
            sweep(disk, layout.room(party, PRIVATE))
    if not names or not bounded.has_room(layout, party, ACTIVE):
        return
    with os.scandir(layout.room(party, ACTIVE)) as found:
        entries = sorted(
            (entry for entry in found if entry.name in names), key=lambda entry: entry.name
        )
    for entry in entries:
        if entry.name.startswith(TEMPORARY):
            _remove_old(disk, entry)
            continue
        if not is_id(entry.name):
            reason = "expected the id of a negotiation as its name; rename it or move it away"
            yield Problem(path=layout.relative(entry.path), reason=reason)
        elif entry.is_symlink():
            yield from _mend_link(disk, layout, party, entry)
        elif entry.is_dir(follow_symlinks=False):
            sweep(disk, entry.path)
        else:
            yield Problem(
                path=layout.relative(entry.path),
                reason="expected a directory or a link, found a file; move it away",
            )


def _mend_link(
    disk: Disk, layout: Layout, party: Address, entry: os.DirEntry[str]
) -> Iterator[Problem]:
    target = namespace.linked_to(layout, entry.path)
    if target is None and not os.path.lexists(entry.path):
        # Archived by another pass since it was listed, or its start was given up.
        return
    if target is None or target.id != entry.name or target.initiator == party:
        yield Problem(
            path=layout.relative(entry.path),
            reason="expected a link to this negotiation at its initiator, found one to"
            " somewhere else; remove it",
        )
    elif os.path.isdir(layout.namespace(target)):
        yield from oddities.of_link(layout, party, entry.path, target)
    elif os.path.isdir(layout.namespace(target._replace(archived=True))):
        archive.archive(disk, layout, target, party)
    else:
        _remove_old(disk, entry)


def sweep_archive(disk: Disk, layout: Layout, party: Address) -> Iterator[Problem]:
    """Remove what was left over in a party's archive; yield what is odd."""
    if not bounded.has_room(layout, party, ARCHIVE):
        return
    try:
        with os.scandir(layout.room(party, ARCHIVE)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            sweep(disk, entry.path)
        elif entry.is_symlink():
            target = namespace.linked_to(layout, entry.path)
            if target is None or target.id != entry.name or target.initiator == party:
                yield Problem(
                    path=layout.relative(entry.path),
                    reason="expected a link to this negotiation at its initiator, found one to"
                    " somewhere else; remove it",
                )
            elif not any(
                os.path.isdir(layout.namespace(target._replace(archived=archived)))
                for archived in (True, False)
            ):
                _remove_old(disk, entry)


def sweep_packs(disk: Disk, layout: Layout, party: Address) -> None:
    """Remove packs that an `unpack` which was cut short has emptied, and their empty room."""
    if not bounded.has_room(layout, party, PACKS):
        return
    room = layout.room(party, PACKS)
    try:
        with os.scandir(room) as found:
            entries = list(found)
        for entry in entries:
            empty = entry.is_file(follow_symlinks=False) and entry.stat().st_size == 0
            if empty and entry.name.endswith(PACK_SUFFIX):
                disk.remove(entry.path)
        disk.remove_directory(room)
    except FileNotFoundError:
        return
    except OSError as error:
        # ENOTEMPTY, EEXIST: there are packs.
        if error.errno not in namespace.TAKEN:
            raise


def sweep(disk: Disk, directory: str, prefix: str = TEMPORARY) -> None:
    """Remove old temporary files and directories of one directory, whose names begin so."""
    try:
        with os.scandir(directory) as found:
            entries = [entry for entry in found if entry.name.startswith(prefix)]
    except FileNotFoundError:
        # Moved to the archive by another pass, or never made.
        return
    for entry in entries:
        _remove_old(disk, entry)


def _remove_old(disk: Disk, entry: os.DirEntry[str]) -> None:
    try:
        if not is_left_over(entry.name, entry.stat(follow_symlinks=False)):
            return
        if entry.is_dir(follow_symlinks=False):
            disk.remove_left_over(entry.path)
        else:
            disk.remove(entry.path)
    except FileNotFoundError:
        # Its writer has finished, or another pass has removed it.
        return


def is_left_over(name: str, status: os.stat_result) -> bool:
    """Return whether nobody can be at work any more on what is temporary by its nature."""
    age_s = time.time() - status.st_mtime
    return age_s >= ABANDONED_S or (age_s >= LEFT_OVER_S and not _is_written(name))


def _is_written(name: str) -> bool:
    """Return whether another process that lives is the one that made a temporary name."""
    found = _WRITERS.fullmatch(name.removeprefix(TEMPORARY))
    if found is None or int(found[1]) == os.getpid():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is somebody else's.
        return True
    return True
