"""One pass over the active negotiations, and the loop that repeats it.

Rules of the room:

- A pass decides, settles and archives. Each step is durable before the next one, and each
  may be redone: a pass that was cut short is finished by the next.
- One negotiation cannot stop another: what goes wrong with it is reported, and the pass
  goes on.
- A decision stands only on what both parties say when it is recorded: where one has
  written since, it is made anew.
- Two passes never run at once; should a lock fail to hold, outcomes are exclusive anyway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from nom_negotiate import codec
from nom_negotiate.core import rules
from nom_negotiate.core.decision import decide, objected
from nom_negotiate.core.negotiation import Problem, Snapshot
from nom_negotiate.core.outcome import Kind, Outcome
from nom_negotiate.core.party import Settings
from nom_negotiate.errors import Conflict, NomError, StoreError
from nom_negotiate.extensions import Hook, Validator
from nom_negotiate.store.port import Namespace, Store

DEFAULT_EVERY_S: Final = 30.0

SWEEP_EVERY_S: Final = 3600

MAX_LOOKS: Final = 5
"""Looks at a negotiation in which somebody writes each time, before it waits for the next."""


class Report(msgspec.Struct, kw_only=True):
    """What one pass found and did.

    Attributes:
        at: unix seconds at which it began.
        active: ids of the negotiations that go on.
        agreed: ids that this pass settled. A deal whose settlement a crash cut short is
            named by the pass that finishes it.
        rejected: ids, those that a validator refused included.
        withdrawn: ids.
        expired: ids.
        packed: how many archived negotiations and settled transactions the hourly sweep moved
            into packs.
        problems: what was stepped over.
        duration_ms: milliseconds.
        busy: true where another pass was running: then this one did nothing.
    """

    at: int
    active: list[str] = msgspec.field(default_factory=list)
    agreed: list[str] = msgspec.field(default_factory=list)
    rejected: list[str] = msgspec.field(default_factory=list)
    withdrawn: list[str] = msgspec.field(default_factory=list)
    expired: list[str] = msgspec.field(default_factory=list)
    packed: int = 0
    problems: list[Problem] = msgspec.field(default_factory=list)
    duration_ms: float = 0.0
    busy: bool = False

    def of(self, kind: Kind) -> list[str]:
        """Return the list of the negotiations that ended in this way."""
        ended: list[str] = getattr(self, kind.value)
        return ended


class _Found:
    """What was wrong with one negotiation."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def problem(self, namespace: Namespace, reason: str) -> None:
        self.problems.append(Problem(path=namespace.id, reason=reason))


class Poller:
    """Pass over a store.

    Args:
        store: where the negotiations are.
        clock: returns unix seconds.
        validators: returns what is asked before a deal is concluded.
        hooks: returns what is called after it is settled.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        validators: Callable[[], Iterable[Validator]] = tuple,
        hooks: Callable[[], Iterable[Hook]] = tuple,
    ) -> None:
        self._store = store
        self._clock = clock
        self._validators = validators
        self._hooks = hooks

    def poll(self) -> Report:
        """Make one pass and append one line to the stats log.

        Where another pass is running, leave at once with a report that says `busy`.

        Raises:
            StoreError: where the store cannot be worked with at all.
            ConfigurationError: where the settings are broken. A broken extension is a problem
                in the report, and no deal is concluded or archived without it.
        """
        started = time.perf_counter()
        report = Report(at=int(self._clock()))
        with self._store.polling() as free:
            if not free:
                report.busy = True
                return report
            settings = self._store.settings()
            report.problems += self._store.mend()
            for namespace in self._store.namespaces():
                self._visit(namespace, settings, report)
            self._sweep(settings, report)
            report.duration_ms = round((time.perf_counter() - started) * 1000, 3)
            self._log(report)
        return report

    def _sweep(self, settings: Settings, report: Report) -> None:
        """Once in an hour, remove what was left over and pack what ended long ago."""
        since_s = report.at - self._store.swept_at()
        # A clock that went back, or a hint that is wrong, costs a sweep more.
        if 0 <= since_s < SWEEP_EVERY_S:
            return
        try:
            # First: a sweep that cannot come to its end is not begun again each minute.
            self._store.note_sweep(report.at)
            report.problems += self._store.sweep()
            if settings.pack_after_s:
                packing = self._store.pack(report.at - settings.pack_after_s)
                report.packed = packing.negotiations + packing.transactions
                report.problems += packing.problems
                if packing.more and report.packed:
                    # The next pass goes on with it.
                    self._store.note_sweep(0)
        except NomError as error:
            reason = f"{error.message}; {error.hint}"
            report.problems.append(Problem(path="the hourly sweep", reason=reason))
        except Exception as error:
            # A defect of this library: the pass itself is done.
            reason = f"expected no such error, found {error!r}; report it"
            report.problems.append(Problem(path="the hourly sweep", reason=reason))

    def _visit(self, namespace: Namespace, settings: Settings, report: Report) -> None:
        found = _Found()
        try:
            self._go_through(namespace, settings, found, report)
        except NomError as error:
            found.problem(namespace, f"{error.message}; {error.hint}")
        except Exception as error:
            # A defect of this library met one negotiation: it must not stop the others.
            found.problem(namespace, f"expected no such error, found {error!r}; report it")
        report.problems += found.problems

    def _go_through(
        self, namespace: Namespace, settings: Settings, found: _Found, report: Report
    ) -> None:
        for _ in range(MAX_LOOKS):
            snapshot = self._store.snapshot(namespace)
            if snapshot is None:
                return
            snapshot = snapshot.as_of(int(self._clock()))
            found.problems = list(snapshot.problems)
            outcome = snapshot.outcome or self._decided(namespace, snapshot, settings, found)
            if outcome is None:
                self._leave(namespace, snapshot, report)
                return
            try:
                # One that is there already may not have been durable yet.
                standing = self._store.conclude(namespace, outcome)
            except Conflict:
                # A party wrote after the snapshot: what it said counts.
                continue
            if snapshot.outcome is None and standing != outcome:
                # Somebody else has decided: what that is stands in the next snapshot, checked.
                continue
            self._finish(namespace, standing, found)
            report.of(standing.outcome).append(namespace.id)
            return
        report.active.append(namespace.id)

    def _leave(self, namespace: Namespace, snapshot: Snapshot, report: Report) -> None:
        report.active.append(namespace.id)
        if snapshot.responder is not None:
            self._store.repair_link(namespace, snapshot.responder)

    def _decided(
        self, namespace: Namespace, snapshot: Snapshot, settings: Settings, found: _Found
    ) -> Outcome | None:
        outcome = decide(snapshot, int(self._clock()), settings.limits)
        if outcome is None or outcome.outcome is not Kind.AGREED:
            return outcome
        if outcome.chemical not in settings.chemicals:
            # It waits rather than ends: a chemical that was left out of the settings by mistake
            # would otherwise undo what both parties were told.
            path = snapshot.paths.get(snapshot.initiator, namespace.id)
            reason = (
                f"{outcome.chemical} is not traded here, so the deal over it is not settled; let"
                " the operator add it with `nom init --chemical`, or move the negotiation away"
            )
            found.problems.append(Problem(path=path, reason=reason))
            return None
        try:
            return self._validated(outcome)
        except Exception as error:
            # A validator is a stranger's code: whatever it raises, it did not agree.
            found.problem(namespace, f"a validator failed: {error!r}; repair it")
            return None

    def _validated(self, outcome: Outcome) -> Outcome:
        for validator in self._validators():
            reason = validator(outcome, self._store)
            if reason is not None:
                return objected(outcome, rules.check_text(reason, "the reason of a validator"))
        return outcome

    def _finish(self, namespace: Namespace, outcome: Outcome, found: _Found) -> None:
        if outcome.outcome is Kind.AGREED:
            filed = self._store.settle(outcome)
            for hook in self._hooks():
                try:
                    hook(outcome, filed)
                except Exception as error:
                    # A hook is a stranger's code; the deal is settled whatever it raises.
                    reason = f"an after-settlement hook failed: {error!r}; repair it"
                    found.problem(namespace, reason)
        self._store.archive(namespace, outcome.responder)

    def _log(self, report: Report) -> None:
        counts = {
            name: len(getattr(report, name))
            for name in ("active", "agreed", "rejected", "withdrawn", "expired", "problems")
        }
        if report.packed:
            counts["packed"] = report.packed
        line = {"time": report.at, **counts, "duration_ms": report.duration_ms}
        try:
            self._store.log_pass(codec.encode_line(line))
        except StoreError as error:
            report.problems.append(
                Problem(path="poller/stats.jsonl", reason=f"{error.message}; {error.hint}")
            )


def run(
    poll: Callable[[], Report],
    stop: threading.Event,
    *,
    every_s: float = DEFAULT_EVERY_S,
    on_report: Callable[[Report], object] = lambda report: None,
    on_error: Callable[[NomError], object] = lambda error: None,
) -> None:
    """Poll every `every_s` seconds until `stop` is set; a pass in hand is finished.

    A pass that could not work (a full disk, a broken mount) is told to `on_error`, and the
    loop goes on: the next one may find it repaired.
    """
    while not stop.is_set():
        try:
            on_report(poll())
        except NomError as error:
            on_error(error)
        stop.wait(every_s)
