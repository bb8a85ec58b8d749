"""One look at a data root: what it has found, and counted, so far."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from nom_negotiate.codec.loading import load
from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import OUTCOME_SCHEMA, TRANSACTION_SCHEMA
from nom_negotiate.core.packed import Packed
from nom_negotiate.core.party import LISTING_SCHEMA, PROFILE_SCHEMA, SETTINGS_SCHEMA
from nom_negotiate.core.preferences import AUTOPILOT_SCHEMA, PREFERENCES_SCHEMA
from nom_negotiate.core.state import STATE_SCHEMA
from nom_negotiate.errors import RecordError
from nom_negotiate.store.files import bounded, mending, namespace
from nom_negotiate.store.files.atomic import TEMPORARY
from nom_negotiate.store.files.inspection.findings import KINDS, Finding, Found, Mend, Severity
from nom_negotiate.store.files.isolation import SHARED, Owners
from nom_negotiate.store.files.layout import PACKS, Layout, shown
from nom_negotiate.store.files.packs import Pack, Packs, Replaced, Spot
from nom_negotiate.store.port import Namespace

_SCHEMAS: Final = {
    AUTOPILOT_SCHEMA,
    LISTING_SCHEMA,
    OUTCOME_SCHEMA,
    PREFERENCES_SCHEMA,
    PROFILE_SCHEMA,
    SETTINGS_SCHEMA,
    STATE_SCHEMA,
    TRANSACTION_SCHEMA,
}


class Look:
    """What one look at a data root has found.

    Args:
        layout: of the data root.
        owners: who may have written what.

    Attributes:
        found: in the order in which it was met.
        counted: how much of each kind was looked at.
        unread: parties of whom there may be transactions that could not be read.
        packs: reads what is packed.
        in_flight: deals that are decided and not placed on both sides yet.
        last_sweep: when a pass that trusts no hint was made last, in unix seconds of the file
            system; 0 where none was. Others need not have looked everywhere.
        owner: the Unix user whose root it is.
    """

    def __init__(self, layout: Layout, owners: Owners = SHARED) -> None:
        self.layout = layout
        self.owners = owners
        self.now = time.time()
        self.found: list[Found] = []
        self.counted: Counter[str] = Counter()
        self.in_flight = 0
        self.unread: set[Address] = set()
        self.packs = Packs(layout, lambda: owners)
        self._places: set[int] = set()
        self.last_sweep = self._last_sweep()
        self.owner = self._owner()

    def _owner(self) -> int:
        # Whoever made the root itself may have left the rest to the user of the poller.
        inside = os.path.isdir(self.layout.teams)
        return os.stat(self.layout.teams if inside else self.layout.root).st_uid

    def _last_sweep(self) -> float:
        try:
            return os.lstat(self.layout.swept).st_mtime
        except OSError:
            # ENOENT, ENOTDIR, EACCES: then nobody can tell.
            return 0.0

    def add(
        self,
        code: str,
        path: str,
        reason: str,
        *,
        mend: Mend | None = None,
        severity: Severity | None = None,
        remedy: str | None = None,
    ) -> None:
        """Note a finding.

        Args:
            code: a key of `KINDS`.
            path: in the file system.
            reason: what was expected, and what was found.
            mend: puts it right.
            severity: where it is not that of its kind.
            remedy: where it is not that of its kind.
        """
        kind = KINDS[code]
        finding = Finding(
            severity=severity or kind.severity,
            code=code,
            path=self.shown(path),
            reason=reason,
            remedy=kind.remedy if remedy is None else remedy,
        )
        self.found.append(Found(finding, mend))

    def aside(self, code: str, path: str, reason: str) -> None:
        """Note a finding that is put right by setting it aside."""
        self.add(code, path, reason, mend=lambda repair: repair.set_aside(path, reason))

    def refuse(self, code: str, path: str, reason: str) -> None:
        """Note a file that cannot be used, to be set aside where it is certain that it is none.

        It stays where this user may not read it, or a later version may have written it.
        """
        if os.path.isfile(path) and not os.access(path, os.R_OK):
            self.add("unreadable", path, "expected a file that can be read")
        elif (schema := unknown_schema(path)) is not None:
            self.add("unknown_schema", path, f"expected a schema of this version, found {schema!a}")
        else:
            self.aside(code, path, reason)

    def unfinished(self, path: str, reason: str, met: float, *, mend: Mend | None = None) -> None:
        """Note what a scan of the poller finishes; or that one was made since, and has not.

        Args:
            path: in the file system.
            reason: what was expected, and what was found.
            met: since when it has been so, in unix seconds of the file system.
            mend: does what the pass would do.
        """
        if self.last_sweep > met:
            self.add("not_finished", path, f"{reason}; the hourly sweep was made since", mend=mend)
        else:
            self.add("unfinished", path, reason, mend=mend)

    def shown(self, path: str) -> str:
        """Return a path relative to the data root, printable."""
        return "." if path == self.layout.root else self.layout.relative(path)

    # Which negotiation is whose

    def packed(self, place: Namespace) -> Mapping[str, str] | None:
        """Return the sha256 of each file of a packed negotiation, None where it is not packed."""
        room = self.layout.room(place.initiator, PACKS)
        if not os.path.isdir(room) or os.path.islink(room):
            return None
        try:
            record = self.packs.retried(lambda: self.packs.negotiation(place))
        except RecordError:
            # Found with the pack.
            return None
        return None if record is None else record.sha256

    def remember(self, place: Namespace, responder: Address | None) -> None:
        """Remember who the responder of a negotiation is; None where nobody says."""
        self._places.add(hash((place, responder)))

    def is_responder(self, place: Namespace, party: Address) -> bool:
        """Return whether the party may be the responder of a negotiation."""
        if hash((place, party)) in self._places or hash((place, None)) in self._places:
            return True
        # Begun since it was looked for, or somebody else's.
        snapshot = namespace.read_snapshot(self.layout, place, self.owners)
        return snapshot is None or snapshot.responder in (None, party)

    # What every directory may hold

    def entries(
        self, directory: str, *, again: bool = False
    ) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
        """Yield what lies in a directory, by name, without temporary files.

        Those are counted, and found where they are old; and what is another user's is found.
        What is gone by the time it is looked at is left out. Nothing is yielded of a directory
        that this user may not read.

        Args:
            directory: path of it.
            again: it has been looked at before, and what is temporary in it was found then.
        """
        try:
            with os.scandir(directory) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            # Moved to the archive meanwhile; or no directory, which is found elsewhere.
            return
        except PermissionError:
            if not again:
                self.add("unreadable", directory, "expected a directory that can be listed")
            return
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.name.startswith(TEMPORARY):
                if not again:
                    self._temporary(directory, entry, status)
                continue
            if not again and directory != self.layout.root:
                self._check_owner(entry.path, status)
            yield entry, status

    def _temporary(self, directory: str, entry: os.DirEntry[str], status: os.stat_result) -> None:
        self.counted["temporary"] += 1
        if mending.is_left_over(entry.name, status):
            self.add(
                "left_over",
                entry.path,
                f"a write that was cut short {int(self.now - status.st_mtime) // 60} minutes ago",
                mend=lambda repair: repair.sweep(directory),
            )

    def check_access(self, path: str, status: os.stat_result, *, exact: int | None = None) -> None:
        """Look at the mode of a directory, or of a private file, where one user acts for all.

        Args:
            path: in the file system.
            status: of it.
            exact: the mode that it must have; None where it is enough that not everybody may
                write.
        """
        if self.owners.isolated:
            # Its own scheme says what they are, and finds what differs.
            return
        mode = stat.S_IMODE(status.st_mode)
        wanted = mode & ~stat.S_IWOTH if exact is None else exact
        if mode != wanted:
            self.add(
                "mode",
                path,
                f"expected mode {wanted:o}, found {mode:o}",
                mend=lambda repair: repair.set_mode(path, wanted),
            )

    def _check_owner(self, path: str, status: os.stat_result) -> None:
        # Whose a link is makes no difference.
        other = status.st_uid != self.owner and not stat.S_ISLNK(status.st_mode)
        if other and not self.owners.isolated:
            reason = f"expected user {self.owner}, like teams/, found {status.st_uid}"
            self.add("owner", path, reason)


def records(
    look: Look, pack: Pack, spots: Mapping[Any, Spot], *, again: bool = False
) -> Iterator[Packed]:
    """Yield what a pack holds at these spots.

    Args:
        look: where to note what cannot be read.
        pack: which one; where it has been replaced, nothing more is yielded.
        spots: of its negotiations or transactions.
        again: what cannot be read has been noted before.
    """
    for spot in list(spots.values()):
        try:
            yield look.packs.fetch(pack, spot)
        except Replaced:
            return
        except RecordError as error:
            if not again:
                look.add("damaged_pack", pack.path, error.message)


def unknown_schema(path: str) -> str | None:
    """Return the schema that a file says it has, if it is one of ours that we do not know."""
    try:
        schema = load(bounded.read_record(path) or b"").get("schema")
    except RecordError:
        return None
    if not isinstance(schema, str) or not schema.startswith("nom.") or schema in _SCHEMAS:
        return None
    return schema[:80]


def kind_of(status: os.stat_result) -> str:
    """Return in words what an entry is."""
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return "a file"
    if stat.S_ISDIR(mode):
        return "a directory"
    if stat.S_ISLNK(mode):
        return "a link"
    return "something else"


def named(name: str) -> str:
    """Return a file name as a reason shows it: printable, and not too long."""
    text = shown(name)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"
