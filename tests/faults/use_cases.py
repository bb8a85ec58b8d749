"""The use cases whose every crash point is tried, and what each call's return promises."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import pytest
from tests.faults.invariants import glanced, polled
from tests.faults.memory_os import Step, Tree
from tests.faults.scene import ROOT, Scene
from tests.support import ALICE, BOB, CAROL, HOUR, NOON

from nom_negotiate import Desk, FileStore, Kind, Negotiation, Settings, market
from nom_negotiate.autopilot import setting, step, turn_off, turn_on
from nom_negotiate.core.identity import parse_address
from nom_negotiate.poller import Report
from nom_negotiate.preferences import clear_preferences, preferences, set_preferences
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.layout import ARCHIVE
from nom_negotiate.store.files.packing import MARK

DAVE: Final = "dave@stonybrook.edu"
ID: Final = f"alice_bob_C_{NOON}"

Do = Callable[[Scene], None]


def nothing(scene: Scene) -> None:
    """Do, or ask, nothing."""


class Case:
    """A use case from functions: see `crashing.UseCase`."""

    scene = Scene

    def __init__(
        self,
        name: str,
        prepare: Do,
        act: Do,
        done: Do = nothing,
        refusals: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.prepare = prepare
        self.act = act
        self.done = done
        self.refusals = frozenset(refusals)

    def __repr__(self) -> str:
        return self.name

    def recover(self, scene: Scene) -> None:
        """Poll; what that reports holds from then on.

        Where a pass was cut short, the next one finishes it, without being asked to scan. Where
        anybody else was, who had not come to ringing, a scan does.
        """
        scene.check_facts(at_once=True)
        if self.act is not poll:
            remember(scene, glanced(scene))
        remember(scene, polled(scene, scan=self.act is not poll))


# What a return promises


def remember(scene: Scene, report: Report) -> None:
    """Remember what a poll has reported as done."""
    for kind in Kind:
        for id_ in report.of(kind):
            scene.reported(f"a poll said that {id_} is {kind}", ended_as(id_, kind))


def ended_as(id_: str, *kinds: Kind) -> Do:
    """Assert that a negotiation has ended, and how; what follows is an invariant."""

    def holds(scene: Scene) -> None:
        outcome = scene.desk.negotiation(id_).outcome
        assert outcome is not None
        assert outcome.outcome in kinds, outcome.outcome

    return holds


def offered(id_: str, by: str, round: int, price: str) -> Do:
    """Assert that both parties see an offer."""

    def holds(scene: Scene) -> None:
        for one in both(scene, id_):
            found = [(move.by, move.round, move.price) for move in one.offers]
            assert (by, round, Decimal(price)) in found, found

    return holds


def both(scene: Scene, id_: str) -> list[Negotiation]:
    """Return the negotiation as each of its parties sees it."""
    one = scene.desk.negotiation(id_)
    assert one.responder is not None
    return [scene.party(party).negotiation(id_) for party in (one.initiator, one.responder)]


# What parties do


def start(
    scene: Scene,
    by: str = ALICE,
    other: str = BOB,
    chemical: str = "C",
    idle_s: int | None = None,
) -> str:
    deal = scene.party(by).start(
        other, chemical=chemical, role="buyer", price="5.50", quantity=1000, idle_s=idle_s
    )
    scene.reported(f"{by} started {deal.id}", offered(deal.id, by, 1, "5.50"))
    return deal.id


def counter(scene: Scene, id_: str = ID, by: str = BOB) -> None:
    scene.party(by).offer(id_, price="6.00", quantity=900)
    scene.reported(f"{by} made an offer in {id_}", offered(id_, by, 2, "6.00"))


def accept(scene: Scene, id_: str = ID, by: str = BOB) -> None:
    scene.party(by).accept(id_)
    scene.reported(f"{by} accepted {id_}", ended_as(id_, Kind.AGREED), at_once=False)


def reject(scene: Scene, id_: str = ID, by: str = BOB) -> None:
    scene.party(by).reject(id_, reason="too dear")
    scene.reported(f"{by} rejected {id_}", ended_as(id_, Kind.REJECTED), at_once=False)


def withdraw(scene: Scene, id_: str = ID, by: str = ALICE) -> None:
    scene.party(by).withdraw(id_)
    scene.reported(f"{by} withdrew from {id_}", ended_as(id_, Kind.WITHDRAWN), at_once=False)


def poll(scene: Scene) -> None:
    report = scene.desk.poll()
    assert report.problems == []
    remember(scene, report)


def started(scene: Scene) -> None:
    assert start(scene) == ID


def accepted(scene: Scene) -> None:
    started(scene)
    accept(scene)


def spoken_of(scene: Scene) -> None:
    started(scene)
    scene.party(BOB).say(ID, "could you deliver on Monday?")


def mark_read(scene: Scene) -> None:
    scene.party(ALICE).mark_read(ID)
    scene.reported("alice has read it", all_read)


def all_read(scene: Scene) -> None:
    for one in both(scene, ID):
        assert [message.read for message in one.messages] == [True]


def react(scene: Scene) -> None:
    scene.party(BOB).react(ID, 80)
    scene.reported("bob likes it", liked)


def liked(scene: Scene) -> None:
    for one in both(scene, ID):
        assert [reaction.level for reaction in one.reactions.values()] == [80]


def looked(scene: Scene) -> None:
    """Let a pass look through everything, and time go by: the next ones trust what it left."""
    poll(scene)
    scene.clock.forward(5)


def accepted_since(scene: Scene) -> None:
    started(scene)
    looked(scene)
    accept(scene)


def due(scene: Scene) -> None:
    """Nothing was written since the last scan, which has noted when it expires."""
    assert start(scene, idle_s=60) == ID
    looked(scene)
    scene.clock.forward(56)


def settled(scene: Scene) -> None:
    accepted(scene)
    poll(scene)
    # What a settlement leaves to the next sync is the subject of its own case.
    scene.memory.sync()


# The use cases


def two_parties(scene: Scene) -> None:
    scene.desk.initialise()
    for party in (ALICE, BOB):
        add_party(scene, party)


class Died(BaseException):
    """A process ends here."""


class Dying(Disk):
    """Dies when a party has its name, and before that is durable."""

    def _sync_now(self, path: str) -> None:
        if path.endswith("/teams"):
            raise Died
        super()._sync_now(path)


def half_added(scene: Scene) -> None:
    scene.desk.initialise()
    add_party(scene, ALICE)
    with pytest.raises(Died):
        Desk(FileStore(ROOT, disk=Dying()), clock=scene.clock).add_party(BOB)


def add_party(scene: Scene, address: str = CAROL) -> None:
    scene.desk.add_party(address, display_name=address.upper())

    def holds(scene: Scene) -> None:
        profile = scene.party(address).profile
        assert profile is not None
        assert profile.display_name == address.upper()

    scene.reported(f"{address} was added", holds)


def start_one(scene: Scene) -> None:
    start(scene)


def one_negotiation(scene: Scene) -> None:
    for party in (ALICE, BOB):
        [one] = scene.party(party).negotiations()
        assert (one.on_table is not None and one.on_table.by) == ALICE


def counter_on_table(scene: Scene) -> None:
    for one in both(scene, ID):
        assert one.on_table is not None
        assert (one.on_table.by, one.on_table.round) == (BOB, 2)


def initialise(scene: Scene) -> None:
    scene.desk.initialise(Settings(chemicals=("C", "X")))

    def holds(scene: Scene) -> None:
        assert scene.desk.settings.chemicals == ("C", "X")

    scene.reported("the root was set up", holds)


def rejected(scene: Scene) -> None:
    started(scene)
    reject(scene)


def withdrawn(scene: Scene) -> None:
    started(scene)
    withdraw(scene)


def expiring(scene: Scene) -> None:
    assert start(scene, idle_s=HOUR) == ID
    scene.clock.forward(HOUR + 1)


# Neither a price nor a quantity that anybody would offer: they must not be found anywhere.
LIMIT: Final = "4.50371"
HIGHER_LIMIT: Final = "5.02937"
WANTED: Final = "913.57"


def keep(scene: Scene, limit: str = LIMIT) -> None:
    set_preferences(
        scene.party(BOB), negotiation_id=ID, reservation_price=limit, target_quantity=WANTED
    )


def prefer(scene: Scene, limit: str = LIMIT) -> None:
    keep(scene, limit)
    scene.reported(f"bob takes at least {limit}", lambda scene: limits_of_bob(scene, limit))


def limits_of_bob(scene: Scene, *expected: str) -> None:
    """Assert that what bob wants can be read, and is one of what he has said."""
    found = [held.preferences for held in preferences(scene.party(BOB))]
    assert [str(one.reservation_price) for one in found if one] in [[each] for each in expected], (
        found
    )


def is_preferred(scene: Scene) -> None:
    limits_of_bob(scene, LIMIT)


def preferred(scene: Scene) -> None:
    started(scene)
    keep(scene)


def prefer_more(scene: Scene) -> None:
    prefer(scene, HIGHER_LIMIT)


def is_preferred_more(scene: Scene) -> None:
    limits_of_bob(scene, HIGHER_LIMIT)


def prefer_and_forget(scene: Scene) -> None:
    keep(scene)
    clear_preferences(scene.party(BOB), negotiation_id=ID)
    scene.reported("bob has forgotten what he wanted", is_forgotten)


def is_forgotten(scene: Scene) -> None:
    assert list(preferences(scene.party(BOB))) == []


def flown_and_ended(scene: Scene) -> None:
    """Bob's autopilot was on in what is archived by now."""
    flying(scene)
    accept(scene)
    poll(scene)
    scene.memory.sync()


def prefer_any(scene: Scene) -> None:
    """Say what is wanted of any C: what was kept for what has ended goes with that."""
    set_preferences(
        scene.party(BOB),
        chemical="C",
        role="seller",
        reservation_price=LIMIT,
        target_quantity=WANTED,
    )
    scene.reported("bob takes at least that for any C", lambda scene: limits_of_bob(scene, LIMIT))
    scene.reported("what was kept for what has ended is gone", is_tidy)


def is_tidy(scene: Scene) -> None:
    assert scene.store.private_names(parse_address(BOB)) == ["C.seller"]


def fly(scene: Scene) -> None:
    turn_on(scene.party(BOB), ID)
    scene.reported("bob's autopilot is on", is_flying)


def is_flying(scene: Scene) -> None:
    assert setting(scene.party(BOB), ID) is not None


def flying(scene: Scene) -> None:
    preferred(scene)
    turn_on(scene.party(BOB), ID)


def land(scene: Scene) -> None:
    turn_on(scene.party(BOB), ID)
    turn_off(scene.party(BOB), ID)
    scene.reported("bob's autopilot is off", has_landed)


def has_landed(scene: Scene) -> None:
    assert setting(scene.party(BOB), ID) is None


def has_answered(scene: Scene) -> None:
    assert len(scene.party(BOB).negotiation(ID).moves) == 2


def step_on(scene: Scene) -> None:
    done = step(scene.party(BOB), ID)
    assert done is None or done.action in ("counter", "accept"), done


def mark_settled(scene: Scene) -> None:
    alice = scene.party(ALICE)
    alice.mark_settled(alice.transactions()[0].name)
    scene.reported("alice marked it as settled", is_marked)


def is_marked(scene: Scene) -> None:
    assert [filed.transaction.settled for filed in scene.party(ALICE).transactions()] == [True]
    assert [filed.transaction.settled for filed in scene.party(BOB).transactions()] == [False]


def rename(scene: Scene) -> None:
    scene.party(ALICE).set_display_name("Swift Fox")
    scene.reported("alice calls herself something else", is_renamed)


def is_renamed(scene: Scene) -> None:
    profile = scene.party(ALICE).profile
    assert profile is not None
    assert profile.display_name == "Swift Fox"


def post(scene: Scene) -> None:
    alice = scene.party(ALICE)
    posted = market.post(alice, side="sell", chemical="N", price="2.5", quantity=10)

    def holds(scene: Scene) -> None:
        assert posted in market.listings(scene.desk)

    scene.reported(f"alice posted {posted.id}", holds)


def post_and_close(scene: Scene) -> None:
    alice = scene.party(ALICE)
    posted = market.post(alice, side="sell", chemical="N", price="2.5", quantity=10)
    market.close(alice, posted.id)

    def holds(scene: Scene) -> None:
        assert posted.id not in [each.id for each in market.listings(scene.desk)]
        [known] = [
            each for each in market.listings(scene.desk, closed=True) if each.id == posted.id
        ]
        assert (known.status, known.left) == ("closed", None)

    scene.reported(f"alice closed {posted.id}", holds)


# Answers to listings

LISTING: Final = f"{NOON}_sell_C"
ANSWERED: Final = (f"alice_bob_C_{NOON}", f"alice_carol_C_{NOON}")


def listed(scene: Scene) -> None:
    """Alice sells 1000, and all who are to answer are there."""
    market.post(scene.party(ALICE), side="sell", chemical="C", price="5.50", quantity=1000)
    for party in (BOB, CAROL):
        scene.desk.add_party(party)


def answer(scene: Scene, by: str = BOB) -> None:
    deal = market.respond(scene.party(by), ALICE, LISTING)
    scene.reported(f"{by} answered {LISTING}", offered(deal.id, by, 1, "5.50"))


def answered(scene: Scene) -> None:
    for party in (ALICE, BOB):
        [one] = scene.party(party).negotiations()
        assert (one.initiator, one.responder, one.listing) == (ALICE, BOB, LISTING)
        assert one.turn == ALICE


def oversold(scene: Scene) -> None:
    """Alice has agreed with bob on all that she listed, and a second later with carol, too."""
    listed(scene)
    answer(scene, BOB)
    answer(scene, CAROL)
    looked(scene)
    accept(scene, ANSWERED[0], ALICE)
    scene.clock.forward(1)
    # Whether this one is a deal is for the poller to say, and not a promise.
    scene.party(ALICE).accept(ANSWERED[1])


def the_first_has_it(scene: Scene) -> None:
    ended_as(ANSWERED[0], Kind.AGREED)(scene)
    ended_as(ANSWERED[1], Kind.REJECTED)(scene)
    assert scene.desk.listings() == []


def used_up(scene: Scene) -> None:
    listed(scene)
    answer(scene)
    accept(scene, ANSWERED[0], ALICE)
    with scene.desk.store.writer(parse_address(ALICE)):
        # The pass cannot note it: alice is at something else.
        poll(scene)
    scene.memory.sync()


def is_closed(scene: Scene) -> None:
    [one] = market.listings(scene.desk, closed=True)
    assert one.status == "closed"
    assert one.left == 0
    is_marked(scene)


# Several at once

BATCH: Final = {
    "agreed": f"alice_bob_C_{NOON}",
    "agreed too": f"carol_bob_C_{NOON}",
    "agreed in the same second": f"alice_bob_N_{NOON}",
    "rejected": f"bob_carol_C_{NOON}",
    "expired": f"carol_alice_D_{NOON}",
    "half archived": f"bob_alice_Q_{NOON}",
}


def batch(scene: Scene) -> None:
    """Three deals, a rejection, an expiry, and one that an earlier poll half archived."""
    start(scene, BOB, ALICE, "Q")
    accept(scene, BATCH["half archived"], ALICE)
    poll_cut_short(scene)
    start(scene, ALICE, BOB, "C")
    accept(scene, BATCH["agreed"], BOB)
    start(scene, CAROL, BOB, "C")
    accept(scene, BATCH["agreed too"], BOB)
    start(scene, ALICE, BOB, "N")
    accept(scene, BATCH["agreed in the same second"], BOB)
    start(scene, BOB, CAROL, "C")
    reject(scene, BATCH["rejected"], CAROL)
    start(scene, CAROL, ALICE, "D", idle_s=60)
    scene.clock.forward(61)


THREE: Final = {chemical: f"alice_bob_{chemical}_{NOON}" for chemical in "CND"}


def three(scene: Scene) -> None:
    """Three deals that were agreed since the last scan, and nothing else."""
    for chemical in THREE:
        start(scene, ALICE, BOB, chemical)
    looked(scene)
    for id_ in THREE.values():
        accept(scene, id_)


def three_ended(scene: Scene) -> None:
    for id_ in THREE.values():
        ended_as(id_, Kind.AGREED)(scene)
    assert scene.desk.negotiations() == []


class _Stop(BaseException):
    pass


def poll_cut_short(scene: Scene) -> None:
    """Poll, and die when the directory is in the archive and the old link is still there."""
    archived = f"data/teams/{BOB}/negotiations_archive/{BATCH['half archived']}"
    cut_short(scene, poll, lambda tree: archived in tree)


def cut_short(scene: Scene, act: Do, when: Callable[[Tree], bool]) -> None:
    """Do something, and die as soon as the tree is like that."""

    def step(step: Step) -> None:
        if step.changes and when(scene.memory.tree()):
            # Nothing that it would still do is done, no handler either.
            scene.memory.step = stopped
            raise _Stop

    def stopped(step: Step) -> None:
        raise _Stop

    scene.memory.step = step
    try:
        act(scene)
    except _Stop:
        scene.memory.step = None
        scene.memory.close_all()
    else:
        raise AssertionError("it was not cut short")


def batch_ended(scene: Scene) -> None:
    for name, id_ in BATCH.items():
        kind = Kind(name) if name in {"rejected", "expired"} else Kind.AGREED
        ended_as(id_, kind)(scene)
    assert scene.desk.negotiations() == []


# Packing


def deal(scene: Scene, chemical: str) -> None:
    """Make a deal that is settled, and marked so on both sides."""
    id_ = start(scene, ALICE, BOB, chemical)
    accept(scene, id_)
    poll(scene)
    for address in (ALICE, BOB):
        party = scene.party(address)
        for filed in party.transactions():
            party.mark_settled(filed.name)


def much_ended(scene: Scene) -> None:
    """Two deals and a rejection, a while ago."""
    deal(scene, "C")
    deal(scene, "N")
    reject(scene, start(scene, BOB, CAROL, "D"), CAROL)
    poll(scene)
    scene.memory.sync()
    scene.clock.forward(HOUR)
    same_figures(scene)


def same_figures(scene: Scene) -> None:
    """Remember what can be asked for: no packing changes that."""
    before = figures(scene)

    def holds(scene: Scene) -> None:
        assert figures(scene) == before

    scene.reported("the figures are what they were", holds)


def figures(scene: Scene) -> object:
    stats = scene.desk.stats()
    records = [
        (filed.name, repr(filed.transaction))
        for party in scene.desk.parties()
        for filed in party.transactions()
    ]
    archive = sorted((one.initiator, one.id, repr(one.outcome)) for one in scene.desk.archive())
    return stats.ended, stats.transactions, stats.settled, stats.volumes, records, archive


def pack(scene: Scene) -> None:
    packing = scene.desk.pack(0)
    assert packing.problems == ()
    scene.reported("it was packed", is_packed)


def is_packed(scene: Scene) -> None:
    there = [path for path in scene.memory.tree() if path.endswith("_state.json")]
    assert [path for path in there if "/.tmp-" not in path] == []


def packed(scene: Scene) -> None:
    much_ended(scene)
    pack(scene)
    scene.facts = scene.facts[:-1]
    scene.memory.sync()


def packed_and_more(scene: Scene) -> None:
    """What was packed, and more of the same month that is to be added."""
    packed(scene)
    scene.facts = scene.facts[:-1]
    deal(scene, "Q")
    scene.memory.sync()
    scene.clock.forward(HOUR)
    same_figures(scene)


def hidden_long_ago(scene: Scene) -> None:
    """A packing died when it had hidden the first negotiation; that is old by now."""
    much_ended(scene)
    cut_short(
        scene, pack, lambda tree: any(f"/.tmp-{MARK}" in path for path in tree if ARCHIVE in path)
    )
    scene.clock.forward(2 * HOUR)


def unpack(scene: Scene) -> None:
    packing = scene.desk.unpack("2024-01")
    assert packing.problems == ()
    scene.reported("it was unpacked", is_unpacked)


def is_unpacked(scene: Scene) -> None:
    for party in scene.store.parties():
        held = [(pack.negotiations, pack.transactions) for pack in scene.store.packs(party)]
        assert set(held) <= {(0, 0)}, f"{party} has packed {held}"


def known(scene: Scene) -> None:
    assert scene.store.known(parse_address(CAROL))
    assert scene.party(CAROL).profile is not None


CASES: Final = [
    Case("setting up", nothing, initialise),
    Case("the first party of a root that was not set up", nothing, add_party, known),
    Case("a new party", two_parties, add_party, known),
    Case("a start", two_parties, start_one, one_negotiation, ("duplicate_negotiation",)),
    Case(
        "a start with somebody half added",
        half_added,
        start_one,
        one_negotiation,
        ("duplicate_negotiation",),
    ),
    Case(
        "a start with a stranger", nothing, start_one, one_negotiation, ("duplicate_negotiation",)
    ),
    Case("an offer", started, counter, counter_on_table, ("not_your_turn",)),
    Case("an acceptance", started, accept, ended_as(ID, Kind.AGREED), ("concluded",)),
    Case("a read mark", spoken_of, mark_read, all_read),
    Case("a reaction", spoken_of, react, liked),
    Case("a rejection", started, reject, ended_as(ID, Kind.REJECTED), ("concluded",)),
    Case("a withdrawal", started, withdraw, ended_as(ID, Kind.WITHDRAWN), ("concluded",)),
    Case("a poll with an agreement", accepted, poll, ended_as(ID, Kind.AGREED)),
    Case("a poll with a rejection", rejected, poll, ended_as(ID, Kind.REJECTED)),
    Case("a poll with a withdrawal", withdrawn, poll, ended_as(ID, Kind.WITHDRAWN)),
    Case("a poll with an expiry", expiring, poll, ended_as(ID, Kind.EXPIRED)),
    Case(
        "a poll where it was rung for an agreement", accepted_since, poll, ended_as(ID, Kind.AGREED)
    ),
    Case("a poll where one is due", due, poll, ended_as(ID, Kind.EXPIRED)),
    Case("a poll over three deals", three, poll, three_ended),
    Case("a poll over many", batch, poll, batch_ended),
    Case("a mark", settled, mark_settled, is_marked),
    Case("a listing", two_parties, post),
    Case("a listing that is closed", two_parties, post_and_close),
    Case("an answer to a listing", listed, answer, answered, ("duplicate_negotiation",)),
    Case("a poll with more answers than is left", oversold, poll, the_first_has_it),
    Case("a mark that closes a listing", used_up, mark_settled, is_closed),
    Case("preferences", started, prefer, is_preferred),
    Case("another display name", started, rename, is_renamed),
    Case("preferences that were others", preferred, prefer_more, is_preferred_more),
    Case("preferences that are forgotten", started, prefer_and_forget, is_forgotten),
    Case("preferences that take the place of what has ended", flown_and_ended, prefer_any, is_tidy),
    Case("an autopilot that is turned on", preferred, fly, is_flying),
    Case("an autopilot that is turned on and off", preferred, land, has_landed),
    Case("a step of an autopilot", flying, step_on, has_answered),
    Case("a pack", much_ended, pack, is_packed),
    Case("a pack that is added to", packed_and_more, pack, is_packed),
    Case("a sweep", hidden_long_ago, poll),
    Case("an unpacking", packed, unpack, is_unpacked, ("not_packed",)),
]
"""Of the store; those of the migration are in `migrations`."""
