"""Validators and after-settlement hooks that installed packages offer.

A package offers one by an entry point of the group `nom_negotiate.validators` or
`nom_negotiate.after_settlement`, so that the cron poller runs it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from nom_negotiate.core.identity import Address
from nom_negotiate.core.outcome import Outcome
from nom_negotiate.errors import ConfigurationError
from nom_negotiate.store.port import Filed, Store

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VALIDATORS: Final = "nom_negotiate.validators"
AFTER_SETTLEMENT: Final = "nom_negotiate.after_settlement"


class Validator(Protocol):
    """Called before a deal is concluded; may be called again for the same deal.

    Returns None where nothing speaks against it, else the reason, which turns the outcome
    into `rejected`. An exception leaves the deal undecided until the next poll.
    """

    def __call__(self, proposed: Outcome, store: Store, /) -> str | None:
        """Return what speaks against the deal that `proposed` would conclude."""


class Hook(Protocol):
    """Called after both transactions are durable, before the negotiation is archived.

    After a crash in between it is called again for the same negotiation: at least once.
    An exception is reported as a problem; it is not called again for that.
    """

    def __call__(self, outcome: Outcome, transactions: Mapping[Address, Filed], /) -> object:
        """Take notice of a settled deal."""


def load(group: str) -> tuple[Any, ...]:
    """Return what installed packages offer in the group, by name.

    Raises:
        ConfigurationError: `broken_extension`, where one cannot be imported.
    """
    # Imported here: a pass that concludes nothing does without it.
    from importlib.metadata import entry_points

    return tuple(_loaded(point) for point in sorted(entry_points(group=group)))


def _loaded(point: EntryPoint) -> Any:
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            "broken_extension", f"cannot load {point.name} of {point.group}: {error}"
        ) from error
