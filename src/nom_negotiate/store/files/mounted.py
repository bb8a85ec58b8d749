"""What kind of file system a data root lies on."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

MOUNTS: Final = "/proc/self/mounts"

# Their changes by other hosts are not told here. What is mounted by a user's program is counted
# among them: it may come from anywhere.
_REMOTE: Final = {
    *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
    *("ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs"),
    *("fuse", "vmhgfs"),
}


class Mounted(NamedTuple):
    """A file system that is mounted.

    Attributes:
        kind: its type, as the kernel names it; `unknown` where it does not.
        where: the directory that it is mounted at.
    """

    kind: str
    where: str

    @property
    def is_remote(self) -> bool:
        """Return whether other hosts may change what lies on it."""
        return self.kind in _REMOTE or self.kind.startswith("fuse.")


def mounted(root: str) -> Mounted:
    """Return the file system that a directory lies on."""
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split(" ") for line in file]
    except OSError:
        # ENOENT: another system than Linux, or /proc is not there.
        return Mounted("unknown", "/")
    real = f"{os.path.realpath(root)}/"
    best, kind = "", "unknown"
    for parts in lines:
        # Blanks stand there as \040.
        where = parts[1].replace("\\040", " ").rstrip("/")
        if real.startswith(f"{where}/") and len(where) >= len(best):
            best, kind = where, parts[2]
    return Mounted(kind, best or "/")


def described(root: str) -> str:
    """Return the type of the file system and where it is mounted, in words."""
    found = mounted(root)
    return found.kind if found.kind == "unknown" else f"{found.kind}, mounted at {found.where}"
