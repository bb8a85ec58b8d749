"""What can be wrong with a data root: one code, one severity, one remedy each.

Rules of the room:

- `KINDS` is the only place where codes are defined; docs/operation.md lists them.
- The severity says who has to do something. A *note*: nobody, the next poll finishes it, or it
  is only worth knowing. A *warning*: something does not belong or stands in the way, and no
  figure is wrong. An *error*: a deal, a promise or the mount is not what it must be.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from nom_negotiate.store.files.inspection.repair import Repair


class Severity(enum.StrEnum):
    """How bad a finding is."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        severity: how bad it is.
        remedy: what to do.
    """

    severity: Severity
    remedy: str


_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR

_POLL: Final = "nothing; the poller does it within the hour, or `nom poll --scan` now"
_REPAIR: Final = "`nom doctor --repair`"
_ASIDE: Final = "`nom doctor --repair` sets it aside"

KINDS: Final[dict[str, Kind]] = {
    # what the next pass finishes
    "left_over": Kind(_NOTE, _POLL),
    "missing_room": Kind(_NOTE, _POLL),
    "unfinished": Kind(_NOTE, _POLL),
    "not_finished": Kind(_WARNING, "see what `nom poll --scan` says of it"),
    # links
    "absolute_link": Kind(_WARNING, f"{_REPAIR} makes it relative"),
    "missing_link": Kind(_WARNING, f"{_REPAIR} makes it"),
    "stray_link": Kind(_WARNING, _ASIDE),
    "linked_room": Kind(_ERROR, "put a directory in its place: links are not followed out"),
    # what does not belong
    "foreign": Kind(_WARNING, _ASIDE),
    "foreign_directory": Kind(_WARNING, "look into it; move away what is nobody's"),
    "unknown_file": Kind(_NOTE, "nothing, if you put it there; nobody reads it"),
    "hidden": Kind(_WARNING, "repeat the `nom migrate` that was stopped; it puts it back"),
    "malformed": Kind(_WARNING, _ASIDE),
    "malformed_outcome": Kind(_ERROR, "put it back from a backup; it decides"),
    "malformed_profile": Kind(_WARNING, "correct it, or move it away and run `nom init --party`"),
    "malformed_private": Kind(
        _WARNING, "let its party say it anew: `nom prefs set`, `nom autopilot`; or move it away"
    ),
    "malformed_settings": Kind(_ERROR, "correct it, or run `nom init` anew"),
    "unknown_schema": Kind(_WARNING, "upgrade to the version that wrote it, or move it away"),
    "unusable": Kind(_WARNING, "its author writes it anew; the negotiation waits"),
    # what is missing
    "no_profile": Kind(_WARNING, f"{_REPAIR} writes one; the display name is the address"),
    "no_outcome": Kind(_WARNING, "move it back to negotiations/, with its link, to be decided"),
    "unknown_party": Kind(_WARNING, "`nom init --party ADDRESS` makes its directory"),
    "empty_negotiation": Kind(_WARNING, _ASIDE),
    # who may do what
    "mode": Kind(_WARNING, f"{_REPAIR} corrects the mode"),
    "writable_root": Kind(_WARNING, "chmod o-w, where nobody else needs it"),
    "owner": Kind(_WARNING, "chown it to who runs the poller"),
    "access": Kind(_ERROR, "let root run `nom init --party ADDRESS --user NAME` anew"),
    "unreadable": Kind(_WARNING, "run it as the user who owns it, or as root"),
    # what stands twice
    "stale_copy": Kind(_WARNING, _ASIDE),
    "doubled_negotiation": Kind(_ERROR, "compare them, keep one, and move the other away"),
    "doubled_transaction": Kind(_ERROR, f"{_ASIDE}, and keeps one"),
    # deals
    "unsettled": Kind(_ERROR, f"{_REPAIR} places what is missing"),
    "no_mirror": Kind(_ERROR, "find out which side is right; put the other back from a backup"),
    "no_deal": Kind(_WARNING, "put the negotiation back from a backup"),
    "deal_differs": Kind(_ERROR, "compare them with the outcome, and move the wrong one away"),
    "not_conserved": Kind(_ERROR, "mend what else is found; it names the deals"),
    # packs
    "damaged_pack": Kind(_ERROR, "put back a copy of the file; the rest of it is read"),
    "pack_differs": Kind(_WARNING, "compare them; what is unpacked counts"),
    "half_packed": Kind(_WARNING, "put back a copy of the other pack, or unpack it and pack anew"),
    # the mount
    "rename_not_atomic": Kind(_ERROR, "use a local POSIX file system, such as ext4, xfs or apfs"),
    "unsupported_file_system": Kind(
        _ERROR, "use a local POSIX file system, such as ext4, xfs or apfs"
    ),
    "locks_do_not_exclude": Kind(_ERROR, "mount it with locks, or poll from one place only"),
    "coarse_timestamps": Kind(_WARNING, "programs that write in place may be seen late"),
    "no_directory_sync": Kind(_WARNING, "after a power cut, run `nom poll` and `nom doctor`"),
    "no_notifications": Kind(_NOTE, "nothing: `nom poll` finds everything without them"),
    "case_insensitive": Kind(_WARNING, "do not use chemicals that differ in case only"),
    "little_space": Kind(_WARNING, "free some space"),
    "not_writable": Kind(_ERROR, "run it as the user who runs the poller; mount it writable"),
    # the look itself
    "busy": Kind(_NOTE, "repeat it when the pass that is running has ended"),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the data root, or about its mount, that is not as it should be.

    Attributes:
        severity: how bad it is.
        code: a key of `KINDS`, stable across releases.
        path: relative to the data root, printable.
        reason: what was expected, and what was found.
        remedy: what to do.
        repaired: whether this examination has put it right.
    """

    severity: Severity
    code: str
    path: str
    reason: str
    remedy: str
    repaired: bool = False


Mend = Callable[["Repair"], object]
"""Gives the one right answer to a finding; nothing where it has been given meanwhile."""


class Found(NamedTuple):
    """A finding, with what puts it right.

    Attributes:
        finding: what it is.
        mend: puts it right; None where the next pass does, or a person has to.
    """

    finding: Finding
    mend: Mend | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells it from any other of the same look."""
        return self.finding.code, self.finding.path
