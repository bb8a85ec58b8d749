"""The bare operations of the file system that the library's own are compared with.

Plain Python and nothing around it: no lock, no check, no rule, no error that is told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def update(path: str, data: bytes, *, durable: bool) -> None:
    """Write a file and rename it over `path`; durable with an fsync of it and its directory."""
    directory = os.path.dirname(path)
    temporary = f"{directory}/.tmp-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    os.write(fd, data)
    if durable:
        os.fsync(fd)
    os.close(fd)
    os.rename(temporary, path)
    if durable:
        fd = os.open(directory, DIRECTORY)
        os.fsync(fd)
        os.close(fd)


def rooms(root: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each team's directory of negotiations, open, with the names in it."""
    for team in os.listdir(f"{root}/teams"):
        path = f"{root}/teams/{team}/negotiations"
        fd = os.open(path, DIRECTORY)
        try:
            with os.scandir(fd) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield path, fd, names
        finally:
            os.close(fd)


def stat_each(root: Path) -> int:
    """Stat each namespace directory; return how many there are."""
    count = 0
    for _, room, names in rooms(root):
        for name in names:
            os.stat(name, dir_fd=room, follow_symlinks=False)
        count += len(names)
    return count


def read_each(root: Path) -> int:
    """Open, read and parse each state file, by names derived from its namespace's."""
    count = 0
    for _, room, names in rooms(root):
        for name in names:
            for state in _state_names(name):
                _read(f"{name}/{state}", room)
        count += len(names)
    return count


def settle_each(root: Path) -> int:
    """Settle each agreed deal with the file operations that it takes, and no sync at all.

    Both states are read; the outcome and the transactions are created under temporary names and
    linked, so that nothing is replaced; the responder's new link, the move to the archive, the
    end of the old link.
    """
    count = 0
    for path, room, names in rooms(root):
        home = os.path.dirname(path)
        for name in names:
            one, other = (_read(f"{name}/{state}", room) for state in _state_names(name))
            if one["agreement_key"] == other["agreement_key"]:
                _settle(str(root), home, name, one, other)
                count += 1
    return count


def _settle(root: str, home: str, name: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    now = int(time.time())
    terms = one["offer"]
    outcome = {
        "negotiation_id": name,
        "outcome": "agreed",
        "at": now,
        "terms": terms,
        "agreement_key": one["agreement_key"],
        "revisions": [one["revision"], other["revision"]],
    }
    _create(f"{home}/negotiations/{name}/outcome.json", outcome)
    for mine, theirs, kind in ((one, other, "buy"), (other, one, "sell")):
        transaction = {
            "type": kind,
            "chemical": one["chemical"],
            "price": terms["price"],
            "quantity": terms["quantity"],
            "counterparty": theirs["user"],
            "negotiation_id": name,
            "timestamp": now,
            "settled": False,
            "agreement_key": one["agreement_key"],
        }
        _create(f"{root}/teams/{mine['user']}/transactions/{name}_{kind}.json", transaction)
    responder = f"{root}/teams/{other['user']}"
    os.symlink(
        f"../../{one['user']}/negotiations_archive/{name}",
        f"{responder}/negotiations_archive/{name}",
    )
    os.rename(f"{home}/negotiations/{name}", f"{home}/negotiations_archive/{name}")
    os.unlink(f"{responder}/negotiations/{name}")


def _create(path: str, record: dict[str, Any]) -> None:
    temporary = f"{os.path.dirname(path)}/.tmp-{os.getpid()}"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    os.write(fd, orjson.dumps(record, option=orjson.OPT_INDENT_2))
    os.close(fd)
    os.link(temporary, path)
    os.unlink(temporary)


def _state_names(name: str) -> tuple[str, str]:
    # The short names of the benchmarks' teams have no underscore.
    initiator, responder, _ = name.split("_", 2)
    return f"{initiator}_state.json", f"{responder}_state.json"


def _read(path: str, directory: int) -> dict[str, Any]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        size = os.fstat(fd).st_size
        state: dict[str, Any] = orjson.loads(os.read(fd, size))
    finally:
        os.close(fd)
    return state
