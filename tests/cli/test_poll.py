"""`nom poll` makes one pass, and says what it did."""

from __future__ import annotations

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
    }


def test_a_person_reads_what_it_did(nom: Nom) -> None:
    negotiation_id = nom.start()
    nom.ok("accept", negotiation_id, "--as", BOB)
    nom.ok("start", CAROL, "C", "--as", ALICE, "--sell", *TERMS)
    said = nom.ok("poll")
    first, last = said.out.splitlines()
    assert first == f"agreed    {negotiation_id}"
    assert last.startswith("1 active, 1 agreed; ")
    assert last.endswith(" ms")
    assert nom.ok("poll").out.startswith("1 active, nothing to do; ")


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
