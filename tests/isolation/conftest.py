"""A market in which alice, bob, carol and the poller are Unix users of their own.

A *deed* is what one of them does: a function that runs in a child of this process with that
user's uid and groups. Its result, or its error, comes back.

The child lives in a root directory of its own, the one above the data root: nobody knows
whether these users may look into the directories above. So a path is a `Place`, which says
another text there, and all that a child needs is imported before.
"""

from __future__ import annotations

import importlib
import os
import pickle
import pkgutil
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest

import nom_negotiate
from nom_negotiate import Desk
from nom_negotiate.core.party import Isolation, Settings
from nom_negotiate.store.files import FileStore

ALICE, BOB, CAROL = "alice@stonybrook.edu", "bob@stonybrook.edu", "carol@stonybrook.edu"
MARKET = 61100
POLLER = 61000
USERS = {ALICE: 61001, BOB: 61002, CAROL: 61003}
NOW = 1_704_312_345


class Place(os.PathLike[str]):
    """A path below the directory in which the market is."""

    def __init__(self, market: Market, *names: str) -> None:
        self.market = market
        self.names = names

    def __truediv__(self, name: str) -> Place:
        return Place(self.market, *self.names, name)

    def __fspath__(self) -> str:
        return os.path.join(self.market.home, *self.names)

    def read(self) -> bytes:
        """Return the content of the file."""
        with open(self, "rb") as file:
            return file.read()

    def make(self, data: bytes = b"") -> None:
        """Make a file that everybody may read."""
        with open(self, "xb") as file:
            file.write(data)
        os.chmod(self, 0o644)


@dataclass
class Market:
    """An isolated data root, and the clock of everybody in it."""

    home: str
    now: float = NOW

    def desk(self) -> Desk:
        """Return a desk of whoever asks."""
        return Desk(f"{self.home}/data", clock=lambda: self.now, validators=(), after_settlement=())

    def as_user(self, uid: int, deed: Callable[[], Any]) -> Any:
        """Return what the deed returns when that user does it; raise what it raises."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            self._live(uid, deed, writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        assert status == 0, f"the child ended with {status}"
        done, value = pickle.loads(said)
        if not done:
            raise value
        return value

    def party(self, address: str, deed: Callable[[Any], Any]) -> Any:
        """Return what the deed returns, done by that party's own Unix user."""
        return self.as_user(USERS[address], lambda: deed(self.desk().party(address)))

    def poll(self, *, scan: bool = False) -> Any:
        """Return the report of a pass of the poller's Unix user."""
        return self.as_user(POLLER, lambda: self.desk().poll(scan=scan))

    def path(self, address: str, *names: str) -> Place:
        """Return a path in the directory of a party."""
        return Place(self, "data", "teams", address, *names)

    def _live(self, uid: int, deed: Callable[[], Any], writing: int) -> NoReturn:
        signal.alarm(60)
        try:
            os.chroot(self.home)
            os.chdir("/")
            self.home = "/"
            os.setgroups([MARKET])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            # Whatever this user's habits are, others must be able to read what is for them.
            os.umask(0o077)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(_said(deed))
            os._exit(0)
        except BaseException:
            # Nothing may go on in the child of a test; what ended it is printed, and is a failure.
            traceback.print_exc()
            os._exit(1)


def _said(deed: Callable[[], Any]) -> bytes:
    try:
        said = (True, deed())
    except Exception as error:
        said = (False, error)
    return pickle.dumps(said)


@pytest.fixture(scope="session", autouse=True)
def imported() -> None:
    for module in pkgutil.walk_packages(nom_negotiate.__path__, "nom_negotiate."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # And what is imported late.
    root = tempfile.mkdtemp(prefix="nom-isolation-")
    desk = Desk(root, validators=(), after_settlement=())
    deal = desk.party(ALICE).start(BOB, chemical="C", role="buyer", price=1, quantity=1)
    desk.party(BOB).accept(deal.id)
    assert desk.poll().agreed
    shutil.rmtree(root)


@pytest.fixture
def market() -> Iterator[Market]:
    if os.geteuid() != 0:
        pytest.skip("acting as several Unix users needs root")
    # Not under pytest's own directory, into which nobody but root may look.
    home = tempfile.mkdtemp(prefix="nom-isolation-")
    os.chmod(home, 0o755)
    try:
        yield make_market(home)
    finally:
        shutil.rmtree(home)


def make_market(home: str) -> Market:
    market = Market(home)
    store = FileStore(f"{home}/data")
    desk = market.desk()
    desk.initialise(Settings(closed=True, isolation=Isolation.UNIX))
    for party in USERS:
        desk.add_party(party)
    store.isolate(POLLER, POLLER, MARKET)
    for party, uid in USERS.items():
        store.hand_over(desk.party(party).address, uid, uid)
    report = market.poll()
    assert not report.problems
    return market
