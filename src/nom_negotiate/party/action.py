"""How one action of one party is carried out: look, ask the rules, write, look again.

Rules of the room:

- Each action reads both sides, asks the rules, writes the party's own state only if both
  sides are still what it has read, and looks again. So nobody takes back what the other
  has accepted, and nobody's update is lost.
- One case is left: an offer is taken back and accepted at the same instant, and each was
  written before either was seen. Then whoever took back has prevailed, and whoever accepted
  finds out when looking again: what stood before the acceptance is put back, and a
  `Conflict` is raised. What came after the outcome is reported as such.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from nom_negotiate import codec
from nom_negotiate.core import rules
from nom_negotiate.core.identity import Address, check_id
from nom_negotiate.core.negotiation import Negotiation, Phase, Snapshot, view
from nom_negotiate.core.outcome import Kind
from nom_negotiate.core.rules import Action
from nom_negotiate.core.state import STATE_SCHEMA, PartyState, Status
from nom_negotiate.errors import Conflict, NotFound, RecordError, RuleViolation
from nom_negotiate.store.port import Namespace, Writer

if TYPE_CHECKING:
    from nom_negotiate.desk import Desk

MAX_LOOKS: Final = 16

SPARE_BYTES: Final = 16 * 1024
"""What offers and messages leave free of a state file.

Enough for the longest reason (2,000 characters of four bytes) and an acceptance before it, which
repeats the conditions (three times 500 characters), so that a party can always answer the last
offer, and end what it has begun; and for the one read mark and the one reaction.
"""


@dataclass(frozen=True, slots=True)
class _Seen:
    """One look at a negotiation: where it is, what it held, and what that means at `now`."""

    place: Namespace
    snapshot: Snapshot
    negotiation: Negotiation
    now: int


class Actor:
    """One party as an author: it looks at its negotiations and writes its own state in them."""

    def __init__(self, desk: Desk, address: Address) -> None:
        self.desk = desk
        self._store = desk.store
        self.address = address

    def _act(
        self,
        negotiation_id: str,
        action: Action,
        change: Callable[[Negotiation, PartyState, int], PartyState],
        *,
        round: int | None = None,
        revision: int | None = None,
    ) -> Negotiation:
        if not self._store.known(self.address):
            # A party without a directory has no lock to take.
            raise self._unknown(negotiation_id)
        first: Negotiation | None = None
        with self._store.writer(self.address) as pen:
            for _ in range(MAX_LOOKS):
                seen = self._look(negotiation_id)
                # Of one moment: a word that was allowed then and dated now could be said after
                # the negotiation has expired, and bring it back to life.
                now = seen.now
                self._check_unmoved(first, seen.negotiation, action)
                first = first or seen.negotiation
                if action is Action.READ and not seen.negotiation.phase.open:
                    return seen.negotiation
                own = self._own(seen)
                self._check(seen.negotiation, action, now, round, revision)
                changed = change(seen.negotiation, own, now)
                if changed is own:
                    return seen.negotiation
                said = _fitting(changed, action)
                if pen.write(seen.place, said, seen=seen.snapshot):
                    return self._look_again(pen, seen.place, own, said, action)
        raise Conflict(
            "busy", f"{negotiation_id} changed during each of {MAX_LOOKS} looks; nothing was said"
        )

    def _check_unmoved(self, first: Negotiation | None, seen: Negotiation, action: Action) -> None:
        """Refuse to answer what was not on the table when this action began."""
        if first is None or action in (Action.SAY, Action.READ):
            return
        if seen.phase is Phase.AGREED and seen.outcome is None:
            other = seen.responder if seen.initiator == self.address else seen.initiator
            raise Conflict(
                "already_accepted", f"{other} accepted your offer in {seen.id} at the same moment"
            )
        if seen.phase.open and seen.on_table != first.on_table:
            raise Conflict(
                "moved",
                f"the counterparty changed {seen.id} at the same moment; nothing was written",
            )

    def _check(
        self,
        seen: Negotiation,
        action: Action,
        now: int,
        round: int | None,
        revision: int | None,
    ) -> None:
        if not seen.phase.open:
            raise rules.concluded(seen)
        rules.check_revision(seen, self.address, revision)
        rules.check_round(seen, round)
        rules.check_action(seen, self.address, action, now)
        if action in (Action.OFFER, Action.ACCEPT):
            # It may have been taken out of the settings since: no deal over it would settle.
            rules.check_chemical(seen.chemical, self._store.settings().chemicals)
        if action is Action.ACCEPT and seen.listing is not None:
            self._check_left(seen, seen.listing)

    def _check_left(self, seen: Negotiation, listing_id: str) -> None:
        """Refuse to accept what the poller would refuse, as far as that can be told by now."""
        # Imported here: what concerns no listing does without.
        from nom_negotiate import market
        from nom_negotiate.core import listings

        assert seen.on_table is not None, "the rules allow to accept only what is on the table"
        with suppress(NotFound):
            # Where it is gone, nothing limits what its author agrees to.
            found = market.find(self.desk, seen.initiator, listing_id)
            listings.check_left(found, seen.on_table.quantity)

    def _look_again(
        self, pen: Writer, place: Namespace, before: PartyState, said: PartyState, action: Action
    ) -> Negotiation:
        """Return the negotiation after a write, once it is certain that the write holds."""
        for _ in range(MAX_LOOKS):
            # Where it was a moment ago; or where it is found, if it has been archived since.
            seen = self._look_at(place) or self._look(said.negotiation_id)
            if seen.negotiation.outcome is not None:
                return self._obey(seen.negotiation, said, action)
            other = seen.snapshot.other(self.address)
            theirs = None if other is None else seen.snapshot.states.get(other)
            if action is not Action.ACCEPT or not _in_vain(said, theirs):
                return seen.negotiation
            restored = said.restoring(before, self.desk.now())
            if pen.write(seen.place, restored, seen=seen.snapshot):
                raise Conflict(
                    "moved",
                    f"{other} took back the offer in {said.negotiation_id} at the same moment;"
                    " your acceptance was taken back, too",
                )
        raise Conflict(
            "busy",
            f"{said.negotiation_id} changed during each of {MAX_LOOKS} looks after your acceptance"
            " of an offer that was taken back at the same moment",
        )

    def _obey(self, found: Negotiation, said: PartyState, action: Action) -> Negotiation:
        """Return the negotiation where its outcome followed from what was said, else refuse."""
        if action is Action.READ:
            return found
        outcome = found.outcome
        assert outcome is not None
        basis = outcome.states.get(self.address)
        if action is Action.ACCEPT and outcome.outcome is not Kind.EXPIRED:
            deal, offer = outcome.deal, said.offer
            counted = deal is not None and offer is not None and offer.terms == deal.terms
        else:
            # An acceptance, too: it was heard in time, and whoever had offered did not confirm it.
            counted = basis is not None and basis.revision >= said.revision
        if counted:
            return found
        raise rules.concluded(found)

    def _look(self, negotiation_id: str) -> _Seen:
        for _ in range(MAX_LOOKS):
            place = self._store.find(self.address, negotiation_id)
            if place is None:
                break
            seen = self._look_at(place)
            if seen is not None:
                return seen
            # It was moved to the archive between the two calls: find it there.
        raise self._unknown(negotiation_id)

    def _look_at(self, place: Namespace) -> _Seen | None:
        snapshot = self._store.snapshot(place)
        if snapshot is None:
            return None
        now = self.desk.now()
        snapshot = self._as_party(snapshot).as_of(now)
        self._check_party(snapshot)
        limits = self._store.settings().limits
        return _Seen(place, snapshot, view(snapshot, now, limits), now)

    def _unknown(self, negotiation_id: str) -> NotFound:
        check_id(negotiation_id)
        return NotFound(
            "unknown_negotiation", f"{self.address} has no negotiation {negotiation_id[:80]!a}"
        )

    def _as_party(self, snapshot: Snapshot) -> Snapshot:
        # In the original format only a link says who the responder is, until the responder
        # writes; and this party has found the link.
        if snapshot.responder is None and snapshot.initiator != self.address:
            return msgspec.structs.replace(snapshot, responder=self.address)
        return snapshot

    def _check_party(self, snapshot: Snapshot) -> None:
        # A link shows the way to what others negotiate, too; it gives no part in it.
        if not snapshot.concerns(self.address):
            raise RuleViolation("not_a_party", f"{self.address} is no party of {snapshot.id}")

    def _own(self, seen: _Seen) -> PartyState:
        """Return this party's own state, or the one from which its first word follows."""
        snapshot = seen.snapshot
        if not snapshot.decidable:
            problem = snapshot.problems[-1]
            raise RecordError("malformed_record", f"{problem.path}: {problem.reason}", hint="")
        other = snapshot.other(self.address)
        role = snapshot.role(self.address)
        if other is None or role is None:
            raise RuleViolation(
                "nothing_on_table",
                f"the counterparty of {snapshot.id} has not said yet who and what it is",
                hint="wait for its first offer",
            )
        own = snapshot.states.get(self.address)
        if own is not None:
            return msgspec.structs.replace(own, counterparty=other, role=role)
        # Whoever has posted the listing that was answered says, as the initiator, what else the
        # other side alone would say: so nobody but itself can count a deal against its listing.
        theirs = snapshot.opening if self.address == snapshot.initiator else None
        return PartyState(
            schema=STATE_SCHEMA,
            negotiation_id=snapshot.id,
            user=self.address,
            counterparty=other,
            role=role,
            chemical=seen.negotiation.chemical,
            offer=None,
            status=Status.PENDING,
            # Not now: a read mark, which is no word, may be all that is to be said.
            last_updated=min(seen.now, seen.negotiation.created),
            created=None if theirs is None else theirs.created,
            limits=None if theirs is None else theirs.limits,
            listing=None if theirs is None else theirs.listing,
        )


def _fitting(said: PartyState, action: Action) -> PartyState:
    """Return what is to be said where its file has room for it, with less history if need be.

    Raises:
        RecordError: `record_too_large` for an offer or a message; there is room for the rest.
    """
    bound = codec.MAX_RECORD_BYTES - SPARE_BYTES
    if _is_small(said, bound):
        return said
    size = codec.least_size(said)
    if size > bound and action in (Action.OFFER, Action.SAY):
        raise RecordError(
            "record_too_large",
            f"expected at most {bound} bytes in your state of {said.negotiation_id}, found {size}"
            " with this; what is left is for the end of it",
            hint="accept, reject or withdraw, and start a new negotiation",
        )
    while size > bound and action is Action.ACCEPT and (less := said.forgetting()) is not None:
        said = less
        size = codec.least_size(said)
    return said


def _is_small(said: PartyState, bound: int) -> bool:
    """Return whether it has room with its indents already, as nearly all have."""
    try:
        return len(codec.encode(said)) <= bound
    except RecordError:
        return False


def _in_vain(said: PartyState, theirs: PartyState | None) -> bool:
    """Return whether what was accepted is no longer offered."""
    assert said.offer is not None, "an acceptance has terms"
    if theirs is None or theirs.offer is None or theirs.status is Status.REJECTED:
        return True
    if theirs.offer.terms != said.offer.terms:
        return True
    # Equal terms that both are committed to are a deal, in whatever round they were said.
    unseen = theirs.offer.round not in (None, said.offer.round)
    return unseen and theirs.status is not Status.AGREED
