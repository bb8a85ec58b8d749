"""Whether what the actors of one schedule were told is true, and stays true.

A history falls into epochs, with a power cut between each two. An epoch begins with what the
disk kept of the one before; what had been reported as done must be part of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from tests.faults.memory_os import MemoryOS
from tests.simulation import books
from tests.simulation.history import Call
from tests.simulation.instants import Place, Violation, namespaces
from tests.simulation.linearizability import BEGINNINGS, Known, events_of, linearizable
from tests.support import DAY

from nom_negotiate.core.outcome import Kind, Outcome

States = Mapping[Place, Known]
"""What a disk holds."""

ENDS: Final = frozenset({"offer", "accept", "reject", "withdraw"})


class Cut(NamedTuple):
    """A power cut, or the end of all.

    Attributes:
        moment: when it was, in the order of all beginnings and ends of calls.
        left: what is there after it.
    """

    moment: int
    left: States


def judge(calls: Sequence[Call], cuts: Sequence[Cut], end: Cut) -> None:
    """Check that each negotiation has a linear history, from its beginning to its end.

    Raises:
        Violation: where one has not.
    """
    begin = Cut(0, {})
    for until in (*cuts, end):
        epoch = [call for call in calls if begin.moment < call.begun < until.moment]
        old = {place.id: state for place, state in begin.left.items()}
        new = {place.id: state for place, state in until.left.items()}
        begun = {call.negotiation for call in epoch if call.verb in BEGINNINGS and call.negotiation}
        for id_ in sorted({*old, *new, *begun}):
            if until is end:
                _judge_end(id_, epoch, old.get(id_), new.get(id_))
            else:
                _judge_cut(id_, epoch, old.get(id_), new.get(id_))
        begin = until


def _judge_end(id_: str, calls: list[Call], before: Known, after: Known) -> None:
    if not linearizable(events_of(calls, id_), before, lambda state: same(state, after)):
        raise Violation(f"{id_} has no linear history that ends as {after}")


def _judge_cut(id_: str, calls: list[Call], before: Known, after: Known) -> None:
    if not linearizable(events_of(calls, id_), before):
        raise Violation(f"{id_} has no linear history before the power cut")
    mine = [call for call in calls if call.negotiation == id_]
    if len({call.party for call in mine if call.fate == "crashed"}) > 1:
        # Of two words that nobody was told of, the later may be left without the earlier.
        return
    # Whoever was only shown, or refused, because of a word that is lost now, was told no lie.
    done = events_of(calls, id_, strict=False)
    if not linearizable(done, before, lambda state: same(state, after)):
        raise Violation(f"the power cut took of {id_} what was done; {after} is left")


def same(state: Known, found: Known) -> bool:
    """Return whether the state of the model is what lies on the disk."""
    if state is None or found is None:
        return state is found
    if state.seen() != found.seen():
        return False
    return state.end is not None or state.promises == found.promises


def check_durable(calls: Sequence[Call], memory: MemoryOS) -> None:
    """Check that a power cut has left what was reported as done.

    Raises:
        Violation: where it has not.
    """
    there = {place.id: files for place, files in namespaces(memory).items()}
    for call in calls:
        if call.report is not None:
            books.check_told(memory, call.report.agreed)
        # Marking as read may find the mark of somebody who has died, and writes nothing then.
        if call.fate != "done" or call.found is None or call.verb in ("look", "mark_read"):
            continue
        files = there.get(call.found.id)
        if files is None:
            raise Violation(f"the power cut took {call.found.id}, which {call} had reported")
        assert call.party is not None
        said = {str(party): number for party, number in call.found.revisions.items()}
        if books.revision(files, call.party) < said[call.party]:
            raise Violation(f"the power cut took the word of {call}")


def check_endings(calls: Sequence[Call], outcomes: Iterable[Outcome]) -> None:
    """Check that who ended a negotiation, and how, is what somebody had asked for.

    Raises:
        Violation: where a withdrawal stands as a rejection, or the other way round.
    """
    verbs = {"withdraw": Kind.WITHDRAWN, "reject": Kind.REJECTED}
    asked = {
        (call.negotiation, verbs[call.verb], call.party)
        for call in calls
        if call.verb in verbs and call.fate != "refused"
    }
    for outcome in outcomes:
        # A deal over more than is left of a listing is refused by nobody: see `books`.
        if outcome.outcome in verbs.values() and not (outcome.listing and outcome.by is None):
            ending = (outcome.negotiation_id, outcome.outcome, outcome.by)
            if ending not in asked:
                raise Violation(f"nobody had asked for {ending}")


def check_start(call: Call, calls: Sequence[Call], *, in_order: bool) -> None:
    """Check that a pair has one of each chemical at a time, unless more were asked for.

    Args:
        call: a start that has returned.
        calls: all so far.
        in_order: whether the clock has only gone on, so that one can say what has expired.

    Raises:
        Violation: where there are two, or none was started because of one that is not there.
    """
    if call.fate == "refused" and call.negotiation is not None and call.is_judged:
        raise Violation(f"refused, and there it is: {call}")
    others = [
        one
        for one in calls
        if one.verb == "start" and one is not call and one.fate != "refused" and _alike(one, call)
    ]
    if call.code == "duplicate_negotiation":
        if not others:
            raise Violation(f"refused because of another, and there is none: {call}")
    elif call.fate == "done" and in_order and not call.options.get("again"):
        for one in others:
            if one.fate == "done" and one.ended < call.begun and _goes_on(one, call, calls):
                raise Violation(f"a second one, while the first goes on: {one}\n{call}")


def _alike(one: Call, other: Call) -> bool:
    pairs = [{call.party, call.options["counterparty"]} for call in (one, other)]
    return pairs[0] == pairs[1] and one.options["chemical"] == other.options["chemical"]


def _goes_on(start: Call, until: Call, calls: Sequence[Call]) -> bool:
    """Return whether what was started cannot have ended when a later call returns."""
    lasts = min(start.options.get("idle_s") or DAY, start.options.get("life_s") or DAY)
    return max(until.times) <= min(start.times) + lasts and not any(
        call.verb in ENDS and call.fate != "refused"
        for call in calls
        if call.negotiation == start.negotiation
    )
