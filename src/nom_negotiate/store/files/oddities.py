"""What in the shape of a data root is not as it should be: told at each pass, and left alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from nom_negotiate.core.identity import Address, address_of_directory, short_name
from nom_negotiate.core.negotiation import Problem
from nom_negotiate.store import reading
from nom_negotiate.store.files import bounded, namespace
from nom_negotiate.store.files.layout import Layout
from nom_negotiate.store.port import Namespace


def of_root(layout: Layout) -> Iterator[Problem]:
    """Yield who may write here that should not, and what among the parties is none."""
    for path, name in ((layout.root, "."), (layout.teams, "teams"), (layout.poller, "poller")):
        if os.path.isdir(path) and os.stat(path).st_mode & stat.S_IWOTH:
            reason = "everybody may write here, and decide deals; take that away with `chmod o-w`"
            yield Problem(path=name, reason=reason)
    try:
        names = sorted(os.listdir(layout.teams))
    except FileNotFoundError:
        return
    for name in names:
        path = f"{layout.teams}/{name}"
        if name.startswith(".") or (address_of_directory(name) and bounded.is_directory(path)):
            continue
        reason = "expected the directory of a party, named after its address; move it away"
        yield Problem(path=layout.relative(path), reason=reason)


def of_room(layout: Layout, party: Address, room: str) -> Iterator[Problem]:
    """Yield what is in the place of a party's room, where that is no directory."""
    try:
        bounded.check_room(layout, party, room)
    except FileNotFoundError:
        return
    except NotADirectoryError as error:
        yield Problem(path=layout.relative(layout.room(party, room)), reason=str(error.strerror))


def of_link(layout: Layout, party: Address, entry: str, target: Namespace) -> Iterator[Problem]:
    """Yield that a party's link leads to what others negotiate.

    Where the id names the party, that is believed: it is looked at for each link at each pass,
    and whoever follows the link finds out anyway.
    """
    name = f"{short_name(party)}{reading.STATE_SUFFIX}"
    if reading.rank(target.id, target.initiator, None, name) < reading.STRANGER:
        return
    snapshot = namespace.read_snapshot(layout, target)
    if snapshot is not None and not snapshot.concerns(party):
        reason = f"expected a link to a negotiation of {party}, which is no party of this one"
        yield Problem(path=layout.relative(entry), reason=f"{reason}; remove it")
