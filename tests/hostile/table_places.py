"""Rows about places: links, rooms, directories of parties, outcomes, and the root itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.hostile.rows import (
    HERE,
    OUTCOME,
    Fate,
    Harm,
    Row,
    device,
    directory,
    fifo,
    link,
    listening_socket,
    replaced,
    sparse,
)
from tests.hostile.scene import DAVE, DUE, NOW, OTHERS, SAME, VICTIM, Scene, key_of
from tests.support import ALICE, BOB, CAROL, NOON

from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.store.port import Filed

REGULAR = "expected a regular file, found"
NOWHERE = "expected a link to this negotiation at its initiator"
BOBS_ROOM = f"teams/{BOB}/negotiations"
ALICES_ROOM = f"teams/{ALICE}/negotiations"


# Links among the negotiations


def entry(name: str, text: str, party: str = BOB) -> Harm:
    """Return what puts a link among the negotiations of a party."""
    return lambda scene: link(scene.room(party, "negotiations") / name, text)


def bobs_own(text: str | Callable[[Scene], str]) -> Harm:
    """Return what lets bob's link to the spoilt deal lead elsewhere."""

    def harm(scene: Scene) -> None:
        where = text if isinstance(text, str) else text(scene)
        link(scene.room(BOB, "negotiations") / VICTIM, where)

    return harm


def loop(scene: Scene) -> None:
    room = scene.room(BOB, "negotiations")
    link(room / "to_x_1", "to_x_2")
    link(room / "to_x_2", "to_x_1")


def others_are_hidden(scene: Scene) -> None:
    bob = scene.desk([]).party(BOB)
    found = [n.id for archived in (False, True) for n in bob.negotiations(archived=archived)]
    assert OTHERS not in found


LINKS = [
    Row(
        "a link to another team's negotiation shows nothing of it",
        entry(OTHERS, f"../../{CAROL}/negotiations/{OTHERS}"),
        f"{BOBS_ROOM}/{OTHERS}",
        "is no party",
        Fate.SETTLES,
        holds=others_are_hidden,
    ),
    Row(
        "a link to a negotiation of the same party under another name is none",
        entry("another_name", f"../../{ALICE}/negotiations/{VICTIM}"),
        f"{BOBS_ROOM}/another_name",
        NOWHERE,
        Fate.SETTLES,
    ),
    Row(
        "a link of an initiator to itself is none",
        entry("to_myself", f"../../{ALICE}/negotiations/{VICTIM}", ALICE),
        f"{ALICES_ROOM}/to_myself",
        NOWHERE,
        Fate.SETTLES,
    ),
    Row(
        "a link out of the root is none",
        entry("out", "../../../../outside"),
        f"{BOBS_ROOM}/out",
        NOWHERE,
        Fate.SETTLES,
    ),
    Row(
        "an absolute link out of the root is none",
        entry("etc", "/etc"),
        f"{BOBS_ROOM}/etc",
        NOWHERE,
        Fate.SETTLES,
    ),
    Row(
        "an absolute link to the right place is one",
        bobs_own(lambda scene: str(scene.namespace())),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a party's link to a copy of its deal outside is none",
        bobs_own(
            lambda scene: str(scene.outside / f"teams/{ALICE}/negotiations/{VICTIM}"),
        ),
        f"{BOBS_ROOM}/{VICTIM}",
        NOWHERE,
        Fate.SETTLES,
    ),
    Row("a loop of links ends", loop, f"{BOBS_ROOM}/to_x_1", NOWHERE, Fate.SETTLES),
    Row(
        "a link to itself ends",
        entry("self", "self"),
        f"{BOBS_ROOM}/self",
        NOWHERE,
        Fate.SETTLES,
    ),
    Row(
        "a file in the place of a link is told",
        replaced(
            lambda scene: scene.room(BOB, "negotiations") / VICTIM,
            lambda scene, path: path.write_text("{}"),
        ),
        f"{BOBS_ROOM}/{VICTIM}",
        "found a file",
        Fate.SETTLES,
    ),
    Row(
        "a FIFO among the negotiations is told",
        lambda scene: os.mkfifo(scene.room(BOB, "negotiations") / "pipe"),
        f"{BOBS_ROOM}/pipe",
        "found a file",
        Fate.SETTLES,
    ),
    Row(
        "a name with an escape sequence is told without it",
        lambda scene: (scene.room(BOB, "negotiations") / "a\x1b[2J\u202eb").mkdir(),
        f"{BOBS_ROOM}/a\\x1b[2J\\u202eb",
        "the id of a negotiation",
        Fate.SETTLES,
    ),
]


# Namespaces


def long_name(scene: Scene) -> None:
    """Let the deal have a name of 255 bytes."""
    name = f"alice_bob_C_{'1' * 243}"
    for who in ("alice", "bob"):
        state = {**scene.state(who), "negotiation_id": name}
        state["agreement_key"] = key_of(state)
        scene.file(who).write_text(json.dumps(state))
    scene.namespace().rename(scene.namespace(name))
    (scene.room(BOB, "negotiations") / VICTIM).unlink()
    link(scene.room(BOB, "negotiations") / name, f"../../{ALICE}/negotiations/{name}")


def long_name_settles(scene: Scene) -> None:
    archive = scene.room(BOB, "negotiations_archive")
    assert (archive / f"alice_bob_C_{'1' * 243}" / "outcome.json").is_file()


def namespace_is_a_link(scene: Scene) -> None:
    moved = scene.move_out(scene.namespace())
    link(scene.namespace(), moved)


NAMESPACES = [
    Row(
        "a name of 255 bytes is a name",
        long_name,
        None,
        fate=Fate.HIDDEN,
        holds=long_name_settles,
    ),
    Row(
        "a namespace that is a link to the outside is not entered",
        namespace_is_a_link,
        f"{ALICES_ROOM}/{VICTIM}",
        NOWHERE,
        Fate.HIDDEN,
    ),
    Row(
        "a namespace that is a file is none",
        replaced(lambda scene: scene.namespace(), lambda scene, path: path.write_text("{}")),
        f"{ALICES_ROOM}/{VICTIM}",
        "found a file",
        Fate.HIDDEN,
    ),
]


# Rooms and directories of parties


def room_elsewhere(party: str, room: str) -> Harm:
    """Return what moves a room out of the root and leaves a link to it."""

    def harm(scene: Scene) -> None:
        moved = scene.move_out(scene.room(party, room))
        link(scene.room(party, room), moved)

    return harm


def room_is_a_file(party: str, room: str) -> Harm:
    def harm(scene: Scene) -> None:
        shutil.rmtree(scene.room(party, room))
        scene.room(party, room).write_text("{}")

    return harm


def home_elsewhere(party: str) -> Harm:
    def harm(scene: Scene) -> None:
        home = scene.home(party)
        link(home, scene.move_out(home))

    return harm


def nothing_was_placed(scene: Scene) -> None:
    assert not list(scene.outside.rglob("*_from_*.json"))
    assert not list(scene.outside.rglob("*_to_*.json"))


def made(name: str | bytes, make: Callable[[Path], object]) -> Harm:
    """Return what puts something among the directories of the parties."""
    return lambda scene: make(scene.root / "teams" / os.fsdecode(name))


NO_PARTY = "expected the directory of a party"

ROOMS = [
    Row(
        "a room for transactions that leads elsewhere gets none",
        room_elsewhere(BOB, "transactions"),
        f"teams/{BOB}/transactions",
        "found a link",
        Fate.HIDDEN,
        spoils=(DUE,),
        holds=nothing_was_placed,
    ),
    Row(
        "a room for transactions that is a file gets none",
        room_is_a_file(BOB, "transactions"),
        f"teams/{BOB}/transactions",
        "found a file",
        Fate.HIDDEN,
        spoils=(DUE,),
    ),
    Row(
        "a room for negotiations that leads elsewhere is not entered",
        room_elsewhere(ALICE, "negotiations"),
        f"teams/{ALICE}/negotiations",
        "found a link",
        Fate.HIDDEN,
        spoils=(SAME,),
    ),
    Row(
        "a room for negotiations that is a file is not entered",
        room_is_a_file(BOB, "negotiations"),
        f"teams/{BOB}/negotiations",
        "found a file",
        Fate.SETTLES,
        spoils=(SAME, DUE),
    ),
    Row(
        "an archive that leads elsewhere gets nothing",
        room_elsewhere(ALICE, "negotiations_archive"),
        f"teams/{ALICE}/negotiations_archive",
        "found a link",
        Fate.HIDDEN,
        spoils=(DUE,),
    ),
    Row(
        "packs that lead elsewhere are not read",
        lambda scene: link(scene.room(ALICE, "packs"), scene.outside),
        f"teams/{ALICE}/packs",
        "found a link",
        Fate.SETTLES,
    ),
    Row(
        "a file in the place of the packs is told",
        lambda scene: scene.room(ALICE, "packs").write_text("{}"),
        f"teams/{ALICE}/packs",
        "found a file",
        Fate.SETTLES,
    ),
    Row(
        "listings that lead elsewhere are not read",
        room_elsewhere(ALICE, "listings"),
        f"teams/{ALICE}/listings",
        "found a link",
        Fate.SETTLES,
    ),
    Row(
        "a party's directory that leads elsewhere is not entered",
        home_elsewhere(BOB),
        f"teams/{BOB}",
        NO_PARTY,
        Fate.HIDDEN,
        spoils=(SAME, DUE),
        holds=nothing_was_placed,
    ),
    Row(
        "a link among the parties makes nobody a party",
        made("mallory@x.org", lambda path: path.symlink_to("/etc")),
        "teams/mallory@x.org",
        NO_PARTY,
        Fate.SETTLES,
    ),
    Row(
        "a name that is no text makes nobody a party",
        made(b"\xff\xfe@x.org", lambda path: path.mkdir()),
        "teams/\\xff\\xfe@x.org",
        NO_PARTY,
        Fate.SETTLES,
    ),
    Row(
        "a name that turns the writing round makes nobody a party",
        made("\u202emoc.x@eve", lambda path: path.mkdir()),
        "teams/\\u202emoc.x@eve",
        NO_PARTY,
        Fate.SETTLES,
    ),
    Row(
        "a name of 255 bytes makes nobody a party",
        made("a" * 249 + "@x.org", lambda path: path.mkdir()),
        f"teams/{'a' * 249}@x.org",
        NO_PARTY,
        Fate.SETTLES,
    ),
    Row(
        "a file among the parties makes nobody a party",
        made("eve@x.org", lambda path: path.write_text("{}")),
        "teams/eve@x.org",
        NO_PARTY,
        Fate.SETTLES,
    ),
]


# Outcomes


def outcome_of(scene: Scene, **changed: Any) -> dict[str, Any]:
    """Return an agreement that nobody has come to: 1 unit at a price of a million."""
    deal = {"buyer": ALICE, "seller": BOB, "chemical": "C", "price": 1_000_000, "quantity": 1}
    said = {
        "user": ALICE,
        "counterparty": BOB,
        "role": "buyer",
        "chemical": "C",
        "offer": deal,
        "negotiation_id": VICTIM,
    }
    outcome = {
        "schema": "nom.outcome/1",
        "negotiation_id": VICTIM,
        "outcome": "agreed",
        "at": NOW,
        "initiator": ALICE,
        "responder": BOB,
        "chemical": "C",
        "deal": {**deal, "agreement_key": key_of(said)},
        "states": {
            ALICE: {"revision": 9, "sha256": "0" * 64},
            BOB: {"revision": 9, "sha256": "0" * 64},
        },
        "transactions": {
            ALICE: f"{NOW}_buy_C_from_bob.json",
            BOB: f"{NOW}_sell_C_to_alice.json",
        },
    }
    return outcome | changed


def planted(**changed: Any) -> Harm:
    def harm(scene: Scene) -> None:
        scene.wait()
        (scene.namespace() / "outcome.json").write_text(json.dumps(outcome_of(scene, **changed)))

    return harm


def outcome_becomes(make: Callable[[Path], object]) -> Harm:
    return lambda scene: make(scene.namespace() / "outcome.json")


def names(alices: str) -> Harm:
    return planted(transactions={ALICE: alices, BOB: f"{NOW}_sell_C_to_alice.json"})


def deal_of_strangers(scene: Scene) -> None:
    fields = outcome_of(scene)
    fields["deal"] |= {"seller": DAVE}
    fields["responder"] = DAVE
    said = {"user": ALICE, "counterparty": DAVE, "role": "buyer", "negotiation_id": VICTIM}
    fields["deal"]["agreement_key"] = key_of(said | {"chemical": "C", "offer": fields["deal"]})
    fields["transactions"] = {ALICE: "1_buy_C_from_dave.json", DAVE: "1_sell_C_to_alice.json"}
    (scene.namespace() / "outcome.json").write_text(json.dumps(fields))


class Dead(BaseException):
    """A poller is killed."""


def decided(scene: Scene) -> None:
    """Let the poller be killed between the outcome and its first effect."""
    desk = scene.desk([])
    with pytest.MonkeyPatch.context() as patch:

        def killed(outcome: Outcome) -> dict[Address, Filed]:
            if outcome.negotiation_id == VICTIM:
                raise Dead
            return settle(outcome)

        settle = desk.store.settle
        patch.setattr(desk.store, "settle", killed)
        with pytest.raises(Dead):
            desk.poll()
    assert (scene.namespace() / "outcome.json").is_file()


def decided_and_one_rewritten(scene: Scene) -> None:
    decided(scene)
    scene.change_offer("bob", price=99)


def decided_and_both_rewritten(scene: Scene) -> None:
    """Let both parties' programs of the original format go on as if nothing were decided."""
    decided(scene)
    for who, price in (("alice", 3), ("bob", 99)):
        scene.change_offer(who, price=price)
    scene.originals()
    for who in ("alice", "bob"):
        scene.file(who).write_text(json.dumps({**scene.state(who), "last_updated": NOW + 1}))


def decided_and_one_spoilt(scene: Scene) -> None:
    decided(scene)
    scene.file("alice").unlink()
    scene.file("bob").write_text("{")


OUTCOMES = [
    Row("an outcome that is a FIFO decides nothing", outcome_becomes(fifo), OUTCOME, REGULAR),
    Row("an outcome that is a device decides nothing", outcome_becomes(device), OUTCOME, REGULAR),
    Row(
        "an outcome that is a directory decides nothing",
        outcome_becomes(directory),
        OUTCOME,
        REGULAR,
    ),
    Row(
        "an outcome that is a socket decides nothing",
        outcome_becomes(listening_socket),
        OUTCOME,
        REGULAR,
    ),
    Row(
        "an outcome that is a link is not followed",
        lambda scene: link(scene.namespace() / "outcome.json", scene.outside / "secret.json"),
        OUTCOME,
        f"{REGULAR} a link",
    ),
    Row("an outcome of a GiB is not read", outcome_becomes(sparse), OUTCOME, "at most 262144"),
    Row(
        "an outcome that is no JSON decides nothing",
        outcome_becomes(lambda path: path.write_text("agreed")),
        OUTCOME,
        "JSON",
    ),
    Row(
        "an empty outcome, as a power cut leaves it, is made anew",
        outcome_becomes(Path.touch),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "an outcome of zeros, as a power cut leaves it, is made anew",
        outcome_becomes(lambda path: path.write_bytes(b"\0" * 4096)),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "an outcome of another negotiation decides nothing here",
        planted(negotiation_id="\x1b[2J" + SAME, outcome="expired", deal=None, transactions={}),
        OUTCOME,
        "move it away",
    ),
    Row(
        "an outcome of other parties decides nothing here",
        planted(initiator=CAROL, outcome="expired", deal=None, transactions={}),
        OUTCOME,
        "carol",
    ),
    Row(
        "an outcome between a party and a stranger is not settled",
        deal_of_strangers,
        OUTCOME,
        "dave",
    ),
    Row("an outcome that nobody agreed to is not settled", planted(), OUTCOME, "neither"),
    Row(
        "an outcome whose key binds other terms is none",
        planted(
            deal={
                "buyer": ALICE,
                "seller": BOB,
                "chemical": "C",
                "price": 1,
                "quantity": 1,
                "agreement_key": "0" * 64,
            }
        ),
        OUTCOME,
        "agreement_key",
    ),
    Row("a transaction's name has no slash", names("../x.json"), OUTCOME, "transaction file"),
    Row("a transaction's name is no hidden one", names(".x.json"), OUTCOME, "transaction file"),
    Row("a transaction's name has no escape", names("\x1b[2J.json"), OUTCOME, "transaction file"),
    Row(
        "a transaction's name leaves room to move on",
        names("x" * 250 + ".json"),
        OUTCOME,
        "transaction file",
    ),
    Row(
        "a decided deal stands, whatever a party writes afterwards",
        decided_and_one_rewritten,
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a decided deal stands, whatever both write afterwards",
        decided_and_both_rewritten,
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a decided deal stands, whatever becomes of both files",
        decided_and_one_spoilt,
        f"{HERE}/bob_state.json",
        "JSON",
        fate=Fate.SETTLES,
    ),
]


# Transactions and listings


def filed(party: str, room: str, name: str, make: Callable[[Path], object]) -> Harm:
    return lambda scene: make(scene.room(party, room) / name)


def transaction(scene: Scene) -> dict[str, Any]:
    return {
        "schema": "nom.transaction/1",
        "type": "buy",
        "chemical": "C",
        "price": 1,
        "quantity": 1,
        "counterparty": BOB,
        "negotiation_id": "x",
        "timestamp": NOON,
        "settled": False,
    }


def taken(name: str, make: Callable[[Path], object]) -> Row:
    path = f"{NOW}_buy_C_from_bob.json"
    return Row(
        f"a transaction's name that is taken by {name} is left alone",
        filed(ALICE, "transactions", path, make),
        f"teams/{ALICE}/transactions/{path}",
        "",
        Fate.SETTLES,
    )


def listing(**changes: object) -> Callable[[Path], object]:
    """Return what writes a listing of alice's with these fields."""
    fields = {
        "schema": "nom.listing/1",
        "id": "1_buy_C",
        "user": ALICE,
        "type": "buy",
        "chemical": "C",
        "created": 1,
        "status": "active",
        **changes,
    }
    return lambda path: path.write_text(json.dumps(fields))


def listed(name: str, make: Callable[[Path], object], says: str) -> Row:
    return Row(
        f"a listing that is {name} is left out",
        filed(ALICE, "listings", "1_buy_C.json", make),
        f"teams/{ALICE}/listings/1_buy_C.json",
        says,
        Fate.SETTLES,
    )


BOOKS = [
    taken("a FIFO", fifo),
    taken("a directory", directory),
    taken("a link", lambda path: link(path, "/etc/passwd")),
    taken("no record", lambda path: path.write_text("[]")),
    Row(
        "a transaction of a hostile name is told without its teeth",
        filed(ALICE, "transactions", "\x1b[2J\u202e\n.json", lambda path: path.write_text("{")),
        f"teams/{ALICE}/transactions/\\x1b[2J\\u202e\\n.json",
        "JSON",
        Fate.SETTLES,
    ),
    listed("a FIFO", fifo, REGULAR),
    listed("a link", lambda path: link(path, "/etc/passwd"), REGULAR),
    listed("a GiB", sparse, "at most 262144"),
    listed("a list", lambda path: path.write_text("[]"), "found list"),
    listed("of somebody else", listing(user=BOB), "bob"),
    listed("of another name", listing(id="2_buy_C"), "2_buy_C"),
    listed("of an id that is none", listing(id="a/b"), "the id of a listing"),
    listed("over less than nothing", listing(quantity=-1), "greater than 0"),
    listed("left with less than nothing", listing(quantity=1, left=-1), "0 or more"),
    listed("a directory", directory, REGULAR),
    listed("a device", device, REGULAR),
    listed("a socket", listening_socket, REGULAR),
    listed(
        "a link to another's", lambda path: link(path, f"../../{CAROL}/listings/x.json"), REGULAR
    ),
    listed("cut short", lambda path: path.write_text('{"schema": "nom.listing/1", '), "JSON"),
    listed("nested", lambda path: path.write_text("[" * 5000), ""),
    listed("said twice", lambda path: path.write_text('{"id": "1", "id": "1_buy_C"}'), "twice"),
    listed("of a later version", listing(schema="nom.listing/2"), "nom.listing/1"),
    listed("on a third side", listing(type="\x1b[2J"), "type"),
    listed("neither open nor closed", listing(status=["active"]), "status"),
    listed("at a price in words", listing(price="5"), "price"),
    listed("at a price of too many digits", listing(price=10**30), "price"),
    listed("of a time in words", listing(created="now"), "created"),
    listed("closed in words", listing(closed_at=-5), "closed_at"),
    listed("over half a character", listing(text="\ud800"), ""),
    Row(
        "a listing of which more is left than there was is one",
        filed(ALICE, "listings", "1_buy_C.json", listing(quantity=5, left=50)),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "what a later version says in a listing does no harm",
        filed(ALICE, "listings", "1_buy_C.json", listing(**{"\x1b[2J": {"\u202e": ["\x9b"]}})),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a listing of a hostile name is told without its teeth",
        filed(ALICE, "listings", "\x1b[2J\u202e.json", listing()),
        f"teams/{ALICE}/listings/\\x1b[2J\\u202e.json",
        "",
        Fate.SETTLES,
    ),
    listed("a book", listing(text="x" * 2001), "2000"),
    Row(
        "a listing that moves a terminal is shown without its teeth",
        filed(
            ALICE,
            "listings",
            "1_buy_C.json",
            listing(chemical="\x1b[2J", text="\u202e\x1b[31m\n\x9b2J"),
        ),
        None,
        fate=Fate.SETTLES,
    ),
]


# The root and the poller's room


def in_root(name: str, make: Callable[[Path], object]) -> Harm:
    return lambda scene: make(scene.root / name)


def stats_log(name: str, make: Callable[[Path], object], says: str) -> Row:
    def harm(scene: Scene) -> None:
        (scene.root / "poller/stats.jsonl").unlink(missing_ok=True)
        make(scene.root / "poller/stats.jsonl")

    return Row(
        f"a stats log that is {name} stops no pass", harm, "poller/stats.jsonl", says, Fate.SETTLES
    )


def lock(name: str, make: Callable[[Path], object]) -> Row:
    def harm(scene: Scene) -> None:
        (scene.root / "poller/lock").unlink(missing_ok=True)
        make(scene.root / "poller/lock")

    return Row(
        f"a poller's lock that is {name} is not taken",
        harm,
        None,
        "lock",
        refuses="store_failed",
    )


def config(name: str, make: Callable[[Path], object]) -> Row:
    return Row(
        f"settings that are {name} are refused, and no deal is decided by guesses",
        in_root("config.json", make),
        None,
        "config.json",
        refuses="malformed_settings",
    )


def untouched(scene: Scene) -> None:
    assert (scene.outside / "secret.txt").read_text().startswith("hunter2")


def nothing_is_new(scene: Scene) -> None:
    assert not (scene.outside / "new").exists()


ROOT = [
    Row(
        "a root that everybody may write to is told",
        lambda scene: scene.root.chmod(0o777),
        ".",
        "chmod o-w",
        Fate.SETTLES,
    ),
    Row(
        "a directory of parties that everybody may write to is told",
        lambda scene: (scene.root / "teams").chmod(0o1777),
        "teams",
        "chmod o-w",
        Fate.SETTLES,
    ),
    stats_log("a FIFO", fifo, "move it away"),
    stats_log("a directory", directory, "move it away"),
    stats_log("a link", lambda path: link(path, "../../outside/secret.txt"), REGULAR)._replace(
        holds=untouched
    ),
    lock("a directory", directory),
    lock("a link", lambda path: link(path, "../../outside/secret.txt"))._replace(holds=untouched),
    lock("a dangling link", lambda path: link(path, "../../outside/new"))._replace(
        holds=nothing_is_new
    ),
    config("no JSON", lambda path: path.write_text("\x1b[2J")),
    config("a GiB", sparse),
    config("a FIFO", fifo),
    config("a link", lambda path: link(path, "../outside/secret.json")),
]

ROWS = LINKS + NAMESPACES + ROOMS + OUTCOMES + BOOKS + ROOT
