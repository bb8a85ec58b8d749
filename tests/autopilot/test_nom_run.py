"""Two autopilots in one `nom run`: a deal within both limits, or none; and nothing leaks."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from tests.cli.support import Nom
from tests.cli.test_run import DEADLINE_S, ended, rename, running, until
from tests.support import ALICE, BOB
from tests.watch.support import plain

from nom_negotiate import Desk
from nom_negotiate.autopilot import Pilots

# Numbers that nothing else has: whoever finds them has found a limit.
BUYER, SELLER = "7.3137", "4.1719"
NUMBER = re.compile(rb"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NOM_DATA", "NOM_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def nom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Nom:
    return Nom(tmp_path / "root", capsys)


def fly(nom: Nom, buyer: str, seller: str, *more: str) -> str:
    """Let alice and bob negotiate by autopilot, each with a limit; return the id."""
    deal = nom.json("start", BOB, "C", "--as", ALICE, "--buy", "--price", "3", "--quantity", "800")[
        "id"
    ]
    for party, side, limit in ((ALICE, "--buy", buyer), (BOB, "--sell", seller)):
        limits = ("--reservation-price", limit, "--target-quantity", "800")
        nom.ok("prefs", "set", "C", side, "--as", party, *limits)
        nom.ok("autopilot", deal, "--as", party, *more)
    return str(deal)


def run_to_the_end(nom: Nom, deal: str) -> tuple[str, str]:
    """Run `nom run` until the negotiation has ended; return all that it has printed."""

    def is_over() -> bool:
        return bool(list((nom.root / "teams" / ALICE / "negotiations_archive").glob(deal)))

    with running(nom.root, "--every", "1d") as process:
        until(is_over)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0
    return out, err


def leaks(root: Path, *limits: str) -> list[str]:
    """Return the files outside `private/` in which a limit stands, in any form."""
    found = []
    for path in root.rglob("*"):
        if "private" in path.relative_to(root).parts:
            continue
        content = str(path.relative_to(root)).encode()
        if path.is_file() and not path.is_symlink():
            content += b"\n" + path.read_bytes()
        if any(tells(content, limit) for limit in limits):
            found.append(str(path))
    return found


def tells(content: bytes, limit: str) -> bool:
    """Return whether a limit stands in what was written."""
    if limit.replace(".", "").encode() in content or limit.encode() in content:
        return True
    return any(Decimal(number.decode()) == Decimal(limit) for number in NUMBER.findall(content))


def test_limits_that_overlap_give_a_settled_deal_and_nothing_tells_them(nom: Nom) -> None:
    nom.ok("init", "--party", BOB, "--name", "Swift Fox")
    deal = fly(nom, BUYER, SELLER)
    assert leaks(nom.root, BUYER, SELLER) == []
    out, err = run_to_the_end(nom, deal)
    outcome = nom.json("archive", "show", deal)["outcome"]
    assert outcome["outcome"] == "agreed"
    assert Decimal(SELLER) <= Decimal(str(outcome["deal"]["price"])) <= Decimal(BUYER)
    for party in (ALICE, BOB):
        assert len(list((nom.root / "teams" / party / "transactions").iterdir())) == 1
    assert leaks(nom.root, BUYER, SELLER) == []
    assert not tells((out + err).encode(), BUYER)
    assert not tells((out + err).encode(), SELLER)
    assert f"the autopilot of {BOB} (Swift Fox) offers 800 at" in err


def test_limits_that_do_not_overlap_end_in_a_rejection(nom: Nom) -> None:
    deal = fly(nom, SELLER, BUYER)
    run_to_the_end(nom, deal)
    found = nom.json("archive", "show", deal)
    assert found["outcome"]["outcome"] == "rejected"
    assert "reason" not in found["outcome"]
    for offer in found["offers"][1:]:
        price = Decimal(str(offer["price"]))
        assert price <= Decimal(SELLER) if offer["by"] == ALICE else price >= Decimal(BUYER)
    assert not list((nom.root / "teams").glob("*/transactions/*"))
    assert leaks(nom.root, BUYER, SELLER) == []


def test_the_search_for_leaks_finds_one(tmp_path: Path) -> None:
    for text in ("7.3137", "7.31370", "73137e-4", '{"x":7.3137}', "limit=73137"):
        (tmp_path / "file").write_text(text)
        assert leaks(tmp_path, BUYER), text
    (tmp_path / "file").write_text("7.3 7.31 800")
    assert leaks(tmp_path, BUYER) == []


def test_one_that_is_turned_off_says_no_more(nom: Nom) -> None:
    deal = fly(nom, BUYER, SELLER)
    nom.ok("autopilot", deal, "--as", BOB, "--off")
    with running(nom.root, "--every", "1d", "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["scanned"]
        # Its pass over what is said now comes after the autopilots have looked.
        nom.ok("say", deal, "hm", "--as", ALICE)
        assert deal in json.loads(process.stdout.readline())["active"]
        process.send_signal(signal.SIGTERM)
        status, _ = ended(process)
    assert status == 0
    assert len(nom.json("show", deal)["offers"]) == 1


@pytest.mark.parametrize("write", [rename, Path.write_text])
def test_an_offer_of_a_program_that_rings_no_bell_is_answered_once_and_when_it_is_made(
    nom: Nom, write: Callable[[Path, str], object]
) -> None:
    nom.ok("init", "--party", ALICE, "--party", BOB)
    limits = ("--reservation-price", BUYER, "--target-quantity", "1000")
    nom.ok("prefs", "set", "C", "--buy", "--as", ALICE, *limits)
    terms = ("--price", "3", "--quantity", "1000")
    with running(nom.root, "--every", "1h") as process:
        deal = nom.json("start", BOB, "C", "--as", ALICE, "--buy", *terms)["id"]
        nom.ok("autopilot", deal, "--as", ALICE)
        space = nom.root / "teams" / ALICE / "negotiations" / deal
        # Within the second of the start and of the answer, and without a round.
        write(space / "bob_state.json", plain(BOB, 9, at=int(time.time())))
        until(lambda: len(nom.json("show", deal)["offers"]) == 3)
        # A pass of its own comes after whatever it might have answered itself.
        nom.ok("say", deal, "hm", "--as", BOB)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    after = nom.json("show", deal)
    assert [offer["by"] for offer in after["offers"]] == [ALICE, BOB, ALICE]
    assert after["turn"] == BOB


def test_as_one_party_it_negotiates_for_that_one_only(nom: Nom) -> None:
    deal = fly(nom, BUYER, SELLER)
    with running(nom.root, "--every", "1d", "--as", BOB) as process:
        until(lambda: len(nom.json("show", deal)["offers"]) == 2)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    assert nom.json("show", deal)["turn"] == ALICE


def offers(nom: Nom, deal: str) -> list[str]:
    """Return who made the offers so far, oldest first."""
    return [offer["by"] for offer in nom.json("show", deal)["offers"]]


def test_one_that_is_turned_off_in_the_middle_says_no_more(nom: Nom) -> None:
    # So many rounds that it cannot be over before it is turned off.
    deal = fly(nom, SELLER, BUYER, "--max-rounds", "1000")
    with running(nom.root, "--every", "1d", "--json") as process:
        until(lambda: len(offers(nom, deal)) > 4)
        assert nom.json("autopilot", deal, "--as", BOB, "--off")["was_on"]
        said = offers(nom, deal).count(BOB)
        # She has answered all that he had said before; nobody answers her.
        until(lambda: offers(nom, deal)[-1] == ALICE)
        before = offers(nom, deal)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    Pilots(Desk(nom.root), every_s=0).look_through()
    assert offers(nom, deal) == before
    assert before.count(BOB) == said
    assert nom.json("show", deal)["phase"] == "in_progress"


def test_a_run_that_is_killed_in_the_middle_is_continued_by_the_next(nom: Nom) -> None:
    deal = fly(nom, BUYER, SELLER)
    for least in (2, 4, 6, 8):
        with running(nom.root, "--every", "1d") as process:
            until(lambda least=least: len(offers(nom, deal)) >= least)  # type: ignore[misc]
            process.kill()
            process.wait()
    run_to_the_end(nom, deal)
    found = nom.json("archive", "show", deal)
    assert found["outcome"]["outcome"] == "agreed"
    assert [offer["round"] for offer in found["offers"]] == list(range(1, len(found["offers"]) + 1))
    for party in (ALICE, BOB):
        assert len(list((nom.root / "teams" / party / "transactions").iterdir())) == 1
