"""`nom poll`: one pass, for a crontab line or by hand."""

from __future__ import annotations

import click

from nom_negotiate import codec
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.reports import lines_of_report


@click.command(
    epilog="""\b
Examples:
  nom poll
  * * * * * nom poll --data /srv/nom/data >/dev/null    (in a crontab)
""",
)
@common
@click.pass_obj
def poll(app: App) -> None:
    """Make one pass: settle what is agreed.

    Archives what was rejected or withdrawn or has expired, and finishes what a crash left
    half done. Where another pass is running it leaves at once. Exits with 0 unless it could
    not work.
    """
    report = app.polling_desk().poll()
    if app.out.as_json:
        app.out.json(codec.builtins(report))
    elif not report.busy:
        app.out.lines(lines_of_report(report))
    if report.busy:
        app.out.notice("another pass is running; this one left it the work")
