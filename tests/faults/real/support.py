"""How the tests of this folder let things happen to a `nom`, and what they look at afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.stateful.books import assert_conserved
from tests.support import ALICE, BOB, CAROL, DAY, HOUR, NOON

from nom_negotiate import Desk, Negotiation, Phase
from nom_negotiate.store.files.atomic import TEMPORARY

PROGRAM = Path(__file__).with_name("killing.py")
SOAK = os.environ.get("NOM_SOAK") == "1"
"""Whether the long versions of the tests are wanted."""

STATS = "poller/stats.jsonl"

Tree = dict[str, bytes | str | None]


@dataclass(frozen=True)
class Result:
    """What one `nom` did.

    Attributes:
        status: its exit status; the number of the signal that killed it, negative.
        out: what it printed.
        err: what it complained about.
        changes: what it did to the disk, in this order; what killed it included.
    """

    status: int
    out: str
    err: str
    changes: list[str]

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Running:
    """A `nom` that was started and not waited for."""

    def __init__(self, nom: TroubledNom, pid: int) -> None:
        self.nom = nom
        self.pid = pid
        self.changes: list[str] = []

    def until_stopped(self) -> Running:
        """Wait until it has stopped."""
        answer = self.nom.ask(wait=self.pid)
        assert answer["stopped"], answer
        self.changes = answer["changes"]
        return self

    def result(self) -> Result:
        """Wait until it has ended."""
        answer = self.nom.ask(wait=self.pid)
        assert not answer.pop("stopped"), f"stopped at {answer['changes'][-1]}"
        return Result(**answer)


class TroubledNom:
    """`nom` as a process of its own, to which things happen; see `killing.Trouble`."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, sys.path))
        self._server = subprocess.Popen(
            [sys.executable, "-W", "error", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "LC_ALL": "C.UTF-8"},
        )

    def ask(self, **job: Any) -> dict[str, Any]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(job), file=self._server.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer

    def start(self, *arguments: str, root: Path, **trouble: Any) -> Running:
        """Start `nom` over a data root."""
        if trouble.get("uid"):
            trouble["inside"], root = str(root.parent), Path("/", root.name)
        run = ["--data", str(root), *arguments]
        return Running(self, self.ask(run=run, **trouble)["pid"])

    def __call__(self, *arguments: str, root: Path, **trouble: Any) -> Result:
        """Run `nom` over a data root until it has ended."""
        return self.start(*arguments, root=root, **trouble).result()

    def ok(self, *arguments: str, root: Path, **trouble: Any) -> Result:
        """Run `nom`, which must be content."""
        result = self(*arguments, root=root, **trouble)
        assert result.status == 0, result.err
        return result

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        assert self._server.wait(timeout=60) == 0
        self._server.stdout.close()


# What there is to be polled

NOW = NOON
TERMS: dict[str, Any] = {"role": "buyer", "price": "5.50", "quantity": 1000}


def desk_at(root: Path, now: float = NOW, *, durable: bool = False) -> Desk:
    """Return a desk whose clock stands still."""
    return Desk(root, clock=lambda: now, durable=durable, validators=(), after_settlement=())


def agree(root: Path, now: int = NOW, chemical: str = "C") -> Negotiation:
    """Let alice and bob agree on something that no poller has seen yet."""
    desk = desk_at(root, now)
    found = desk.party(ALICE).start(BOB, chemical=chemical, **TERMS)
    return desk.party(BOB).accept(found.id)


def agree_and_more(root: Path, now: int = NOW) -> None:
    """Leave one negotiation of each kind: two agreed, and one each of all other ends."""
    desk = desk_at(root, now)
    desk.initialise()
    before = desk_at(root, now - 3 * DAY)
    before.party(ALICE).start(CAROL, chemical="C", **TERMS)
    agree(root, now)
    agree(root, now, "N")
    alice, bob, carol = (desk.party(party) for party in (ALICE, BOB, CAROL))
    bob.reject(alice.start(BOB, chemical="D", **TERMS).id, reason="too dear")
    bob.withdraw(bob.start(ALICE, chemical="Q", **TERMS).id)
    carol.start(BOB, chemical="Q", **TERMS)


# What must be true afterwards


def tree_of(root: Path) -> Tree:
    """Return what lies under a root, but for what the poller keeps for itself."""
    found: Tree = {}
    for where, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = f"{where}/{name}"
            key = os.path.relpath(path, root)
            if key.startswith("poller/doorbell"):
                # Hints: where there is no room for one, what was done is done nevertheless.
                continue
            if os.path.islink(path):
                found[key] = os.readlink(path)
            elif name in directories:
                found[key] = None
            elif not key.startswith("poller/") or name.startswith(TEMPORARY):
                found[key] = Path(path).read_bytes()
    return found


def without_temporaries(tree: Tree) -> Tree:
    """Return what is there for good."""
    return {key: value for key, value in tree.items() if f"/{TEMPORARY}" not in f"/{key}"}


def copied(tree: Path, to: Path) -> Path:
    """Return a fresh copy of a tree; of one that does not exist, what does not exist either."""
    shutil.rmtree(to, ignore_errors=True)
    if tree.exists():
        shutil.copytree(tree, to, symlinks=True)
    return to


def settled_exactly_once(root: Path, *, open_ones: int = 0) -> None:
    """Check that each agreement has one transaction a side, and both have it in their archive."""
    desk = desk_at(root)
    assert len(desk.negotiations()) == open_ones
    expected: Counter[tuple[str, str]] = Counter()
    for found in desk.archive():
        assert found.outcome is not None
        assert found.responder is not None
        for party in (found.initiator, found.responder):
            assert found.id in {one.id for one in desk.party(party).negotiations(archived=True)}
            if found.phase is Phase.AGREED:
                expected[party, found.id] += 1
    filed = [(party, one.transaction) for party in desk.parties() for one in party.transactions()]
    assert Counter((party.address, one.negotiation_id) for party, one in filed) == expected
    assert_conserved(one for _, one in filed)


def found_clean(nom: TroubledNom, root: Path, when: str = "", **trouble: Any) -> None:
    """Check that the doctor finds nothing."""
    found = nom("doctor", "--no-mount", "--json", root=root, **{"fixed": NOW, **trouble})
    assert found.status == 0, f"{when}: {found.err}"
    assert found.json["findings"] == [], when


def left_to_age(root: Path, now: float = NOW) -> None:
    """Make what a process has left half done older than any writer takes, dead or alive."""
    for path in root.rglob("*"):
        if path.name.startswith(TEMPORARY) or (path.is_symlink() and not path.exists()):
            os.utime(path, (now - 25 * HOUR,) * 2, follow_symlinks=False)


def named(result: Result, code: str, text: str) -> bool:
    """Return whether a failure is one clear line with its code, or a problem of the report."""
    if result.status == 0:
        return any(text in problem["reason"] for problem in result.json["problems"])
    return (
        result.status == 7
        and result.err.count("\n") == 1
        and f'"code":"{code}"' in result.err
        and text in result.err
    )


class Polls:
    """`nom poll` in trouble, and once the trouble is over.

    Attributes:
        hindered: how many passes said what kept them from their work.
        finished: how many did all of it in spite of the trouble.
    """

    def __init__(self, nom: TroubledNom, tree: Path, root: Path, uid: int = 0) -> None:
        self.nom = nom
        self.tree = tree
        self.root = root
        self.uid = uid
        report = nom("poll", "--json", root=copied(tree, root), fixed=NOW).json
        settled_exactly_once(root, open_ones=len(report["active"]))
        self.expected: Tree = tree_of(root)
        self.finished = 0
        self.hindered = 0

    def fresh(self) -> Path:
        return copied(self.tree, self.root)

    def poll(
        self,
        when: str,
        end: Callable[[], object],
        *,
        causes: Iterable[tuple[str, str]] = (),
        **trouble: Any,
    ) -> None:
        """Poll in trouble, and check what came of it; see `check`."""
        trouble = {"uid": self.uid, **trouble}
        self.check(when, self._poll(NOW, **trouble), end, causes=causes)

    def check(
        self,
        when: str,
        result: Result,
        end: Callable[[], object],
        *,
        causes: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Check what a pass in trouble said, end the trouble, and check what the next one does.

        Args:
            when: what the trouble was, to be told.
            result: what the pass came to.
            end: ends the trouble.
            causes: the codes and the texts that name it.
        """
        if any(named(result, *cause) for cause in causes):
            self.hindered += 1
            end()
        else:
            assert result.status == 0, f"{when}: {result}"
            assert result.json["problems"] == [], when
            end()
            assert tree_of(self.root) == self.expected, f"{when}: nothing was said of it"
            self.finished += 1
        again = self._poll(NOW, uid=self.uid)
        assert again.status == 0, f"{when}: {again}"
        assert again.json["problems"] == [], f"{when}: {again.out}"
        # Exactly one transaction a side, and all the rest.
        assert without_temporaries(tree_of(self.root)) == self.expected, when
        if SOAK or (self.hindered + self.finished) % 3 == 0:
            left_to_age(self.root)
            assert self._poll(NOW + 2 * HOUR, uid=self.uid).status == 0, when
            assert tree_of(self.root) == self.expected, when
            found_clean(self.nom, self.root, when, uid=self.uid)

    def _poll(self, now: float, **trouble: Any) -> Result:
        return self.nom("poll", "--json", root=self.root, fixed=now, **trouble)


def every_death(
    nom: TroubledNom,
    tree: Path,
    check: Callable[[str, Path], None],
    *command: str,
    half: bool = False,
    **trouble: Any,
) -> list[str]:
    """Kill a command over a fresh copy of a tree before each change; return what was killed.

    Args:
        nom: what to kill.
        tree: what is copied.
        check: told before which change it died, and of the root then.
        command: `nom poll` where none is given.
        half: only the writes, each of them done by half.
        trouble: what else happens to it.
    """
    trouble = {"fixed": NOW, "half": half, **({"among": ["write"]} if half else {}), **trouble}
    deaths: list[str] = []
    while True:
        at = len(deaths) + 1
        root = copied(tree, tree.parent / "root")
        result = nom(*(command or ("poll",)), root=root, at=at, **trouble)
        if result.status == 0:
            assert len(result.changes) == len(deaths), "not all of them were tried"
            return deaths
        assert result.status == -signal.SIGKILL, result.err
        deaths.append(result.changes[-1])
        check(f"killed at {at}: {result.changes[-1]}", root)


# A disk of one's own

PAGE = 4096
"""What the smallest file of a tmpfs takes."""
ROOM = 1 << 20


class SmallDisk:
    """A mounted tmpfs that can be filled up.

    Attributes:
        path: where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)

    def leave(self, *, pages: int | None = None, files: int | None = None) -> None:
        """Leave room for that many pages, or that many files."""
        room = os.statvfs(self.path)
        if pages is not None:
            used = (room.f_blocks - room.f_bfree) * room.f_frsize
            self.remount(f"size={used + pages * PAGE}")
        if files is not None:
            self.remount(f"nr_inodes={room.f_files - room.f_ffree + files}")

    def make_room(self) -> None:
        self.remount(f"size={ROOM},nr_inodes=1000")


@contextmanager
def mounted(at: Path) -> Iterator[SmallDisk]:
    """Mount a small disk during the block; skip the test where that is not allowed."""
    at.mkdir()
    options = f"size={ROOM},nr_inodes=1000,mode=755"
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "nom-test", str(at)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode != 0:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(at)
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)
