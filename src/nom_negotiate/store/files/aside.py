"""Setting aside: what does not belong is moved out of the way, never deleted.

It goes to `poller/aside/<unix seconds>-<token>/` under the same relative path. A line of
`poller/aside/journal.jsonl` says where it was and why; to put it back, move it there.
"""

from __future__ import annotations

import os

from nom_negotiate import codec
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import Layout


def set_aside(disk: Disk, layout: Layout, path: str, reason: str, now: float) -> str:
    """Move a file, a link or a directory of the data root aside; return where it is now.

    Durable when it returns. Replaces nothing: each call has a directory of its own. The line
    in the journal comes first, so a crash may leave a line about what is still in its place.

    Raises:
        FileNotFoundError: where it is gone already.
        OSError: EXDEV where it lies on another file system; whatever else the disk answers.
    """
    os.lstat(path)
    disk.make_directory(layout.aside)
    room = f"{layout.aside}/{int(now)}-{os.urandom(4).hex()}"
    relative = os.path.relpath(path, layout.root)
    line = {
        "time": int(now),
        "was": layout.relative(path),
        "is": layout.relative(f"{room}/{relative}"),
        "reason": reason,
    }
    disk.append_durable(f"{layout.aside}/journal.jsonl", codec.encode_line(line))
    target = room
    disk.make_directory(target)
    for name in os.path.dirname(relative).split("/"):
        target = f"{target}/{name}"
        disk.make_directory(target)
    target = f"{target}/{os.path.basename(relative)}"
    disk.move(path, target)
    return target
