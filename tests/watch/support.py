"""Writers that know nothing of us, and kernels that do not tell."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support import ALICE, BOB, NOON

from nom_negotiate.store.files import inotify
from nom_negotiate.store.files.watches import Watches

TERMS: dict[str, Any] = {"chemical": "C", "role": "buyer", "price": "5.50", "quantity": 1000}
DEADLINE_S = 120.0
ID = "alice_bob_C_1704312345"


def plain(user: str, price: float, *, at: float = NOON, status: str = "pending") -> str:
    """Return a state file as the original's clients wrote it."""
    role = "buyer" if user == ALICE else "seller"
    offer = {"price": price, "quantity": 1000, "timestamp": at}
    state = {"user": user, "role": role, "chemical": "C", "offer": offer, "status": status}
    return json.dumps({**state, "agreement_key": "0" * 64, "last_updated": at})


def begin(root: Path, name: str = ID) -> Path:
    """Begin a negotiation with nothing but plain files, as the original's clients did."""
    space = root / "teams" / ALICE / "negotiations" / name
    space.mkdir()
    link = root / "teams" / BOB / "negotiations" / name
    link.symlink_to(f"../../{ALICE}/negotiations/{name}")
    (space / "alice_state.json").write_text(plain(ALICE, 5))
    return space


def refused(number: int) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call


def remove_all(watches: Watches) -> None:
    """Let the kernel remove all watches, as it does when a file system is unmounted."""
    assert watches._inotify is not None
    for watched in watches.all():
        watches._inotify.remove(watched.watch)


def tell_that_it_moved(watches: Watches, path: Path) -> None:
    """Let the kernel tell that a directory has moved, after all that it has to tell."""
    feed = watches._inotify
    assert feed is not None
    [watched] = [each for each in watches.all() if each.path == str(path)]
    read = feed.read

    def late() -> Iterator[inotify.Heard]:
        feed.read = read  # type: ignore[method-assign]
        yield from read()
        yield inotify.Heard(watched.watch, inotify.SELF_MOVED, "")

    feed.read = late  # type: ignore[method-assign]


def throw_away(watches: Watches) -> None:
    """Throw away what the kernel has to tell, and let it say so."""
    feed = watches._inotify
    assert feed is not None
    read = feed.read

    def lossy() -> Iterator[inotify.Heard]:
        feed.read = read  # type: ignore[method-assign]
        for _ in read():
            pass
        yield inotify.Heard(-1, inotify.OVERFLOWED, "")

    feed.read = lossy  # type: ignore[method-assign]
