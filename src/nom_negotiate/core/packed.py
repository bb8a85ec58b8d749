"""What is packed of one negotiation or transaction, and the month whose pack holds it.

Rules of the room:

- A packed record holds the exact text of each file: what is unpacked is what was packed.
- The month is that of the outcome, or of the transaction, in UTC: nobody's clock or time
  zone decides where something is looked for.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from nom_negotiate.core.identity import Address
from nom_negotiate.core.times import Seconds

PACKED_SCHEMA: Final = "nom.packed/1"

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
"""A sha256 in lower-case hex."""

_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")


class PackedKind(enum.StrEnum):
    """What a line of a pack stands for."""

    NEGOTIATION = "negotiation"
    TRANSACTION = "transaction"


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a pack: the files of a negotiation that has ended, or a settled transaction.

    Attributes:
        id: of the negotiation, or the name of the transaction's file.
        party: in whose directory the files lie: the initiator, or the transaction's owner.
        responder: of the negotiation; None for a transaction, and where nobody is known.
        at: unix seconds of the outcome, or of the transaction.
        files: the exact text of each file, by name.
        sha256: of the bytes of each file, by name.
    """

    schema: str = PACKED_SCHEMA
    kind: PackedKind
    id: str
    party: Address
    responder: Address | None = None
    at: Seconds
    files: Mapping[str, str]
    sha256: Mapping[str, Digest]


def month_of(at: int) -> str:
    """Return the UTC month of unix seconds, like `2026-01`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


def is_month(text: str) -> bool:
    """Return whether `text` names a month, like `2026-01`."""
    return _MONTH.fullmatch(text) is not None
