"""What to do next: accept, make a counter-offer, or end.

Rules of the room:

- Nothing that is worth no more than no deal, in price and quantity together, is ever offered
  or accepted; nor, without a utility of the caller's own, a price beyond the reservation price.
- Equal arguments give equal decisions: there is no clock and no randomness.
- What an own offer has to be worth falls late, and not to nothing: the last offers end where the
  counterparty last asked or plainly will ask, or at a floor that no limit can be read from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from nom_negotiate.advisor.acceptance import probability
from nom_negotiate.advisor.counterparty import Reading, Taste, read
from nom_negotiate.advisor.situation import Situation, Spoken
from nom_negotiate.advisor.utility import Table

Action = Literal["accept", "counter", "end"]

NOTHING: Final = 1e-9
"""A worth of no more than this is no better than no deal."""


SIGNS: Final = 3
"""New offers, and old ones, that one must have made to know an echo."""

LEVELS: Final = 16
"""Of worth, among which the last offer is looked for."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the policy; where they come from: `benchmarks/arena`, docs/advisor.md.

    Attributes:
        e: how late the target falls; 1 is steadily, towards 0 is in the last rounds only.
        floor: where it falls to while nothing better than that could be agreed, as it seems.
        least: the lowest floor: where the counterparty seems to ask for all but this, and for the
            last offer that it can accept.
        hope: the probability that the counterparty takes it, which that last offer must have to be
            chosen by what it promises; without one, it goes down to the floor.
        margin: how much better than what it last asked for an offer should look to it.
        recent: over how many of its offers "last asked for" is taken.
        trials: how many offers of one's own are at most spent on finding out whether it echoes.
        band: how much worth these trials may give up; the first few, without which nothing is found
            out, `wide`.
        clock: how much better than what it will ask for at the end an offer should look to it,
            where that is foretold.
    """

    e: float = 0.04
    floor: float = 0.20
    least: float = 0.10
    hope: float = 0.5
    margin: float = 0.05
    recent: int = 5
    trials: int = 20
    band: float = 0.1
    wide: float = 0.25
    clock: float = 0.03


DEFAULT: Final = Policy()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and the figures that led to it."""

    action: Action
    price: Any
    quantity: Any
    worth: float
    target: float
    on_table: float | None


class Candidate(NamedTuple):
    """An outcome of the grids: what it is worth to us, and how well they seem to like it."""

    worth: float
    liking: float
    i: int
    j: int


def decide(
    s: Situation, table: Table, policy: Policy = DEFAULT, *, session_id: str | None = None
) -> Decision:
    """Return what to do now.

    Args:
        s: the situation.
        table: what the outcomes are worth.
        policy: other numbers than the ones that ship.
        session_id: moves the floors by up to a fifth, so that they are not the same in each
            negotiation and whoever knows this code cannot reckon back from them.
    """
    offer = s.on_table
    offered = None if offer is None else _worth(s, table, offer)
    reading = read(s, table)
    candidates = _candidates(s, table, reading.law)
    floor = _floor(s, candidates, reading, policy, _shift(session_id))
    heard = max((_worth(s, table, o) for o in s.received), default=0.0)
    target = _target(s, floor, heard, policy)
    choice = None if s.over else _choose(s, table, candidates, target, max(floor, heard), policy)
    value = None
    if choice is not None and s.received and s.round == s.last_offer:
        closing, value = _closing(s, table, candidates, reading, max(policy.least, heard), policy)
        choice = closing or choice
    if offer is not None and offered is not None and offered > NOTHING:
        nothing_follows = s.over or (s.rounds_left == 0 and not s.first)
        wanted = target if choice is None else min(target, choice.worth)
        if value is not None and s.rounds_left == 0:
            wanted = min(wanted, value)
        if nothing_follows or choice is None or offered >= wanted - NOTHING:
            return Decision("accept", offer.price, offer.quantity, offered, target, offered)
    if choice is None:
        return Decision("end", None, None, 0.0, target, offered)
    price, quantity = table.prices[choice.i], table.quantities[choice.j]
    return Decision("counter", price, quantity, choice.worth, target, offered)


def within(s: Situation, price: float) -> bool:
    """Return whether a price may be agreed to at all.

    Without a utility of the caller's own, one that is not beyond the reservation price. With one,
    that alone says what is better than no deal, price and quantity together.
    """
    if s.own_utility is not None:
        return True
    limit = float(s.limit)
    return price <= limit if s.buying else price >= limit


def _worth(s: Situation, table: Table, offer: Spoken) -> float:
    return table.of(offer.price, offer.quantity) if within(s, offer.p) else -1.0


def _candidates(s: Situation, table: Table, law: Taste) -> list[Candidate]:
    """Return all that is better than no deal."""
    allowed = [i for i, price in enumerate(table.p) if within(s, price)]
    likings = law.likings(table.p, table.q)
    return [
        Candidate(row[i], liked[i], i, j)
        for j, (row, liked) in enumerate(zip(table.worth, likings, strict=True))
        for i in allowed
        if row[i] > NOTHING
    ]


def _floor(
    s: Situation, candidates: list[Candidate], reading: Reading, policy: Policy, shift: float
) -> float:
    """Return the best that the counterparty would take if it took what it last asked for."""
    if not s.received:
        return policy.floor * shift
    floor = policy.floor if s.round < s.last_offer else policy.least
    if reading.clock is not None:
        asked = reading.clock.liking(s.rounds / (s.rounds + 1)) + policy.clock
    else:
        asked = (
            min(reading.law.liking(o.p, o.q) for o in s.received[-policy.recent :]) + policy.margin
        )
    best = max((c.worth for c in candidates if c.liking >= asked), default=floor * shift)
    return max(policy.least * shift, best)


def _shift(session_id: str | None) -> float:
    if session_id is None:
        return 1.0
    digest = hashlib.sha256(str(session_id).encode("utf-8", "replace")).digest()
    return 0.8 + 0.4 * digest[0] / 255


def _target(s: Situation, floor: float, heard: float, policy: Policy) -> float:
    """Return what an own offer has to be worth now, never less than the best that was heard."""
    span = s.last_offer - 1
    t = min(1.0, (s.round - 1) / span) if span > 0 else 1.0
    falling = floor + (1 - floor) * (1.0 - float(t ** (1 / policy.e)))
    return max(min(1.0, falling), heard)


def _choose(
    s: Situation,
    table: Table,
    candidates: list[Candidate],
    target: float,
    least: float,
    policy: Policy,
) -> Candidate | None:
    """Return what to offer: of what is worth the target, what they like most; never below `least`.

    Before that becomes pressing, a few rounds go on finding out whether they say something new
    when, and only when, one does so oneself. Such a one is answered in its own way: each round
    the best outcome that was not offered yet.
    """
    if not candidates:
        return None
    enough = [c for c in candidates if c.worth >= target - NOTHING]
    choice = max(enough or candidates, key=_liked if enough else _worthy)
    if _echoes(s):
        fresh = _fresh(s, table, candidates, least)
        return fresh if fresh is not None and fresh.worth < choice.worth else choice
    if s.round % 2 and len(s.made) < min(policy.trials, s.rounds // 3):
        few = len({(o.p, o.q) for o in s.made}) <= SIGNS
        band = policy.wide if few else policy.band
        return _fresh(s, table, candidates, max(least, choice.worth * (1 - band))) or choice
    return choice


def _closing(
    s: Situation,
    table: Table,
    candidates: list[Candidate],
    reading: Reading,
    low: float,
    policy: Policy,
) -> tuple[Candidate | None, float]:
    """Return the last offer that they can accept, and the most that is to be expected of any.

    From what is worth `low` to the best: of those that they will more likely take than not what
    promises most, its worth times the probability that they accept it. None if there are none.
    """
    top = max(c.worth for c in candidates)
    best, promised, value = None, 0.0, 0.0
    for step in range(LEVELS):
        level = low + (top - low) * step / (LEVELS - 1)
        choice = max(
            (c for c in candidates if c.worth >= level - NOTHING), key=_liked, default=None
        )
        if choice is None:
            break
        price, quantity = table.p[choice.i], table.q[choice.j]
        chance = probability(s, table, price, quantity, reading)
        value = max(value, choice.worth * chance)
        if chance >= policy.hope and choice.worth * chance > promised:
            best, promised = choice, choice.worth * chance
    return best, value


def _liked(candidate: Candidate) -> tuple[float, float]:
    return candidate.liking, candidate.worth


def _worthy(candidate: Candidate) -> tuple[float, float]:
    return candidate.worth, candidate.liking


def _fresh(
    s: Situation, table: Table, candidates: list[Candidate], least: float
) -> Candidate | None:
    """Return the best outcome that one has not offered yet."""
    said = {(o.p, o.q) for o in s.made}
    return max(
        (c for c in candidates if c.worth >= least and (table.p[c.i], table.q[c.j]) not in said),
        key=_worthy,
        default=None,
    )


def _echoes(s: Situation) -> bool:
    """Return whether they say something new when, and only when, one has done so oneself."""
    # Who moves second was answered to its first offer by their second one.
    answers = _novelty(s.received)[0 if s.first else 1 :]
    pairs = list(zip(_novelty(s.made), answers, strict=False))[1:]
    fresh = [answer for own, answer in pairs if own]
    stale = [answer for own, answer in pairs if not own]
    if len(fresh) < SIGNS or len(stale) < SIGNS:
        return False
    return sum(fresh) >= 0.8 * len(fresh) and sum(stale) <= 0.2 * len(stale)


def _novelty(offers: Sequence[Spoken]) -> list[bool]:
    """Return of each offer whether it had not been made before."""
    said: set[tuple[float, float]] = set()
    fresh = []
    for o in offers:
        fresh.append((o.p, o.q) not in said)
        said.add((o.p, o.q))
    return fresh
