"""What may be said with an offer besides its price and quantity: the keywords, typed once."""

from __future__ import annotations

from typing import TypedDict


class OfferOptions(TypedDict, total=False):
    """What `Party.offer` and `Party.start` take, by the same names."""

    firm: bool
    valid_until: int | None
    delivery: str | None
    payment: str | None
    quality: str | None


class StartOptions(OfferOptions, total=False):
    """What `Party.start` takes besides, and whoever starts by answering a listing."""

    message: str | None
    idle_s: int | None
    life_s: int | None
    max_rounds: int | None
    again: bool
