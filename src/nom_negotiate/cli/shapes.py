"""What `--json` prints. Others build on these keys: they may grow, and none goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nom_negotiate import codec
from nom_negotiate.cli.names import Names

if TYPE_CHECKING:
    from nom_negotiate.core.identity import Address
    from nom_negotiate.core.listings import Listed
    from nom_negotiate.core.negotiation import Move, Negotiation
    from nom_negotiate.core.party import Listing


def of_negotiation(
    negotiation: Negotiation, viewer: Address | None = None, names: Names | None = None
) -> dict[str, Any]:
    """Return a negotiation as `start`, `offer`, `accept`, `show`, `ls` and others print it.

    Args:
        negotiation: what to print.
        viewer: who acts; adds `revision`, to be given back with `--revision`, and `unread`.
        names: what parties call themselves.
    """
    outcome = negotiation.outcome
    shape: dict[str, Any] = {
        "id": negotiation.id,
        "phase": negotiation.phase.value,
        "turn": negotiation.turn,
        "initiator": negotiation.initiator,
        "responder": negotiation.responder,
        "chemical": negotiation.chemical,
        "roles": dict(negotiation.roles),
        "display_names": (names or Names()).among(*negotiation.roles),
        "offers": [_move(move) for move in negotiation.offers],
        "acceptances": [_move(move) for move in negotiation.moves if move.accepts],
        "messages": [codec.builtins(message) for message in negotiation.messages],
        "read": {party: codec.builtins(mark) for party, mark in negotiation.read.items()},
        "reactions": {
            party: codec.builtins(reaction) for party, reaction in negotiation.reactions.items()
        },
        "created": negotiation.created,
        "expires_at": negotiation.expires_at,
        "limits": codec.builtins(negotiation.limits),
        "archived": negotiation.archived,
        "outcome": None if outcome is None else codec.builtins(outcome),
    }
    if negotiation.listing is not None:
        shape["listing"] = negotiation.listing
    if viewer is not None:
        shape["revision"] = negotiation.revisions.get(viewer, 0)
        shape["unread"] = negotiation.unread(viewer)
    return shape


def _move(move: Move) -> dict[str, Any]:
    shape = codec.builtins(move)
    del shape["accepts"]
    return shape


def of_listing(found: Listing) -> dict[str, Any]:
    """Return a listing as `listing post` and `listing close` print it."""
    return {
        "id": found.id,
        "user": found.user,
        "type": found.type.value,
        "chemical": found.chemical,
        "price": found.price,
        "quantity": found.quantity,
        "text": found.text,
        "created": found.created,
        "status": found.status.value,
        "closed_at": found.closed_at,
    }


def of_listed(row: Listed, names: Names) -> dict[str, Any]:
    """Return a row of `listing ls`: the listing, who its author is, and what is left of it.

    Args:
        row: what to print.
        names: what parties call themselves; shown as beside any address.
    """
    status = "active" if row.stands else "closed"
    called = names.of(row.listing.user)
    return {
        **of_listing(row.listing),
        "display_name": called,
        "left": row.left,
        "status": status,
    }
