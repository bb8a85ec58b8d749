"""What each party keeps to itself: whether it can be read, and by whom.

Rules of the room:

- Nothing is told of what a record says: what the doctor says goes to operators and into logs.
- Nothing is set aside: the poller's room is one that others read.
- What has no name of ours is its party's own business.
"""

from __future__ import annotations

import os
import stat

from nom_negotiate import codec
from nom_negotiate.core.identity import Address
from nom_negotiate.core.preferences import chemical_of, is_autopilot, negotiation_of
from nom_negotiate.errors import NomError
from nom_negotiate.store.files import bounded, private
from nom_negotiate.store.files.inspection.look import Look, unknown_schema
from nom_negotiate.store.files.layout import PRIVATE


def look_at_private(look: Look, party: Address) -> None:
    """Look at the private records of a party."""
    room = look.layout.room(party, PRIVATE)
    if look.owners.isolated and not os.access(room, os.R_OK | os.X_OK):
        # As it should be: then it is its party's alone.
        return
    for entry, status in look.entries(room):
        name = private.record_named(entry.name)
        if name is None or not (negotiation_of(name) or chemical_of(name)):
            continue
        look.counted["private"] += 1
        if stat.S_ISREG(status.st_mode):
            look.check_access(entry.path, status, exact=private.MODE)
        _record(look, entry.path, autopilot=is_autopilot(name))


def _record(look: Look, path: str, *, autopilot: bool) -> None:
    what = "the setting of an autopilot" if autopilot else "preferences"
    try:
        data = bounded.read_record(path)
    except NomError as error:
        if os.path.isfile(path) and not os.access(path, os.R_OK):
            look.add("unreadable", path, "expected a file that can be read")
        else:
            # Of which kind it is, or how large: more it cannot say.
            look.add("malformed_private", path, error.message)
        return
    if data is None:
        return
    decode = codec.decode_autopilot if autopilot else codec.decode_preferences
    try:
        decode(data)
    except NomError:
        code = "unknown_schema" if unknown_schema(path) else "malformed_private"
        look.add(code, path, f"expected {what}, found what this version cannot read")
