"""The clock jumps a day, ahead or back: nothing is lost, doubled, or held against anybody."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.real.support import (
    NOW,
    SOAK,
    TERMS,
    TroubledNom,
    agree,
    agree_and_more,
    copied,
    desk_at,
    left_to_age,
    settled_exactly_once,
    tree_of,
)
from tests.support import ALICE, BOB, CAROL, DAY, HOUR

from nom_negotiate import (
    Conflict,
    Desk,
    Negotiation,
    NotFound,
    Party,
    Phase,
    Problem,
    RecordError,
    RuleViolation,
)

ID = f"alice_bob_C_{NOW}"
WAYS = pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "ahead"])


@WAYS
def test_a_clock_that_jumps_in_the_middle_of_a_pass_doubles_nothing(
    jump: int, nom: TroubledNom, memory: Path
) -> None:
    tree, root = memory / "tree", memory / "root"
    agree_and_more(tree)
    for looks in range(0, 40, 1 if SOAK else 4):
        jumps = [0] * looks + [jump]
        first = nom("poll", "--json", root=copied(tree, root), fixed=NOW, jumps=jumps)
        assert first.status == 0
        assert first.json["problems"] == []
        assert sorted(first.json["agreed"]) == [ID, f"alice_bob_N_{NOW}"]
        again = nom("poll", "--json", root=root, fixed=NOW + HOUR).json
        assert again["problems"] == []
        assert again["agreed"] == []
        settled_exactly_once(root, open_ones=len(again["active"]))


@pytest.mark.parametrize("jump", [-DAY, DAY, 5 * DAY])
def test_what_was_accepted_in_time_is_settled_whatever_the_poller_thinks_that_it_is(
    jump: int, nom: TroubledNom, memory: Path
) -> None:
    root = memory / "root"
    desk_at(root).party(ALICE).start(BOB, chemical="C", valid_until=NOW + 60, **TERMS)
    desk_at(root, NOW + 59).party(BOB).accept(ID)
    assert nom("poll", "--json", root=root, fixed=NOW, ahead_s=jump).json["agreed"] == [ID]
    settled_exactly_once(root)


def test_a_poller_that_lives_in_another_week_says_so_and_leaves_the_deal_for_later(
    nom: TroubledNom, memory: Path
) -> None:
    root = memory / "root"
    agree(root)
    wrong = nom("poll", "--json", root=root, fixed=NOW, ahead_s=-7 * DAY).json
    assert (wrong["agreed"], wrong["active"]) == ([], [ID])
    assert "clock" in wrong["problems"][0]["reason"]
    right = nom("poll", "--json", root=root, fixed=NOW).json
    assert (right["agreed"], right["problems"]) == ([ID], [])
    settled_exactly_once(root)


def test_a_clock_that_was_a_day_behind_ends_nothing_and_the_haggling_goes_on(
    nom: TroubledNom, memory: Path
) -> None:
    root = memory / "root"
    terms = ("--price", "6", "--quantity", "900")
    nom.ok("start", BOB, "C", "--as", ALICE, "--buy", *terms, root=root, fixed=NOW)
    for behind in (-DAY, HOUR - DAY, 0):
        report = nom("poll", "--json", root=root, fixed=NOW, ahead_s=behind).json
        assert (report["active"], report["problems"]) == ([ID], [])
    counter = ("--price", "7", "--quantity", "800")
    nom.ok("offer", ID, "--as", BOB, *counter, root=root, fixed=NOW, ahead_s=-DAY)
    nom.ok("say", ID, "hello", "--as", BOB, root=root, fixed=NOW, ahead_s=-DAY)
    nom.ok("accept", ID, "--as", ALICE, root=root, fixed=NOW)
    assert nom("poll", "--json", root=root, fixed=NOW).json["agreed"] == [ID]
    settled_exactly_once(root)
    [found] = desk_at(root).archive()
    assert [message.text for message in found.messages] == ["hello"]
    assert len(found.offers) == 2


def test_ids_and_names_stay_unique_in_a_second_that_comes_again(
    nom: TroubledNom, memory: Path
) -> None:
    root = memory / "root"
    start = ("start", BOB, "C", "--as", ALICE, "--buy", "--price", "6", "--quantity", "900")
    ids = []
    for ahead in (0, DAY, 0, -DAY, 0, DAY):
        begun = nom.ok(*start, "--json", root=root, fixed=NOW, ahead_s=ahead).json["id"]
        nom.ok("accept", begun, "--as", BOB, root=root, fixed=NOW, ahead_s=ahead)
        assert nom("poll", "--json", root=root, fixed=NOW, ahead_s=ahead).json["agreed"] == [begun]
        ids.append(begun)
    assert len(set(ids)) == len(ids)
    settled_exactly_once(root)
    for party in desk_at(root).parties():
        assert len({one.name for one in party.transactions()}) == len(ids)


def test_what_is_swept_under_a_writer_that_stood_still_for_a_day_is_written_again(
    nom: TroubledNom, memory: Path
) -> None:
    root = memory / "root"
    desk = desk_at(root)
    desk.add_party(CAROL)
    desk.party(ALICE).start(BOB, chemical="C", **TERMS)
    stop: dict[str, Any] = {"root": root, "fixed": NOW, "among": ["rename"], "deed": "stop"}
    begin = ("start", CAROL, "N", "--as", ALICE, "--sell", "--price", "6", "--quantity", "9")
    speaker = nom.start("say", ID, "hello", "--as", BOB, at=1, **stop).until_stopped()
    beginner = nom.start(*begin, at=2, **stop).until_stopped()
    left_to_age(root)
    swept = nom("poll", "--json", root=root, fixed=NOW + HOUR)
    assert (swept.status, swept.json["problems"]) == (0, [])
    assert [path for path in tree_of(root) if "/.tmp-" in path] == []
    for stopped in (speaker, beginner):
        os.kill(stopped.pid, signal.SIGCONT)
    assert speaker.result().status == 0
    begun = beginner.result()
    assert begun.status == 7
    assert begun.err.count("\n") == 1
    assert desk.party(CAROL).negotiations() == []
    nom.ok(*begin, root=root, fixed=NOW)
    assert len(desk.party(CAROL).negotiations()) == 1
    said = [message.text for message in desk.party(ALICE).negotiation(ID).messages]
    assert said == ["hello"]


class Wanderer:
    """A clock that goes on, and now and then jumps a day in either direction."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.now = float(NOW)

    def __call__(self) -> float:
        self.now += self.chance.choice([0, 1, 60])
        return self.now + self.chance.choices([0, -DAY, DAY], [8, 1, 1])[0]


def days_at_the_desk(root: Path, seed: int) -> tuple[list[str], list[str]]:
    """Let three parties and a poller act on clocks of their own; return what they were told."""
    chance = random.Random(seed)
    desks = [
        Desk(root, clock=Wanderer(chance), durable=False, validators=(), after_settlement=())
        for _ in range(4)
    ]
    poller = desks.pop()
    parties = [desk.party(party) for desk, party in zip(desks, (ALICE, BOB, CAROL), strict=True)]
    begun: list[str] = []
    agreed: list[str] = []
    refused: list[str] = []
    problems: list[Problem] = []
    for _ in range(60):
        party = chance.choice(parties)
        try:
            begun += start(chance, party, parties)
            agreed += [one.id for one in moved(chance, party) if one.phase is Phase.AGREED]
        except (Conflict, NotFound, RecordError, RuleViolation) as error:
            # The other was faster; or its clock is two days ahead of one's own.
            refused.append(error.code)
        if chance.random() < 0.2:
            problems += poller.poll().problems
    assert len(refused) < 40
    assert all("ahead of the clock here" in problem.reason for problem in problems)
    return begun, agreed


def start(chance: random.Random, party: Party, parties: list[Party]) -> list[str]:
    if chance.random() < 0.7:
        return []
    other = chance.choice([one for one in parties if one is not party])
    role, chemical = chance.choice(["buyer", "seller"]), chance.choice("CN")
    price, quantity = chance.randint(1, 9), chance.randint(1, 9)
    terms: dict[str, Any] = {"chemical": chemical, "role": role}
    return [party.start(other.address, price=price, quantity=quantity, again=True, **terms).id]


def moved(chance: random.Random, party: Party) -> Iterator[Negotiation]:
    found = [one for one in party.negotiations() if one.phase.open]
    if not found:
        return
    one = chance.choice(found)
    assert one.on_table is not None
    if one.on_table.by == party.address:
        yield party.say(one.id, "well?") if chance.random() < 0.5 else party.withdraw(one.id)
    elif chance.random() < 0.5:
        yield party.accept(one.id, round=one.on_table.round)
    else:
        yield party.offer(one.id, price=chance.randint(1, 9), quantity=chance.randint(1, 9))


@pytest.mark.parametrize("seed", range(200 if SOAK else 8))
def test_parties_and_a_poller_whose_clocks_disagree_lose_nothing(seed: int, memory: Path) -> None:
    root = memory / "root"
    begun, agreed = days_at_the_desk(root, seed)
    right = Desk(
        root, clock=lambda: NOW + 9 * DAY, durable=False, validators=(), after_settlement=()
    )
    assert right.poll().problems == []
    assert right.poll().active == []
    settled_exactly_once(root)
    assert Counter(one.id for one in right.archive()) == Counter(begun)
    ended = {one.id: one.phase for one in right.archive()}
    assert {ended[one] for one in agreed} <= {Phase.AGREED}
    assert len(agreed) > 0
