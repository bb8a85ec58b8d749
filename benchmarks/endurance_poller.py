"""A poller of the endurance run, as a program of its own: ROOT DIRECTORY NUMBER GATE DURABLE."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.endurance import poll_until_closed

if __name__ == "__main__":
    root, directory, number, gate, durable = sys.argv[1:]
    poll_until_closed(Path(root), Path(directory), int(number), int(gate), durable == "1")
