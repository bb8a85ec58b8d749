"""`nom listing` posts, shows, closes and answers standing orders."""

from __future__ import annotations

import re

import pytest
from tests.cli.support import Nom
from tests.cli.test_completion import completed
from tests.support import ALICE, BOB, CAROL

SELL = ("listing", "post", "C", "--sell", "--price", "5.50", "--quantity", "1000")


def posted(nom: Nom, *more: str) -> str:
    """Let alice post that she sells 1000 C at 5.50, and return the id."""
    listing_id: str = nom.json(*SELL, "--as", ALICE, *more)["id"]
    return listing_id


def respond(nom: Nom, listing_id: str, *more: str, by: str = BOB) -> str:
    negotiation_id: str = nom.json("listing", "respond", listing_id, "--as", by, *more)["id"]
    return negotiation_id


def test_a_listing_is_posted_and_told_in_one_line(nom: Nom) -> None:
    said = nom.ok(*SELL, "--as", ALICE, "--text", "on campus")
    assert re.fullmatch(r"\d+_sell_C  active  sell 1000 C at 5.5\n", said.out)
    assert said.err == f"nom: created a directory for {ALICE}\n"
    [row] = nom.json("listing", "ls")
    assert set(row) == {
        *("id", "user", "display_name", "type", "chemical", "price", "quantity", "left", "text"),
        *("created", "status", "closed_at"),
    }
    assert (row["price"], row["quantity"], row["left"]) == (5.5, 1000, 1000)
    assert (row["type"], row["status"], row["text"]) == ("sell", "active", "on campus")


def test_the_market_is_listed_best_price_first(nom: Nom) -> None:
    nom.ok("init", "--party", BOB)
    nom.ok(*SELL, "--as", ALICE, "--text", "sealed\nand fresh")
    nom.ok("listing", "post", "C", "--sell", "--price", "5.25", "--as", BOB)
    nom.ok("listing", "post", "N", "--buy", "--quantity", "7", "--as", BOB)
    lines = nom.ok("listing", "ls").out.splitlines()
    assert lines[0].split() == [
        "ID",
        "BY",
        "WANTS",
        "TO",
        "CHEMICAL",
        "PRICE",
        "LEFT",
        "POSTED",
        "TEXT",
    ]
    assert [line.split()[1:6] for line in lines[1:]] == [
        [BOB, "sell", "C", "5.25", "-"],
        [ALICE, "sell", "C", "5.5", "1000"],
        [BOB, "buy", "N", "-", "7"],
    ]
    assert r"sealed\nand fresh" in lines[2]
    assert len(nom.json("listing", "ls", "C")) == 2
    assert len(nom.json("listing", "ls", "--buy")) == 1
    assert len(nom.json("listing", "ls", "--max-price", "5.3")) == 1
    assert len(nom.json("listing", "ls", "--min-price", "5.3")) == 1
    assert len(nom.json("listing", "ls", "--text", "FRESH")) == 1
    assert len(nom.json("listing", "ls", "--of", BOB)) == 2
    assert len(nom.json("listing", "ls", "--mine", "--as", BOB)) == 2
    assert nom.json("listing", "ls", "--mine", "--as", CAROL) == []


def test_an_empty_market_says_so_to_a_person(nom: Nom) -> None:
    said = nom.ok("listing", "ls")
    assert said.out == ""
    assert said.err.startswith("nom: no such listings in ")


def test_answering_starts_a_negotiation_in_which_the_author_is_to_answer(nom: Nom) -> None:
    listing_id = posted(nom)
    said = nom.ok("listing", "respond", listing_id, "--as", BOB)
    assert "alice's turn" in said.out
    assert "bob offers to buy: 1000 C at 5.5 (round 1)" in said.out
    [found] = nom.json("ls", "--as", ALICE)
    assert (found["initiator"], found["responder"], found["listing"]) == (ALICE, BOB, listing_id)
    shown = nom.ok("show", found["id"]).out
    assert re.search(rf"seller +{ALICE} +posted the listing, to answer", shown)
    assert re.search(rf"buyer +{BOB} +answered it", shown)
    assert f"  listing  {listing_id}\n" in shown


def test_an_answer_takes_what_a_start_takes(nom: Nom) -> None:
    listing_id = posted(nom)
    words = ("--delivery", "FOB Rotterdam", "--payment", "30 days net", "--quality", "99.9 % pure")
    limits = ("--idle", "2h", "--life", "3h", "--max-rounds", "4")
    said = ("--indicative", "--valid-until", "90m", "--message", "hello")
    answers = [
        nom.json("listing", "respond", listing_id, "--as", BOB, *words, *limits, *said),
        nom.json("listing", "respond", listing_id, "--as", BOB, *words, "--again"),
    ]
    for found in answers:
        [offer] = found["offers"]
        assert [offer[name] for name in ("delivery", "payment", "quality")] == list(words[1::2])
    [offer] = answers[0]["offers"]
    assert offer["firm"] is False
    assert offer["valid_until"] == offer["at"] + 90 * 60
    assert answers[0]["limits"] == {"idle_s": 7200, "life_s": 10800, "max_rounds": 4}
    assert [message["text"] for message in answers[0]["messages"]] == ["hello"]
    own = {"--buy", "--sell", "--of"}
    assert options(nom, "listing", "respond") - own == options(nom, "start") - own


def options(nom: Nom, *command: str) -> set[str]:
    """Return the options that the help of a command names."""
    return set(re.findall(r"^  (--[a-z-]+)", nom.ok(*command, "--help").out, re.MULTILINE))


def test_a_deal_reduces_the_listing_and_the_last_one_closes_it(nom: Nom) -> None:
    listing_id = posted(nom)
    first = respond(nom, listing_id, "--quantity", "400", "--price", "5", "--message", "hello")
    nom.ok("accept", first, "--as", ALICE)
    nom.ok("poll")
    assert "600 of 1000" in nom.ok("listing", "ls").out
    second = respond(nom, listing_id, by=CAROL)
    nom.ok("accept", second, "--as", ALICE)
    nom.ok("poll")
    assert nom.json("listing", "ls") == []
    [row] = nom.json("listing", "ls", "--closed")
    assert (row["left"], row["status"]) == (0, "closed")
    assert "sell (closed)" in nom.ok("listing", "ls", "--closed").out
    said = nom("listing", "respond", listing_id, "--as", BOB)
    assert said.status == 3
    assert f"nothing of the listing {listing_id} is left" in said.err


def test_of_two_who_agree_on_all_of_it_one_is_refused_with_the_reason(nom: Nom) -> None:
    listing_id = posted(nom)
    one = respond(nom, listing_id, by=BOB)
    other = respond(nom, listing_id, by=CAROL)
    for negotiation_id in (one, other):
        nom.ok("accept", negotiation_id, "--as", ALICE)
    report = nom.json("poll")
    [refused] = report["rejected"]
    assert {refused, *report["agreed"]} == {one, other}
    assert f"nothing of the listing {listing_id} is left" in nom.ok("show", refused).out


def test_a_listing_is_closed_by_its_author(nom: Nom) -> None:
    listing_id = posted(nom)
    said = nom("listing", "close", listing_id, "--as", BOB)
    assert (said.status, said.out) == (5, "")
    assert f"{BOB} has no listing '{listing_id}'" in said.err
    closed = nom.ok("listing", "close", listing_id[:5], "--as", ALICE)
    assert closed.out == f"{listing_id}  closed  sell 1000 C at 5.5\n"
    assert nom.json("listing", "close", listing_id, "--as", ALICE)["status"] == "closed"


def test_of_two_listings_of_one_beginning_the_author_tells_which(nom: Nom) -> None:
    listing_id = posted(nom)
    nom.ok(*SELL, "--as", BOB)
    beginning = listing_id[:4]
    said = nom("listing", "respond", beginning, "--as", CAROL)
    assert said.status == 4
    assert f"2 listings begin with {beginning}" in said.err
    assert "--of ADDRESS" in said.err
    negotiation_id = respond(nom, beginning, "--of", ALICE, by=CAROL)
    assert negotiation_id.startswith("alice_carol_C_")
    # Nobody means its own.
    assert respond(nom, beginning, by=ALICE).startswith("bob_alice_C_")


def test_a_listing_that_cannot_be_read_is_told_to_who_means_it(nom: Nom) -> None:
    listing_id = posted(nom)
    path = nom.root / "teams" / ALICE / "listings" / f"{listing_id}.json"
    path.write_text("{")
    for words in (("close", "--as", ALICE), ("respond", "--as", BOB)):
        said = nom("listing", words[0], listing_id, *words[1:])
        assert said.status == 5
        assert f"listings/{listing_id}.json: expected" in said.err
        assert f"listing '{listing_id}'" in said.err.splitlines()[-1]
    assert path.read_text() == "{"


def test_nobody_answers_its_own_listing(nom: Nom) -> None:
    said = nom("listing", "respond", posted(nom), "--as", ALICE)
    assert (said.status, said.out) == (3, "")
    assert (
        said.err
        == f"nom: {ALICE} cannot answer a listing of its own; answer one of another party\n"
    )


def test_a_display_name_stands_beside_the_address(nom: Nom) -> None:
    profile = nom.root / "teams" / ALICE / "init.json"
    posted(nom)
    profile.write_text(
        profile.read_text().replace(
            f'"display_name": "{ALICE}"', '"display_name": "Alice\\u001b[2J"'
        )
    )
    assert rf"{ALICE} (Alice\x1b[2J)" in nom.ok("listing", "ls").out
    [row] = nom.json("listing", "ls")
    assert row["display_name"] == "Alice\x1b[2J"


@pytest.mark.parametrize(
    "words",
    [
        ("post", "C", "--as", ALICE),
        ("post", "C", "--buy", "--sell", "--as", ALICE),
        ("post", "--buy"),
        ("ls", "--buy", "--sell"),
        ("ls", "--mine", "--of", BOB, "--as", ALICE),
        ("close", "--as", ALICE),
        ("respond", "--as", ALICE),
        ("nothing",),
    ],
)
def test_wrong_usage_is_told(nom: Nom, words: tuple[str, ...]) -> None:
    said = nom("listing", *words)
    assert (said.status, said.out) == (2, "")
    assert not nom.root.exists()


def test_listings_are_completed(nom: Nom) -> None:
    mine = posted(nom)
    theirs = nom.json("listing", "post", "N", "--buy", "--as", BOB)["id"]
    closed = nom.json("listing", "post", "Q", "--buy", "--as", BOB)["id"]
    nom.ok("listing", "close", closed, "--as", BOB)
    data = {"NOM_DATA": str(nom.root), "NOM_USER": ALICE}
    assert completed("nom listing ") == ["post", "ls", "close", "respond"]
    assert completed("nom listing close ", **data) == [mine]
    assert completed("nom listing respond ", **data) == [theirs]
    assert completed("nom listing post ", **data) == ["C", "N", "D", "Q"]
    assert completed("nom listing ls --of b", **data) == [BOB]
