"""What was traded and what there is, in figures: what `Desk.stats` counts, and how."""

from __future__ import annotations

from decimal import Context, Decimal

import msgspec

from nom_negotiate.core.outcome import Side, Transaction

# Sums of products of two numbers of 15 digits within 10^-20 .. 10^20: exact, never rounded.
_EXACT = Context(prec=200)


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """What was traded of one chemical, over all parties.

    Attributes:
        bought: units, from the buyers' transactions.
        sold: units, from the sellers' transactions.
        paid: money, from the buyers' transactions: the sum of price times quantity.
        received: money, from the sellers' transactions.
    """

    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    paid: Decimal = Decimal(0)
    received: Decimal = Decimal(0)

    @property
    def conserved(self) -> bool:
        """Return whether both sides agree to the last digit."""
        return self.bought == self.sold and self.paid == self.received


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of a data root.

    Attributes:
        parties: how many there are.
        active: negotiations that go on.
        ended: archived negotiations by the way in which they ended.
        transactions: files of both sides, without those carried over.
        settled: how many of those are marked.
        carried_over: transactions that a migration brought from old data. The old programs
            left some on one side only, so they would spoil the balance of our own.
        volumes: what was traded, by chemical, without what was carried over.
        last_pass: the last line of the stats log; None before the first pass.
    """

    parties: int
    active: int
    ended: dict[str, int]
    transactions: int
    settled: int
    carried_over: int = 0
    volumes: dict[str, Volume]
    last_pass: bytes | None


def is_carried_over(transaction: Transaction) -> bool:
    """Return whether a migration brought it from old data."""
    # What was settled here has a key, whatever its owner has noted in it since.
    return "legacy_id" in transaction.extra and transaction.agreement_key is None


def with_transaction(volume: Volume, transaction: Transaction) -> Volume:
    """Return the volume with that transaction counted."""
    money = _EXACT.multiply(transaction.price, transaction.quantity)
    if transaction.type is Side.BUY:
        return msgspec.structs.replace(
            volume,
            bought=_EXACT.add(volume.bought, transaction.quantity),
            paid=_EXACT.add(volume.paid, money),
        )
    return msgspec.structs.replace(
        volume,
        sold=_EXACT.add(volume.sold, transaction.quantity),
        received=_EXACT.add(volume.received, money),
    )
