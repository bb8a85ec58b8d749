"""What was traded: the transactions of both sides against each other, and against the outcomes.

Rules of the room:

- A deal is a negotiation between a buyer and a seller. Of each, the ledger keeps what it has
  seen in two numbers, some 100 bytes. Only those that do not add up are looked up again.
- A transaction that was carried over from old data stands for itself: the old programs left
  some on one side only.
- One without a key was not settled here: it needs a mirror, but no outcome.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Final, NamedTuple

from nom_negotiate import codec
from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Outcome, Side, Transaction, mirrored
from nom_negotiate.core.terms import plain
from nom_negotiate.errors import NomError
from nom_negotiate.store.files import bounded
from nom_negotiate.store.files.inspection.look import Look, records
from nom_negotiate.store.files.inspection.repair import Repair
from nom_negotiate.store.packed import transaction_of

# Sums of products of two numbers of 15 digits within 10^-20 .. 10^20: exact, never rounded.
_EXACT: Final = Context(prec=200)

# What a number in the ledger says of a deal. The rest of it are the terms, as 32 bits.
_BUYS: Final = 0b11
_SELLS: Final = 0b1100
_DECIDED: Final = 1 << 4
_KEYED: Final = 1 << 5
_DIFFERS: Final = 1 << 6
_TOLD: Final = 1 << 7
_TERMS: Final = 32

_HIDING: Final = {"unreadable", "unknown_schema", "damaged_pack"}
"""What may be a transaction that was not seen."""

_ONE_EACH: Final = 0b0101


class Owned(NamedTuple):
    """A transaction of a party.

    Attributes:
        owner: whose it is.
        path: of its file, or of the pack that holds it.
        name: of its file.
        transaction: what it says.
        packed: whether it is in a pack.
    """

    owner: Address
    path: str
    name: str
    transaction: Transaction
    packed: bool = False


def is_carried_over(transaction: Transaction) -> bool:
    """Return whether a migration brought it from old data."""
    # What was settled here has a key, whatever its owner has noted in it since.
    return "legacy_id" in transaction.extra and transaction.agreement_key is None


class Ledger:
    """What has been seen of each deal."""

    def __init__(self) -> None:
        self._deals: dict[int, int] = {}
        self._balance: dict[str, tuple[Decimal, Decimal]] = {}

    def book(self, owner: Address, transaction: Transaction) -> None:
        """Take note of a transaction."""
        if is_carried_over(transaction):
            return
        key = _key(owner, transaction)
        seen = self._deals.get(key, 0)
        one = 1 if transaction.type is Side.BUY else 4
        if seen & (_BUYS if one == 1 else _SELLS) != one * 3:
            seen += one
        seen |= _KEYED if transaction.agreement_key is not None else 0
        self._deals[key] = _with_terms(seen, transaction)
        self._weigh(transaction)

    def decide(self, outcome: Outcome) -> list[Address]:
        """Take note of an outcome; return the parties whose transaction is missing."""
        both = mirrored(outcome)
        if not both:
            return []
        key = _key(*next(iter(both.items())))
        before = self._deals.get(key, 0)
        seen, missing = before | _DECIDED, []
        for owner, transaction in both.items():
            seen = _with_terms(seen, transaction)
            if not before & (_BUYS if transaction.type is Side.BUY else _SELLS):
                missing.append(owner)
        # What is missing of it is found with its outcome, the first time that it is met.
        self._deals[key] = seen | _TOLD if missing else seen
        return [] if before & _TOLD else missing

    def suspects(self) -> set[int]:
        """Return the deals that do not add up, and were not found with their outcome."""
        return {key for key, seen in self._deals.items() if _is_odd(seen)}

    def seen(self, key: int) -> int:
        """Return what was seen of a deal."""
        return self._deals[key]

    def __len__(self) -> int:
        return len(self._deals)

    def unbalanced(self) -> Iterator[tuple[str, Decimal, Decimal]]:
        """Yield each chemical whose sums differ, with units and money bought less sold."""
        for chemical, (units, money) in sorted(self._balance.items()):
            if units or money:
                yield chemical, units, money

    def _weigh(self, transaction: Transaction) -> None:
        money = _EXACT.multiply(transaction.price, transaction.quantity)
        add = _EXACT.add if transaction.type is Side.BUY else _EXACT.subtract
        units, paid = self._balance.get(transaction.chemical, (Decimal(0), Decimal(0)))
        self._balance[transaction.chemical] = (
            add(units, transaction.quantity),
            add(paid, money),
        )


def _is_odd(seen: int) -> bool:
    if seen & _TOLD:
        # Unless the other side is there twice, or says something else.
        return bool(seen & _DIFFERS) or seen & _BUYS > 1 or seen & _SELLS > 4
    if seen & (_BUYS | _SELLS) != _ONE_EACH or seen & _DIFFERS:
        return True
    return bool(seen & _KEYED) and not seen & _DECIDED


def _key(owner: Address, transaction: Transaction) -> int:
    buyer, seller = owner, transaction.counterparty
    if transaction.type is Side.SELL:
        buyer, seller = seller, buyer
    return _hash(8, transaction.negotiation_id, buyer, seller)


def _with_terms(seen: int, transaction: Transaction) -> int:
    terms = _hash(
        4,
        transaction.chemical,
        plain(transaction.price),
        plain(transaction.quantity),
        transaction.agreement_key or "",
        *(f"{name}:{text}" for name, text in transaction.terms.conditions.items()),
    )
    if seen >> _TERMS not in (0, terms):
        seen |= _DIFFERS
    return seen if seen >> _TERMS else seen | terms << _TERMS


def _hash(size: int, *words: str) -> int:
    data = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=size).digest()) or 1


def look_at_transactions(look: Look, ledger: Ledger, party: Address) -> None:
    """Look at the transactions of a party, and book them."""
    room = look.layout.room(party, "transactions")
    before = len(look.found)
    for entry, _ in look.entries(room):
        if not entry.name.endswith(".json"):
            look.aside("foreign", entry.path, "expected a transaction, named .json")
            continue
        look.counted["transactions"] += 1
        try:
            transaction = _read(entry.path)
        except NomError as error:
            look.refuse("malformed", entry.path, error.message)
            continue
        if transaction is not None:
            ledger.book(party, transaction)
    note_unread(look, party, before)


def note_unread(look: Look, party: Address, before: int) -> None:
    """Remember whether something that was found since may hide a transaction of the party."""
    if any(found.finding.code in _HIDING for found in look.found[before:]):
        look.unread.add(party)


def add_unsettled(look: Look, path: str, outcome: Outcome, missing: list[Address]) -> None:
    """Note an outcome whose transactions are missing."""
    reason = f"expected a transaction of {outcome.negotiation_id} at {' and '.join(missing)}"
    if look.unread.isdisjoint(missing):
        mend = partial(Repair.settle, outcome=outcome)
        look.add("unsettled", path, f"{reason}, found none", mend=mend)
    else:
        # Placing it could make a second one.
        remedy = "make readable what is found unreadable there, then look again"
        look.add("unsettled", path, f"{reason}, found none that can be read", remedy=remedy)


def _read(path: str) -> Transaction | None:
    data = bounded.read_record(path)
    return None if data is None else codec.decode_transaction(data)


# What does not add up


def look_at_suspects(look: Look, ledger: Ledger, parties: Iterable[Address]) -> None:
    """Find what is wrong with the deals that do not add up."""
    suspects = ledger.suspects()
    if not suspects:
        return
    deals: dict[int, list[Owned]] = {key: [] for key in suspects}
    for party in parties:
        unpacked: set[object] = set()
        for one in chain(_transactions(look, party), _packed(look, party, unpacked)):
            key = _key(party, one.transaction)
            if key in deals and not is_carried_over(one.transaction):
                unpacked.add((one.name, one.transaction.identity))
                deals[key].append(one)
    for key in sorted(deals, key=lambda key: [one.path for one in deals[key]]):
        if deals[key]:
            _judge(look, ledger.seen(key), deals[key])


def _transactions(look: Look, party: Address) -> Iterator[Owned]:
    room = look.layout.room(party, "transactions")
    try:
        names = sorted(os.listdir(room))
    except OSError:
        # ENOENT, ENOTDIR, EACCES: found already, where it is looked at for the first time.
        return
    for name in names:
        if name.startswith(".") or not name.endswith(".json"):
            continue
        try:
            transaction = _read(f"{room}/{name}")
        except NomError:
            continue
        if transaction is not None:
            yield Owned(party, f"{room}/{name}", name, transaction)


def _packed(look: Look, party: Address, unpacked: set[object]) -> Iterator[Owned]:
    for pack in look.packs.of(party):
        for record in records(look, pack, pack.transactions, again=True):
            transaction = transaction_of(record)
            # One that is unpacked as well counts as it is unpacked.
            if (record.id, transaction.identity) not in unpacked:
                yield Owned(party, pack.path, record.id, transaction, packed=True)


def _judge(look: Look, seen: int, deal: list[Owned]) -> None:
    first = deal[0].transaction
    name = first.negotiation_id
    if seen & _DIFFERS:
        for one in deal:
            look.add("deal_differs", one.path, _differing(one, first, name))
        return
    for side in Side:
        same = [one for one in deal if one.transaction.type is side]
        _doubled(look, same)
    sides = {one.transaction.type for one in deal}
    if len(sides) == 1 and not seen & _DECIDED:
        reason = f"{first.counterparty} has no transaction of {name}, and there is no outcome"
        look.add("no_mirror", deal[0].path, reason)
    elif not seen & _DECIDED and seen & _KEYED:
        for one in deal:
            look.add("no_deal", one.path, f"expected an outcome of {name}, found none")


def _differing(one: Owned, first: Transaction, name: str) -> str:
    said = one.transaction
    terms = f"{plain(said.quantity)} {said.chemical} at {plain(said.price)}"
    terms += "".join(f", {key} {text!a}" for key, text in said.terms.conditions.items())
    return f"the transactions and the outcome of {name} differ; this one says {terms}"


def _doubled(look: Look, same: list[Owned]) -> None:
    if len(same) < 2:
        return
    # One that is packed or that its owner has marked stays, else the one that was there first.
    kept = min(
        same,
        key=lambda one: (not one.packed, not one.transaction.settled, len(one.name), one.name),
    )
    for one in same:
        if one is kept:
            continue
        reason = f"{one.name} stands for the same deal as {kept.name}"
        if one.packed:
            look.add("doubled_transaction", one.path, f"{reason}; unpack it first")
        else:
            look.aside("doubled_transaction", one.path, reason)


def look_at_balance(look: Look, ledger: Ledger) -> None:
    """Find the chemicals of which more was bought than sold, or the other way round."""
    for chemical, units, money in ledger.unbalanced():
        look.add(
            "not_conserved",
            look.layout.teams,
            f"of {chemical}, expected as much bought as sold; the difference is"
            f" {plain(units)} units and {plain(money)} of money",
        )
