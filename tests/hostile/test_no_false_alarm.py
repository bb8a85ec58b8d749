"""What our own parties and programs of the original format write is never doubted."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.scene import original
from tests.support import ALICE, BOB, DAY, NOON, Clock

from nom_negotiate import Desk, MemoryStore, Negotiation, NomError, Party
from nom_negotiate.store.port import Namespace

SOAK = os.environ.get("NOM_SOAK") == "1"
LONG = 100 * DAY

deeds = st.tuples(
    st.sampled_from([ALICE, BOB]),
    st.sampled_from(
        ["offer", "offer", "accept", "say", "reject", "withdraw", "original", "nine fields", "poll"]
    ),
    st.booleans(),
    # How much time passes, and how wrong the clock of who acts is.
    st.integers(0, 5 * DAY),
    st.integers(-DAY, DAY),
)


def act(party: Party, deed: str, name: str, firm: bool) -> Negotiation | None:
    if deed == "offer":
        return party.offer(name, price=5, quantity=1 + firm, firm=firm)
    if deed == "accept":
        return party.accept(name)
    if deed == "say":
        return party.say(name, "hello")
    return party.reject(name) if deed == "reject" else party.withdraw(name)


def rewrite(store: MemoryStore, place: Namespace, who: str, deed: str, firm: bool, at: int) -> None:
    """Let a program that knows only the nine fields write a party's state."""
    files = store._files.get(place, {})
    name = f"{who.partition('@')[0]}_state.json"
    if name not in files:
        return
    state: dict[str, Any] = json.loads(files[name])
    if "offer" not in state:
        return
    state["offer"] = {"price": 5, "quantity": 1 + firm, "timestamp": at}
    state |= {"status": "agreed" if firm else "pending", "last_updated": at}
    if deed == "original":
        state = original(state)
    elif state.get("schema"):
        # It keeps the fields that it does not know, and computes no key.
        state |= {"status": "pending"}
        state.pop("agreement_key", None)
    files[name] = json.dumps(state).encode()


@settings(max_examples=2000 if SOAK else 120, suppress_health_check=list(HealthCheck))
@given(said=st.lists(deeds, max_size=12), firm=st.booleans())
def test_what_is_written_by_the_rules_is_never_doubted(
    said: list[tuple[str, str, bool, int, int]], firm: bool
) -> None:
    clock, store = Clock(), MemoryStore()
    desk = Desk(store, clock=clock, validators=(), after_settlement=())
    begun = desk.party(ALICE).start(
        BOB,
        chemical="C",
        role="buyer",
        price=5,
        quantity=1,
        firm=firm,
        message="hello",
        idle_s=LONG,
        life_s=LONG,
    )
    place, time = Namespace(begun.id, desk.party(ALICE).address), NOON
    for who, deed, flag, later, wrong in said:
        time += later
        clock.now = time + wrong
        if deed == "poll":
            assert desk.poll().problems == []
        elif deed in ("original", "nine fields"):
            rewrite(store, place, who, deed, flag, int(clock.now))
        else:
            try:
                act(desk.party(who), deed, begun.id, flag)
            except NomError:
                continue
        found = store.snapshot(place)
        if found is not None:
            assert found.as_of(time + DAY - 1).problems == ()
            assert found.as_of(time - DAY).problems == ()
