"""`nom poll` makes one pass, and says what it did."""

from __future__ import annotations

import json

from tests.cli.support import TERMS, Nom
from tests.support import ALICE, BOB, CAROL, Clock

from nom_negotiate import Desk
from nom_negotiate.store.files import FileStore


def test_it_prints_the_report_with_the_keys_that_others_build_on(nom: Nom) -> None:
    alice = Desk(nom.root, clock=Clock()).party(ALICE)
    expired = alice.start(CAROL, chemical="C", role="buyer", price="1", quantity="1").id
    agreed, active = nom.start(), nom.start(chemical="N")
    nom.ok("accept", agreed, "--as", BOB)
    rejected = nom.start(chemical="D")
    nom.ok("reject", rejected, "--as", BOB)
    withdrawn = nom.start(chemical="Q")
    nom.ok("withdraw", withdrawn, "--as", ALICE)
    (nom.root / "teams" / ALICE / "negotiations" / active / "eve_state.json").write_text("{")
    said = nom.json("poll")
    [problem] = said.pop("problems")
    assert problem["path"] == f"teams/{ALICE}/negotiations/{active}/eve_state.json"
    assert problem["reason"]
    assert said.pop("duration_ms") > 0
    assert said.pop("at") > 0
    assert said == {
        "active": [active],
        "agreed": [agreed],
        "rejected": [rejected],
        "withdrawn": [withdrawn],
        "expired": [expired],
        "packed": 0,
        "busy": False,
        "scanned": True,
    }
    assert nom.json("poll")["scanned"] is False
    assert nom.json("poll", "--scan")["scanned"] is True


def test_a_person_reads_what_it_did(nom: Nom) -> None:
    negotiation_id = nom.start()
    nom.ok("accept", negotiation_id, "--as", BOB)
    nom.ok("start", CAROL, "C", "--as", ALICE, "--sell", *TERMS)
    said = nom.ok("poll")
    first, last = said.out.splitlines()
    assert first == f"agreed    {negotiation_id}"
    assert last.startswith("1 active, 1 agreed; ")
    assert last.endswith(" ms")
    assert nom.ok("poll", "--scan").out.startswith("1 active, nothing to do; ")


def test_a_pass_that_looked_at_little_does_not_say_how_many_are_active(nom: Nom) -> None:
    negotiation_id, _ = nom.start(), nom.start(chemical="N")
    nom.ok("poll")
    assert nom.ok("poll").out.startswith("nothing to do; ")
    nom.ok("accept", negotiation_id, "--as", BOB)
    assert nom.ok("poll").out.splitlines()[1].startswith("1 agreed; ")


def test_what_was_written_by_hand_is_found_by_a_scan_on_demand(nom: Nom) -> None:
    negotiation_id = nom.start()
    nom.ok("poll")
    room = nom.root / "teams" / ALICE / "negotiations" / negotiation_id
    mine = json.loads((room / "alice_state.json").read_text())
    theirs = {
        "user": BOB,
        "role": "seller",
        "chemical": "C",
        "offer": mine["offer"],
        "status": "agreed",
        "last_updated": mine["last_updated"],
    }
    (room / "bob_state.json").write_text(json.dumps(theirs))
    assert nom.json("poll")["agreed"] == []
    assert nom.json("poll", "--scan")["agreed"] == [negotiation_id]


def test_problems_are_told_and_the_pass_succeeds(nom: Nom) -> None:
    negotiation_id = nom.start()
    room = nom.root / "teams" / ALICE / "negotiations" / negotiation_id
    (room / "eve_state.json").write_text("\x1b[31m")
    said = nom.ok("poll")
    assert said.out.startswith(f"problem   teams/{ALICE}/negotiations/{negotiation_id}/eve_state")
    assert "1 active, 1 problem; " in said.out
    assert "\x1b" not in said.out


def test_where_another_pass_is_running_it_leaves_with_0(nom: Nom) -> None:
    nom.ok("init")
    with FileStore(nom.root).polling() as free:
        assert free
        said = nom.ok("poll")
        assert said.out == ""
        assert said.err == "nom: another pass is running; this one left it the work\n"
        said = nom.ok("poll", "--json")
        assert said.json["busy"] is True
        assert said.err.count("\n") == 1


def test_a_root_that_was_not_there_is_set_up_and_said(nom: Nom) -> None:
    first, second = nom.ok("poll"), nom.ok("poll")
    assert first.err == f"nom: there was no data root at {nom.root}: set up an empty one\n"
    assert second.err == ""
    assert (nom.root / "config.json").is_file()
