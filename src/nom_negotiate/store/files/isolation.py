"""Who owns what, where each party and the poller are Unix users of their own.

Rules of the room:

- `Owners` is a root in which one Unix user acts for everybody: it tells nobody apart.
  `UnixOwners` believes nothing but what the kernel says of a file: who owns it.
- What a party could exchange for a link or take away from under another lies in directories
  of the poller; `SCHEME` is the whole of it. A namespace is the poller's, too: sticky and
  group-writable, so that in it a party replaces its own file and nothing else.
- Nobody but root can make a directory that belongs to somebody else. So the poller lays out
  *spare* namespaces, and a party that starts a negotiation moves one of them into its place.
- The poller *freezes* a namespace before it decides: without the right to write in it, no
  party can change what the decision is made of. It stays frozen when it is decided.
- Only `nom init`, as root, gives files away. See docs/security.md for what this is good for.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from nom_negotiate.errors import ConfigurationError, Conflict, StoreError
from nom_negotiate.store.files.atomic import FILE_MODE, TEMPORARY, Disk
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, PRIVATE, PROFILE, SPARE, Layout

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Problem

OPEN: Final = 0o3770
"""Mode of a namespace: setgid, sticky, writable for the market's group."""

FROZEN: Final = 0o3750
DOORBELL: Final = 0o3730
SPARES: Final = 16
"""Spare namespaces a party: how many it may start between two polls."""

LOCK: Final = ".lock"


class Owners:
    """Who may have written what, in a root where one Unix user acts for everybody."""

    isolated: bool = False

    def check_writer(self, party: Address) -> None:
        """Refuse to act for a party as somebody else."""

    def check_poller(self) -> None:
        """Refuse to poll as somebody else."""

    def is_by(self, party: Address, uid: int) -> bool:
        """Return whether a file of that owner may be what the party says."""
        return True

    def is_decider(self, uid: int) -> bool:
        """Return whether what that user owns may be a namespace, or an outcome in it."""
        return True

    def open_doorbell(self, disk: Disk) -> None:
        """Let every party ring."""

    def claim(self, disk: Disk, layout: Layout, party: Address) -> str:
        """Return a directory that nobody reads yet, to become a namespace of the party."""
        return disk.temporary_directory(layout.room(party, ACTIVE))

    def release(self, disk: Disk, claimed: str) -> None:
        """Undo `claim` with all that was written since."""
        disk.remove_tree(claimed)

    @contextmanager
    def frozen(self, disk: Disk, namespace: str) -> Iterator[None]:
        """Keep the parties from writing in a namespace; for good, if the block succeeds."""
        yield

    def strangers(self, namespace: str, parties: dict[str, Address], outcome: str) -> list[str]:
        """Return which names of a namespace are taken by files of the wrong owner.

        Args:
            namespace: path of the directory.
            parties: whose file it is by name.
            outcome: name of the outcome.
        """
        return []


SHARED: Final = Owners()


class _Users(NamedTuple):
    """The users and groups of an isolated root, as numbers."""

    poller: int
    poller_group: int
    market: int


class _Row(NamedTuple):
    """What one path of a party's directory is to be.

    Attributes:
        path: below the party's directory.
        by_party: whether it belongs to the party; else to the poller.
        group: `market`, `poller`, or `own` for the party's own group.
        mode: with setgid, so that what is made in it has its group.
    """

    path: str
    by_party: bool
    group: str
    mode: int


SCHEME: Final = (
    # The poller's, so that no party can put a link in the place of a room.
    _Row("", False, "market", 0o2750),
    _Row(PROFILE, False, "market", FILE_MODE),
    _Row(LOCK, True, "own", 0o600),
    _Row(PRIVATE, True, "own", 0o700),
    # The group is the poller's, which places transactions and sweeps.
    _Row("listings", True, "poller", 0o2775),
    _Row("transactions", True, "poller", 0o2770),
    _Row(SPARE, True, "poller", 0o2770),
    # Sticky: the market leaves its links here, and nobody takes away another's.
    _Row(ACTIVE, False, "market", OPEN),
    _Row(ARCHIVE, False, "market", 0o2750),
)


class UnixOwners(Owners):
    """Who may have written what, where each party is a Unix user of its own.

    Args:
        layout: of the data root. Its `poller/` says who the poller is, and its `teams/` which
            group the market is; a party is the user who owns its `private/`.

    Raises:
        StoreError: where the root cannot be looked at.
    """

    isolated = True

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        poller, teams = os.stat(layout.poller), os.stat(layout.teams)
        self._users = _Users(poller.st_uid, poller.st_gid, teams.st_gid)
        self._uids: dict[Address, int] = {}

    def uid_of(self, party: Address) -> int | None:
        """Return the Unix user of a party; None where it has none yet."""
        if party not in self._uids:
            try:
                room = os.stat(self._layout.room(party, PRIVATE), follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if room.st_uid in (0, self._users.poller):
                return None
            self._uids[party] = room.st_uid
        return self._uids[party]

    def check_writer(self, party: Address) -> None:
        """Refuse to act for a party as somebody else.

        Raises:
            StoreError: `wrong_user`.
        """
        uid = self.uid_of(party)
        if uid is None:
            raise StoreError(
                "wrong_user",
                f"{party} has no Unix user in this data root yet",
                hint=f"let root run `nom init --party {party} --user NAME`",
            )
        if os.geteuid() != uid:
            raise _wrong_user(f"{party} acts", uid)

    def check_poller(self) -> None:
        """Refuse to poll as somebody else.

        Raises:
            StoreError: `wrong_user`.
        """
        if os.geteuid() != self._users.poller:
            raise _wrong_user("the poller runs", self._users.poller)

    def is_by(self, party: Address, uid: int) -> bool:
        """Return whether a file of that owner may be what the party says."""
        # The poller's, too: what it has unpacked, or was handed when the root became isolated.
        return uid in (self.uid_of(party), self._users.poller)

    def is_decider(self, uid: int) -> bool:
        """Return whether what that user owns may be a namespace, or an outcome in it."""
        return uid == self._users.poller

    def claim(self, disk: Disk, layout: Layout, party: Address) -> str:
        """Return a spare namespace of the party.

        Raises:
            Conflict: `no_spare_namespace`, until the next poll.
        """
        room = layout.room(party, SPARE)
        for name in sorted(os.listdir(room)):
            path = f"{room}/{name}"
            found = os.stat(path, follow_symlinks=False)
            if not stat.S_ISDIR(found.st_mode) or not self.is_decider(found.st_uid):
                continue
            self.release(disk, path)
            if not os.listdir(path):
                return path
        raise Conflict("no_spare_namespace", f"{party} has used up its {SPARES} spare namespaces")

    def release(self, disk: Disk, claimed: str) -> None:
        """Remove what the party itself has written in a spare namespace."""
        from nom_negotiate.store.reading import STATE_SUFFIX

        for name in os.listdir(claimed):
            if name.startswith(TEMPORARY) or name.endswith(STATE_SUFFIX):
                disk.remove(f"{claimed}/{name}")

    @contextmanager
    def frozen(self, disk: Disk, namespace: str) -> Iterator[None]:
        """Keep the parties from writing in a namespace; for good, if the block succeeds."""
        # FileNotFoundError: it was archived, and stays frozen there.
        with suppress(FileNotFoundError):
            disk.set_mode(namespace, FROZEN)
        try:
            yield
        except BaseException:
            # Somebody wrote (Conflict), the disk failed, an interrupt: it goes on to the caller,
            # and nothing was decided.
            with suppress(FileNotFoundError):
                disk.set_mode(namespace, OPEN)
            raise

    def strangers(self, namespace: str, parties: dict[str, Address], outcome: str) -> list[str]:
        """Return which names of a namespace are taken by files of the wrong owner."""
        found = []
        for name in (*parties, outcome):
            try:
                uid = os.stat(f"{namespace}/{name}", follow_symlinks=False).st_uid
            except FileNotFoundError:
                continue
            party = parties.get(name)
            if not (self.is_decider(uid) if party is None else self.is_by(party, uid)):
                found.append(name)
        return found

    # What the poller does at each pass

    def open_doorbell(self, disk: Disk) -> None:
        """Let every party ring: leave hints, and neither list nor take those of others."""
        disk.give(self._layout.doorbell, self._users.poller, self._users.market, DOORBELL)

    def prepare(self, disk: Disk, party: Address) -> Iterator[Problem]:
        """Lay out what a party lacks, and thaw what a crash left frozen and undecided."""
        # Imported here, as elsewhere in this room: most roots tell no Unix users apart.
        from nom_negotiate.core.negotiation import Problem
        from nom_negotiate.store.reading import OUTCOME_NAME

        home = self._layout.party(party)
        for row in SCHEME:
            if not os.path.lexists(f"{home}/{row.path}"):
                yield Problem(
                    path=self._layout.relative(f"{home}/{row.path}"),
                    reason=f"is missing; let root run `nom init --party {party} --user NAME` anew",
                )
        if self.uid_of(party) is None:
            return
        self.lay_out(disk, party)
        room = self._layout.room(party, ACTIVE)
        for name in os.listdir(room):
            path = f"{room}/{name}"
            status = os.stat(path, follow_symlinks=False)
            frozen = stat.S_ISDIR(status.st_mode) and not status.st_mode & stat.S_IWGRP
            decided = os.path.lexists(f"{path}/{OUTCOME_NAME}")
            if frozen and self.is_decider(status.st_uid) and not decided:
                disk.set_mode(path, OPEN)

    def lay_out(self, disk: Disk, party: Address) -> None:
        """Make the spare namespaces that a party lacks."""
        room = self._layout.room(party, SPARE)
        for _ in range(SPARES - len(os.listdir(room))):
            # Made whole where only the poller is, and then moved to the party.
            made = disk.temporary_directory(self._layout.poller)
            disk.give(made, self._users.poller, self._users.market, OPEN)
            disk.move(made, f"{room}/{os.urandom(8).hex()}")

    # What root does once

    def hand_over(self, disk: Disk, party: Address, uid: int, gid: int) -> None:
        """Make a party's directory what the scheme says, for this Unix user. Idempotent.

        What lies in a room goes with it the first time, and is not looked at again: by then
        its owner could have put there whatever it likes to be given.
        """
        home = self._layout.party(party)
        users = self._users
        for row in SCHEME:
            path = f"{home}/{row.path}" if row.path else home
            owner = uid if row.by_party else users.poller
            group = {"market": users.market, "poller": users.poller_group, "own": gid}[row.group]
            if row.path == SPARE:
                disk.make_directory(path)
            elif row.path == LOCK:
                disk.create(path, b"")
            if os.stat(path, follow_symlinks=False).st_uid != owner and row.path:
                self._give_content(disk, path, owner, group)
            disk.give(path, owner, group, row.mode)
        self._uids.pop(party, None)

    def _give_content(self, disk: Disk, room: str, owner: int, group: int) -> None:
        if not os.path.isdir(room):
            return
        with os.scandir(room) as found:
            entries = list(found)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._give_content(disk, entry.path, owner, group)
                disk.give(entry.path, owner, group, FROZEN)
            elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                disk.give(entry.path, owner, group, FILE_MODE)

    def wrong(self) -> Iterator[Problem]:
        """Yield each path of the scheme whose owner, group or mode is another."""
        layout, users = self._layout, self._users
        yield from self._differs(layout.root, users.poller, users.market, 0o750)
        yield from self._differs(layout.teams, users.poller, users.market, 0o2750)
        if os.path.lexists(layout.doorbell):
            # Otherwise the next pass makes it.
            yield from self._differs(layout.doorbell, users.poller, users.market, DOORBELL)
        with os.scandir(layout.teams) as found:
            homes = sorted(entry.path for entry in found if not entry.name.startswith("."))
        for home in homes:
            try:
                uid = os.stat(f"{home}/{PRIVATE}", follow_symlinks=False).st_uid
            except OSError:
                # ENOENT, ENOTDIR: this is no party's directory, and another check says so.
                continue
            for row in SCHEME:
                path = f"{home}/{row.path}" if row.path else home
                group = {"market": users.market, "poller": users.poller_group}.get(row.group)
                yield from self._differs(
                    path, uid if row.by_party else users.poller, group, row.mode
                )

    def _differs(self, path: str, uid: int, gid: int | None, mode: int) -> Iterator[Problem]:
        from nom_negotiate.core.negotiation import Problem

        shown = self._layout.relative(path)
        try:
            status = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            yield Problem(path=shown, reason="is missing; let root run `nom init --party` anew")
            return
        found = (status.st_uid, status.st_gid if gid is not None else None)
        if found != (uid, gid) or stat.S_IMODE(status.st_mode) != mode:
            yield Problem(
                path=shown,
                reason=f"expected owner {uid}, group {gid}, mode {mode:o}, found {status.st_uid},"
                f" {status.st_gid}, {stat.S_IMODE(status.st_mode):o}; let root run"
                " `nom init --party ADDRESS --user NAME` anew",
            )


def isolate(disk: Disk, layout: Layout, poller: int, poller_group: int, market: int) -> None:
    """Give the root itself to the poller. Idempotent; for root only.

    Raises:
        ConfigurationError: `needs_root`.
    """
    if os.geteuid() != 0:
        raise ConfigurationError(
            "needs_root", f"only root may give files away, found {_name(os.geteuid())}"
        )
    disk.give(layout.config, poller, market, FILE_MODE)
    for path in (layout.poller_lock, layout.stats_log):
        if os.path.isfile(path) and not os.path.islink(path):
            disk.give(path, poller, poller_group, FILE_MODE)
    if os.path.isdir(layout.doorbell) and not os.path.islink(layout.doorbell):
        disk.give(layout.doorbell, poller, market, DOORBELL)
    disk.give(layout.poller, poller, poller_group, 0o755)
    disk.give(layout.teams, poller, market, 0o2750)
    disk.give(layout.root, poller, market, 0o750)


def _wrong_user(who: str, uid: int) -> StoreError:
    return StoreError(
        "wrong_user",
        f"{who} as the Unix user {_name(uid)} in this data root, found {_name(os.geteuid())}",
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
