"""Moving a concluded negotiation to the archives of both parties.

The order: the responder's new link, the directory, the responder's old link. Wherever it
is cut short, each party still has an entry that leads to the negotiation, or one whose
target `mend` finds in the archive.
"""

from __future__ import annotations

import os

from nom_negotiate.core.identity import Address
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.namespace import linked_to
from nom_negotiate.store.port import Namespace


def archive(
    disk: Disk, layout: Layout, namespace: Namespace, responder: Address | None
) -> Namespace:
    """Move the negotiation, or finish a move that was cut short; return where it is now."""
    source = namespace._replace(archived=False)
    target = namespace._replace(archived=True)
    if responder is not None and os.path.isdir(layout.party(responder)):
        disk.link_to(layout.link_text(target), layout.entry(responder, target.id, archived=True))
    # Nobody has a reason to write here any more: what is left was left by a crash.
    disk.clear(layout.namespace(source))
    try:
        disk.move(layout.namespace(source), layout.namespace(target))
    except FileNotFoundError:
        # Another poller has moved it; what is left is the link.
        if not os.path.isdir(layout.namespace(target)):
            raise
    # Or by a writer from under whose hands the directory was moved: it does not find its
    # temporary file any more. Nobody starts another one in the archive.
    disk.clear(layout.namespace(target))
    if responder is not None:
        entry = layout.entry(responder, source.id, archived=False)
        if linked_to(layout, entry) == source:
            disk.remove(entry)
    return target
