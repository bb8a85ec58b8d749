"""A look through all of a data root, and the moment at which nothing is in motion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from nom_negotiate.errors import ConfigurationError, StoreError
from nom_negotiate.store.files import locking
from nom_negotiate.store.files.errnos import reported
from nom_negotiate.store.files.inspection import deals, homes, negotiations, packed, privacy
from nom_negotiate.store.files.inspection.look import Look
from nom_negotiate.store.files.isolation import SHARED, Owners
from nom_negotiate.store.files.layout import ACTIVE, ARCHIVE, PACKS, PRIVATE
from nom_negotiate.store.files.store import FileStore

# These are a consequence of deals that are found by themselves.
_OF_DEALS = {"unsettled", "no_mirror", "deal_differs", "doubled_transaction", "malformed"}


def look_through(store: FileStore) -> Look:
    """Look through a data root once. Changes nothing.

    Raises:
        StoreError: where it cannot be looked at.
    """
    with reported("look through the data root"):
        look = Look(store.layout, _owners(store))
        ledger, halves = deals.Ledger(), packed.Halves()
        parties = homes.look_at_root(look)
        rooms = {party: homes.look_at_home(look, party) for party in parties}
        for party in parties:
            if "transactions" in rooms[party]:
                deals.look_at_transactions(look, ledger, party)
            if PACKS in rooms[party]:
                packed.look_at_packed_transactions(look, ledger, party)
            if "listings" in rooms[party]:
                homes.look_at_listings(look, party)
            if PRIVATE in rooms[party]:
                privacy.look_at_private(look, party)
        # All negotiations before the first link: a link is judged by what it leads to.
        for party in parties:
            for room in (ACTIVE, ARCHIVE):
                if room in rooms[party]:
                    negotiations.look_at_namespaces(look, ledger, party, room)
            if PACKS in rooms[party]:
                packed.look_at_packed_negotiations(look, ledger, halves, party)
        for party in parties:
            for room in (ACTIVE, ARCHIVE):
                if room in rooms[party]:
                    negotiations.look_at_links(look, party, room)
        look.counted["deals"] = len(ledger)
        packed.look_at_halves(look, halves, parties)
        deals.look_at_suspects(look, ledger, parties)
        _weigh(look, ledger)
        homes.look_at_access(look)
    return look


def _owners(store: FileStore) -> Owners:
    try:
        return store.owners
    except ConfigurationError:
        # Settings that cannot be read are found as such.
        return SHARED


def check_repairer(store: FileStore) -> None:
    """Refuse to repair a root as somebody whose files the poller would not believe.

    Raises:
        StoreError: `wrong_user`.
    """
    _owners(store).check_poller()


def _weigh(look: Look, ledger: deals.Ledger) -> None:
    explained = any(found.finding.code in _OF_DEALS for found in look.found)
    if look.in_flight and not explained:
        # A deal of which one side is placed: the next pass places the other.
        return
    deals.look_at_balance(look, ledger)


@contextmanager
def at_rest(store: FileStore, wait_s: float, *, make: bool = False) -> Iterator[bool]:
    """Keep passes of the poller out during the block; the value says whether it worked.

    Args:
        store: the data root.
        wait_s: seconds to wait for a pass that is running.
        make: make the lock where no pass has made it yet. Without, nothing is changed, and a
            root that was never polled is taken to be at rest.
    """
    if not make and not os.path.isfile(store.layout.poller_lock):
        yield True
        return
    with ExitStack() as held:
        try:
            with reported("take the poller's lock"):
                if make and not os.path.lexists(store.layout.poller):
                    store.disk.make_directory(store.layout.poller)
                free = held.enter_context(locking.exclusive(store.layout.poller_lock, wait_s))
        except StoreError:
            # Another user's, or a mount that is read-only: look without it.
            if make:
                raise
            free = False
        yield free
