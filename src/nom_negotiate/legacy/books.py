"""Old transactions and standing orders, planned: the files that each party will own.

A transaction is carried over as it stands in its owner's books, on one side only or with
oneself too, and is settled: the old program executed it. A second execution of one negotiation
is not carried over, but told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nom_negotiate import codec
from nom_negotiate.core.identity import MAX_NAME_BYTES, Address, is_chemical
from nom_negotiate.core.outcome import Side, Transaction, next_name, transaction_name
from nom_negotiate.core.party import Listing
from nom_negotiate.errors import NomError
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.plan import ORDERS, Left, Note, PlannedListing, PlannedTransaction
from nom_negotiate.legacy.records import OldOrder, OldTransaction
from nom_negotiate.legacy.target import LEGACY_ID, LEGACY_KIND, Target, mark
from nom_negotiate.store.files.installation import NewFile

TRANSACTIONS: Final = "transactions"
LISTINGS: Final = "listings"


class Books:
    """Plans the files of the parties.

    Args:
        target: the data root.
        in_place: whether the source is the data root.

    Attributes:
        left: what is not carried over.
        notes: what an operator should know.
    """

    def __init__(self, target: Target, in_place: bool) -> None:
        self._target = target
        self._in_place = in_place
        self._taken: set[tuple[Address, str, str]] = set()
        self.left: list[Left] = []
        self.notes: list[Note] = []

    # Transactions

    def transactions(
        self, old: Iterable[OldTransaction], ids: Mapping[tuple[Address, str], str]
    ) -> Iterator[PlannedTransaction]:
        """Yield what becomes of each transaction; the earliest first.

        None of them carries a listing: what an old file says is left of an order is what the deals
        of old have left of it.

        Args:
            old: the transactions.
            ids: the id that each negotiation will have, by party and old id.
        """
        executed: dict[tuple[str, ...], OldTransaction] = {}
        old = list(old)
        self._tell_one_sided(old)
        for one in old:
            try:
                if one.negotiation_id is not None:
                    deal = (one.owner, one.negotiation_id, one.side)
                    first = executed.setdefault(deal, one)
                    if first is not one:
                        raise Refused(
                            f"{one.negotiation_id} was executed before, at {first.timestamp}:"
                            f" {first.path}"
                        )
                named = one.negotiation_id
                yield self._transaction(one, ids.get((one.owner, named), "") if named else "")
            except (Refused, NomError) as error:
                found = (one.path, str(error), one.id, TRANSACTIONS)
                self.left.append(Left("transaction", *found))

    def _transaction(self, one: OldTransaction, negotiation_id: str) -> PlannedTransaction:
        self._target.check_parties(one.owner)
        if not is_chemical(one.chemical):
            raise Refused(f"{one.chemical[:24]!a} cannot name a chemical")
        side = Side(one.side)
        key = f"{one.side}:{one.id}"
        new = None
        name = self._there(one)
        if name is None:
            wanted = transaction_name(side, one.chemical, one.counterparty, one.timestamp)
            name = self._free_name(one.owner, wanted)
            data = codec.encode(_filed(one, side, negotiation_id))
            codec.decode_transaction(data)
            new = NewFile(one.owner, TRANSACTIONS, name, data)
        return PlannedTransaction(
            legacy_id=one.id,
            owner=one.owner,
            side=one.side,
            name=name,
            key=key,
            new=new,
            path=one.path,
        )

    def _there(self, one: OldTransaction) -> str | None:
        """Return the name under which a transaction is there already."""
        layout = self._target.store.layout
        name = one.path.rpartition("/")[2]
        if self._in_place and one.path == layout.relative(
            f"{layout.room(one.owner, TRANSACTIONS)}/{name}"
        ):
            return name
        found = self._target.transactions(one.owner).get((one.side, one.id))
        return found[0].name if found else None

    def _free_name(self, owner: Address, wanted: str) -> str:
        taken = self._target.names(owner, TRANSACTIONS)
        attempt = 1
        while True:
            name = next_name(wanted, attempt)
            if name not in taken and (owner, TRANSACTIONS, name) not in self._taken:
                self._taken.add((owner, TRANSACTIONS, name))
                return name
            attempt += 1

    def _tell_one_sided(self, old: list[OldTransaction]) -> None:
        sides = {(*_side(one), name) for one in old for name in _names(one)}
        lonely = sum(not any((*_mirror(one), name) in sides for name in _names(one)) for one in old)
        if lonely:
            text = f"{lonely} of {len(old)} stand in one party's books only; carried as they are"
            self.notes.append(Note(TRANSACTIONS, text))

    # Listings

    def listings(self, old: Iterable[OldOrder]) -> Iterator[PlannedListing]:
        """Yield what becomes of each standing order."""
        for one in old:
            try:
                yield self._listing(one)
            except (Refused, NomError) as error:
                found = (one.path, str(error), one.id, ORDERS[one.kind])
                self.left.append(Left("order", *found))

    def _listing(self, one: OldOrder) -> PlannedListing:
        self._target.check_parties(one.owner)
        self._target.check_chemical(one.chemical)
        name = f"{one.id}.json"
        if len(name.encode()) > MAX_NAME_BYTES:
            raise Refused("its id is too long for the name of a file")
        known = self._target.listings(one.owner).get(one.id)
        new = None
        if known is None or known.extra.get(LEGACY_KIND) != one.kind:
            key = (one.owner, LISTINGS, name)
            if key in self._taken or name in self._target.names(one.owner, LISTINGS):
                raise Refused("its id is taken by another listing of the same author")
            self._taken.add(key)
            data = codec.encode(_listed(one))
            codec.decode_listing(data)
            new = NewFile(one.owner, LISTINGS, name, data)
        return PlannedListing(id=one.id, owner=one.owner, kind=one.kind, new=new, path=one.path)


def _filed(one: OldTransaction, side: Side, negotiation_id: str) -> Transaction:
    about = mark(
        generation=one.generation,
        negotiation_id=one.negotiation_id if negotiation_id == "" else None,
    )
    return Transaction(
        type=side,
        chemical=one.chemical,
        price=one.price,
        quantity=one.quantity,
        counterparty=one.counterparty,
        negotiation_id=negotiation_id,
        timestamp=one.timestamp,
        settled=True,
        extra={LEGACY_ID: one.id, **about},
    )


def _side(one: OldTransaction) -> tuple[str, ...]:
    return one.owner, one.counterparty, one.chemical, one.side


def _mirror(one: OldTransaction) -> tuple[str, ...]:
    return one.counterparty, one.owner, one.chemical, "sell" if one.side == "buy" else "buy"


def _names(one: OldTransaction) -> tuple[str, ...]:
    """Return what both sides of a trade may share."""
    return (one.id,) if one.negotiation_id is None else (one.id, one.negotiation_id)


def _listed(one: OldOrder) -> Listing:
    return Listing(
        id=one.id,
        user=one.owner,
        type=Side(one.side),
        chemical=one.chemical,
        price=one.price,
        quantity=one.quantity,
        created=one.created_at,
        extra={LEGACY_KIND: one.kind, **mark(generation=one.generation, session=one.session)},
    )
