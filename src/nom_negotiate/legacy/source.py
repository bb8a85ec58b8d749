"""The one way in: any old data directory, read as a whole.

Rules of the room:

- Which generations there are is found out, not asked: a directory may hold several, because
  each of the old programs read on from where the one before it had stopped.
- Reading twice gives the same result, and changes nothing in the source. It should not be
  written to meanwhile: what a running old program adds may or may not be seen.
"""

from __future__ import annotations

import os
from pathlib import Path

from nom_negotiate.legacy.events import read_events
from nom_negotiate.legacy.listing import find_root, list_source
from nom_negotiate.legacy.merge import merge
from nom_negotiate.legacy.namespaces import read_namespaces
from nom_negotiate.legacy.negotiations import read_negotiations
from nom_negotiate.legacy.records import OldData
from nom_negotiate.legacy.snapshots import read_snapshots
from nom_negotiate.legacy.sqlite import read_database


def read_source(path: str | os.PathLike[str]) -> OldData:
    """Return everything that the old data directory at `path` holds.

    What cannot be read is in `unreadable`; it does not stop anything else.

    Args:
        path: the data directory, or the directory that has it as `data`.

    Raises:
        NotFound: `unknown_source`, where nothing of the old layout is there.
        OSError: for trouble of this process rather than of a file (EMFILE, ENOMEM).
    """
    listing = list_source(find_root(Path(path)))
    parts = [read_negotiations(listing), read_events(listing), read_database(listing)]
    # These two have directories whose owner no field names. The others name everybody.
    known = {address for part in parts for address in part.addresses()}
    parts.append(read_snapshots(listing, known))
    known |= parts[-1].addresses()
    parts.append(read_namespaces(listing, known))
    return merge(listing.root, parts)
