"""The file store and the memory store go through the same histories, and agree at every step.

A machine lets two to four parties act at random, some of them with the same short name, while
the clock jumps forwards and backwards and the poller passes now and then. After each step both
stores have given the same result or the same error, hold the same bytes, and keep the
invariants 1 to 4 and 9 of the protocol.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.stateful.books import assert_conserved, over_dear_deals
from tests.stateful.strategies import (
    CHEMICALS,
    PARTIES,
    addresses,
    any_prices,
    any_quantities,
    conditions,
    deals,
    durations,
    firmness,
    levels,
    moments,
    prices,
    quantities,
    reasons,
    revisions,
    roles,
    rounds,
    texts,
    turns,
)
from tests.support import DAY, HOUR, Clock

from nom_negotiate import (
    Desk,
    FileStore,
    Kind,
    Limits,
    MemoryStore,
    Namespace,
    Negotiation,
    NomError,
    Outcome,
    Phase,
    Report,
    Settings,
    Store,
    market,
)
from nom_negotiate.autopilot import Step, step, turn_off, turn_on
from nom_negotiate.preferences import clear_preferences, preferences, set_preferences

# About 40 seconds. NOM_AGREE_EXAMPLES=2000 HYPOTHESIS_PROFILE=search searches for longer.
EXAMPLES = int(os.environ.get("NOM_AGREE_EXAMPLES", "130"))


class StoresAgree(RuleBasedStateMachine):
    """One history, told to two stores."""

    def open_desks(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="nom-agree-"))
        self.clock = Clock()
        files: Store = FileStore(self.root / "data", durable=False)
        self.stores = [files, MemoryStore()]
        self.told: list[list[str]] = [[], []]
        self.desks = [
            Desk(
                store,
                clock=self.clock,
                validators=[over_dear_deals],
                after_settlement=(),
                notice=told.append,
            )
            for store, told in zip(self.stores, self.told, strict=True)
        ]
        self.actor: str | None = None
        self.deals: list[tuple[str, str]] = []
        self.digests: dict[tuple[str, str, str], str] = {}
        self.outcomes: dict[tuple[str, str], Outcome] = {}
        self.promised: dict[tuple[str, str], Negotiation] = {}

    def teardown(self) -> None:
        if hasattr(self, "root"):
            shutil.rmtree(self.root)
            for outcome in self.outcomes.values():
                event(f"a negotiation ended {outcome.outcome}")

    def both(self, act: Callable[[Desk], Any], actor: str | None = None) -> Any:
        """Let both desks do the same; return what both answered."""
        self.actor = actor
        answers = []
        for desk in self.desks:
            try:
                answers.append(act(desk))
            except NomError as error:
                answers.append((type(error), error.code, error.message))
        assert answers[0] == answers[1]
        return answers[0]

    def act(self, party: str, verb: str, *args: Any, **options: Any) -> Any:
        return self.both(lambda desk: getattr(desk.party(party), verb)(*args, **options), party)

    # What parties do

    def begin(self, party: str, other: str, valid: int | None = None, **options: Any) -> None:
        valid_until = None if valid is None else int(self.clock.now) + valid
        found = self.act(party, "start", other, valid_until=valid_until, **options)
        if isinstance(found, Negotiation):
            self.deals.append((found.initiator, found.id))

    @initialize(parties=st.permutations(PARTIES), role=roles, price=prices, firm=firmness)
    def begin_somehow(self, parties: list[str], **options: Any) -> None:
        self.open_desks()
        self.begin(parties[0], parties[1], chemical="C", quantity="3", **options)

    @rule(
        party=addresses,
        other=addresses,
        chemical=st.sampled_from([*CHEMICALS, "X"]),
        role=roles,
        price=any_prices,
        quantity=any_quantities,
        firm=firmness,
        valid=moments,
        idle_s=durations,
        life_s=durations,
        max_rounds=st.one_of(st.none(), st.none(), st.integers(0, 3)),
        message=reasons,
        delivery=conditions,
        again=st.booleans(),
    )
    def start(self, party: str, other: str, **options: Any) -> None:
        self.begin(party, other, **options)

    @rule(parties=st.permutations(PARTIES), role=roles, price=prices, firm=firmness)
    def start_well(self, parties: list[str], **options: Any) -> None:
        """Start what hardly anything speaks against, so that there is something to haggle over."""
        self.begin(parties[0], parties[1], chemical="N", quantity="0.3", again=True, **options)

    def who_and_which(self, deal: int, who: str) -> tuple[str, str]:
        """Return a party, and the id of a negotiation that is mostly one of its own."""
        initiator, name = self.deals[-1 - deal % len(self.deals)]
        if who in PARTIES:
            return who, name
        found = self.both(lambda desk: desk.party(initiator).negotiation(name))
        assert isinstance(found, Negotiation)
        assert found.responder is not None
        other = {found.initiator: found.responder, found.responder: found.initiator}
        turn = found.turn or found.responder
        return (turn if who == "turn" else other[turn]), name

    @rule(
        deal=deals,
        who=turns,
        price=any_prices,
        quantity=any_quantities,
        firm=firmness,
        valid=moments,
        reason=st.one_of(st.none(), texts),
        delivery=conditions,
        quality=conditions,
        revision=revisions,
    )
    @precondition(lambda self: self.deals)
    def offer(self, deal: int, who: str, valid: int | None, **options: Any) -> None:
        party, name = self.who_and_which(deal, who)
        valid_until = None if valid is None else int(self.clock.now) + valid
        self.act(party, "offer", name, valid_until=valid_until, **options)

    @rule(deal=deals, who=turns, round=rounds, revision=revisions)
    @precondition(lambda self: self.deals)
    def accept(self, deal: int, who: str, **options: Any) -> None:
        party, name = self.who_and_which(deal, who)
        self.accepted(name, party, self.act(party, "accept", name, **options))

    @rule(deal=deals)
    @precondition(lambda self: self.deals)
    def accept_what_is_on_the_table(self, deal: int) -> None:
        party, name = self.who_and_which(deal, "turn")
        self.accepted(name, party, self.act(party, "accept", name))

    def accepted(self, deal: str, party: str, answer: Any) -> None:
        if not isinstance(answer, Negotiation):
            return
        *_, offered, acceptance = answer.moves
        assert acceptance.by == party
        assert acceptance.accepts
        assert acceptance.terms == offered.terms
        if offered.firm:
            # An acceptance of a firm offer alone makes the deal, whatever the clock does.
            assert answer.phase is Phase.AGREED
        if answer.phase is Phase.AGREED:
            self.promised[answer.initiator, deal] = answer

    @rule(deal=deals, who=turns, reason=reasons, revision=revisions)
    @precondition(lambda self: self.deals)
    def reject(self, deal: int, who: str, **options: Any) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "reject", name, **options)

    @rule(deal=deals, who=st.sampled_from(["waiting", *PARTIES]), reason=reasons)
    @precondition(lambda self: self.deals)
    def withdraw(self, deal: int, who: str, reason: str | None) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "withdraw", name, reason=reason)

    @rule(deal=deals, who=turns, text=texts, revision=revisions)
    @precondition(lambda self: self.deals)
    def say(self, deal: int, who: str, text: str, revision: int | None) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "say", name, text, revision=revision)

    @rule(deal=deals, who=turns, reason=reasons, price=any_prices, payment=conditions)
    @precondition(lambda self: self.deals)
    def reject_with_a_counter_offer(self, deal: int, who: str, **options: Any) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "reject", name, quantity="3", **options)

    @rule(deal=deals, who=turns, messages=st.none() | st.integers(-1, 3))
    @precondition(lambda self: self.deals)
    def mark_read(self, deal: int, who: str, messages: int | None) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "mark_read", name, messages=messages)

    @rule(deal=deals, who=turns, level=levels, revision=revisions)
    @precondition(lambda self: self.deals)
    def react(self, deal: int, who: str, level: int, revision: int | None) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "react", name, level, revision=revision)

    @rule(
        deal=deals,
        who=turns,
        price=st.none() | any_prices,
        quantity=st.none() | any_quantities,
        status=st.sampled_from(["pending", "agreed", "agreed", "rejected", "perhaps"]),
        delivery=conditions,
        revision=revisions,
    )
    @precondition(lambda self: self.deals)
    def update(self, deal: int, who: str, **options: Any) -> None:
        party, name = self.who_and_which(deal, who)
        self.act(party, "update", name, **options)

    @rule(party=addresses, number=st.integers(0, 5), settled=st.booleans())
    def mark_settled(self, party: str, number: int, settled: bool) -> None:
        filed = self.desks[0].party(party).transactions()
        name = filed[number % len(filed)].name if filed else "none.json"
        self.act(party, "mark_settled", name, settled=settled)

    @rule(
        party=addresses,
        side=st.sampled_from(["buy", "sell", "lend"]),
        chemical=st.sampled_from(CHEMICALS),
        price=st.none() | prices,
        quantity=st.none() | quantities,
    )
    def post(self, party: str, **options: Any) -> None:
        self.both(lambda desk: market.post(desk.party(party), **options), party)

    @rule(party=addresses, number=st.integers(0, 3))
    def close(self, party: str, number: int) -> None:
        posted = self.desks[0].store.listings(self.desks[0].party(party).address)[0]
        listing = posted[number % len(posted)].id if posted else "none"
        self.both(lambda desk: market.close(desk.party(party), listing), party)

    @rule(
        party=addresses,
        author=addresses,
        number=st.integers(0, 3),
        price=st.none() | prices,
        quantity=st.none() | quantities,
        again=st.booleans(),
    )
    def respond(self, party: str, author: str, number: int, **options: Any) -> None:
        posted = self.desks[0].store.listings(self.desks[0].party(author).address)[0]
        listing = posted[number % len(posted)].id if posted else "none"
        deal = self.both(
            lambda desk: market.respond(desk.party(party), author, listing, **options), party
        )
        if isinstance(deal, Negotiation):
            self.deals.append((deal.initiator, deal.id))

    @rule(
        chemical=st.none() | st.sampled_from(CHEMICALS),
        side=st.none() | st.sampled_from(["buy", "sell", "lend"]),
        text=st.none() | st.sampled_from(["alice", "c", "_sell_", "a.edu b"]),
        min_price=st.none() | any_prices,
        max_price=st.none() | any_prices,
        closed=st.booleans(),
    )
    def look_for_listings(self, **options: Any) -> None:
        self.both(lambda desk: market.view(desk, **options))

    # What parties keep to themselves

    @rule(
        party=addresses,
        chemical=st.sampled_from([*CHEMICALS, *CHEMICALS, "X"]),
        role=roles,
        price=any_prices,
        quantity=any_quantities,
        target_price=st.none() | prices,
        excess=st.none() | any_prices,
    )
    def prefer(
        self, party: str, chemical: str, role: str, price: Any, quantity: Any, **options: Any
    ) -> None:
        self.both(
            lambda desk: set_preferences(
                desk.party(party),
                chemical=chemical,
                role=role,
                salt="salt",
                reservation_price=price,
                target_quantity=quantity,
                **options,
            )
        )

    @rule(deal=deals, who=turns, price=any_prices, target_price=st.none() | prices)
    @precondition(lambda self: self.deals)
    def prefer_here(self, deal: int, who: str, price: Any, target_price: str | None) -> None:
        party, name = self.who_and_which(deal, who)
        self.both(
            lambda desk: set_preferences(
                desk.party(party),
                negotiation_id=name,
                salt="salt",
                reservation_price=price,
                target_quantity=3,
                target_price=target_price,
            )
        )

    @rule(deal=deals, who=turns, chemical=st.none() | st.sampled_from([*CHEMICALS, "X"]))
    @precondition(lambda self: self.deals)
    def forget(self, deal: int, who: str, chemical: str | None) -> None:
        party, name = self.who_and_which(deal, who)
        bound = {"negotiation_id": name} if chemical is None else {"chemical": chemical}
        role = None if chemical is None else "buyer"
        self.both(lambda desk: clear_preferences(desk.party(party), role=role, **bound))

    @rule(
        deal=deals,
        who=turns,
        max_rounds=st.none() | st.integers(0, 9),
        auto_accept=st.booleans(),
    )
    @precondition(lambda self: self.deals)
    def turn_an_autopilot_on(self, deal: int, who: str, **options: Any) -> None:
        party, name = self.who_and_which(deal, who)
        self.both(lambda desk: turn_on(desk.party(party), name, **options))

    @rule(deal=deals, who=turns)
    @precondition(lambda self: self.deals)
    def turn_an_autopilot_off(self, deal: int, who: str) -> None:
        party, name = self.who_and_which(deal, who)
        self.both(lambda desk: turn_off(desk.party(party), name))

    @rule(deal=deals, price=prices, at_once=st.booleans())
    @precondition(lambda self: self.deals)
    def let_an_autopilot_speak(self, deal: int, price: str, at_once: bool) -> None:
        """Let whoever's turn it is want something, and its autopilot say a word for it."""
        party, name = self.who_and_which(deal, "turn")
        self.prefer_here(deal, "turn", price, price if at_once else None)
        self.turn_an_autopilot_on(deal, "turn", max_rounds=None, auto_accept=at_once)
        files, memory = map(self.recent, self.desks)
        if files != memory:
            # What was settled last is a hint: what is packed one store remembers, and one not.
            return
        said = self.both(lambda desk: step(desk.party(party), name), party)
        if isinstance(said, Step):
            event(f"an autopilot says {said.action}")
            if said.action == "accept":
                self.accepted(name, party, said.after)

    def recent(self, desk: Desk) -> object:
        found = [
            (desk.store.recent_transactions(each, 50), desk.store.recent_listings(each, 50))
            for each in CHEMICALS
        ]
        return [(deals, sorted(map(repr, listings))) for deals, listings in found]

    # What happens around them

    @rule(seconds=st.sampled_from([1, 59, 60, HOUR, 23 * HOUR, DAY + 1]))
    def time_passes(self, seconds: int) -> None:
        self.actor = None
        self.clock.forward(seconds)

    @rule(seconds=st.sampled_from([1, 61, HOUR]) | st.integers(1, DAY))
    def the_clock_is_set_back(self, seconds: int) -> None:
        self.actor = None
        self.clock.forward(-seconds)

    @rule(
        closed=st.booleans(),
        idle_s=st.sampled_from([60, DAY]),
        max_rounds=st.none() | st.integers(1, 3),
        pack_after_s=st.sampled_from([0, 1, HOUR, 90 * DAY]),
    )
    @precondition(lambda self: len(self.outcomes) < 3)
    def the_root_is_set_up_otherwise(
        self, closed: bool, idle_s: int, max_rounds: int | None, pack_after_s: int
    ) -> None:
        limits = Limits(idle_s=idle_s, max_rounds=max_rounds)
        changed = Settings(closed=closed, limits=limits, pack_after_s=pack_after_s)

        def change(desk: Desk) -> None:
            # Whether it was new is no matter: a file store may have set itself up by then.
            desk.initialise(changed)

        self.both(change)

    @rule(older_than_s=st.sampled_from([-1, -1, HOUR]), party=st.none() | addresses)
    @precondition(lambda self: self.outcomes)
    def pack(self, older_than_s: int, party: str | None) -> None:
        packing = self.both(lambda desk: desk.pack(older_than_s, party=party))
        event(f"{min(packing.negotiations, 3)} negotiations were packed by hand")
        assert packing.problems == ()

    @rule(number=deals, party=st.none() | addresses, whole=st.booleans())
    @precondition(lambda self: self.deals)
    def unpack(self, number: int, party: str | None, whole: bool) -> None:
        what = "2024-01" if whole else self.deals[number % len(self.deals)][1]
        self.both(lambda desk: desk.unpack(what, party=party))

    @rule()
    def poll(self) -> None:
        before = dict(self.digests)

        def passed(desk: Desk) -> Report:
            report = desk.poll()
            report.duration_ms = 0.0
            return report

        report = self.both(passed)
        assert isinstance(report, Report)
        assert report.problems == []
        for place, outcome in self.found_outcomes().items():
            if place not in self.outcomes:
                self.check_new_outcome(place, outcome, before)
        for place in self.promised:
            outcome = self.found_outcomes()[place]
            overdrawn = outcome.listing is not None and "of the listing" in str(outcome.reason)
            assert outcome.outcome is Kind.AGREED or overdrawn or outcome.reason == "too dear"
        self.promised.clear()

    def check_new_outcome(
        self,
        place: tuple[str, str],
        outcome: Outcome,
        before: dict[tuple[str, str, str], str],
    ) -> None:
        """Check that it was decided from what both said when it was (invariant 2)."""
        basis = {(*place, user): state.sha256 for user, state in outcome.states.items()}
        assert basis == {key: digest for key, digest in before.items() if key[:2] == place}
        if outcome.deal is not None:
            snapshot = self.stores[0].snapshot(
                Namespace(outcome.negotiation_id, outcome.initiator, archived=True)
            )
            assert snapshot is not None
            keys = {state.agreement_key for state in snapshot.states.values()}
            assert keys == {outcome.deal.agreement_key}

    # What holds after each step

    def everything(self, desk: Desk) -> Any:
        """Return all that a store can be asked for."""
        store = desk.store
        return [
            [(place, store.snapshot(place)) for place in store.namespaces(archived=archived)]
            for archived in (False, True)
        ] + [
            (
                party.address,
                party.profile,
                party.negotiations(),
                party.negotiations(archived=True),
                party.transactions(),
                store.listings(party.address),
                list(preferences(party)),
                {
                    name: store.private(party.address, name)
                    for name in store.private_names(party.address)
                },
            )
            for party in desk.parties()
        ]

    def nothing_is_overdrawn(self) -> None:
        for desk in self.desks:
            for row in desk.listings(closed=True):
                dealt = desk.store.dealt(row.listing.user, [row.listing])
                total = sum(dealt.get(row.listing.id, {}).values())
                assert row.listing.quantity is None or total <= row.listing.quantity

    @invariant()
    def the_invariants_hold(self) -> None:
        self.the_stores_hold_the_same()
        self.nothing_is_overdrawn()
        self.a_state_changes_only_by_its_own_users_action()
        self.an_outcome_never_changes()
        self.each_agreement_has_exactly_one_transaction_on_each_side()

    def the_stores_hold_the_same(self) -> None:
        files, memory = (self.everything(desk) for desk in self.desks)
        assert files == memory
        assert self.told[0] == self.told[1]
        self.found = files

    def found_outcomes(self) -> dict[tuple[str, str], Outcome]:
        store = self.stores[0]
        return {
            (place.initiator, place.id): snapshot.outcome
            for archived in (False, True)
            for place in store.namespaces(archived=archived)
            if (snapshot := store.snapshot(place)) is not None and snapshot.outcome is not None
        }

    def a_state_changes_only_by_its_own_users_action(self) -> None:
        digests = {
            (place.initiator, place.id, user): digest
            for rows in self.found[:2]
            for place, snapshot in rows
            for user, digest in snapshot.digests.items()
        }
        assert self.digests.keys() <= digests.keys()
        changed = {key for key in digests if digests[key] != self.digests.get(key)}
        assert {user for _, _, user in changed} <= {self.actor}
        self.digests = digests

    def an_outcome_never_changes(self) -> None:
        outcomes = self.found_outcomes()
        for place, outcome in self.outcomes.items():
            assert outcomes[place] == outcome
        self.outcomes = outcomes

    def each_agreement_has_exactly_one_transaction_on_each_side(self) -> None:
        filed = [(row[0], item.transaction) for row in self.found[2:] for item in row[4]]
        agreed = [o.deal for o in self.outcomes.values() if o.deal is not None]
        expected = sorted(
            (party, deal.agreement_key) for deal in agreed for party in (deal.buyer, deal.seller)
        )
        assert sorted((party, item.agreement_key) for party, item in filed) == expected
        assert_conserved([item for _, item in filed])
        for desk in self.desks:
            assert all(volume.conserved for volume in desk.stats().volumes.values())


TestStoresAgree = StoresAgree.TestCase
TestStoresAgree.settings = settings(max_examples=EXAMPLES, stateful_step_count=40)
