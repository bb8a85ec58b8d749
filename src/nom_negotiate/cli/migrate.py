"""`nom migrate`: brings the data of the old programs over."""

from __future__ import annotations

import sys
from typing import Final

import click

from nom_negotiate.cli import migration
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.group import Entry, LazyGroup
from nom_negotiate.cli.output import Output
from nom_negotiate.legacy.planner import make_plan
from nom_negotiate.legacy.rollback import RollbackRefused, rollback
from nom_negotiate.legacy.run import run
from nom_negotiate.legacy.source import read_source
from nom_negotiate.legacy.verify import verify
from nom_negotiate.store.files import FileStore

_HERE: Final = "nom_negotiate.cli.migrate"

TABLE: Final = (
    Entry("plan", f"{_HERE}:plan_it", "Say what a run would do, and change nothing."),
    Entry("run", f"{_HERE}:run_it", "Bring the old data over."),
    Entry("verify", f"{_HERE}:verify_it", "Compare the old data with what became of them."),
    Entry("rollback", f"{_HERE}:roll_back", "Take away again what runs have added."),
)

source = click.argument("source", metavar="SOURCE", type=click.Path())


@click.group(
    cls=LazyGroup,
    table=TABLE,
    epilog="""\b
Examples:
  nom migrate plan /srv/market/data
  nom migrate run /srv/market/data --data /srv/nom/data
  nom migrate verify /srv/market/data --data /srv/nom/data
""",
)
@common
def migrate() -> None:
    """Bring old data over.

    SOURCE is the data directory of an old program, or the directory that has it as data/. It
    may be the data root itself. Nothing in it is changed, moved or removed.
    """


@click.command(
    "plan",
    epilog="""\b
Examples:
  nom migrate plan /srv/market/data
  nom migrate plan /srv/market/data --json
""",
)
@source
@common
@click.pass_obj
def plan_it(app: App, source: str) -> None:
    """Say what a run would do, and change nothing.

    Prints how much there is of each kind, how much of it is there already, and what is left
    out and why. With --json also the new id of each negotiation.
    """
    desk = app.desk()
    found = make_plan(FileStore(app.root), read_source(source), desk.now())
    migration.say_plan(app.out, found, app.root, "NEW")


@click.command(
    "run",
    epilog="""\b
Examples:
  nom migrate run /srv/market/data
  nom migrate run /srv/market/data --data /srv/nom/data --json
""",
)
@source
@common
@click.pass_obj
def run_it(app: App, source: str) -> None:
    """Bring the old data over.

    A run that was interrupted is completed by the next one, and one that has nothing to do
    changes nothing. The poller may go on running.
    """
    desk = app.desk()
    done = run(FileStore(app.root), read_source(source), desk.now(), Progress(app.out))
    migration.say_done(app.out, done, app.root)


@click.command(
    "verify",
    epilog="""\b
Example:
  nom migrate verify /srv/market/data
""",
)
@source
@common
@click.pass_obj
def verify_it(app: App, source: str) -> None:
    """Compare the old data with what became of them.

    Prints each figure of both sides and each difference, and exits with 9 where there is one.
    Negotiations that went on since are none, as long as they begin with the old offers.
    """
    desk = app.desk()
    found = verify(FileStore(app.root), read_source(source), desk.now())
    migration.say_verification(app.out, found, app.root)
    found.check()


@click.command(
    "rollback",
    epilog="""\b
Examples:
  nom migrate rollback /srv/market/data
  nom migrate rollback /srv/market/data --force
""",
)
@source
@click.option("--force", is_flag=True, help="Also what has been used since.")
@common
@click.pass_obj
def roll_back(app: App, source: str, force: bool) -> None:
    """Take away again what runs have added.

    Removes what came from SOURCE, and nothing else. Where any of it has been used since (a
    negotiation went on, a listing was closed) it removes nothing, and says what that is. A
    party that has other things by now keeps its directory. SOURCE need not be there any more.
    """
    desk = app.desk()
    try:
        done = rollback(
            FileStore(app.root), source, desk.now(), force=force, progress=Progress(app.out)
        )
    except RollbackRefused as refused:
        migration.say_obstacles(app.out, refused.obstacles)
        raise
    migration.say_undone(app.out, done)


class Progress:
    """Counts on stderr: in one line on a terminal, now and then in a file, nothing as JSON."""

    def __init__(self, out: Output) -> None:
        self._silent = out.as_json
        self._step = -1

    def __call__(self, done: int, of: int) -> None:
        """Tell that so many things are done."""
        if self._silent or not of:
            return
        if sys.stderr.isatty():
            click.echo(f"\rnom: {done} of {of}", nl=done == of, err=True)
            return
        step = done * min(10, 1 + of // 50) // of
        if step > self._step:
            self._step = step
            click.echo(f"nom: {done} of {of}", err=True)
