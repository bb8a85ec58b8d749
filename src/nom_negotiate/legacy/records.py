"""The records that every generation of the old data is turned into.

Rules of the room:

- Nothing in here reads or decides: these are the words between the readers of the old
  formats and the writer of the new layout.
- An address is casefolded; a price and a quantity are exact decimals with at most 15
  significant digits; a time is in whole unix seconds.
- A `path` is where the record came from, relative to the data directory, with `/` between
  its parts. For a row of a database it is `cndq.db#<table>/<rowid>`. It is for people:
  bytes that are no UTF-8 are shown escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Literal

from nom_negotiate.core.identity import Address

Generation = Literal["L1", "L2", "L3", "L4", "L5"]
"""Snapshots, negotiation files, events, SQLite, namespaces."""

Side = Literal["buy", "sell"]
Status = Literal["pending", "accepted", "rejected"]
Kind = Literal["offer", "buy_order", "ad"]
Subject = Literal["negotiation", "transaction", "order", "profile", "namespace", "source"]


@dataclass(frozen=True, slots=True)
class OldOffer:
    """Terms that one party put forward in a negotiation.

    Attributes:
        by: one of the two parties.
        at: unix seconds.
    """

    by: Address
    price: Decimal
    quantity: Decimal
    at: int


@dataclass(frozen=True, slots=True)
class OldReaction:
    """How a party liked what was offered to it.

    Attributes:
        by: who says so.
        level: from 0 to 100.
        at: unix seconds.
    """

    by: Address
    level: int
    at: int


@dataclass(frozen=True, slots=True)
class OldNegotiation:
    """A negotiation of L2 or L4.

    Attributes:
        side: what the initiator wants to do; the responder does the opposite.
        session: the game's session it belongs to, where the old program noted one.
        offers: oldest first; may be empty, and need not alternate.
        last_offer_by: None only where there is no offer at all.
        closed_by: who accepted or rejected; None while pending, and where the old program
            itself rejected (it wrote `system`) or did not say.
        closed_at: unix seconds; None while pending.
        reason: why it was rejected, where somebody said so.
        reactions: the latest of each party that has reacted.
        ad_id: the advertisement that it came from, of whichever of the two; only L4 may say.
    """

    id: str
    generation: Generation
    chemical: str
    side: Side
    initiator: Address
    responder: Address
    initiator_name: str
    responder_name: str
    session: int | None
    offers: tuple[OldOffer, ...]
    status: Status
    last_offer_by: Address | None
    created_at: int
    updated_at: int
    closed_by: Address | None
    closed_at: int | None
    reason: str | None
    path: str
    reactions: tuple[OldReaction, ...] = ()
    ad_id: str | None = None


@dataclass(frozen=True, slots=True)
class OldTransaction:
    """One side of a trade, as its owner's books have it.

    A trade of L1 or L3 has the same id on both sides, if it has two: `id` is unique for
    one owner only.

    Attributes:
        id: the id of the trade; in L5, which has none, the name of the file without
            its ending.
        side: what the owner did.
        price: per unit.
        negotiation_id: L5 and some of the others name it; most do not.
        settled: the owner's own mark. Only L5 has one; elsewhere it is False.
    """

    id: str
    generation: Generation
    owner: Address
    side: Side
    chemical: str
    quantity: Decimal
    price: Decimal
    counterparty: Address
    timestamp: int
    negotiation_id: str | None
    settled: bool
    path: str


@dataclass(frozen=True, slots=True)
class OldOrder:
    """A standing order: an offer to sell, an order to buy, or an advertisement.

    Attributes:
        price: the least an offer asks, the most a buy order pays; None for an ad.
        quantity: None for an ad.
        path: the event that added it, or the file that lists it.
    """

    id: str
    generation: Generation
    owner: Address
    kind: Kind
    side: Side
    chemical: str
    quantity: Decimal | None
    price: Decimal | None
    created_at: int
    session: int | None
    path: str


@dataclass(frozen=True, slots=True)
class OldProfile:
    """Who a team is.

    Attributes:
        display_name: the latest it gave itself; the address where it gave none.
        created_at: unix seconds; None where no file says.
    """

    address: Address
    display_name: str
    created_at: int | None
    path: str


@dataclass(frozen=True, slots=True)
class OldState:
    """One party's state file of L5, with the nine fields of the original format.

    Attributes:
        role: None where it is missing or `unknown`.
        chemical: None where it is missing or empty.
        price: None, as are `quantity` and `offered_at`, where no offer was made yet.
        offered_at: unix seconds.
        has_key: whether it carries an agreement key. The key itself is not carried: the
            original clients hashed differently, so it says only that its author agreed.
        last_updated: unix seconds.
    """

    user: Address
    role: Literal["buyer", "seller"] | None
    chemical: str | None
    price: Decimal | None
    quantity: Decimal | None
    offered_at: int | None
    status: Literal["pending", "agreed", "rejected"]
    has_key: bool
    last_updated: int
    path: str


@dataclass(frozen=True, slots=True)
class OldNamespace:
    """A negotiation of L5: a directory with up to two state files.

    Attributes:
        initiator: whose directory it lies in.
        responder: None where neither a state file, a link nor the id gives them away.
        states: the initiator's first; empty for an empty namespace.
    """

    id: str
    initiator: Address
    responder: Address | None
    states: tuple[OldState, ...]
    path: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something in the source that became no record, and why.

    Attributes:
        subject: what it would have become; `source` where that cannot be told.
    """

    path: str
    reason: str
    subject: Subject = "source"


@dataclass(frozen=True, slots=True)
class Counts:
    """What one generation of the source consists of.

    Attributes:
        files: all that were seen, those that were not opened included.
        event_files: events of the marketplace, the log that the old reader reduced; in L4
            rows, as the next two.
        team_event_files: events of the teams.
        skipped: events of teams that no record needs, told by name and not opened.
        derived: `tmp_*`, `cached_state.json` and `snapshot.json`, ignored.
        private: files that hold private data only, not opened.
        other: files that are no part of the format, not opened.
        links: links to namespaces, not followed.
        closed_orders: orders that are still listed, but are marked as no longer active.
        duplicates: records that another generation, or another file, has as well.
    """

    files: int = 0
    event_files: int = 0
    team_event_files: int = 0
    skipped: int = 0
    derived: int = 0
    private: int = 0
    other: int = 0
    links: int = 0
    closed_orders: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class OldData:
    """All that an old data directory holds, each thing once.

    Attributes:
        root: the data directory itself.
        negotiations: by time of creation, then id.
        transactions: by time, then owner and id.
        orders: by time of creation, then id.
        profiles: by address. Not everybody who trades has one: see `addresses`.
        namespaces: by path.
        unreadable: by path.
        counts: by generation, those that are present only.
    """

    root: Path
    negotiations: tuple[OldNegotiation, ...] = ()
    transactions: tuple[OldTransaction, ...] = ()
    orders: tuple[OldOrder, ...] = ()
    profiles: tuple[OldProfile, ...] = ()
    namespaces: tuple[OldNamespace, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    counts: Mapping[Generation, Counts] = field(default_factory=dict)

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Return the generations that are present, oldest first."""
        return tuple(sorted(self.counts))

    def addresses(self) -> frozenset[Address]:
        """Return everybody whom any record names, with or without a profile."""
        found: set[Address | None] = {profile.address for profile in self.profiles}
        for negotiation in self.negotiations:
            found |= {negotiation.initiator, negotiation.responder}
        for transaction in self.transactions:
            found |= {transaction.owner, transaction.counterparty}
        found |= {order.owner for order in self.orders}
        for namespace in self.namespaces:
            found |= {namespace.initiator, namespace.responder}
            found |= {state.user for state in namespace.states}
        return frozenset(address for address in found if address is not None)

    def repeated_transactions(self) -> tuple[tuple[OldTransaction, ...], ...]:
        """Return the deals that were executed more than once, earliest execution first.

        Each group has one owner and one negotiation; only records that name their
        negotiation can tell.
        """
        groups: dict[tuple[Address, str], list[OldTransaction]] = {}
        for transaction in self.transactions:
            if transaction.negotiation_id is not None:
                key = (transaction.owner, transaction.negotiation_id)
                groups.setdefault(key, []).append(transaction)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)
