"""Every store: how a negotiation comes to be, is found, written, decided and archived."""

from __future__ import annotations

import msgspec
import pytest
from tests.contract.records import (
    A,
    B,
    accept,
    accepting,
    admit,
    agreed,
    decided,
    opening,
    started,
    stating,
)
from tests.support import CAROL, DAY, NOON

from nom_negotiate import Conflict, Kind, Namespace, Role, Store, StoreError
from nom_negotiate.core.identity import parse_address

ID = f"alice_bob_C_{NOON}"
NEXT_ID = f"alice_bob_C_{NOON + 1}"
NAMESAKE = parse_address("alice@elsewhere.org")


def ids(store: Store, party: str | None = None, *, archived: bool = False) -> list[str]:
    address = None if party is None else parse_address(party)
    return [place.id for place in store.namespaces(address, archived=archived)]


# Creating


@pytest.mark.durable
def test_both_parties_find_a_new_negotiation_and_nobody_else_does(store: Store) -> None:
    admit(store, CAROL)
    place = started(store)
    assert place == Namespace(ID, A)
    assert store.find(A, ID) == store.find(B, ID) == place
    assert store.find(parse_address(CAROL), ID) is None
    assert ids(store, A) == ids(store, B) == ids(store) == [ID]
    assert ids(store, CAROL) == []


def test_the_first_state_is_there_with_the_namespace(store: Store) -> None:
    snapshot = store.snapshot(started(store))
    assert snapshot is not None
    assert (snapshot.id, snapshot.initiator, snapshot.responder) == (ID, A, B)
    assert dict(snapshot.states) == {A: opening(A, B)(ID)}
    assert snapshot.outcome is None
    assert not snapshot.problems


def test_an_id_that_is_taken_moves_on_to_the_next_second(store: Store) -> None:
    assert [started(store).id, started(store).id] == [ID, NEXT_ID]
    assert store.snapshot(Namespace(NEXT_ID, A)) != store.snapshot(Namespace(ID, A))


def test_an_id_that_is_taken_at_the_responder_moves_on_to_the_next_second(store: Store) -> None:
    started(store)
    admit(store, NAMESAKE)
    with store.writer(NAMESAKE) as pen:
        place = pen.create(B, "C", NOON, opening(NAMESAKE, B))
    assert place == Namespace(NEXT_ID, NAMESAKE)
    assert store.find(B, ID) == Namespace(ID, A)
    assert store.find(B, NEXT_ID) == Namespace(NEXT_ID, NAMESAKE)


def test_an_id_that_is_in_the_archive_moves_on_to_the_next_second(store: Store) -> None:
    place = started(store)
    store.conclude(place, decided(store, place, NOON + 3 * DAY))
    store.archive(place, B)
    assert started(store).id == NEXT_ID


def test_a_negotiation_with_somebody_who_is_not_here_is_not_created(store: Store) -> None:
    admit(store, A)
    with store.writer(A) as pen, pytest.raises(StoreError):
        pen.create(B, "C", NOON, opening(A, B))
    assert ids(store) == []


def test_somebody_who_is_not_here_has_no_pen_and_is_not_created_by_asking(store: Store) -> None:
    with pytest.raises(StoreError), store.try_writer(A):
        pass
    with pytest.raises(StoreError), store.writer(A):
        raise AssertionError("there is no such pen")
    assert store.parties() == []
    assert not store.known(A)


# Finding


def test_the_listing_of_all_names_each_negotiation_once_by_initiator_and_id(store: Store) -> None:
    admit(store, CAROL)
    carol = parse_address(CAROL)
    started(store, NOON + 5)
    started(store, NOON)
    with store.writer(carol) as pen:
        pen.create(A, "C", NOON, opening(carol, A))
    both = [ID, f"alice_bob_C_{NOON + 5}"]
    assert ids(store) == [*both, f"carol_alice_C_{NOON}"]
    assert ids(store, A) == [*both, f"carol_alice_C_{NOON}"]
    assert ids(store, B) == both


def test_what_is_not_there_is_not_found(store: Store) -> None:
    assert store.find(A, ID) is None
    assert store.snapshot(Namespace(ID, A)) is None
    assert ids(store, A) == []
    assert ids(store) == []


# Writing


@pytest.mark.durable
def test_a_state_is_replaced_whole(store: Store) -> None:
    place = started(store)
    assert accept(store, place)
    again = stating(ID, B, A, Role.SELLER, price="7")
    with store.writer(B) as pen:
        assert pen.party == B
        assert pen.write(place, again)
    snapshot = store.snapshot(place)
    assert snapshot is not None
    assert snapshot.states[B] == again
    assert snapshot.states[A] == opening(A, B)(ID)


def test_a_pen_writes_the_state_of_its_own_party_only(store: Store) -> None:
    place = started(store)
    with store.writer(A) as pen, pytest.raises(AssertionError):
        pen.write(place, accepting(ID))
    snapshot = store.snapshot(place)
    assert snapshot is not None
    assert set(snapshot.states) == {A}


def test_nothing_is_written_where_the_negotiation_has_gone(store: Store) -> None:
    place = started(store)
    store.conclude(place, decided(store, place, NOON + 3 * DAY))
    archived = store.archive(place, B)
    assert not accept(store, place)
    snapshot = store.snapshot(archived)
    assert snapshot is not None
    assert set(snapshot.states) == {A}


def test_nothing_is_written_where_somebody_wrote_since_the_look(store: Store) -> None:
    place = started(store)
    seen = store.snapshot(place)
    assert accept(store, place)
    with store.writer(A) as pen:
        ending = opening(A, B)(ID).rejecting(None, NOON)
        assert not pen.write(place, ending, seen=seen)
        assert pen.write(place, ending, seen=store.snapshot(place))


def test_nothing_is_written_where_it_was_concluded_since_the_look(store: Store) -> None:
    place = started(store)
    seen = store.snapshot(place)
    store.conclude(place, decided(store, place, NOON + 3 * DAY))
    with store.writer(B) as pen:
        assert not pen.write(place, accepting(ID), seen=seen)


# Deciding


@pytest.mark.durable
def test_the_first_outcome_stands(store: Store) -> None:
    place = started(store)
    assert accept(store, place)
    first = decided(store, place)
    assert first.outcome is Kind.AGREED
    assert store.conclude(place, first) == first
    late = msgspec.structs.replace(first, outcome=Kind.REJECTED, deal=None, transactions={})
    assert store.conclude(place, late) == first
    snapshot = store.snapshot(place)
    assert snapshot is not None
    assert snapshot.outcome == first


def test_an_outcome_of_states_that_no_longer_stand_is_not_recorded(store: Store) -> None:
    place = started(store)
    expired = decided(store, place, NOON + 3 * DAY)
    assert accept(store, place)
    with pytest.raises(Conflict) as refused:
        store.conclude(place, expired)
    assert refused.value.code == "moved"
    snapshot = store.snapshot(place)
    assert snapshot is not None
    assert snapshot.outcome is None


def test_an_outcome_stands_whatever_is_written_after_it(store: Store) -> None:
    place = started(store)
    expired = decided(store, place, NOON + 3 * DAY)
    store.conclude(place, expired)
    assert accept(store, place)
    assert store.conclude(place, expired) == expired


def test_whoever_concludes_what_is_archived_by_now_finds_what_stands(store: Store) -> None:
    place = started(store)
    expired = decided(store, place, NOON + 3 * DAY)
    store.conclude(place, expired)
    store.archive(place, B)
    assert store.conclude(place, agreed(ID)) == expired


def test_what_is_gone_cannot_be_concluded(store: Store) -> None:
    admit(store, A, B)
    with pytest.raises(StoreError):
        store.conclude(Namespace(ID, A), agreed(ID))


# Archiving


@pytest.mark.durable
def test_the_archive_holds_it_for_both_parties(store: Store) -> None:
    place = started(store)
    outcome = store.conclude(place, decided(store, place, NOON + 3 * DAY))
    archived = store.archive(place, B)
    assert archived == Namespace(ID, A, archived=True)
    assert store.find(A, ID) == store.find(B, ID) == archived
    assert ids(store) == ids(store, A) == ids(store, B) == []
    assert ids(store, archived=True) == [ID]
    assert ids(store, A, archived=True) == ids(store, B, archived=True) == [ID]
    snapshot = store.snapshot(archived)
    assert snapshot is not None
    assert snapshot.archived
    assert snapshot.outcome == outcome
    assert store.snapshot(place) is None


def test_archiving_again_changes_nothing(store: Store) -> None:
    place = started(store)
    store.conclude(place, decided(store, place, NOON + 3 * DAY))
    archived = store.archive(place, B)
    assert store.archive(place, B) == store.archive(archived, B) == archived
    assert ids(store, B, archived=True) == [ID]


def test_a_store_that_nothing_happened_to_needs_no_mending(store: Store) -> None:
    place = started(store)
    with store.attend(NOON, scan=True, trusting=False) as agenda:
        assert agenda.problems == []
        assert agenda.places == [place]
    assert store.repair_link(place, B) is False
    assert store.find(B, ID) == place
