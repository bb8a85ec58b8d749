"""How large a record may be. Apart from those who read it: whoever only asks imports no JSON."""

from __future__ import annotations

from typing import Final

MAX_RECORD_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
