"""Old negotiations, planned: which id each one will have, and what will lie there.

Namespaces of L5 come first, because they keep their ids. The others get theirs in the order
of creation; an id that is taken, in the data root or by this very plan, moves on a second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from nom_negotiate import codec
from nom_negotiate.core.identity import Address, negotiation_id
from nom_negotiate.core.outcome import Basis
from nom_negotiate.errors import NomError
from nom_negotiate.legacy import originals, states
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.originals import Original
from nom_negotiate.legacy.plan import Left, Note, PlannedListing, PlannedNegotiation
from nom_negotiate.legacy.records import OldData, OldNamespace, OldNegotiation, OldTransaction
from nom_negotiate.legacy.records import Status as OldStatus
from nom_negotiate.legacy.states import Draft
from nom_negotiate.legacy.target import Target
from nom_negotiate.store.files.installation import NewNamespace, NewOutcome
from nom_negotiate.store.port import Namespace
from nom_negotiate.store.reading import OUTCOME_NAME


class Negotiations:
    """Plans the negotiations of the old data.

    Args:
        target: the data root.
        old: the source.
        now: unix seconds.
        in_place: whether the source is the data root.
        listings: what becomes of the standing orders.

    Attributes:
        planned: what becomes of each.
        ids: the id that each will have, by party and old id.
        left: what is not carried over.
        notes: what an operator should know.
    """

    def __init__(
        self,
        target: Target,
        old: OldData,
        now: int,
        in_place: bool,
        listings: Iterable[PlannedListing],
    ) -> None:
        self._target = target
        self._layout = target.store.layout
        self._limits = target.settings.limits
        self._now = now
        self._in_place = in_place
        carried = {(one.kind, one.owner, one.id) for one in listings}
        self._ads = {
            (one.owner, one.id, one.side, one.chemical)
            for one in old.orders
            if one.kind == "ad" and (one.kind, one.owner, one.id) in carried
        }
        self._reserved: set[tuple[Address, str]] = set()
        self._trades: defaultdict[str, list[OldTransaction]] = defaultdict(list)
        for trade in old.transactions:
            if trade.negotiation_id is not None:
                self._trades[trade.negotiation_id].append(trade)
        self.planned: list[PlannedNegotiation] = []
        self.ids: dict[tuple[Address, str], str] = {}
        self.left: list[Left] = []
        self.notes: list[Note] = []
        for namespace in old.namespaces:
            self._take_namespace(namespace)
        for negotiation in old.negotiations:
            self._take_negotiation(negotiation)

    # L2 and L4

    def _take_negotiation(self, one: OldNegotiation) -> None:
        try:
            self._check(one)
            place, new = self._placed(one)
        except (Refused, NomError) as error:
            self._leave(one, error, one.status)
            return
        last = one.offers[-1].by
        other = one.responder if last == one.initiator else one.initiator
        self._add(
            PlannedNegotiation(
                legacy_id=one.id,
                generation=one.generation,
                place=place,
                responder=one.responder,
                chemical=one.chemical,
                status=one.status,
                offers=len(one.offers),
                turn=other if one.status == "pending" else None,
                new=new,
                unlinked=new is None and self._unlinked(place, one.responder),
                path=one.path,
            )
        )

    def _check(self, one: OldNegotiation) -> None:
        if one.initiator == one.responder:
            raise Refused(f"{one.initiator} negotiated with itself")
        if not one.offers:
            raise Refused("nobody has made an offer in it")
        last = one.offers[-1].by
        if one.status == "pending" and one.last_offer_by != last:
            raise Refused(
                f"lastOfferBy says {one.last_offer_by}, and the last offer is by {last}:"
                " whose turn it is cannot be told"
            )
        self._target.check_chemical(one.chemical)
        self._target.check_parties(one.initiator, one.responder)

    def _placed(self, one: OldNegotiation) -> tuple[Namespace, NewNamespace | None]:
        carried = self._carried(one.id, one.initiator, one.responder)
        if carried is not None:
            return carried, None
        place = self._free(one.initiator, one.responder, one.chemical, one.created_at)
        place = place._replace(archived=one.status != "pending")
        draft = states.draft(one, place.id, self._now, self._limits, self._listing(one))
        return place, NewNamespace(place, one.responder, _checked(draft, place.id))

    def _listing(self, one: OldNegotiation) -> str | None:
        """Return the id of the listing that a negotiation answers.

        It is one of the initiator's, as in ours. An advertisement of the responder's, or one that
        stands no more, stays a note of its id.
        """
        answered = (one.initiator, one.ad_id, one.side, one.chemical)
        return one.ad_id if answered in self._ads else None

    # L5

    def _take_namespace(self, one: OldNamespace) -> None:
        own = Namespace(one.id, one.initiator)
        is_own = self._in_place and one.path == self._layout.relative(self._layout.namespace(own))
        if is_own and self._is_ours(own):
            return
        try:
            original = originals.judge(one)
            self._target.check_chemical(original.chemical)
            self._target.check_parties(original.initiator, original.responder)
            executed_at = self._executed_at(original)
            place, new = (
                (own, self._outcome(original, own, executed_at))
                if is_own
                else self._placed_original(original, own, executed_at)
            )
        except (Refused, NomError) as error:
            self._leave(one, error, "pending")
            return
        if original.agreed and executed_at is None:
            self.notes.append(Note(one.path, "agreed, and not executed: the next poll settles it"))
        status = original.status if executed_at is None else "accepted"
        last = original.moves[-1].by
        other = original.responder if last == original.initiator else original.initiator
        self._add(
            PlannedNegotiation(
                legacy_id=one.id,
                generation="L5",
                place=place,
                responder=original.responder,
                chemical=original.chemical,
                status=status,
                offers=sum(not move.accepts for move in original.moves),
                turn=other if status == "pending" and not original.agreed else None,
                new=new,
                unlinked=new is None and not is_own and self._unlinked(place, original.responder),
                path=one.path,
            )
        )

    def _executed_at(self, original: Original) -> int | None:
        pair = {original.initiator, original.responder}
        trades = [
            trade
            for trade in self._trades[original.old.id]
            if {trade.owner, trade.counterparty} == pair
        ]
        if trades and not original.agreed:
            raise Refused("it was executed, but its two states do not agree on the same terms")
        return min((trade.timestamp for trade in trades), default=None)

    def _placed_original(
        self, original: Original, own: Namespace, executed_at: int | None
    ) -> tuple[Namespace, NewNamespace | None]:
        pair = (original.initiator, original.responder)
        carried = self._carried(original.old.id, *pair)
        if carried is not None:
            return carried, None
        place = own
        if not self._is_free(own, original.responder):
            place = self._free(*pair, original.chemical, original.created_at)
        place = place._replace(archived=executed_at is not None or original.ended is not None)
        draft = originals.draft(original, place.id, self._now, self._limits, executed_at)
        return place, NewNamespace(place, original.responder, _checked(draft, place.id))

    def _outcome(
        self, original: Original, own: Namespace, executed_at: int | None
    ) -> NewOutcome | None:
        """Return the word that a namespace in the data root is over, which it may lack.

        Without it the next poll would execute it once more. The source is not changed.
        """
        snapshot = self._target.store.snapshot(own)
        if executed_at is None or snapshot is None or snapshot.outcome is not None:
            return None
        draft = originals.draft(original, own.id, self._now, self._limits, executed_at)
        assert draft.ending is not None, "what was executed has ended"
        basis = {
            party: Basis(revision=state.revision, sha256=snapshot.digests[party])
            for party, state in snapshot.states.items()
        }
        outcome = draft.outcome([b"", b""], draft.ending)
        data = codec.encode(msgspec.structs.replace(outcome, states=basis))
        codec.decode_outcome(data)
        return NewOutcome(own, data)

    def _is_ours(self, place: Namespace) -> bool:
        """Return whether a namespace that lies in the data root is no longer an original."""
        snapshot = self._target.store.snapshot(place)
        return snapshot is not None and any(s.schema for s in snapshot.states.values())

    # Both

    def _add(self, one: PlannedNegotiation) -> None:
        self.planned.append(one)
        for party in (one.place.initiator, one.responder):
            self._reserved.add((party, one.place.id))
            self.ids[party, one.legacy_id] = one.place.id

    def _leave(
        self, one: OldNegotiation | OldNamespace, error: Exception, status: OldStatus
    ) -> None:
        kind = f"{status} negotiations"
        self.left.append(Left("negotiation", one.path, str(error), one.id, kind))

    def _carried(self, legacy_id: str, initiator: Address, responder: Address) -> Namespace | None:
        places = self._target.places(legacy_id, initiator, responder)
        return places[0] if places else None

    def _free(
        self, initiator: Address, responder: Address, chemical: str, seconds: int
    ) -> Namespace:
        while True:
            place = Namespace(negotiation_id(initiator, responder, chemical, seconds), initiator)
            if self._is_free(place, responder):
                return place
            seconds += 1

    def _is_free(self, place: Namespace, responder: Address) -> bool:
        if any((party, place.id) in self._reserved for party in (place.initiator, responder)):
            return False
        return not self._target.installation.taken(place, responder)

    def _unlinked(self, place: Namespace, responder: Address) -> bool:
        return not self._target.installation.linked(place, responder)


def _checked(draft: Draft, id: str) -> dict[str, bytes]:
    """Return the files of a draft, which whoever reads them will accept."""
    files = draft.files()
    for name, data in files.items():
        if name == OUTCOME_NAME:
            codec.decode_outcome(data)
        else:
            codec.decode_state(data, id)
    return files
