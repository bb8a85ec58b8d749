"""How much memory a poller takes: `python -m benchmarks.poller_memory ROOT` prints it as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import ours
from benchmarks.results import memory


def main(root: str) -> None:
    """Scan everything, with the cache and without, make idle passes, and say what that took."""
    desk = ours.desk(Path(root))
    ours.full_scan(desk)
    ours.distrustful_scan(desk)
    for _ in range(20):
        ours.idle_pass(desk)
    print(json.dumps(memory()))


if __name__ == "__main__":
    main(sys.argv[1])
