"""What a party keeps to itself is in nothing that others can read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.support import ALICE, BOB, CAROL, Clock

from nom_negotiate import Desk, Listing, PartyState, Transaction, codec, market, preferences
from nom_negotiate.cli import entry
from nom_negotiate.core.listings import Listed

# Numbers and words that occur nowhere by accident.
LIMITS: dict[str, tuple[str, str]] = {
    ALICE: ("4.1318171", "98765.4321"),
    BOB: ("6.2827182", "13579.2468"),
}


OTHER_LIMITS: dict[str, tuple[str, str]] = {
    ALICE: ("5.2123457", "60.987654"),
    BOB: ("5.9999991", "77.1234567"),
}


def happen(root: Path, limits: dict[str, tuple[str, str]]) -> Path:
    """Let both have limits, and all happen that listings lead to."""
    clock = Clock()
    desk = Desk(root, clock=clock, validators=(), after_settlement=(), notice=print)
    for party in (ALICE, BOB, CAROL):
        desk.add_party(party)
    alice, bob, carol = map(desk.party, (ALICE, BOB, CAROL))
    for party, (price, quantity) in limits.items():
        for chemical, role in (("C", "seller"), ("C", "buyer"), ("D", "buyer")):
            preferences.set_preferences(
                desk.party(party),
                reservation_price=price,
                target_quantity=quantity,
                chemical=chemical,
                role=role,
            )
    posted = market.post(alice, side="sell", chemical="C", price="5.5", quantity=100, text="fresh")
    market.post(alice, side="buy", chemical="N")
    deal = market.respond(bob, ALICE, posted.id, price=5, message="hello")
    alice.suggest(deal.id)
    alice.mark_read(deal.id)
    alice.react(deal.id, 40)
    alice.offer(deal.id, price="5.25", quantity=60)
    bob.suggest(deal.id)
    bob.accept(deal.id)
    market.respond(carol, ALICE, posted.id)
    desk.poll()
    clock.forward(1)
    alice.mark_settled(alice.transactions()[0].name)
    bob.reject(alice.start(BOB, chemical="D", role="buyer", price=1, quantity=1).id)
    desk.poll()
    desk.pack(0)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return happen(tmp_path / "data", LIMITS)


def readable(root: Path) -> dict[str, bytes]:
    """Return every file that is not in a private room, and every name."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else b""
        for path in root.rglob("*")
        if "private" not in path.relative_to(root).parts
    }


def test_no_limit_is_in_a_file_or_a_name_that_others_can_read(root: Path, clock: Clock) -> None:
    desk = Desk(root, clock=clock)
    found = readable(root)
    assert any("/listings/" in name for name in found)
    shown = codec.encode_output(
        [*desk.listings(closed=True), *desk.archive(), *desk.negotiations()]
    )
    found["what is shown"] = shown
    desk.unpack("2024-01")
    found |= readable(root)
    for party, limits in LIMITS.items():
        for limit in limits:
            for name, data in found.items():
                assert limit.encode() not in data, f"a limit of {party} is in {name}"
                assert limit not in name


def seen(root: Path, party: str) -> list[object]:
    """Return what the market and a party's own negotiations show to it, in their order."""
    desk = Desk(root, clock=Clock())
    return [
        desk.listings(closed=True),
        desk.listings(side="sell", text="fresh"),
        list(market.listings(desk)),
        desk.party(party).negotiations(),
        desk.party(party).negotiations(archived=True),
        desk.party(party).transactions(),
    ]


def test_with_other_limits_everything_else_is_the_same_to_the_last_byte(tmp_path: Path) -> None:
    """Neither counts, what is left, times nor the order of anything follow from a limit."""
    one = happen(tmp_path / "one" / "data", LIMITS)
    other = happen(tmp_path / "other" / "data", OTHER_LIMITS)
    assert [seen(one, party) for party in (ALICE, BOB, CAROL)] == [
        seen(other, party) for party in (ALICE, BOB, CAROL)
    ]
    first, second = timeless(readable(one)), timeless(readable(other))
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def timeless(found: dict[str, bytes]) -> dict[str, bytes]:
    """Leave out what the poller notes of its own passes: how long they took, and inodes."""
    return {name: data for name, data in found.items() if not name.startswith("poller/")}


def test_a_tree_and_the_doctor_show_nothing_of_a_private_room(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["tree"], ["tree", "--json"], ["doctor"], ["ls"], ["listing", "ls", "--closed"]):
        entry.run(["--data", str(root), *words])
        said = "".join(capsys.readouterr())
        assert said
        for limit in (*LIMITS[ALICE], *LIMITS[BOB], "seller", "preferences"):
            assert limit not in said, f"nom {' '.join(words)} shows {limit}"


def test_private_rooms_are_their_owners_own(root: Path) -> None:
    for party in LIMITS:
        assert (root / "teams" / party / "private").stat().st_mode & 0o077 == 0


def test_a_record_that_others_read_has_no_field_for_it() -> None:
    """Whoever adds one has to think about who reads it."""
    assert set(Listing.__struct_fields__) == {
        "schema", "id", "user", "type", "chemical", "price", "quantity", "text", "created",
        "status", "closed_at", "left", "extra",
    }  # fmt: skip
    assert set(Listed.__struct_fields__) == {"listing", "display_name", "left"}
    for record in (Listing, PartyState, Transaction):
        names = {field.name for field in msgspec.structs.fields(record)}
        assert not {name for name in names if "reserv" in name or "target" in name}
