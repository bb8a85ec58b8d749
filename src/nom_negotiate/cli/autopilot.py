"""`nom autopilot`: let `nom run` negotiate, or tell it to stop."""

from __future__ import annotations

import click

from nom_negotiate.cli import arguments
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Span, line, visible


@click.command(
    epilog="""\b
Examples:
  nom autopilot alice_bob_C_1704312345 --as alice@stonybrook.edu --max-rounds 20
  nom autopilot alice_bob_C_1704312345 --as alice@stonybrook.edu --off
""",
)
@arguments.active_id
@click.option(
    "--max-rounds",
    type=int,
    metavar="N",
    help="In later rounds of the negotiation it accepts or rejects.  [default: 40]",
)
@click.option(
    "--auto-accept",
    is_flag=True,
    help="Accept at once what comes within 5% of your target price and has 90% of the quantity.",
)
@click.option("--off", is_flag=True, help="Say nothing more.")
@common
@click.pass_obj
def autopilot(
    app: App, negotiation_id: str, max_rounds: int | None, auto_accept: bool, off: bool
) -> None:
    """Let nom run negotiate for you.

    It stays within what you have said with `nom prefs set`, and rejects what it cannot agree to
    in the rounds that it has. With --off it stops at once: when this returns, it says no more.
    """
    from nom_negotiate.autopilot import turn_off, turn_on

    if off and (max_rounds is not None or auto_accept):
        raise click.UsageError("--off goes with no other option")
    party, found = app.acting_on(negotiation_id)
    title = Span(visible(found), "title")
    if off:
        was_on = turn_off(party, found)
        if app.out.as_json:
            app.out.json({"id": found, "on": False, "was_on": was_on})
        else:
            app.out.lines([line(title, "  autopilot off" + ("" if was_on else ", as it was"))])
        return
    may = turn_on(party, found, max_rounds=max_rounds, auto_accept=auto_accept)
    if app.out.as_json:
        app.out.json(
            {
                "id": found,
                "on": True,
                "max_rounds": may.max_rounds,
                "auto_accept": may.auto_accept,
            }
        )
    else:
        more = ", accepts at once what is near your target" if may.auto_accept else ""
        app.out.lines([line(title, f"  autopilot on, up to round {may.max_rounds}{more}")])
