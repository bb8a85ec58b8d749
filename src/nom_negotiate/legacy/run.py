"""Carrying out a plan: written down first, then added, and only what is not there yet.

Rules of the room:

- The journal says what will be added, durable, before the first of it is. So whatever a crash
  leaves can be told, completed by a second run, or taken away again.
- What goes on comes last: when a party finds a negotiation, everything else of it is there.
- A run that has nothing to do changes nothing, not a time stamp.
- Files are synced one by one, before their names are there. The directories of a run share one
  barrier at its end: until then it has reported nothing as done, and its journal is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import next_name
from nom_negotiate.core.party import Isolation
from nom_negotiate.errors import ConfigurationError, Conflict
from nom_negotiate.legacy import journal
from nom_negotiate.legacy.books import TRANSACTIONS
from nom_negotiate.legacy.journal import (
    Begin,
    End,
    Made,
    MadeFile,
    MadeNamespace,
    MadeOutcome,
    MadeParty,
)
from nom_negotiate.legacy.plan import (
    Plan,
    Planned,
    PlannedListing,
    PlannedNegotiation,
    PlannedParty,
    PlannedTransaction,
    kind_of,
)
from nom_negotiate.legacy.planner import plan_for, source_name
from nom_negotiate.legacy.records import OldData
from nom_negotiate.legacy.target import Target
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.installation import (
    Installation,
    NewFile,
    NewNamespace,
    NewOutcome,
    NewParty,
)
from nom_negotiate.store.files.removal import Removal

Progress = Callable[[int, int], object]
"""Told how many things are done, of how many."""


def silent(done: int, of: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a run has done.

    Attributes:
        plan: what it had to do.
        added: how many things of each kind it added.
    """

    plan: Plan
    added: Mapping[str, int]


def run(store: FileStore, old: OldData, now: int, progress: Progress = silent) -> Done:
    """Add to the store what is missing of `old`; durable when it returns, and repeatable.

    A run that was killed is completed by the next one. Nobody else has to stop meanwhile; the
    poller may run, and parties may act.

    Args:
        store: the data root; made where it is not there.
        old: the source.
        now: unix seconds; the negotiations that go on begin anew then.
        progress: called after each thing.

    Raises:
        Conflict: `busy`, where another migration of this root is running; `moved`, where
            somebody took a name at the same moment. Repeat it.
        ConfigurationError: `isolated_root`.
        StoreError: where the disk did not do its work. What was added stays; repeat it.
    """
    target = Target(store)
    plan = plan_for(target, old, now)
    if not plan.todo and not plan.resumes:
        return Done(plan, {})
    if target.settings.isolation is Isolation.UNIX:
        # What this user writes would be nobody's word there.
        raise ConfigurationError(
            "isolated_root", f"{store.layout.root} is isolated: each party writes its own files"
        )
    installation = target.installation
    logbook = installation.logbook
    made = logbook.prepare()
    with logbook.alone():
        restore(installation)
        # What was seen without the lock may have been another run at work.
        plan = plan_for(Target(store), old, now)
        source = source_name(str(old.root))
        begin = Begin(at=now, source=source, made=made)
        logbook.append(journal.encode([begin, *intents(installation, plan)]))
        installation.set_up()
        added = _add_all(installation, plan, progress)
        logbook.append(journal.encode([End(at=now, source=source)]))
    return Done(plan, added)


def restore(installation: Installation) -> None:
    """Finish or put back what a migration that was cut short, of either direction, has left."""
    removal = Removal(installation)
    found = journal.decode(installation.logbook.read())
    for party in found.parties:
        removal.bring_back_party(party)
    concluded = []
    for made in found.all_things():
        match made:
            case MadeNamespace():
                removal.bring_back_namespace(made.place)
            case MadeFile():
                removal.bring_back_file(made.party, made.room, made.name)
            case MadeOutcome():
                removal.bring_back_outcome(made.place)
                concluded.append(made.place)
    installation.sweep(concluded)


def intents(installation: Installation, plan: Plan) -> Iterator[Made]:
    """Yield a line for each thing that is to be added."""
    for one in plan.things:
        match one:
            case PlannedParty(new=NewParty() as new):
                lacks = installation.missing(new.party)
                yield MadeParty(
                    party=new.party,
                    whole=lacks.whole,
                    rooms=lacks.rooms,
                    profile=_digest(new.profile) if lacks.profile else None,
                )
            case PlannedTransaction(new=NewFile() as new) | PlannedListing(new=NewFile() as new):
                yield _intent_of_file(new, one.key)
            case PlannedNegotiation(new=NewNamespace() as new):
                yield MadeNamespace(
                    id=new.place.id,
                    initiator=new.place.initiator,
                    responder=new.responder,
                    archived=new.place.archived,
                    files={name: _digest(data) for name, data in new.files.items()},
                    legacy_id=one.legacy_id,
                )
            case PlannedNegotiation(new=NewOutcome() as new):
                yield MadeOutcome(
                    id=new.place.id,
                    initiator=new.place.initiator,
                    responder=one.responder,
                    sha256=_digest(new.data),
                )


def _intent_of_file(new: NewFile, key: str) -> MadeFile:
    return MadeFile(
        party=new.party, room=new.room, name=new.name, sha256=_digest(new.data), key=key
    )


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _add_all(installation: Installation, plan: Plan, progress: Progress) -> Mapping[str, int]:
    added: Counter[str] = Counter()
    todo = [one for one in plan.things if not one.there]
    progress(0, len(todo))
    with installation.batch() as batch:
        adder = _Adder(batch)
        for number, one in enumerate(todo, 1):
            adder.add(one)
            added[kind_of(one)] += 1
            progress(number, len(todo))
        for party in plan.parties:
            # Also what an earlier run, which was killed, has added and did not come to syncing.
            batch.confirm(party.address)
    return added


class _Adder:
    """Adds one thing after the other."""

    def __init__(self, installation: Installation) -> None:
        self._at = installation

    def add(self, one: Planned) -> None:
        match one:
            case PlannedParty(new=NewParty() as new):
                self._at.add_party(new)
            case PlannedTransaction(new=NewFile() as new) | PlannedListing(new=NewFile() as new):
                self._add_file(new, one.key)
            case PlannedNegotiation(new=NewNamespace() as new):
                if not self._at.add_namespace(new):
                    raise _moved(new.place.id, new.place.initiator)
            case PlannedNegotiation(new=None):
                self._at.add_link(one.place, one.responder)
            case PlannedNegotiation(new=NewOutcome() as new):
                if not self._at.add_outcome(new):
                    raise _moved(new.place.id, new.place.initiator)

    def _add_file(self, new: NewFile, key: str) -> None:
        attempt = 1
        wanted = new.name
        while not self._at.add_file(new):
            if new.room != TRANSACTIONS:
                raise _moved(new.name, new.party)
            # A settlement took the name since the plan was made: the next one, written down
            # first like the one before.
            attempt += 1
            new = new._replace(name=next_name(wanted, attempt))
            self._at.logbook.append(journal.encode([_intent_of_file(new, key)]))


def _moved(name: str, party: Address) -> Conflict:
    return Conflict(
        "moved",
        f"somebody took the name {name} at {party} at the same moment",
        hint="run it again: what is there already stays",
    )
