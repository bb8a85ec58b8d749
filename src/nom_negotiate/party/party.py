"""One party at a desk: the use cases.

Rules of the room:

- A `Party` writes as itself only; there is no call that takes a user to write as.
- What is allowed is for `core.rules` to say, and how it is written for `action`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from nom_negotiate.core import rules
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.negotiation import Negotiation, Spoken, view
from nom_negotiate.core.outcome import Transaction
from nom_negotiate.core.party import Profile, check_display_name
from nom_negotiate.core.rules import Action
from nom_negotiate.core.state import STATE_SCHEMA, Limits, Offer, PartyState, Status
from nom_negotiate.core.terms import Number, Role, Terms, parse_terms
from nom_negotiate.errors import InputError, NotFound, StoreError
from nom_negotiate.party.action import Actor
from nom_negotiate.store.port import Filed, Namespace

if TYPE_CHECKING:
    from nom_negotiate.suggestion import Suggestion


class Party(Actor):
    """One party at a desk: everything it may do, and all that it has.

    Made by `Desk.party`. Any number of threads and processes may act for the same party
    at once: they wait for each other, and never for the other party.

    Every action returns the negotiation as it stands afterwards, is durable when it
    returns, and raises

    - `NotFound` (`unknown_negotiation`) for an id this party has no negotiation of;
    - `RuleViolation` where the rules do not allow it now;
    - `Conflict` where somebody else moved first: look again, then decide;
    - `RecordError` where a state file cannot be read;
    - `InputError` for a value that is none;
    - `StoreError` where the disk did not do its work. Look again before repeating: where the
      last step failed, the sync of a directory, what was written may stand.
    """

    def __repr__(self) -> str:
        return f"Party({self.address!r})"

    # Starting

    def start(
        self,
        counterparty: str,
        *,
        chemical: str,
        role: str,
        price: Number,
        quantity: Number,
        firm: bool = True,
        valid_until: int | None = None,
        delivery: str | None = None,
        payment: str | None = None,
        quality: str | None = None,
        message: str | None = None,
        idle_s: int | None = None,
        life_s: int | None = None,
        max_rounds: int | None = None,
        again: bool = False,
        listing: str | None = None,
    ) -> Negotiation:
        """Start a negotiation with a first offer.

        Where it answers a listing of the counterparty, that one is the initiator: it has asked
        for it. This party is the responder, and speaks first.

        Args:
            counterparty: whose address to negotiate with.
            chemical: what is traded.
            role: `buyer` or `seller`: what this party is.
            price: per unit.
            quantity: in units.
            firm: commit to the offer, so that its acceptance alone concludes the deal.
            valid_until: unix seconds after which the offer cannot be accepted.
            delivery: where, when and how it changes hands; None to leave that open.
            payment: when and how it is paid; None to leave that open.
            quality: what it has to be like; None to leave that open.
            message: a remark to go with it.
            idle_s: seconds of silence after which it expires; the root's default if None.
            life_s: seconds after which it expires in any case; the root's default if None.
            max_rounds: cap on the offers of both sides together.
            again: allow a second active negotiation with the same party over the same
                chemical.
            listing: id of the counterparty's listing that it answers; an agreement counts
                against that, and is refused where less is left by then.

        Raises:
            RuleViolation: `self_negotiation`, `duplicate_negotiation`, `closed_root`;
                `listing_closed`, `not_listed` where the listing does not ask for it.
            NotFound: `unknown_listing`.
        """
        other = parse_address(counterparty)
        rules.check_counterparty(self.address, other)
        settings = self._store.settings()
        rules.check_chemical(chemical, settings.chemicals)
        terms = parse_terms(price, quantity, delivery=delivery, payment=payment, quality=quality)
        now = self.desk.now()
        rules.check_valid_until(valid_until, now)
        limits = _limits(settings.limits, idle_s, life_s, max_rounds)
        said = None if message is None else rules.check_text(message, "message")
        my_role = _role(role)
        if listing is not None:
            # Imported here, as below: what concerns no listing does without.
            from nom_negotiate import market
            from nom_negotiate.core import listings

            answered = market.find(self.desk, other, listing)
            listings.check_answer(answered, my_role, chemical, terms.quantity)
        self.desk.admit(self.address, other)

        offer = Offer.of(terms, timestamp=now, round=1, valid_until=valid_until)
        opening = PartyState(
            schema=STATE_SCHEMA,
            negotiation_id="",
            user=self.address,
            counterparty=other,
            role=my_role,
            chemical=chemical,
            offer=None,
            status=Status.PENDING,
            last_updated=now,
            created=now,
            limits=limits,
            listing=listing,
        )

        def first_state(negotiation_id: str) -> PartyState:
            named = msgspec.structs.replace(opening, negotiation_id=negotiation_id)
            if said is not None:
                # One word, with a message: one revision.
                named = msgspec.structs.replace(named, revision=-1).saying(said, now)
            return named.offering(offer, _status(firm), now)

        with self._store.writer(self.address) as pen:
            if not again:
                rules.check_duplicate(
                    other, chemical, self._viewed(self._store.between(self.address, other))
                )
            place = pen.create(other, chemical, now, first_state, invited=listing is not None)
        return self._look(place.id).negotiation

    # Answering

    def offer(
        self,
        negotiation_id: str,
        *,
        price: Number,
        quantity: Number,
        firm: bool = True,
        valid_until: int | None = None,
        delivery: str | None = None,
        payment: str | None = None,
        quality: str | None = None,
        reason: str | None = None,
        revision: int | None = None,
    ) -> Negotiation:
        """Make a counter-offer.

        It says all of its terms: what an earlier offer said of delivery, payment or quality
        and this one does not is no part of it.

        Args:
            negotiation_id: which negotiation.
            price: per unit.
            quantity: in units.
            firm: commit to it.
            valid_until: unix seconds after which it cannot be accepted.
            delivery: where, when and how it changes hands; None to leave that open.
            payment: when and how it is paid; None to leave that open.
            quality: what it has to be like; None to leave that open.
            reason: why the offer on the table is turned down.
            revision: the revision of one's own state that this is based on.
        """
        terms = parse_terms(price, quantity, delivery=delivery, payment=payment, quality=quality)
        change = self._offering(terms, firm, valid_until, reason)
        return self._act(negotiation_id, Action.OFFER, change, revision=revision)

    def accept(
        self, negotiation_id: str, *, round: int | None = None, revision: int | None = None
    ) -> Negotiation:
        """Accept the offer on the table. A firm one is agreed by this alone.

        Args:
            negotiation_id: which negotiation.
            round: the round that was seen; refused where another one is on the table.
            revision: the revision of one's own state that this is based on.

        Raises:
            RuleViolation: `not_listed`, too, where it answers a listing of which less is left.
        """

        def change(seen: Negotiation, own: PartyState, now: int) -> PartyState:
            table = seen.on_table
            assert table is not None, "the rules allow to accept only what is on the table"
            at = _answered_at(seen, now)
            offer = Offer.of(table.terms, timestamp=at, round=table.round, accepts=True)
            return own.offering(offer, Status.AGREED, now)

        return self._act(negotiation_id, Action.ACCEPT, change, round=round, revision=revision)

    def reject(
        self,
        negotiation_id: str,
        *,
        reason: str | None = None,
        price: Number | None = None,
        quantity: Number | None = None,
        firm: bool = True,
        valid_until: int | None = None,
        delivery: str | None = None,
        payment: str | None = None,
        quality: str | None = None,
        revision: int | None = None,
    ) -> Negotiation:
        """Reject the offer on the table, which ends the negotiation, or counter it.

        With a price and a quantity it goes on: the counter-offer is made in the same step, and
        `reason` says why the one before it was turned down. Other than with `offer`, there must
        be something that can be rejected.

        Args:
            negotiation_id: which negotiation.
            reason: why.
            price: per unit, of a counter-offer; None to end the negotiation.
            quantity: in units, of a counter-offer; None to end the negotiation.
            firm: as for `offer`; only a counter-offer has this and what follows.
            valid_until: as for `offer`.
            delivery: as for `offer`.
            payment: as for `offer`.
            quality: as for `offer`.
            revision: the revision of one's own state that this is based on.
        """
        if price is None or quantity is None:
            more = (price, quantity, valid_until, delivery, payment, quality)
            if not firm or any(each is not None for each in more):
                raise InputError(
                    "invalid_number", "a rejection with a counter-offer needs price and quantity"
                )
            return self._end(negotiation_id, Action.REJECT, reason, revision)
        terms = parse_terms(price, quantity, delivery=delivery, payment=payment, quality=quality)
        counter = self._offering(terms, firm, valid_until, reason)

        def change(seen: Negotiation, own: PartyState, now: int) -> PartyState:
            rules.check_action(seen, self.address, Action.REJECT, now)
            return counter(seen, own, now)

        return self._act(negotiation_id, Action.OFFER, change, revision=revision)

    def withdraw(
        self, negotiation_id: str, *, reason: str | None = None, revision: int | None = None
    ) -> Negotiation:
        """Withdraw one's own offer from the table, which ends the negotiation."""
        return self._end(negotiation_id, Action.WITHDRAW, reason, revision)

    def say(self, negotiation_id: str, text: str, *, revision: int | None = None) -> Negotiation:
        """Leave a message for the counterparty, at most 2,000 characters.

        Raises:
            RuleViolation: `messages_exhausted`, too, after 1,000 of them.
        """
        said = rules.check_text(text, "message")

        def change(seen: Negotiation, own: PartyState, now: int) -> PartyState:
            rules.check_messages(own)
            return own.saying(said, now)

        return self._act(negotiation_id, Action.SAY, change, revision=revision)

    def mark_read(self, negotiation_id: str, *, messages: int | None = None) -> Negotiation:
        """Mark what the counterparty has said as read. Idempotent.

        It is no word: it keeps nothing from expiring, and one's own revision stays. Nothing is
        written where all of it is marked already, or where the negotiation has ended; so what
        another process of this party has marked a moment ago is as durable as that one made it.

        Args:
            negotiation_id: which negotiation.
            messages: how many of the counterparty's messages were seen, from the first one on;
                None for all there are. A mark never moves back.
        """
        if messages is not None and messages < 0:
            raise InputError("invalid_number", f"messages must be 0 or more, found {messages}")

        def unmarked(seen: Negotiation) -> tuple[Spoken, ...]:
            """Return what is to be marked, from the first message on; none where all of it is."""
            said = seen.said_to(self.address)
            wanted = said[:messages]
            return wanted if len(wanted) > sum(message.read for message in said) else ()

        def change(seen: Negotiation, own: PartyState, now: int) -> PartyState:
            said = unmarked(seen)
            # The clock of whoever has said it may be ahead.
            return own.reading(len(said), max(now, *(one.at for one in said))) if said else own

        # Mostly there is nothing to mark, and then no lock is taken.
        seen = self.negotiation(negotiation_id)
        if not seen.phase.open or not unmarked(seen):
            return seen
        return self._act(negotiation_id, Action.READ, change)

    def react(self, negotiation_id: str, level: int, *, revision: int | None = None) -> Negotiation:
        """Let the counterparty know how one likes its offer. Binds nobody.

        A party has one reaction: a new one takes the place of the one before. It keeps nothing
        from expiring.

        Args:
            negotiation_id: which negotiation.
            level: from 0, not at all, to 100, very much.
            revision: the revision of one's own state that this is based on.

        Raises:
            InputError: `invalid_level`.
        """
        checked = rules.check_level(level)

        def change(seen: Negotiation, own: PartyState, now: int) -> PartyState:
            theirs = [move.round for move in seen.offers if move.by != self.address]
            return own.reacting(checked, max(theirs, default=None), now)

        return self._act(negotiation_id, Action.REACT, change, revision=revision)

    def update(
        self,
        negotiation_id: str,
        *,
        price: Number | None = None,
        quantity: Number | None = None,
        status: str = Status.PENDING,
        delivery: str | None = None,
        payment: str | None = None,
        quality: str | None = None,
        revision: int | None = None,
    ) -> Negotiation:
        """Say terms and a status in one go: the verb of the original design.

        `pending` makes an indicative offer. `agreed` accepts where the terms are those on
        the table, and makes a firm offer where they are not. `rejected` rejects, or
        withdraws one's own offer; terms are not needed then.
        """
        try:
            wanted = Status(status)
        except ValueError:
            raise InputError(
                "invalid_text", f"status must be pending, agreed or rejected, found {status[:24]!a}"
            ) from None
        table = self.negotiation(negotiation_id).on_table
        mine = table is not None and table.by == self.address
        if wanted is Status.REJECTED:
            action = Action.WITHDRAW if mine else Action.REJECT
            return self._end(negotiation_id, action, None, revision)
        if price is None or quantity is None:
            raise InputError("invalid_number", f"an update to {wanted} needs price and quantity")
        terms = parse_terms(price, quantity, delivery=delivery, payment=payment, quality=quality)
        if wanted is Status.AGREED and table is not None and not mine and table.terms == terms:
            return self.accept(negotiation_id, round=table.round, revision=revision)
        return self.offer(
            negotiation_id,
            price=price,
            quantity=quantity,
            firm=wanted is Status.AGREED,
            delivery=delivery,
            payment=payment,
            quality=quality,
            revision=revision,
        )

    # Looking

    def suggest(self, negotiation_id: str) -> Suggestion:
        """Return what this party might say next, from its own preferences. Writes nothing.

        Raises:
            NotFound: `no_preferences`, too.
        """
        from nom_negotiate.suggestion import suggest

        return suggest(self, negotiation_id)

    def negotiation(self, negotiation_id: str) -> Negotiation:
        """Return one of this party's negotiations, active or archived."""
        return self._look(negotiation_id).negotiation

    def negotiations(self, *, archived: bool = False) -> list[Negotiation]:
        """Return this party's negotiations, by id. Looks at its own directory only.

        Packs that cannot be read are left out, and told to the desk's `notice`.
        """
        if archived:
            self.desk.tell_of_packs(self.address)
        return self._viewed(self._store.namespaces(self.address, archived=archived))

    def _viewed(self, places: Iterable[Namespace]) -> list[Negotiation]:
        now, limits = self.desk.now(), self._store.settings().limits
        found = []
        for place in places:
            snapshot = self._store.snapshot(place)
            if snapshot is not None and snapshot.states and snapshot.concerns(self.address):
                found.append(view(self._as_party(snapshot), now, limits))
        return found

    def transactions(self) -> list[Filed]:
        """Return this party's transactions with the names of their files, oldest first.

        Files that cannot be read are left out, and told to the desk's `notice`.
        """
        filed, problems = self._store.transactions(self.address)
        self.desk.tell(problems)
        return sorted(filed, key=lambda item: (item.transaction.timestamp, item.name))

    def mark_settled(self, name: str, *, settled: bool = True) -> Transaction:
        """Mark one of this party's own transactions as settled, or as not. Idempotent.

        Args:
            name: the name of its file.
            settled: what to mark it as.

        Raises:
            NotFound: `unknown_transaction`.
        """
        if self._store.known(self.address):
            with self._store.writer(self.address) as pen:
                for filed in self._store.transactions(self.address)[0]:
                    if filed.name == name:
                        marked = msgspec.structs.replace(filed.transaction, settled=settled)
                        if marked != filed.transaction:
                            pen.replace_transaction(name, marked)
                        if marked.listing is not None:
                            from nom_negotiate import market

                            with suppress(StoreError):
                                # It is marked. The next call of its own writes this down.
                                market.note(self._store, pen, self.desk.now())
                        return marked
        raise NotFound("unknown_transaction", f"{self.address} has no transaction {name[:80]!a}")

    def set_display_name(self, display_name: str) -> Profile:
        """Change what this party calls itself, and return what it says of itself; durable.

        Idempotent. Admits the party where it is new.

        Args:
            display_name: 1 to 100 characters.

        Raises:
            InputError: `invalid_text`.
            RecordError: where what it says of itself cannot be read.
            RuleViolation: `closed_root`.
        """
        check_display_name(display_name)
        self.desk.admit(self.address)
        with self._store.writer(self.address) as pen:
            found = self._store.profile(self.address)
            if found is not None and found.display_name == display_name:
                return found
            if found is None:
                found = Profile(
                    address=self.address, display_name=display_name, created=self.desk.now()
                )
            changed = msgspec.structs.replace(found, display_name=display_name)
            pen.write_profile(changed)
        return changed

    @property
    def profile(self) -> Profile | None:
        """Return who this party is, None where it has not been said."""
        return self._store.profile(self.address)

    def _offering(
        self, terms: Terms, firm: bool, valid_until: int | None, reason: str | None
    ) -> Callable[[Negotiation, PartyState, int], PartyState]:
        """Return how the state with this offer follows from what was seen."""
        why = None if reason is None else rules.check_text(reason, "reason")
        rules.check_valid_until(valid_until, self.desk.now())

        def change(seen: Negotiation, own: PartyState, now: int) -> PartyState:
            rules.check_cap(seen)
            at = _answered_at(seen, now)
            offer = Offer.of(
                terms, timestamp=at, round=seen.round + 1, valid_until=valid_until, reason=why
            )
            return own.offering(offer, _status(firm), now)

        return change

    def _end(
        self, negotiation_id: str, action: Action, reason: str | None, revision: int | None
    ) -> Negotiation:
        why = None if reason is None else rules.check_text(reason, "reason")
        change = PartyState.withdrawing if action is Action.WITHDRAW else PartyState.rejecting
        return self._act(
            negotiation_id,
            action,
            lambda seen, own, now: change(own, why, now),
            revision=revision,
        )


def _answered_at(seen: Negotiation, now: int) -> int:
    """Return the time of an answer: no earlier than that of what it answers.

    Where the other program counts no rounds, times say what came last, and its clock may be ahead.
    """
    return now if seen.on_table is None else max(now, seen.on_table.at)


def _status(firm: bool) -> Status:
    return Status.AGREED if firm else Status.PENDING


def _role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise InputError(
            "invalid_text", f"role must be buyer or seller, found {text[:24]!a}"
        ) from None


def _limits(
    defaults: Limits, idle_s: int | None, life_s: int | None, max_rounds: int | None
) -> Limits:
    for name, value in (("idle_s", idle_s), ("life_s", life_s)):
        if value is not None and not 0 < value <= rules.MAX_DURATION_S:
            raise InputError(
                "invalid_time", f"{name} must be between 1 second and a year, found {value}"
            )
    if max_rounds is not None and max_rounds < 1:
        raise InputError("invalid_number", f"max_rounds must be 1 or more, found {max_rounds}")
    return Limits(
        idle_s=defaults.idle_s if idle_s is None else idle_s,
        life_s=defaults.life_s if life_s is None else life_s,
        max_rounds=defaults.max_rounds if max_rounds is None else max_rounds,
    )
