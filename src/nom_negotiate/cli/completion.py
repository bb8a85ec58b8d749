"""What the shell may offer: addresses, ids and chemicals of the data root.

A completion never fails and never reads a negotiation: it lists names, or nothing. Of listings it
reads whether they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from nom_negotiate.cli.app import App
    from nom_negotiate.core.identity import Address

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _completion(find: Callable[[App], Iterable[str]]) -> Complete:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        from nom_negotiate.errors import NomError  # what is not completed does without

        app: App | None = context.find_root().obj
        if app is None:
            return []
        try:
            return [found for found in find(app) if found.startswith(incomplete)]
        except NomError:
            # A shell that asks for a completion has no use for an error.
            return []

    return complete


def _addresses(app: App) -> list[str]:
    return list(app.open_desk().store.parties())


def _ids(app: App, *, archived: bool) -> Iterator[str]:
    for place in app.open_desk().store.namespaces(app.address, archived=archived):
        yield place.id


def _listings(app: App) -> Iterator[str]:
    for party in app.open_desk().store.parties():
        if party != app.address:
            yield from _listings_of(app, party)


def _own_listings(app: App) -> Iterator[str]:
    if app.address is not None:
        yield from _listings_of(app, app.address)


def _listings_of(app: App, party: Address) -> Iterator[str]:
    for listing in app.open_desk().store.listings(party)[0]:
        if listing.status == "active":
            yield listing.id


def _chemicals(app: App) -> tuple[str, ...]:
    return app.open_desk().settings.chemicals


addresses: Complete = _completion(_addresses)
active_ids: Complete = _completion(lambda app: _ids(app, archived=False))
archived_ids: Complete = _completion(lambda app: _ids(app, archived=True))
any_ids: Complete = _completion(lambda app: [*_ids(app, archived=False), *_ids(app, archived=True)])
chemicals: Complete = _completion(_chemicals)
listings: Complete = _completion(_listings)
own_listings: Complete = _completion(_own_listings)
