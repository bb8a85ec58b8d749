"""`nom archive`: what has ended, and packing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from nom_negotiate.cli import completion, values
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.group import Entry, LazyGroup
from nom_negotiate.cli.ls import print_list
from nom_negotiate.cli.output import line
from nom_negotiate.cli.reports import lines_of_problems
from nom_negotiate.cli.show import print_one
from nom_negotiate.cli.wording import plural
from nom_negotiate.errors import NotFound

if TYPE_CHECKING:
    from nom_negotiate.store.port import Packing

_HERE: Final = "nom_negotiate.cli.archive"

TABLE: Final = (
    Entry("ls", f"{_HERE}:list_archived", "List archived negotiations."),
    Entry("show", f"{_HERE}:show_archived", "Show one archived negotiation."),
    Entry("pack", f"{_HERE}:pack", "Pack what ended long ago."),
    Entry("unpack", f"{_HERE}:unpack", "Put back what was packed."),
)


@click.group(
    cls=LazyGroup,
    table=TABLE,
    epilog="""\b
Examples:
  nom archive ls --as alice@stonybrook.edu
  nom archive show alice_bob_C_1704312345
  nom archive pack --older-than 30d
""",
)
@common
def archive() -> None:
    """Look at what has ended, and pack it.

    A poll moves a negotiation here once it is agreed, rejected, withdrawn or expired. Packed
    or not, it is listed and shown alike.
    """


@click.command(
    "ls",
    epilog="""\b
Example:
  nom archive ls --as alice@stonybrook.edu
""",
)
@click.option("--all", "everybody", is_flag=True, help="Of all parties, whoever acts.")
@common
@click.pass_obj
def list_archived(app: App, everybody: bool) -> None:
    """List archived negotiations.

    Those of the party that acts, or those of the whole data root where nobody is named.
    """
    print_list(app, archived=True, everybody=everybody)


@click.command(
    "show",
    epilog="""\b
Example:
  nom archive show alice_bob_C_1704312345
""",
)
@click.argument("negotiation_id", metavar="ID", shell_complete=completion.archived_ids)
@common
@click.pass_obj
def show_archived(app: App, negotiation_id: str) -> None:
    """Show one archived negotiation."""
    found = app.look(negotiation_id, archived=True)
    if not found.archived:
        raise NotFound(
            "unknown_negotiation",
            f"{found.id} is still active",
            hint=f"see `nom show {found.id}`",
        )
    print_one(app, found)


@click.command(
    epilog="""\b
Examples:
  nom archive pack --older-than 30d
  nom archive pack --older-than 26w --as alice@stonybrook.edu --json
""",
)
@click.option(
    "--older-than", metavar="TIME", required=True, help="How long ago it ended: 12h, 30d, 26w."
)
@click.option("--all", "everybody", is_flag=True, help="Of all parties, whoever acts.")
@common
@click.pass_obj
def pack(app: App, older_than: str, everybody: bool) -> None:
    """Pack what ended long ago.

    Archived negotiations and settled transactions of a party and month become one compressed
    file of lines, packs/2026-01.jsonl.gz, and their directories go. Nothing changes in what
    other commands say. What cannot be packed exactly stays, and is told. No pass is made
    meanwhile. An hourly sweep does this by itself, see nom init --pack-after.
    """
    from nom_negotiate.core.party import MAX_PACK_AFTER_S

    age_s = values.parse_duration(older_than, "--older-than", at_most_s=MAX_PACK_AFTER_S)
    desk = app.existing_desk()
    _say(app, "packed", [desk.pack(age_s, party=None if everybody else app.address)])


@click.command(
    epilog="""\b
Examples:
  nom archive unpack alice_bob_C_1704312345
  nom archive unpack 2026-01 2026-02 --as alice@stonybrook.edu
""",
)
@click.argument("what", metavar="ID|MONTH...", nargs=-1, required=True)
@click.option("--all", "everybody", is_flag=True, help="Of all parties, whoever acts.")
@common
@click.pass_obj
def unpack(app: App, what: tuple[str, ...], everybody: bool) -> None:
    """Put back what was packed.

    The same files under the same names: those of a whole month, of one negotiation with its
    transactions, or of one transaction. The hourly sweep packs them again if they are old
    enough, see nom init --pack-after.
    """
    desk = app.existing_desk()
    party = None if everybody else app.address
    _say(app, "unpacked", [desk.unpack(name, party=party) for name in what])


def _say(app: App, done: str, packings: list[Packing]) -> None:
    negotiations = sum(packing.negotiations for packing in packings)
    transactions = sum(packing.transactions for packing in packings)
    problems = list(dict.fromkeys(p for packing in packings for p in packing.problems))
    if app.out.as_json:
        app.out.json(
            {"negotiations": negotiations, "transactions": transactions, "problems": problems}
        )
        return
    counted = f"{plural(negotiations, 'negotiation')} and {plural(transactions, 'transaction')}"
    app.out.lines([*lines_of_problems(problems), line(f"{done} {counted}")])
