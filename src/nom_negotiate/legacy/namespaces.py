"""L5: the original of our own layout, `teams/<team>/negotiations/<id>/<short>_state.json`.

A state file has nine fields: `user, role, chemical, offer {price, quantity, timestamp},
status, agreement_key, last_updated`. It does not say who the counterparty is, so a
namespace is judged as a whole:

- It belongs to the team in whose directory it really lies; that team initiated it. A link
  by its name in another team's directory makes that team the responder. Links are never
  followed, so that it does not matter whether one is absolute or dangles.
- The id names both short names. It is not taken apart for that (`mary_jane` contains an
  underscore), but a pair that would give that id is preferred.
- A state file of anybody else, or under another's name, is reported and left out.

`teams/<team>/transactions/*.json` is one side of a trade. Its owner stands in no field:
see `owners`. A negotiation that was executed twice has two, and both are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nom_negotiate.core.identity import Address, directory_name, short_name
from nom_negotiate.legacy import fields
from nom_negotiate.legacy.fields import Refused
from nom_negotiate.legacy.files import entries, read_object
from nom_negotiate.legacy.listing import Listing, Team
from nom_negotiate.legacy.owners import Owners
from nom_negotiate.legacy.part import Part
from nom_negotiate.legacy.records import OldNamespace, OldState
from nom_negotiate.legacy.transactions import transaction

_ENDING = "_state.json"


@dataclass(frozen=True, slots=True)
class _Found:
    """A namespace whose state files have been read, before it is known who is a party."""

    id: str
    team: Team
    path: Path
    states: list[OldState]


def read_namespaces(listing: Listing, known: Iterable[Address] = ()) -> Part:
    """Return the namespaces and the transactions of L5.

    Args:
        listing: the source.
        known: addresses that other generations name; see `Owners`.
    """
    part = listing.parts["L5"]
    found = [
        one
        for team in listing.teams
        for name in team.namespaces
        if (one := _read_namespace(part, listing, team, name)) is not None
    ]
    books = _read_books(part, listing)
    named = {state.user for one in found for state in one.states}
    owners = Owners([*known, *named, *_counterparties(books)])
    linked = _linked(part, listing, owners)
    for one in found:
        try:
            part.namespaces.append(_judge(part, listing, one, owners, linked[one.id]))
        except Refused as refused:
            part.refuse(listing.shown(one.path), refused, "namespace")
    _drop_copies(part)
    _take_transactions(part, books, owners)
    return part


# ------------------------------------------------------------------ namespaces


def _read_namespace(part: Part, listing: Listing, team: Team, name: str) -> _Found | None:
    path = team.path / "negotiations" / name
    shown = listing.shown(path)
    try:
        id = fields.label(name, "the id")
        files = entries(path)
    except Refused as refused:
        part.refuse(shown, refused, "namespace")
        return None
    states = []
    for entry in files:
        part.tally["files"] += 1
        if not entry.name.endswith(_ENDING) or entry.name.startswith("tmp_"):
            part.tally["derived" if entry.name.startswith("tmp_") else "other"] += 1
            continue
        try:
            states.append(_state(Path(entry.path), listing.shown(Path(entry.path))))
        except Refused as refused:
            part.refuse(listing.shown(Path(entry.path)), refused, "namespace")
    return _Found(id, team, path, states)


def _state(path: Path, shown: str) -> OldState:
    record = read_object(path)
    if "schema" in record:
        raise Refused("a state file of the new layout: this part is migrated already")
    user = fields.address(record.get("user"), "user")
    stem = path.name.removesuffix(_ENDING).casefold()
    # The old programs wrote the local part as it was; ours encodes it.
    if stem not in (user.partition("@")[0], short_name(user), directory_name(user)):
        raise Refused(f"its name says {stem!a}, its user is {user!a}")
    last_updated = fields.seconds(record.get("last_updated"), "last_updated")
    offer = fields.mapping(record.get("offer") or {}, "offer")
    terms: dict[str, Any] = {"price": None, "quantity": None, "offered_at": None}
    if offer.get("price") is not None or offer.get("quantity") is not None:
        terms = {
            "price": fields.price(offer.get("price"), "offer.price"),
            "quantity": fields.quantity(offer.get("quantity"), "offer.quantity"),
            "offered_at": fields.seconds(offer.get("timestamp"), "offer.timestamp", last_updated),
        }
    return OldState(
        user=user,
        role=_role(record.get("role")),
        chemical=_chemical(record.get("chemical")),
        status=_status(record.get("status")),
        has_key=bool(record.get("agreement_key")),
        last_updated=last_updated,
        path=shown,
        **terms,
    )


def _role(value: Any) -> Literal["buyer", "seller"] | None:
    if value in (None, "", "unknown"):
        return None
    return "buyer" if fields.side(value, "role") == "buy" else "seller"


def _chemical(value: Any) -> str | None:
    # The original wrote "" where its caller had named none.
    return None if value in (None, "") else fields.label(value, "chemical")


def _status(value: Any) -> Literal["pending", "agreed", "rejected"]:
    if value == "pending":
        return "pending"
    if value == "agreed":
        return "agreed"
    if value == "rejected":
        return "rejected"
    raise Refused("status must be pending, agreed or rejected")


def _linked(part: Part, listing: Listing, owners: Owners) -> defaultdict[str, set[Address]]:
    """Return who links to each id, and report the links to ids that are nowhere."""
    real = {name for team in listing.teams for name in team.namespaces}
    found: defaultdict[str, set[Address]] = defaultdict(set)
    for team in listing.teams:
        for name in team.links:
            shown = listing.shown(team.path / "negotiations" / name)
            if name not in real:
                part.refuse(shown, "a link to a namespace that is not there", "namespace")
                continue
            try:
                found[name].add(owners.of(team.path.name))
            except Refused as refused:
                part.refuse(shown, refused, "namespace")
    return found


def _judge(
    part: Part, listing: Listing, found: _Found, owners: Owners, linked: set[Address]
) -> OldNamespace:
    users = [state.user for state in found.states]
    owner = owners.of(found.team.path.name, hints=users)
    responder = _responder(found.id, owner, users, linked - {owner})
    states = [state for user in (owner, responder) for state in found.states if state.user == user]
    for state in found.states:
        if state not in states:
            part.refuse(state.path, f"left by {state.user!a}, who is no party", "namespace")
    return OldNamespace(found.id, owner, responder, tuple(states), listing.shown(found.path))


def _responder(
    id: str, owner: Address, users: list[Address], linked: set[Address]
) -> Address | None:
    """Return the responder, where the evidence leaves one candidate only."""
    id = id.casefold()
    others = {user for user in users if user != owner}
    named = {user for user in others | linked if id.startswith(_beginning(owner, user))}
    for candidates in (named & linked, linked & others, named, linked):
        if len(candidates) == 1:
            return next(iter(candidates))
    # An id in our form that names none of them: they are all outsiders.
    if linked or id.startswith(f"{_local(owner)}_") or len(others) != 1:
        return None
    return next(iter(others))


def _beginning(initiator: Address, responder: Address) -> str:
    return f"{_local(initiator)}_{_local(responder)}_"


def _local(address: Address) -> str:
    return address.partition("@")[0]


def _drop_copies(part: Part) -> None:
    """Keep one of two namespaces with the same id and parties.

    Where links were not to be had, the old program copied the directory. The copy in the
    initiator's own directory is the one that the id names first.
    """
    kept: dict[object, OldNamespace] = {}
    for one in part.namespaces:
        if one.responder is None:
            kept[one.path] = one
            continue
        key = (one.id, frozenset((one.initiator, one.responder)))
        if key in kept:
            part.tally["duplicates"] += 1
            if not one.id.casefold().startswith(_beginning(one.initiator, one.responder)):
                continue
        kept[key] = one
    part.namespaces = list(kept.values())


# ---------------------------------------------------------------- transactions


@dataclass(frozen=True, slots=True)
class _Book:
    """A transaction file that has been read, before it is known whose it is."""

    record: dict[str, Any]
    team: Team
    path: str


def _read_books(part: Part, listing: Listing) -> list[_Book]:
    found = []
    for team in listing.teams:
        for name in team.transactions:
            path = team.path / "transactions" / name
            try:
                record = read_object(path)
                if "schema" in record:
                    raise Refused("a transaction of the new layout: it is migrated already")
                found.append(_Book(record, team, listing.shown(path)))
            except Refused as refused:
                part.refuse(listing.shown(path), refused, "transaction")
    return found


def _counterparties(books: Iterable[_Book]) -> list[Address]:
    found = []
    for book in books:
        try:
            found.append(fields.address(book.record.get("counterparty"), "counterparty"))
        except Refused:
            continue  # reported when the transaction itself is read
    return found


def _take_transactions(part: Part, books: list[_Book], owners: Owners) -> None:
    # The mirror of a transaction, in the other party's books, names the owner.
    mirrors: defaultdict[str, list[_Book]] = defaultdict(list)
    for book in books:
        mirrors[str(book.record.get("negotiation_id"))].append(book)
    for book in books:
        negotiation = book.record.get("negotiation_id")
        hints = [] if negotiation is None else _counterparties(mirrors[str(negotiation)])
        try:
            part.transactions.append(
                transaction(
                    book.record,
                    owner=owners.of(book.team.path.name, hints),
                    generation="L5",
                    path=book.path,
                    id=book.path.rpartition("/")[2].removesuffix(".json"),
                )
            )
        except Refused as refused:
            part.refuse(book.path, refused, "transaction")
