"""`nom run`: the loop around `nom poll`, for a service manager or a terminal."""

from __future__ import annotations

import threading
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

import click

from nom_negotiate.cli import values
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Output, line, visible
from nom_negotiate.cli.reports import did_something, ended, shape, summary
from nom_negotiate.cli.stopping import stopped_by_signals
from nom_negotiate.cli.wording import clock
from nom_negotiate.errors import NomError

if TYPE_CHECKING:
    from nom_negotiate.autopilot import Pilots, Step
    from nom_negotiate.cli.names import Names
    from nom_negotiate.core.identity import Address
    from nom_negotiate.desk import Desk
    from nom_negotiate.report import Report
    from nom_negotiate.store.port import Listening, Watching


@click.command(
    epilog="""\b
Examples:
  nom run
  nom run --every 10s --data /srv/nom/data --json
""",
)
@click.option(
    "--every",
    default="30s",
    metavar="TIME",
    show_default=True,
    help="The longest pause between passes.",
)
@common
@click.pass_obj
def run(app: App, every: str) -> None:
    """Poll again and again, until stopped.

    A deal settles when it is struck: whoever writes wakes it, through nom or with a program that
    only knows the files. What expires, and what the system does not tell of, is found by the
    passes in between.

    Whoever has turned on an autopilot is negotiated for, with --as only that party. In a data
    root that is isolated by Unix users, --as is needed for it, as the party's own user: then
    nothing is polled.

    SIGTERM or Ctrl-C lets the pass in hand finish, and leaves with 0; a second Ctrl-C does
    not wait. Prints a line for each pass that did something, with --json one for each pass.
    A pass that could not work is reported, and the next one is tried.
    """
    from nom_negotiate.autopilot import Pilots
    from nom_negotiate.core.party import Isolation
    from nom_negotiate.poller import run as loop

    every_s = values.parse_duration(every, "--every")
    # A wrong data root is no passing trouble: it is refused here, before the first pass.
    desk = app.polling_desk()
    isolated = desk.settings.isolation is Isolation.UNIX
    pilots = Pilots(
        desk,
        only=app.address,
        every_s=every_s,
        on_step=lambda step: app.out.notice(_word(step, app.out.names)),
        notice=app.out.notice,
    )

    def follow(report: Report) -> None:
        _say(app.out, report)
        pilots.follow(report)

    if isolated and app.address is not None:
        _negotiate(desk, app.address, pilots, every_s, app.out)
        return
    listening = desk.store.listening(app.out.notice)
    stop = Stop(listening)
    with closing(listening) if listening else nullcontext(), stopped_by_signals(stop.set):
        loop(
            desk.poll,
            stop,
            every_s=every_s,
            listening=listening,
            on_report=follow,
            on_error=lambda error: _complain(app.out, error),
        )


def _negotiate(desk: Desk, party: Address, pilots: Pilots, every_s: int, out: Output) -> None:
    """Negotiate for one party, and leave the passes to the poller's own user."""
    watching = desk.store.watching(party, notice=out.notice)
    stop = Stop(watching)
    with closing(watching), stopped_by_signals(stop.set):
        while not stop.is_set():
            # Before they answer: what comes meanwhile ends the wait.
            watching.look()
            pilots.look_through()
            watching.wait(every_s)


def _word(step: Step, names: Names) -> str:
    from nom_negotiate.core.terms import plain

    verb = {"accept": "accepts", "counter": "offers"}.get(step.action, "rejects what was offered")
    terms = step.terms
    what = "" if terms is None else f" {plain(terms.quantity)} at {plain(terms.price)}"
    party = names.beside(step.party, visible(step.party))
    return f"{visible(step.negotiation_id)}: the autopilot of {party} {verb}{what}"


def _say(out: Output, report: Report) -> None:
    if out.as_json:
        out.json_line(shape(report))
    elif report.busy:
        out.notice("another pass is running; this one left it the work")
    elif did_something(report):
        out.lines([line(_sentence(report))])
    # Each line is delivered at once: the next one may be hours away.
    out.flush()


def _sentence(report: Report) -> str:
    done = [f"{kind} {' '.join(map(visible, ids))}" for kind, ids in ended(report).items() if ids]
    problems = [f"{visible(p.path)}: {visible(p.reason)}" for p in report.problems]
    return f"{clock(report.at)}  {'; '.join([*done, *problems])}  ({summary(report)})"


def _complain(out: Output, error: NomError) -> None:
    out.error(error.code, error.message, error.hint, error.exit_status)


class Stop(threading.Event):
    """An event that a signal handler may set.

    `threading.Event.set` takes a lock. A handler runs in the main thread between any two of
    its steps, also while that thread holds this very lock, and would wait for itself. So this one
    is a flag, and wakes who sleeps.
    """

    def __init__(self, listening: Listening | Watching | None) -> None:
        super().__init__()
        self._listening = listening
        self._asked = False

    def set(self) -> None:
        """Ask the loop to stop."""
        self._asked = True
        if self._listening is not None:
            self._listening.wake()

    def is_set(self) -> bool:
        """Return whether the loop was asked to stop."""
        return self._asked
