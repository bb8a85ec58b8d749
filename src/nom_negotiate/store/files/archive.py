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
    target = namespace._replace(archived=True)
    # A party that has put something else in the place of its room goes without a link.
    if responder is not None and bounded.has_room(layout, responder, ARCHIVE, disk.rooms):
        disk.link_to(layout.link_text(target), layout.entry(responder, target.id, archived=True))


def archive(
    disk: Disk, layout: Layout, namespace: Namespace, responder: Address | None
) -> Namespace:
    """Move the negotiation, or finish a move that was cut short; return where it is now."""
    source = namespace._replace(archived=False)
    target = namespace._replace(archived=True)
    bounded.check_room(layout, namespace.initiator, ARCHIVE, disk.rooms)
    announce(disk, layout, namespace, responder)
    try:
        disk.move(layout.namespace(source), layout.namespace(target))
    except FileNotFoundError:
        # Another poller has moved it; what is left is the link.
        if not os.path.isdir(layout.namespace(target)):
            raise
        # The old link goes, and who moved it may not have come to syncing that.
        for place in (target, source):
            disk.confirm(os.path.dirname(layout.namespace(place)))
    # What is left was left by a crash, or by a writer from under whose hands the directory was
    # moved: it does not find its temporary file any more. Nobody starts another one here.
    disk.clear(layout.namespace(target))
    if responder is not None and bounded.has_room(layout, responder, ACTIVE, disk.rooms):
        entry = layout.entry(responder, source.id, archived=False)
        if linked_to(layout, entry) == source:
            # Should it come back, `mend` comes by here again.
            disk.drop(entry)
    return target
