"""What every store offers: the protocol between the use cases and the bytes.

Rules of the room:

- A party's files are written through a `Writer`, which is bound to that party and exists
  only while the party's own lock is held. No call takes a user to write as.
- No lock that a writer takes is ever waited for by another party.
- Unless a call says otherwise it is durable when it returns, and may be repeated.
- Every call may raise `StoreError`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal

    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Problem, Snapshot
    from nom_negotiate.core.outcome import Outcome, Transaction
    from nom_negotiate.core.party import Listing, Profile, Settings
    from nom_negotiate.core.state import PartyState

PACK_AT_MOST: Final = 5_000
"""Negotiations and transactions that one call of `pack` moves, unless it is told otherwise."""


SCAN_EVERY_S: Final = 300
"""Seconds after which a pass looks through everything again."""


class Namespace(NamedTuple):
    """Where one negotiation is: a handle, cheap to make and to compare.

    Attributes:
        id: the label of the negotiation.
        initiator: the party whose directory holds it.
        archived: whether it lies in the archive.
    """

    id: str
    initiator: Address
    archived: bool = False


Dealt: TypeAlias = "Mapping[str, Mapping[str, Decimal]]"
"""Quantities by the id of a listing and the id of the negotiation in which they were agreed."""


class Filed(NamedTuple):
    """A transaction with the name of its file, which is unique for its owner."""

    name: str
    transaction: Transaction


class PackSummary(NamedTuple):
    """What one pack of a party holds.

    Attributes:
        month: of the outcomes and transactions in it, like `2026-01`, in UTC.
        negotiations: how many, of which the party may be either side.
        transactions: how many of the party's own.
        size: in bytes, as it is kept.
        problems: what of it cannot be read.
    """

    month: str
    negotiations: int
    transactions: int
    size: int
    problems: tuple[Problem, ...] = ()


class Packing(NamedTuple):
    """What a call of `pack` or `unpack` did.

    Attributes:
        negotiations: how many were moved, in or out.
        transactions: how many were moved, in or out.
        problems: what was left where it is, and why.
        more: whether the call left something for another one.
    """

    negotiations: int = 0
    transactions: int = 0
    problems: tuple[Problem, ...] = ()
    more: bool = False


class Waiting(enum.Enum):
    """What a pass would find to do."""

    NOTHING = "nothing"
    HINTS = "somebody has written, or something is due"
    SCAN = "everything is to be looked through"


class Agenda(Protocol):
    """What one pass has to look at.

    Attributes:
        places: by initiator and id.
        unchanged: what goes on and need not be looked at; only a scan knows.
        problems: what was met on the way.
        scanned: whether everything was looked through.
        scan_again: to be set where the next pass is to look through everything, too.
    """

    scan_again: bool
    places: list[Namespace]
    unchanged: list[Namespace]
    problems: list[Problem]
    scanned: bool

    def quiet(self, place: Namespace, due: int, responder: Address) -> None:
        """Note that a namespace needs no look until something is written, or it is due.

        Args:
            place: one that was looked at.
            due: unix second after which it expires.
            responder: who has a link to it.
        """

    def again(self, place: Namespace) -> None:
        """Ask the next pass to look at a namespace: this one could not do what it called for."""


class Looked(NamedTuple):
    """Where something may have changed since the look before.

    Attributes:
        places: active negotiations that may have changed, or are new.
        archived: negotiations that have come to the archive: each is named once.
        gone: those that are neither active nor in the archive any more.
        listings: parties whose listings may have changed.
    """

    places: list[Namespace]
    archived: list[Namespace]
    gone: list[Namespace]
    listings: list[Address]


class Watching(Protocol):
    """What one who watches is told by a store. For one thread at a time, but for `wake`."""

    def look(self, *, scan: bool = False) -> Looked:
        """Return where something may have changed since the last call. Does not wait.

        The first call names all that is active, and nothing of the archive.

        Args:
            scan: look through everything, whatever is told and however long ago that was done.
        """

    def wait(self, timeout_s: float) -> None:
        """Return when something may have changed, after `wake`, or after so many seconds.

        Sooner, too: whoever waits looks, and waits again.
        """

    def wake(self) -> None:
        """End the wait that is going on, or the next one. From any thread or signal handler."""

    def close(self) -> None:
        """Give back what it holds. Idempotent."""


class Listening(Protocol):
    """A poller's ear. For one thread, but for `wake`."""

    def sleep(
        self,
        timeout_s: float,
        is_over: Callable[[], bool],
        *,
        unfinished: Collection[str] = (),
        busy: bool = False,
    ) -> bool:
        """Return True when somebody has written, False after so many seconds or `wake`.

        To be called after a pass: what was written meanwhile ends the sleep before it begins.

        Args:
            timeout_s: seconds.
            is_over: whether `wake` was called in order to end all of it.
            unfinished: ids that the pass itself has rung for.
            busy: whether there was no pass, for another one was running.
        """

    def wake(self) -> None:
        """End the sleep. From any thread or signal handler."""

    def close(self) -> None:
        """Give back what it holds. Idempotent."""


class Writer(Protocol):
    """The pen of one party, valid while its lock is held."""

    @property
    def party(self) -> Address:
        """Return whose files this writes."""

    def create(
        self,
        other: Address,
        chemical: str,
        seconds: int,
        first_state: Callable[[str], PartyState],
        *,
        invited: bool = False,
    ) -> Namespace:
        """Create a negotiation with its first state; both parties find it, or neither.

        An id that is taken moves on to the next second.

        Args:
            other: the counterparty, whose directory exists.
            chemical: enters the id.
            seconds: unix seconds; enters the id.
            first_state: called with the id, returns this party's state.
            invited: whether the counterparty has asked for it, by a listing: then that one is
                the initiator, in whose directory the negotiation lies and who writes in it when
                it speaks; this party is the responder, and the first to write.
        """

    def write(
        self, namespace: Namespace, state: PartyState, *, seen: Snapshot | None = None
    ) -> bool:
        """Replace this party's own state, whole; return False where nothing was written.

        Whoever returns from here and then finds no outcome is part of every later one: an
        outcome that was about to be created from what stood before is not.

        Args:
            namespace: which negotiation.
            state: what to say.
            seen: what it follows from. Where the namespace no longer holds these states, or
                has an outcome, nothing is written.

        Returns:
            False where the namespace is gone, or is not what was `seen`: look again.
        """

    def replace_transaction(self, name: str, transaction: Transaction) -> None:
        """Replace one of this party's own transaction files."""

    def write_transaction(self, name: str, transaction: Transaction) -> str:
        """Add a transaction of this party under `name`, or the next free name; return it.

        Idempotent for each pair of negotiation and type.
        """

    def write_listing(self, listing: Listing, *, seen: Listing | None = None) -> bool:
        """Write one of this party's own listings; return False where nothing was written.

        Args:
            listing: what to say.
            seen: what it follows from. Where that is not what stands there any more, because a
                program has written or removed it, nothing is written.
        """

    def remove_listing(self, listing_id: str) -> None:
        """Remove one of this party's own listings; one that is gone already is fine."""

    def write_profile(self, profile: Profile) -> None:
        """Replace what this party says of itself."""

    def write_private(self, name: str, data: bytes) -> None:
        """Replace one record of this party's private room, which nobody else can read.

        Args:
            name: of the record; the same as in `Store.private`.
            data: its content.
        """

    def discard_private(self, name: str) -> bool:
        """Remove one record of this party's private room; return whether it was there."""

    def ring(self, namespace: Namespace) -> None:
        """Ask the next pass to look at a negotiation, though nothing was written in it."""


class Store(Protocol):
    """Parties, negotiations, transactions and listings, wherever they are kept."""

    def initialise(self, settings: Settings) -> bool:
        """Set the store up, or change its settings; return whether it was new.

        Raises:
            ConfigurationError: where the place cannot hold a store.
        """

    def is_set_up(self) -> bool:
        """Return whether there is anything here yet: a set-up, or a party."""

    def settings(self) -> Settings:
        """Return how the store was set up; the defaults where it was not.

        Raises:
            ConfigurationError: `malformed_settings`.
        """

    def parties(self) -> list[Address]:
        """Return every party, sorted."""

    def known(self, party: Address) -> bool:
        """Return whether the party has a directory."""

    def profile(self, party: Address) -> Profile | None:
        """Return who the party is, None where it has not been said.

        Raises:
            RecordError: where it cannot be read.
        """

    def add_party(self, profile: Profile) -> bool:
        """Make room for a party; return whether it is new. An existing profile stays."""

    def writer(self, party: Address) -> AbstractContextManager[Writer]:
        """Take the party's own lock and return its pen.

        Raises:
            Conflict: `busy`, where the lock could not be had in 10 seconds.
        """

    def try_writer(self, party: Address) -> AbstractContextManager[Writer | None]:
        """Take the party's own lock where nobody has it, and return its pen; None elsewhere.

        Never waits. For what others may note in a party's name, if need be at another time.
        """

    def namespaces(
        self, party: Address | None = None, *, archived: bool = False
    ) -> Iterator[Namespace]:
        """Yield the negotiations of one party, or of all, each once; for each party by id."""

    def between(self, party: Address, other: Address) -> Iterator[Namespace]:
        """Yield what two parties negotiate, active only, and maybe what they negotiate with others.

        Costs little where they have much to do with others and little with each other.
        """

    def find(self, party: Address, negotiation_id: str) -> Namespace | None:
        """Return the party's negotiation of that id, active or archived."""

    def snapshot(self, namespace: Namespace) -> Snapshot | None:
        """Return what the namespace held at one moment, None where it is gone."""

    def conclude(self, namespace: Namespace, outcome: Outcome) -> Outcome:
        """Record the outcome unless there is one; return the one that stands.

        Of any number of concurrent callers exactly one decides. Durable before it returns.
        An outcome that names the states it was decided from is recorded only while the
        namespace holds these states.

        Raises:
            Conflict: `moved`, where a party has written since: decide again.
        """

    def discard_torn(self, snapshot: Snapshot) -> bool:
        """Remove an outcome of which a power cut has left a part; return whether there was one.

        To be asked where a snapshot has problems. One from which transactions have followed
        stays.
        """

    def settle(self, outcome: Outcome) -> dict[Address, Filed]:
        """Place the two transactions of an agreed outcome; return them.

        Idempotent: what is there already stays, a name that is taken by another
        negotiation moves on to `_2`, `_3`. Where one of the parties has no room for its
        own, neither is placed.
        """

    def announce(self, namespace: Namespace, responder: Address | None) -> None:
        """Let the responder find a concluded negotiation in its archive, before it is there.

        Only in a batch it is worth a call of its own: `archive` does it, too.
        """

    def archive(self, namespace: Namespace, responder: Address | None) -> Namespace:
        """Move a concluded negotiation to both parties' archives; return where it is now.

        Idempotent; a move that was cut short is finished.
        """

    def repair_link(self, namespace: Namespace, responder: Address) -> bool:
        """Make sure that the responder finds the negotiation; return whether it did not."""

    def batch(self) -> AbstractContextManager[Store]:
        """Yield this store for many changes that share barriers.

        What is changed through it is durable once `barrier` was called after it. A power cut
        before that may leave it half there, in any order; after it, a scan that trusts no hint
        finds and finishes it.
        """

    def barrier(self) -> None:
        """Make durable what was changed in a batch."""

    def waiting(self, now: int) -> Waiting:
        """Return what a pass at `now` would find to do.

        A hint, without a lock. Costs the same however much is there.
        """

    def attend(
        self, now: int, *, scan: bool, trusting: bool = True
    ) -> AbstractContextManager[Agenda]:
        """Yield what one pass has to look at; to be called under the poller's lock.

        Where the block does not come to its end, the next pass looks through everything.

        Args:
            now: unix seconds.
            scan: look through everything, and not only where the doorbell was rung.
            trusting: pass over what has not changed since the last scan. Otherwise, what a
                crash left half done outside the namespaces is finished, too.
        """

    def watching(
        self,
        party: Address | None = None,
        negotiation_id: str | None = None,
        *,
        notice: Callable[[str], object],
    ) -> Watching:
        """Begin to watch for changes, whoever makes them.

        Args:
            party: only what concerns this party; None for everybody.
            negotiation_id: only negotiations of this id, and no listings; None for all.
            notice: told in one line, once, why changes are found later than they could be.
        """

    def listening(self, notice: Callable[[str], object]) -> Listening | None:
        """Begin to listen for whoever writes; None for a store of which nobody hears.

        To be called before the first pass, which is a scan then.

        Args:
            notice: told in one line, once for each reason, why a deal may have to wait.
        """

    def transactions(self, party: Address) -> tuple[list[Filed], list[Problem]]:
        """Return the party's transactions by name, and what could not be read."""

    def listings(self, party: Address) -> tuple[list[Listing], list[Problem]]:
        """Return the party's listings by id, and what could not be read."""

    def listing(self, party: Address, listing_id: str) -> Listing | None:
        """Return the party's listing of that id, None where there is none that can be read."""

    def unfinished(self, initiator: Address) -> Iterator[Namespace]:
        """Yield those of the party's own active negotiations that have an outcome already.

        A pass that was cut short has left them; the next one settles and archives them.
        """

    def dealt(self, party: Address, listings: Iterable[Listing]) -> Dealt:
        """Return the quantities that count against listings of the party, by id and negotiation.

        From its own transactions, packed or not; those that cannot be read are left out. Reads
        only those whose names say that they may count.
        """

    def private(self, party: Address, name: str) -> bytes | None:
        """Return one record of the party's private room, None where there is none.

        Raises:
            RecordError: where it cannot be read, or is larger than 256 KiB.
            StoreError: `denied`, for everybody but the party.
        """

    def private_names(self, party: Address) -> list[str]:
        """Return the names of all records of the party's private room, sorted.

        Raises:
            StoreError: `denied`, for everybody but the party.
        """

    def recent_transactions(self, chemical: str, at_most: int) -> list[Transaction]:
        """Return the last transactions over a chemical, newest first, one side of each.

        Of those that may be read. A hint of what is paid: it looks where something was filed
        last, and reads no more than it returns and a few.
        """

    def recent_listings(self, chemical: str, at_most: int) -> list[Listing]:
        """Return of each party the last listing over a chemical that stands and says a price.

        Of parties that changed theirs last. A hint, as `recent_transactions` is.
        """

    def pack(
        self, before: int, *, party: Address | None = None, at_most: int = PACK_AT_MOST
    ) -> Packing:
        """Pack what ended before a time: archived negotiations and settled transactions.

        What is packed is found and read as before. To be called under the poller's lock.
        Durable and idempotent; one that was cut short is finished by the next. What cannot be
        packed exactly stays where it is and is told.

        Args:
            before: unix seconds.
            party: only its transactions, and the negotiations that it is a party of.
            at_most: how much is packed before the rest is left for another call.
        """

    def unpack(self, what: str, party: Address | None = None) -> Packing:
        """Put back what is packed, the same bytes under the same names.

        To be called under the poller's lock. What is there unpacked stays as it is.

        Args:
            what: a month, the id of a negotiation (with its transactions), or the name of a
                transaction.
            party: whose; None for those of everybody.
        """

    def packs(self, party: Address) -> list[PackSummary]:
        """Return what the party's packs hold, by month."""

    def sweep(self) -> list[Problem]:
        """Remove what was left over where `mend` does not look; report what is odd."""

    def swept_at(self) -> int:
        """Return the unix seconds that `note_sweep` was told last; 0 where that is lost."""

    def note_sweep(self, at: int) -> None:
        """Note when a sweep began. A hint only."""

    def polling(self) -> AbstractContextManager[bool]:
        """Take the poller's lock; the value says whether it was free. Never waits."""

    def log_pass(self, line: bytes) -> None:
        """Append one line to the stats log. Not durable."""

    def passes(self) -> Iterator[bytes]:
        """Yield the lines of the stats log, oldest first."""
