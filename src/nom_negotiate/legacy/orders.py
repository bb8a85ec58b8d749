"""Standing orders: what is left when all that was listed and withdrawn is reduced.

The rules are those of the old reader, zombies and all:

- An add lists the order under its id; adding an id again replaces it.
- A remove drops that id, whoever sent it, and thousands name ids long gone.
- An update of an id that is not there changes nothing; one that is there takes over the
  new values, whoever sent them.
- Each kind has its own shelf: `remove_offer` never drops a buy order. `add_listing` and
  `remove_listing` are later names for `add_ad` and `remove_ad`.
- An order that is marked as anything but active stands no longer.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from nom_negotiate.legacy import fields
from nom_negotiate.legacy.fields import Refused, first
from nom_negotiate.legacy.part import OrderEvent
from nom_negotiate.legacy.records import Generation, Kind, OldOrder, Side, Unreadable
from nom_negotiate.legacy.transactions import time_in_id

_Verb = Literal["add", "update", "remove"]

_MEANING: Final[dict[str, tuple[_Verb, Kind]]] = {
    "add_offer": ("add", "offer"),
    "update_offer": ("update", "offer"),
    "remove_offer": ("remove", "offer"),
    "add_buy_order": ("add", "buy_order"),
    "update_buy_order": ("update", "buy_order"),
    "remove_buy_order": ("remove", "buy_order"),
    "add_ad": ("add", "ad"),
    "remove_ad": ("remove", "ad"),
    "add_listing": ("add", "ad"),
    "remove_listing": ("remove", "ad"),
}

# An update changes terms. Who it belongs to and what it is called stay: an update by
# somebody else must not move an order to another owner.
_FIXED: Final = frozenset({"id", "sellerId", "buyerId", "teamId", "createdAt"})

_OWNER: Final[dict[Kind, str]] = {"offer": "sellerId", "buy_order": "buyerId", "ad": "teamId"}
_LIMIT: Final[dict[Kind, str]] = {"offer": "minPrice", "buy_order": "maxPrice"}
_SIDE: Final[dict[Kind, Side]] = {"offer": "sell", "buy_order": "buy"}


@dataclass(slots=True)
class Shelves:
    """The result of a reduction.

    Attributes:
        closed: by generation, how many orders are listed but no longer active.
    """

    orders: list[OldOrder] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    closed: list[Generation] = field(default_factory=list)


def is_order_event(type: Any) -> bool:
    """Tell whether an event of this type changes the standing orders."""
    return isinstance(type, str) and type in _MEANING


def reduce_orders(streams: Iterable[Iterable[OrderEvent]]) -> Shelves:
    """Return what stands after all events.

    Args:
        streams: one a generation, oldest generation first. Within a stream the order is
            kept as it is; between streams time decides, and the older one goes first.
    """
    shelves = Shelves()
    standing: dict[tuple[Kind, str], OrderEvent] = {}
    for event in heapq.merge(*streams, key=lambda event: event.at):
        verb, kind = _MEANING[event.type]
        id = event.payload.get("id")
        if not isinstance(id, str):
            shelves.unreadable.append(Unreadable(event.path, "id must be text", "order"))
        elif verb == "add":
            standing[kind, id] = event
        elif verb == "remove":
            standing.pop((kind, id), None)
        elif (kind, id) in standing:
            standing[kind, id] = _updated(standing[kind, id], event)
    for (kind, _), event in standing.items():
        _settle(shelves, kind, event)
    return shelves


def _updated(order: OrderEvent, update: OrderEvent) -> OrderEvent:
    changes = update.payload.get("updates")
    if not isinstance(changes, dict):
        return order
    wanted = {key: value for key, value in changes.items() if key not in _FIXED}
    return OrderEvent(
        at=order.at,
        type=order.type,
        payload={**order.payload, **wanted},
        team=order.team,
        generation=order.generation,
        path=order.path,
    )


def _settle(shelves: Shelves, kind: Kind, event: OrderEvent) -> None:
    if event.payload.get("status") not in (None, "active"):
        shelves.closed.append(event.generation)
        return
    try:
        shelves.orders.append(_order(kind, event))
    except Refused as refused:
        shelves.unreadable.append(Unreadable(event.path, str(refused), "order"))


def _order(kind: Kind, event: OrderEvent) -> OldOrder:
    payload = event.payload
    owner = first(payload, _OWNER[kind])
    is_ad = kind == "ad"
    return OldOrder(
        id=fields.label(payload.get("id"), "id"),
        generation=event.generation,
        owner=fields.address(event.team if owner is None else owner, "owner"),
        kind=kind,
        side=fields.side(payload.get("type"), "type") if is_ad else _SIDE[kind],
        chemical=fields.label(payload.get("chemical"), "chemical"),
        quantity=None if is_ad else fields.quantity(payload.get("quantity")),
        price=None if is_ad else fields.price(first(payload, _LIMIT[kind], "price"), _LIMIT[kind]),
        created_at=fields.seconds(
            payload.get("createdAt"),
            "createdAt",
            int(event.at) if event.at >= 0 else time_in_id(payload),
        ),
        session=fields.session(payload.get("sessionNumber")),
        path=event.path,
    )
