"""What a party keeps to itself is in nothing that others can read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.support import ALICE, BOB, CAROL, Clock

from nom_negotiate import Desk, Listing, PartyState, Transaction, codec, market
from nom_negotiate.core.listings import Listed

# Numbers and words that occur nowhere by accident.
LIMITS = {ALICE: ("4.1318171", "98765.4321"), BOB: ("6.2827182", "13579.2468")}


@pytest.fixture
def root(tmp_path: Path, clock: Clock) -> Path:
    """Return a root in which both have limits, and all that listings lead to has happened."""
    root = tmp_path / "data"
    desk = Desk(root, clock=clock, validators=(), after_settlement=(), notice=print)
    for party in (ALICE, BOB, CAROL):
        desk.add_party(party)
    for party, (price, quantity) in LIMITS.items():
        private = root / "teams" / party / "private"
        text = f'{{"reservation_price": {price}, "target_quantity": {quantity}}}'
        (private / "preferences.json").write_text(text)
    alice, bob, carol = map(desk.party, (ALICE, BOB, CAROL))
    posted = market.post(alice, side="sell", chemical="C", price="5.5", quantity=100, text="fresh")
    market.post(alice, side="buy", chemical="N")
    deal = market.respond(bob, ALICE, posted.id, price=5, message="hello")
    alice.offer(deal.id, price="5.25", quantity=60)
    bob.accept(deal.id)
    market.respond(carol, ALICE, posted.id)
    desk.poll()
    clock.forward(1)
    alice.mark_settled(alice.transactions()[0].name)
    bob.reject(alice.start(BOB, chemical="D", role="buyer", price=1, quantity=1).id)
    desk.poll()
    desk.pack(0)
    return root


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
