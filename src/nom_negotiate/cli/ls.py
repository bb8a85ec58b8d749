"""`nom ls`: the negotiations of a party, or of everybody."""

from __future__ import annotations

import os

import click

from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import visible
from nom_negotiate.cli.views import list_negotiations, own_autopilots


@click.command(
    epilog="""\b
Examples:
  nom ls --as alice@stonybrook.edu
  nom ls --all --archived --json
""",
)
@click.option("--archived", is_flag=True, help="Those that have ended.")
@click.option("--all", "everybody", is_flag=True, help="Of all parties, whoever acts.")
@common
@click.pass_obj
def ls(app: App, archived: bool, everybody: bool) -> None:
    """List negotiations.

    Those of the party that acts, or those of the whole data root where nobody is named.
    """
    print_list(app, archived=archived, everybody=everybody)


def print_list(app: App, *, archived: bool, everybody: bool = False) -> None:
    """Print the active negotiations, or the archived ones."""
    desk = app.desk()
    address = None if everybody else app.address
    if address is None:
        found = desk.negotiations(archived=archived)
    else:
        found = desk.party(address).negotiations(archived=archived)
    on = own_autopilots(desk, address, found)
    list_negotiations(app.out, found, desk.now(), address, on)
    if not found:
        kind = "archived" if archived else "active"
        whose = f" of {address}" if address else ""
        root = visible(os.path.abspath(app.root))
        app.out.hint(f"no {kind} negotiations{whose} in {root}")
