"""What was measured, and how times become figures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from nom_negotiate.store.files.inspection import Finding

T = TypeVar("T")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What one operation took.

    Attributes:
        operation: its name; that of a sequence of bare file operations begins with `raw_`.
        size: how many negotiations one repetition was over.
        repetitions: how often it was measured.
        p50_ms: milliseconds; half of the repetitions took no longer. Each percentile is a
            time that was measured (nearest rank).
        p90_ms: milliseconds.
        p99_ms: milliseconds.
        min_ms: milliseconds.
        peer: the bare operation of the same size that took turns with it; None for itself.
        ratio: its p50 divided by that of its peer.
    """

    operation: str
    size: int
    repetitions: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    min_ms: float
    peer: str | None = None
    ratio: float | None = None


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured of a file system.

    Attributes:
        directory: where, as an absolute path.
        at: unix seconds at which it began.
        duration_s: seconds that it took.
        system: the operating system and its release.
        processors: how many the machine has.
        load: the load average of a minute, before and after; empty where it cannot be had.
        operations: what was measured, a bare operation before those that it is the peer of.
        mount: what the mount does, in words, as `nom doctor` tells it.
        findings: what of that is not what a data root needs.
        syncfs: whether the whole file system can be synced at once.
        notifications: whether a rename is told to whoever watches the directory.
        timestamp_step_ms: milliseconds between two times that a file can have; None where
            none was seen.
    """

    directory: str
    at: int
    duration_s: float
    system: str
    processors: int
    load: tuple[float, ...]
    operations: tuple[Figure, ...]
    mount: Mapping[str, str]
    findings: tuple[Finding, ...]
    syncfs: bool
    notifications: bool
    timestamp_step_ms: float | None

    def of(self, operation: str) -> Figure | None:
        """Return the figure of an operation, the one of the largest size; None if it has none."""
        found = [figure for figure in self.operations if figure.operation == operation]
        return max(found, key=lambda figure: figure.size, default=None)


def percentile(ordered: Sequence[T], percent: int) -> T:
    """Return the least value that `percent` of all do not exceed, by nearest rank.

    Args:
        ordered: the values, ascending; at least one.
        percent: 0 to 100.
    """
    return ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]


class Timed(NamedTuple):
    """An operation over so many negotiations."""

    operation: str
    size: int = 1


class Stopwatch:
    """Keeps what each operation took."""

    def __init__(self) -> None:
        self._taken: dict[Timed, list[int]] = {}
        self._peers: dict[Timed, Timed] = {}

    def time(self, key: Timed, deed: Callable[[], T]) -> T:
        """Do it once, and keep what it took; return what it returns."""
        taken = self._taken.setdefault(key, [])
        begun = time.perf_counter_ns()
        result = deed()
        taken.append(time.perf_counter_ns() - begun)
        return result

    def note(self, key: Timed, seconds: float) -> None:
        """Keep what something took."""
        self._taken.setdefault(key, []).append(int(seconds * 1e9))

    def compare(self, key: Timed, peer: Timed) -> None:
        """Set a peer; in the order of the figures it comes first."""
        self._taken.setdefault(peer, [])
        self._taken.setdefault(key, [])
        self._peers[key] = peer

    def turns(
        self, peer: str, raw: Callable[[], object], operation: str, deed: Callable[[], T]
    ) -> T:
        """Time both, each of them first every other time; return what the second one does."""
        key, other = Timed(operation), Timed(peer)
        self.compare(key, other)
        if len(self._taken[key]) % 2:
            result = self.time(key, deed)
            self.time(other, raw)
            return result
        self.time(other, raw)
        return self.time(key, deed)

    def figures(self) -> Iterator[Figure]:
        """Yield what each operation took."""
        ordered = {key: sorted(taken) for key, taken in self._taken.items() if taken}
        for key, taken in ordered.items():
            p50, p90, p99 = (percentile(taken, percent) / 1e6 for percent in (50, 90, 99))
            peer = self._peers.get(key)
            base = 0 if peer is None else percentile(ordered[peer], 50)
            yield Figure(
                operation=key.operation,
                size=key.size,
                repetitions=len(taken),
                p50_ms=p50,
                p90_ms=p90,
                p99_ms=p99,
                min_ms=taken[0] / 1e6,
                peer=None if peer is None else peer.operation,
                ratio=round(p50 * 1e6 / base, 3) if base else None,
            )
