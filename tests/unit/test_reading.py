"""From the files of a namespace to a snapshot: whose file is whose, and what is stepped over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import (
    ALICE,
    BOB,
    CAROL,
    HOUR,
    ID,
    LIMITS,
    Table,
    blank,
    offer,
    original_file,
)

from nom_negotiate import codec
from nom_negotiate.core.decision import decide
from nom_negotiate.core.identity import Address, parse_address, state_file_name
from nom_negotiate.core.negotiation import Snapshot
from nom_negotiate.core.outcome import Kind
from nom_negotiate.core.state import Offer, PartyState, Status
from nom_negotiate.core.terms import Role
from nom_negotiate.errors import RecordError
from nom_negotiate.store import reading

NOON = 1704312345
WHERE = f"teams/{ALICE}/negotiations/{ID}"
BROKEN = b"{"


def nobody(party: Address) -> bool:
    return False


def assembled(
    files: Mapping[str, reading.File],
    *,
    initiator: Address = ALICE,
    linked: Callable[[Address], bool] = nobody,
) -> Snapshot:
    return reading.assemble(ID, initiator, files, where=WHERE, linked=linked, archived=False)


def files_of(table: Table) -> dict[str, reading.File]:
    return {
        f"{user.partition('@')[0]}_state.json": codec.encode(state)
        for user, state in table.states.items()
    }


def problems(snapshot: Snapshot) -> dict[str, str]:
    return {problem.path.removeprefix(f"{WHERE}/"): problem.reason for problem in snapshot.problems}


def agreed() -> dict[str, reading.File]:
    return files_of(Table().offer(ALICE).accept(BOB))


def settles(snapshot: Snapshot) -> bool:
    outcome = decide(snapshot, HOUR, LIMITS)
    return outcome is not None and outcome.outcome is Kind.AGREED


# The two parties


def test_the_two_states_and_their_digests_are_the_snapshot() -> None:
    files = agreed()
    snapshot = assembled(files)
    assert (snapshot.initiator, snapshot.responder) == (ALICE, BOB)
    assert set(snapshot.states) == {ALICE, BOB}
    assert snapshot.digests == {
        ALICE: sha256(codec.encode(snapshot.states[ALICE])).hexdigest(),
        BOB: sha256(codec.encode(snapshot.states[BOB])).hexdigest(),
    }
    assert snapshot.decidable
    assert snapshot.problems == ()
    assert settles(snapshot)


def test_an_initiator_that_waits_has_named_its_counterparty() -> None:
    snapshot = assembled(files_of(Table().offer(ALICE)))
    assert snapshot.responder == BOB
    assert set(snapshot.states) == {ALICE}


def test_an_empty_namespace_is_no_problem() -> None:
    snapshot = assembled({})
    assert (snapshot.responder, snapshot.states, snapshot.problems) == (None, {}, ())


def test_files_of_other_names_are_not_looked_at() -> None:
    snapshot = assembled({**agreed(), "notes.txt": BROKEN, "state.json": BROKEN})
    assert snapshot.problems == ()


# The original format does not say whom it is written to


def test_whoever_else_has_written_is_the_counterparty() -> None:
    snapshot = assembled(
        {"alice_state.json": original_file(), "bob_state.json": original_file(BOB, role="seller")}
    )
    assert snapshot.responder == BOB
    assert set(snapshot.states) == {ALICE, BOB}


def test_a_file_under_a_name_that_is_not_its_authors_makes_nobody_the_counterparty() -> None:
    files = {
        "alice_state.json": original_file(),
        "zzz_state.json": original_file(BOB, role="seller"),
    }
    snapshot = assembled(files)
    assert snapshot.responder is None
    assert list(problems(snapshot)) == ["zzz_state.json"]


def test_of_several_who_have_written_the_one_with_a_link_is_the_counterparty() -> None:
    files = {
        "alice_state.json": original_file(),
        "bob_state.json": original_file(BOB, role="seller"),
        "carol_state.json": original_file(CAROL, role="seller"),
    }
    snapshot = assembled(files, linked=lambda party: party == BOB)
    assert snapshot.responder == BOB
    assert "no party here" in problems(snapshot)["carol_state.json"]
    assert snapshot.decidable
    # Nobody can say which of them it is: neither is believed.
    unsure = assembled(files)
    assert unsure.responder is None
    assert set(unsure.states) == {ALICE}


def test_whoever_writes_to_somebody_else_is_not_the_counterparty() -> None:
    stray = blank(BOB, CAROL, Role.SELLER).offering(offer(), Status.AGREED, 1)
    for files in ({}, {"alice_state.json": original_file()}):
        snapshot = assembled({**files, "bob_state.json": codec.encode(stray)})
        assert snapshot.responder is None
        assert "bob_state.json" in problems(snapshot)
    # Nor is one that is believed in the place of somebody who is.
    snapshot = assembled(
        {
            "alice_state.json": original_file(),
            "bob_state.json": codec.encode(stray),
            "carol_state.json": original_file(CAROL, role="seller"),
        }
    )
    assert snapshot.responder == CAROL


# Strangers


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("carol_state.json", original_file(CAROL, status="agreed")),
        ("carol_state.json", BROKEN),
        ("carol_state.json", RecordError("malformed_record", "a FIFO")),
        ("carol_state.json", RecordError("record_too_large", "too large")),
        ("bob@stonybrook.edu_state.json", BROKEN),
        ("alice@evil.org_state.json", original_file("alice@evil.org")),
        ("zzz_state.json", original_file(ALICE, price=1, status="agreed")),
        ("aaa_state.json", original_file(BOB, price=1, status="rejected")),
    ],
)
def test_a_file_of_nobody_here_is_told_and_stops_nobodys_deal(
    name: str, data: reading.File
) -> None:
    snapshot = assembled({**agreed(), name: data})
    assert list(problems(snapshot)) == [name]
    assert settles(snapshot)


def test_a_stranger_cannot_speak_in_a_partys_file() -> None:
    files = agreed() | {"bob_state.json": original_file(CAROL, role="seller", status="agreed")}
    snapshot = assembled(files)
    assert BOB not in snapshot.states
    assert not settles(snapshot)
    assert "bob_state.json" in problems(snapshot)


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize(
    "data",
    [
        BROKEN,
        RecordError("malformed_record", "expected a regular file, found a link"),
        RecordError("record_too_large", "found 300000 bytes"),
    ],
    ids=["malformed", "link", "large"],
)
def test_a_partys_own_broken_file_leaves_everything_as_it_is(who: str, data: reading.File) -> None:
    snapshot = assembled(agreed() | {f"{who}_state.json": data})
    assert not snapshot.decidable
    assert list(problems(snapshot)) == [f"{who}_state.json"]
    assert decide(snapshot, 10**9, LIMITS) is None


# Names


def twins() -> tuple[Address, Address, dict[str, reading.File]]:
    """Return two parties with one short name, and their files of an agreement."""
    here, there = parse_address("alice@a.edu"), parse_address("alice@b.edu")
    buying = blank(here, there, Role.BUYER).offering(offer(), Status.AGREED, 0)
    selling = blank(there, here, Role.SELLER).offering(offer(accepts=True), Status.AGREED, 1)
    return (
        here,
        there,
        {
            state_file_name(here, there): codec.encode(buying),
            state_file_name(there, here): codec.encode(selling),
        },
    )


def test_parties_with_one_short_name_have_a_file_each() -> None:
    here, there, files = twins()
    snapshot = assembled(files, initiator=here)
    assert set(snapshot.states) == {here, there}
    assert snapshot.problems == ()
    assert settles(snapshot)


@pytest.mark.parametrize("who", [ALICE, BOB])
def test_a_file_under_the_name_that_is_not_used_here_does_not_count(who: Address) -> None:
    # Of two files of one party the one that the party writes counts; the other one may be
    # old, or a stranger's.
    stale = original_file(who, role=None, price=1, status="rejected")
    snapshot = assembled({**agreed(), f"{who}_state.json": stale})
    assert list(problems(snapshot)) == [f"{who}_state.json"]
    assert settles(snapshot)


def test_the_file_that_both_wrote_in_the_original_format_gives_way_to_ones_own() -> None:
    # There both parties with one short name wrote `alice_state.json`.
    here, _, files = twins()
    files["alice_state.json"] = original_file(here, price=1)
    snapshot = assembled(files, initiator=here)
    assert list(problems(snapshot)) == ["alice_state.json"]
    assert settles(snapshot)


def test_the_file_of_the_original_format_counts_until_there_is_ones_own() -> None:
    here, there, files = twins()
    del files[state_file_name(here, there)]
    files["alice_state.json"] = original_file(here, status="agreed")
    snapshot = assembled(files, initiator=here)
    assert set(snapshot.states) == {here, there}
    assert snapshot.problems == ()


def test_the_digest_is_of_the_file_that_counts() -> None:
    files = agreed()
    data = files["alice_state.json"]
    assert isinstance(data, bytes)
    # The same state in other bytes, under the name that is not used here.
    snapshot = assembled({**files, f"{ALICE}_state.json": data + b" "})
    assert snapshot.digests[ALICE] == sha256(data).hexdigest()


# Contradictions


def changed(**fields: Any) -> PartyState:
    bob = msgspec.structs.replace(Table().offer(ALICE).accept(BOB).states[BOB], **fields)
    if bob.counterparty is None or bob.role is None:
        return bob
    return msgspec.structs.replace(
        bob, agreement_key=bob.commitment_key(bob.role, bob.counterparty)
    )


@pytest.mark.parametrize(
    ("bob", "reason"),
    [
        (changed(counterparty=CAROL), "addressed to"),
        (changed(chemical="N"), "is over"),
        (changed(role=Role.BUYER), "both parties"),
    ],
)
def test_parties_that_contradict_each_other_agree_on_nothing(bob: PartyState, reason: str) -> None:
    snapshot = assembled(agreed() | {"bob_state.json": codec.encode(bob)})
    assert reason in problems(snapshot)["bob_state.json"]
    assert not snapshot.decidable


def test_a_negotiation_of_which_nobody_says_who_buys_is_told_and_may_expire() -> None:
    snapshot = assembled(
        {
            "alice_state.json": original_file(role="unknown", status="agreed"),
            "bob_state.json": original_file(BOB, role=None, status="agreed", at=1),
        }
    )
    assert "who buys" in problems(snapshot)["bob_state.json"]
    assert not settles(snapshot)
    outcome = decide(snapshot, 1000 * HOUR, LIMITS)
    assert outcome is not None
    assert outcome.outcome is Kind.EXPIRED


# The outcome


def outcome_file() -> bytes:
    outcome = Table().offer(ALICE).accept(BOB).poll(50)
    assert outcome is not None
    return codec.encode(outcome)


def test_an_outcome_that_is_there_is_found() -> None:
    snapshot = assembled({**agreed(), "outcome.json": outcome_file()})
    assert snapshot.outcome is not None
    assert snapshot.outcome.at == 50
    assert decide(snapshot, 60, LIMITS) is None


@pytest.mark.parametrize(
    "data",
    [
        b"no outcome at all",
        RecordError("malformed_record", "a directory"),
        outcome_file().replace(ID.encode(), b"alice_bob_C_1"),
        outcome_file().replace(b'"initiator": "alice@', b'"initiator": "carol@'),
    ],
    ids=["malformed", "directory", "of another one", "of another pair"],
)
def test_an_outcome_that_cannot_be_trusted_decides_nothing(data: reading.File) -> None:
    snapshot = assembled({**agreed(), "outcome.json": data})
    assert snapshot.outcome is None
    assert list(problems(snapshot)) == ["outcome.json"]
    assert decide(snapshot, 60, LIMITS) is None


@pytest.mark.parametrize("left", [b"", b"\0" * 300, outcome_file()[:100], BROKEN])
def test_an_outcome_that_a_power_cut_has_torn_is_told_and_counts_as_none(left: bytes) -> None:
    snapshot = assembled({**agreed(), "outcome.json": left})
    assert snapshot.outcome is None
    assert list(problems(snapshot)) == ["outcome.json"]
    decided = decide(snapshot, 60, LIMITS)
    assert decided is not None
    assert decided.outcome is Kind.AGREED


def test_an_outcome_stands_without_the_states_it_was_decided_from() -> None:
    snapshot = assembled({"outcome.json": outcome_file()})
    assert snapshot.outcome is not None
    assert snapshot.outcome.outcome is Kind.AGREED


# Anything at all

contents = st.sampled_from(
    [
        BROKEN,
        RecordError("malformed_record", "a FIFO"),
        original_file(ALICE),
        original_file(BOB, role="seller", status="agreed"),
        original_file(CAROL, status="rejected"),
        outcome_file(),
        *agreed().values(),
        *twins()[2].values(),
        codec.encode(changed(counterparty=CAROL)),
    ]
)
names = st.sampled_from(
    [
        "outcome.json",
        "notes.txt",
        "_state.json",
        *(f"{name}_state.json" for name in ("alice", "bob", "carol", ALICE, BOB, "alice@b.edu")),
    ]
)


@given(st.dictionaries(names, contents), st.sets(st.sampled_from([ALICE, BOB, CAROL])))
def test_whatever_lies_there_is_a_snapshot(
    files: dict[str, reading.File], links: set[Address]
) -> None:
    snapshot = assembled(files, linked=links.__contains__)
    assert set(snapshot.states) == set(snapshot.digests)
    assert set(snapshot.states) <= {ALICE, snapshot.responder}
    assert snapshot.responder != ALICE
    for user, state in snapshot.states.items():
        assert state.user == user
    outcome = decide(snapshot, 10**6, LIMITS)
    if outcome is not None:
        assert codec.decode_outcome(codec.encode(outcome)) == outcome
    # Every state that does not count is told of.
    told = problems(snapshot)
    for name, data in files.items():
        if name.endswith("_state.json") and name not in told:
            assert isinstance(data, bytes)
            assert sha256(data).hexdigest() in snapshot.digests.values()


# Answers to listings, whose author has not spoken yet


def answer(user: str = BOB, counterparty: str = ALICE, listing: str | None = "1_buy_C") -> bytes:
    """Return what somebody who answers alice's listing writes first."""
    opening = PartyState(
        schema="nom.state/1",
        negotiation_id=ID,
        user=Address(user),
        counterparty=Address(counterparty),
        role=Role.SELLER,
        chemical="C",
        offer=None,
        status=Status.PENDING,
        last_updated=NOON,
        created=NOON,
        listing=listing,
    )
    offer = Offer(price=Decimal(5), quantity=Decimal(1), timestamp=NOON, round=1)
    return codec.encode(opening.offering(offer, Status.AGREED, NOON))


def test_whoever_answered_a_listing_is_the_responder_before_its_author_has_spoken() -> None:
    snapshot = assembled({"bob_state.json": answer()})
    assert (snapshot.responder, snapshot.listing) == (BOB, "1_buy_C")
    assert snapshot.opening == snapshot.states[Address(BOB)]
    assert snapshot.decidable
    assert not snapshot.problems


@pytest.mark.parametrize("stranger", [CAROL, "bob@elsewhere.edu", "bob_c@stonybrook.edu"])
def test_a_stranger_who_claims_the_same_and_has_a_link_does_not_count(stranger: str) -> None:
    short = stranger.partition("@")[0]
    name = f"{stranger}_state.json" if short == "bob" else f"{short}_state.json"
    files = {"bob_state.json": answer(), name: answer(stranger)}
    snapshot = assembled(files, linked=lambda party: True)
    assert snapshot.responder == BOB
    assert snapshot.decidable
    assert set(problems(snapshot)) == {name}


# What was read before


def test_what_was_read_before_is_not_decoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    files = agreed()
    before = assembled(files)
    for decode in ("decode_ordinary_state", "decode_state"):
        monkeypatch.setattr(codec, decode, None)
    assert assembled(files) == before


def test_what_was_read_in_one_namespace_is_no_state_of_another() -> None:
    files = agreed()
    assert assembled(files).decidable
    elsewhere = reading.assemble(
        "alice_bob_C_2", ALICE, files, where=WHERE, linked=nobody, archived=False
    )
    assert elsewhere.states == {}
    assert all("expected negotiation_id" in each.reason for each in elsewhere.problems)


def test_what_is_refused_once_is_refused_again() -> None:
    files = agreed()
    alices = files["alice_state.json"]
    assert isinstance(alices, bytes)
    files["alice_state.json"] = alices.replace(b'"price": 5', b'"price": 6')
    assert assembled(files) == assembled(files)
    assert "expected agreement_key" in problems(assembled(files))["alice_state.json"]


def test_what_somebody_does_to_unknown_fields_is_not_read_from_the_file_later() -> None:
    state = msgspec.structs.replace(Table().offer(ALICE).states[ALICE], extra={"moods": ["good"]})
    files = {"alice_state.json": codec.encode(state)}
    assembled(files).states[ALICE].extra["moods"].append("bad")
    assert assembled(files).states[ALICE] == state


def test_a_long_state_is_read_like_any_other() -> None:
    table = Table().offer(ALICE).accept(BOB)
    said = table.states[BOB].saying("x" * reading.MAX_KEPT_BYTES, 1)
    snapshot = assembled(files_of(table) | {"bob_state.json": codec.encode(said)})
    assert snapshot.states[BOB] == said
    assert settles(snapshot)
