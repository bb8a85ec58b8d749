"""Everything in one JSON file behind one lock: what people write first."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import filelock
import orjson

from benchmarks.market import Case
from benchmarks.peers import raw


class LockedFile:
    """One file that holds the states of all negotiations.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._lock = filelock.FileLock(f"{path}.lock")

    def fill(self, cases: Iterable[Case]) -> None:
        """Put the cases in."""
        states = {
            f"{case.number}": [
                {"price": str(terms.price), "quantity": str(terms.quantity), "key": case.key(terms)}
                for _, _, terms in case.offers
            ]
            for case in cases
        }
        raw.update(self._path, orjson.dumps(states), durable=True)

    def offer(self, case: Case, side: int, price: str, quantity: str, key: str) -> None:
        """Make a counter-offer, durable when this returns."""
        with self._lock:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            states = orjson.loads(os.read(fd, os.fstat(fd).st_size))
            os.close(fd)
            states[f"{case.number}"][side] = {
                "price": price,
                "quantity": quantity,
                "key": key,
                "last_updated": int(time.time()),
            }
            raw.update(self._path, orjson.dumps(states), durable=True)
