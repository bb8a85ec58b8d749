"""The data root itself: set-up, settings, owners, and the poller's room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from nom_negotiate import codec
from nom_negotiate.errors import ConfigurationError, RecordError, StoreError
from nom_negotiate.store.files import bounded, locking, probe
from nom_negotiate.store.files.atomic import FILE_MODE, Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.isolation import SHARED, Owners, UnixOwners, isolate
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.files.packroom import PackRoom

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.party import Settings
    from nom_negotiate.store.files.scancache import Cache


class Root:
    """What a data root is: its settings, whose it is, and the poller's room in it.

    Args:
        root: the data root; made by `initialise` where it does not exist.
        durable: fsync what is written. Without it, a power cut may lose what was
            reported as done; a crash of the process does not.
        disk: the primitives that change the disk; for tests.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, durable: bool = True, disk: Disk | None = None
    ) -> None:
        self.layout = Layout(os.path.abspath(os.fspath(root)))
        self.disk = Disk(durable=durable) if disk is None else disk
        self._owners: Owners | None = None
        self.scanned: dict[tuple[int, int], Cache] = {}
        self._settings: tuple[bounded.Content, Settings] | None = None
        self.packed = PackRoom(self.layout, lambda: self.owners)

    # Set-up

    def initialise(self, settings: Settings) -> bool:
        """Set the root up, or change its settings; return whether it was new."""
        self._refuse_file()
        root = self.layout.root
        with reported("set up the data root"):
            missing = []
            while not os.path.isdir(root):
                missing.append(root)
                root = os.path.dirname(root)
            for path in reversed(missing):
                self.disk.make_directory(path)
            probe.check_file_system(self.disk, self.layout.root)
            # The settings first: whoever comes after a crash takes a root that has directories
            # to be set up, and would go on with the defaults.
            data = codec.encode(settings)
            new = self.disk.create(self.layout.config, data)
            if not new and bounded.read_record(self.layout.config) != data:
                self.disk.replace(self.layout.config, data)
            for path in (self.layout.teams, self.layout.poller):
                self.disk.make_directory(path)
            return new

    def is_set_up(self) -> bool:
        """Return whether there is anything here yet: a set-up, or a party."""
        return any(map(os.path.lexists, (self.layout.config, self.layout.teams)))

    def settings(self) -> Settings:
        """Return how the root was set up; the defaults where it was not."""
        content = bounded.content(self.layout.config)
        kept = self._settings
        if content is not None and kept is not None and kept[0] == content:
            return kept[1]
        settings = self._read_settings()
        if content is not None:
            # Looked at before it was read: who has changed it since shows another time.
            self._settings = content, settings
        return settings

    def _read_settings(self) -> Settings:
        # Imported here: an idle poll asks for no settings, and so does without records.
        from nom_negotiate.core.party import Settings

        self._refuse_file()
        with reported("read the settings"):
            try:
                data = bounded.read_record(self.layout.config)
                return Settings() if data is None else codec.decode_settings(data)
            except RecordError as error:
                if not os.access(self.layout.config, os.R_OK):
                    # Nothing in it is to be corrected: this user may not read it.
                    raise PermissionError(
                        errno.EACCES, "permission denied", self.layout.config
                    ) from None
                raise ConfigurationError(
                    "malformed_settings", f"{self.layout.config}: {error.message}"
                ) from None

    def _refuse_file(self) -> None:
        root = self.layout.root
        if os.path.lexists(root) and not os.path.isdir(root):
            raise ConfigurationError(
                "unusable_root", f"expected a directory as data root, found a file: {root}"
            )

    @property
    def owners(self) -> Owners:
        """Return whom the files of this root tell apart. Looked at once."""
        if self._owners is None:
            from nom_negotiate.core.party import Isolation

            if self.settings().isolation is Isolation.UNIX:
                with reported("see who owns the data root"):
                    self._owners = UnixOwners(self.layout)
                # Whatever the umask: who is not in the market cannot reach the root.
                self.disk.file_mode = FILE_MODE
            else:
                self._owners = SHARED
        return self._owners

    def isolate(self, poller: int, poller_group: int, market: int) -> None:
        """Give the root to the poller's Unix user; its settings say `unix` already.

        Idempotent. For root only.

        Args:
            poller: uid of the poller.
            poller_group: gid of a group that nobody else is in.
            market: gid of the group in which the poller and all parties' users are.

        Raises:
            ConfigurationError: `needs_root`.
        """
        with reported("give the data root to the poller"):
            isolate(self.disk, self.layout, poller, poller_group, market)
        self._owners = None

    def unix_users(self) -> tuple[int, int, int]:
        """Return uid and gid of the poller, and the gid of the market."""
        with reported("see who owns the data root"):
            poller, teams = os.stat(self.layout.poller), os.stat(self.layout.teams)
        return poller.st_uid, poller.st_gid, teams.st_gid

    def hand_over(self, party: Address, uid: int, gid: int) -> None:
        """Give a party's directory to its Unix user. Idempotent; for root only.

        Raises:
            ConfigurationError: `needs_root`, `not_isolated`.
        """
        owners = self.owners
        if not isinstance(owners, UnixOwners):
            raise ConfigurationError(
                "not_isolated", f"{self.layout.root} knows no Unix users of parties"
            )
        with reported(f"give the directory of {party} to its Unix user"):
            owners.hand_over(self.disk, party, uid, gid)

    # The poller's room

    def lay_out_poller(self) -> None:
        """Make the doorbell. Until there is one, nobody can ring, and the next scan finds it."""
        self.disk.make_directory(self.layout.doorbell)
        self.owners.open_doorbell(self.disk)

    @contextmanager
    def polling(self) -> Iterator[bool]:
        """Take the poller's lock; the value says whether it was free. Never waits."""
        self.owners.check_poller()
        with ExitStack() as held:
            with reported("take the poller's lock"):
                if not os.path.isdir(self.layout.poller):
                    self.initialise(self.settings())
                free = held.enter_context(locking.exclusive(self.layout.poller_lock, 0))
            yield free

    def log_pass(self, line: bytes) -> None:
        """Append one line to the stats log. Not durable."""
        with reported("write the stats log"):
            self._check_log()
            if bounded.is_cut_short(self.layout.stats_log):
                line = b"\n" + line
            self.disk.append(self.layout.stats_log, line)

    def passes(self) -> Iterator[bytes]:
        """Yield the lines of the stats log, oldest first."""
        with reported("read the stats log"):
            self._check_log()
            try:
                file = bounded.open_log(self.layout.stats_log)
            except FileNotFoundError:
                return
            with file:
                yield from bounded.lines(file)

    def _check_log(self) -> None:
        # Before it is opened: for writing, a FIFO that nobody reads would be waited for.
        odd = bounded.irregular(self.layout.stats_log)
        if odd is not None:
            hint = "move it away; the next pass begins a new one"
            raise StoreError("store_failed", f"cannot use the stats log: {odd}", hint=hint)

    def swept_at(self) -> int:
        """Return the unix seconds that `note_sweep` was told last; 0 where that is lost."""
        try:
            return int(bounded.read_record(self.layout.swept) or b"0")
        except (OSError, RecordError, ValueError):
            # Whatever is wrong with it, it is a hint.
            return 0

    def note_sweep(self, at: int) -> None:
        """Note when a sweep began. A hint only."""
        with reported("note the sweep"):
            self.disk.replace_hint(self.layout.swept, b"%d\n" % at)
