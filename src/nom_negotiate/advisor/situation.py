"""What a negotiation looks like from one seat: the arguments of the advisor, understood.

Rules of the room:

- One's own numbers are checked and refused; an entry of the history that cannot be
  understood is passed over, for the counterparty wrote half of it.
- A *round* is one offer of each party. Who moves first in a round makes, in the last one,
  the last offer that can still be accepted; who moves second can only accept there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nom_negotiate.advisor.numbers import (
    Number,
    exact,
    grid,
    price_steps,
    quantity_steps,
    required,
    whole,
)
from nom_negotiate.errors import InputError

OwnUtility = Callable[[Any, Any], Any]
"""From a price and a quantity to a number: 0 is as good as no deal, more is better."""

BUYER: Final = "buyer"
SELLER: Final = "seller"
OWN: Final = "own"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One offer of the history: what was said, and in which round; -1 if that is not known."""

    price: Any
    quantity: Any
    p: float
    q: float
    round: int


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the policy and the model look at.

    Attributes:
        buying: whether a lower price is the better one.
        limit: one's own reservation price, as it was given.
        target: one's own target quantity, as it was given.
        market: the market price, None if it is not known.
        prices: the grid, ascending, in the caller's own numbers.
        quantities: the grid, ascending, in the caller's own numbers.
        made: one's own offers, oldest first.
        received: the counterparty's, oldest first.
        rounds: how many there are.
        round: which one this is, from 1.
        first: whether one moves first in each round.
        own_utility: the caller's own, if any.
        over: whether the last round has passed.
        on_table: the counterparty's offer that waits for an answer, if one does.
    """

    buying: bool
    limit: Any
    target: Any
    market: float | None
    prices: tuple[Any, ...]
    quantities: tuple[Any, ...]
    made: tuple[Spoken, ...]
    received: tuple[Spoken, ...]
    rounds: int
    round: int
    first: bool
    own_utility: OwnUtility | None
    over: bool
    on_table: Spoken | None

    @property
    def rounds_left(self) -> int:
        """Return how many rounds follow this one."""
        return self.rounds - self.round

    @property
    def last_offer(self) -> int:
        """Return the round of one's last offer that can be accepted; 0 if there is none."""
        return self.rounds if self.first else self.rounds - 1

    @property
    def answered(self) -> float:
        """Return the time at which the counterparty will have answered an offer made now."""
        return (self.round + (0 if self.first else 1)) / (self.rounds + 1)

    @property
    def time(self) -> float:
        """Return how much of the time is over: from 1/(rounds + 1) to rounds/(rounds + 1)."""
        return self.round / (self.rounds + 1)


def understand(
    own_role: str,
    history: Iterable[object] | None,
    deadline_rounds: int,
    round_no: int,
    own_reservation_price: Number,
    own_target_quantity: Number,
    market_price: Number | None,
    *,
    price_grid: Iterable[object] | None = None,
    quantity_grid: Iterable[object] | None = None,
    own_utility: OwnUtility | None = None,
    moves_first: bool | None = None,
) -> Situation:
    """Return the situation that the arguments of `suggest` describe.

    Raises:
        InputError: `invalid_number` or `invalid_text`, for an argument of the caller's own.
    """
    role = str(own_role).strip().casefold()
    if role not in (BUYER, SELLER):
        raise InputError("invalid_text", f"own_role must be buyer or seller, found {role[:24]!a}")
    if own_utility is not None and not callable(own_utility):
        raise InputError("invalid_text", "own_utility must be callable, or None")
    limit = required(own_reservation_price, "own_reservation_price")
    target = required(own_target_quantity, "own_target_quantity", positive=True)
    rounds = whole(deadline_rounds, "deadline_rounds", least=1)
    number = whole(round_no, "round_no", least=0)
    entries = [_spoken(entry) for entry in _entries(history)]
    spoken = [entry for entry in entries if entry is not None]
    # What comes last and cannot be read is what waits for an answer, not the offer before it.
    latest = entries[-1] if entries else None
    made = [offer for own, offer in spoken if own]
    received = [offer for own, offer in spoken if not own]
    now = number + 1 if _counts_from_zero(number, spoken, len(made)) else number
    market = exact(market_price)
    prices = grid(price_grid, "price_grid", positive=False)
    quantities = grid(quantity_grid, "quantity_grid", positive=True)
    return Situation(
        buying=role == BUYER,
        limit=limit,
        target=target,
        market=float(market) if market is not None and market > 0 else None,
        prices=prices or _prices(role == BUYER, limit, market, [*made, *received]),
        quantities=quantities or quantity_steps(target, [o.quantity for o in received]),
        made=tuple(made),
        received=tuple(received),
        rounds=rounds,
        round=max(1, min(now, rounds)),
        first=_moves_first(spoken, number) if moves_first is None else bool(moves_first),
        own_utility=own_utility,
        over=number > rounds,
        on_table=latest[1] if latest is not None and not latest[0] else None,
    )


def _entries(history: Iterable[object] | None) -> Sequence[object]:
    if history is None or isinstance(history, (str, bytes, Mapping)):
        return ()
    try:
        return list(history)
    except TypeError:
        return ()


def _spoken(entry: object) -> tuple[bool, Spoken] | None:
    if not isinstance(entry, Mapping):
        return None
    price, quantity = exact(entry.get("price")), exact(entry.get("quantity"))
    by = entry.get("by")
    if price is None or quantity is None or not quantity > 0 or by not in (OWN, "opponent"):
        return None
    number = exact(entry.get("round"))
    round_no = -1 if number is None else math.floor(number)
    return by == OWN, Spoken(price, quantity, float(price), float(quantity), round_no)


def _counts_from_zero(number: int, spoken: list[tuple[bool, Spoken]], made: int) -> bool:
    """Return whether the first round has number 0: one own offer was made in each round before."""
    if number == made:
        return True
    if number == made + 1:
        return False
    return number == 0 or any(offer.round == 0 for _, offer in spoken)


def _moves_first(spoken: list[tuple[bool, Spoken]], number: int) -> bool:
    if not spoken:
        return True
    # At one's turn, the second mover has heard one offer more than it made.
    surplus = sum(-1 if is_own else 1 for is_own, _ in spoken)
    began = spoken[0][0]
    if surplus == (0 if began else 1):
        return began
    # Something is missing: see whether what was heard last belongs to this round or to the last.
    own = {offer.round for is_own, offer in spoken if is_own and offer.round >= 0}
    heard = [offer.round for is_own, offer in spoken if not is_own]
    if heard and own.intersection(heard):
        return heard[-1] < number
    return surplus <= 0 if surplus in (0, 1) else began


def _prices(buying: bool, limit: Any, market: Any, seen: list[Spoken]) -> tuple[Any, ...]:
    edge = float(limit)
    known = [edge, *(o.p for o in seen), *([float(market)] if market else [])]
    if buying:
        return price_steps(min(*known, edge * 0.5), edge, limit)
    return price_steps(edge, max(*known, edge * 1.5 or 1.0), limit)
