"""`nom init --isolation unix`: which Unix users there are, and giving the root to them."""

from __future__ import annotations

import grp
import os
import pwd
from typing import NamedTuple

import click

from nom_negotiate.core.identity import Address
from nom_negotiate.core.party import Isolation, Settings
from nom_negotiate.desk import Desk
from nom_negotiate.errors import ConfigurationError, InputError
from nom_negotiate.store.files import FileStore


class Users(NamedTuple):
    """The Unix users that were named on the command line, as numbers.

    Attributes:
        poller: uid and gid of the poller's user; None where it is not named.
        market: gid of the group of the poller and all parties; None where it is not named.
        party: uid and gid of the user of the one party that is added; None where not named.
    """

    poller: tuple[int, int] | None
    market: int | None
    party: tuple[int, int] | None


def named(isolation: str | None, poller: str | None, group: str | None, user: str | None) -> Users:
    """Return the users that were named.

    Raises:
        InputError: `invalid_setting`, where there is no such user or group.
        click.UsageError: where one is named and has no meaning.
    """
    if isolation != Isolation.UNIX and (poller is not None or group is not None):
        raise click.UsageError("--poller-user and --group need --isolation unix")
    return Users(
        None if poller is None else _user(poller, "--poller-user"),
        None if group is None else _group(group),
        None if user is None else _user(user, "--user"),
    )


def check(desk: Desk, before: Settings, after: Settings, users: Users, parties: int) -> None:
    """Refuse what cannot be done, before anything is.

    Raises:
        InputError: `invalid_setting`.
        ConfigurationError: `needs_root`.
        click.UsageError: where a user is missing.
    """
    if after.isolation is Isolation.SHARED:
        if before.isolation is Isolation.UNIX:
            raise InputError(
                "invalid_setting",
                "an isolated data root stays so: its files belong to many users",
                hint="set up another root",
            )
        if users.party is not None:
            raise click.UsageError("--user needs a data root with --isolation unix")
        return
    if os.geteuid() != 0:
        raise ConfigurationError("needs_root", "an isolated data root is set up by root")
    if parties and users.party is None:
        raise click.UsageError("in an isolated data root --party needs --user")
    if before.isolation is Isolation.UNIX:
        return
    if users.poller is None or users.market is None:
        raise click.UsageError("--isolation unix needs --poller-user and --group")
    active = sum(1 for _ in desk.store.namespaces())
    if active:
        raise InputError(
            "invalid_setting",
            f"expected a data root without active negotiations, found {active}",
            hint="poll until they have ended",
        )


def give(desk: Desk, users: Users, party: Address | None) -> None:
    """Give the root to the poller, and the party that is added to its user.

    Raises:
        StoreError: where the disk did not do it. Repeat it then.
    """
    store = desk.store
    assert isinstance(store, FileStore), "the command line works on files"
    poller, group, market = store.unix_users()
    if users.poller is not None:
        poller, group = users.poller
    store.isolate(poller, group, market if users.market is None else users.market)
    if party is not None and users.party is not None:
        store.hand_over(party, *users.party)


def told(desk: Desk) -> str:
    """Return in words who the poller and the market are."""
    store = desk.store
    assert isinstance(store, FileStore), "the command line works on files"
    poller, _, market = store.unix_users()
    return f"Unix users; the poller is {_name(poller)}, the market's group {_group_name(market)}"


def _user(name: str, option: str) -> tuple[int, int]:
    try:
        if name.isascii() and name.isdigit():
            return int(name), _primary_group(int(name))
        entry = pwd.getpwnam(name)
    except KeyError:
        raise InputError(
            "invalid_setting",
            f"{option} must be a Unix user, found {name[:32]!a}",
            hint="make the user first, for example with `adduser --system`",
        ) from None
    return entry.pw_uid, entry.pw_gid


def _primary_group(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        # A user who exists elsewhere, such as in a container: the usual private group.
        return uid


def _group(name: str) -> int:
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise InputError(
            "invalid_setting",
            f"--group must be a Unix group, found {name[:32]!a}",
            hint="make the group first, for example with `addgroup --system`",
        ) from None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
