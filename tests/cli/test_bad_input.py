"""Bad input: one clear line, the right exit status, and nothing written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.support import TERMS, Nom, environment, tree_of
from tests.support import ALICE, BOB, CAROL

from nom_negotiate.errors import CODES

LONG = "a" * 288 + "@example.edu"


def start(
    *, price: str = "5.50", quantity: str = "1000", whom: str = BOB, what: str = "D"
) -> list[str]:
    terms = ["--price", price, "--quantity", quantity]
    return ["start", whom, what, "--as", ALICE, "--buy", *terms]


def sell(*more: str, what: str = "D", who: str = ALICE) -> list[str]:
    return ["listing", "post", what, "--sell", "--as", who, *more]


def prefs(
    what: str, *more: str, price: str = "6", quantity: str = "900", whom: str = ALICE
) -> list[str]:
    numbers = ["--reservation-price", price, "--target-quantity", quantity]
    return ["prefs", "set", what, "--as", whom, *numbers, *more]


# What is typed, the code of the error, its exit status, and words of its message. ID is an
# active negotiation in which alice has offered and bob has answered with round 2; ENDED is
# one that bob has rejected. LISTED is alice's listing, of 10 at no price, CLOSED one of before.
TABLE = [
    (start(whom=CAROL), "closed_root", 3, f"{CAROL} is unknown here, and this data root is closed"),
    (start(whom=ALICE), "self_negotiation", 3, f"{ALICE} cannot negotiate with itself"),
    (start(whom="Alice@STONYBROOK.edu"), "self_negotiation", 3, "cannot negotiate with itself"),
    (start(price="-1"), "invalid_number", 2, "price must be 0 or more, found -1"),
    (start(price="NaN"), "invalid_number", 2, "price must be a finite number, found 'NaN'"),
    (start(price="inf"), "invalid_number", 2, "price must be a finite number, found 'inf'"),
    (start(price="5,50"), "invalid_number", 2, "price must be a finite number, found '5,50'"),
    (start(price="1e400"), "invalid_number", 2, "price must be below 10^20"),
    (start(price=""), "invalid_number", 2, "price must be a finite number, found ''"),
    (start(price="٣"), "invalid_number", 2, "price must be a finite number"),
    (start(quantity="0"), "invalid_number", 2, "quantity must be greater than 0, found 0"),
    (start(quantity="-1"), "invalid_number", 2, "quantity must be greater than 0, found -1"),
    (start(quantity="1e-400"), "invalid_number", 2, "quantity must be below 10^20"),
    (start(what="X"), "unknown_chemical", 2, "expected one of C, D, N, Q, found 'X'"),
    (start(what="../C"), "unknown_chemical", 2, "expected one of C, D, N, Q, found '../C'"),
    (start(whom=LONG), "invalid_address", 2, "an address has at most 254 characters"),
    (start(whom="bob"), "invalid_address", 2, "expected an address like name@domain, found 'bob'"),
    (start(whom="bob\n@x.edu"), "invalid_address", 2, "an address has no blank, control"),
    ([*start(), "--message", "x" * 2001], "invalid_text", 2, "message must have 1 to 2000"),
    ([*start(), "--valid-until", "1"], "invalid_time", 2, "valid_until must lie between now"),
    ([*start(), "--idle", "soon"], "invalid_time", 2, "--idle must be a duration, found 'soon'"),
    ([*start(), "--max-rounds", "0"], "invalid_number", 2, "max_rounds must be 1 or more, found 0"),
    (["show", "../../bob"], "invalid_id", 2, "expected an id such as alice_bob_C_1704312345"),
    (["accept", "../ID", "--as", BOB], "invalid_id", 2, "expected an id such as"),
    (["accept", "..", "--as", BOB], "invalid_id", 2, "expected an id such as"),
    (["accept", "", "--as", BOB], "invalid_id", 2, "expected an id such as"),
    (["accept", "x" * 300, "--as", BOB], "invalid_id", 2, "expected an id such as"),
    (["accept", "nobody_C_1", "--as", BOB], "unknown_negotiation", 5, f"{BOB} has no negotiation"),
    (["accept", "ID", "--as", CAROL], "unknown_negotiation", 5, f"{CAROL} has no negotiation"),
    (["accept", "ID"], "missing_party", 2, "this is done by a party, and none was named"),
    (["accept", "ID", "--as", BOB], "own_offer", 3, "nobody accepts their own offer"),
    (
        ["accept", "ID", "--as", ALICE, "--round", "1"],
        "stale_round",
        4,
        "is round 2 (900 at 6), not round 1",
    ),
    (
        ["accept", "ID", "--as", ALICE, "--revision", "7"],
        "stale_revision",
        4,
        "is at revision 1, not 7",
    ),
    (["offer", "ID", "--as", BOB, *TERMS], "not_your_turn", 3, "nobody counters their own offer"),
    (
        ["offer", "ID", "--as", ALICE, "--price", "-1", "--quantity", "1"],
        "invalid_number",
        2,
        "price must be",
    ),
    (["reject", "ID", "--as", BOB], "own_offer", 3, "is your own; withdraw it instead"),
    (["withdraw", "ID", "--as", ALICE], "not_your_turn", 3, "only its author can withdraw"),
    (["say", "ID", " ", "--as", ALICE], "invalid_text", 2, "message must have 1 to 2000"),
    ([*start(), "--delivery", ""], "invalid_text", 2, "delivery must have 1 to 500 characters"),
    ([*start(), "--quality", "x" * 501], "invalid_text", 2, "quality must have 1 to 500"),
    ([*start(), "--payment", " soon"], "invalid_text", 2, "payment must not begin or end with a"),
    ([*start(), "--delivery", "to\nme"], "invalid_text", 2, "delivery must be one line"),
    (
        ["offer", "ID", "--as", ALICE, *TERMS, "--payment", "a\x1b[2J"],
        "invalid_text",
        2,
        "payment must be one line without '\\x1b'",
    ),
    (["reject", "ID", "--as", BOB, *TERMS], "not_your_turn", 3, "nobody counters their own"),
    (["reject", "ID", "--as", ALICE, "--price", "6"], "usage", 2, "needs both --price and"),
    (["react", "ID", "101", "--as", ALICE], "invalid_level", 2, "from 0 to 100, found 101"),
    (["react", "ID", "hot", "--as", ALICE], "usage", 2, "'hot' is not a valid integer"),
    (["react", "ID", "50"], "missing_party", 2, "none was named"),
    (["react", "ENDED", "50", "--as", ALICE], "concluded", 3, "it is rejected (sold out)"),
    (["read", "ID", "--as", CAROL], "unknown_negotiation", 5, f"{CAROL} has no negotiation"),
    (["read", "ID"], "missing_party", 2, "none was named"),
    (["accept", "ENDED", "--as", ALICE], "concluded", 3, "it is rejected (sold out)"),
    (["offer", "ENDED", "--as", ALICE, *TERMS], "concluded", 3, "it is rejected (sold out)"),
    (["reject", "ENDED", "--as", BOB], "concluded", 3, "it is rejected (sold out)"),
    (["withdraw", "ENDED", "--as", ALICE], "concluded", 3, "it is rejected (sold out)"),
    (["say", "ENDED", "hello", "--as", ALICE], "concluded", 3, "it is rejected (sold out)"),
    (sell("--price", "-1"), "invalid_number", 2, "price must be 0 or more, found -1"),
    (sell("--quantity", "0"), "invalid_number", 2, "quantity must be greater than 0, found 0"),
    (sell("--text", "x" * 2001), "invalid_text", 2, "text must have 1 to 2000"),
    (sell("--text", "\x1b[2J"), "invalid_text", 2, "text must not contain"),
    (sell(what="X"), "unknown_chemical", 2, "expected one of C, D, N, Q, found 'X'"),
    (["listing", "post", "C", "--sell"], "missing_party", 2, "and none was named"),
    (sell(who=CAROL), "closed_root", 3, f"{CAROL} is unknown here"),
    (["listing", "ls", "X"], "unknown_chemical", 2, "expected one of C, D, N, Q, found 'X'"),
    (["listing", "ls", "--mine"], "missing_party", 2, "and none was named"),
    (["listing", "ls", "--of", "bob"], "invalid_address", 2, "an address like name@domain"),
    (["listing", "ls", "--min-price", "x"], "invalid_number", 2, "min_price must be a finite"),
    (["listing", "close", "..", "--as", ALICE], "invalid_id", 2, "expected the id of a listing"),
    (["listing", "close", "9", "--as", BOB], "unknown_listing", 5, f"{BOB} has no listing '9'"),
    (["listing", "close", "LISTED", "--as", BOB], "unknown_listing", 5, f"{BOB} has no listing"),
    (["listing", "respond", "9", "--as", BOB], "unknown_listing", 5, "nobody has a listing '9'"),
    (
        ["listing", "respond", "LISTED", "--of", CAROL, "--as", BOB],
        "unknown_listing",
        5,
        f"{CAROL} has no listing",
    ),
    (["listing", "respond", "LISTED"], "missing_party", 2, "and none was named"),
    (
        ["listing", "respond", "LISTED", "--as", ALICE],
        "self_negotiation",
        3,
        f"{ALICE} cannot answer a listing of its own",
    ),
    (["listing", "respond", "LISTED", "--as", BOB], "missing_terms", 2, "leaves its price open"),
    (
        ["listing", "respond", "LISTED", "--as", BOB, "--price", "1", "--quantity", "11"],
        "not_listed",
        3,
        "only 10 of the listing",
    ),
    (
        ["listing", "respond", "LISTED", "--as", BOB, "--price", "1", "--valid-until", "1"],
        "invalid_time",
        2,
        "valid_until must lie between now",
    ),
    (["listing", "respond", "CLOSED", "--as", BOB], "listing_closed", 3, "has closed the listing"),
    (prefs("C", "--buy", price="-1"), "invalid_number", 2, "reservation_price must be 0 or more"),
    (prefs("C", "--buy", quantity="0"), "invalid_number", 2, "target_quantity must be greater"),
    (prefs("C", "--buy", price="5,5"), "invalid_number", 2, "reservation_price must be a finite"),
    (prefs("C", "--buy", "--excess", "x"), "invalid_number", 2, "excess must be a finite number"),
    (
        prefs("C", "--sell", "--target-price", "5"),
        "invalid_number",
        2,
        "target_price must be at least the reservation price 6 of a seller, found 5",
    ),
    (
        prefs("ID", "--target-price", "7"),
        "invalid_number",
        2,
        "target_price must be at most the reservation price 6 of a buyer, found 7",
    ),
    (prefs("X", "--buy"), "unknown_chemical", 2, "expected one of C, D, N, Q, found 'X'"),
    (prefs("../C"), "invalid_id", 2, "expected an id such as"),
    (prefs("nobody_C_1"), "unknown_negotiation", 5, f"{ALICE} has no negotiation"),
    (prefs("ENDED"), "concluded", 3, "it is rejected (sold out)"),
    (prefs("C", "--buy", whom=CAROL), "closed_root", 3, f"{CAROL} is unknown here"),
    (["prefs", "show"], "missing_party", 2, "this is done by a party, and none was named"),
    (["suggest", "ID", "--as", ALICE], "no_preferences", 5, "has said no preferences for"),
    (["suggest", "ID", "--as", BOB], "not_your_turn", 3, "your own offer is on the table"),
    (["suggest", "ENDED", "--as", BOB], "concluded", 3, "it is rejected (sold out)"),
    (["suggest", "nobody_C_1", "--as", BOB], "unknown_negotiation", 5, f"{BOB} has no"),
    (["autopilot", "ID", "--as", ALICE], "no_preferences", 5, "has said no preferences for"),
    (["autopilot", "ENDED", "--as", ALICE], "concluded", 3, "it is rejected (sold out)"),
    (
        ["autopilot", "ID", "--as", ALICE, "--max-rounds", "0"],
        "invalid_number",
        2,
        "max_rounds must be from 1 to 1000000, found 0",
    ),
    (["tree", "--party", CAROL], "unknown_party", 5, f"there is no party {CAROL} here"),
    (["init", "--chemical", "../x"], "invalid_setting", 2, "--chemical must be"),
]


class Scene:
    """A closed root with alice and bob, one negotiation that goes on and one that has ended."""

    def __init__(self, nom: Nom) -> None:
        self.nom = nom
        nom.ok("init", "--closed", "--party", ALICE, "--party", BOB)
        self.active = nom.start()
        nom.ok("offer", self.active, "--as", BOB, "--price", "6", "--quantity", "900")
        self.ended = nom.start(chemical="N")
        nom.ok("reject", self.ended, "--as", BOB, "--reason", "sold out")
        self.closed = nom.json(*sell())["id"]
        nom.ok("listing", "close", self.closed, "--as", ALICE)
        self.listed = nom.json(*sell("--quantity", "10", what="Q"))["id"]
        nom.ok("poll")

    def words(self, arguments: list[str]) -> list[str]:
        named = {
            "ID": self.active,
            "ENDED": self.ended,
            "LISTED": self.listed,
            "CLOSED": self.closed,
        }
        return [named.get(a, a).replace("ID", self.active) for a in arguments]


@pytest.fixture
def scene(nom: Nom) -> Scene:
    return Scene(nom)


@pytest.mark.parametrize(
    ("arguments", "code", "status", "words"),
    TABLE,
    ids=[f"{r[1]}-{n}" for n, r in enumerate(TABLE)],
)
def test_bad_input_is_refused_in_one_line_and_leaves_no_trace(
    scene: Scene, arguments: list[str], code: str, status: int, words: str
) -> None:
    nom, typed = scene.nom, scene.words(arguments)
    before = tree_of(nom.root)
    said = nom(*typed)
    assert said.status == status
    assert said.out == ""
    assert said.err.startswith("nom: ")
    assert words in said.err
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    program = nom(*typed, "--json")
    error = json.loads(program.err)["error"]
    assert (program.status, program.out) == (status, "")
    assert error["code"] == code
    assert error["hint"]
    assert said.err == f"nom: {error['message']}; {error['hint']}\n"
    assert tree_of(nom.root) == before


def test_every_code_of_the_table_is_one_of_ours() -> None:
    assert {row[1] for row in TABLE} <= {*CODES, "usage"}


# Roots that cannot work

COMMANDS = [
    start(),
    ["ls"],
    ["ls", "--as", ALICE],
    ["show", "x"],
    ["accept", "x", "--as", ALICE],
    ["poll"],
    ["run"],
    ["stats"],
    ["tree"],
    ["archive", "ls"],
    ["listing", "ls"],
    sell(),
    ["init"],
    ["init", "--party", ALICE],
]
each_command = pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)


@each_command
def test_a_root_that_is_a_file_is_refused(nom: Nom, arguments: list[str]) -> None:
    nom.root.write_text("mine")
    said = nom(*arguments)
    assert said.status == 8
    assert said.out == ""
    assert said.err == (
        f"nom: expected a directory as data root, found a file: {nom.root};"
        " name a directory with --data or NOM_DATA\n"
    )
    assert tree_of(nom.root) == {"": b"mine"}


# Everything is imported first: the user without rights may not even be able to read Python's
# own files.
UNPRIVILEGED = """
import os, sys
from nom_negotiate.cli import entry, main
from nom_negotiate.cli.commands import nom
import click, tempfile
for name in nom.table:
    if name != "migrate":
        nom.get_command(click.Context(nom), name)
import nom_negotiate.store.files.tree
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
main()
"""


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that another user can get into: pytest's own are closed to them."""
    place = Path(tempfile.mkdtemp(prefix="nom-test-"))
    place.chmod(0o755)
    yield place
    for path in [place, *place.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(place)


def without_rights(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run nom as somebody who may write nothing there: root would be stopped by no mode."""
    how = ["-c", UNPRIVILEGED] if os.geteuid() == 0 else ["-m", "nom_negotiate"]
    return subprocess.run(
        [sys.executable, *how, "--data", str(root), *arguments],
        env=environment(),
        cwd="/",
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        start(),
        ["offer", "ID", "--as", ALICE, *TERMS],
        ["accept", "ID", "--as", ALICE],
        ["reject", "ID", "--as", ALICE],
        ["say", "ID", "hello", "--as", BOB],
        ["react", "ID", "50", "--as", BOB],
        ["poll"],
        ["init", "--open"],
        ["init", "--party", CAROL],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_read_only_root_is_refused(
    open_place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    scene = Scene(Nom(open_place / "root", capsys))
    for path in [open_place, *open_place.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o555)
    before = tree_of(open_place)
    said = without_rights(scene.nom.root, *scene.words(arguments))
    assert said.returncode == 7
    assert said.stdout == ""
    assert said.stderr.startswith("nom: cannot ")
    assert "permission denied" in said.stderr
    assert said.stderr.count("\n") == 1
    assert tree_of(open_place) == before


def test_a_read_only_root_can_still_be_looked_at(
    open_place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(Nom(open_place / "root", capsys))
    for arguments in (["ls"], ["show", "ID"], ["tree"], ["stats"], ["archive", "ls", "--as", BOB]):
        said = without_rights(scene.nom.root, *scene.words(arguments))
        assert (said.returncode, said.stderr) == (0, "")
        assert said.stdout


@pytest.mark.parametrize("arguments", [start(), ["init"], ["poll"]], ids=" ".join)
def test_a_root_that_cannot_be_made_is_refused(open_place: Path, arguments: list[str]) -> None:
    said = without_rights(open_place / "not" / "there", *arguments)
    assert said.returncode == 7
    assert "permission denied" in said.stderr
    assert list(open_place.iterdir()) == []
