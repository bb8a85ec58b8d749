"""The poller: it sees whether there is anything to do, and makes a pass if there is.

What a pass does stands in `one_pass`, which is imported when one has something to do: a poll that
finds nothing is the usual one, and takes no lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from nom_negotiate import codec
from nom_negotiate.errors import NomError, StoreError
from nom_negotiate.report import Report as Report
from nom_negotiate.store.port import Waiting

if TYPE_CHECKING:
    import threading

    from nom_negotiate.extensions import Hook, Validator
    from nom_negotiate.store.port import Listening, Store

DEFAULT_EVERY_S: Final = 30.0


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

    def poll(self, *, scan: bool = False) -> Report:
        """Make one pass and append one line to the stats log.

        Looks where somebody has written and at what is due; every few minutes it looks through
        everything, and once in an hour it trusts no hint and sweeps, too. Where another pass is
        running, it leaves at once with a report that says `busy`.

        Args:
            scan: look at every negotiation, trusting no hint.

        Raises:
            StoreError: where the store cannot be worked with at all.
            ConfigurationError: where the settings are broken. A broken extension is a problem
                in the report, and no deal is concluded or archived without it.
        """
        started = time.perf_counter()
        report = Report(at=int(self._clock()))
        waiting = Waiting.SCAN if scan else self._store.waiting(report.at)
        if waiting is not Waiting.NOTHING:
            with self._store.polling() as free:
                if not free:
                    report.busy = True
                    return report
                from nom_negotiate.one_pass import Pass

                made = Pass(self._store, self._clock, self._validators, self._hooks, report)
                made.make(waiting, trusting=not scan)
        report.duration_ms = round((time.perf_counter() - started) * 1000, 3)
        self._log(report)
        return report

    def _log(self, report: Report) -> None:
        counts = {
            name: len(getattr(report, name))
            for name in ("active", "agreed", "rejected", "withdrawn", "expired", "problems")
        }
        if report.packed:
            counts["packed"] = report.packed
        line = {"time": report.at, **counts, "duration_ms": report.duration_ms}
        try:
            self._store.log_pass(codec.encode_figures(line))
        except StoreError as error:
            from nom_negotiate.core.negotiation import Problem

            report.problems.append(
                Problem(path="poller/stats.jsonl", reason=f"{error.message}; {error.hint}")
            )


def run(
    poll: Callable[[], Report],
    stop: threading.Event,
    *,
    every_s: float = DEFAULT_EVERY_S,
    listening: Listening | None = None,
    on_report: Callable[[Report], object] = lambda report: None,
    on_error: Callable[[NomError], object] = lambda error: None,
) -> None:
    """Poll when the doorbell is rung, and every `every_s` seconds, until `stop` is set.

    A pass in hand is finished. One that could not work (a full disk, a broken mount) is told to
    `on_error`, and the loop goes on: the next one may find it repaired.

    Args:
        poll: makes a pass.
        stop: ends it; whoever sets it calls `listening.wake`, too.
        every_s: seconds between two passes while nobody rings.
        listening: hears the doorbell; None to go by the clock only.
        on_report: told of each pass.
        on_error: told of each pass that could not work.
    """
    while not stop.is_set():
        report = None
        try:
            report = poll()
            on_report(report)
        except NomError as error:
            on_error(error)
        if listening is None:
            stop.wait(every_s)
        elif report is None or report.busy:
            # What lies in the doorbell is not for us, or no use: only what comes now is.
            listening.sleep(every_s, stop.is_set, busy=True)
        else:
            listening.sleep(every_s, stop.is_set, unfinished=report.unfinished)
