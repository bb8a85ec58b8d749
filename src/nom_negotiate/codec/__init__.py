"""Bytes to records and back: the only room that knows JSON.

Rules of the room:

- Reading is strict and bounded: at most `MAX_RECORD_BYTES` of UTF-8 without a byte
  order mark, at most `MAX_DEPTH` levels, no key twice, no NaN, exact decimals. What does
  not pass is a `RecordError` that says in one line what was expected and what was found.
- Whatever is read can be written again, and nothing in it can name a path.
- Writing is deterministic: equal records give the same bytes.
- A file that is, byte for byte, what is written for the record in it is taken as that record;
  any other is gone over field by field. Both ways give the same records and refuse the same.
- Fields that a record does not know are kept in its `extra`, and written again.
- Files of the original format, which have no `schema`, are read where one existed.
- Lines of packs have a module of their own, `packed`: a poll that packs nothing does without.
"""

from typing import TYPE_CHECKING

from nom_negotiate.codec.bounds import MAX_DEPTH, MAX_RECORD_BYTES
from nom_negotiate.deferral import defer

if TYPE_CHECKING:
    from nom_negotiate.codec.decoding import (
        decode_autopilot,
        decode_listing,
        decode_ordinary_state,
        decode_outcome,
        decode_preferences,
        decode_profile,
        decode_settings,
        decode_state,
        decode_transaction,
    )
    from nom_negotiate.codec.encoding import (
        builtins,
        encode,
        encode_line,
        encode_output,
        least_size,
    )
    from nom_negotiate.codec.figures import encode_figures
    from nom_negotiate.codec.loading import load
else:
    __getattr__, __dir__ = defer(
        __name__,
        {
            "decoding": (
                "decode_autopilot",
                "decode_listing",
                "decode_ordinary_state",
                "decode_outcome",
                "decode_preferences",
                "decode_profile",
                "decode_settings",
                "decode_state",
                "decode_transaction",
            ),
            "encoding": ("builtins", "encode", "encode_line", "encode_output", "least_size"),
            "figures": ("encode_figures",),
            "loading": ("load",),
        },
    )

__all__ = [
    "MAX_DEPTH",
    "MAX_RECORD_BYTES",
    "builtins",
    "decode_autopilot",
    "decode_listing",
    "decode_ordinary_state",
    "decode_outcome",
    "decode_preferences",
    "decode_profile",
    "decode_settings",
    "decode_state",
    "decode_transaction",
    "encode",
    "encode_figures",
    "encode_line",
    "encode_output",
    "least_size",
    "load",
]
