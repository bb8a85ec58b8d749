"""How two autopilots come to an end: a deal wherever their limits allow one, and no way back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.autopilot.playing import play
from tests.support import ALICE, BOB, DAY, HOUR, NOON, Clock

from nom_negotiate import Desk, MemoryStore, Party, Phase, RuleViolation, Store
from nom_negotiate.autopilot import step, turn_on
from nom_negotiate.closing import LAST_OFFER, MOST, closing_offer, takes
from nom_negotiate.core.identity import parse_address
from nom_negotiate.core.negotiation import Move, Negotiation
from nom_negotiate.core.preferences import Preferences
from nom_negotiate.core.terms import Role, Terms
from nom_negotiate.preferences import preferences_in, set_preferences

ID = f"alice_bob_C_{NOON}"
CAPS = (3, 4, 5, 6, 7, 10, 40)


class Pair(NamedTuple):
    """What the initiator and the responder want, who they are, and the first offer."""

    role: Role
    wanted: tuple[Preferences, Preferences]
    opening: tuple[Decimal, Decimal]


@st.composite
def pairs(draw: st.DrawFn, *, overlap: bool) -> Pair:
    """Return two parties whose limits overlap by one step of a price at least, or do not."""
    step = Decimal(1).scaleb(-draw(st.integers(0, 6)))
    low = draw(st.integers(50, 20_000))
    gap = draw(st.sampled_from((1, 1, 2, 5)) | st.integers(1, low))
    limits = (low * step, (low + gap) * step)
    selling, buying = limits if overlap else limits[::-1]
    target = Decimal(draw(st.sampled_from(("1", "12.5", "100", "800", "12345"))))
    share = Decimal(draw(st.sampled_from(("1", "1", "0.3", "0.9", "1.5"))))
    role = draw(st.sampled_from(Role))
    wanted = []
    for mine, quantity in ((role, target), (role.other, target * share)):
        limit = buying if mine is Role.BUYER else selling
        hope = draw(st.sampled_from((None, "0", "0.001", "0.05", "0.5")))
        away = Decimal(hope or 0) * limit
        wanted.append(
            Preferences(
                reservation_price=limit,
                target_quantity=quantity,
                target_price=None
                if hope is None
                else limit - away
                if mine is Role.BUYER
                else limit + away,
                shortfall=draw(st.sampled_from((None, None, Decimal("0.1"), Decimal(1)))),
                excess=draw(st.sampled_from((None, None, Decimal(0), Decimal(3)))),
            )
        )
    far = Decimal(draw(st.sampled_from(("0.02", "0.3", "0.9"))))
    limit = wanted[0].reservation_price
    price = limit * (1 - far) if role is Role.BUYER else limit * (1 + far)
    if overlap:
        assume(_share_a_quantity(*wanted))
    return Pair(role, (wanted[0], wanted[1]), (price, target))


def _share_a_quantity(one: Preferences, other: Preferences) -> bool:
    """Return whether there is a quantity that is of use to both, with a little room."""
    ends = []
    for each in (one, other):
        short, spare = each.shortfall or Decimal(0), each.excess
        spare = Decimal(1) if spare is None else spare
        target = each.target_quantity
        most = target * (1 + spare) / spare if spare else Decimal("Infinity")
        ends.append((target * short / (1 + short), most))
    room = min(most for _, most in ends) - max(least for least, _ in ends)
    return room > one.target_quantity / 20


def settle(pair: Pair, caps: tuple[int, int]) -> Negotiation:
    """Let the two negotiate by autopilot to the end, and return how it came out."""
    desk = Desk(
        MemoryStore(), clock=Clock(), validators=(), after_settlement=(), notice=lambda text: None
    )
    alice, bob = desk.party(ALICE), desk.party(BOB)
    price, quantity = pair.opening
    alice.start(BOB, chemical="C", role=pair.role.value, price=price, quantity=quantity)
    for party, wanted, cap in zip((alice, bob), pair.wanted, caps, strict=True):
        told = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
        del told["schema"], told["extra"]
        set_preferences(party, negotiation_id=ID, **told)
        turn_on(party, ID, max_rounds=cap)
    play(desk)
    return alice.negotiation(ID)


def by(seen: Negotiation, pair: Pair) -> Iterable[tuple[Role, Preferences, list[Move]]]:
    """Return what each of the two is, wants, and has offered."""
    for address, role, wanted in zip(
        (ALICE, BOB), (pair.role, pair.role.other), pair.wanted, strict=True
    ):
        yield role, wanted, [move for move in seen.offers if move.by == address]


caps_of_both = st.tuples(st.sampled_from(CAPS), st.sampled_from((2, *CAPS)))


@given(pair=pairs(overlap=True), caps=caps_of_both)
@settings(max_examples=150)
def test_limits_that_overlap_by_one_step_of_the_price_always_give_a_deal(
    pair: Pair, caps: tuple[int, int]
) -> None:
    seen = settle(pair, caps)
    assert seen.phase is Phase.AGREED
    assert seen.outcome is not None
    assert seen.outcome.deal is not None
    for role, wanted, _ in by(seen, pair):
        assert wanted.allows(role, seen.outcome.deal.terms)


@given(pair=pairs(overlap=False), caps=caps_of_both)
@settings(max_examples=60)
def test_limits_that_do_not_overlap_never_give_one(pair: Pair, caps: tuple[int, int]) -> None:
    seen = settle(pair, caps)
    assert seen.phase is Phase.REJECTED
    for role, wanted, offers in by(seen, pair):
        assert all(wanted.allows(role, move.terms) for move in offers)


@given(pair=pairs(overlap=True) | pairs(overlap=False), caps=caps_of_both)
@settings(max_examples=100)
def test_no_offer_goes_back_on_an_earlier_one(pair: Pair, caps: tuple[int, int]) -> None:
    seen = settle(pair, caps)
    for role, _, offers in by(seen, pair):
        for before, now in itertools.combinations(offers, 2):
            asked = seen.offers[seen.offers.index(now) - 1].quantity
            dearer = before.price < now.price if role is Role.SELLER else now.price < before.price
            farther = abs(now.quantity - asked) >= abs(before.quantity - asked)
            assert not (dearer and farther), (before, now)


@given(pair=pairs(overlap=True) | pairs(overlap=False), caps=caps_of_both)
@settings(max_examples=60)
def test_no_offer_of_an_autopilot_is_at_its_limit(pair: Pair, caps: tuple[int, int]) -> None:
    for _, wanted, offers in by(settle(pair, caps), pair):
        assert all(move.price != wanted.reservation_price for move in offers)


@pytest.mark.parametrize(
    ("low", "high", "quantity"),
    [
        ("0", "0.01", "1"),
        ("1e-18", "1.5e-18", "1e-12"),
        ("3.14159265358978", "3.14159265358979", "2.71828182845905"),
        ("99999999999999.8", "99999999999999.9", "1e15"),
        ("5e19", "9e19", "9e19"),
    ],
)
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("caps", [(3, 3), (6, 40)])
def test_numbers_of_any_size_give_a_deal(
    low: str, high: str, quantity: str, role: Role, caps: tuple[int, int]
) -> None:
    seller, buyer = (
        Preferences(reservation_price=Decimal(limit), target_quantity=Decimal(quantity))
        for limit in (low, high)
    )
    wanted = (buyer, seller) if role is Role.BUYER else (seller, buyer)
    far = Decimal(low) / 2 if role is Role.BUYER else min(Decimal(high) * 2, Decimal("9.9e19"))
    price = Decimal(f"{far:.3e}")
    seen = settle(Pair(role, wanted, (price, Decimal(quantity))), caps)
    assert seen.phase is Phase.AGREED


@pytest.mark.parametrize("limit", ["4", "1e-20", "9e19"])
@pytest.mark.parametrize("quantity", ["800", "1e-20", "9e19"])
def test_a_counterparty_that_offers_what_hardly_fits_a_number_stops_nothing(
    alice: Party, bob: Party, limit: str, quantity: str
) -> None:
    begin(alice, bob)
    set_preferences(bob, negotiation_id=ID, reservation_price=limit, target_quantity=quantity)
    turn_on(bob, ID, max_rounds=12)
    said = itertools.cycle(itertools.product(("0", "1e-20", "9e19"), ("1e-20", "9e19")))
    done = step(bob, ID)
    while done is not None and done.action == "counter":
        price, amount = next(said)
        alice.offer(ID, price=price, quantity=amount)
        done = step(bob, ID)
    assert not alice.negotiation(ID).phase.open


def test_neither_side_gets_all_where_there_is_much_to_share() -> None:
    shares = []
    for low, high, role in itertools.product(range(300, 500, 40), (600, 700), Role):
        seller = Preferences(reservation_price=Decimal(low), target_quantity=Decimal(800))
        buyer = Preferences(reservation_price=Decimal(high), target_quantity=Decimal(800))
        wanted = (buyer, seller) if role is Role.BUYER else (seller, buyer)
        opening = Decimal(200) if role is Role.BUYER else Decimal(900)
        seen = settle(Pair(role, wanted, (opening, Decimal(800))), (40, 40))
        assert seen.outcome is not None
        assert seen.outcome.deal is not None
        gain = float(seen.outcome.deal.price - low) / (high - low)
        shares.append(gain if role is Role.SELLER else 1 - gain)
    assert 0.1 < sum(shares) / len(shares) < 0.9


# The last offer, said and heard


def begin(alice: Party, bob: Party, *, price: str = "3", **more: Any) -> None:
    alice.start(BOB, chemical="C", role="buyer", price=price, quantity=800, **more)
    for party, limit in ((alice, "7"), (bob, "4")):
        set_preferences(party, negotiation_id=ID, reservation_price=limit, target_quantity=800)


def test_the_last_offer_that_it_may_make_says_so(desk: Desk, alice: Party, bob: Party) -> None:
    begin(alice, bob)
    turn_on(bob, ID, max_rounds=4)
    step(bob, ID)
    alice.offer(ID, price="3.1", quantity=800)
    step(bob, ID)
    first, last = (move for move in alice.negotiation(ID).offers if move.by == BOB)
    assert (first.reason, last.reason) == (None, LAST_OFFER)


def test_whoever_hears_that_an_offer_is_the_last_takes_what_is_better_than_no_deal(
    alice: Party, bob: Party
) -> None:
    begin(alice, bob)
    turn_on(bob, ID)
    step(bob, ID)
    alice.offer(ID, price="4.01", quantity=800, reason=LAST_OFFER)
    done = step(bob, ID)
    assert done is not None
    assert (done.action, done.terms and done.terms.price) == ("accept", Decimal("4.01"))


def test_without_that_word_it_haggles_on(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    turn_on(bob, ID)
    step(bob, ID)
    alice.offer(ID, price="4.01", quantity=800)
    done = step(bob, ID)
    assert done is not None
    assert done.action == "counter"
    assert done.terms is not None
    assert done.terms.price > 5


def test_an_answer_that_took_long_before_it_was_on_makes_it_in_no_hurry(
    alice: Party, bob: Party, clock: Clock
) -> None:
    begin(alice, bob, idle_s=3 * DAY)
    clock.forward(30 * HOUR)
    turn_on(bob, ID)
    done = step(bob, ID)
    assert done is not None
    assert done.terms is not None
    assert done.terms.price > 5
    alice.offer(ID, price="3.1", quantity=800)
    assert bob.suggest(ID).offers_left < 5 < _left(bob)


def _left(party: Party) -> int:
    from nom_negotiate.suggestion import consider

    seen = party.negotiation(ID)
    return consider(party, seen, preferences_in(party, seen), max_rounds=40).offers_left


# What is on the table already


def test_it_is_not_turned_on_while_ones_own_offer_is_beyond_ones_limits(
    alice: Party, bob: Party
) -> None:
    begin(alice, bob, price="7.01")
    with pytest.raises(RuleViolation, match="beyond your own") as caught:
        turn_on(alice, ID)
    assert caught.value.code == "own_offer"
    assert "7.01" in caught.value.message
    turn_on(bob, ID)
    bob.offer(ID, price="3.99", quantity=800)
    with pytest.raises(RuleViolation, match="beyond your own"):
        turn_on(bob, ID)


def test_it_does_not_hold_to_what_its_party_has_offered_beyond_its_limits(
    alice: Party, bob: Party
) -> None:
    begin(alice, bob)
    bob.offer(ID, price="3.99", quantity=800)
    alice.offer(ID, price="3.5", quantity=800)
    turn_on(bob, ID)
    done = step(bob, ID)
    assert done is not None
    assert done.terms is not None
    assert done.terms.price > 4


def test_it_takes_what_is_as_good_as_its_own_offer(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    bob.offer(ID, price="4.5", quantity=800)
    alice.offer(ID, price="4.6", quantity=800)
    turn_on(bob, ID)
    found = bob.suggest(ID)
    assert (found.action, found.price) == ("accept", Decimal("4.6"))
    assert "which you have offered yourself" in found.reasons[1]


def test_it_offers_again_what_it_has_offered_and_says_why(alice: Party, bob: Party) -> None:
    begin(alice, bob)
    bob.offer(ID, price="4.5", quantity=800)
    alice.offer(ID, price="3.6", quantity=800)
    found = bob.suggest(ID)
    assert (found.action, found.price, found.quantity) == (
        "counter",
        Decimal("4.5"),
        Decimal(800),
    )
    assert "would go back on it" in found.reasons[0]
    assert 0 < found.worth < 0.5


# The closing offer


def closing(
    price: str,
    quantity: str,
    *,
    left: int = 1,
    asked: str = "1000",
    salt: str = "salt",
    **wanted: Any,
) -> Terms | None:
    """Return the closing offer of a seller to one who offers `price` and `asked`, in round 6."""
    desk = Desk(MemoryStore(), clock=Clock(), notice=lambda text: None)
    alice, bob = desk.party(ALICE), desk.party(BOB)
    alice.start(BOB, chemical="C", role="buyer", price=price, quantity=asked)
    for _ in range(2):
        bob.offer(ID, price=9, quantity=quantity)
        alice.offer(ID, price=price, quantity=asked)
    options: dict[str, Any] = {name: Decimal(value) for name, value in wanted.items()}
    preferences = Preferences(target_quantity=Decimal(quantity), salt=salt, **options)
    return closing_offer(bob.negotiation(ID), Role.SELLER, preferences, left=left)


def test_it_lies_within_the_limit_by_a_part_that_nobody_else_can_reckon() -> None:
    within = set()
    for number in range(40):
        found = closing("3", "1000", reservation_price="4000", salt=f"salt {number}")
        assert found is not None
        assert 0 < found.price - 4000 <= 4000 * MOST
        within.add(found.price)
    assert len(within) > 5


def test_it_lies_one_step_within_where_they_are_all_but_together() -> None:
    assert closing("3.99", "1000", reservation_price="4") == Terms(
        price=Decimal("4.01"), quantity=Decimal(1000)
    )


def test_it_lies_one_step_within_where_there_were_few_rounds() -> None:
    found = closing("3", "1000", left=0, reservation_price="4")
    assert found is not None
    assert found.price == Decimal("4.01")


@pytest.mark.parametrize(
    ("asked", "more", "quantity"),
    [
        ("1000", {}, "1000"),
        ("100", {}, "100"),
        ("1999", {}, "1999"),
        ("2500", {}, "1999"),
        ("2500", {"excess": "0"}, "2500"),
        ("400", {"shortfall": "1"}, "501"),
    ],
)
def test_it_is_over_what_they_ask_for_or_what_is_nearest_and_of_use(
    asked: str, more: dict[str, Any], quantity: str
) -> None:
    found = closing("3", "1000", asked=asked, reservation_price="4", **more)
    assert found is not None
    assert found.quantity == Decimal(quantity)


def test_nothing_lies_within_a_limit_of_nothing() -> None:
    assert closing("3", "1000", reservation_price="0") is None


@pytest.mark.parametrize(
    ("price", "quantity", "taken"),
    [("4", "800", True), ("3.99", "800", False), ("4", "1600", False), ("5", "1600", False)],
)
def test_in_the_end_what_is_at_the_limit_is_taken_if_it_is_of_use(
    price: str, quantity: str, taken: bool
) -> None:
    wanted = Preferences(reservation_price=Decimal(4), target_quantity=Decimal(800))
    terms = Terms(price=Decimal(price), quantity=Decimal(quantity))
    assert takes(wanted, Role.SELLER, terms) is taken


# Nothing can follow


@pytest.mark.parametrize(("price", "why"), [("3", "is worse than no deal"), ("5", "no longer")])
def test_in_the_last_round_it_says_to_end_and_why(
    store: Store, alice: Party, bob: Party, clock: Clock, price: str, why: str
) -> None:
    begin(alice, bob, price=price, max_rounds=1, valid_until=NOON + 5)
    clock.forward(10 if price == "5" else 1)
    found = bob.suggest(ID)
    assert (found.action, found.price, found.acceptance, found.offers_left) == ("end", None, 0, 0)
    assert found.reasons[0] == "All rounds have been used: there is no offer to make any more."
    assert why in found.reasons[1]
    assert store.known(parse_address(BOB))
