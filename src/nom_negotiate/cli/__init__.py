"""The command line `nom`: one file a command, output in one place.

Rules of the room:

- A command parses, calls the library once or twice, and hands what it got to `output`. It
  decides nothing: what may be done is decided by the rules, what is written by the store.
- Data goes to stdout, everything else to stderr. An error is one line, without a traceback.
- Only this room reads the environment, and only `app` and `output` in it do.
- A command is imported when it is called, and what it works with when it works: `nom poll` is
  started once a minute, forever, and a shell that completes starts `nom` at each Tab.

Exit statuses: 0 done; 2 wrong usage or input; 3 to 9 as `errors` says, one for each family;
1 a fault of this program; 130 interrupted; 141 the reader of the output has gone.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from nom_negotiate.cli import entry

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `nom` with `arguments`, by default those of the process, and exit."""
    try:
        status = entry.run(sys.argv[1:] if arguments is None else list(arguments))
    except KeyboardInterrupt:
        # A second Ctrl-C, while the first one was being dealt with.
        status = entry.EXIT_INTERRUPTED
    if arguments is None:
        # The process ends here. To look through all that was imported for cycles first would
        # take longer than an idle poll has worked.
        gc.freeze()
    sys.exit(status)
