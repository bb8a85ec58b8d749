"""The namespaces, and the links that lead to them.

Rules of the room:

- What the next pass finishes is told from what it does not: a move to the archive that was cut
  short from one that somebody made by hand.
- A state is never set aside while it may be what its author says. A copy of a whole negotiation
  is, where the archive holds the same bytes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping

from nom_negotiate.core.identity import Address, directory_name, is_id, short_name
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.store.files import mending, namespace
from nom_negotiate.store.files.inspection.deals import Ledger, add_unsettled
from nom_negotiate.store.files.inspection.findings import Severity
from nom_negotiate.store.files.inspection.look import Look, kind_of, named
from nom_negotiate.store.files.installation import digests_of
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE
from nom_negotiate.store.port import Namespace
from nom_negotiate.store.reading import OUTCOME_NAME, SET_ASIDE, STATE_SUFFIX

Entry = tuple[os.DirEntry[str], os.stat_result]


def look_at_namespaces(look: Look, ledger: Ledger, party: Address, room: str) -> None:
    """Look at the negotiations that lie at a party, and at what is no negotiation."""
    for entry, status in look.entries(look.layout.room(party, room)):
        if stat.S_ISLNK(status.st_mode):
            continue
        if not stat.S_ISDIR(status.st_mode):
            reason = f"expected a negotiation or a link to one, found {kind_of(status)}"
            look.aside("foreign", entry.path, reason)
        elif is_id(entry.name):
            look.check_access(entry.path, status)
            place = Namespace(entry.name, party, archived=room == ARCHIVE)
            _Visit(look, ledger, place, status).visit()
        else:
            _odd_directory(look, entry)


def _odd_directory(look: Look, entry: os.DirEntry[str]) -> None:
    reason = f"expected the id of a negotiation as its name, found {named(entry.name)!a}"
    if any(name.endswith((STATE_SUFFIX, OUTCOME_NAME)) for name in _names(entry.path)):
        # Somebody may have said something in it.
        look.add("foreign_directory", entry.path, reason)
    else:
        look.aside("foreign", entry.path, reason)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        # ENOENT: gone meanwhile. EACCES: then nothing can be said of it.
        return [OUTCOME_NAME]


class _Visit:
    """Looks at one negotiation."""

    def __init__(
        self, look: Look, ledger: Ledger, place: Namespace, status: os.stat_result
    ) -> None:
        self.look = look
        self.ledger = ledger
        self.place = place
        self.status = status
        self.path = look.layout.namespace(place)

    def visit(self) -> None:
        snapshot = namespace.read_snapshot(self.look.layout, self.place, self.look.owners)
        if snapshot is None:
            return
        if not self.place.archived:
            snapshot = snapshot.as_of(int(self.look.now))
        self.look.counted["archived" if self.place.archived else "active"] += 1
        self.contents(snapshot)
        self.problems(snapshot)
        outcome = snapshot.outcome
        if outcome is not None:
            self.decided(outcome)
        elif not snapshot.problems:
            self.undecided(snapshot)
        responder = snapshot.responder or (outcome and outcome.responder) or None
        self.look.remember(self.place, responder)
        if responder is not None:
            self.link(responder)
        if not self.place.archived:
            self.twin()

    # What lies in it

    def contents(self, snapshot: Snapshot) -> None:
        for entry, status in self.look.entries(self.path):
            if entry.name != OUTCOME_NAME and not entry.name.endswith(STATE_SUFFIX):
                reason = f"expected states and an outcome, found {kind_of(status)}"
                self.look.aside("foreign", entry.path, reason)

    def problems(self, snapshot: Snapshot) -> None:
        parties = {snapshot.initiator, snapshot.responder} - {None}
        own = {name for party in parties if party is not None for name in _state_names(party)}
        for problem in snapshot.problems:
            self.problem(problem, None if snapshot.responder is None else own)

    def problem(self, problem: Problem, own: set[str] | None) -> None:
        name = problem.path.rpartition("/")[2]
        path = f"{self.path}/{name}"
        if not os.path.lexists(path):
            # About the negotiation as a whole; or a name that cannot be printed.
            self.look.add("unusable", self.path, problem.reason)
        elif problem.reason.endswith(SET_ASIDE):
            self.look.unfinished(path, problem.reason, os.lstat(path).st_ctime)
        elif name == OUTCOME_NAME:
            self.look.add("malformed_outcome", path, problem.reason)
        elif own is None or name in own:
            self.unusable(path, problem.reason)
        else:
            self.look.refuse("foreign", path, problem.reason)

    def unusable(self, path: str, reason: str) -> None:
        if self.place.archived:
            # What was said after the end, or was lost since, decides nothing any more.
            self.look.add("unusable", path, reason, severity=Severity.NOTE, remedy="nothing")
        else:
            self.look.add("unusable", path, reason)

    # How it ended

    def decided(self, outcome: Outcome) -> None:
        missing = self.ledger.decide(outcome)
        path = f"{self.path}/{OUTCOME_NAME}"
        if not self.place.archived:
            self.look.in_flight += bool(missing)
            reason = f"{outcome.outcome}, and not settled and archived yet"
            try:
                self.look.unfinished(path, reason, os.lstat(path).st_mtime)
            except FileNotFoundError:
                # Archived at this moment.
                return
        elif missing:
            add_unsettled(self.look, path, outcome, missing)

    def undecided(self, snapshot: Snapshot) -> None:
        if self.place.archived:
            self.look.add("no_outcome", self.path, "expected an outcome in the archive, found none")
        elif not snapshot.states:
            if mending.is_left_over(self.place.id, self.status):
                reason = "expected the state of a party, found nothing that anybody said"
                self.look.aside("empty_negotiation", self.path, reason)
            else:
                self.look.counted["temporary"] += 1

    # Who finds it

    def link(self, responder: Address) -> None:
        layout, place = self.look.layout, self.place
        if not os.path.isdir(layout.party(responder)):
            reason = f"expected a directory of {responder}, found none"
            self.look.add("unknown_party", self.path, reason)
            return
        entry = layout.entry(responder, place.id, archived=place.archived)
        if os.path.lexists(entry):
            if not os.path.islink(entry):
                reason = f"{responder} has a directory of this id, too, where a link belongs"
                self.look.add("doubled_negotiation", self.path, reason)
        elif not place.archived:
            self.unlinked(entry, responder)
        elif not self.is_behind(responder) and self.look.packed(place) is None:
            # One that was being packed has lost its link already, and is found in the packs.
            self.look.add(
                "missing_link",
                entry,
                f"{responder} does not find this negotiation of {place.initiator}",
                mend=lambda repair: repair.link(place, responder),
            )

    def unlinked(self, entry: str, responder: Address) -> None:
        try:
            # Whichever came later: the link was removed, or the negotiation was put here.
            since = max(os.stat(os.path.dirname(entry)).st_mtime, self.status.st_ctime)
        except OSError:
            # ENOENT, ENOTDIR, EACCES: no such room, which is found elsewhere.
            return
        place = self.place
        if os.path.isdir(self.path):
            self.look.unfinished(
                entry,
                f"{responder} does not find this negotiation of {place.initiator}",
                since,
                mend=lambda repair: repair.link(place, responder),
            )

    def is_behind(self, responder: Address) -> bool:
        """Return whether the responder's link still says where it was; found with the link."""
        source = self.place._replace(archived=False)
        return namespace.has_link(self.look.layout, source, responder)

    def twin(self) -> None:
        """Look for the same negotiation in the archive, packed or not."""
        archived = self.place._replace(archived=True)
        twin = self.look.layout.namespace(archived)
        here = digests_of(self.path)
        there: Mapping[str, str] | None
        if os.path.isdir(twin) and not os.path.islink(twin):
            there = digests_of(twin)
        else:
            there = self.look.packed(archived)
        if here is None or there is None:
            # There is none; or it was moved there at this moment.
            return
        if here.items() <= there.items():
            reason = "the archive holds the same negotiation, with the same files"
            self.look.aside("stale_copy", self.path, reason)
        else:
            reason = "the archive holds another negotiation of this id"
            self.look.add("doubled_negotiation", self.path, reason)


def _state_names(party: Address) -> Iterator[str]:
    yield f"{short_name(party)}{STATE_SUFFIX}"
    yield f"{directory_name(party)}{STATE_SUFFIX}"


# Links


def look_at_links(look: Look, party: Address, room: str) -> None:
    """Look at a party's links; every negotiation has been looked at before."""
    for entry, status in look.entries(look.layout.room(party, room), again=True):
        if stat.S_ISLNK(status.st_mode):
            look.counted["links"] += 1
            _link(look, party, room, (entry, status))


def _link(look: Look, party: Address, room: str, link: Entry) -> None:
    entry, _ = link
    layout = look.layout
    try:
        text = os.readlink(entry.path)
    except FileNotFoundError:
        return
    target = layout.link_target(entry.path, text)
    if target is None or target.id != entry.name or target.archived != (room == ARCHIVE):
        reason = f"expected a link to this negotiation at its initiator, found {named(text)!a}"
        look.aside("stray_link", entry.path, reason)
    elif target.initiator == party:
        look.aside("stray_link", entry.path, "expected the negotiation itself, found a link to it")
    elif not _is_there(look, target):
        _leads_nowhere(look, party, link, target)
    elif not look.is_responder(target, party):
        reason = f"leads to a negotiation of {target.initiator} with somebody else"
        look.aside("stray_link", entry.path, reason)
    elif text != layout.link_text(target):
        path, right = entry.path, layout.link_text(target)
        look.add(
            "absolute_link",
            path,
            f"expected {right}, found {named(text)!a}",
            mend=lambda repair: repair.relink(path, text, right),
        )


def _is_there(look: Look, place: Namespace) -> bool:
    path = look.layout.namespace(place)
    return os.path.isdir(path) and not os.path.islink(path)


def _leads_nowhere(look: Look, party: Address, link: Entry, target: Namespace) -> None:
    entry, status = link
    other = target._replace(archived=not target.archived)
    if _is_there(look, other):
        where = ARCHIVE if other.archived else ACTIVE
        met = os.lstat(look.layout.namespace(other)).st_ctime if other.archived else status.st_mtime
        look.unfinished(entry.path, f"the negotiation is in {where}/ of {target.initiator}", met)
    elif mending.is_left_over(entry.name, status):
        look.add(
            "left_over",
            entry.path,
            f"{target.initiator} has no such negotiation",
            mend=lambda repair: repair.sweep_links(party),
        )
    else:
        look.counted["temporary"] += 1
