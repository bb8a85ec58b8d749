"""`nom poll`: one pass, for a crontab line or by hand."""

from __future__ import annotations

import click

from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.reports import lines_of_report, shape


@click.command(
    epilog="""\b
Examples:
  nom poll
  * * * * * nom poll --data /srv/nom/data >/dev/null    (in a crontab)
""",
)
@click.option(
    "--scan",
    is_flag=True,
    help="Look at every negotiation, whatever the hints say.",
)
@common
@click.pass_obj
def poll(app: App, scan: bool) -> None:
    """Make one pass: settle what is agreed.

    Archives what was rejected or withdrawn or has expired, and finishes what a crash left
    half done. Looks where somebody has written, and every five minutes everywhere; --scan
    does that now. Where another pass is running it leaves at once. Exits with 0 unless it
    could not work.
    """
    report = app.polling_desk().poll(scan=scan)
    if app.out.as_json:
        app.out.json(shape(report))
    elif not report.busy:
        app.out.lines(lines_of_report(report))
    if report.busy:
        app.out.notice("another pass is running; this one left it the work")
