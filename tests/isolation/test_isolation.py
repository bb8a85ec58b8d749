"""Where each party is a Unix user of its own, the kernel keeps them apart."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.isolation.conftest import ALICE, BOB, CAROL, NOW, POLLER, USERS, Market, Place

from nom_negotiate.errors import Conflict, NomError, RuleViolation, StoreError
from nom_negotiate.store.files.isolation import FROZEN, SPARES

TERMS: dict[str, Any] = {"chemical": "C", "role": "buyer", "price": "5.50", "quantity": 1000}


def start(market: Market, by: str = ALICE, with_: str = BOB, **terms: Any) -> str:
    return str(market.party(by, lambda party: party.start(with_, **{**TERMS, **terms}).id))


def accept(market: Market, by: str, negotiation_id: str) -> None:
    market.party(by, lambda party: party.accept(negotiation_id) and None)


def say(market: Market, by: str, negotiation_id: str) -> None:
    market.party(by, lambda party: party.say(negotiation_id, "well") and None)


def look(market: Market, by: str, negotiation_id: str) -> Any:
    return market.party(by, lambda party: party.negotiation(negotiation_id))


def transactions(market: Market, address: str) -> list[Any]:
    return list(market.party(address, lambda party: party.transactions()))


def refused(market: Market, uid: int, deed: Callable[[], Any]) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        market.as_user(uid, deed)
    assert caught.value.errno in (errno.EACCES, errno.EPERM), caught.value


def test_two_parties_and_a_poller_of_three_users_settle_a_deal(market: Market) -> None:
    deal = start(market)
    market.party(BOB, lambda bob: bob.offer(deal, price="6.00", quantity=900) and None)
    market.party(ALICE, lambda alice: alice.say(deal, "that is a lot") and None)
    accept(market, ALICE, deal)
    report = market.poll()
    assert report.agreed == [deal]
    assert not report.problems
    [bought] = transactions(market, ALICE)
    [sold] = transactions(market, BOB)
    assert bought.transaction.agreement_key == sold.transaction.agreement_key
    for address in (ALICE, BOB):
        archived = market.party(address, lambda party: party.negotiations(archived=True))
        assert [one.id for one in archived] == [deal]


def test_a_negotiation_is_found_by_the_other_party_before_any_poll(market: Market) -> None:
    deal = start(market)
    found = market.party(BOB, lambda bob: [one.id for one in bob.negotiations()])
    assert found == [deal]


def test_a_party_marks_its_own_transaction_as_settled(market: Market) -> None:
    deal = start(market)
    accept(market, BOB, deal)
    market.poll()
    [filed] = transactions(market, ALICE)
    market.party(ALICE, lambda alice: alice.mark_settled(filed.name) and None)
    [marked] = transactions(market, ALICE)
    assert marked.transaction.settled


def test_what_is_written_with_a_strict_umask_is_read_by_the_others(market: Market) -> None:
    deal = start(market)
    path = market.path(ALICE, "negotiations", deal, "alice_state.json")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert os.stat(path).st_uid == USERS[ALICE]


@pytest.mark.parametrize(
    ("victim", "attacker"), [(ALICE, BOB), (BOB, ALICE), (ALICE, CAROL), (BOB, CAROL)]
)
def test_nobody_touches_the_state_of_another(market: Market, victim: str, attacker: str) -> None:
    deal = start(market)
    accept(market, BOB, deal)
    namespace = market.path(ALICE, "negotiations", deal)
    state = namespace / f"{victim.partition('@')[0]}_state.json"
    before = state.read()
    uid = USERS[attacker]
    planted = namespace / "planted"
    market.as_user(uid, planted.make)
    refused(market, uid, lambda: open(state, "w").close())
    refused(market, uid, lambda: open(state, "a").close())
    refused(market, uid, lambda: os.truncate(state, 0))
    refused(market, uid, lambda: os.rename(state, namespace / "away"))
    refused(market, uid, lambda: os.rename(planted, state))
    refused(market, uid, lambda: os.unlink(state))
    refused(market, uid, lambda: os.chmod(state, 0o666))
    refused(
        market, uid, lambda: os.rename(namespace, market.path(ALICE, "negotiations", f"{deal}_2"))
    )
    refused(market, uid, lambda: os.chmod(namespace, 0o777))
    assert state.read() == before
    assert market.poll().agreed == [deal]


def test_nobody_hard_links_the_state_of_another_into_a_deal(market: Market) -> None:
    deal = start(market)
    state = market.path(ALICE, "negotiations", deal, "alice_state.json")
    other = start(market, by=BOB, with_=ALICE, chemical="N", role="seller")
    target = market.path(BOB, "negotiations", other, "alice_state.json")
    try:
        market.as_user(USERS[BOB], lambda: os.link(state, target))
    except PermissionError:
        # The kernel protects hard links (fs.protected_hardlinks), which is the usual setting.
        assert not os.path.exists(target)
    report = market.poll()
    assert not report.agreed
    assert market.party(ALICE, lambda alice: alice.negotiation(deal).phase) == "initiated"


@pytest.mark.parametrize(
    "room", ["transactions", "listings", "private", "negotiations_archive", "spare", ""]
)
def test_nobody_writes_into_the_rooms_of_another(market: Market, room: str) -> None:
    path = market.path(ALICE, room)
    refused(market, USERS[BOB], lambda: open(path / "planted.json", "x").close())
    refused(market, USERS[BOB], lambda: os.mkdir(path / "planted"))
    refused(market, USERS[BOB], lambda: os.rename(path, market.path("away")))


def test_nobody_puts_a_link_in_the_place_of_a_room_not_even_its_owner(market: Market) -> None:
    for room in ("transactions", "negotiations", "listings", "private"):
        path = market.path(ALICE, room)
        refused(market, USERS[ALICE], partial(os.rename, path, market.path(ALICE, "away")))
    refused(market, USERS[ALICE], lambda: os.symlink("/etc", market.path(ALICE, "more")))
    refused(market, USERS[ALICE], lambda: os.rename(market.path(ALICE), market.path("x@y.edu")))


def test_private_figures_and_transactions_are_read_by_their_owner_only(market: Market) -> None:
    secret = market.path(ALICE, "private", "limits.json")
    market.as_user(USERS[ALICE], secret.make)
    for uid in (USERS[BOB], POLLER):
        refused(market, uid, lambda: open(secret).close())
        refused(market, uid, lambda: os.listdir(market.path(ALICE, "private")))
    refused(market, USERS[BOB], lambda: os.listdir(market.path(ALICE, "transactions")))


def test_nobody_acts_as_another(market: Market) -> None:
    deal = start(market)
    with pytest.raises(StoreError) as caught:
        market.as_user(USERS[CAROL], lambda: market.desk().party(BOB).accept(deal) and None)
    assert caught.value.code == "wrong_user"
    with pytest.raises(StoreError) as caught:
        market.as_user(0, lambda: market.desk().party(BOB).accept(deal) and None)
    assert caught.value.code == "wrong_user"


@pytest.mark.parametrize("uid", [0, *USERS.values()])
def test_nobody_polls_but_the_poller(market: Market, uid: int) -> None:
    with pytest.raises(StoreError) as caught:
        market.as_user(uid, lambda: market.desk().poll())
    assert caught.value.code == "wrong_user"


def test_a_planted_outcome_is_set_aside_and_the_deal_goes_on(market: Market) -> None:
    # What the poller would say, said by bob: of a deal that alice has never accepted.
    dearer = start(market, chemical="N")
    accept(market, BOB, dearer)
    assert market.poll().agreed == [dearer]
    deal = start(market)
    real = market.path(ALICE, "negotiations_archive", dearer, "outcome.json")
    planted = market.path(ALICE, "negotiations", deal, "outcome.json")
    forged = real.read().replace(dearer.encode(), deal.encode())

    market.as_user(USERS[BOB], lambda: planted.make(forged))
    found = market.party(ALICE, lambda alice: alice.negotiation(deal))
    assert found.phase == "initiated"
    report = market.poll()
    assert report.active == [deal]
    assert any("outcome.json" in problem.path for problem in report.problems)
    assert not os.path.exists(planted)
    assert set_aside(market, "outcome.json") == [forged]
    accept(market, BOB, deal)
    assert market.poll().agreed == [deal]
    assert len(transactions(market, ALICE)) == len(transactions(market, BOB)) == 2


def set_aside(market: Market, name: str) -> list[bytes]:
    return [
        Path(directory, name).read_bytes()
        for directory, _, names in os.walk(Place(market, "data", "poller", "aside"))
        if name in names
    ]


@pytest.mark.parametrize("content", [b"nonsense", None])
def test_a_state_that_its_party_has_not_written_is_set_aside(
    market: Market, content: bytes | None
) -> None:
    deal = start(market)
    namespace = market.path(ALICE, "negotiations", deal)
    said = content or (namespace / "alice_state.json").read().replace(
        b'"user": "alice', b'"user": "bob'
    ).replace(b'"buyer"', b'"seller"')
    path = namespace / "bob_state.json"

    market.as_user(USERS[CAROL], lambda: path.make(said))
    with pytest.raises(StoreError):
        accept(market, BOB, deal)
    report = market.poll()
    assert report.active == [deal]
    assert [problem.path.rpartition("/")[2] for problem in report.problems] == ["bob_state.json"]
    accept(market, BOB, deal)
    assert market.poll().agreed == [deal]


def test_a_namespace_of_somebodys_own_is_no_namespace(market: Market) -> None:
    """An initiator that owned the directory could take away the other's state."""
    deal = start(market)
    copied = "alice_bob_C_1700000000"
    source = market.path(ALICE, "negotiations", deal)
    target = market.path(ALICE, "negotiations", copied)

    def copy() -> None:
        os.mkdir(target)
        said = (source / "alice_state.json").read()
        (target / "alice_state.json").make(said.replace(deal.encode(), copied.encode()))
        os.chmod(target, 0o755)

    market.as_user(USERS[ALICE], copy)
    report = market.poll(scan=True)
    assert report.active == [deal, copied] or report.active == [copied, deal]
    assert [problem.path for problem in report.problems if copied in problem.path]


def test_the_poller_follows_no_link_out_of_the_root(market: Market) -> None:
    outside = Place(market, "outside")
    os.mkdir(outside)
    os.chown(outside, POLLER, POLLER)
    deal = start(market)
    accept(market, BOB, deal)
    name = f"{NOW}_sell_C_to_alice.json"

    def plant() -> None:
        room = market.path(BOB, "transactions")
        os.symlink(outside / name, room / name)
        os.symlink(outside, room / ".tmp-1-planted")
        os.symlink(outside, market.path(ALICE, "negotiations", "alice_bob_N_1700000000"))

    market.as_user(USERS[BOB], plant)
    market.now += 1
    report = market.poll()
    assert report.agreed == [deal]
    assert os.listdir(outside) == []
    assert len(transactions(market, BOB)) == len(transactions(market, ALICE)) == 1


def test_a_hostile_party_stops_no_deal_of_others(market: Market) -> None:
    deal = start(market, by=ALICE, with_=CAROL)
    namespace = market.path(ALICE, "negotiations", deal)

    def harass() -> None:
        for number in range(100):
            (namespace / f"{number}_state.json").make()
        os.mkfifo(namespace / "bob_state.json")
        os.mkfifo(namespace / ".tmp-guarded-1-x")
        os.mkdir(market.path(ALICE, "negotiations", "alice_carol_C_1700000000"))
        os.symlink("nowhere", market.path(CAROL, "negotiations", "alice_carol_N_1700000000"))
        os.mkfifo(market.path(BOB, "transactions", "x.json"))

    market.as_user(USERS[BOB], harass)
    accept(market, CAROL, deal)
    report = market.poll()
    assert report.agreed == [deal]
    assert len(transactions(market, ALICE)) == len(transactions(market, CAROL)) == 1


def test_a_party_that_undermines_its_own_room_stops_only_its_own_deal(market: Market) -> None:
    deal = start(market, by=ALICE, with_=BOB)
    other = start(market, by=ALICE, with_=CAROL)
    accept(market, BOB, deal)
    accept(market, CAROL, other)
    market.as_user(USERS[BOB], lambda: os.chmod(market.path(BOB, "transactions"), 0o500))
    report = market.poll()
    assert report.agreed == [other]
    assert len(transactions(market, CAROL)) == 1
    market.as_user(USERS[BOB], lambda: os.chmod(market.path(BOB, "transactions"), 0o2770))
    assert market.poll().agreed == [deal]
    assert len(transactions(market, ALICE)) == 2
    assert len(transactions(market, BOB)) == 1


def test_a_decision_is_made_while_nobody_can_write(market: Market) -> None:
    deal = start(market)
    os.chmod(market.path(ALICE, "negotiations", deal), FROZEN)
    with pytest.raises(Conflict) as caught:
        accept(market, BOB, deal)
    assert caught.value.code == "busy"
    with pytest.raises(Conflict) as caught:
        market.party(ALICE, lambda alice: alice.withdraw(deal) and None)
    assert caught.value.code == "busy"


def test_a_namespace_that_was_left_frozen_is_thawed(market: Market) -> None:
    deal = start(market)
    os.chmod(market.path(ALICE, "negotiations", deal), FROZEN)
    assert market.poll().active == [deal]
    accept(market, BOB, deal)
    assert market.poll().agreed == [deal]


def test_an_archived_negotiation_is_read_only(market: Market) -> None:
    deal = start(market)
    accept(market, BOB, deal)
    market.poll()
    namespace = market.path(ALICE, "negotiations_archive", deal)
    for party in (ALICE, BOB):
        name = f"{party.partition('@')[0]}_state.json"
        refused(market, USERS[party], partial(os.unlink, namespace / name))
    refused(market, USERS[ALICE], lambda: os.unlink(namespace / "outcome.json"))


def test_a_party_starts_as_many_as_it_has_spare_namespaces_and_more_after_a_poll(
    market: Market,
) -> None:
    def starts(alice: Any) -> str:
        for _ in range(SPARES):
            alice.start(BOB, again=True, **TERMS)
        try:
            alice.start(BOB, again=True, **TERMS)
        except Conflict as error:
            return error.code
        return "started"

    assert market.party(ALICE, starts) == "no_spare_namespace"
    entries = os.listdir(market.path(BOB, "negotiations"))
    assert len(entries) == SPARES
    market.poll()
    start(market, again=True)


def test_a_start_that_was_cut_short_leaves_its_spare_namespace_to_the_next(market: Market) -> None:
    for name in os.listdir(market.path(ALICE, "spare")):
        path = market.path(ALICE, "spare", name)
        market.as_user(USERS[ALICE], partial(leave_state, path))
    deal = start(market)
    assert os.listdir(market.path(ALICE, "negotiations", deal)) == ["alice_state.json"]


def leave_state(path: Place) -> None:
    (path / "alice_state.json").make()
    (path / ".tmp-1-2").make()


def test_a_newcomer_is_refused(market: Market) -> None:
    with pytest.raises(RuleViolation) as caught:
        start(market, with_="dave@stonybrook.edu")
    assert caught.value.code == "closed_root"


def test_a_party_without_a_unix_user_cannot_act_and_says_why(market: Market) -> None:
    market.desk().add_party("dave@stonybrook.edu")
    with pytest.raises(NomError) as caught:
        market.as_user(
            USERS[BOB],
            lambda: market.desk().party("dave@stonybrook.edu").start(BOB, **TERMS) and None,
        )
    assert caught.value.code == "wrong_user"
    assert "nom init" in caught.value.hint


def test_a_deal_that_is_taken_back_while_it_is_decided_is_one_or_the_other(market: Market) -> None:
    """Parties and the poller as three processes at once: what each was told is true."""
    for number in range(12):
        deal = start(market, chemical="CN"[number % 2], again=True)
        accept(market, BOB, deal)
        child = os.fork()
        if child == 0:
            try:
                market.poll()
            finally:
                os._exit(0)
        told = "ended"
        try:
            say(market, ALICE, deal)
        except NomError as error:
            told = error.code
        os.waitpid(child, 0)
        market.poll()
        found = look(market, ALICE, deal)
        assert found.phase == "agreed"
        assert told in ("ended", "concluded", "busy")
        assert (told == "ended") == bool(found.messages)
    assert len(transactions(market, ALICE)) == len(transactions(market, BOB)) == 12
