"""`nom read`: what the counterparty has said since one last read, marked as read."""

from __future__ import annotations

import click

from nom_negotiate.cli import completion
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.views import messages, say_negotiation


@click.command(
    epilog="""\b
Example:
  nom read alice_bob_C_1704312345 --as alice@stonybrook.edu
""",
)
@click.argument("negotiation_id", metavar="ID", shell_complete=completion.active_ids)
@common
@click.pass_obj
def read(app: App, negotiation_id: str) -> None:
    """Print what is unread, and mark it as read.

    Exactly those that are printed are marked. `nom ls` counts what is unread, and the
    counterparty sees how far you have read; showing a negotiation marks nothing. A mark keeps
    nothing from expiring.
    """
    party, found = app.acting_on(negotiation_id)
    before = party.negotiation(found)
    said = before.said_to(party.address)
    after = party.mark_read(found, messages=len(said))
    if app.out.as_json:
        say_negotiation(app.out, after, party.address)
        return
    unread = [message for message in said if not message.read]
    if unread:
        app.out.lines(messages(before, unread, party.desk.now()))
    else:
        app.out.hint(f"nothing is unread in {before.id}")
