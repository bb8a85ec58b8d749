"""One namespace directory: reading both sides of the same moment, creating, deciding.

Rules of the room:

- A snapshot is true: the files are opened first and the directory is listed last, and then
  each name still stood for the file that was opened, and there was no other. Open files are
  held meanwhile, so that no inode is used again.
- A namespace appears whole: it is made under a temporary name and renamed.
- The responder's link comes first and the directory second. A link without a directory
  is a start that was cut short, and is swept; a directory without a link would be a
  negotiation that one party cannot see.
- A state is written, and an outcome created, only while the states that it follows from
  still stand; every state that is written voids what relied on its predecessor (`atomic`
  says how). So whoever has written, and then finds no outcome, is part of every later one.
"""

from __future__ import annotations

import errno
import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from nom_negotiate import codec
from nom_negotiate.core.identity import (
    MAX_SHORT_NAME_BYTES,
    Address,
    negotiation_id,
    short_name,
    state_file_name,
)
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.core.state import PartyState
from nom_negotiate.errors import Conflict, RecordError
from nom_negotiate.store import reading
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.aside import set_aside
from nom_negotiate.store.files.atomic import Disk, Overtaken
from nom_negotiate.store.files.isolation import SHARED, Owners
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, Layout, shown
from nom_negotiate.store.port import Namespace

MAX_FILES: Final = 64
"""Files that are looked at in one namespace: the outcome and the parties' own come first."""

FEW: Final = 3
"""Files that a namespace should have at most: two states and the outcome."""

MAX_LOOKS: Final = 100
"""Looks at a namespace that changes all the time, before it is left for the next poll."""

TAKEN: Final = {errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY}
"""What renaming a directory meets where somebody else has the name: a link, a directory."""


FROZEN_PAUSE_S: Final = 0.01
"""What a party waits before it looks again at a namespace that the poller has frozen."""


class _Seen(NamedTuple):
    """A file that was looked at: open, or -1 where it is none to read."""

    fd: int
    status: os.stat_result
    file: reading.File


def read_snapshot(
    layout: Layout, namespace: Namespace, owners: Owners = SHARED, room: int | None = None
) -> Snapshot | None:
    """Return what the namespace held at one moment, None where it is gone.

    Args:
        layout: of the data root.
        namespace: which.
        owners: whom its files tell apart.
        room: the open directory that it lies in; None to go there from the top. Whoever reads
            many of one party opens that once, by `bounded.open_below`.
    """
    path = layout.namespace(namespace)
    try:
        if room is None:
            directory = bounded.open_below(layout.teams, path)
        else:
            directory = bounded.open_directory(namespace.id, room)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if owners.isolated and not owners.is_decider(os.fstat(directory).st_uid):
            reason = "expected a namespace that the poller has laid out, found somebody's directory"
            return _unreadable(namespace, layout.relative(path), f"{reason}; move it away")
        found = _snapshot(directory, layout, namespace, layout.relative(path), owners)
        # An archived one that is hidden meanwhile is packed: what was seen may be half of it.
        if namespace.archived and not _is_at(path, directory):
            return None
        return found
    finally:
        os.close(directory)


def _snapshot(
    directory: int, layout: Layout, namespace: Namespace, where: str, owners: Owners
) -> Snapshot:
    responder: Address | None = None
    likely = _likely(namespace)
    while True:
        files = _stable(directory, namespace, responder, likely)
        if files is None:
            reason = f"changed during each of {MAX_LOOKS} looks; stop its writers"
            return _unreadable(namespace, where, reason)
        seen, found = files
        snapshot = reading.assemble(
            namespace.id,
            namespace.initiator,
            {name: look.file for name, look in seen.items()},
            where=where,
            linked=lambda party: has_link(layout, namespace, party),
            owned=functools.partial(_is_by, owners, seen) if owners.isolated else None,
            archived=namespace.archived,
        )
        if found == len(seen):
            return snapshot
        if snapshot.responder in (None, responder):
            return _crowded(snapshot, where, len(seen), found)
        # What the responder says may be among what was left out: now its names come first.
        responder = snapshot.responder
        likely = ()


def _likely(namespace: Namespace) -> tuple[str, ...]:
    """Return which files a namespace probably has, so that it need not be listed first.

    An id is a label and proves nothing: this is a guess, and the listing afterwards corrects it.
    """
    own = short_name(namespace.initiator)
    other = namespace.id.removeprefix(f"{own}_").rsplit("_", 2)[0]
    if other == own or not other.isascii() or len(other) > MAX_SHORT_NAME_BYTES:
        return ()
    names = (f"{own}{reading.STATE_SUFFIX}", f"{other}{reading.STATE_SUFFIX}")
    return (*names, reading.OUTCOME_NAME) if namespace.archived else names


def _is_at(path: str, directory: int) -> bool:
    try:
        status = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(status, os.fstat(directory))


def _is_by(owners: Owners, seen: Mapping[str, _Seen], name: str, party: Address | None) -> bool:
    owner = seen[name].status.st_uid
    return owners.is_decider(owner) if party is None else owners.is_by(party, owner)


def _unreadable(namespace: Namespace, where: str, reason: str) -> Snapshot:
    return Snapshot(
        id=namespace.id,
        initiator=namespace.initiator,
        responder=None,
        states={},
        digests={},
        problems=(Problem(path=where, reason=reason),),
        decidable=False,
        archived=namespace.archived,
    )


def _crowded(snapshot: Snapshot, where: str, seen: int, found: int) -> Snapshot:
    reason = (
        f"expected two state files, found {found - (snapshot.outcome is not None)}, of which"
        f" {seen} were looked at; move the others away"
    )
    return msgspec.structs.replace(
        snapshot,
        problems=(*snapshot.problems, Problem(path=where, reason=reason)),
        # Who the responder is may stand in one that was not looked at.
        decidable=snapshot.decidable and snapshot.responder is not None,
    )


def _stable(
    directory: int, namespace: Namespace, responder: Address | None, likely: Sequence[str]
) -> tuple[dict[str, _Seen], int] | None:
    """Return what was looked at, by the name that is shown, and how many files there are."""
    names = likely
    for look in range(MAX_LOOKS):
        seen: dict[str, _Seen] = {}
        try:
            for name in names:
                _look(directory, name, seen)
            found = _listed(directory)
            names = found
            if len(found) > FEW or look >= MAX_LOOKS // 2:
                # A stranger whose files change all the time must not keep the parties from
                # being heard.
                strangers = look < MAX_LOOKS // 2
                names = _chosen(found, namespace, responder, strangers=strangers)
            if _still_stand(directory, names, seen):
                return {shown(name): held for name, held in seen.items()}, len(found)
        finally:
            for held in seen.values():
                if held.fd >= 0:
                    os.close(held.fd)
    return None


def _listed(directory: int) -> list[str]:
    """Return the names of the states and of the outcome."""
    return [
        name
        for name in os.listdir(directory)
        if name.endswith(reading.STATE_SUFFIX) or name == reading.OUTCOME_NAME
    ]


def _chosen(
    found: list[str], namespace: Namespace, responder: Address | None, *, strangers: bool
) -> list[str]:
    """Return which of many files to look at."""
    ranked = sorted(
        (reading.rank(namespace.id, namespace.initiator, responder, name), name) for name in found
    )
    # Whoever floods a namespace with files cannot make a poll read them all.
    chosen = [name for number, name in ranked if strangers or number < reading.STRANGER]
    return chosen[:MAX_FILES]


def _look(directory: int, name: str, seen: dict[str, _Seen]) -> None:
    try:
        found = bounded.open_looked(name, directory)
        if isinstance(found, RecordError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            seen[name] = _Seen(-1, status, found)
            return
    except FileNotFoundError:
        return
    fd, status = found
    try:
        file = bounded.read_open(fd, status.st_size)
    except BaseException:
        # An I/O error, an interrupt: it goes on to the caller, without an open file.
        os.close(fd)
        raise
    seen[name] = _Seen(fd, status, file)


def _still_stand(directory: int, names: Sequence[str], seen: Mapping[str, _Seen]) -> bool:
    """Return whether what was looked at are the files of these names, as they were then.

    Of the size and time that they had, too: some write in place.
    """
    if len(names) != len(seen):
        return False
    try:
        for name in names:
            if name not in seen:
                return False
            now, then = os.stat(name, dir_fd=directory, follow_symlinks=False), seen[name].status
            if (
                now.st_ino != then.st_ino
                or now.st_mtime_ns != then.st_mtime_ns
                or now.st_size != then.st_size
                or now.st_dev != then.st_dev
            ):
                return False
    except FileNotFoundError:
        return False
    return True


def has_link(layout: Layout, namespace: Namespace, party: Address) -> bool:
    """Return whether the party's own directory has a link to the namespace."""
    entry = layout.entry(party, namespace.id, archived=namespace.archived)
    return linked_to(layout, entry) == namespace


def linked_to(layout: Layout, entry: str) -> Namespace | None:
    """Return the namespace that a link means, None where there is no such link."""
    try:
        return layout.link_target(entry, os.readlink(entry))
    except OSError as error:
        # EINVAL: this is no link. Whatever else the disk says is no answer.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL):
            raise
        return None


def find(layout: Layout, party: Address, negotiation_id: str) -> Namespace | None:
    """Return the party's negotiation of that id, active or archived, where it is not packed."""
    for archived in (False, True):
        # What lies behind a link in the place of a room is not the party's.
        if not bounded.has_room(layout, party, ARCHIVE if archived else ACTIVE):
            continue
        entry = layout.entry(party, negotiation_id, archived=archived)
        target = Namespace(negotiation_id, party, archived)
        try:
            target = layout.link_target(entry, os.readlink(entry)) or target
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            # EINVAL: this is no link.
            if error.errno != errno.EINVAL:
                raise
        if target.id != negotiation_id:
            continue
        # A link may still say where the namespace was before it was archived, or, after a
        # power cut, where it will be.
        for place in (target, target._replace(archived=not target.archived)):
            if bounded.is_directory(layout.namespace(place)):
                return place
    return None


def create(
    disk: Disk,
    layout: Layout,
    parties: tuple[Address, Address],
    chemical: str,
    seconds: int,
    first_state: Callable[[str], PartyState],
    owners: Owners = SHARED,
    packed: Callable[[Address, str, int], bool] = lambda party, name, seconds: False,
    *,
    author: Address | None = None,
) -> Namespace:
    """Create a namespace with its first state, and the responder's link to it.

    The caller holds the author's lock. Whoever else wants the name, even for the same pair, has
    to make the same link first; creating it fails then, and the next second is tried.

    Args:
        disk: what changes go through.
        layout: of the data root.
        parties: initiator and responder.
        chemical: enters the id.
        seconds: unix seconds; enters the id.
        first_state: called with the id, returns the author's state.
        owners: whom the files tell apart.
        packed: whether an id that stems from that time is packed at a party.
        author: whose the first state is: the initiator's, unless it is said. A responder answers
            a listing, and lays the namespace down at its author.
    """
    initiator, responder = parties
    author = initiator if author is None else author
    counterparty = responder if author == initiator else initiator
    for party in parties:
        bounded.check_room(layout, party, ACTIVE)
    if not owners.isolated:
        # Whoever made the parties' directories may have died before they were durable. Before
        # anything is written: one party must not be left with a negotiation without the other.
        disk.confirm(layout.teams)
    while True:
        namespace = Namespace(negotiation_id(initiator, responder, chemical, seconds), initiator)
        seconds += 1
        if _taken(layout, namespace.id, parties):
            continue
        if any(packed(party, namespace.id, seconds - 1) for party in parties):
            # The clock has gone back.
            continue
        # Encoded first: a state that cannot be written must leave nothing behind.
        data = codec.encode(first_state(namespace.id))
        # In the author's own room: in another's, only whoever holds that one's lock makes things.
        hidden = owners.claim(disk, layout, author)
        link = layout.entry(responder, namespace.id, archived=False)
        if not disk.link_to(layout.link_text(namespace), link):
            owners.release(disk, hidden)
            continue
        try:
            disk.replace(f"{hidden}/{state_file_name(author, counterparty)}", data)
            disk.move(hidden, layout.namespace(namespace))
        except BaseException as error:
            if os.path.isdir(hidden):
                owners.release(disk, hidden)
                disk.remove(link)
            if isinstance(error, OSError) and error.errno in TAKEN:
                # The responder is starting one with this party, of the same name: both
                # have the same short name. Its link came first.
                continue
            raise
        return namespace


def _taken(layout: Layout, name: str, parties: tuple[Address, Address]) -> bool:
    return any(
        os.path.lexists(layout.entry(party, name, archived=archived))
        for party in parties
        for archived in (False, True)
    )


def write(
    disk: Disk,
    layout: Layout,
    namespace: Namespace,
    name: str,
    data: bytes,
    seen: Snapshot | None,
    owners: Owners = SHARED,
) -> bool:
    """Replace one state file; return False where that is no longer what follows from `seen`."""
    directory = layout.namespace(namespace)

    def holds() -> bool:
        return seen is None or stands(layout, namespace, seen.digests, owners)

    try:
        disk.replace(f"{directory}/{name}", data, None if seen is None else holds)
    except (FileNotFoundError, Overtaken):
        # Somebody wrote since, or it was concluded and moved to the archive meanwhile.
        return False
    except PermissionError as error:
        # EACCES: frozen, because the poller is deciding or has decided. EPERM: the name is
        # taken by somebody else's file.
        if not owners.isolated or error.errno != errno.EACCES:
            raise
        time.sleep(FROZEN_PAUSE_S)
        return False
    disk.overtake(directory)
    return True


def stands(
    layout: Layout, namespace: Namespace, digests: Mapping[Address, str], owners: Owners = SHARED
) -> bool:
    """Return whether the namespace still holds these states, and no outcome.

    Who has written since has renamed a file over its own before this looks at it, or finds the
    temporary file of whoever asks: so one file may be looked at after the other.
    """
    if not owners.isolated and _stands_as_ever(layout.namespace(namespace), digests):
        return True
    found = read_snapshot(layout, namespace, owners)
    return found is not None and found.outcome is None and found.digests == digests


def _stands_as_ever(directory: str, digests: Mapping[Address, str]) -> bool:
    """Return True where that is certain from the two files' bytes, unread."""
    if len(digests) != 2:
        return False
    one, other = digests
    return (
        _is_still(f"{directory}/{state_file_name(one, other)}", digests[one])
        and _is_still(f"{directory}/{state_file_name(other, one)}", digests[other])
        and not os.path.lexists(f"{directory}/{reading.OUTCOME_NAME}")
    )


def _is_still(path: str, digest: str) -> bool:
    data = bounded.read_once(path)
    return data is not None and sha256(data).hexdigest() == digest


def conclude(
    disk: Disk,
    layout: Layout,
    namespace: Namespace,
    outcome: Outcome,
    owners: Owners = SHARED,
) -> Outcome:
    """Create the outcome unless there is one; return the one that stands."""
    if not owners.isolated:
        return _conclude(disk, layout, namespace, outcome, owners)
    with owners.frozen(disk, layout.namespace(namespace)):
        clear_names(disk, layout, namespace, outcome.responder, owners)
        return _conclude(disk, layout, namespace, outcome, owners)


def _conclude(
    disk: Disk, layout: Layout, namespace: Namespace, outcome: Outcome, owners: Owners
) -> Outcome:
    path = f"{layout.namespace(namespace)}/{reading.OUTCOME_NAME}"
    basis = {party: basis.sha256 for party, basis in outcome.states.items()}

    def holds() -> bool:
        return not basis or stands(layout, namespace, basis, owners)

    try:
        # With states to go by, the guard finds an outcome that is there already.
        taken = not basis and os.path.lexists(path)
        if not taken and disk.create(path, codec.encode(outcome), holds):
            return outcome
    except (FileNotFoundError, Overtaken):
        # Somebody wrote, or concluded it, or has moved it to the archive: what is there now
        # tells which.
        pass
    for place in (namespace, namespace._replace(archived=True)):
        directory = layout.namespace(place)
        standing = bounded.read_record(f"{directory}/{reading.OUTCOME_NAME}")
        if standing is not None:
            # Effects follow, and who created it may not have come to syncing it.
            disk.confirm_file(f"{directory}/{reading.OUTCOME_NAME}")
            disk.confirm(directory)
            return codec.decode_outcome(standing)
    if os.path.isdir(layout.namespace(namespace)):
        raise Conflict("moved", f"a party wrote in {namespace.id} while it was being decided")
    raise FileNotFoundError(errno.ENOENT, "the namespace is gone", path)


def clear_names(
    disk: Disk, layout: Layout, namespace: Namespace, responder: Address | None, owners: Owners
) -> list[Problem]:
    """Set aside whatever has a party's name, or the outcome's, and is not of that owner."""
    if responder is None:
        return []
    parties = {
        state_file_name(namespace.initiator, responder): namespace.initiator,
        state_file_name(responder, namespace.initiator): responder,
    }
    directory = layout.namespace(namespace)
    problems = []
    for name in owners.strangers(directory, parties, reading.OUTCOME_NAME):
        reason = f"was not written by {parties.get(name, 'the poller')}"
        moved = set_aside(disk, layout, f"{directory}/{name}", reason, time.time())
        problems.append(
            Problem(
                path=layout.relative(f"{directory}/{name}"),
                reason=f"{reason}; set aside as {layout.relative(moved)}",
            )
        )
    return problems
