"""What every command needs: which data root, who acts, and where output goes.

The options `--data`, `--as` and `--json` may stand before the command or after it; the one
that comes last counts. The environment is read here, and only for what they leave open.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from nom_negotiate.cli import completion
from nom_negotiate.cli.names import Names
from nom_negotiate.cli.output import Output

# Each use imports what it needs: help and completion look at no data root.
if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.negotiation import Negotiation
    from nom_negotiate.desk import Desk
    from nom_negotiate.party import Party
    from nom_negotiate.store.port import Store

DATA_VARIABLE: Final = "NOM_DATA"
USER_VARIABLE: Final = "NOM_USER"
DEBUG_VARIABLE: Final = "NOM_DEBUG"
DEFAULT_DATA: Final = "data"

F = TypeVar("F", bound=Callable[..., Any])


class App:
    """One run of `nom`.

    Attributes:
        data: what --data said; None where it was not given.
        user: what --as said; None where it was not given.
        out: where output goes.
    """

    def __init__(self) -> None:
        self.data: str | None = None
        self.user: str | None = None
        self.out = Output()

    @property
    def root(self) -> str:
        """Return the data root: --data, else NOM_DATA, else ./data."""
        return self.data or os.environ.get(DATA_VARIABLE) or DEFAULT_DATA

    @property
    def address(self) -> Address | None:
        """Return who acts: --as, else NOM_USER; None where nobody is named.

        Raises:
            InputError: `invalid_address`.
        """
        from nom_negotiate.core.identity import parse_address

        named = self.user or os.environ.get(USER_VARIABLE)
        return parse_address(named) if named else None

    def desk(self) -> Desk:
        """Return the desk of the data root.

        Raises:
            ConfigurationError: where it is no directory, or its settings are broken.
        """
        desk = self.open_desk()
        # Looked at once, before anything else: a root that is a file is a wrong --data, and
        # not the trouble of whichever file is looked for first.
        _ = desk.settings
        return desk

    def existing_desk(self) -> Desk:
        """Return the desk of a data root that is there, for what makes no sense in a new one.

        Raises:
            ConfigurationError: `unusable_root`, too, where there is nothing yet.
        """
        from nom_negotiate.errors import ConfigurationError

        desk = self.desk()
        if not desk.store.is_set_up():
            raise ConfigurationError("unusable_root", f"there is no data root at {self.root}")
        return desk

    def polling_desk(self) -> Desk:
        """Return the desk of the data root, to poll at; set it up where there is none.

        Says so then: a crontab line with a mistyped root would poll nothing for ever. The
        settings are left to the pass, which does without where there is nothing to do.

        Raises:
            ConfigurationError: where it is no directory.
        """
        desk = self.open_desk()
        if not desk.store.is_set_up() and desk.initialise():
            self.out.notice(f"there was no data root at {self.root}: set up an empty one")
        return desk

    def open_desk(self) -> Desk:
        """Return the desk of the data root without looking at it."""
        from nom_negotiate.desk import Desk

        desk = Desk(self.root, notice=self.out.notice)
        self.out.names = Names(desk.store)
        return desk

    def party(self) -> Party:
        """Return who acts, at the desk of the data root.

        Raises:
            InputError: `missing_party`, `invalid_address`.
        """
        from nom_negotiate.errors import InputError

        address = self.address
        if address is None:
            raise InputError("missing_party", "this is done by a party, and none was named")
        return self.desk().party(address)

    def acting_on(self, beginning: str) -> tuple[Party, str]:
        """Return who acts, and the id of its negotiation that begins so.

        Raises:
            InputError: `missing_party`, `invalid_address`, `invalid_id`.
            Conflict: `ambiguous_negotiation`.
        """
        party = self.party()
        return party, full_id(party.desk.store, party.address, beginning)

    def look(self, beginning: str, *, archived: bool = False) -> Negotiation:
        """Return a negotiation of who acts, or of the whole root where nobody is named.

        Files of it that cannot be read are told on stderr.

        Args:
            beginning: of its id.
            archived: look in the archive only.

        Raises:
            RecordError: where neither party's file can be read.
        """
        from nom_negotiate.errors import RecordError

        desk, address = self.desk(), self.address
        negotiation_id = full_id(desk.store, address, beginning, only_archived=archived)
        if address is None:
            found = desk.negotiation(negotiation_id)
        else:
            found = desk.party(address).negotiation(negotiation_id)
        place = desk.store.find(found.initiator, found.id)
        snapshot = None if place is None else desk.store.snapshot(place)
        problems = () if snapshot is None else snapshot.problems
        if problems and snapshot is not None and not snapshot.states:
            first = problems[0]
            raise RecordError("malformed_record", f"{first.path}: {first.reason}", hint="")
        desk.tell(problems)
        return found


def full_id(
    store: Store, party: Address | None, beginning: str, *, only_archived: bool = False
) -> str:
    """Return the one id that begins so; active negotiations come before archived ones.

    Args:
        store: where to look.
        party: whose negotiations to look through; None for those of everybody.
        beginning: the id, or as much of it as tells it from the others. Where none begins
            so it is returned as it is: the library says then that there is none.
        only_archived: leave the active ones out.

    Raises:
        InputError: `invalid_id`.
        Conflict: `ambiguous_negotiation`.
    """
    from nom_negotiate.core.identity import check_id
    from nom_negotiate.errors import Conflict

    check_id(beginning)
    parties = store.parties() if party is None else [party]
    if any(store.find(each, beginning) is not None for each in parties):
        return beginning
    for archived in (True,) if only_archived else (False, True):
        places = store.namespaces(party, archived=archived)
        found = sorted({place.id for place in places if place.id.startswith(beginning)})
        if len(found) > 1:
            raise Conflict(
                "ambiguous_negotiation",
                f"{len(found)} negotiations begin with {beginning}: {', '.join(found[:3])}"
                + (", ..." if len(found) > 3 else ""),
                hint="give more of the id",
            )
        if found:
            return found[0]
    return beginning


def debugging() -> bool:
    """Return whether NOM_DEBUG asks for tracebacks."""
    return bool(os.environ.get(DEBUG_VARIABLE))


def _set_data(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(App).data = value


def _set_user(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(App).user = value


def _set_json(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(App).out.as_json = True


def common(function: F) -> F:
    """Give a command the options that every command has."""
    options = (
        click.option(
            "--data",
            type=click.Path(),
            metavar="DIR",
            expose_value=False,
            callback=_set_data,
            help=f"The data root. [${DATA_VARIABLE}, or ./{DEFAULT_DATA}]",
        ),
        click.option(
            "--as",
            metavar="ADDRESS",
            expose_value=False,
            callback=_set_user,
            shell_complete=completion.addresses,
            help=f"Who acts. [${USER_VARIABLE}]",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=_set_json,
            help="Print JSON, for programs.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function
