"""One pass over the negotiations that need one.

Rules of the room:

- A pass looks where the doorbell was rung and at what is due; from time to time it looks
  through everything. It costs what has changed, not what is there.
- A pass decides, settles and archives. Each step is durable before the next one, and each
  may be redone: a pass that was cut short is finished by the next. Many deals share the
  barriers between the steps.
- One negotiation cannot stop another: what goes wrong with it is reported, and the pass
  goes on.
- A decision stands only on what both parties say when it is recorded: where one has
  written since, it is made anew.
- What answers a listing is judged last, when all that was decided before is settled: what
  is left of the listing tells whether it may be.
- Two passes never run at once; should a lock fail to hold, outcomes are exclusive anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from nom_negotiate.allotment import Allotments, Verdict
from nom_negotiate.core import rules
from nom_negotiate.core.decision import decide, objected, quiet_until
from nom_negotiate.core.identity import Address
from nom_negotiate.core.moves import moves_of
from nom_negotiate.core.negotiation import Problem, Snapshot, course_of
from nom_negotiate.core.outcome import Kind, Outcome
from nom_negotiate.errors import Conflict, NomError, RecordError
from nom_negotiate.extensions import Hook, Validator
from nom_negotiate.report import Report
from nom_negotiate.store.port import Agenda, Filed, Namespace, Store, Waiting

SWEEP_EVERY_S: Final = 3600

MAX_LOOKS: Final = 5
"""Looks at a negotiation in which somebody writes each time, before it waits for the next."""

FEW: Final = 2
"""So many decisions are carried out one by one: their own fsyncs cost less than barriers."""

BATCH: Final = 1000
"""Decisions that share barriers: a pass that is cut short has so many to look at again."""


class _Case:
    """One negotiation in a pass: what was found of it, and what follows.

    Attributes:
        place: where it is.
        problems: what was wrong with it.
        proposed: what it is to be concluded as.
        outcome: what it was concluded as.
        filed: its transactions, once they are placed.
        agreed_at: when it was agreed on, in unix seconds, where it answers a listing.
        granted: what was proposed, where a listing has enough left for it.
        waits: whether another deal that is under way leaves too little of the listing.
    """

    def __init__(self, place: Namespace) -> None:
        self.place = place
        self.problems: list[Problem] = []
        self.proposed: Outcome | None = None
        self.stood = False
        self.outcome: Outcome | None = None
        self.filed: dict[Address, Filed] = {}
        self.failed = False
        self.agreed_at: int | None = None
        self.granted: Outcome | None = None
        self.waits = False

    def problem(self, reason: str) -> None:
        self.problems.append(Problem(path=self.place.id, reason=reason))

    def met(self, error: Exception) -> None:
        """Note what ended the work on it; the next pass takes it up again."""
        self.failed = True
        if isinstance(error, NomError):
            self.problem(f"{error.message}; {error.hint}")
        else:
            # A defect of this library met one negotiation: it must not stop the others.
            self.problem(f"expected no such error, found {error!r}; report it")


class Pass:
    """One pass over a store.

    Args:
        store: where the negotiations are.
        clock: returns unix seconds.
        validators: returns what is asked before a deal is concluded.
        hooks: returns what is called after it is settled.
        report: takes up what is found and done.
    """

    _agenda: Agenda
    _going_on: list[Namespace]

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        validators: Callable[[], Iterable[Validator]],
        hooks: Callable[[], Iterable[Hook]],
        report: Report,
    ) -> None:
        self._store = store
        self._clock = clock
        self._validators = validators
        self._hooks = hooks
        self._report = report
        self._settings = store.settings()
        self._allotments = Allotments(store)
        self._answers: list[_Case] = []
        self._sharing = False

    def make(self, waiting: Waiting, *, trusting: bool) -> None:
        """Do what there is to do; to be called under the poller's lock, once.

        Args:
            waiting: what there is to do.
            trusting: whether a scan may pass over what has not changed since the last one.
        """
        report, scan = self._report, waiting is Waiting.SCAN
        sweeps = scan and self._is_sweep_due(report.at)
        with self._store.attend(
            report.at, scan=scan, trusting=trusting and not sweeps
        ) as self._agenda:
            agenda = self._agenda
            report.scanned = agenda.scanned
            report.problems += agenda.problems
            self._going_on = list(agenda.unchanged)
            self._go_through()
            if agenda.unchanged and agenda.places:
                self._going_on.sort(key=lambda place: (place.initiator, place.id))
            report.active = [place.id for place in self._going_on]
            report.places = self._going_on
            if sweeps and self._sweep():
                agenda.scan_again = True

    def _is_sweep_due(self, now: int) -> bool:
        # A clock that went back, or a hint that is wrong, costs a sweep more.
        return not 0 <= now - self._store.swept_at() < SWEEP_EVERY_S

    def _sweep(self) -> bool:
        """Remove what was left over and pack what ended long ago; return whether to go on."""
        report, settings = self._report, self._settings
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
                    return True
        except NomError as error:
            reason = f"{error.message}; {error.hint}"
            report.problems.append(Problem(path="the hourly sweep", reason=reason))
        except Exception as error:
            # A defect of this library: the pass itself is done.
            reason = f"expected no such error, found {error!r}; report it"
            report.problems.append(Problem(path="the hourly sweep", reason=reason))
        return False

    # One pass

    def _go_through(self) -> None:
        places = self._agenda.places
        for begin in range(0, len(places), BATCH):
            cases = [_Case(place) for place in places[begin : begin + BATCH]]
            self._do(cases)
            self._tell([case for case in cases if case.agreed_at is None])
            self._answers += [case for case in cases if case.agreed_at is not None]
        if self._answers:
            self._share_out()
        self._note()

    def _do(self, cases: Sequence[_Case]) -> None:
        self._each(cases, self._look)
        self._carry_out([case for case in cases if case.proposed])

    def _tell(self, cases: Sequence[_Case]) -> None:
        agenda, report = self._agenda, self._report
        for case in cases:
            report.problems += case.problems
            if case.failed:
                self._again(case)
                if case.outcome is not None:
                    # It may be half in the archive, where no hint leads.
                    agenda.scan_again = True
            elif case.outcome is not None:
                report.of(case.outcome.outcome).append(case.place.id)

    def _share_out(self) -> None:
        """Do what answers listings, once all that was decided before is settled."""
        self._sharing = True
        waiting = sorted(self._answers, key=lambda case: (case.agreed_at, case.place))
        while waiting:
            before, waits = len(waiting), []
            for begin in range(0, before, BATCH):
                cases = waiting[begin : begin + BATCH]
                self._do(cases)
                waits += [case for case in cases if case.waits]
                self._tell([case for case in cases if not case.waits])
            if len(waits) == before:
                # What they wait for could not be concluded, or settled. The next pass begins there.
                self._agenda.scan_again = True
                for case in waits:
                    self._report.problems += case.problems
                    self._going_on.append(case.place)
                    self._again(case)
                return
            waiting = waits

    def _note(self) -> None:
        try:
            self._allotments.note(int(self._clock()))
        except Exception as error:
            # A defect of this library: the deals are settled, and what is left follows from them.
            reason = f"expected no such error, found {error!r}; report it"
            self._report.problems.append(Problem(path="what is left of listings", reason=reason))

    def _each(self, cases: Sequence[_Case], work: Callable[..., object], *store: Store) -> None:
        """Do the same for each: one cannot stop another."""
        for case in cases:
            try:
                work(case, *store)
            except Exception as error:
                case.met(error)

    def _look(self, case: _Case) -> None:
        """See what a negotiation calls for: an outcome, or to be left as it is."""
        place = case.place
        case.proposed, case.failed = None, False
        case.agreed_at, case.waits = None, False
        if case.granted is not None:
            self._allotments.drop(case.granted)
            case.granted = None
        snapshot = self._store.snapshot(place)
        if snapshot is not None and snapshot.problems and self._store.discard_torn(snapshot):
            snapshot = self._store.snapshot(place)
        if snapshot is None:
            return
        now = int(self._clock())
        snapshot = snapshot.as_of(now)
        case.problems = list(snapshot.problems)
        case.stood = snapshot.outcome is not None
        case.proposed = snapshot.outcome or self._decided(case, snapshot)
        if case.proposed is not None or case.waits or case.agreed_at is not None:
            return
        self._going_on.append(place)
        if snapshot.responder is not None:
            self._store.repair_link(place, snapshot.responder)
            due = quiet_until(snapshot, now, self._settings.limits)
            if due is not None and not case.problems:
                self._agenda.quiet(place, due, snapshot.responder)

    def _carry_out(self, cases: Sequence[_Case]) -> None:
        """Conclude, settle and archive: each step durable, for all of them, before the next."""
        if not cases:
            return
        if len(cases) <= FEW:
            for case in cases:
                self._step_by_step([case], self._store)
            return
        with self._store.batch() as batch:
            self._step_by_step(cases, batch)

    def _step_by_step(self, cases: Sequence[_Case], store: Store) -> None:
        self._each(cases, self._conclude, store)
        concluded = [case for case in cases if case.outcome is not None and not case.failed]
        self._each(self._barrier(store, concluded), self._settle, store)
        settled = [case for case in concluded if not case.failed]
        self._each(self._barrier(store, settled), self._archive, store)

    def _barrier(self, store: Store, cases: Sequence[_Case]) -> Sequence[_Case]:
        """Return what may go on: nothing that follows is done on what is not durable."""
        try:
            store.barrier()
        except NomError as error:
            for case in cases:
                case.met(error)
            return ()
        return cases

    def _conclude(self, case: _Case, store: Store) -> None:
        for _ in range(MAX_LOOKS):
            proposed = case.proposed
            if proposed is None:
                # What was decided no longer follows from what the parties say.
                return
            try:
                # One that is there already may not have been durable yet.
                standing = store.conclude(case.place, proposed)
            except Conflict:
                # A party wrote after the snapshot: what it said counts.
                self._look(case)
                continue
            except RecordError as error:
                # One that is there is damaged, and has had effects: a person has to see to it.
                path = f"{case.place.id}/outcome.json"
                case.problems = [Problem(path=path, reason=f"{error.message}; {error.hint}")]
                self._going_on.append(case.place)
                return
            if not case.stood and standing != proposed:
                # Somebody else has decided: what that is stands in the next snapshot, checked.
                self._look(case)
                continue
            case.outcome = standing
            return
        self._going_on.append(case.place)
        self._again(case)

    def _again(self, case: _Case) -> None:
        self._agenda.again(case.place)
        self._report.unfinished.append(case.place.id)

    def _decided(self, case: _Case, snapshot: Snapshot) -> Outcome | None:
        settings = self._settings
        outcome = decide(snapshot, int(self._clock()), settings.limits)
        if outcome is None or outcome.outcome is not Kind.AGREED:
            return outcome
        if outcome.chemical not in settings.chemicals:
            # It waits rather than ends: a chemical that was left out of the settings by mistake
            # would otherwise undo what both parties were told.
            path = snapshot.paths.get(snapshot.initiator, case.place.id)
            reason = (
                f"{outcome.chemical} is not traded here, so the deal over it is not settled; let"
                " the operator add it with `nom init --chemical`, or move the negotiation away"
            )
            case.problems.append(Problem(path=path, reason=reason))
            case.failed = True
            return None
        if outcome.listing is not None and not self._sharing:
            case.agreed_at = self._agreed_at(snapshot)
            return None
        try:
            outcome = self._validated(outcome)
        except Exception as error:
            # A validator is a stranger's code: whatever it raises, it did not agree.
            case.problem(f"a validator failed: {error!r}; repair it")
            case.failed = True
            return None
        if outcome.listing is None or outcome.outcome is not Kind.AGREED:
            return outcome
        return self._allotted(case, outcome)

    def _agreed_at(self, snapshot: Snapshot) -> int:
        agreed_at = course_of(snapshot, self._settings.limits, lambda: moves_of(snapshot)).agreed_at
        assert agreed_at is not None, "both have agreed"
        return agreed_at

    def _allotted(self, case: _Case, outcome: Outcome) -> Outcome | None:
        """Return the outcome of an agreement that answers a listing, None where it waits."""
        verdict = self._allotments.judge(outcome)
        if verdict is Verdict.GRANTED:
            case.granted = outcome
            return outcome
        if verdict is Verdict.WAITS:
            case.waits = True
            return None
        return objected(outcome, verdict)

    def _validated(self, outcome: Outcome) -> Outcome:
        for validator in self._validators():
            reason = validator(outcome, self._store)
            if reason is not None:
                return objected(outcome, rules.check_text(reason, "the reason of a validator"))
        return outcome

    def _settle(self, case: _Case, store: Store) -> None:
        assert case.outcome is not None, "only what is concluded is settled"
        if case.outcome.outcome is Kind.AGREED:
            case.filed = store.settle(case.outcome)
            self._allotments.settled(case.outcome)
        if store is not self._store:
            # Before the barrier: the way to the archive is durable when the move begins.
            store.announce(case.place, case.outcome.responder)

    def _archive(self, case: _Case, store: Store) -> None:
        assert case.outcome is not None, "only what is concluded is archived"
        if case.outcome.outcome is Kind.AGREED:
            for hook in self._hooks():
                try:
                    hook(case.outcome, case.filed)
                except Exception as error:
                    # A hook is a stranger's code; the deal is settled whatever it raises.
                    case.problem(f"an after-settlement hook failed: {error!r}; repair it")
        store.archive(case.place, case.outcome.responder)
