"""`nom tree` draws the directories of the parties, and what the files are about."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.cli.support import Nom, tree_of
from tests.support import ALICE, BOB, CAROL

from nom_negotiate import Desk, MemoryStore, market
from nom_negotiate.cli.app import App


def test_both_sides_of_a_settled_deal_are_drawn(nom: Nom) -> None:
    negotiation_id = nom.deal()
    [bought] = os.listdir(nom.root / "teams" / ALICE / "transactions")
    [sold] = os.listdir(nom.root / "teams" / BOB / "transactions")
    assert nom.ok("tree").out == (
        f"{nom.root}/\n"
        "├── config.json\n"
        "├── poller/\n"
        "│   ├── doorbell/\n"
        "│   ├── lock\n"
        "│   ├── scan\n"
        "│   ├── stats.jsonl\n"
        "│   └── swept\n"
        "└── teams/\n"
        f"    ├── {ALICE}/\n"
        "    │   ├── init.json\n"
        "    │   ├── listings/\n"
        "    │   ├── negotiations/\n"
        "    │   ├── negotiations_archive/\n"
        f"    │   │   └── {negotiation_id}/   agreed 900 C at 6\n"
        "    │   │       ├── alice_state.json\n"
        "    │   │       ├── bob_state.json\n"
        "    │   │       └── outcome.json\n"
        "    │   ├── private/\n"
        "    │   └── transactions/\n"
        f"    │       └── {bought}   bought 900 C at 6, not settled\n"
        f"    └── {BOB}/\n"
        "        ├── init.json\n"
        "        ├── listings/\n"
        "        ├── negotiations/\n"
        "        ├── negotiations_archive/\n"
        f"        │   └── {negotiation_id} → ../../{ALICE}/negotiations_archive/{negotiation_id}\n"
        "        ├── private/\n"
        "        └── transactions/\n"
        f"            └── {sold}   sold 900 C at 6, not settled\n"
    )


def test_ascii_is_enough(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    nom.deal()
    monkeypatch.setattr("nom_negotiate.cli.output.Output.unicode", False)
    drawn = nom.ok("tree").out
    assert drawn.isascii()
    assert f" -> ../../{ALICE}/negotiations_archive/" in drawn


def test_how_an_active_one_stands_is_told(nom: Nom) -> None:
    negotiation_id = nom.start()
    assert f"{negotiation_id}/   initiated, bob's turn, 1000 C at 5.5\n" in nom.ok("tree").out


def test_one_party_is_drawn_with_what_its_links_lead_to(nom: Nom) -> None:
    negotiation_id = nom.deal()
    lines = nom.ok("tree", "--party", BOB).out.splitlines()
    assert lines[0] == f"{BOB}/"
    assert any(negotiation_id in line and line.endswith("   agreed 900 C at 6") for line in lines)
    said = nom("tree", "--party", CAROL)
    assert (said.status, said.out) == (5, "")
    assert said.err.startswith(f"nom: there is no party {CAROL} here; ")


def test_marks_and_listings_are_told(nom: Nom) -> None:
    nom.deal()
    alice = Desk(nom.root).party(ALICE)
    [mine] = alice.transactions()
    alice.mark_settled(mine.name)
    market.post(alice, side="sell", chemical="N", price="3")
    drawn = nom.ok("tree").out
    assert f"{mine.name}   bought 900 C at 6, settled\n" in drawn
    assert "sell any quantity of N at 3, active\n" in drawn


def test_json_has_an_object_for_each_line(nom: Nom) -> None:
    negotiation_id = nom.deal()
    entries = nom.json("tree")
    assert len(entries) == len(nom.ok("tree").out.splitlines())
    [link] = [entry for entry in entries if entry["kind"] == "link"]
    assert link == {
        "depth": 4,
        "name": negotiation_id,
        "kind": "link",
        "link": f"../../{ALICE}/negotiations_archive/{negotiation_id}",
        "note": None,
        "problem": None,
    }


def test_what_does_not_belong_is_drawn_and_marked(nom: Nom, tmp_path: Path) -> None:
    negotiation_id = nom.start()
    teams = nom.root / "teams"
    room = teams / BOB / "negotiations"
    (room / "gone").symlink_to(f"../../{ALICE}/negotiations/gone")
    (room / "away").symlink_to(tmp_path)
    (teams / BOB / "transactions" / "1_buy_C_from_x.json").write_text("{")
    (teams / BOB / "transactions" / "dir.json").mkdir()
    os.mkfifo(teams / BOB / "listings" / "pipe.json")
    (teams / "nobody").mkdir()
    (teams / ALICE / "negotiations" / negotiation_id / "bob_state.json").write_text("nonsense")
    marked = {e["name"]: e["problem"] for e in nom.json("tree") if e["problem"]}
    assert marked.pop(negotiation_id).startswith("bob_state.json expected one JSON object")
    assert marked.pop("1_buy_C_from_x.json").startswith("expected one JSON object")
    assert marked.pop("pipe.json").startswith("expected a regular file")
    assert marked == {
        "gone": "leads to a negotiation that is not there",
        "away": "leads to no negotiation",
        "nobody": "is no party's directory",
    }


def test_names_with_control_characters_are_made_visible(nom: Nom) -> None:
    nom.start()
    (nom.root / "teams" / BOB / "\x1b[31m\n").mkdir()
    (nom.root / os.fsdecode(b"\xff")).write_text("")
    said = nom.ok("tree")
    assert r"\x1b[31m\n/" in said.out
    assert "\x1b" not in said.out
    assert "\\udcff" in json.dumps(nom.json("tree"))


def test_private_rooms_and_hidden_names_stay_closed(nom: Nom) -> None:
    nom.start()
    (nom.root / "teams" / ALICE / "private" / "limits.json").write_text("{}")
    (nom.root / "teams" / ALICE / ".hidden").write_text("")
    drawn = nom.ok("tree").out
    assert "private/" in drawn
    assert "limits.json" not in drawn
    assert ".hidden" not in drawn


def test_it_changes_nothing(nom: Nom) -> None:
    nom.deal()
    before = tree_of(nom.root)
    nom.ok("tree")
    assert tree_of(nom.root) == before


def test_a_store_without_directories_says_so(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(App, "open_desk", lambda self: Desk(MemoryStore()))
    said = nom("tree")
    assert said.status == 8
    assert said.err.startswith("nom: a MemoryStore keeps no directories that could be drawn; ")
