"""In which order two parties said what: from two states to one row of moves.

Rules of the room:

- Where every offer has a round, rounds give the order: the clocks of two hosts may differ.
- The original format has neither rounds nor a mark on an acceptance, and keeps no history.
  There the time at which a file was written gives the order, and the same terms from the
  other side, agreed, are an acceptance. Times are seconds: in the same one, who counts rounds
  comes after the offer that its own number leaves room for.
- The last move lies on the table, so that the order decides whose turn it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.snapshot import Snapshot
from nom_negotiate.core.state import Offer, PartyState, Status
from nom_negotiate.core.terms import Terms, terms_of


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the haggling: an offer, or the acceptance of one.

    Attributes:
        by: who made it.
        round: 1 for the first offer; an acceptance carries the round that it accepts.
        firm: true where its author is committed by it alone.
        at: unix seconds.
        accepts: true for an acceptance.
        valid_until: unix seconds; None for no limit.
        reason: why the offer before it was turned down.
        delivery, payment, quality: the terms in words; None where they are left open.
    """

    by: Address
    round: int
    price: Decimal
    quantity: Decimal
    firm: bool
    at: int
    accepts: bool = False
    valid_until: int | None = None
    reason: str | None = None
    delivery: str | None = None
    payment: str | None = None
    quality: str | None = None

    @property
    def terms(self) -> Terms:
        """Return what it is over: all that a deal would bind."""
        return terms_of(self)

    def lapsed(self, now: int) -> bool:
        """Return whether it can no longer be accepted at `now`."""
        return self.valid_until is not None and now > self.valid_until


class _Said(NamedTuple):
    """One offer of one state, with what it takes to put it in order.

    Attributes:
        at: unix seconds at which it was written.
        round: None where its author does not count.
        accepts: true where its author marked it as an acceptance.
        echo: true where it commits to what the other side still offers indicatively. Such
            a copy comes after what it copies, in the same round and second, too.
        copies: true where a copy of the other side's terms would be an acceptance, for want
            of a mark.
        answers: true where its author's rounds leave one out before it: that of the offer
            which it answers.
    """

    by: Address
    offer: Offer
    firm: bool
    at: int
    round: int | None
    accepts: bool
    echo: bool = False
    copies: bool = False
    answers: bool = False


def moves_of(snapshot: Snapshot) -> tuple[Move, ...]:
    """Return the offers and acceptances of both sides, oldest first."""
    said = [item for state in snapshot.states.values() for item in _said(snapshot, state)]
    if any(item.round is None for item in said):
        said.sort(
            key=lambda s: (
                s.at,
                s.accepts,
                s.echo,
                # Else its author would be asked to answer once more what it has answered.
                s.answers,
                s.round is None,
                s.by != snapshot.initiator,
            )
        )
        return _numbered(said)
    # Where an indicative offer was accepted by both, its author came second.
    authors = {item.round: item.by for item in said if not (item.accepts or item.echo)}
    said.sort(
        key=lambda s: (
            s.round,
            s.accepts,
            s.echo,
            s.accepts and s.by == authors.get(s.round),
            s.at,
            s.by != snapshot.initiator,
        )
    )
    return tuple(_move(item, item.round or 0, item.accepts or item.copies) for item in said)


def _said(snapshot: Snapshot, state: PartyState) -> Iterator[_Said]:
    original = state.schema is None
    last = 0
    for past in state.history:
        yield _Said(
            by=state.user,
            offer=past,
            firm=past.status is Status.AGREED,
            at=past.timestamp,
            round=past.round,
            accepts=past.accepts,
            answers=_leaves_out(past, last),
        )
        last = past.round or last
    other = snapshot.other(state.user)
    theirs = None if other is None else snapshot.states.get(other)
    offer = state.offer
    if offer is None:
        return
    same = theirs is not None and theirs.offer is not None and theirs.offer.terms == offer.terms
    rejected = state.status is Status.REJECTED
    if original and rejected and same:
        # The terms that it turned down, copied: not an offer of its own.
        return
    firm = state.status is Status.AGREED
    echo = firm and same and theirs is not None and theirs.status is Status.PENDING
    yield _Said(
        by=state.user,
        offer=offer,
        # A rejected state keeps its author's last offer, and no longer tells whether that
        # was firm; it binds nobody any more.
        firm=firm,
        # A client of the original format copies the time stamp with the terms.
        at=state.last_updated if original and not rejected else offer.timestamp,
        round=None if original else offer.round,
        accepts=offer.accepts,
        echo=echo,
        copies=firm
        and (original or offer.round is None or (echo and _round(theirs) == offer.round)),
        answers=not original and _leaves_out(offer, last),
    )


def _leaves_out(offer: Offer, last: int) -> bool:
    return offer.round is not None and offer.round > last + 1


def _round(state: PartyState | None) -> int | None:
    return None if state is None or state.offer is None else state.offer.round


def _numbered(said: list[_Said]) -> tuple[Move, ...]:
    """Return moves in their order, with the rounds that nobody counted.

    Where a party did count, its number holds: the other side may have been told of it.
    """
    moves: list[Move] = []
    for item in said:
        last = moves[-1] if moves else None
        copied = (
            item.copies
            and last is not None
            and last.by != item.by
            and last.terms == item.offer.terms
        )
        accepts = item.accepts or copied
        before = last.round if last else 0
        least = before if accepts and last else before + 1
        number = item.round or least if accepts else max(item.round or 0, least)
        moves.append(_move(item, number, accepts))
    return tuple(moves)


def _move(item: _Said, number: int, accepts: bool) -> Move:
    return Move(
        by=item.by,
        round=number,
        price=item.offer.price,
        quantity=item.offer.quantity,
        firm=item.firm,
        at=item.at,
        accepts=accepts,
        valid_until=item.offer.valid_until,
        reason=item.offer.reason,
        delivery=item.offer.delivery,
        payment=item.offer.payment,
        quality=item.offer.quality,
    )
