"""How what a migration added to a data root is taken away again.

Rules of the room:

- Nothing is removed by name alone. What goes has the content that it was given, or its
  remover was told to take it whatever it has become.
- The order: hidden, looked at once more, thrown away. Whoever writes at that moment either is
  seen in the second look, or finds the thing gone and says so to its caller; so no lock of a
  party is taken. What was hidden by a removal that was killed is found under its hidden name,
  and put back by the next migration of either direction.
- A directory goes only where nothing is left in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final

from nom_negotiate import codec
from nom_negotiate.core.identity import Address
from nom_negotiate.core.party import Settings
from nom_negotiate.store.files import mending, namespace
from nom_negotiate.store.files.atomic import TEMPORARY, Disk
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.installation import (
    MARK,
    NOT_EMPTY,
    ROOMS,
    AddedParty,
    Installation,
    digest_of,
    digests_of,
)
from nom_negotiate.store.files.layout import PROFILE
from nom_negotiate.store.port import Namespace
from nom_negotiate.store.reading import OUTCOME_NAME

HIDDEN: Final = ".undo-"
LOCK: Final = ".lock"


class Removal:
    """Takes away what an installation has added.

    Args:
        installation: of the data root. Changes go through its disk.
    """

    def __init__(self, installation: Installation) -> None:
        self._at = installation
        self._layout = installation.layout
        self._disk: Disk = installation.disk

    # Putting back what a removal that was killed has hidden

    def bring_back_namespace(self, place: Namespace) -> None:
        """Put a negotiation back that was hidden and not thrown away."""
        self._bring_back(self._layout.namespace(place))

    def bring_back_file(self, party: Address, room: str, name: str) -> None:
        """Put a file back that was hidden and not thrown away."""
        self._bring_back(f"{self._layout.room(party, room)}/{name}")

    def bring_back_outcome(self, place: Namespace) -> None:
        """Put an outcome back that was hidden and not thrown away."""
        self._bring_back(f"{self._layout.namespace(place)}/{OUTCOME_NAME}")

    def bring_back_party(self, party: Address) -> None:
        """Put a party's directory back that was hidden and not thrown away."""
        home = self._layout.party(party)
        if not os.path.lexists(home):
            self._bring_back(home)

    def _bring_back(self, path: str) -> None:
        hidden = self._hidden(path)
        with reported("put back what an earlier rollback has hidden"):
            if not os.path.lexists(hidden):
                return
            if os.path.lexists(path) or not os.path.isdir(os.path.dirname(path)):
                # Somebody has written it anew since, or moved away what it lay in.
                self._throw_away(hidden)
            else:
                self._disk.move(hidden, path)

    # Removing

    def remove_namespace(
        self, place: Namespace, responder: Address, digests: Mapping[str, str] | None
    ) -> bool:
        """Remove a negotiation and the responder's links to it.

        Args:
            place: where it is.
            responder: who may have a link to it.
            digests: sha256 of each of its files by name; None to remove it whatever it holds.

        Returns:
            False where it holds something else, and stays. True where it was gone already.
        """
        path = self._layout.namespace(place)
        with reported(f"remove {place.id}"):
            if not self._hide(path, lambda hidden: digests in (None, digests_of(hidden))):
                return False
            for archived in (False, True):
                link = self._layout.entry(responder, place.id, archived=archived)
                target = namespace.linked_to(self._layout, link)
                if target is not None and target._replace(archived=place.archived) == place:
                    self._disk.remove(link)
            self._throw_away(self._hidden(path))
            return True

    def remove_file(self, party: Address, room: str, name: str, digest: str | None) -> bool:
        """Remove a file of a party; see `remove_namespace` for what it returns."""
        with reported(f"remove {name} of {party}"):
            return self._remove(f"{self._layout.room(party, room)}/{name}", digest)

    def remove_outcome(self, place: Namespace, digest: str | None) -> bool:
        """Remove the outcome that was added to a negotiation."""
        with reported(f"remove the outcome of {place.id}"):
            return self._remove(f"{self._layout.namespace(place)}/{OUTCOME_NAME}", digest)

    def _remove(self, path: str, digest: str | None) -> bool:
        if not self._hide(path, lambda hidden: digest in (None, digest_of(hidden))):
            return False
        self._throw_away(self._hidden(path))
        return True

    def _hide(self, path: str, unchanged: Callable[[str], bool]) -> bool:
        hidden = self._hidden(path)
        if not os.path.lexists(path):
            return True
        try:
            self._disk.move(path, hidden)
        except FileNotFoundError:
            # Moved to the archive at this moment.
            return False
        if not unchanged(hidden):
            self._bring_back(path)
            return False
        return True

    def _throw_away(self, hidden: str) -> None:
        if os.path.isdir(hidden) and not os.path.islink(hidden):
            # Under a name from which nobody puts it back: a crash may leave half of it.
            doomed = f"{self._layout.teams}/{TEMPORARY}{MARK}{os.path.basename(hidden)}"
            self._disk.move(hidden, doomed)
            self._disk.remove_tree(doomed)
        else:
            self._disk.remove(hidden)

    def _hidden(self, path: str) -> str:
        # In one directory for all: a name in a room would be taken for an entry of it.
        name = sha256(os.fsencode(self._layout.relative(path))).hexdigest()[:32]
        return f"{self._layout.teams}/{HIDDEN}{name}"

    # The party and the root

    def remove_party(self, party: Address, added: AddedParty, profile: str | None) -> bool:
        """Remove what was added of a party, unless the party uses it.

        Args:
            party: whose.
            added: what was added.
            profile: sha256 of the profile that was added; None to remove it whatever it says.

        Returns:
            False where it is in use, or says something else by now. Then it stays whole.
        """
        home = self._layout.party(party)
        with reported(f"remove the directory of {party}"):
            if not self._removable(home, added, profile):
                return False
            if added.whole:
                # Whole, too: a poller that comes by would make a missing room again.
                hides = self._hide(home, lambda hidden: self._removable(hidden, added, profile))
                if hides:
                    self._throw_away(self._hidden(home))
                return hides
            for room in reversed(added.rooms):
                if not self._remove_directory(f"{home}/{room}"):
                    mending.complete(self._disk, self._layout, party)
                    return False
            if added.profile:
                self._disk.remove(f"{home}/{PROFILE}")
            return True

    def _removable(self, home: str, added: AddedParty, profile: str | None) -> bool:
        """Return whether a party's directory holds nothing but what was added."""
        if any(_entries(f"{home}/{room}") for room in added.rooms):
            return False
        if added.whole and not _entries(home) <= {*ROOMS, PROFILE, LOCK}:
            return False
        found = digest_of(f"{home}/{PROFILE}")
        return not added.profile or None in (found, profile) or found == profile

    def finish(self, made: Sequence[str]) -> None:
        """Remove the migration's own room, and what was made of the root, where it is empty.

        Args:
            made: what `Logbook.prepare` has returned.
        """
        layout = self._layout
        with reported("remove the room of the migration"):
            if "teams" in made:
                self._remove_directory(layout.teams)
            if "config.json" in made and digest_of(layout.config) == _digest_of(Settings()):
                # The defaults hold where there is none.
                self._disk.remove(layout.config)
            if "poller" in made:
                self._remove_directory(layout.poller)
            self._at.logbook.close()
            for path in reversed(made):
                if os.path.isabs(path):
                    self._remove_directory(path)

    def _remove_directory(self, path: str) -> bool:
        try:
            self._disk.remove_directory(path)
        except OSError as error:
            if error.errno not in NOT_EMPTY:
                raise
            return False
        return True


def _entries(path: str) -> set[str]:
    try:
        return set(os.listdir(path))
    except FileNotFoundError:
        return set()


def _digest_of(settings: Settings) -> str:
    return sha256(codec.encode(settings)).hexdigest()
