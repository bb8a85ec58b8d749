"""`nom init`: set a data root up, or change how it is set up."""

from __future__ import annotations

import os
import re

import click
import msgspec

from nom_negotiate.cli import arguments, values
from nom_negotiate.cli import isolation as unix
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.output import Output, line, visible
from nom_negotiate.cli.wording import span
from nom_negotiate.core.identity import Address, parse_address
from nom_negotiate.core.party import MAX_PACK_AFTER_S, Isolation, Settings, check_display_name
from nom_negotiate.desk import Desk
from nom_negotiate.errors import ConfigurationError, InputError


@click.command(
    epilog="""\b
Examples:
  nom init
  nom init --closed --party alice@stonybrook.edu --party bob@stonybrook.edu
  nom init --data /srv/market --chemical C --chemical N --idle 12h --life 2d
  nom init --isolation unix --poller-user nom --group market    (as root)
  nom init --party alice@stonybrook.edu --user alice            (as root)
""",
)
@click.option("--closed/--open", default=None, help="Refuse newcomers, or admit them.")
@click.option("--party", "parties", multiple=True, metavar="ADDRESS", help="Add a party.")
@click.option("--name", metavar="TEXT", help="The display name of the one party that is named.")
@click.option("--chemical", "chemicals", multiple=True, help="All that may be traded.")
@arguments.idle
@arguments.life
@click.option("--max-rounds", metavar="N", help="Cap on the offers of both sides, or none.")
@click.option(
    "--pack-after",
    metavar="TIME",
    help="When what has ended is packed by the hourly sweep: 90d, 26w; or never.",
)
@click.option(
    "--isolation",
    type=click.Choice([choice.value for choice in Isolation]),
    help="One Unix user for all (shared), or one for each party and the poller (unix).",
)
@click.option("--poller-user", metavar="USER", help="With unix: who polls.")
@click.option("--group", metavar="GROUP", help="With unix: the group of all of them.")
@click.option("--user", metavar="USER", help="With unix: the user of the one party that is added.")
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
    pack_after: str | None,
    isolation: str | None,
    poller_user: str | None,
    group: str | None,
    user: str | None,
) -> None:
    """Set up a data root, or change it.

    What is not named stays as it is. A party that is added here may act in a closed root,
    too. Prints what holds now.
    """
    if name is not None and len(parties) != 1:
        raise click.UsageError("--name needs exactly one --party")
    if user is not None and len(parties) != 1:
        raise click.UsageError("--user needs exactly one --party")
    # All of it is checked before any of it is written.
    addresses = [parse_address(party) for party in parties]
    if name is not None:
        check_display_name(name)
    users = unix.named(isolation, poller_user, group, user)
    desk = app.open_desk()
    before = _current(desk, app.out)
    settings = _changed(before, closed, chemicals, idle, life, max_rounds)
    if pack_after is not None:
        settings = msgspec.structs.replace(settings, pack_after_s=_age(pack_after))
    if isolation is not None:
        settings = _isolated(settings, isolation, closed)
    unix.check(desk, before, settings, users, len(addresses))
    new = desk.initialise(settings)
    added = []
    for address in addresses:
        if desk.add_party(address, display_name=name):
            added.append(address)
        elif name is not None and settings.isolation is Isolation.UNIX:
            app.out.notice(
                f"{address} was here already, and keeps its display name: its own user may write it"
                f" into {address}/init.json"
            )
        elif name is not None:
            desk.party(address).set_display_name(name)
    if settings.isolation is Isolation.UNIX:
        unix.give(desk, users, addresses[0] if addresses else None)
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


def _isolated(settings: Settings, isolation: str, closed: bool | None) -> Settings:
    wanted = Isolation(isolation)
    if wanted is Isolation.UNIX and closed is None:
        # Only root can make the directory of a newcomer: there is no other choice.
        closed = True
    return msgspec.structs.replace(
        settings, isolation=wanted, closed=settings.closed if closed is None else closed
    )


def _age(text: str) -> int:
    if text == "never":
        return 0
    return values.parse_duration(text, "--pack-after", at_most_s=MAX_PACK_AFTER_S)


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
                "isolation": settings.isolation,
                "chemicals": settings.chemicals,
                "limits": {
                    "idle_s": limits.idle_s,
                    "life_s": limits.life_s,
                    "max_rounds": limits.max_rounds,
                },
                "pack_after_s": settings.pack_after_s,
                "parties": parties,
                "display_names": app.out.names.among(*parties),
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
        "packs": f"after {span(settings.pack_after_s)}" if settings.pack_after_s else "never",
        "parties": ", ".join(app.out.names.beside(each, visible(each)) for each in parties)
        or "none yet",
    }
    if settings.isolation is Isolation.UNIX:
        told["isolation"] = unix.told(desk)
    app.out.lines(line(f"{key:<11}{value}") for key, value in told.items())
