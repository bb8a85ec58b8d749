"""`nom tree`: the directories of the parties, with links and outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol, runtime_checkable

import click

from nom_negotiate.cli import completion, wording
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.names import Names
from nom_negotiate.cli.output import Line, Output, Span, visible
from nom_negotiate.core.identity import Address, address_of_directory, parse_address
from nom_negotiate.core.negotiation import Snapshot, view
from nom_negotiate.core.outcome import Side, Transaction
from nom_negotiate.core.party import Listing, Profile, Settings
from nom_negotiate.core.terms import plain
from nom_negotiate.desk import Desk
from nom_negotiate.errors import ConfigurationError, NotFound
from nom_negotiate.store.files.tree import Entry, EntryKind, Record
from nom_negotiate.store.port import PackSummary

_UNICODE: Final = ("├── ", "└── ", "│   ", "    ", "→")
_ASCII: Final = ("|-- ", "`-- ", "|   ", "    ", "->")


@runtime_checkable
class Drawable(Protocol):
    """A store that has directories to draw."""

    def tree(self, party: Address | None = None) -> Iterator[Entry]:
        """Yield the entries in the order of a drawing."""


@click.command(
    epilog="""\b
Examples:
  nom tree
  nom tree --party alice@stonybrook.edu
""",
)
@click.option(
    "--party",
    "address",
    metavar="ADDRESS",
    shell_complete=completion.addresses,
    help="Only this party's directory.",
)
@common
@click.pass_obj
def tree(app: App, address: str | None) -> None:
    """Draw the directories of the parties.

    Shows what the files are about: links and where they lead, how negotiations stand or
    ended, transactions and whether they are settled, listings.
    """
    desk = app.desk()
    entries = entries_of(desk, None if address is None else parse_address(address))
    described = (
        (entry, describe(entry, desk.settings, desk.now(), app.out.names)) for entry in entries
    )
    if app.out.as_json:
        app.out.json([_shape(entry, note, app.out.names) for entry, note in described])
    else:
        app.out.lines(draw(described, app.out))


def entries_of(desk: Desk, party: Address | None = None) -> Iterator[Entry]:
    """Return what lies in a data root, or at one party.

    Raises:
        ConfigurationError: where its store has no directories.
        NotFound: `unknown_party`.
    """
    store = desk.store
    if not isinstance(store, Drawable):
        raise ConfigurationError(
            "unusable_root",
            f"a {type(store).__name__} keeps no directories that could be drawn",
            hint="see `nom ls --all` for its negotiations",
        )
    if party is not None and not store.known(party):
        raise NotFound("unknown_party", f"there is no party {party} here")
    return store.tree(party)


def _shape(entry: Entry, note: str, names: Names) -> dict[str, Any]:
    shape = {
        "depth": entry.depth,
        "name": visible(entry.name),
        "kind": entry.kind.value,
        "link": None if entry.link is None else visible(entry.link),
        "note": note or None,
        "problem": entry.problem,
    }
    name = names.of(_party(entry))
    return shape if name is None else {**shape, "display_name": name}


def draw(described: Iterable[tuple[Entry, str]], out: Output) -> Iterator[Line]:
    """Yield the lines of a tree of entries and notes."""
    branch, corner, trunk, blank, arrow = _UNICODE if out.unicode else _ASCII
    ended: list[bool] = []
    for entry, note in described:
        spans = []
        if entry.depth:
            del ended[entry.depth - 1 :]
            lead = "".join(blank if last else trunk for last in ended)
            spans.append(Span(lead + (corner if entry.last else branch), "dim"))
            ended.append(entry.last)
        directory = entry.kind is EntryKind.DIRECTORY
        spans.append(Span(visible(entry.name) + "/" * directory, "title" if directory else ""))
        if entry.link is not None:
            spans.append(Span(f" {arrow} {visible(entry.link)}", "dim"))
        if note:
            spans.append(Span(f"   {note}", _style(entry.record)))
        if entry.problem:
            spans.append(Span(f"   ! {visible(entry.problem)}", "bad"))
        yield spans


def _style(record: Record | None) -> str:
    if isinstance(record, Snapshot):
        return "warn" if record.outcome is None else "good" if record.outcome.deal else "bad"
    return "good" if isinstance(record, Transaction) and record.settled else ""


def describe(entry: Entry, settings: Settings, now: int, names: Names | None = None) -> str:
    """Return what an entry is about, in a few words; empty where its name says it."""
    record, names = entry.record, names or Names()
    party = _party(entry)
    if party is not None:
        return visible(names.of(party) or "")
    if isinstance(record, Snapshot):
        if record.outcome is not None:
            return wording.outcome(record.outcome, names)
        return _standing(record, settings, now)
    if isinstance(record, Transaction):
        did = "bought" if record.type is Side.BUY else "sold"
        settled = "settled" if record.settled else "not settled"
        return f"{did} {_terms(record)}, {settled}"
    if isinstance(record, Listing):
        return f"{record.type.value} {_terms(record)}, {record.status.value}"
    if isinstance(record, PackSummary):
        negotiations = wording.plural(record.negotiations, "negotiation")
        return f"{negotiations}, {wording.plural(record.transactions, 'transaction')}"
    if isinstance(record, Profile) and record.display_name != record.address:
        return visible(record.display_name)
    return ""


def _party(entry: Entry) -> Address | None:
    """Return whose directory an entry is, None where it is nobody's."""
    if entry.kind is not EntryKind.DIRECTORY or entry.record is not None:
        return None
    return address_of_directory(entry.name)


def _standing(snapshot: Snapshot, settings: Settings, now: int) -> str:
    if not snapshot.states:
        return ""
    negotiation = view(snapshot, now, settings.limits)
    table = negotiation.on_table
    words = [wording.phase(negotiation), wording.turn(negotiation)]
    if table is not None:
        words.append(wording.deal(table, negotiation.chemical))
    return ", ".join(filter(None, words))


def _terms(record: Transaction | Listing) -> str:
    quantity = "any quantity of" if record.quantity is None else plain(record.quantity)
    price = "any price" if record.price is None else plain(record.price)
    return f"{quantity} {visible(record.chemical)} at {price}"
