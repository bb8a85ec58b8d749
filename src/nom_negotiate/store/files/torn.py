"""Files of the poller that a power cut has left without their content.

A pass that concludes many deals gives its files their names before their content is durable,
and relies on none of them before a barrier. Whatever it had begun, and was not told of, is taken
away here and made anew.
"""

from __future__ import annotations

from nom_negotiate.codec.torn import is_torn as is_torn
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.atomic import Disk


def is_there(path: str) -> bool:
    """Return whether there is a torn file."""
    try:
        data = bounded.read_record(path)
    except RecordError:
        return False
    return data is not None and is_torn(data)


def discard(disk: Disk, path: str) -> bool:
    """Remove a file if it is torn; return False where it was not: it is as it was.

    Under another name it is looked at once more: what somebody has put in its place meanwhile is
    put back.
    """
    if not is_there(path):
        return False
    try:
        hidden = disk.hide(path)
    except FileNotFoundError:
        return True
    if is_there(hidden):
        disk.remove(hidden)
    else:
        disk.put_back(hidden, path)
    return True
