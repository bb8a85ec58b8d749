"""What one pass found and did.

Not a struct, as records are: a pass that finds nothing to do makes one, and imports no msgspec.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nom_negotiate.core.negotiation import Problem
    from nom_negotiate.core.outcome import Kind
    from nom_negotiate.store.port import Namespace


class Report:
    """What one pass found and did.

    Attributes:
        at: unix seconds at which it began.
        active: ids of the negotiations that it looked at and that go on; of all that go on,
            where `scanned` is true.
        agreed: ids that this pass settled. A deal whose settlement a crash cut short is
            named by the pass that finishes it.
        rejected: ids, those that a validator refused included.
        withdrawn: ids.
        expired: ids.
        packed: how many archived negotiations and settled transactions the hourly sweep moved
            into packs.
        problems: what was stepped over.
        duration_ms: milliseconds.
        busy: true where another pass was running: then this one did nothing.
        scanned: true where it looked through everything, and not only where somebody had
            written or something was due.
        places: where those among `active` are.
        unfinished: ids of those among `active` that this pass could not do for what they call
            for; the next one tries again.
    """

    def __init__(
        self,
        *,
        at: int,
        active: Iterable[str] = (),
        agreed: Iterable[str] = (),
        rejected: Iterable[str] = (),
        withdrawn: Iterable[str] = (),
        expired: Iterable[str] = (),
        packed: int = 0,
        problems: Iterable[Problem] = (),
        duration_ms: float = 0.0,
        busy: bool = False,
        scanned: bool = False,
        unfinished: Iterable[str] = (),
        places: Iterable[Namespace] = (),
    ) -> None:
        self.at = at
        self.active = list(active)
        self.agreed = list(agreed)
        self.rejected = list(rejected)
        self.withdrawn = list(withdrawn)
        self.expired = list(expired)
        self.packed = packed
        self.problems = list(problems)
        self.duration_ms = duration_ms
        self.busy = busy
        self.scanned = scanned
        self.unfinished = list(unfinished)
        self.places = list(places)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return NotImplemented
        return vars(self) == vars(other)

    # As of every record that may still change: it is no key.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"Report({told})"

    def of(self, kind: Kind) -> list[str]:
        """Return the list of the negotiations that ended in this way."""
        ended: list[str] = getattr(self, kind.value)
        return ended
