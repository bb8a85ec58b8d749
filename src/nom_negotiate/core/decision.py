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
from nom_negotiate.core.negotiation import Negotiation, Phase, Snapshot, ended_by, view
from nom_negotiate.core.outcome import Basis, Deal, Kind, Outcome, preferred_names
from nom_negotiate.core.state import Limits
from nom_negotiate.core.terms import agreement_key

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
    merged = view(snapshot, now, defaults)
    if merged.phase is Phase.AGREED:
        return _agreed(snapshot, merged, now)
    ending = ended_by(snapshot, merged.moves)
    if ending is not None:
        state, kind = ending
        return _ended(snapshot, merged, kind, now, by=state.user, reason=state.reason)
    if merged.phase is Phase.EXPIRED:
        return _ended(snapshot, merged, Kind.EXPIRED, now, reason=_why_expired(merged))
    return None


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


def _agreed(snapshot: Snapshot, merged: Negotiation, now: int) -> Outcome:
    buyer, seller = merged.buyer, merged.seller
    assert buyer is not None and seller is not None, "keys matched, so both roles are known"
    offer = snapshot.states[buyer].offer
    assert offer is not None, "a commitment has terms"
    deal = Deal(
        buyer=buyer,
        seller=seller,
        chemical=merged.chemical,
        price=offer.price,
        quantity=offer.quantity,
        agreement_key=agreement_key(
            negotiation_id=snapshot.id,
            chemical=merged.chemical,
            buyer=buyer,
            seller=seller,
            terms=offer.terms,
        ),
    )
    plain = _ended(snapshot, merged, Kind.AGREED, now)
    return msgspec.structs.replace(plain, deal=deal, transactions=preferred_names(deal, now))


def _ended(
    snapshot: Snapshot,
    merged: Negotiation,
    kind: Kind,
    now: int,
    *,
    by: Address | None = None,
    reason: str | None = None,
) -> Outcome:
    return Outcome(
        negotiation_id=snapshot.id,
        outcome=kind,
        at=now,
        initiator=snapshot.initiator,
        responder=snapshot.responder,
        chemical=merged.chemical,
        by=by,
        reason=None if reason is None else _brief(reason),
        states={
            party: Basis(revision=state.revision, sha256=snapshot.digests[party])
            for party, state in snapshot.states.items()
        },
    )


def _why_expired(merged: Negotiation) -> str:
    if merged.expires_at == merged.created + merged.limits.life_s:
        return f"reached the end of its life of {merged.limits.life_s} seconds"
    return f"nobody spoke for {merged.limits.idle_s} seconds"
