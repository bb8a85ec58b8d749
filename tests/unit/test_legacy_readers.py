"""What the readers of the old formats make of an old data directory, good or bad."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
import tarfile
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.legacy_fixtures import (
    ALICE,
    BOB,
    CAROL,
    SCHEMA,
    T0,
    OldTree,
    negotiation_record,
    offer_payload,
    offer_record,
    trade_payload,
)

from nom_negotiate.errors import NotFound
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.files import MAX_JSON_BYTES
from nom_negotiate.legacy.negotiations import negotiation
from nom_negotiate.legacy.records import OldData, OldOffer, OldOrder
from nom_negotiate.legacy.source import read_source

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "data" / "legacy-sample"


@pytest.fixture
def old(tmp_path: Path) -> OldTree:
    return OldTree(tmp_path / "data")


def reasons(data: OldData) -> dict[str, str]:
    return {one.path: one.reason for one in data.unreadable}


def ids(data: OldData, kind: str) -> list[str]:
    return sorted(order.id for order in data.orders if order.kind == kind)


def one_order(data: OldData) -> OldOrder:
    [order] = data.orders
    return order


def footprint(root: Path) -> dict[str, tuple[int, int, int]]:
    """Return what a write would change: names, sizes, modification and change times."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return found


# ------------------------------------------------------------------ the real archive


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[OldData, Any]:
    """Return what is read from the archive of real old data, and what the old reader read."""
    shared = Path(os.environ.get("NOM_SHARED") or REPO.parent / "shared")
    legacy = shared / "legacy"
    packed = legacy / "cndq-legacy-data.tar.gz"
    if not packed.is_file():
        pytest.skip(f"no archive of old data at {packed}; NOM_SHARED names the directory")
    root = tmp_path_factory.mktemp("archive")
    with tarfile.open(packed) as archive:
        # Python 3.11.2, which Debian 12 has, knows no filters yet; the archive is our own.
        safe: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(root, **safe)
    return read_source(root), json.loads((legacy / "expected.json").read_text())


def check_against(data: OldData, expected: Any) -> None:
    """Compare with the figures that the old program's own reader arrives at."""
    assert ids(data, "offer") == expected["offer_ids"]
    assert ids(data, "buy_order") == expected["buy_order_ids"]
    assert len(ids(data, "offer")) == expected["active_offers"]
    assert len(ids(data, "buy_order")) == expected["active_buy_orders"]
    assert len(ids(data, "ad")) == expected["active_ads"]
    statuses = Counter(negotiation.status for negotiation in data.negotiations)
    assert statuses == expected["negotiations"]
    offers = sum(len(negotiation.offers) for negotiation in data.negotiations)
    assert offers == expected["negotiation_offers"]
    unreadable = [one for one in data.unreadable if one.subject == "negotiation"]
    assert len(unreadable) == expected["unreadable_negotiations"]
    assert data.counts["L3"].event_files == expected["event_files"]


def test_the_real_archive_reads_as_the_old_reader_read_it(archive: tuple[OldData, Any]) -> None:
    data, expected = archive
    check_against(data, expected)


def test_every_file_of_the_real_archive_is_accounted_for(archive: tuple[OldData, Any]) -> None:
    data, _ = archive
    assert data.unreadable == ()
    assert data.generations == ("L2", "L3")
    assert sum(counts.files for counts in data.counts.values()) == 12_088
    events = data.counts["L3"]
    assert (events.derived, events.other, events.team_event_files) == (21, 0, 6645)
    opened = events.team_event_files - events.skipped
    assert opened == len(data.profiles) + len(data.transactions) == 21 + 18


def test_whoever_trades_in_the_real_archive_is_known_by_address(
    archive: tuple[OldData, Any],
) -> None:
    data, _ = archive
    without = data.addresses() - {profile.address for profile in data.profiles}
    assert without == {"player1@test.edu", "player2@test.edu", "test_mail1@stonybrook.edu"}
    assert all(offer.by in data.addresses() for n in data.negotiations for offer in n.offers)


# ------------------------------------------------------------------ the sample


def test_the_sample_reads_as_its_readme_says() -> None:
    data, expected = read_source(SAMPLE), json.loads((SAMPLE / "expected.json").read_text())
    check_against(data, expected)
    assert ids(data, "ad") == expected["ad_ids"]
    assert sorted(one.id for one in data.transactions) == expected["transaction_ids"]
    assert [profile.address for profile in data.profiles] == expected["teams"]
    assert data.unreadable == ()
    assert data.counts["L3"].derived == 2


def test_the_last_update_of_a_sample_offer_decides_its_price() -> None:
    [order] = [one for one in read_source(SAMPLE).orders if one.id == "offer_1795249765_5d95d061"]
    assert (order.price, order.quantity) == (Decimal("8.05"), Decimal(1667))


# ------------------------------------------------------------------ where the source is


def test_the_data_directory_or_its_parent_may_be_named(old: OldTree) -> None:
    old.negotiation()
    assert read_source(old.root) == read_source(old.root.parent)
    assert read_source(str(old.root)).root == old.root


@pytest.mark.parametrize("name", ["", "nowhere", "file"])
def test_a_directory_without_old_data_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotFound) as caught:
        read_source(tmp_path / name)
    assert caught.value.code == "unknown_source"
    assert "negotiations/" in caught.value.message


def test_reading_changes_nothing_and_repeats(old: OldTree) -> None:
    old.negotiation()
    old.init(ALICE)
    old.offer("offer_1")
    old.state(ALICE, "alice_bob_C_1", ALICE)
    old.put(f"teams/{BOB}/profile.json", {"email": BOB})
    database = old.database()
    database.negotiation("neg_2")
    before = footprint(old.root)
    assert read_source(old.root) == read_source(old.root)
    assert footprint(old.root) == before


# ------------------------------------------------------------------ L2


def test_a_negotiation_file_becomes_a_record(old: OldTree) -> None:
    path = old.negotiation()
    [record] = read_source(old.root).negotiations
    assert record.id == "neg_1"
    assert record.generation == "L2"
    assert (record.chemical, record.side, record.session) == ("C", "sell", 3)
    assert (record.initiator, record.initiator_name) == (ALICE, "Swift Bear")
    assert (record.responder, record.responder_name) == (BOB, "Calm Otter")
    assert record.offers == (
        OldOffer(ALICE, Decimal("5.5"), Decimal(100), T0),
        OldOffer(BOB, Decimal(4), Decimal("90.5"), T0 + 5),
    )
    assert (record.status, record.last_offer_by) == ("pending", BOB)
    assert (record.created_at, record.updated_at) == (T0, T0 + 5)
    assert (record.closed_by, record.closed_at, record.reason) == (None, None, None)
    assert record.path == path


def test_a_negotiation_of_the_oldest_kind_has_no_type_and_means_buy(old: OldTree) -> None:
    old.negotiation(type=..., sessionNumber=...)
    [record] = read_source(old.root).negotiations
    assert (record.side, record.session) == ("buy", None)


def test_who_closed_a_negotiation_and_why_is_carried(old: OldTree) -> None:
    old.negotiation("neg_1", status="accepted", acceptedBy=ALICE, acceptedAt=T0 + 9)
    old.negotiation(
        "neg_2", status="rejected", rejectedBy=BOB, rejectedAt=T0 + 8, rejection_reason=" too dear "
    )
    accepted, rejected = read_source(old.root).negotiations
    assert (accepted.closed_by, accepted.closed_at, accepted.reason) == (ALICE, T0 + 9, None)
    assert (rejected.closed_by, rejected.closed_at, rejected.reason) == (BOB, T0 + 8, "too dear")


def test_a_rejection_by_the_old_program_itself_has_no_party(old: OldTree) -> None:
    old.negotiation(status="rejected", rejectedBy="system", rejection_reason="no stock")
    [record] = read_source(old.root).negotiations
    assert (record.closed_by, record.closed_at) == (None, record.updated_at)
    assert record.reason == "no stock"


def test_the_reason_of_a_rejection_may_come_from_an_event(old: OldTree) -> None:
    for id, status in (("neg_1", "rejected"), ("neg_2", "accepted"), ("neg_3", "rejected")):
        old.negotiation(id, status=status)
    old.negotiation("neg_4", status="rejected", rejection_reason="my own words")
    for number in (1, 2, 4):
        payload = {"negotiationId": f"neg_{number}", "status": "rejected", "reason": "no stock"}
        old.team_event(BOB, T0 + number, "close_negotiation", payload)
    found = {record.id: record.reason for record in read_source(old.root).negotiations}
    assert found == {"neg_1": "no stock", "neg_2": None, "neg_3": None, "neg_4": "my own words"}


@pytest.mark.parametrize("level", [-1, 101, 50.5, "50", True, None])
def test_a_reaction_of_another_level_is_reported_and_stops_nothing(
    old: OldTree, level: Any
) -> None:
    old.negotiation("neg_1")
    payload = {"negotiationId": "neg_1", "level": level}
    path = old.team_event(BOB, T0 + 1, "add_reaction", payload)
    data = read_source(old.root)
    assert [record.reactions for record in data.negotiations] == [()]
    assert reasons(data) == {path: "level must be a whole number from 0 to 100"}


def test_addresses_are_compared_casefolded(old: OldTree) -> None:
    old.negotiation(initiatorId="Alice@StonyBrook.edu", lastOfferBy="ALICE@stonybrook.edu")
    [record] = read_source(old.root).negotiations
    assert record.initiator == record.last_offer_by == record.offers[0].by == ALICE


def test_a_negotiation_without_offers_is_kept(old: OldTree) -> None:
    old.negotiation(offers=[], lastOfferBy=None)
    [record] = read_source(old.root).negotiations
    assert (record.offers, record.last_offer_by) == ((), None)


def test_the_noise_of_a_binary_float_is_rounded_away(old: OldTree) -> None:
    old.negotiation(offers=[offer_record(ALICE, 507.63599999999997, 0.1 + 0.2, T0)])
    [record] = read_source(old.root).negotiations
    assert record.offers[0].price == Decimal("507.636")
    assert record.offers[0].quantity == Decimal("0.3")


def test_an_integer_of_more_than_15_digits_is_refused_rather_than_rounded(old: OldTree) -> None:
    path = old.negotiation(offers=[offer_record(ALICE, 1, 1234567890123456, T0)])
    assert "15 significant digits" in reasons(read_source(old.root))[path]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"initiatorId": "../../etc"}, "initiatorId"),
        ({"initiatorId": "a/b@x"}, "slash"),
        ({"initiatorId": "a\u0000b@x"}, "initiatorId"),
        ({"initiatorId": ""}, "initiatorId"),
        ({"initiatorId": "a" * 250 + "@x.edu"}, "254"),
        ({"initiatorId": ["alice"]}, "initiatorId"),
        ({"responderId": ...}, "responderId"),
        ({"responderId": "bob"}, "responderId"),
        ({"id": "../../x"}, "id"),
        ({"id": ".."}, "id"),
        ({"id": "neg/1"}, "id"),
        ({"id": "neg\n1"}, "id"),
        ({"id": "neg\u202e1"}, "id"),
        ({"id": "\ud800"}, "id"),
        ({"id": ""}, "id"),
        ({"id": "n" * 255}, "254"),
        ({"id": 7}, "id"),
        ({"chemical": "C/../D"}, "chemical"),
        ({"chemical": None}, "chemical"),
        ({"type": "swap"}, "type"),
        ({"status": "open"}, "status"),
        ({"status": ["pending"]}, "status"),
        ({"createdAt": "yesterday"}, "createdAt"),
        ({"createdAt": True}, "createdAt"),
        ({"createdAt": -1}, "createdAt"),
        ({"createdAt": 1795249765000}, "createdAt"),
        ({"lastOfferBy": CAROL}, "neither initiator nor responder"),
        ({"status": "accepted", "acceptedBy": CAROL}, "neither initiator nor responder"),
        ({"status": "accepted", "acceptedBy": "../x"}, "acceptedBy"),
        ({"offers": "none"}, "offers"),
        ({"offers": [7]}, "offers[0]"),
        ({"offers": [offer_record(CAROL, 1, 1, T0)]}, "neither initiator nor responder"),
        ({"offers": [offer_record(ALICE, -1, 1, T0)]}, "offers[0].price must be 0 or more"),
        ({"offers": [offer_record(ALICE, 1, 0, T0)]}, "offers[0].quantity must be greater"),
        ({"offers": [offer_record(ALICE, None, 1, T0)]}, "offers[0].price"),
        ({"offers": [offer_record(ALICE, True, 1, T0)]}, "offers[0].price"),
        ({"offers": [offer_record(ALICE, "cheap", 1, T0)]}, "offers[0].price"),
        ({"offers": [offer_record(ALICE, 1, 1e300, T0)]}, "offers[0].quantity"),
    ],
)
def test_a_hostile_or_impossible_field_makes_no_record(
    old: OldTree, changes: dict[str, Any], word: str
) -> None:
    path = old.negotiation("neg_1", **changes)
    old.negotiation("neg_2")
    data = read_source(old.root)
    assert [record.id for record in data.negotiations] == ["neg_2"]
    [unreadable] = data.unreadable
    assert (unreadable.path, unreadable.subject) == (path, "negotiation")
    assert word in unreadable.reason


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals()
    | st.text(max_size=12)
    | st.sampled_from([ALICE, BOB, "buy", "pending", "accepted", "../x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*offer_record(ALICE, 1, 1, 1)]), inner, max_size=6)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(changes=st.dictionaries(st.sampled_from([*negotiation_record()]), JSON, max_size=5))
def test_whatever_a_negotiation_says_ends_in_a_record_or_a_reason(changes: dict[str, Any]) -> None:
    try:
        record = negotiation(negotiation_record() | changes, generation="L2", path="")
    except Refused:
        return
    assert {offer.by for offer in record.offers} <= {record.initiator, record.responder}
    assert all(offer.quantity > 0 <= offer.price for offer in record.offers)


# ------------------------------------------------------------------ files that bite


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b'{"id": "neg_1", "offers": [{"pri', "not JSON"),
        (b"[1, 2]", "must be an object"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"price": NaN}', "NaN is no number"),
        (b'{"price": -Infinity}', "-Infinity is no number"),
        (b'{"price": 1e99999999999999999999}', "absurd size"),
        (b'{"price": ' + b"9" * 5000 + b"}", "absurd size"),
        (b"[" * 200_000, "nested too deeply"),
        (b" " * (MAX_JSON_BYTES + 1), "larger than 4 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_broken_file_is_reported_and_stepped_over(
    old: OldTree, content: bytes, reason: str
) -> None:
    old.put("negotiations/negotiation_neg_1.json", content)
    old.negotiation("neg_2")
    data = read_source(old.root)
    assert reason in reasons(data)["negotiations/negotiation_neg_1.json"]
    assert [record.id for record in data.negotiations] == ["neg_2"]


def test_a_fifo_is_not_waited_for(old: OldTree) -> None:
    old.negotiation("neg_2")
    os.mkfifo(old.root / "negotiations" / "negotiation_neg_1.json")
    found: list[OldData] = []
    reader = threading.Thread(target=lambda: found.append(read_source(old.root)), daemon=True)
    reader.start()
    reader.join(timeout=20)
    assert found, "the reader waits for somebody to write into the FIFO"
    assert reasons(found[0]) == {"negotiations/negotiation_neg_1.json": "not a regular file"}
    assert len(found[0].negotiations) == 1


def test_a_link_to_a_file_elsewhere_is_not_followed(old: OldTree, tmp_path: Path) -> None:
    old.negotiation("neg_2")
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(negotiation_record("neg_1")))
    (old.root / "negotiations" / "negotiation_neg_1.json").symlink_to(secret)
    data = read_source(old.root)
    [reason] = reasons(data).values()
    assert "symbolic link" in reason
    assert [record.id for record in data.negotiations] == ["neg_2"]


def test_a_directory_where_a_file_should_be_is_reported(old: OldTree) -> None:
    (old.root / "negotiations" / "negotiation_neg_1.json").mkdir(parents=True)
    assert len(read_source(old.root).unreadable) == 1


@pytest.mark.parametrize("path", ["teams", "negotiations", "marketplace", f"teams/{BOB}"])
def test_a_linked_directory_is_not_followed(old: OldTree, tmp_path: Path, path: str) -> None:
    elsewhere = OldTree(tmp_path / "elsewhere")
    elsewhere.init(BOB)
    elsewhere.negotiation()
    elsewhere.offer("offer_1")
    old.init(ALICE) if path == f"teams/{BOB}" else old.put("marketplace.txt", b"")
    (old.root / path).symlink_to(elsewhere.root / path)
    data = read_source(old.root)
    assert reasons(data) == {path: "a symbolic link; not followed"}
    assert BOB not in data.addresses()


def test_files_left_over_or_derived_are_counted_and_not_read(old: OldTree) -> None:
    old.init(ALICE)
    for name in ("tmp_a8Fk2x", "cached_state.json", "snapshot.json"):
        old.put(f"teams/{ALICE}/{name}", b"{torn")
        old.put(f"marketplace/{name}", b"{torn")
    old.put("negotiations/tmp_negotiation.json", b"{torn")
    old.put("marketplace/events/tmp_event", b"{torn")
    data = read_source(old.root)
    assert data.unreadable == ()
    assert data.counts["L3"].derived == 7
    assert data.counts["L2"].derived == 1


def test_a_name_that_is_no_utf8_is_shown_escaped(old: OldTree) -> None:
    name = os.fsdecode(b"negotiation_\xff.json")
    try:
        old.put(f"negotiations/{name}", b"{torn")
    except OSError as error:  # EILSEQ: the file system insists on UTF-8
        pytest.skip(f"this file system refuses such names: {error}")
    assert [*reasons(read_source(old.root))] == ["negotiations/negotiation_\\xff.json"]


# ------------------------------------------------------------------ L3: orders


def test_an_offer_of_the_marketplace_becomes_a_standing_order(old: OldTree) -> None:
    path = old.offer("offer_1", sessionNumber=4)
    order = one_order(read_source(old.root))
    assert (order.id, order.generation, order.owner) == ("offer_1", "L3", ALICE)
    assert (order.kind, order.side, order.chemical) == ("offer", "sell", "N")
    assert (order.quantity, order.price) == (Decimal(59), Decimal("0.56"))
    assert (order.created_at, order.session, order.path) == (T0, 4, path)


def test_buy_orders_and_ads_stand_on_shelves_of_their_own(old: OldTree) -> None:
    buy = {"chemical": "C", "quantity": 7, "maxPrice": 2, "buyerId": BOB, "createdAt": T0}
    ad = {"teamId": BOB, "chemical": "Q", "type": "buy", "status": "active", "createdAt": T0}
    old.market_event(BOB, T0 + 0.1, "add_buy_order", {"id": "x", **buy})
    old.market_event(BOB, T0 + 0.2, "add_ad", {"id": "x", **ad})
    old.market_event(BOB, T0 + 0.3, "add_listing", {"id": "y", **ad, "type": "sell"})
    old.offer("x", T0 + 0.4)
    data = read_source(old.root)
    assert (ids(data, "buy_order"), ids(data, "ad"), ids(data, "offer")) == (
        ["x"],
        ["x", "y"],
        ["x"],
    )
    old.market_event(BOB, T0 + 0.5, "remove_buy_order", {"id": "x"})
    old.market_event(BOB, T0 + 0.6, "remove_listing", {"id": "x"})
    data = read_source(old.root)
    assert (ids(data, "buy_order"), ids(data, "ad"), ids(data, "offer")) == ([], ["y"], ["x"])
    assert next(one for one in data.orders if one.kind == "ad").price is None


def test_a_remove_drops_the_order_whoever_sent_it(old: OldTree) -> None:
    old.offer("offer_1", T0, team=ALICE)
    old.market_event(BOB, T0 + 1, "remove_offer", {"id": "offer_1"})
    old.market_event(BOB, T0 + 2, "remove_offer", {"id": "offer_1"})
    assert read_source(old.root).orders == ()


def test_an_order_that_is_added_again_stands_again(old: OldTree) -> None:
    old.offer("offer_1", T0)
    old.market_event(ALICE, T0 + 1, "remove_offer", {"id": "offer_1"})
    old.offer("offer_1", T0 + 2, quantity=60)
    assert one_order(read_source(old.root)).quantity == 60


def test_events_are_reduced_in_the_order_of_their_file_names(old: OldTree) -> None:
    old.offer("offer_1", T0 + 0.000001)
    for step, price in ((3, 3), (2, 2)):
        payload = {"id": "offer_1", "updates": {"minPrice": price}}
        path = old.market_event(ALICE, T0 + step / 10**6, "update_offer", payload)
        record = json.loads((old.root / path).read_text())
        old.put(path, record | {"timestamp": T0 + 9 - step})  # the content would say otherwise
    assert one_order(read_source(old.root)).price == 3


def test_an_update_of_an_order_long_gone_changes_nothing(old: OldTree) -> None:
    old.market_event(ALICE, T0, "update_offer", {"id": "offer_1", "updates": {"minPrice": 1}})
    old.market_event(ALICE, T0 + 1, "remove_offer", {"id": "offer_2"})
    data = read_source(old.root)
    assert (data.orders, data.unreadable) == ((), ())


def test_an_update_cannot_give_an_order_another_owner_or_id(old: OldTree) -> None:
    old.offer("offer_1")
    updates = {"id": "offer_2", "sellerId": BOB, "quantity": 5}
    old.market_event(BOB, T0 + 1, "update_offer", {"id": "offer_1", "updates": updates})
    order = one_order(read_source(old.root))
    assert (order.id, order.owner, order.quantity) == ("offer_1", ALICE, Decimal(5))


def test_an_order_that_was_marked_completed_stands_no_longer(old: OldTree) -> None:
    old.offer("offer_1")
    updates = {"status": "completed"}
    old.market_event(ALICE, T0 + 1, "update_offer", {"id": "offer_1", "updates": updates})
    data = read_source(old.root)
    assert data.orders == ()
    assert data.counts["L3"].closed_orders == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../offer"},
        {"id": None},
        {"id": ["offer_1"]},
        {"sellerId": "../x"},
        {"quantity": 0},
        {"minPrice": -1},
        {"chemical": "a/b"},
        {"createdAt": "now"},
    ],
)
def test_a_standing_order_that_makes_no_sense_makes_no_record(
    old: OldTree, changes: dict[str, Any]
) -> None:
    path = old.offer("offer_1", **changes)
    old.offer("offer_2", T0 + 1)
    data = read_source(old.root)
    assert one_order(data).id == "offer_2"
    assert [(one.path, one.subject) for one in data.unreadable] == [(path, "order")]


def test_orders_are_not_taken_from_the_events_of_teams(old: OldTree) -> None:
    old.team_event(ALICE, T0, "add_offer", offer_payload("offer_1"))
    data = read_source(old.root)
    assert data.orders == ()
    assert (data.counts["L3"].team_event_files, data.counts["L3"].skipped) == (1, 1)


# ------------------------------------------------------------------ L3: teams


def test_an_init_says_who_a_team_is_and_nothing_private(old: OldTree) -> None:
    path = old.init(ALICE)
    data = read_source(old.root)
    [profile] = data.profiles
    assert dataclasses.asdict(profile) == {
        "address": ALICE,
        "display_name": "Swift Bear",
        "created_at": T0,
        "path": path,
    }
    for private in ("1535", "1.25", "10000", "shadow", "inventory", "unds"):
        assert private not in repr(data)


def test_the_address_is_taken_from_the_content_not_from_the_directory(old: OldTree) -> None:
    old.init("a+b@x.edu", name="a_b@x.edu")
    assert [profile.address for profile in read_source(old.root).profiles] == ["a+b@x.edu"]


def test_the_latest_name_and_the_earliest_time_of_a_team_count(old: OldTree) -> None:
    old.init(ALICE, T0)
    profile = {"email": ALICE, "teamName": "Calm \x1b[31m\ud800 Otter", "currentFunds": 5}
    old.team_event(ALICE, T0 + 5, "update_profile", profile)
    old.team_event(ALICE, T0 + 6, "update_profile", {"settings": {}})
    [found] = read_source(old.root).profiles
    assert found.display_name == "Calm \ufffd[31m\ufffd Otter"
    assert found.created_at == T0


def test_an_init_that_only_changes_the_inventory_is_no_error(old: OldTree) -> None:
    old.team_event(ALICE, T0, "init", {"inventory": {"C": 12}})
    data = read_source(old.root)
    assert [(one.address, one.display_name) for one in data.profiles] == [(ALICE, "Swift Bear")]
    assert data.unreadable == ()


@pytest.mark.parametrize("team", ["../x", "", None, "nobody", "a\x00@x"])
def test_a_team_with_an_impossible_address_makes_no_record(old: OldTree, team: Any) -> None:
    old.team_event(team, T0, "init", {"profile": {"email": team}}, name="somebody")
    old.team_event(team, T0 + 1, "add_transaction", trade_payload(), name="somebody")
    data = read_source(old.root)
    assert data.addresses() == frozenset()
    assert sorted(one.subject for one in data.unreadable) == ["profile", "transaction"]


def test_a_transaction_event_becomes_a_record(old: OldTree) -> None:
    path = old.team_event(ALICE, T0 + 0.5, "add_transaction", trade_payload())
    [record] = read_source(old.root).transactions
    assert (record.owner, record.counterparty, record.side) == (ALICE, BOB, "buy")
    assert (record.chemical, record.quantity, record.price) == ("C", Decimal(169), Decimal("8.15"))
    assert (record.id, record.timestamp) == ("txn_1795249765_9dfea962", T0)
    assert (record.negotiation_id, record.settled, record.path) == (None, False, path)


def test_a_transaction_may_say_role_and_price_per_gallon(old: OldTree) -> None:
    payload = trade_payload(role="seller", pricePerGallon=3, timestamp=T0 + 0.75)
    del payload["type"], payload["pricePerUnit"]
    old.team_event(ALICE, T0, "add_transaction", payload)
    [record] = read_source(old.root).transactions
    assert (record.side, record.price, record.timestamp) == ("sell", Decimal(3), T0)


def test_a_transaction_without_a_time_has_that_of_its_event(old: OldTree) -> None:
    old.team_event(ALICE, T0 + 7.5, "add_transaction", trade_payload(timestamp=None))
    assert read_source(old.root).transactions[0].timestamp == T0 + 7


def test_both_sides_of_a_trade_are_kept_though_they_share_an_id(old: OldTree) -> None:
    shared = {"transactionId": "trade_1"}
    old.team_event(ALICE, T0, "add_transaction", trade_payload("txn_1", **shared))
    mirrored = trade_payload("txn_2", type="sell", counterparty=ALICE, **shared)
    old.team_event(BOB, T0, "add_transaction", mirrored)
    found = [(one.owner, one.id, one.side) for one in read_source(old.root).transactions]
    assert found == [(ALICE, "trade_1", "buy"), (BOB, "trade_1", "sell")]


def test_events_that_no_record_needs_are_not_opened(old: OldTree) -> None:
    for number, type in enumerate(("adjust_chemical", "add_counter_offer", "add_notification")):
        old.put(f"teams/{ALICE}/event_{T0 + number}.000000_{type}.json", b"{torn")
    data = read_source(old.root)
    assert data.unreadable == ()
    assert data.counts["L3"].skipped == 3


def test_an_event_whose_name_and_type_differ_is_reported(old: OldTree) -> None:
    path = old.team_event(ALICE, T0, "init", {})
    record = json.loads((old.root / path).read_text())
    old.put(path, record | {"type": "set_funds"})
    assert reasons(read_source(old.root)) == {path: "its name and its type differ"}


# ------------------------------------------------------------------ L1


def l1_team(old: OldTree, team: str = ALICE, **files: Any) -> None:
    for name, content in files.items():
        old.put(f"teams/{team}/{name}.json", content)


def l1_trade(side: str, counterparty: str, **changes: Any) -> dict[str, Any]:
    return {
        "transactionId": "trade_1795249760_00c0ffee",
        "role": side,
        "chemical": "D",
        "quantity": 10,
        "pricePerGallon": 2.5,
        "totalAmount": 25,
        "counterparty": counterparty,
        "counterpartyName": "Calm Otter",
        "offerId": "offer_1",
    } | changes


def test_snapshots_become_profiles_orders_and_transactions(old: OldTree) -> None:
    buy = {"id": "buy_1", "buyerId": ALICE, "chemical": "C", "quantity": 4, "maxPrice": 9}
    ad = {"id": "ad_1", "chemical": "Q", "type": "sell", "status": "active", "createdAt": T0}
    l1_team(
        old,
        profile={"email": ALICE, "teamName": "Swift Bear", "createdAt": T0, "currentFunds": 77},
        offers_made={"offers": [offer_payload("offer_1")], "lastModified": T0},
        offers_received={"interests": [{**buy, "createdAt": T0, "status": "active"}]},
        advertisements={"ads": [ad]},
        transactions={"transactions": [l1_trade("buyer", BOB)]},
    )
    data = read_source(old.root)
    assert data.unreadable == ()
    assert data.generations == ("L1",)
    assert [(one.address, one.display_name) for one in data.profiles] == [(ALICE, "Swift Bear")]
    assert [(o.id, o.kind, o.side, o.owner) for o in data.orders] == [
        ("ad_1", "ad", "sell", ALICE),
        ("buy_1", "buy_order", "buy", ALICE),
        ("offer_1", "offer", "sell", ALICE),
    ]
    [trade] = data.transactions
    assert (trade.generation, trade.side, trade.price) == ("L1", "buy", Decimal("2.5"))
    assert trade.timestamp == 1795249760, "the id has the time, where nothing else does"


def test_the_markets_list_of_trades_fills_in_a_missing_side_and_the_time(old: OldTree) -> None:
    l1_team(old, profile={"email": ALICE}, transactions={"transactions": [l1_trade("buyer", BOB)]})
    trade = l1_trade("", "", sellerId=BOB, buyerId=ALICE, timestamp=T0 + 3)
    old.put("marketplace/completed_trades.json", {"trades": [trade]})
    data = read_source(old.root)
    assert [(t.owner, t.side, t.counterparty, t.timestamp) for t in data.transactions] == [
        (ALICE, "buy", BOB, T0 + 3),
        (BOB, "sell", ALICE, T0 + 3),
    ]
    assert data.transactions[0].path == f"teams/{ALICE}/transactions.json#transactions/0"
    assert data.transactions[1].path == "marketplace/completed_trades.json#trades/0"


def test_a_teams_own_list_overrides_the_markets_list_of_offers(old: OldTree) -> None:
    listed = [offer_payload(f"offer_{number}") for number in (1, 2, 3)]
    old.put("marketplace/active_offers.json", {"offers": listed, "buyOrders": []})
    own = [
        offer_payload("offer_1") | {"quantity": 5},
        offer_payload("offer_2") | {"status": "sold"},
    ]
    l1_team(old, profile={"email": ALICE}, offers_made={"offers": own})
    data = read_source(old.root)
    assert {order.id: order.quantity for order in data.orders} == {"offer_1": 5, "offer_3": 59}
    assert data.counts["L1"].closed_orders == 1


def test_private_snapshots_are_not_opened(old: OldTree) -> None:
    l1_team(
        old, inventory=b"{torn", shadow_prices=b"{torn", notifications=b"", profile={"email": ALICE}
    )
    data = read_source(old.root)
    assert data.unreadable == ()
    assert data.counts["L1"].private == 3


def test_a_team_without_a_profile_is_found_by_its_directory_name(old: OldTree) -> None:
    books = {"transactions": [l1_trade("buyer", BOB)]}
    old.put("teams/a_b@x.edu/transactions.json", books)
    assert read_source(old.root).transactions[0].owner == "a_b@x.edu"
    old.negotiation(initiatorId="a+b@x.edu", offers=[], lastOfferBy=None)
    assert read_source(old.root).transactions[0].owner == "a+b@x.edu"
    old.negotiation("neg_2", initiatorId="a b@x.edu".replace(" ", "*"), offers=[], lastOfferBy=None)
    data = read_source(old.root)
    assert data.transactions == ()
    assert "could be any of a*b@x.edu, a+b@x.edu" in reasons(data)["teams/a_b@x.edu"]


def test_one_bad_entry_of_a_snapshot_leaves_the_others(old: OldTree) -> None:
    offers = [7, offer_payload("../x"), offer_payload("offer_1")]
    l1_team(old, profile={"email": ALICE}, offers_made={"offers": offers})
    data = read_source(old.root)
    assert one_order(data).id == "offer_1"
    where = f"teams/{ALICE}/offers_made.json#offers"
    assert [*reasons(data)] == [f"{where}/0", f"{where}/1"]


# ------------------------------------------------------------------ L4


def test_the_database_becomes_the_same_records(old: OldTree) -> None:
    database = old.database()
    database.negotiation(status="rejected", rejected_by=BOB, rejected_at=T0 + 9, updated_at=T0 + 9)
    database.offer("neg_1", BOB, 507.63599999999997, 90.5, T0 + 5)
    database.offer("neg_1", ALICE, 5.5, 100.0, T0)
    database.event("team_events", ALICE, T0, "init", {"profile": {"email": ALICE}})
    database.event("team_events", ALICE, T0, "adjust_chemical", "{torn")
    database.event("team_events", ALICE, T0 + 1, "add_transaction", trade_payload())
    reason = {"negotiationId": "neg_1", "status": "rejected", "reason": "too dear"}
    database.event("team_events", ALICE, T0 + 2, "close_negotiation", reason)
    database.event("marketplace_events", ALICE, T0 + 2, "remove_offer", {"id": "offer_2"})
    database.event("marketplace_events", ALICE, T0, "add_offer", offer_payload("offer_1"))
    database.event("marketplace_events", ALICE, T0 + 1, "add_offer", offer_payload("offer_2"))
    database.event("marketplace_events", ALICE, T0 + 1, "team_joined", {})
    data = read_source(old.root)
    assert data.unreadable == ()
    [record] = data.negotiations
    assert (record.generation, record.side, record.session) == ("L4", "sell", 2)
    assert record.offers == (
        OldOffer(ALICE, Decimal("5.5"), Decimal(100), T0),
        OldOffer(BOB, Decimal("507.636"), Decimal("90.5"), T0 + 5),
    )
    assert (record.closed_by, record.closed_at, record.reason) == (BOB, T0 + 9, "too dear")
    assert record.path == "cndq.db#negotiations/1"
    assert [one.address for one in data.profiles] == [ALICE]
    assert data.transactions[0].path == "cndq.db#team_events/3"
    assert one_order(data).id == "offer_1"
    assert (data.counts["L4"].event_files, data.counts["L4"].team_event_files) == (4, 4)


def test_columns_that_came_later_may_be_absent(old: OldTree) -> None:
    older = SCHEMA.replace("rejection_reason TEXT,", "").replace(", ad_id TEXT", "")
    database = old.database(older)
    database.negotiation(status="rejected", rejected_by="system")
    database.offer("neg_1", ALICE, 1, 1)
    [record] = read_source(old.root).negotiations
    assert (record.status, record.closed_by, record.reason) == ("rejected", None, None)


def test_nothing_is_written_beside_a_database_in_wal_mode(old: OldTree) -> None:
    database = old.database()
    database.negotiation()
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    before = footprint(old.root)
    assert len(read_source(old.root).negotiations) == 1
    assert footprint(old.root) == before
    assert [path.name for path in old.root.iterdir()] == ["cndq.db"]


def test_changes_that_are_still_in_the_wal_are_reported(old: OldTree) -> None:
    database = old.database()
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM negotiations").fetchone()
        database.negotiation()  # stays in the -wal while somebody still reads the old state
        before = footprint(old.root)
        data = read_source(old.root)
        assert footprint(old.root) == before
    assert "not in the database yet" in reasons(data)["cndq.db-wal"]


def test_a_hostile_row_makes_no_record(old: OldTree) -> None:
    database = old.database()
    database.negotiation("../../x")
    database.negotiation("neg_2", initiator_id="../x")
    database.negotiation("neg_3", last_offer_by=b"\xff\x00")
    database.negotiation("neg_4")
    database.offer("neg_5", ALICE, 1, 1)
    database.event("marketplace_events", ALICE, T0, "add_offer", "{torn")
    database.event("team_events", ALICE, T0, "init", "[" * 100_000)
    database.insert("team_events", team_email=ALICE, event_type="init", payload=b"{}", timestamp=1)
    data = read_source(old.root)
    assert [record.id for record in data.negotiations] == ["neg_4"]
    assert [*reasons(data)] == [
        "cndq.db#marketplace_events/1",
        "cndq.db#negotiation_offers",
        "cndq.db#negotiations/1",
        "cndq.db#negotiations/2",
        "cndq.db#negotiations/3",
        "cndq.db#team_events/1",
        "cndq.db#team_events/2",
    ]


def test_text_that_is_no_utf8_spoils_its_own_row_only(old: OldTree) -> None:
    database = old.database()
    database.negotiation("neg_1")
    database.negotiation("neg_2")
    with contextlib.closing(sqlite3.connect(database.path)) as connection:
        connection.execute("UPDATE negotiations SET chemical = CAST(x'ff' AS TEXT) WHERE rowid = 1")
        connection.execute(
            "UPDATE negotiations SET initiator_name = CAST(x'41ff' AS TEXT) WHERE rowid = 2"
        )
        connection.commit()
    data = read_source(old.root)
    assert [(one.id, one.initiator_name) for one in data.negotiations] == [("neg_2", "A\ufffd")]
    assert [*reasons(data)] == ["cndq.db#negotiations/1"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no database at all" * 99, "not a database"), (b"", "none of the tables")],
)
def test_a_file_that_is_no_database_is_reported(old: OldTree, content: bytes, reason: str) -> None:
    old.put("cndq.db", content)
    old.negotiation()
    data = read_source(old.root)
    assert reason in reasons(data)["cndq.db"]
    assert len(data.negotiations) == 1


def test_a_torn_database_gives_what_is_left_of_it(old: OldTree) -> None:
    database = old.database()
    for number in range(200):
        database_row = trade_payload(f"txn_{number}")
        database.event("team_events", ALICE, T0 + number, "add_transaction", database_row)
    content = bytearray(database.path.read_bytes())
    content[len(content) // 2 :] = b"\x00" * (len(content) - len(content) // 2)
    database.path.write_bytes(content)
    database_before = footprint(old.root)
    data = read_source(old.root)
    assert data.unreadable
    assert footprint(old.root) == database_before


@pytest.mark.parametrize("make", ["link", "fifo", "directory"])
def test_a_database_that_is_no_regular_file_is_not_opened(
    old: OldTree, tmp_path: Path, make: str
) -> None:
    elsewhere = OldTree(tmp_path / "elsewhere").database()
    elsewhere.negotiation()
    old.root.mkdir()
    path = old.root / "cndq.db"
    if make == "link":
        path.symlink_to(elsewhere.path)
    elif make == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    data = read_source(old.root)
    assert [*reasons(data)] == ["cndq.db"]
    assert data.negotiations == ()


def test_a_database_under_an_awkward_path_is_opened(tmp_path: Path) -> None:
    old = OldTree(tmp_path / "a?b#c%20d" / "data")
    old.database().negotiation()
    assert len(read_source(old.root).negotiations) == 1


# ------------------------------------------------------------------ several generations


def test_of_a_negotiation_in_file_and_database_the_newer_one_counts(old: OldTree) -> None:
    database = old.database()
    for id, at in (("neg_1", T0 + 9), ("neg_2", T0 + 1), ("neg_3", T0 + 5)):
        old.negotiation(id)  # updated at T0 + 5
        database.negotiation(id, updated_at=at)
    data = read_source(old.root)
    found = {record.id: record.generation for record in data.negotiations}
    assert found == {"neg_1": "L4", "neg_2": "L2", "neg_3": "L4"}
    assert data.counts["L4"].duplicates == 3


def test_a_reason_that_only_the_older_record_has_is_kept(old: OldTree) -> None:
    old.negotiation(status="rejected", rejectedBy=BOB, rejection_reason="too dear")
    old.database().negotiation(status="rejected", rejected_by=BOB, updated_at=T0 + 9)
    [record] = read_source(old.root).negotiations
    assert (record.generation, record.reason) == ("L4", "too dear")


def test_two_files_of_one_negotiation_are_one_negotiation(old: OldTree) -> None:
    old.negotiation("neg_1", file="copy", updatedAt=T0 + 9)
    old.negotiation("neg_1")
    data = read_source(old.root)
    assert [record.updated_at for record in data.negotiations] == [T0 + 9]
    assert data.counts["L2"].duplicates == 1


def test_a_transaction_in_snapshot_and_event_is_one_transaction(old: OldTree) -> None:
    trade = l1_trade("buyer", BOB)
    l1_team(old, profile={"email": ALICE}, transactions={"transactions": [trade]})
    old.team_event(ALICE, T0 + 4, "add_transaction", trade)
    data = read_source(old.root)
    assert [(one.generation, one.timestamp) for one in data.transactions] == [("L3", T0 + 4)]
    assert data.counts["L3"].duplicates == 1
    assert data.unreadable == ()


def test_two_versions_of_one_transaction_are_reported(old: OldTree) -> None:
    l1_team(old, profile={"email": ALICE}, transactions={"transactions": [l1_trade("buyer", BOB)]})
    path = old.team_event(ALICE, T0, "add_transaction", l1_trade("buyer", BOB, quantity=11))
    data = read_source(old.root)
    assert [one.quantity for one in data.transactions] == [11]
    [(where, reason)] = reasons(data).items()
    assert where == f"teams/{ALICE}/transactions.json#transactions/0"
    assert path in reason


def test_a_later_generation_withdraws_what_an_earlier_one_lists(old: OldTree) -> None:
    offers = [offer_payload(f"offer_{number}") for number in (1, 2, 3)]
    l1_team(old, profile={"email": ALICE}, offers_made={"offers": offers})
    old.market_event(ALICE, T0 + 1, "remove_offer", {"id": "offer_1"})
    old.offer("offer_4", T0 + 2)
    old.offer("offer_5", T0 + 6)
    database = old.database()
    for at, id in ((3, "offer_2"), (4, "offer_4"), (5, "offer_5")):
        database.event("marketplace_events", ALICE, T0 + at, "remove_offer", {"id": id})
    assert ids(read_source(old.root), "offer") == ["offer_3", "offer_5"]


def test_events_that_were_copied_into_the_database_change_nothing(old: OldTree) -> None:
    events = [
        (T0 + 0.1, "add_offer", offer_payload("offer_1")),
        (T0 + 0.2, "update_offer", {"id": "offer_1", "updates": {"quantity": 7}}),
        (T0 + 0.3, "add_offer", offer_payload("offer_2")),
        (T0 + 0.4, "remove_offer", {"id": "offer_2"}),
    ]
    for event in events:
        old.market_event(ALICE, *event)
    alone = read_source(old.root)
    database = old.database()
    for event in events:
        database.event("marketplace_events", ALICE, *event)
    both = read_source(old.root)
    assert [(o.id, o.quantity) for o in alone.orders] == [("offer_1", Decimal(7))]
    assert [(o.id, o.quantity) for o in both.orders] == [("offer_1", Decimal(7))]


# ------------------------------------------------------------------ L5

DEAL = "alice_bob_C_1704312345"


def test_a_namespace_becomes_a_record_with_both_states(old: OldTree) -> None:
    old.state(BOB, "unrelated", BOB)
    alice = old.state(ALICE, DEAL, ALICE, status="agreed", agreement_key="ab" * 32)
    bob = old.state(ALICE, DEAL, BOB, role="seller", offer={"price": 6, "quantity": 900})
    old.link(BOB, DEAL, f"../../{ALICE}/negotiations/{DEAL}")
    data = read_source(old.root)
    assert data.unreadable == ()
    assert data.generations == ("L5",)
    [record, _] = data.namespaces
    assert (record.id, record.initiator, record.responder) == (DEAL, ALICE, BOB)
    assert record.path == f"teams/{ALICE}/negotiations/{DEAL}"
    first, second = record.states
    assert (first.user, first.role, first.path) == (ALICE, "buyer", alice)
    assert (first.status, first.has_key, first.last_updated) == ("agreed", True, T0 + 1)
    assert (first.chemical, first.price, first.quantity) == ("C", Decimal("5.5"), Decimal(1000))
    assert (second.user, second.role, second.path) == (BOB, "seller", bob)
    assert (second.status, second.has_key) == ("pending", False)
    assert second.offered_at == T0 + 1, "an offer without a time has that of its state"
    assert (data.counts["L5"].files, data.counts["L5"].links) == (4, 1)


@pytest.mark.parametrize("role", ["unknown", None, "", ...])
def test_a_state_may_lack_its_role(old: OldTree, role: Any) -> None:
    old.state(ALICE, DEAL, ALICE, role=role)
    [record] = read_source(old.root).namespaces
    assert record.states[0].role is None


def test_a_state_may_lack_an_offer(old: OldTree) -> None:
    old.state(ALICE, DEAL, ALICE, offer=[], chemical="")
    [record] = read_source(old.root).namespaces
    [state] = record.states
    assert (state.price, state.quantity, state.offered_at, state.chemical) == (None,) * 4


def test_an_empty_namespace_is_carried_without_states(old: OldTree) -> None:
    (old.root / "teams" / ALICE / "negotiations" / DEAL).mkdir(parents=True)
    data = read_source(old.root)
    [record] = data.namespaces
    assert (record.initiator, record.responder, record.states) == (ALICE, None, ())
    assert data.unreadable == ()


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("answered", [True, False])
def test_the_state_of_a_third_party_is_left_out(old: OldTree, linked: bool, answered: bool) -> None:
    old.state(ALICE, DEAL, ALICE)
    path = old.state(ALICE, DEAL, "mallory@x.edu")
    if linked:
        old.link(BOB, DEAL, f"/somewhere/else/{DEAL}")
    if answered:
        old.state(ALICE, DEAL, BOB)
    data = read_source(old.root)
    [record] = data.namespaces
    assert [state.user for state in record.states] == [ALICE, BOB][: 1 + answered]
    assert record.responder == (BOB if linked or answered else None)
    assert reasons(data) == {path: "left by 'mallory@x.edu', who is no party"}


def test_the_link_says_which_of_two_namesakes_is_the_responder(old: OldTree) -> None:
    namesake = "bob@other.edu"
    old.state(ALICE, DEAL, ALICE)
    old.state(ALICE, DEAL, namesake)
    old.link(namesake, DEAL, f"../../{ALICE}/negotiations/{DEAL}")
    old.state(BOB, "bob_zoe_C_1", BOB)
    [record, _] = read_source(old.root).namespaces
    assert record.responder == namesake


def test_an_id_in_another_form_still_has_its_two_parties(old: OldTree) -> None:
    old.state(ALICE, "deal-7", ALICE)
    old.state(ALICE, "deal-7", BOB)
    [record] = read_source(old.root).namespaces
    assert (record.initiator, record.responder) == (ALICE, BOB)


def test_a_short_name_with_an_underscore_is_no_riddle(old: OldTree) -> None:
    mary, jane = "mary@x.edu", "jane_bob@x.edu"
    id = "mary_jane_bob_C_1"
    old.state("mary@x.edu", id, mary)
    old.state("mary@x.edu", id, jane)
    old.state("mary@x.edu", id, "jane@x.edu")
    old.link(jane, id, f"../../{mary}/negotiations/{id}")
    [record] = read_source(old.root).namespaces
    assert record.responder == jane


def test_a_dangling_link_is_reported_and_a_linked_namespace_is_read_once(old: OldTree) -> None:
    old.state(ALICE, DEAL, ALICE)
    old.link(BOB, DEAL, str(old.root / "teams" / ALICE / "negotiations" / DEAL))
    path = old.link(BOB, "carol_bob_C_1", "../../nowhere/negotiations/carol_bob_C_1")
    data = read_source(old.root)
    assert len(data.namespaces) == 1
    assert reasons(data) == {path: "a link to a namespace that is not there"}
    assert data.counts["L5"].links == 2


def test_a_namespace_that_was_copied_instead_of_linked_is_one_namespace(old: OldTree) -> None:
    for owner in (BOB, ALICE, "zoe@x.edu"):
        id = DEAL if owner != "zoe@x.edu" else "alice_zoe_C_1"
        old.state(owner, id, ALICE)
        old.state(owner, id, BOB if owner != "zoe@x.edu" else "zoe@x.edu")
    old.state(ALICE, "alice_zoe_C_1", ALICE)
    old.state(ALICE, "alice_zoe_C_1", "zoe@x.edu")
    data = read_source(old.root)
    assert [(one.initiator, one.responder) for one in data.namespaces] == [
        (ALICE, BOB),
        (ALICE, "zoe@x.edu"),
    ]
    assert data.counts["L5"].duplicates == 2


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"user": "../x"}, "user"),
        ({"user": BOB}, "its name says 'alice'"),
        ({"chemical": "C/D"}, "chemical"),
        ({"status": "open"}, "status"),
        ({"role": "broker"}, "role"),
        ({"offer": {"price": -1, "quantity": 1}}, "offer.price"),
        ({"offer": {"price": 1}}, "offer.quantity"),
        ({"last_updated": "now"}, "last_updated"),
        ({"schema": "nom.state/1"}, "new layout"),
    ],
)
def test_a_state_that_makes_no_sense_is_reported(
    old: OldTree, changes: dict[str, Any], word: str
) -> None:
    path = old.state(ALICE, DEAL, ALICE)
    record = json.loads((old.root / path).read_text())
    old.put(path, record | changes)
    old.state(ALICE, DEAL, BOB)
    data = read_source(old.root)
    [record] = data.namespaces
    assert [state.user for state in record.states] == [BOB]
    assert word in reasons(data)[path]


def test_a_namespace_with_an_impossible_name_is_reported(old: OldTree) -> None:
    old.state(ALICE, "two words", ALICE)
    data = read_source(old.root)
    assert data.namespaces == ()
    assert [*reasons(data)] == [f"teams/{ALICE}/negotiations/two words"]


def test_a_transaction_file_becomes_a_record(old: OldTree) -> None:
    path = old.book(ALICE, "1704312400_buy_C_from_bob", settled=True)
    [record] = read_source(old.root).transactions
    assert (record.id, record.generation) == ("1704312400_buy_C_from_bob", "L5")
    assert (record.owner, record.counterparty, record.side) == (ALICE, BOB, "buy")
    assert (record.negotiation_id, record.settled, record.path) == (DEAL, True, path)


def test_a_deal_that_was_executed_twice_is_carried_twice_and_told(old: OldTree) -> None:
    for at in (1704312400, 1704312460):
        old.book(ALICE, f"{at}_buy_C_from_bob", timestamp=at)
    old.book(BOB, "1704312400_sell_C_to_alice", type="sell", counterparty=ALICE)
    data = read_source(old.root)
    assert len(data.transactions) == 3
    [group] = data.repeated_transactions()
    assert [one.timestamp for one in group] == [1704312400, 1704312460]
    assert {one.owner for one in group} == {ALICE}


def test_the_mirror_says_whose_books_they_are(old: OldTree) -> None:
    old.book("a_b@x.edu", "1_buy_C_from_bob")
    old.book("a_b@x.edu", "2_buy_C_from_bob", negotiation_id="a_b_bob_C_2")
    old.book(BOB, "1_sell_C_to_a+b", type="sell", counterparty="a+b@x.edu")
    old.negotiation(initiatorId="a_b@x.edu", offers=[], lastOfferBy=None)
    data = read_source(old.root)
    assert [(one.id, one.owner) for one in data.transactions] == [
        ("1_buy_C_from_bob", "a+b@x.edu"),
        ("1_sell_C_to_a+b", BOB),
    ]
    reason = reasons(data)["teams/a_b@x.edu/transactions/2_buy_C_from_bob.json"]
    assert "could be any of a+b@x.edu, a_b@x.edu" in reason


@pytest.mark.parametrize(
    "changes",
    [
        {"counterparty": "../x"},
        {"quantity": 0},
        {"type": "swap"},
        {"negotiation_id": "../x"},
        {"timestamp": None},
        {"schema": "nom.transaction/1"},
    ],
)
def test_a_transaction_that_makes_no_sense_makes_no_record(
    old: OldTree, changes: dict[str, Any]
) -> None:
    path = old.book(ALICE, "1_buy_C_from_bob", **changes)
    data = read_source(old.root)
    assert data.transactions == ()
    assert [(one.path, one.subject) for one in data.unreadable] == [(path, "transaction")]
