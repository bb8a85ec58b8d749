"""What holds after every poll, whatever came before it: the invariants of the design.

Asked through the face of the desk where it has an answer, so that it counts for packed
records, too; and of the bare tree where the desk would hide a fault.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import msgspec
from tests.faults.memory_os import HOME, Tree
from tests.faults.scene import ROOT, Scene

from nom_negotiate import Desk, Kind, Negotiation, codec
from nom_negotiate.core.listings import left_of, noted
from nom_negotiate.core.outcome import Transaction, mirrored
from nom_negotiate.errors import NomError
from nom_negotiate.poller import Report

_CHECKED: set[int] = set()

NAME = ROOT.removeprefix(f"{HOME}/")


def below(tree: Tree) -> Tree:
    """Return what lies in the data root, by the path in it."""
    return {
        path.removeprefix(f"{NAME}/"): what
        for path, what in tree.items()
        if path.startswith(f"{NAME}/")
    }


def polled(scene: Scene, *, scan: bool = False) -> Report:
    """Poll, and assert that all is well."""
    report = scene.desk.poll(scan=scan)
    check(scene, report)
    return report


def glanced(scene: Scene) -> Report:
    """Poll where somebody has died who may not have rung; assert what is so nevertheless.

    What was reported as done is: that was rung for. What somebody was in the middle of may wait
    for the next scan, so the two parties may not see the same yet.
    """
    report = scene.desk.poll()
    check(scene, report, both_see=False)
    return report


def check(scene: Scene, report: Report, *, both_see: bool = True) -> None:
    """Assert what must be so after any poll, and that what was reported as done is so."""
    assert not report.busy
    assert report.problems == []
    assert not scene.memory.disk.fds, "a descriptor was left open"
    desk = scene.desk
    ours = below(scene.memory.tree())
    key = _what_counts(ours, scene, both_see=both_see)
    if key in _CHECKED:
        return
    only_whole_files(ours)
    nothing_private_is_told(scene, ours)
    if both_see:
        one_outcome_that_both_see(desk)
    one_transaction_a_side(desk, ours)
    conserved(desk)
    no_listing_is_overdrawn(desk)
    scene.check_facts()
    _CHECKED.add(key)


def _what_counts(tree: Tree, scene: Scene, *, both_see: bool) -> int:
    """Return what the invariants follow from: nearly all worlds come to the same few ends."""
    said = {
        path: what
        for path, what in tree.items()
        if "/.tmp-" not in path and not path.startswith("poller/")
    }
    return hash(repr((said, both_see, [fact.name for fact in scene.facts])))


def only_whole_files(tree: Tree) -> None:
    """Invariant 1: whatever is read is whole."""
    for path, data in tree.items():
        decode = _decoder(path)
        if decode is not None and isinstance(data, bytes):
            try:
                decode(data)
            except Exception as error:
                raise AssertionError(f"{path} is not whole: {data[:80]!r}: {error}") from error


def nothing_private_is_told(scene: Scene, tree: Tree) -> None:
    """What a party wants stands in its private room only, where nobody else may look."""
    wanted: set[bytes] = set()
    for path, data in tree.items():
        if "/private/" not in path:
            continue
        # As the disk has it, whoever is acting: in an isolated root hardly anybody could look.
        disk = scene.memory.disk
        found = disk.find(f"{ROOT}/{path}", follow=False).inode
        assert found is not None
        mode = disk.inodes[found].attributes.mode
        assert mode == 0o600, f"{path} has mode {mode:o}"
        if ".autopilot." not in path and "/.tmp-" not in path and isinstance(data, bytes):
            kept = codec.decode_preferences(data)
            wanted.add(str(kept.reservation_price).encode())
    for path, data in tree.items():
        if "/private/" not in path and isinstance(data, bytes):
            assert not any(each in data for each in wanted), f"{path} tells {wanted}"


def _decoder(path: str) -> Callable[[bytes], object] | None:
    parts = path.split("/")
    name = parts[-1]
    # What lies in a spare namespace is removed before it becomes one.
    if any(part.startswith(".") or part == "spare" for part in parts):
        return None
    if name.endswith("_state.json"):
        return lambda data: codec.decode_state(data, parts[-2])
    if not name.endswith(".json"):
        return None
    by_room: dict[str, Callable[[bytes], Any]] = {
        "config.json": codec.decode_settings,
        "init.json": codec.decode_profile,
        "outcome.json": codec.decode_outcome,
        "transactions": codec.decode_transaction,
        "listings": codec.decode_listing,
        "private": codec.decode_autopilot if ".autopilot." in name else codec.decode_preferences,
    }
    return by_room.get(name) or by_room.get(parts[-2])


def torn(tree: Tree) -> set[str]:
    """Return where a record lies that is not whole: `transactions`, or the name of the file."""
    found = set()
    for path, data in below(tree).items():
        if isinstance(data, bytes) and not _is_whole(path, data):
            found.add("transactions" if "/transactions/" in path else path.rsplit("/", 1)[-1])
    return found


@functools.lru_cache(maxsize=4096)
def _is_whole(path: str, data: bytes) -> bool:
    decode = _decoder(path)
    try:
        if decode is not None:
            decode(data)
    except NomError:
        return False
    return True


def one_outcome_that_both_see(desk: Desk) -> None:
    """Invariants 2 and 3: concluded once, archived, and the same for both parties."""
    active, archived = desk.negotiations(), desk.archive()
    names = [(one.initiator, one.id) for one in (*active, *archived)]
    assert len(set(names)) == len(names), f"twice: {names}"
    for one in active:
        assert one.outcome is None, f"{one.id} is concluded and not archived"
    for one in archived:
        assert one.outcome is not None, f"{one.id} is archived and not concluded"
    for one in (*active, *archived):
        assert one.responder is not None
        for side in (one.initiator, one.responder):
            assert desk.party(side).negotiation(one.id) == one, f"{side} sees another {one.id}"
    for party in desk.parties():
        for is_archived, all_ in ((False, active), (True, archived)):
            mine = {one.id for one in all_ if party.address in (one.initiator, one.responder)}
            listed = [one.id for one in party.negotiations(archived=is_archived)]
            assert sorted(listed) == sorted(mine), f"{party.address} lists {listed}, not {mine}"


def one_transaction_a_side(desk: Desk, tree: Tree) -> None:
    """Invariant 4: exactly those transactions that the outcomes stand for, to the byte."""
    expected = sorted(
        (party, repr(transaction))
        for one in desk.archive()
        for party, transaction in _stands_for(one).items()
    )
    found = sorted(
        (party.address, repr(msgspec.structs.replace(filed.transaction, settled=False)))
        for party in desk.parties()
        for filed in party.transactions()
        if "legacy_id" not in filed.transaction.extra
    )
    assert found == expected
    for party in desk.parties():
        for filed in party.transactions():
            data = tree.get(f"teams/{party.address}/transactions/{filed.name}")
            if data is not None and "legacy_id" not in filed.transaction.extra:
                assert data == codec.encode(filed.transaction), f"{filed.name} has other bytes"


def _stands_for(one: Negotiation) -> dict[Any, Transaction]:
    assert one.outcome is not None
    if one.outcome.outcome is not Kind.AGREED:
        assert not one.outcome.transactions
        return {}
    both = mirrored(one.outcome)
    assert len(both) == 2 or "legacy_id" in one.outcome.extra
    return both


def conserved(desk: Desk) -> None:
    """Invariant 9: what is bought is sold, and what is paid is received."""
    for chemical, volume in desk.stats().volumes.items():
        assert volume.conserved, f"{chemical}: {volume}"


def no_listing_is_overdrawn(desk: Desk) -> None:
    """No more is sold or bought in answer to a listing than it says, and no more is noted."""
    for row in desk.listings(closed=True):
        quantity = row.listing.quantity
        dealt = desk.store.dealt(row.listing.user, [row.listing]).get(row.listing.id, {})
        assert quantity is None or sum(dealt.values()) <= quantity, f"{row.listing.id}: {dealt}"
        left = left_of(row.listing, dealt.values())
        if row.listing.left is not None and left is not None:
            assert row.listing.left >= noted(left), f"{row.listing}: {dealt}"


def nothing_left_over(tree: Tree) -> None:
    """Invariant 7: no temporary file, nothing hidden, no link to nothing."""
    ours = below(tree)
    for path, what in ours.items():
        name = path.rsplit("/", 1)[-1]
        assert not name.startswith(".") or name == ".lock", f"left over: {path}"
        if isinstance(what, str):
            target = os.path.normpath(f"{os.path.dirname(path)}/{what}")
            assert target in ours, f"leads to nothing: {path} -> {what}"


def lasting(tree: Tree) -> Tree:
    """Return what a poll without anything to do leaves as it is."""
    return {path: what for path, what in below(tree).items() if path != "poller/stats.jsonl"}
