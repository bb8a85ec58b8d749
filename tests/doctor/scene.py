"""A data root in which every kind of thing occurs, and what can be wrong with it.

An *ailment* does one thing to the root that should not have been done, and says what the doctor
has to find then.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support import ALICE, BOB, CAROL

from nom_negotiate import Desk
from nom_negotiate.doctor import Diagnosis, examine
from nom_negotiate.preferences import set_preferences
from nom_negotiate.store.files import mending
from nom_negotiate.store.files.inspection import Finding, Severity

LONG_AGO: Final = mending.LEFT_OVER_S + 60
ROOMS: Final = ("transactions", "negotiations", "negotiations_archive", "listings", "private")


class Scene:
    """The root of three parties: a deal that is settled, a rejection, one that goes on.

    Attributes:
        path: of the root.
        deal: id of the negotiation of alice and bob that is settled and archived.
        rejected: id of the one of bob and carol that was rejected.
        open: id of the one of alice and carol that goes on.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.desk = Desk(path, durable=False, validators=(), after_settlement=())
        if not path.exists():
            self._play()
        self.deal, self.rejected, self.open = (path / "ids").read_text().split()

    def _play(self) -> None:
        self.desk.initialise()
        alice, bob, carol = map(self.desk.party, (ALICE, BOB, CAROL))
        terms: Any = {"price": "5.5", "quantity": 10}
        deal = alice.start(BOB, chemical="C", role="buyer", **terms).id
        bob.accept(deal)
        rejected = bob.start(CAROL, chemical="N", role="seller", **terms).id
        carol.reject(rejected)
        self.desk.poll()
        going_on = alice.start(CAROL, chemical="D", role="seller", **terms).id
        carol.offer(going_on, price="5", quantity=10)
        (self.path / "ids").write_text(f"{deal} {rejected} {going_on}")

    # Where things are

    def home(self, party: str) -> Path:
        return self.path / "teams" / party

    def active(self, party: str = ALICE) -> Path:
        return self.home(party) / "negotiations" / self.open

    def archived(self, party: str = ALICE) -> Path:
        return self.home(party) / "negotiations_archive" / self.deal

    def transaction(self, party: str) -> Path:
        [found] = (self.home(party) / "transactions").iterdir()
        return found

    def prefer(self) -> Path:
        """Let alice say what she wants of any C; return where that is kept."""
        set_preferences(
            self.desk.party(ALICE),
            chemical="C",
            role="seller",
            reservation_price="4.3217",
            target_quantity=10,
        )
        return self.home(ALICE) / "private" / "C.seller.json"

    # What the doctor says

    def examine(self, *, repair: bool = False, mount: bool = False) -> Diagnosis:
        return examine(self.desk, repair=repair, mount=mount, wait_s=0.2)

    def findings(self) -> list[tuple[str, str]]:
        return [(one.code, one.path) for one in self.examine().findings]

    def relative(self, path: Path) -> str:
        return str(path.relative_to(self.path))


def states(root: Path) -> list[bytes]:
    """Return the bytes of each state and outcome under a root, wherever it lies."""
    found = [
        path.read_bytes()
        for path in root.rglob("*.json")
        if path.name.endswith(("_state.json", "outcome.json")) and not path.is_symlink()
        if not any(parent.is_symlink() for parent in path.parents)
    ]
    return sorted(found)


def everything(root: Path) -> dict[str, object]:
    """Return all that lies under a root: modes, bytes of files, texts of links."""
    return {
        str(path.relative_to(root)): (
            os.readlink(path)
            if path.is_symlink()
            else (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        )
        for path in sorted(root.rglob("*"))
        if path.name not in (".lock", "lock")
    }


def aged(path: Path) -> Path:
    """Make `path` look as if it had been left behind long ago."""
    then = time.time() - LONG_AGO
    os.utime(path, (then, then), follow_symlinks=False)
    return path


# Ailments


class Ailment(NamedTuple):
    """Something that was done to a root.

    Attributes:
        name: what it is, for people.
        code: under which it is found.
        cause: does it, and returns the path at which it is found.
        also: other codes that follow from it.
    """

    name: str
    code: str
    cause: Callable[[Scene], Path]
    also: frozenset[str] = frozenset()


def ailment(
    table: list[Ailment], code: str, *also: str
) -> Callable[[Callable[[Scene], Path]], Callable[[Scene], Path]]:
    def register(cause: Callable[[Scene], Path]) -> Callable[[Scene], Path]:
        table.append(Ailment(cause.__name__, code, cause, frozenset(also)))
        return cause

    return register


UNFINISHED: list[Ailment] = []
"""What a pass finishes: notes."""

CURABLE: list[Ailment] = []
"""What a repair puts right."""

GRAVE: list[Ailment] = []
"""What needs a person."""


def file(path: Path, text: str = "what is this") -> Path:
    path.write_text(text)
    return path


def link(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    path.symlink_to(text)
    return path


def moved(source: Path, target: Path) -> Path:
    source.rename(target)
    return target


def edited(path: Path, **fields: object) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return path


# Left half done


@ailment(UNFINISHED, "left_over")
def a_temporary_file_in_a_room(scene: Scene) -> Path:
    return aged(file(scene.home(BOB) / "transactions" / ".tmp-1-2"))


@ailment(UNFINISHED, "left_over")
def a_temporary_file_in_a_negotiation(scene: Scene) -> Path:
    return aged(file(scene.active() / ".tmp-guarded-1-2"))


@ailment(UNFINISHED, "left_over")
def a_temporary_directory_in_the_root(scene: Scene) -> Path:
    path = scene.path / ".tmp-1-2"
    path.mkdir()
    return aged(path)


@ailment(UNFINISHED, "left_over")
def a_link_whose_negotiation_never_came(scene: Scene) -> Path:
    name = "alice_bob_Q_1"
    return aged(link(scene.home(BOB) / "negotiations" / name, f"../../{ALICE}/negotiations/{name}"))


@ailment(UNFINISHED, "missing_room")
def a_room_that_was_removed(scene: Scene) -> Path:
    (scene.home(CAROL) / "listings").rmdir()
    return scene.home(CAROL) / "listings"


@ailment(UNFINISHED, "unfinished")
def a_link_that_was_removed(scene: Scene) -> Path:
    scene.active(CAROL).unlink()
    return scene.active(CAROL)


@ailment(UNFINISHED, "unfinished")
def a_link_that_says_where_it_was_before_the_archive(scene: Scene) -> Path:
    new = scene.archived(BOB)
    old = scene.home(BOB) / "negotiations" / scene.deal
    new.unlink()
    (scene.path / "poller" / "swept").unlink()
    return link(old, f"../../{ALICE}/negotiations/{scene.deal}")


@ailment(UNFINISHED, "unfinished")
def an_outcome_that_was_not_settled_yet(scene: Scene) -> Path:
    active = moved(scene.archived(), scene.home(ALICE) / "negotiations" / scene.deal)
    scene.archived(BOB).unlink()
    link(scene.home(BOB) / "negotiations" / scene.deal, f"../../{ALICE}/negotiations/{scene.deal}")
    scene.transaction(BOB).unlink()
    (scene.path / "poller" / "swept").unlink()
    return active / "outcome.json"


# With one right answer


@ailment(CURABLE, "left_over")
def a_temporary_file_in_the_archive(scene: Scene) -> Path:
    return aged(file(scene.archived() / ".tmp-guarded-1-2"))


@ailment(CURABLE, "absolute_link")
def an_absolute_link(scene: Scene) -> Path:
    return link(scene.active(CAROL), str(scene.active()))


@ailment(CURABLE, "absolute_link")
def an_absolute_link_in_the_archive(scene: Scene) -> Path:
    return link(scene.archived(BOB), str(scene.archived()))


@ailment(CURABLE, "missing_link")
def a_link_that_was_removed_from_the_archive(scene: Scene) -> Path:
    scene.archived(BOB).unlink()
    return scene.archived(BOB)


@ailment(CURABLE, "left_over")
def a_link_to_nothing_in_the_archive(scene: Scene) -> Path:
    name = "alice_bob_Q_1"
    text = f"../../{ALICE}/negotiations_archive/{name}"
    return aged(link(scene.home(BOB) / "negotiations_archive" / name, text))


@ailment(CURABLE, "stray_link", "unfinished")
def a_link_to_another_negotiation(scene: Scene) -> Path:
    return link(scene.active(CAROL), f"../../{BOB}/negotiations/{scene.rejected}")


@ailment(CURABLE, "stray_link", "unfinished")
def a_link_out_of_the_root(scene: Scene) -> Path:
    return link(scene.active(CAROL), "/etc")


@ailment(CURABLE, "stray_link")
def a_link_at_somebody_who_is_no_party(scene: Scene) -> Path:
    return link(
        scene.home(CAROL) / "negotiations_archive" / scene.deal,
        f"../../{ALICE}/negotiations_archive/{scene.deal}",
    )


@ailment(CURABLE, "stray_link")
def a_link_to_oneself(scene: Scene) -> Path:
    return link(scene.home(ALICE) / "negotiations" / "loop_1", f"../../{ALICE}/negotiations/loop_1")


@ailment(CURABLE, "foreign")
def a_file_among_the_teams(scene: Scene) -> Path:
    return file(scene.path / "teams" / "notes.txt")


@ailment(CURABLE, "foreign")
def a_file_in_the_doorbell_that_is_no_hint(scene: Scene) -> Path:
    return file(scene.path / "poller" / "doorbell" / "notes.txt")


@ailment(CURABLE, "foreign")
def a_directory_in_the_place_of_a_hint(scene: Scene) -> Path:
    path = scene.path / "poller" / "doorbell" / f"{ALICE}:alice_bob_C_1"
    path.mkdir()
    return path


@ailment(CURABLE, "foreign")
def a_file_in_the_place_of_the_doorbell(scene: Scene) -> Path:
    shutil.rmtree(scene.path / "poller" / "doorbell")
    return file(scene.path / "poller" / "doorbell")


@ailment(CURABLE, "foreign")
def a_directory_in_the_place_of_the_scan_cache(scene: Scene) -> Path:
    path = scene.path / "poller" / "scan"
    path.unlink()
    path.mkdir()
    return path


@ailment(CURABLE, "foreign")
def a_file_among_the_negotiations(scene: Scene) -> Path:
    return file(scene.home(ALICE) / "negotiations" / "notes.txt")


@ailment(CURABLE, "foreign")
def an_empty_directory_of_no_id_among_the_negotiations(scene: Scene) -> Path:
    path = scene.home(ALICE) / "negotiations" / "what is this"
    path.mkdir()
    return path


@ailment(CURABLE, "foreign")
def a_file_in_a_negotiation(scene: Scene) -> Path:
    return file(scene.active() / "notes.txt")


@ailment(CURABLE, "foreign")
def a_fifo_in_a_negotiation(scene: Scene) -> Path:
    path = scene.active() / "pipe"
    os.mkfifo(path)
    return path


@ailment(CURABLE, "foreign")
def the_state_of_a_third_party(scene: Scene) -> Path:
    state = json.loads((scene.active() / "carol_state.json").read_text())
    return file(scene.active() / "bob_state.json", json.dumps(state | {"user": BOB}))


@ailment(CURABLE, "foreign")
def a_file_among_the_transactions(scene: Scene) -> Path:
    return file(scene.home(ALICE) / "transactions" / "notes.txt")


@ailment(CURABLE, "foreign")
def a_file_of_a_name_that_is_no_text(scene: Scene) -> Path:
    room = scene.home(ALICE) / "transactions"
    Path(os.fsdecode(os.fsencode(room) + b"/\xff\x1b[2J")).write_text("x")
    return room / "\\xff\x1b[2J"


@ailment(CURABLE, "foreign", "missing_room")
def a_file_in_the_place_of_a_room(scene: Scene) -> Path:
    room = scene.home(CAROL) / "listings"
    room.rmdir()
    return file(room)


@ailment(CURABLE, "foreign")
def a_fifo_in_the_place_of_a_lock(scene: Scene) -> Path:
    lock = scene.home(ALICE) / ".lock"
    lock.unlink(missing_ok=True)
    os.mkfifo(lock)
    return lock


@ailment(CURABLE, "malformed")
def a_listing_that_cannot_be_read(scene: Scene) -> Path:
    return file(scene.home(ALICE) / "listings" / "one.json", "{")


@ailment(CURABLE, "malformed", "unsettled", "not_conserved")
def a_transaction_that_cannot_be_read(scene: Scene) -> Path:
    return file(scene.transaction(ALICE), "{")


@ailment(CURABLE, "malformed", "unsettled", "not_conserved")
def a_directory_in_the_place_of_a_transaction(scene: Scene) -> Path:
    path = scene.transaction(ALICE)
    path.unlink()
    path.mkdir()
    return path


@ailment(CURABLE, "no_profile")
def a_profile_that_was_removed(scene: Scene) -> Path:
    (scene.home(BOB) / "init.json").unlink()
    return scene.home(BOB) / "init.json"


@ailment(CURABLE, "mode")
def a_private_room_that_everybody_may_read(scene: Scene) -> Path:
    path = scene.home(ALICE) / "private"
    path.chmod(0o755)
    return path


@ailment(CURABLE, "mode")
def preferences_that_everybody_may_read(scene: Scene) -> Path:
    path = scene.prefer()
    path.chmod(0o644)
    return path


@ailment(CURABLE, "mode")
def a_room_that_everybody_may_write(scene: Scene) -> Path:
    path = scene.home(ALICE) / "transactions"
    path.chmod(0o777)
    return path


@ailment(CURABLE, "mode")
def teams_that_everybody_may_write(scene: Scene) -> Path:
    path = scene.path / "teams"
    path.chmod(0o777)
    return path


@ailment(CURABLE, "mode")
def a_negotiation_that_everybody_may_write(scene: Scene) -> Path:
    scene.active().chmod(0o777)
    return scene.active()


@ailment(CURABLE, "empty_negotiation")
def a_negotiation_in_which_nobody_spoke(scene: Scene) -> Path:
    path = scene.home(ALICE) / "negotiations" / "alice_bob_Q_1"
    path.mkdir()
    return aged(path)


@ailment(CURABLE, "stale_copy", "unfinished")
def a_copy_of_what_was_archived_since(scene: Scene) -> Path:
    copy = scene.home(ALICE) / "negotiations" / scene.deal
    shutil.copytree(scene.archived(), copy)
    (copy / "outcome.json").unlink()
    return copy


@ailment(CURABLE, "unsettled", "not_conserved")
def a_transaction_that_was_lost(scene: Scene) -> Path:
    scene.transaction(BOB).unlink()
    return scene.archived() / "outcome.json"


@ailment(CURABLE, "unsettled")
def both_transactions_lost(scene: Scene) -> Path:
    scene.transaction(ALICE).unlink()
    scene.transaction(BOB).unlink()
    return scene.archived() / "outcome.json"


@ailment(CURABLE, "doubled_transaction", "not_conserved")
def a_transaction_that_is_there_twice(scene: Scene) -> Path:
    path = scene.transaction(ALICE)
    copy = path.with_name(path.name.replace(".json", "_2.json"))
    shutil.copy(path, copy)
    return copy


@ailment(CURABLE, "doubled_transaction", "not_conserved")
def a_copy_of_a_transaction_that_its_owner_has_marked(scene: Scene) -> Path:
    path = scene.transaction(ALICE)
    shutil.copy(path, path.with_name(path.name.replace(".json", "_2.json")))
    edited(path.with_name(path.name.replace(".json", "_2.json")), settled=True)
    return path


# For a person


@ailment(GRAVE, "malformed_settings")
def settings_that_cannot_be_read(scene: Scene) -> Path:
    return file(scene.path / "config.json", "{")


@ailment(GRAVE, "malformed_profile")
def a_profile_of_somebody_else(scene: Scene) -> Path:
    return edited(scene.home(BOB) / "init.json", address=CAROL)


@ailment(GRAVE, "unusable")
def a_state_that_cannot_be_read(scene: Scene) -> Path:
    return file(scene.active() / "carol_state.json", "{")


@ailment(GRAVE, "unusable")
def two_buyers(scene: Scene) -> Path:
    state = edited(scene.active() / "carol_state.json", role="seller")
    raw = json.loads(state.read_text())
    for field in ("agreement_key", "status"):
        raw.pop(field)
    state.write_text(json.dumps(raw | {"status": "pending"}))
    return state


@ailment(GRAVE, "unknown_schema")
def a_listing_of_a_later_version(scene: Scene) -> Path:
    return file(scene.home(ALICE) / "listings" / "one.json", '{"schema": "nom.listing/2"}')


@ailment(GRAVE, "malformed_private")
def preferences_that_cannot_be_read(scene: Scene) -> Path:
    return edited(scene.prefer(), reservation_price="four")


@ailment(GRAVE, "malformed_private")
def an_autopilot_that_is_a_link(scene: Scene) -> Path:
    return link(scene.home(ALICE) / "private" / f"{scene.open}.autopilot.json", "nowhere")


@ailment(GRAVE, "unknown_schema")
def preferences_of_a_later_version(scene: Scene) -> Path:
    return edited(scene.prefer(), schema="nom.preferences/2")


@ailment(GRAVE, "unknown_schema", "unsettled", "not_conserved")
def a_transaction_of_a_later_version(scene: Scene) -> Path:
    return edited(scene.transaction(ALICE), schema="nom.transaction/2")


@ailment(GRAVE, "malformed_outcome", "no_deal")
def an_outcome_that_cannot_be_read(scene: Scene) -> Path:
    return file(scene.archived() / "outcome.json", "{")


@ailment(GRAVE, "no_outcome", "no_deal")
def an_outcome_that_was_removed(scene: Scene) -> Path:
    (scene.archived() / "outcome.json").unlink()
    return scene.archived()


@ailment(GRAVE, "no_deal")
def a_negotiation_that_was_removed(scene: Scene) -> Path:
    shutil.rmtree(scene.archived())
    scene.archived(BOB).unlink()
    return scene.transaction(ALICE)


@ailment(GRAVE, "no_mirror", "not_conserved")
def a_transaction_on_one_side_only(scene: Scene) -> Path:
    shutil.rmtree(scene.archived())
    scene.archived(BOB).unlink()
    scene.transaction(BOB).unlink()
    return scene.transaction(ALICE)


@ailment(GRAVE, "deal_differs", "not_conserved")
def a_transaction_with_another_price(scene: Scene) -> Path:
    return edited(scene.transaction(ALICE), price=1)


@ailment(GRAVE, "deal_differs")
def both_transactions_with_another_price(scene: Scene) -> Path:
    edited(scene.transaction(ALICE), price=1)
    return edited(scene.transaction(BOB), price=1)


@ailment(GRAVE, "deal_differs")
def a_transaction_with_other_terms_in_words(scene: Scene) -> Path:
    return edited(scene.transaction(ALICE), delivery="to Alice")


@ailment(GRAVE, "unknown_party", "unsettled", "not_conserved")
def a_party_whose_directory_is_gone(scene: Scene) -> Path:
    shutil.rmtree(scene.home(BOB))
    return scene.archived()


@ailment(GRAVE, "foreign_directory")
def a_directory_of_nobody(scene: Scene) -> Path:
    path = scene.path / "teams" / "Alice"
    path.mkdir()
    return path


@ailment(GRAVE, "foreign_directory")
def a_copy_of_a_negotiation_that_somebody_made(scene: Scene) -> Path:
    copy = scene.home(ALICE) / "negotiations" / f"{scene.open} (copy)"
    shutil.copytree(scene.active(), copy)
    return copy


@ailment(GRAVE, "linked_room", "missing_link")
def a_room_that_is_a_link(scene: Scene) -> Path:
    room = scene.home(BOB) / "listings"
    room.rmdir()
    return link(room, "../../../elsewhere")


@ailment(GRAVE, "linked_room")
def a_party_that_is_a_link(scene: Scene) -> Path:
    return link(scene.path / "teams" / "dave@stonybrook.edu", BOB)


@ailment(GRAVE, "hidden")
def what_a_rollback_has_hidden(scene: Scene) -> Path:
    return file(scene.path / "teams" / ".undo-0123")


@ailment(GRAVE, "doubled_negotiation")
def a_copy_in_the_place_of_a_link(scene: Scene) -> Path:
    scene.active(CAROL).unlink()
    shutil.copytree(scene.active(), scene.active(CAROL))
    return scene.active()


@ailment(GRAVE, "doubled_negotiation", "unusable", "no_outcome")
def another_negotiation_in_the_archive(scene: Scene) -> Path:
    archived = scene.home(ALICE) / "negotiations_archive" / scene.open
    shutil.copytree(scene.active(), archived)
    (archived / "alice_state.json").write_bytes(
        (scene.archived() / "alice_state.json").read_bytes()
    )
    return scene.active()


@ailment(GRAVE, "writable_root")
def a_root_that_everybody_may_write(scene: Scene) -> Path:
    scene.path.chmod(0o777)
    return scene.path


def of(diagnosis: Diagnosis, code: str) -> list[Finding]:
    return [one for one in diagnosis.findings if one.code == code]


def codes(diagnosis: Diagnosis) -> set[str]:
    return {one.code for one in diagnosis.findings}


def worth_a_look(diagnosis: Diagnosis) -> set[str]:
    return {one.code for one in diagnosis.findings if one.severity is not Severity.NOTE}
