"""`nom init`: set a data root up, or change how it is set up."""

from __future__ import annotations

import os
import re

import click
import msgspec

from nom_negotiate.cli import arguments, values
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Output, line, visible
from nom_negotiate.cli.wording import span
from nom_negotiate.core.identity import Address, parse_address
from nom_negotiate.core.party import Settings
from nom_negotiate.desk import Desk
from nom_negotiate.errors import ConfigurationError, InputError


@click.command(
    epilog="""\b
Examples:
  nom init
  nom init --closed --party alice@stonybrook.edu --party bob@stonybrook.edu
  nom init --data /srv/market --chemical C --chemical N --idle 12h --life 2d
""",
)
@click.option("--closed/--open", default=None, help="Refuse newcomers, or admit them.")
@click.option("--party", "parties", multiple=True, metavar="ADDRESS", help="Add a party.")
@click.option("--name", metavar="TEXT", help="The display name of the one party that is added.")
@click.option("--chemical", "chemicals", multiple=True, help="All that may be traded.")
@arguments.idle
@arguments.life
@click.option("--max-rounds", metavar="N", help="Cap on the offers of both sides, or none.")
@common
@click.pass_obj
def init(
    app: App,
    closed: bool | None,
    parties: tuple[str, ...],
    name: str | None,
    chemicals: tuple[str, ...],
    idle: str | None,
    life: str | None,
    max_rounds: str | None,
) -> None:
    """Set up a data root, or change it.

    What is not named stays as it is. A party that is added here may act in a closed root,
    too. Prints what holds now.
    """
    if name is not None and len(parties) != 1:
        raise click.UsageError("--name needs exactly one --party")
    # All of it is checked before any of it is written.
    addresses = [parse_address(party) for party in parties]
    desk = app.open_desk()
    settings = _changed(_current(desk, app.out), closed, chemicals, idle, life, max_rounds)
    new = desk.initialise(settings)
    added = []
    for address in addresses:
        if desk.add_party(address, display_name=name):
            added.append(address)
        elif name is not None:
            app.out.notice(f"{address} was here already, and keeps its display name")
    _say(app, desk, settings, new, added)


def _current(desk: Desk, out: Output) -> Settings:
    try:
        return desk.settings
    except ConfigurationError as error:
        if error.code != "malformed_settings":
            raise
        out.notice(f"{error.message}: beginning with the defaults")
        return Settings()


def _changed(
    settings: Settings,
    closed: bool | None,
    chemicals: tuple[str, ...],
    idle: str | None,
    life: str | None,
    max_rounds: str | None,
) -> Settings:
    limits = settings.limits
    if idle is not None:
        limits = msgspec.structs.replace(limits, idle_s=values.parse_duration(idle, "--idle"))
    if life is not None:
        limits = msgspec.structs.replace(limits, life_s=values.parse_duration(life, "--life"))
    if max_rounds is not None:
        limits = msgspec.structs.replace(limits, max_rounds=_cap(max_rounds))
    named = tuple(dict.fromkeys(values.parse_chemical(chemical) for chemical in chemicals))
    return msgspec.structs.replace(
        settings,
        closed=settings.closed if closed is None else closed,
        chemicals=named or settings.chemicals,
        limits=limits,
    )


def _cap(text: str) -> int | None:
    if text == "none":
        return None
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise InputError(
            "invalid_setting",
            f"--max-rounds must be 1 or more, or none, found {text[:24]!a}",
            hint="give a whole number, or the word none",
        )
    return int(text)


def _say(app: App, desk: Desk, settings: Settings, new: bool, added: list[Address]) -> None:
    root = visible(os.path.abspath(app.root))
    parties = [party.address for party in desk.parties()]
    limits = settings.limits
    if app.out.as_json:
        app.out.json(
            {
                "data": root,
                "new": new,
                "closed": settings.closed,
                "chemicals": settings.chemicals,
                "limits": {
                    "idle_s": limits.idle_s,
                    "life_s": limits.life_s,
                    "max_rounds": limits.max_rounds,
                },
                "parties": parties,
                "added": added,
            }
        )
        return
    told = {
        "data root": root,
        "newcomers": "refused (closed)" if settings.closed else "admitted (open)",
        "chemicals": " ".join(map(visible, settings.chemicals)),
        "expires": f"after {span(limits.idle_s)} of silence, or {span(limits.life_s)} in all",
        "rounds": "no cap" if limits.max_rounds is None else f"at most {limits.max_rounds}",
        "parties": ", ".join(map(visible, parties)) or "none yet",
    }
    app.out.lines(line(f"{key:<11}{value}") for key, value in told.items())
