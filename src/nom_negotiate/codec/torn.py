"""What a power cut leaves of a file whose content was not durable yet."""

from __future__ import annotations

from nom_negotiate.codec.loading import is_whole
from nom_negotiate.core.outcome import OUTCOME_SCHEMA, TRANSACTION_SCHEMA

_BEGINNINGS = tuple(
    text.format(schema).encode()
    for schema in (OUTCOME_SCHEMA, TRANSACTION_SCHEMA)
    for text in ('{{\n  "schema": "{}"', '{{"schema":"{}"')
)


def is_torn(data: bytes) -> bool:
    """Return whether bytes may be what is left of an outcome or a transaction of ours.

    Nothing, blocks that were never written, or a beginning without the end.
    """
    written = data.rstrip(b"\0")
    if not written:
        return True
    ours = any(data.startswith(begin) or begin.startswith(written) for begin in _BEGINNINGS)
    return ours and not is_whole(data)
