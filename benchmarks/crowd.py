"""Processes that are let go at the same moment, and how long each of their updates takes.

Each process prepares itself first: it is forked from one that has made such an update, and so has
imported everything; it opens what it needs, and says that it is ready. The gate is a pipe:
whoever waits reads from it, and the end of the file, which reaches all of them at once, lets them
go.
"""

from __future__ import annotations

import array
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from benchmarks.pairs import Sample, percentile

Prepare = Callable[[int], Callable[[int], object]]
"""Called in process number n, returns what makes its k-th update."""


def run(processes: int, each: int, prepare: Prepare) -> Sample:
    """Let the processes make their updates; return wall time, p50 and p99 in milliseconds.

    The wall time is from the opening of the gate to the end of the last update.

    Raises:
        RuntimeError: where a process fails.
    """
    gate, opener = os.pipe()
    ready, readiness = os.pipe()
    with together() as children:
        results: list[int] = []
        for number in range(processes):
            result, told = os.pipe()
            closed = (opener, ready, result, *results)
            children.append(
                forked(partial(_child, number, each, prepare, gate, readiness, told, closed))
            )
            os.close(told)
            results.append(result)
        os.close(gate)
        os.close(readiness)
        waiting = 0
        while waiting < processes and (said := os.read(ready, processes)):
            waiting += len(said)
        os.close(ready)
        began = time.monotonic()
        os.close(opener)
        times = [array.array("d", _all_of(result)) for result in results]
    took = [
        (end - start) * 1000
        for one in times
        for start, end in zip(one[::2], one[1::2], strict=True)
    ]
    return {
        "wall": (max(one[-1] for one in times) - began) * 1000,
        "p50": percentile(took, 0.50),
        "p99": percentile(took, 0.99),
    }


def _child(
    number: int,
    each: int,
    prepare: Prepare,
    gate: int,
    readiness: int,
    told: int,
    closed: tuple[int, ...],
) -> None:
    for fd in closed:
        os.close(fd)
    update = prepare(number)
    times = array.array("d")
    os.write(readiness, b".")
    os.close(readiness)
    os.read(gate, 1)
    for turn in range(each):
        times.append(time.monotonic())
        update(turn)
        times.append(time.monotonic())
    with os.fdopen(told, "wb") as file:
        file.write(times.tobytes())


@contextmanager
def together() -> Iterator[list[int]]:
    """Yield a list for children of this process; at the end of the block all of them have ended.

    They are waited for, and where the block is left by an exception they are ended first: what
    they have open could not be unmounted.

    Raises:
        RuntimeError: where one of them fails.
    """
    children: list[int] = []
    try:
        yield children
    except BaseException:
        # An interrupt, a fork that was refused, a failed child: it goes on to the caller.
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        failures(children)
        raise
    if failed := failures(children):
        raise RuntimeError(f"{failed} processes have failed; what they met is above")


def failures(children: list[int]) -> int:
    """Wait for children that have not been waited for yet; return how many have failed."""
    failed = 0
    while children:
        failed += os.waitpid(children[0], 0)[1] != 0
        # Only now: an interrupt while waiting must not lose sight of it.
        children.pop(0)
    return failed


def forked(work: Callable[[], object]) -> int:
    """Do some work in a child of this process, and return its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # The parent's way of ending, with all that it has to clean up, is not the child's.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        work()
        status = 0
    except BaseException:
        # Whatever it is, SystemExit, too: it is printed, and the status tells the parent. Nothing
        # may leave a forked child by the parent's way.
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(status)


def _all_of(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as file:
        return file.read()
