"""What a crash can leave outside the decisions, found and finished at each full pass.

- A responder's link that still says where a namespace was before it was archived.
- A namespace that its responder has no link to.
- A room of a party that is missing.
- A link without a namespace, or a temporary file or directory: a start or a write that
  was cut short. They are removed once they are older than `LEFT_OVER_S`; younger ones may
  belong to a writer that is at work. Should a stopped writer wake up after that, its
  rename fails and it reports so, and a missing link is made good by the next pass: the age
  is a courtesy, nothing depends on it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

from nom_negotiate.core.identity import Address, check_id
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.errors import InputError
from nom_negotiate.store.files import archive, namespace
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.isolation import SHARED, Owners, UnixOwners
from nom_negotiate.store.files.layout import ACTIVE, PARTY_ROOMS, PRIVATE, Layout
from nom_negotiate.store.port import Namespace

LEFT_OVER_S: Final = 3600.0


def repair_link(disk: Disk, layout: Layout, place: Namespace, responder: Address) -> bool:
    """Make sure that the responder's directory leads to the namespace."""
    entry = layout.entry(responder, place.id, archived=place.archived)
    if os.path.lexists(entry) or not os.path.isdir(layout.party(responder)):
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
    disk: Disk, layout: Layout, party: Address, owners: Owners = SHARED
) -> Iterator[Problem]:
    """Finish or remove what was left half done at one party; yield what is odd."""
    if isinstance(owners, UnixOwners):
        yield from owners.prepare(disk, party)
    else:
        complete(disk, layout, party)
    for path in (layout.party(party), *(layout.room(party, room) for room in PARTY_ROOMS)):
        sweep(disk, path)
    with os.scandir(layout.room(party, ACTIVE)) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith(TEMPORARY):
            continue
        if not _is_id(entry.name):
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


def _is_id(name: str) -> bool:
    try:
        check_id(name)
    except InputError:
        return False
    return True


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
        return
    elif os.path.isdir(layout.namespace(target._replace(archived=True))):
        archive.archive(disk, layout, target, party)
    else:
        _remove_old(disk, entry)


def sweep(disk: Disk, directory: str) -> None:
    """Remove old temporary files and directories of one directory."""
    try:
        with os.scandir(directory) as found:
            entries = [entry for entry in found if entry.name.startswith(TEMPORARY)]
    except FileNotFoundError:
        # Moved to the archive by another pass, or never made.
        return
    for entry in entries:
        _remove_old(disk, entry)


def _remove_old(disk: Disk, entry: os.DirEntry[str]) -> None:
    try:
        age_s = time.time() - entry.stat(follow_symlinks=False).st_mtime
        if age_s < LEFT_OVER_S:
            return
        if entry.is_dir(follow_symlinks=False):
            disk.remove_tree(entry.path)
        else:
            disk.remove(entry.path)
    except FileNotFoundError:
        # Its writer has finished, or another pass has removed it.
        return
