"""What each actor asked for, what it was told, and between which two steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from nom_negotiate import Negotiation, NomError
from nom_negotiate.poller import Report

NEVER: Final = 1 << 60

Fate = Literal["running", "done", "refused", "crashed"]


@dataclass(slots=True)
class Call:
    """One call of one actor.

    Attributes:
        actor: its name.
        party: who acts; None for a poll.
        verb: as in `Party`; `look` is `negotiation`, `poll` is the poller's; `respond` and
            `close` are the market's, `prefer` and `turn_off` concern the party's own room.
        negotiation: its id; None for a poll, and for a start until it has returned.
        options: the other arguments.
        begun: its place in the order of all beginnings and ends.
        ended: likewise; at its end it returned, or was cut off.
        steps: the numbers of the last steps before its beginning and its end.
        fate: what became of it.
        error: where it was refused.
        found: the negotiation that it returned.
        report: what a poll returned.
        times: what the clock said each time that the call looked at it.
        is_judged: false where a refusal is to be expected that no order of calls explains.
    """

    actor: str
    party: str | None
    verb: str
    negotiation: str | None
    options: Mapping[str, Any]
    begun: int = 0
    ended: int = NEVER
    steps: tuple[int, int] = (0, NEVER)
    fate: Fate = "running"
    error: NomError | None = None
    found: Negotiation | None = None
    report: Report | None = None
    times: list[int] = field(default_factory=list)
    is_judged: bool = True

    @property
    def code(self) -> str | None:
        return None if self.error is None else self.error.code

    def __str__(self) -> str:
        first, last = self.steps
        end = "" if last == NEVER else str(last)
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        said = f"{self.code}: {self.error.message}" if self.error else self._told()
        return (
            f"{first:>6}-{end:<6} {self.actor}: {self.verb} {self.negotiation or ''}"
            f" ({options}) at {sorted(set(self.times))}\n{'':14} {self.fate} {said}"
        )

    def _told(self) -> str:
        if self.report is not None:
            report = self.report
            kinds = ("active", "agreed", "rejected", "withdrawn", "expired", "problems")
            told = {kind: getattr(report, kind) for kind in kinds if getattr(report, kind)}
            return "busy" if report.busy else str(told)
        if self.found is None:
            return ""
        table = self.found.on_table
        lies = (
            "" if table is None else f", {table.by} {table.round}: {table.quantity}@{table.price}"
        )
        return f"{self.found.id} {self.found.phase}{lies}"


class History:
    """All calls of one schedule, in the order in which they began.

    Args:
        step: returns the number of the step that was the last.
    """

    def __init__(self, step: Callable[[], int]) -> None:
        self.calls: list[Call] = []
        self.moments = 0
        self._step = step

    def moment(self) -> int:
        """Return a number for this moment, larger than all before."""
        self.moments += 1
        return self.moments

    def record(self, call: Call, body: Callable[[], Any]) -> None:
        """Run the body of a call, and note what became of it."""
        call.begun = self.moment()
        call.steps = (self._step(), NEVER)
        self.calls.append(call)
        try:
            found = body()
        except NomError as error:
            call.fate, call.error = "refused", error
        except BaseException:
            call.fate = "crashed"
            raise
        else:
            call.fate = "done"
            if isinstance(found, Negotiation):
                call.found = found
                call.negotiation = found.id
            elif isinstance(found, Report):
                call.report = found
        finally:
            call.ended = self.moment()
            call.steps = (call.steps[0], self._step())

    def __str__(self) -> str:
        return "\n".join(map(str, self.calls))
