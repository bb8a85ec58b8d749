"""Looks through a data root for what does not belong, and puts right what has one right answer.

Rules of the room:

- A look is confirmed before anything is said: while no pass is running, it must find the same
  again. So what parties and pollers are in the middle of is no finding.
- What a pass would finish by itself is a note, and no reason to worry.
- A repair does what a pass does, then what only it may do, and looks once more: what is said to
  be repaired has been looked for, and is gone.
- Nothing that a party has said is changed or removed. What does not belong is set aside.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec

from nom_negotiate.desk import Desk
from nom_negotiate.errors import ConfigurationError, Conflict, Mended, NomError, Unhealthy
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.inspection import Finding, Found, Look, Severity
from nom_negotiate.store.files.inspection.examination import at_rest, check_repairer, look_through
from nom_negotiate.store.files.inspection.findings import KINDS
from nom_negotiate.store.files.inspection.repair import Repair
from nom_negotiate.store.files.mount import Mount, try_out

WAIT_S: Final = 10.0
"""How long a pass of the poller that is running is waited for."""

ROUNDS: Final = 4
"""Repairs of one examination: what is set aside may have hidden something else."""

_A_PASS: Final = {"left_over", "missing_room", "unfinished"}
"""What a pass finishes."""

_WORST_FIRST: Final = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


Key = tuple[str, str]


class Verdict(enum.StrEnum):
    """What an examination comes to."""

    CLEAN = "clean"
    MENDED = "mended"
    NEEDS_A_PERSON = "needs_a_person"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What an examination has found.

    Attributes:
        findings: the worst first, what was repaired after what was not.
        counted: how much of each kind was looked at.
        mount: what was measured of the mount, in words; empty where it was not tried out.
    """

    findings: tuple[Finding, ...]
    counted: Mapping[str, int]
    mount: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def open(self) -> list[Finding]:
        """Return what still needs somebody: neither repaired nor a note."""
        return [
            finding
            for finding in self.findings
            if not finding.repaired and finding.severity is not Severity.NOTE
        ]

    @property
    def verdict(self) -> Verdict:
        """Return what it comes to. Notes alone are clean."""
        if self.open:
            return Verdict.NEEDS_A_PERSON
        repaired = any(finding.repaired for finding in self.findings)
        return Verdict.MENDED if repaired else Verdict.CLEAN

    def check(self) -> None:
        """Return if all is well, and was before.

        Raises:
            Unhealthy: `needs_a_person`.
            Mended: `mended`.
        """
        if self.verdict is Verdict.NEEDS_A_PERSON:
            raise Unhealthy("needs_a_person", f"{_some(len(self.open), 'is', 'are')} open")
        if self.verdict is Verdict.MENDED:
            count = sum(finding.repaired for finding in self.findings)
            raise Mended("mended", f"{_some(count, 'was', 'were')} mended")


def _some(count: int, one: str, many: str) -> str:
    return f"1 finding {one}" if count == 1 else f"{count} findings {many}"


def examine(
    desk: Desk,
    *,
    repair: bool = False,
    mount: bool = True,
    wait_s: float = WAIT_S,
    clock: Callable[[], float] = time.time,
) -> Diagnosis:
    """Look through a data root; with `repair`, put right what has one right answer.

    May be called while the root is used. Without `repair` nothing of the root changes; trying
    out the mount makes a temporary directory in it, and removes it.

    Args:
        desk: of the data root; it polls where a pass is part of the repair.
        repair: put right what can be.
        mount: try out what the mount does, too.
        wait_s: seconds to wait for a pass that is running.
        clock: returns unix seconds, for what is set aside.

    Raises:
        ConfigurationError: `unusable_root` where there is nothing to look through.
        Conflict: `busy`, where a repair cannot keep other passes out.
        StoreError: where the root cannot be looked at at all; `wrong_user` where a repair is
            asked for by another Unix user than the one who polls.
    """
    store = desk.store
    if not isinstance(store, FileStore):
        raise ConfigurationError("unusable_root", "expected a data root, found another store")
    if not store.is_set_up():
        raise ConfigurationError("unusable_root", f"there is no data root at {store.layout.root}")
    if repair:
        check_repairer(store)
    tried = try_out(store.disk, store.layout) if mount else Mount({}, ())
    examination = _Examination(desk, store, wait_s, clock)
    look, findings = examination.repair() if repair else examination.look()
    return Diagnosis(
        findings=_sorted((*tried.findings, *findings)),
        counted=dict(sorted(look.counted.items())),
        mount=dict(tried.figures),
    )


class _Examination:
    def __init__(
        self, desk: Desk, store: FileStore, wait_s: float, clock: Callable[[], float]
    ) -> None:
        self.desk = desk
        self.store = store
        self.wait_s = wait_s
        self.clock = clock

    def look(self) -> tuple[Look, list[Finding]]:
        first = look_through(self.store)
        if not first.found:
            return first, []
        seen = {found.key for found in first.found}
        with at_rest(self.store, self.wait_s) as resting:
            second = look_through(self.store)
        findings = [found.finding for found in second.found if found.key in seen]
        if findings and not resting:
            findings.append(self.busy())
        return second, findings

    def busy(self) -> Finding:
        return _finding("busy", "poller", "a pass may have been running all the time")

    def repair(self) -> tuple[Look, list[Finding]]:
        before: dict[Key, Finding] = {}
        passed: dict[Key, str] = {}
        tried: dict[Key, str] = {}
        for _ in range(ROUNDS):
            with self.alone():
                last = look_through(self.store)
                before.update((found.key, found.finding) for found in last.found)
                acted = self.mend(last.found, tried)
            waiting = {key for key in before if key[0] in _A_PASS} - passed.keys()
            if waiting:
                passed |= dict.fromkeys(waiting, self.poll())
            elif not acted:
                break
        else:
            with self.alone():
                last = look_through(self.store)
        after = {found.key for found in last.found}
        gone = [_repaired(finding) for key, finding in before.items() if key not in after]
        return last, [*(_left(found, passed, tried) for found in last.found), *gone]

    def poll(self) -> str:
        """Make a pass; return why it could not work."""
        try:
            self.desk.poll(scan=True)
        except NomError as error:
            return f"; a pass could not work: {error.message}"
        return "; a pass has not finished it"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep passes out during the block.

        Raises:
            Conflict: `busy`, where one is running.
        """
        with at_rest(self.store, self.wait_s, make=True) as resting:
            if not resting:
                raise Conflict("busy", f"a pass was running for {self.wait_s:g} seconds")
            yield

    def mend(self, found: Iterable[Found], tried: dict[Key, str]) -> bool:
        """Give the right answers that were not given before; return whether there were any."""
        hand = Repair(self.store, self.clock)
        any_new = False
        for one in found:
            if one.mend is None or one.key in tried:
                continue
            any_new = True
            tried[one.key] = "; it was mended, and is there again"
            try:
                one.mend(hand)
            except NomError as error:
                tried[one.key] = f"; it could not be mended: {error.message}"
        return any_new


def _finding(code: str, path: str, reason: str) -> Finding:
    kind = KINDS[code]
    return Finding(severity=kind.severity, code=code, path=path, reason=reason, remedy=kind.remedy)


def _repaired(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, repaired=True)


def _left(found: Found, passed: Mapping[Key, str], tried: Mapping[Key, str]) -> Finding:
    finding = found.finding
    if found.key in passed:
        return _finding("not_finished", finding.path, f"{finding.reason}{passed[found.key]}")
    return msgspec.structs.replace(finding, reason=f"{finding.reason}{tried.get(found.key, '')}")


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    def place(finding: Finding) -> tuple[object, ...]:
        worst = _WORST_FIRST.index(finding.severity)
        return finding.repaired, worst, finding.path, finding.code

    return tuple(sorted(findings, key=place))
