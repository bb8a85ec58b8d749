"""Redis with appendfsync always: the same market as hashes, a ready set and scripts.

- One hash holds both sides of a negotiation, one list what was said before.
- Each step is one script, so one round trip, and one command in the append-only file.
- `ready` is the set of those that two equal keys have agreed; `due` orders by expiry. A poll asks
  for both in one call.
- The server listens on a socket of the file system, on the volume that is measured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import redis

from benchmarks.market import CHEMICAL, LIFE_S, Case

START_S: Final = 20

LOOK: Final = """
if redis.call('SCARD', 'ready') > 0 then return redis.call('SMEMBERS', 'ready') end
return redis.call('ZRANGEBYSCORE', 'due', '-inf', ARGV[1], 'LIMIT', 0, 1000)
"""

# ARGV: number, own side, other side, price, quantity, key, now, life
OFFER: Final = """
local n, own, other = 'n:' .. ARGV[1], ARGV[2], ARGV[3]
local seen = redis.call('HMGET', n, 'outcome', other .. 'round', other .. 'key',
    own .. 'price', own .. 'quantity', own .. 'round')
if seen[1] then return redis.error_reply('CONCLUDED') end
redis.call('RPUSH', 'h:' .. ARGV[1], own, seen[4], seen[5], seen[6])
redis.call('HSET', n, own .. 'price', ARGV[4], own .. 'quantity', ARGV[5],
    own .. 'round', seen[2] + 1, own .. 'key', ARGV[6], own .. 'updated', ARGV[7])
redis.call('HINCRBY', n, own .. 'revision', 1)
redis.call('ZADD', 'due', ARGV[7] + ARGV[8], ARGV[1])
if seen[3] == ARGV[6] then redis.call('SADD', 'ready', ARGV[1])
else redis.call('SREM', 'ready', ARGV[1]) end
return 1
"""

# ARGV: number, now
SETTLE: Final = """
local n = 'n:' .. ARGV[1]
local it = redis.call('HMGET', n, 'outcome', 'akey', 'bkey', 'initiator', 'responder',
    'chemical', 'aprice', 'aquantity')
if it[1] or it[2] ~= it[3] then return 0 end
redis.call('HSET', n, 'outcome', 'agreed', 'ended', ARGV[2])
redis.call('HSET', 't:' .. it[4], ARGV[1] .. ':buy', cjson.encode({type='buy', chemical=it[6],
    price=it[7], quantity=it[8], counterparty=it[5], timestamp=ARGV[2], settled=false}))
redis.call('HSET', 't:' .. it[5], ARGV[1] .. ':sell', cjson.encode({type='sell', chemical=it[6],
    price=it[7], quantity=it[8], counterparty=it[4], timestamp=ARGV[2], settled=false}))
redis.call('RENAME', n, 'archive:' .. ARGV[1])
redis.call('SREM', 'ready', ARGV[1])
redis.call('ZREM', 'due', ARGV[1])
return 1
"""


def is_installed() -> bool:
    """Return whether there is a server to measure."""
    return shutil.which("redis-server") is not None


@contextmanager
def server(directory: Path) -> Iterator[Path]:
    """Run a server that keeps its file in `directory`; yield the path of its socket."""
    directory.mkdir()
    # The path of a socket has little room, and a volume may lie deep.
    socket = Path(f"/tmp/nom-benchmark-{os.getpid()}-{directory.name}.socket")
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "dir": str(directory),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        # What it rewrites in the background would only disturb the others.
        "auto-aof-rewrite-percentage": "0",
        "loglevel": "warning",
    }
    arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
    process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
    try:
        _await(socket, process)
        yield socket
    finally:
        process.terminate()
        process.wait()
        socket.unlink(missing_ok=True)


def _await(socket: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            redis.Redis(unix_socket_path=str(socket)).ping()
            return
        except redis.ConnectionError:
            time.sleep(0.02)
    raise RuntimeError("redis-server did not start")


class Client:
    """One connection to one server.

    Args:
        socket: what it listens on.
        database: which of its databases, so that one server may hold several markets.
    """

    def __init__(self, socket: Path, database: int = 0) -> None:
        self._redis: Any = redis.Redis(unix_socket_path=str(socket), db=database)
        self._look = self._redis.script_load(LOOK)
        self._offer = self._redis.script_load(OFFER)
        self._settle = self._redis.script_load(SETTLE)

    def fill(self, cases: Iterable[Case]) -> None:
        """Put the cases in, instead of what there is."""
        self._redis.flushdb()
        pipe = self._redis.pipeline(transaction=False)
        for case in cases:
            fields: dict[str, str | int] = {
                "id": case.id,
                "initiator": case.initiator,
                "responder": case.responder,
                "chemical": CHEMICAL,
            }
            for side, (_, _, terms) in zip("ab", case.offers, strict=True):
                fields |= {
                    f"{side}price": str(terms.price),
                    f"{side}quantity": str(terms.quantity),
                    f"{side}round": 1,
                    f"{side}key": case.key(terms),
                    f"{side}revision": 1,
                    f"{side}updated": case.at,
                }
            pipe.hset(f"n:{case.number}", mapping=fields)
            pipe.zadd("due", {str(case.number): case.at + LIFE_S})
            if case.number % 1000 == 0:
                pipe.execute()
        pipe.execute()

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()

    def look(self) -> list[int]:
        """Return what is agreed or due."""
        return [int(number) for number in self._redis.evalsha(self._look, 0, int(time.time()))]

    def settle(self, *, pipelined: bool) -> int:
        """Settle what is agreed, in a call each or in one for all; return how many."""
        now = int(time.time())
        numbers = self.look()
        target = self._redis.pipeline(transaction=False) if pipelined else self._redis
        for number in numbers:
            target.evalsha(self._settle, 0, number, now)
        if pipelined:
            target.execute()
        return len(numbers)

    def offer(self, case: Case, side: int, price: str, quantity: str, key: str) -> None:
        """Make a counter-offer, durable when this returns."""
        own, other = ("a", "b") if side == 0 else ("b", "a")
        self._redis.evalsha(
            self._offer,
            0,
            case.number,
            own,
            other,
            price,
            quantity,
            key,
            int(time.time()),
            LIFE_S,
        )

    def agree(self, cases: Iterable[Case]) -> None:
        """Let each initiator accept what is on the table."""
        pipe = self._redis.pipeline(transaction=False)
        for case in cases:
            _, _, terms = case.offers[1]
            pipe.hset(
                f"n:{case.number}",
                mapping={
                    "aprice": str(terms.price),
                    "aquantity": str(terms.quantity),
                    "akey": case.key(terms),
                },
            )
            pipe.sadd("ready", case.number)
        pipe.execute()
