"""Watching: what happens at a desk, as typed events.

Rules of the room:

- What happens is told by `core.events` from the files, where by the store's `watching`. Here the
  two meet: whatever the store names is read, and what is new in it is told.
- A watch begins with a look at all that is there; from then on it knows what each negotiation
  said last. That is what makes it tell each thing once, whoever writes, and however often the
  store names a negotiation.
- It costs what changes, but for that look, and keeps of an active negotiation what tells new
  from known, of one that has ended nothing.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

from nom_negotiate.core import events
from nom_negotiate.core.events import Accepted as Accepted
from nom_negotiate.core.events import Event as Event
from nom_negotiate.core.events import Expired as Expired
from nom_negotiate.core.events import Expiring as Expiring
from nom_negotiate.core.events import Known
from nom_negotiate.core.events import ListingClosed as ListingClosed
from nom_negotiate.core.events import ListingEvent as ListingEvent
from nom_negotiate.core.events import ListingPosted as ListingPosted
from nom_negotiate.core.events import MessageSent as MessageSent
from nom_negotiate.core.events import NegotiationEvent as NegotiationEvent
from nom_negotiate.core.events import OfferMade as OfferMade
from nom_negotiate.core.events import Rejected as Rejected
from nom_negotiate.core.events import Settled as Settled
from nom_negotiate.core.events import Started as Started
from nom_negotiate.core.events import Withdrawn as Withdrawn
from nom_negotiate.errors import NomError, StoreError

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.party import Listing
    from nom_negotiate.core.state import Limits
    from nom_negotiate.store.port import Namespace, Store

LONGEST_WAIT_S: Final = 3600.0

LATE_S: Final = 3600
"""What ended longer before the watch began has only now been put into the archive."""

_Key = tuple[str, str]
"""Which negotiation: its initiator and its id."""


class Watch:
    """What happens from now on: an iterator of events that waits for the next one.

    Each event comes once, and those of one negotiation come in their order. Threads may share
    one: each event goes to one of them. Usable as a context manager; one that is not closed holds
    a few open files until it is collected.

    Args:
        store: what to watch.
        clock: returns unix seconds.
        party: only what concerns this party.
        negotiation_id: only negotiations of this id, and no listings.
        warn_ahead_s: how many seconds before a negotiation expires that is told; None for six
            hours, or a quarter of the silence that it lasts where that is less.
        timeout_s: seconds without an event after which the iteration ends; None for never.
        notice: told in one line, once, why events come later than they could.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        party: Address | None = None,
        negotiation_id: str | None = None,
        warn_ahead_s: int | None = None,
        timeout_s: float | None = None,
        notice: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._party = party
        self._warn_ahead_s = warn_ahead_s
        self._timeout_s = timeout_s
        self._notice = notice
        self._known: dict[_Key, Known] = {}
        self._listings: dict[Address, dict[str, Listing]] = {}
        self._warnings: list[tuple[int, _Key]] = []
        self._warned_at: dict[_Key, int] = {}
        self._unread: set[Namespace] = set()
        self._pending: deque[Event] = deque()
        self._stopped = False
        self._closed = False
        # Held while it looks and waits. Reentrant: a handler of a signal may close it.
        self._lock = threading.RLock()
        self._since = int(clock())
        self._watching = store.watching(party, negotiation_id, notice=notice)
        try:
            self._look()
        except BaseException:
            self._watching.close()
            raise
        # What was there before is no news; what is about to expire still is.
        self._pending = deque(each for each in self._pending if isinstance(each, events.Expiring))

    # ------------------------------------------------------------------ for who watches

    def look(self, *, scan: bool = False) -> list[Event]:
        """Return what has happened since, in order. Does not wait.

        Args:
            scan: look through everything, also where the system tells of changes or it was done
                a moment ago.

        Raises:
            StoreError: where the store cannot be looked at; a later call may go on.
        """
        with self._lock:
            if not self._closed:
                self._look(scan=scan)
            found = list(self._pending)
            self._pending.clear()
            return found

    def next(self, timeout_s: float | None = None) -> Event | None:
        """Wait for the next event and return it; None after the time, and when stopped.

        Args:
            timeout_s: seconds to wait; None for as long as it takes.

        Raises:
            StoreError: where the store cannot be looked at; a later call may go on.
        """
        ends = None if timeout_s is None else time.monotonic() + timeout_s
        with self._lock:
            while not self._closed:
                if not self._pending:
                    self._look()
                if self._pending:
                    return self._pending.popleft()
                left = LONGEST_WAIT_S if ends is None else ends - time.monotonic()
                if left <= 0 or self._stopped:
                    break
                self._watching.wait(min(left, self._until_warning()))
            if self._stopped:
                self.close()
            return None

    def __iter__(self) -> Watch:
        return self

    def __next__(self) -> Event:
        event = None if self._stopped else self.next(self._timeout_s)
        if event is None:
            raise StopIteration
        return event

    def stop(self) -> None:
        """End the iteration, and the wait of whoever waits.

        From any thread, and from a handler of a signal: it waits for nothing.
        """
        self._stopped = True
        self._watching.wake()

    def close(self) -> None:
        """Stop, and give back what is held once nobody waits any more. Idempotent."""
        self.stop()
        with self._lock:
            if not self._closed:
                self._closed = True
                self._watching.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ looking

    def _look(self, *, scan: bool = False) -> None:
        limits = self._store.settings().limits
        looked = self._watching.look(scan=scan)
        places = dict.fromkeys([*self._unread, *looked.places, *looked.archived])
        self._unread.clear()
        for place in places:
            self._follow(place, limits)
        for place in looked.gone:
            self._forget((place.initiator, place.id))
        for party in looked.listings:
            self._follow_listings(party)
        self._warn()

    def _follow(self, place: Namespace, limits: Limits) -> None:
        try:
            snapshot = self._store.snapshot(place)
        except StoreError as error:
            # EMFILE, EIO: it is looked at again. The others go on.
            self._unread.add(place)
            self._notice(f"{error.message}; {error.hint}")
            return
        # One that is gone from here is in the archive, and named as such.
        if snapshot is None or (self._party and not snapshot.concerns(self._party)):
            return
        key = (place.initiator, place.id)
        known = self._known.get(key)
        ended = snapshot.outcome
        if known is None and ended is not None and ended.at < self._since - LATE_S:
            # Unpacked, or brought over from elsewhere: it did not happen now.
            return
        found, after = events.follow(known, snapshot, limits)
        self._pending.extend(found)
        if after is None or place.archived:
            self._forget(key)
            return
        self._known[key] = after
        self._expect(key, after)

    def _forget(self, key: _Key) -> None:
        self._known.pop(key, None)
        self._warned_at.pop(key, None)

    # ------------------------------------------------------------------ what is about to expire

    def _expect(self, key: _Key, known: Known) -> None:
        at = events.warn_at(known, self._warn_ahead_s)
        expected = self._warned_at.get(key)
        # What comes later than expected is put off when its time has come.
        if at is not None and (expected is None or at < expected):
            self._warned_at[key] = at
            heapq.heappush(self._warnings, (at, key))

    def _warn(self) -> None:
        now = self._clock()
        while self._warnings and self._warnings[0][0] <= now:
            at, key = heapq.heappop(self._warnings)
            if self._warned_at.get(key) != at:
                continue
            del self._warned_at[key]
            known = self._known[key]
            due = events.warn_at(known, self._warn_ahead_s)
            if due is not None and due <= now:
                event, known = events.warn(known, self._warn_ahead_s)
                self._pending.append(event)
                self._known[key] = known
            self._expect(key, known)

    def _until_warning(self) -> float:
        if not self._warnings:
            return LONGEST_WAIT_S
        return min(LONGEST_WAIT_S, max(0.0, self._warnings[0][0] - self._clock()))

    # ------------------------------------------------------------------ listings

    def _follow_listings(self, party: Address) -> None:
        try:
            found, problems = self._store.listings(party)
        except NomError as error:
            self._notice(f"{error.message}; {error.hint}")
            return
        unreadable = [problem.path.rpartition("/")[2].removesuffix(".json") for problem in problems]
        known = self._listings.get(party, {})
        new, after = events.posted_or_closed(known, found, unreadable, int(self._clock()))
        self._pending.extend(new)
        self._listings[party] = after
