"""`nom demo`: a whole negotiation, played with the library and told in commands.

Rules of the room:

- The demo keeps to a directory of its own: one that it makes, or one that is empty. NOM_DATA
  names somebody's data, and is not looked at.
- A step is a library call and the command that does the same; the two stand side by side
  here, and a test replays the commands.
- A scene is a function of the stage. `SCENES` is the play.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable
from typing import Any, Final

import click

from nom_negotiate import codec
from nom_negotiate.cli import demo_sample, shapes, tree, views
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Line, Output, Span, line, visible
from nom_negotiate.cli.reports import lines_of_report, shape
from nom_negotiate.core.identity import directory_name
from nom_negotiate.core.negotiation import Negotiation
from nom_negotiate.core.terms import Role
from nom_negotiate.desk import Desk
from nom_negotiate.errors import ConfigurationError
from nom_negotiate.legacy.run import run
from nom_negotiate.legacy.source import read_source
from nom_negotiate.party import Party
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.errnos import reported

ALICE: Final = "alice@stonybrook.edu"
BOB: Final = "bob@stonybrook.edu"


@click.command(
    epilog="""\b
Examples:
  nom demo
  nom demo --data /tmp/market
""",
)
@common
@click.pass_obj
def demo(app: App) -> None:
    """Play a whole negotiation, and show how.

    A sample of old data is brought over. Two parties haggle to a deal, a poll settles it,
    and what lies in their directories then is printed. Each step names the command that does
    it. It all happens in a directory of its own, which stays for you to look around in.
    """
    root = _place(app.data)
    # Whatever the installed packages would have to say about the deal, this is a play.
    desk = Desk(root, validators=(), after_settlement=(), notice=app.out.notice)
    stage = Stage(desk, root, app.out)
    for scene in SCENES:
        scene(stage)
    stage.close()


def _place(named: str | None) -> str:
    """Return an empty directory: the one that was named, or a new one."""
    with reported("make a directory for the demo"):
        if named is None:
            return tempfile.mkdtemp(prefix="nom-demo-")
        if os.path.isdir(named) and os.listdir(named):
            raise ConfigurationError(
                "unusable_root",
                f"expected an empty directory for the demo, found files in {named}",
                hint="name another directory, or none at all",
            )
        return os.path.abspath(named)


class Stage:
    """Where the demo is played: the desk, the two parties, and what has been told.

    Attributes:
        desk: of the demo's own data root.
        root: the path of it.
        out: where the play is printed; with --json it is printed once it is over.
        negotiation: as it stands.
        told: what `--json` prints.
    """

    def __init__(self, desk: Desk, root: str, out: Output) -> None:
        self.desk = desk
        self.root = root
        self.out = out
        self.negotiation: Negotiation | None = None
        self.steps: list[dict[str, str]] = []
        self.told: dict[str, Any] = {"data": visible(root), "steps": self.steps}
        self.lines([line("The data root of this demo, for every command below:")])
        self.lines([[], line(f"  $ export NOM_DATA={shlex.quote(visible(root))}")])

    @property
    def alice(self) -> Party:
        """Return the party that buys."""
        return self.desk.party(ALICE)

    @property
    def bob(self) -> Party:
        """Return the party that sells."""
        return self.desk.party(BOB)

    @property
    def id(self) -> str:
        """Return the id of the negotiation."""
        assert self.negotiation is not None, "the scenes begin with a start"
        return self.negotiation.id

    def step(self, title: str, *command: str) -> None:
        """Tell what happens next, and the command that does it, word by word."""
        self.told_as(title, shlex.join(command))

    def told_as(self, title: str, typed: str) -> None:
        """Tell what happens next, and what to type for it."""
        self.steps.append({"title": title, "command": typed})
        number = Span(f"{len(self.steps)}. {title}", "title")
        self.lines([[], line(number), [], line(f"  $ {typed}"), []])

    def lines(self, lines: list[Line]) -> None:
        """Print lines, unless the play is to be printed as JSON."""
        if not self.out.as_json:
            self.out.lines(lines)

    def stands(self, negotiation: Negotiation) -> None:
        """Print how the negotiation stands now."""
        self.negotiation = negotiation
        self.lines([line("  ", *spans) for spans in views.summary(negotiation)])

    def close(self) -> None:
        """Say goodbye, or print all of it as JSON."""
        if self.out.as_json:
            self.out.json(self.told)
            return
        self.lines([[], line("Look around: the directory stays until you remove it.")])
        self.lines([[], line(f"  $ rm -r {shlex.quote(visible(self.root))}")])


def set_up(stage: Stage) -> None:
    """Make the data root."""
    stage.step("Set up a data root: a directory, and nothing to run.", "nom", "init")
    stage.desk.initialise()
    chemicals = " ".join(stage.desk.settings.chemicals)
    stage.lines([line(f"  what may be traded: {chemicals}")])


def bring_over(stage: Stage) -> None:
    """Migrate the sample of old data that is shipped with the package."""
    sample = demo_sample.directory("legacy-sample")
    stage.step(
        "Bring old data over: a sample of what the earlier market program left.",
        *("nom", "migrate", "run", sample),
    )
    done = run(FileStore(stage.root), read_source(sample), stage.desk.now())
    carried = {figure.name: figure.new for figure in done.plan.figures()}
    stage.told["migrated"] = carried
    stage.lines([line(f"  {number} {kind}") for kind, number in carried.items()])


def haggle(stage: Stage) -> None:
    """Let two parties come to terms."""
    stage.step(
        "Alice wants 1000 units of C and offers 5.50 for each.",
        *("nom", "start", BOB, "C", "--as", ALICE, "--buy", "--price", "5.50"),
        *("--quantity", "1000", "--message", "we need it by Monday"),
    )
    stage.stands(
        stage.alice.start(
            BOB,
            chemical="C",
            role=Role.BUYER,
            price="5.50",
            quantity="1000",
            message="we need it by Monday",
        )
    )
    stage.step(
        "Bob turns that down and names his terms, in one step.",
        *("nom", "reject", stage.id, "--as", BOB, "--reason", "too low, and I have 900"),
        *("--price", "7", "--quantity", "900"),
    )
    stage.stands(
        stage.bob.offer(stage.id, price="7", quantity="900", reason="too low, and I have 900")
    )
    for who, party, price in (
        ("Alice comes up a little.", stage.alice, "5.90"),
        ("Bob comes down.", stage.bob, "6.40"),
        ("Alice makes a last offer.", stage.alice, "6.10"),
    ):
        terms = ("--price", price, "--quantity", "900")
        stage.step(who, "nom", "offer", stage.id, "--as", party.address, *terms)
        stage.stands(party.offer(stage.id, price=price, quantity="900"))


def agree(stage: Stage) -> None:
    """Let the seller accept, and a pass settle it."""
    stage.step(
        "Bob accepts what he has seen, and nothing else: round 5.",
        *("nom", "accept", stage.id, "--as", BOB, "--round", "5"),
    )
    stage.stands(stage.bob.accept(stage.id, round=5))
    stage.step("A poll settles what is agreed. A crontab line does this.", "nom", "poll")
    report = stage.desk.poll()
    stage.told["poll"] = shape(report)
    stage.lines([line("  ", *spans) for spans in lines_of_report(report)])


def look_around(stage: Stage) -> None:
    """Show the directories, the haggling and the transactions."""
    now, settings = stage.desk.now(), stage.desk.settings
    for party, title in (
        (stage.alice, "What lies in Alice's directory now: files, and nothing else."),
        (stage.bob, "And in Bob's: his link to the negotiation, and his half of the deal."),
    ):
        stage.step(title, "nom", "tree", "--party", party.address)
        entries = tree.entries_of(stage.desk, party.address)
        described = ((entry, tree.describe(entry, settings, now)) for entry in entries)
        stage.lines(list(tree.draw(described, stage.out)))
    stage.step("How the two came together.", "nom", "show", stage.id)
    ended = stage.desk.negotiation(stage.id)
    stage.told["negotiation"] = shapes.of_negotiation(ended)
    if not stage.out.as_json:
        views.show_negotiation(stage.out, ended, now)
    filed = stage.told["transactions"] = {}
    for party, title in (
        (stage.alice, "What Alice has of it: a file in her own directory."),
        (stage.bob, "And Bob, the same in the mirror."),
    ):
        for name, transaction in party.transactions():
            if transaction.negotiation_id != stage.id:
                continue
            path = f"teams/{directory_name(party.address)}/transactions/{name}"
            filed[path] = codec.builtins(transaction)
            stage.told_as(title, f'cat "$NOM_DATA/{path}"')
            text = codec.encode(transaction).decode()
            stage.lines([line(f"  {visible(row)}") for row in text.splitlines()])


SCENES: Final[tuple[Callable[[Stage], None], ...]] = (
    set_up,
    bring_over,
    haggle,
    agree,
    look_around,
)
