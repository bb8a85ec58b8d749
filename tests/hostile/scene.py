"""A data root in which everything is right, and ways to spoil it.

The deal that is spoilt is `VICTIM`. Around it stand one more negotiation of the same two
parties and one of two others, which go on, and a deal of each that is about to be settled.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.support import ALICE, BOB, CAROL, NOON, Clock

from nom_negotiate import Desk
from nom_negotiate.core.identity import directory_name, parse_address
from nom_negotiate.core.terms import CONDITIONS, agreement_key, parse_terms

DAVE: Final = "dave@stonybrook.edu"
PARTIES: Final = (ALICE, BOB, CAROL, DAVE)

VICTIM: Final = f"alice_bob_C_{NOON}"
SAME: Final = f"alice_bob_N_{NOON}"
DUE: Final = f"bob_alice_Q_{NOON}"
OTHERS: Final = f"carol_dave_C_{NOON}"
OTHERS_DUE: Final = f"carol_dave_D_{NOON}"

SECRET: Final = "hunter2"
"""What stands in every file outside the root, and must never come out."""

NOW: Final = NOON + 120


class Scene:
    """One data root, and a directory beside it that is none of its business.

    Attributes:
        base: holds both.
        root: the data root.
        outside: the directory beside it.
        clock: of every desk here.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "data"
        self.outside = base / "outside"
        self.clock = Clock(NOW)

    def desk(self, told: list[str]) -> Desk:
        return Desk(
            self.root,
            clock=self.clock,
            durable=False,
            validators=(),
            after_settlement=(),
            notice=told.append,
        )

    # Places

    def home(self, party: str) -> Path:
        return self.root / "teams" / directory_name(parse_address(party))

    def room(self, party: str, name: str) -> Path:
        return self.home(party) / name

    def namespace(self, negotiation_id: str = VICTIM, owner: str = ALICE) -> Path:
        return self.room(owner, "negotiations") / negotiation_id

    def file(self, who: str, negotiation_id: str = VICTIM) -> Path:
        owner = negotiation_id.partition("_")[0]
        return self.namespace(negotiation_id, f"{owner}@stonybrook.edu") / f"{who}_state.json"

    # What stands there

    def state(self, who: str, negotiation_id: str = VICTIM) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.file(who, negotiation_id).read_bytes())
        return fields

    def change(self, who: str, **fields: Any) -> None:
        """Change fields of one party's state; the key then binds what it says now."""
        self.replace(self.file(who), {**self.state(who), **fields})

    def change_offer(self, who: str, **fields: Any) -> None:
        self.change(who, offer={**self.state(who)["offer"], **fields})

    def replace(self, path: Path, state: dict[str, Any], *, key: bool = True) -> None:
        kept = {name: value for name, value in state.items() if value is not None}
        if key and kept.get("schema") and "agreement_key" in kept:
            kept["agreement_key"] = key_of(kept)
        path.write_text(json.dumps(kept))

    def originals(self) -> None:
        """Let both parties' files be of the original format, agreed."""
        for who in ("alice", "bob"):
            self.file(who).write_text(json.dumps(original(self.state(who))))

    def rename(self, who: str, name: str) -> None:
        """Give a party another display name."""
        path = self.home(f"{who}@stonybrook.edu") / "init.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "display_name": name}))

    def wait(self) -> None:
        """Let bob not have answered yet."""
        self.file("bob").unlink()

    def move_out(self, path: Path) -> Path:
        """Move something of the root to the outside, and return where it is."""
        target = self.outside / path.name
        shutil.move(path, target)
        return target


def original(state: dict[str, Any]) -> dict[str, Any]:
    """Return what the original format would say."""
    names = ("user", "role", "chemical", "status", "agreement_key", "last_updated")
    offer = {name: state["offer"][name] for name in ("price", "quantity", "timestamp")}
    return {name: state[name] for name in names if name in state} | {"offer": offer}


def key_of(state: dict[str, Any]) -> str:
    """Return the key of what a state says, whatever it says."""
    sides = state["user"], state["counterparty"]
    buyer, seller = sides if state["role"] == "buyer" else sides[::-1]
    offer = state["offer"]
    return agreement_key(
        negotiation_id=state["negotiation_id"],
        chemical=state["chemical"],
        buyer=buyer,
        seller=seller,
        terms=msgspec.structs.replace(
            parse_terms(str(offer["price"]), str(offer["quantity"])),
            **{name: offer[name] for name in CONDITIONS if isinstance(offer.get(name), str)},
        ),
    )


def prepare(base: Path) -> Scene:
    """Make a root with five negotiations, and a place outside that speaks of a secret."""
    base.mkdir(parents=True)
    scene = Scene(base)
    scene.clock.now = NOON
    desk = scene.desk([])
    alice, bob, carol, dave = (desk.party(address) for address in PARTIES)
    alice.start(BOB, chemical="C", role="buyer", price="5.5", quantity=1000)
    alice.start(BOB, chemical="N", role="seller", price=7, quantity=10)
    bob.start(ALICE, chemical="Q", role="buyer", price=3, quantity=40)
    carol.start(DAVE, chemical="C", role="buyer", price=9, quantity=1)
    carol.start(DAVE, chemical="D", role="seller", price=11, quantity=2)
    scene.clock.forward(60)
    bob.accept(VICTIM)
    bob.offer(SAME, price=8, quantity=10)
    alice.accept(DUE)
    dave.accept(OTHERS_DUE)
    scene.clock.now = NOW
    scene.outside.mkdir()
    stray = {**scene.state("alice"), "messages": [{"timestamp": NOON, "text": SECRET}]}
    (scene.outside / "state.json").write_text(json.dumps(stray))
    (scene.outside / "secret.json").write_text(json.dumps({"schema": SECRET, "user": SECRET}))
    (scene.outside / "secret.txt").write_text(f"{SECRET}:x:0:0:root\n")
    shutil.copytree(scene.root / "teams", scene.outside / "teams", symlinks=True)
    for path in (scene.outside / "teams").rglob("*_state.json"):
        fields = json.loads(path.read_text())
        fields["messages"] = [{"timestamp": NOON, "text": SECRET}]
        path.write_text(json.dumps(fields))
    return scene


def copied(scene: Scene, base: Path) -> Scene:
    shutil.copytree(scene.base, base, symlinks=True)
    return Scene(base)
