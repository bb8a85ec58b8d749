"""`nom archive`: what has ended."""

from __future__ import annotations

from typing import Final

import click

from nom_negotiate.cli import completion
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.group import Entry, LazyGroup
from nom_negotiate.cli.ls import print_list
from nom_negotiate.cli.show import print_one
from nom_negotiate.errors import NotFound

_HERE: Final = "nom_negotiate.cli.archive"

TABLE: Final = (
    Entry("ls", f"{_HERE}:list_archived", "List archived negotiations."),
    Entry("show", f"{_HERE}:show_archived", "Show one archived negotiation."),
)


@click.group(
    cls=LazyGroup,
    table=TABLE,
    epilog="""\b
Examples:
  nom archive ls --as alice@stonybrook.edu
  nom archive show alice_bob_C_1704312345
""",
)
@common
def archive() -> None:
    """Look at what has ended.

    A poll moves a negotiation here once it is agreed, rejected, withdrawn or expired.
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
