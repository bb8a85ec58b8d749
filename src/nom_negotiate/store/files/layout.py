"""Where everything lies under the data root: the only place that makes paths.

Every name that stems from a person comes through `identity.encode_name`; every id has
passed `identity.check_id`. So no path leaves the root.
"""

from __future__ import annotations

import os
from typing import Final

from nom_negotiate.core.identity import Address, address_of_directory, check_id, directory_name
from nom_negotiate.errors import InputError
from nom_negotiate.store.port import Namespace

PARTY_ROOMS: Final = ("transactions", "negotiations", "negotiations_archive", "listings")
PRIVATE: Final = "private"
PROFILE: Final = "init.json"
SPARE: Final = "spare"
ACTIVE: Final = "negotiations"
ARCHIVE: Final = "negotiations_archive"
PACKS: Final = "packs"
PACK_SUFFIX: Final = ".jsonl.gz"


class Layout:
    """The paths of one data root. Knows names, touches nothing."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.teams = f"{root}/teams"
        self.config = f"{root}/config.json"
        self.poller = f"{root}/poller"
        self.poller_lock = f"{root}/poller/lock"
        self.aside = f"{root}/poller/aside"
        self.stats_log = f"{root}/poller/stats.jsonl"
        self.swept = f"{root}/poller/swept"
        self.doorbell = f"{root}/poller/doorbell"
        self.scan = f"{root}/poller/scan"

    def party(self, party: Address) -> str:
        """Return the party's directory."""
        return f"{self.teams}/{directory_name(party)}"

    def room(self, party: Address, name: str) -> str:
        """Return one of the party's rooms, such as `transactions`."""
        return f"{self.party(party)}/{name}"

    def profile(self, party: Address) -> str:
        """Return the party's `init.json`."""
        return f"{self.party(party)}/{PROFILE}"

    def lock(self, party: Address) -> str:
        """Return the lock file that the party's own writers share."""
        return f"{self.teams}/{directory_name(party)}/.lock"

    def pack(self, party: Address, month: str) -> str:
        """Return the party's pack of a month, in a room that is made with its first pack."""
        return f"{self.room(party, PACKS)}/{month}{PACK_SUFFIX}"

    def entry(self, party: Address, negotiation_id: str, *, archived: bool) -> str:
        """Return where the party finds a negotiation: a real directory or a link."""
        return f"{self.room(party, ARCHIVE if archived else ACTIVE)}/{negotiation_id}"

    def namespace(self, namespace: Namespace) -> str:
        """Return the real directory of a negotiation, at its initiator."""
        # In one go: each look and each write begins with it.
        home = directory_name(namespace.initiator)
        return f"{self.teams}/{home}/{ARCHIVE if namespace.archived else ACTIVE}/{namespace.id}"

    def relative(self, path: str) -> str:
        """Return a path as problems show it: relative to the data root, as printable text."""
        return shown(path.removeprefix(f"{self.root}/"))

    def link_text(self, namespace: Namespace) -> str:
        """Return what the responder's link to a namespace says."""
        room = ARCHIVE if namespace.archived else ACTIVE
        return f"../../{directory_name(namespace.initiator)}/{room}/{namespace.id}"

    def link_target(self, entry: str, text: str) -> Namespace | None:
        """Return the namespace that a link means, None where it means something else.

        The link is read, not followed: only a path to a namespace of this root counts. An
        absolute one does, too; the original wrote some.
        """
        above, parts = text[:6], text[6:].split("/")
        if (
            above != "../../"
            or not {"", ".", ".."}.isdisjoint(parts)
            or not entry.startswith(f"{self.teams}/")
            or entry.count("/", len(self.teams)) != 3
        ):
            # Not as `link_text` has it, or not read in one of the rooms.
            target = os.path.normpath(os.path.join(os.path.dirname(entry), text))
            parts = os.path.relpath(target, self.teams).split("/")
        if len(parts) != 3 or parts[1] not in (ACTIVE, ARCHIVE):
            return None
        owner = address_of_directory(parts[0])
        try:
            negotiation_id = check_id(parts[2])
        except InputError:
            return None
        if owner is None:
            return None
        return Namespace(negotiation_id, owner, archived=parts[1] == ARCHIVE)


def shown(name: str) -> str:
    """Return a file name as text that can be printed.

    It may hold bytes that are no UTF-8, or what a terminal would obey.
    """
    if name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
