"""From transactions to what counts against listings: the same in every store."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from nom_negotiate.core.listings import Counted
from nom_negotiate.store.port import Dealt, Filed


def dealt(counted: Counted, filed: Iterable[Filed]) -> Dealt:
    """Return the quantities that count, by listing and negotiation.

    A negotiation counts once, even where its transaction lies there under two names.
    """
    found: dict[str, dict[str, Decimal]] = {}
    for _, transaction in filed:
        listing_id = counted.against(transaction)
        if listing_id is not None:
            found.setdefault(listing_id, {})[transaction.negotiation_id] = transaction.quantity
    return found
