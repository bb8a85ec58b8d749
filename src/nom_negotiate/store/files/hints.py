"""Whether a pass has anything to do, told from hints alone.

This is all that most passes do, so it imports little and costs the same whatever is there.
"""

from __future__ import annotations

import os

from nom_negotiate.store.files import doorbell
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.scancache import ScanFile
from nom_negotiate.store.port import SCAN_EVERY_S, Waiting


def glance(layout: Layout, disk: Disk, now: int) -> Waiting:
    """Return what there is to do, without a lock; costs the same whatever is there."""
    try:
        mine = os.stat(layout.doorbell).st_uid == os.geteuid()
        hints = os.listdir(layout.doorbell)
    except OSError:
        return Waiting.SCAN
    if not mine or not os.access(layout.doorbell, os.W_OK):
        # Whoever may not poll, or cannot, is to be told: taking the lock does.
        return Waiting.SCAN
    if doorbell.SCAN in hints or doorbell.UNFINISHED in hints:
        return Waiting.SCAN
    found = ScanFile(layout.scan, disk).glance()
    if found is None:
        return Waiting.SCAN
    header, due = found
    # A clock that has gone back, or a file from another machine: look.
    if not 0 <= now - header.at < SCAN_EVERY_S:
        return Waiting.SCAN
    if any(map(doorbell.place_of, hints)) or (due is not None and due < now):
        return Waiting.HINTS
    return Waiting.NOTHING
