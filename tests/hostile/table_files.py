"""Rows about one file: of which kind it is, what bytes are in it, and what they say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from tests.hostile.rows import (
    ALICES,
    BOBS,
    HERE,
    Fate,
    Harm,
    Row,
    bob_becomes,
    bob_offers,
    bob_says,
    bobs,
    bobs_number,
    device,
    directory,
    fifo,
    filled,
    link,
    listening_socket,
    replaced,
    sparse,
    too_large,
)
from tests.hostile.scene import DAVE, NOW, OTHERS_DUE, SAME, VICTIM, Scene, original
from tests.support import ALICE, BOB, CAROL, HOUR, NOON

from nom_negotiate.codec import MAX_RECORD_BYTES

IN_2099 = 4_070_908_800
REGULAR = "expected a regular file, found"
JSON = "expected one JSON object in UTF-8"


def bobs_file(scene: Scene) -> Path:
    return scene.file("bob")


def link_to_a_fifo(scene: Scene) -> None:
    os.mkfifo(scene.outside / "fifo")
    link(scene.file("bob"), scene.outside / "fifo")


def no_listing(scene: Scene) -> None:
    """Nothing that was settled counts against a listing."""
    for path in scene.root.glob("teams/*/transactions/*.json"):
        assert "listing" not in json.loads(path.read_bytes())


KINDS = [
    Row("a FIFO is not waited for", bob_becomes(fifo), BOBS, f"{REGULAR} something else"),
    Row("a device is not read", bob_becomes(device), BOBS, f"{REGULAR} something else"),
    Row("a directory is no state", bob_becomes(directory), BOBS, f"{REGULAR} a directory"),
    Row("a socket is no state", bob_becomes(listening_socket), BOBS, f"{REGULAR} a socket"),
    Row(
        "a dangling link is no state",
        bob_becomes(lambda path: link(path, "nowhere")),
        BOBS,
        f"{REGULAR} a link",
    ),
    Row(
        "a link to /etc/passwd is not followed",
        bob_becomes(lambda path: link(path, "/etc/passwd")),
        BOBS,
        f"{REGULAR} a link",
    ),
    Row(
        "a link to a state outside is not followed",
        lambda scene: link(scene.file("bob"), scene.outside / "state.json"),
        BOBS,
        f"{REGULAR} a link",
    ),
    Row(
        "a link to a file that would block is not followed",
        link_to_a_fifo,
        BOBS,
        f"{REGULAR} a link",
    ),
    Row(
        "a hard link to the other party's state speaks for the other party",
        replaced(bobs_file, lambda scene, path: path.hardlink_to(scene.file("alice"))),
        BOBS,
        "says it is of alice",
    ),
    Row(
        "a hard link to a file outside shows nothing of it",
        replaced(bobs_file, lambda scene, path: path.hardlink_to(scene.outside / "secret.txt")),
        BOBS,
        JSON,
    ),
    Row("a sparse file of a GiB is not read", bob_becomes(sparse), BOBS, "at most 262144 bytes"),
    Row("an empty file says nothing", bobs(b""), BOBS, JSON),
    Row("a file of one byte too many is too large", bob_becomes(too_large), BOBS, "262145"),
    Row(
        "a file of exactly 256 KiB is read",
        bob_becomes(lambda path: filled(path, MAX_RECORD_BYTES)),
        None,
        fate=Fate.SETTLES,
    ),
]

BYTES = [
    Row("a hundred thousand brackets end in no recursion", bobs("[" * 100_000), BOBS, "JSON"),
    Row(
        "a hundred thousand closed brackets do neither",
        bobs("[" * 100_000 + "]" * 100_000),
        BOBS,
        "JSON",
    ),
    Row(
        "a hundred thousand objects do neither",
        bobs('{"a":' * 25_000 + "1" + "}" * 25_000),
        BOBS,
        "JSON",
    ),
    Row("thirty-three levels are one too many", bobs('{"a":' * 33 + "1" + "}" * 33), BOBS, "32"),
    Row("bytes that are no UTF-8 are no text", bobs(b'{"user": "\xff\xfe"}'), BOBS, JSON),
    Row(
        "a byte order mark does not belong",
        lambda scene: bobs(b"\xef\xbb\xbf" + scene.file("bob").read_bytes())(scene),
        BOBS,
        JSON,
    ),
    Row(
        "UTF-16 is not understood",
        lambda scene: bobs(scene.file("bob").read_text().encode("utf-16"))(scene),
        BOBS,
        JSON,
    ),
    Row(
        "a key that occurs twice says two things",
        lambda scene: bobs(
            scene.file("bob").read_bytes().rstrip()[:-1] + b', "status": "rejected"}'
        )(scene),
        BOBS,
        "each key once",
    ),
    Row("an array at the top is no record", bobs("[1, 2]"), BOBS, "found list"),
    Row("null is no record", bobs("null"), BOBS, "found NoneType"),
    Row("half a surrogate pair is no character", bobs(b'{"user": "\\ud800"}'), BOBS, JSON),
    Row(
        "a zero byte after the end is not overlooked",
        lambda scene: bobs(scene.file("bob").read_bytes() + b"\0")(scene),
        BOBS,
        JSON,
    ),
]

NUMBERS = [
    Row("NaN is no price", bobs_number("price", "NaN"), BOBS, JSON),
    Row("Infinity is no price", bobs_number("price", "Infinity"), BOBS, JSON),
    Row("1e999 is no price", bobs_number("price", "1e999"), BOBS, "number is infinity"),
    Row("a quantity of minus zero is none", bobs_number("quantity", "-0"), BOBS, "offer.quantity"),
    Row("a negative price is none", bobs_number("price", "-5.5"), BOBS, "offer.price"),
    Row("400 digits are no quantity", bobs_number("quantity", "9" * 400), BOBS, "is infinity"),
    Row("40 digits are no quantity", bobs_number("quantity", "9" * 40), BOBS, "offer.quantity"),
    Row("9,000 digits are no quantity", bobs_number("quantity", "9" * 9000), BOBS, "JSON"),
    Row("an exponent of 19 digits is none", bobs_number("price", f"1e{'9' * 19}"), BOBS, "number"),
    Row("a string is no number", bobs_number("price", '"5.5"'), BOBS, "offer.price to be a number"),
    Row("true is no number", bobs_number("quantity", "true"), BOBS, "offer.quantity"),
    Row("null is no number", bobs_number("price", "null"), BOBS, "price"),
    Row("a negative time is none", bob_says(last_updated=-1), BOBS, "last_updated"),
    Row("a time in milliseconds is none", bob_says(last_updated=NOW * 1000), BOBS, "last_updated"),
    Row("a revision beyond 2^53 is none", bob_says(revision=2**53), BOBS, "revision"),
    Row("a round of a million and one is none", bob_offers(round=1_000_001), BOBS, "round"),
]


def wrong_key(scene: Scene) -> None:
    scene.replace(scene.file("bob"), {**scene.state("bob"), "agreement_key": "0" * 64}, key=False)


def copied_key(scene: Scene) -> None:
    other = scene.state("dave", OTHERS_DUE)
    state = {**scene.state("bob"), "agreement_key": other["agreement_key"]}
    scene.replace(scene.file("bob"), state, key=False)


def copied_state(scene: Scene) -> None:
    scene.file("bob").write_bytes(scene.file("bob", SAME).read_bytes())


def third_party(scene: Scene) -> None:
    state = {**scene.state("bob"), "user": CAROL}
    scene.replace(scene.file("bob").with_name("carol_state.json"), state)


def third_party_of_the_original_format(scene: Scene) -> None:
    scene.originals()
    state = {**original(scene.state("bob") | {"schema": None}), "user": CAROL}
    scene.file("bob").with_name("carol_state.json").write_text(json.dumps(state))


def a_hundred_strangers(scene: Scene) -> None:
    for number in range(100):
        state = {**scene.state("bob"), "user": f"a{number:03}@x.org"}
        scene.replace(scene.file("bob").with_name(f"a{number:03}_state.json"), state)


def a_hundred_strangers_of_the_original_format(scene: Scene) -> None:
    scene.originals()
    state = scene.state("bob")
    for number in range(100):
        stranger = {**state, "user": f"a{number:03}@x.org"}
        path = scene.file("bob").with_name(f"a{number:03}_state.json")
        path.write_text(json.dumps(stranger))


def a_hundred_strangers_under_another_label(scene: Scene) -> None:
    """Name the negotiation so that its name tells nothing of its parties."""
    label = "deal-42"
    for who in ("alice", "bob"):
        state = {**scene.state(who), "negotiation_id": label}
        scene.replace(scene.file(who), state)
    scene.namespace().rename(scene.namespace(label))
    (scene.room(BOB, "negotiations") / VICTIM).unlink()
    link(scene.room(BOB, "negotiations") / label, f"../../{ALICE}/negotiations/{label}")
    for number in range(100):
        (scene.namespace(label) / f"a{number:03}_state.json").write_text("{}")


def the_label_settles(scene: Scene) -> None:
    assert (scene.room(BOB, "negotiations_archive") / "deal-42" / "outcome.json").is_file()


def all_chemicals(name: str) -> Row:
    def harm(scene: Scene) -> None:
        for who in ("alice", "bob"):
            scene.change(who, chemical=name)

    return Row(
        "a deal over a chemical that is not traded here does not settle",
        harm,
        ALICES,
        f"{name} is not traded here",
    )


def gone_back(scene: Scene) -> None:
    """Let bob have accepted the third round, and alice's file be that of the first."""
    state = scene.state("bob")
    past = {**state["offer"], "round": 2, "price": 6, "status": "agreed"}
    past.pop("accepts", None)
    scene.replace(
        scene.file("bob"),
        {**state, "offer": {**state["offer"], "round": 3}, "history": [past], "revision": 2},
    )


MEANINGS = [
    Row("a key that does not match its terms is no agreement", wrong_key, BOBS, "agreement_key"),
    Row("a key of another negotiation is no agreement", copied_key, BOBS, "agreement_key"),
    Row("a state of another negotiation is none of this one", copied_state, BOBS, SAME),
    Row("two buyers agree on nothing", bob_says(role="buyer"), BOBS, "both parties say"),
    Row(
        "two sellers agree on nothing",
        lambda scene: scene.change("alice", role="seller"),
        BOBS,
        "both parties say",
    ),
    Row(
        "a third party's state counts for nothing",
        third_party,
        f"{HERE}/carol_state.json",
        "no party here",
        Fate.SETTLES,
    ),
    Row(
        "a third party's state counts for nothing in the original format either",
        third_party_of_the_original_format,
        f"{HERE}/carol_state.json",
        "no party here",
        Fate.SETTLES,
    ),
    Row(
        "a hundred strangers do not drown two parties",
        a_hundred_strangers,
        HERE,
        "expected two state files, found 102",
        Fate.SETTLES,
    ),
    Row(
        "a hundred strangers do not drown two programs of the original format",
        a_hundred_strangers_of_the_original_format,
        HERE,
        "expected two state files, found 102",
        Fate.SETTLES,
    ),
    Row(
        "a hundred strangers do not drown a negotiation whose label names nobody",
        a_hundred_strangers_under_another_label,
        f"teams/{ALICE}/negotiations/deal-42",
        "expected two state files, found 102",
        Fate.HIDDEN,
        holds=the_label_settles,
    ),
    Row("a responder that writes to somebody else", bob_says(counterparty=DAVE), BOBS, "addressed"),
    Row(
        "an initiator that writes to somebody else leaves bob a stranger",
        lambda scene: scene.change("alice", counterparty=DAVE),
        BOBS,
        "no party here",
    ),
    Row("a state that speaks for a third party", bob_says(user=DAVE), BOBS, "move it away"),
    Row(
        "another chemical is another deal",
        bob_says(chemical="N"),
        BOBS,
        "is over N, the initiator's over C",
    ),
    all_chemicals("GOLD"),
    Row("a chemical that is no word", bob_says(chemical="\x1b[2J"), BOBS, "letters and digits"),
    Row(
        "an acceptance of a round that nobody offered says that a file has gone back",
        gone_back,
        ALICES,
        "has gone back",
    ),
    Row(
        "a revision that is behind its own history is told",
        lambda scene: scene.change(
            "alice", history=[{**scene.state("alice")["offer"], "status": "agreed"}] * 5
        ),
        ALICES,
        "revision",
        Fate.SETTLES,
    ),
    Row("a word of 2099 decides nothing", bob_says(last_updated=IN_2099), BOBS, "2099-01-01"),
    Row("an offer of 2099 decides nothing", bob_offers(timestamp=IN_2099), BOBS, "2099-01-01"),
    Row(
        "a beginning in 2099 decides nothing",
        lambda scene: scene.change("alice", created=IN_2099),
        ALICES,
        "2099-01-01",
    ),
    Row(
        "a rejection of 2099 decides nothing",
        bob_says(status="rejected", agreement_key=None, last_updated=IN_2099),
        BOBS,
        "2099-01-01",
    ),
    Row(
        "a clock that is most of a day ahead is borne",
        bob_offers(timestamp=NOW + 20 * HOUR),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "an acceptance dated long before its offer decides nothing",
        lambda scene: scene.change(
            "bob", last_updated=1, offer={**scene.state("bob")["offer"], "timestamp": 1}
        ),
        BOBS,
        "1970-01-01",
    ),
    *(
        Row(
            f"a listing that {name} can be the id of none",
            bob_says(listing=listing),
            BOBS,
            says,
        )
        for name, listing, says in (
            ("leads elsewhere", "../../private/limits", "the id of a listing"),
            ("is 300 bytes long", "x" * 300, "the id of a listing"),
            ("moves a terminal", "\x1b[2J", "the id of a listing"),
            ("is a number", 5, "listing"),
        )
    ),
    Row(
        "a listing that its initiator does not speak of limits nothing",
        bob_says(listing="1_sell_C"),
        None,
        fate=Fate.SETTLES,
        holds=no_listing,
    ),
    Row(
        "a beginning that the responder tells in its stead counts for nothing",
        bob_says(listing="1_sell_C", created=1, limits={"idle_s": 1, "life_s": 1}),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "an initiator that dates its negotiation back ends its own only",
        lambda scene: scene.change("alice", created=1),
        None,
        fate=Fate.EXPIRES,
    ),
]


def named(name: str | bytes, content: str = "{}") -> Row:
    text = os.fsdecode(name) if isinstance(name, bytes) else name
    raw = name if isinstance(name, bytes) else os.fsencode(name)
    seen = raw.decode("utf-8", "backslashreplace")
    seen = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in seen)
    return Row(
        f"a stranger's file of the name {seen[:24]} is shown without its teeth",
        lambda scene: (scene.namespace() / text).write_text(content),
        f"{HERE}/{seen}",
        "",
        Fate.SETTLES,
    )


TEETH = "\x1b[2J\x1b]0;owned\x07\u202egnp\x9b31m\r\n\u2028bye"

TURNED = "\u202egrubmaH\u202c"


def delivery(alices: str, bobs: str) -> Harm:
    """Return what lets both say a delivery, and agree on what they say."""

    def harm(scene: Scene) -> None:
        for who, text in (("alice", alices), ("bob", bobs)):
            scene.change_offer(who, delivery=text)

    return harm


def bob_reads(**fields: object) -> Harm:
    return bob_says(read={"timestamp": NOON, "messages": 0, **fields})


def profile(make: Callable[[Path], object]) -> Harm:
    return lambda scene: make(scene.home(BOB) / "init.json")


def calls_himself(name: object) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), "display_name": name}))

    return make


PROFILES = [
    Row(f"a profile that is {name} tells no name", profile(make), None, fate=Fate.SETTLES)
    for name, make in (
        ("a FIFO", fifo),
        ("a device", device),
        ("a directory", directory),
        ("a link out", lambda path: link(path, "/etc/passwd")),
        ("a link to another's", lambda path: link(path, f"../{CAROL}/init.json")),
        ("a GiB", sparse),
        ("no JSON", lambda path: path.write_bytes(b"{")),
        ("a list", lambda path: path.write_text("[]")),
        ("a name of a MiB", calls_himself("x" * (1 << 20))),
        ("a name of 200 KiB", calls_himself("\u0301" * 100_000)),
        ("a name that is another's address", calls_himself(ALICE)),
        ("a name that looks like another's address", calls_himself("alice\uff20stonybrook.edu")),
        ("a name that turns the writing round", calls_himself(TURNED)),
        ("no name", calls_himself("")),
        ("a name that is a number", calls_himself(5)),
        ("a name that is nothing", calls_himself(None)),
        ("a name of blanks", calls_himself("   ")),
    )
]

TEXTS = [
    Row(
        "a message with teeth is shown without them",
        bob_says(messages=[{"timestamp": NOON, "text": TEETH}], revision=9),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a reason with teeth is shown without them",
        bob_offers(reason=TEETH),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a condition with teeth is none",
        bob_offers(delivery=TEETH),
        BOBS,
        "offer.delivery must be one line",
    ),
    Row(
        "a condition of 501 characters is none",
        bob_offers(quality="x" * 501),
        BOBS,
        "offer.quality must have 1 to 500 characters",
    ),
    Row(
        "a condition that is no text is none",
        bob_offers(payment={"days": 30}),
        BOBS,
        "offer.payment must be a text",
    ),
    Row(
        "a condition that the other side did not accept is no deal",
        bob_offers(delivery="FOB Rotterdam"),
        None,
    ),
    Row(
        "two conditions that look alike are two, and no deal",
        delivery("kóln", "ko\u0301ln"),
        None,
    ),
    Row(
        "a condition that turns the writing round is told as it is",
        delivery(f"FOB {TURNED}", f"FOB {TURNED}"),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a condition that begins with a blank of another kind is none",
        bob_offers(quality="\u2003FOB"),
        BOBS,
        "offer.quality must not begin or end with a blank",
    ),
    Row(
        "an earlier offer with half a character is none",
        bob_says(history=[{"price": 1, "quantity": 1, "timestamp": NOON, "payment": "\ud800"}]),
        BOBS,
        "",
    ),
    Row("a read mark below nothing is none", bob_reads(messages=-1), BOBS, "messages"),
    Row("a read mark in words is none", bob_reads(messages="all"), BOBS, "messages"),
    Row("a read mark that is a list is none", bob_says(read=[NOON, 1]), BOBS, "object"),
    Row(
        "what a later version says in a read mark and a reaction does no harm",
        bob_says(
            read={"timestamp": NOON, "messages": 0, "voice": {TEETH: [TEETH]}},
            reaction={"timestamp": NOON, "level": 50, "about": TEETH},
        ),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a reaction to a round that there is none of does no harm",
        bob_says(reaction={"timestamp": NOON, "level": 0, "round": 9_999}),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a reaction in words is none",
        bob_says(reaction={"timestamp": NOON, "level": TEETH}),
        BOBS,
        "level",
    ),
    Row(
        "a reaction of 101 is none",
        bob_says(reaction={"timestamp": NOON, "level": 101}),
        BOBS,
        "level",
    ),
    Row(
        "a read mark beyond all that was said does no harm",
        bob_says(read={"timestamp": NOON, "messages": 2**53 - 1}),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a read mark and a reaction of 2099 decide nothing, and stop nothing",
        bob_says(
            read={"timestamp": IN_2099, "messages": 1},
            reaction={"timestamp": IN_2099, "level": 1},
        ),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a field with teeth is told without them",
        bob_says(status=TEETH),
        BOBS,
        "status",
    ),
    Row(
        "an unknown field with teeth does no harm",
        bob_says(**{TEETH: {TEETH: [TEETH]}}),
        None,
        fate=Fate.SETTLES,
    ),
    Row(
        "a party's name with teeth is shown without them",
        lambda scene: scene.rename("bob", TEETH),
        None,
        fate=Fate.SETTLES,
    ),
]

NAMES = [
    named("\x1b[31mred\x1b[0m_state.json"),
    named("two\nlines_state.json"),
    named("\u202egnp_state.json"),
    named("\x9b2J_state.json"),
    named(b"\xff\xfe_state.json"),
    named("x" * (255 - len("_state.json")) + "_state.json"),
]

ROWS = KINDS + BYTES + NUMBERS + MEANINGS + PROFILES + TEXTS + NAMES
