"""Whatever somebody puts into a data root: it is told, and it stops its own deal only.

One test goes through each row of the table. It makes a pass and looks at everything that a
reader can ask for, before and after, and watches meanwhile that nothing outside of the root
is opened, listed or changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest
from tests.hostile import table_files, table_places
from tests.hostile.guard import kept_inside
from tests.hostile.rows import Fate, Row
from tests.hostile.scene import (
    DUE,
    OTHERS,
    OTHERS_DUE,
    PARTIES,
    SAME,
    SECRET,
    VICTIM,
    Scene,
)

from nom_negotiate import Desk, NomError, Phase, Report, market
from nom_negotiate.cli import entry
from nom_negotiate.cli.reports import lines_of_report

ROWS = table_files.ROWS + table_places.ROWS

REMEDIES = re.compile(
    r"move it away|move the others away|let its author|remove it|rename it|conclude this"
    r"|chmod|nom init|look at the disk|make it|stop its writers|move them away"
)
"""What a reason must contain: something to do."""

BOB = PARTIES[1]
BEFORE = (
    ["ls", "--all"],
    ["ls", "--as", BOB],
    ["show", VICTIM],
    ["show", OTHERS, "--as", BOB],
    ["tree", "--party", BOB],
    ["listing", "ls"],
)
AFTER = (
    ["ls", "--all", "--archived"],
    ["show", VICTIM, "--as", BOB],
    ["show", VICTIM, "--json"],
    ["tree"],
    ["tree", "--json"],
    ["stats"],
    ["listing", "ls", "--closed", "--json"],
)


def test_the_table_is_long_enough_and_names_each_row_once() -> None:
    assert len(ROWS) >= 50
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_what_is_hostile(row: Row, scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    row.harm(scene)
    told: list[str] = []
    desk = scene.desk(told)
    with kept_inside(scene.root):
        look(desk)
        for command in BEFORE:
            printed(scene, command, capsys)
        if row.refuses is not None:
            refused(row, desk)
            if row.holds is not None:
                row.holds(scene)
            return
        report = desk.poll()
        look(desk)
        for command in AFTER:
            printed(scene, command, capsys)
        again = scene.desk([]).poll(scan=True)
    check_problem(row, report, told)
    check_fates(row, report, scene)
    assert not again.agreed
    assert all(volume.conserved for volume in desk.stats().volumes.values())
    if row.holds is not None:
        row.holds(scene)


def look(desk: Desk) -> None:
    """Ask for everything that a reader can ask for."""
    questions: list[Callable[[], object]] = [
        desk.archive,
        desk.negotiations,
        desk.stats,
        lambda: list(market.listings(desk)),
        lambda: desk.listings(closed=True),
    ]
    for party in map(desk.party, PARTIES):
        questions += [party.negotiations, party.transactions, partial(getattr, party, "profile")]
        questions += [partial(party.negotiations, archived=True)]
        questions += [
            partial(party.negotiation, name) for name in (VICTIM, SAME, DUE, OTHERS, OTHERS_DUE)
        ]
    for question in questions:
        answer: object
        try:
            answer = question()
        except NomError as error:
            answer = f"{error.message}; {error.hint}"
        assert SECRET not in repr(answer)


def printed(scene: Scene, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Call `nom`, and look at what would reach a terminal."""
    capsys.readouterr()
    status = entry.run(["--data", str(scene.root), *command])
    said = capsys.readouterr()
    assert status != entry.EXIT_FAULT, said.err
    for text in said:
        assert SECRET not in text
        odd = [char for char in text if not (char.isprintable() or char == "\n")]
        assert not odd, f"{command}: {odd}"


def refused(row: Row, desk: Desk) -> None:
    with pytest.raises(NomError) as caught:
        desk.poll()
    assert caught.value.code == row.refuses
    assert row.says in caught.value.message
    assert caught.value.message.isprintable()
    assert SECRET not in caught.value.message


def check_problem(row: Row, report: Report, told: list[str]) -> None:
    for spans in lines_of_report(report):
        assert "".join(span.text for span in spans).isprintable()
    for problem in report.problems:
        assert (problem.path + problem.reason).isprintable(), problem
        assert SECRET not in problem.path + problem.reason
        assert REMEDIES.search(problem.reason), problem
    lines = [f"{problem.path}: {problem.reason}" for problem in report.problems]
    lines += [line.removeprefix("left out ") for line in told]
    if row.path is None:
        assert report.problems == []
        return
    assert [line for line in lines if line.startswith(f"{row.path}: ") and row.says in line], lines


def check_fates(row: Row, report: Report, scene: Scene) -> None:
    healthy = {DUE: Phase.AGREED, OTHERS_DUE: Phase.AGREED, SAME: Phase.IN_PROGRESS}
    healthy[OTHERS] = Phase.INITIATED
    desk = scene.desk([])
    for name, phase in healthy.items():
        if name in row.spoils:
            assert transactions_of(desk, name) in (0, 2)
            continue
        assert name in (report.agreed if phase is Phase.AGREED else report.active)
        initiator, responder = (f"{who}@stonybrook.edu" for who in name.split("_")[:2])
        for party in map(desk.party, (initiator, responder)):
            assert party.negotiation(name).phase is phase
        assert transactions_of(desk, name) == (2 if phase is Phase.AGREED else 0)
    check_victim(row, report, desk)


def check_victim(row: Row, report: Report, desk: Desk) -> None:
    lists = {
        Fate.WAITS: report.active,
        Fate.SETTLES: report.agreed,
        Fate.EXPIRES: report.expired,
    }
    for fate, names in lists.items():
        assert (VICTIM in names) == (fate is row.fate), (fate, report)
    both_or_none = {Fate.SETTLES: (2,), Fate.HIDDEN: (0, 2)}.get(row.fate, (0,))
    assert transactions_of(desk, VICTIM) in both_or_none


def transactions_of(desk: Desk, negotiation_id: str) -> int:
    return sum(
        filed.transaction.negotiation_id == negotiation_id
        for party in desk.parties()
        for filed in party.transactions()
    )
