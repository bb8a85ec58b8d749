"""Moving a concluded negotiation to the archives of both parties.

The order: the responder's new link, the directory, the responder's old link. Wherever it
is cut short, each party still has an entry that leads to the negotiation, or one whose
target `mend` finds in the archive.
"""

from __future__ import annotations

import os

from nom_negotiate.core.identity import Address
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, Layout
from nom_negotiate.store.files.namespace import linked_to
from nom_negotiate.store.port import Namespace


def announce(disk: Disk, layout: Layout, namespace: Namespace, responder: Address | None) -> None:
    """Leave the responder's new link, which leads nowhere until the negotiation has moved."""
    # A party that has put something else in the place of its room goes without a link.
    if responder is not None and bounded.has_room(layout, responder, ARCHIVE, disk.rooms):
        target = Namespace(namespace.id, namespace.initiator, archived=True)
        disk.link_to(layout.link_text(target), layout.entry(responder, target.id, archived=True))


def archive(
    disk: Disk, layout: Layout, namespace: Namespace, responder: Address | None
) -> Namespace:
    """Move the negotiation, or finish a move that was cut short; return where it is now."""
    bounded.check_room(layout, namespace.initiator, ARCHIVE, disk.rooms)
    announce(disk, layout, namespace, responder)
    return move(disk, layout, namespace, responder)


def move(disk: Disk, layout: Layout, namespace: Namespace, responder: Address | None) -> Namespace:
    """Do what `archive` does, once the negotiation is announced."""
    name = namespace.id
    room = layout.room(namespace.initiator, ACTIVE)
    archives = bounded.check_room(layout, namespace.initiator, ARCHIVE, disk.rooms)
    try:
        disk.move(f"{room}/{name}", f"{archives}/{name}")
    except FileNotFoundError:
        # Another poller has moved it; what is left is the link.
        if not os.path.isdir(f"{archives}/{name}"):
            raise
        # The old link goes, and who moved it may not have come to syncing that.
        disk.confirm(archives)
        disk.confirm(room)
    # What is left was left by a crash, or by a writer from under whose hands the directory was
    # moved: it does not find its temporary file any more. Nobody starts another one here.
    disk.clear(f"{archives}/{name}")
    source = Namespace(name, namespace.initiator)
    if responder is not None and bounded.has_room(layout, responder, ACTIVE, disk.rooms):
        entry = layout.entry(responder, name, archived=False)
        if linked_to(layout, entry) == source:
            # Should it come back, `mend` comes by here again.
            disk.drop(entry)
    return Namespace(name, namespace.initiator, archived=True)
