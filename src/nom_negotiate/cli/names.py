"""What parties call themselves: the display name of `init.json`, looked up once each.

Rules of the room:

- A display name stands beside the address and never in its place: anybody may call
  themselves anything.
- A name with an @ in it is not shown. It could be taken for another party's address.
- It is an ornament: where it cannot be read, the address stands alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.store.port import Store

MAX_SHOWN_CHARS: Final = 40


class Names:
    """The display names of the parties of a store; of none where there is no store."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._known: dict[Address, str | None] = {}

    def of(self, party: Address | None) -> str | None:
        """Return how a party calls itself, at most 40 characters; None where it does not say."""
        if party is None or self._store is None:
            return None
        if party not in self._known:
            self._known[party] = self._looked_up(self._store, party)
        return self._known[party]

    def among(self, *parties: Address | None) -> dict[str, str]:
        """Return the display names of those parties that have one, by address."""
        return {str(party): name for party in parties if (name := self.of(party)) is not None}

    def beside(self, party: Address, shown: str) -> str:
        """Return what is shown of an address, and its display name in brackets if it has one.

        The name is made safe to print; `shown` is returned as it is.
        """
        from nom_negotiate.cli.output import visible

        name = self.of(party)
        return shown if name is None else f"{shown} ({visible(name)})"

    def _looked_up(self, store: Store, party: Address) -> str | None:
        from nom_negotiate.errors import RecordError, StoreError

        try:
            profile = store.profile(party)
        except (RecordError, StoreError):
            return None
        name = "" if profile is None else profile.display_name.strip()
        if not name or "@" in name:
            return None
        return name if len(name) <= MAX_SHOWN_CHARS else name[: MAX_SHOWN_CHARS - 3] + "..."
