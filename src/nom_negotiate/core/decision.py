"""From two states of the same moment to an outcome, or to none yet.

The rules, in this order:

1. An outcome that exists stands.
2. A namespace with a file that cannot be trusted, or that speaks from the future, is left
   alone.
3. Two `agreed` states with one key, the later of them written in time: agreed.
4. A `rejected` state: withdrawn where its author says so or made the last move, else rejected.
5. Nobody spoke for longer than the negotiation lasts: expired.
"""

from __future__ import annotations

from typing import Final

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.moves import moves_of
from nom_negotiate.core.negotiation import Course, course_of, ended_by
from nom_negotiate.core.outcome import Basis, Deal, Kind, Outcome, preferred_names
from nom_negotiate.core.snapshot import Snapshot
from nom_negotiate.core.state import Limits, Status
from nom_negotiate.core.terms import Role, agreement_key

MAX_REASON_CHARS: Final = 2000
"""Of a reason in an outcome; what is longer is cut."""


def decide(snapshot: Snapshot, now: int, defaults: Limits) -> Outcome | None:
    """Return the outcome that the snapshot calls for at `now`, or None while it goes on.

    The transaction names in it are the preferred ones; the store moves on from names
    that are taken.
    """
    snapshot = snapshot.as_of(now)
    if snapshot.outcome is not None or not snapshot.decidable:
        return None
    if not snapshot.states:
        # Nothing was ever said here: there is no time to count from, and nothing to end.
        return None
    course = course_of(snapshot, defaults, lambda: moves_of(snapshot))
    if course.agreed_at is not None:
        return _agreed(snapshot, now)
    if _has_ended(snapshot):
        ending = ended_by(snapshot, moves_of(snapshot))
        assert ending is not None, "somebody rejects"
        state, kind = ending
        return _ended(snapshot, kind, now, by=state.user, reason=state.reason)
    if now > course.expires_at:
        return _ended(snapshot, Kind.EXPIRED, now, reason=_why_expired(course))
    return None


def quiet_until(snapshot: Snapshot, now: int, defaults: Limits) -> int | None:
    """Return the last second at which there is nothing to decide, if nobody writes until then.

    Up to that second, `decide` returns None for this snapshot, and from the next one on an
    outcome of `expired`. None where it is not as simple as that: something is to be decided or
    done now, a problem is to be reported, or time alone will not decide it.

    Args:
        snapshot: as it was read.
        now: unix seconds.
        defaults: the limits of a negotiation that says none itself.
    """
    if snapshot.problems or snapshot.outcome is not None or not snapshot.states:
        return None
    if not snapshot.as_of(now).decidable or _has_ended(snapshot):
        # A state from the future counts from a second on that no file tells.
        return None
    course = course_of(snapshot, defaults, lambda: moves_of(snapshot))
    if course.agreed_at is not None or now > course.expires_at:
        return None
    return course.expires_at


def _has_ended(snapshot: Snapshot) -> bool:
    return any(state.status is Status.REJECTED for state in snapshot.states.values())


def objected(agreed: Outcome, reason: str) -> Outcome:
    """Return the outcome of a deal that a validator refused: rejected, with its reason."""
    why = _brief(str(reason)) or "a validator refused it"
    return msgspec.structs.replace(
        agreed, outcome=Kind.REJECTED, reason=why, deal=None, transactions={}
    )


def _brief(reason: str) -> str:
    # A stranger's words: an outcome that is too large, or no UTF-8, could not be recorded,
    # and its negotiation would never end.
    return reason[:MAX_REASON_CHARS].encode("utf-8", "replace").decode()


def _agreed(snapshot: Snapshot, now: int) -> Outcome:
    initiator, responder = snapshot.initiator, snapshot.responder
    assert responder is not None, "two have agreed"
    buys = snapshot.role(initiator) is Role.BUYER
    buyer, seller = (initiator, responder) if buys else (responder, initiator)
    offer = snapshot.states[buyer].offer
    assert offer is not None, "a commitment has terms"
    deal = Deal(
        buyer=buyer,
        seller=seller,
        chemical=_chemical(snapshot),
        price=offer.price,
        quantity=offer.quantity,
        agreement_key=agreement_key(
            negotiation_id=snapshot.id,
            chemical=_chemical(snapshot),
            buyer=buyer,
            seller=seller,
            terms=offer.terms,
        ),
        delivery=offer.delivery,
        payment=offer.payment,
        quality=offer.quality,
    )
    return _ended(snapshot, Kind.AGREED, now, deal=deal)


def _ended(
    snapshot: Snapshot,
    kind: Kind,
    now: int,
    *,
    by: Address | None = None,
    reason: str | None = None,
    deal: Deal | None = None,
) -> Outcome:
    return Outcome(
        negotiation_id=snapshot.id,
        outcome=kind,
        at=now,
        initiator=snapshot.initiator,
        responder=snapshot.responder,
        chemical=_chemical(snapshot),
        by=by,
        reason=None if reason is None else _brief(reason),
        deal=deal,
        transactions={} if deal is None else preferred_names(deal, now),
        states={
            party: Basis(revision=state.revision, sha256=snapshot.digests[party])
            for party, state in snapshot.states.items()
        },
        listing=snapshot.listing,
    )


def _chemical(snapshot: Snapshot) -> str:
    return next(state.chemical for state in snapshot.states.values())


def _why_expired(course: Course) -> str:
    limits = course.limits
    if course.expires_at == course.created + limits.life_s:
        return f"reached the end of its life of {limits.life_s} seconds"
    return f"nobody spoke for {limits.idle_s} seconds"
