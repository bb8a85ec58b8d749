"""A `nom` that something happens to: it dies, stops, or is refused at its n-th change of the disk.

    killing.py              serve: one JSON job a line on stdin, one JSON answer a line on stdout
    killing.py 7 poll ...   be `nom poll ...`, and die before the seventh change

Everything is imported once; each job is a child that is forked off. A job is

    {"run": ARGUMENTS, ...}      start `nom ARGUMENTS` with the troubles of `Trouble`
    {"wait": PID}                wait until that one has ended, or was stopped

What is counted are the calls of the operating system that change the disk, wherever in the
process they are made.
"""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import importlib
import importlib.metadata
import json
import mmap
import os
import pkgutil
import resource
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

_now = time.time


class Clock:
    """The time of this process, which may be wrong: `time.time` for all that is imported."""

    fixed: float | None = None
    ahead_s = 0.0
    jumps: ClassVar[list[float]] = []

    @classmethod
    def time(cls) -> float:
        if cls.jumps:
            cls.ahead_s = cls.jumps.pop(0)
        return (_now() if cls.fixed is None else cls.fixed) + cls.ahead_s


if __name__ == "__main__":
    # Before anything is imported that takes it for a default.
    time.time = Clock.time

from nom_negotiate import cli  # noqa: E402
from nom_negotiate.desk import Desk  # noqa: E402
from nom_negotiate.store.files import locking  # noqa: E402

CHANGES = (
    *("open", "write", "fsync", "rename", "replace", "link", "symlink", "unlink", "mkdir", "rmdir"),
    *("chmod", "chown", "fchmod", "fchown", "lchown", "truncate", "ftruncate"),
)


@dataclass
class Trouble:
    """What happens to one `nom`, and when.

    Attributes:
        run: its arguments.
        at: the number of the change before which something happens; 0 for never.
        deed: what: `kill`, `stop`, or the name of an errno with which the call fails.
        lasting: whether every later change fails, too.
        half: whether a write is cut in the middle: half of it is done before.
        among: which calls are counted; `read` counts opening for reading, too.
        fixed: what the clock says for ever; None for the time of the machine.
        ahead_s: how much the clock is ahead.
        jumps: how much it is ahead at each look, until the list is used up.
        uid: who the process is; 0 for whoever runs the tests.
        inside: the directory that is the whole world to somebody else.
        limits: of the process, by the names of `resource` without `RLIMIT_`.
        every_s: how often a signal with a handler interrupts it.
        unlocked: whether locks hold nobody off.
        durable: whether it syncs.
    """

    run: list[str]
    at: int = 0
    deed: str = "kill"
    lasting: bool = False
    half: bool = False
    among: list[str] = field(default_factory=lambda: list(CHANGES))
    fixed: float | None = None
    ahead_s: float = 0.0
    jumps: list[float] = field(default_factory=list)
    uid: int = 0
    inside: str = "/"
    limits: dict[str, int] = field(default_factory=dict)
    every_s: float = 0.0
    unlocked: bool = False
    durable: bool = True


class Changes:
    """Counts the changes of this process, notes them for its parent, and does the deed."""

    def __init__(self, trouble: Trouble, note: Callable[[str], None]) -> None:
        self.trouble = trouble
        self.note = note
        self.count = 0

    def counted(self, name: str) -> Callable[..., Any]:
        """Return the call of that name, watched."""
        call = getattr(os, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not self._counts_opening(arguments):
                return call(*arguments, **options)
            self.count += 1
            self.note(f"{name} {_shown(arguments)}\n")
            if self._is_due():
                if name == "write" and self.trouble.half:
                    call(arguments[0], arguments[1][: len(arguments[1]) // 2])
                self._do(arguments)
            return call(*arguments, **options)

        return watched

    def _counts_opening(self, arguments: tuple[Any, ...]) -> bool:
        return "read" in self.trouble.among or bool(arguments[1] & os.O_CREAT)

    def _is_due(self) -> bool:
        at = self.trouble.at
        return self.count == at or (self.trouble.lasting and self.count > at > 0)

    def _do(self, arguments: tuple[Any, ...]) -> None:
        deed = self.trouble.deed
        if deed in ("kill", "stop"):
            os.kill(os.getpid(), signal.SIGKILL if deed == "kill" else signal.SIGSTOP)
            return
        number = getattr(errno, deed)
        named = next((one for one in arguments if isinstance(one, str)), None)
        raise OSError(number, os.strerror(number), named)


def _shown(arguments: tuple[Any, ...]) -> str:
    named = (os.path.basename(one) for one in arguments if isinstance(one, str))
    return " ".join(name or "/" for name in named)


def suffer(trouble: Trouble, note: Callable[[str], None]) -> None:
    """Make this process one that the troubles will happen to."""
    Clock.fixed, Clock.ahead_s, Clock.jumps = trouble.fixed, trouble.ahead_s, trouble.jumps
    changes = Changes(trouble, note)
    for name in trouble.among:
        if name != "read" and hasattr(os, name):
            setattr(os, name, changes.counted(name))
    if trouble.unlocked:
        locking.exclusive = _open_door  # type: ignore[assignment, misc]
    if not trouble.durable:
        # Every desk of the command line is a durable one.
        assert Desk.__init__.__kwdefaults__ is not None
        Desk.__init__.__kwdefaults__["durable"] = False
    if trouble.every_s:
        signal.signal(signal.SIGALRM, lambda number, frame: None)
        signal.setitimer(signal.ITIMER_REAL, trouble.every_s, trouble.every_s)
    # A write at the limit is to fail, not to end the process.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit, value in trouble.limits.items():
        kind = getattr(resource, f"RLIMIT_{limit}")
        resource.setrlimit(kind, (value, resource.getrlimit(kind)[1]))
    if trouble.uid:
        # Whether others may come by what lies above is a matter of the machine.
        os.chroot(trouble.inside)
        os.setgroups([])
        os.setgid(trouble.uid)
        os.setuid(trouble.uid)


@contextlib.contextmanager
def _open_door(path: str, timeout_s: float) -> Iterator[bool]:
    yield True


class Job:
    """A child that was started: its output, and what it has changed so far."""

    def __init__(self, job: dict[str, Any]) -> None:
        # Pipes and no files: the limits of the child do not apply to them.
        self.streams = [os.pipe() for _ in range(2)]
        # Shared, so that it outlives a child that is killed: how long the notes are, and they.
        self.notes = mmap.mmap(-1, 1 << 18)
        self.pid = os.fork()
        if self.pid == 0:
            self._be(Trouble(**job))
        for _, writing in self.streams:
            os.close(writing)

    def _be(self, trouble: Trouble) -> NoReturn:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            for fd, stream in enumerate(self.streams, 1):
                os.dup2(stream[1], fd)
            suffer(trouble, self._note)
            cli.main(trouble.run)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            # As an interpreter that ends does, for an interrupt, too: to be read in the test.
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _note(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        [length] = struct.unpack_from("I", self.notes)
        if 4 + length + len(data) > len(self.notes):
            return
        self.notes[4 + length : 4 + length + len(data)] = data
        struct.pack_into("I", self.notes, 0, length + len(data))

    def wait(self) -> dict[str, Any]:
        """Return how it ended; or that it was stopped, and then it may be waited for again."""
        _, status = os.waitpid(self.pid, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            return {"stopped": True, "changes": self._changes()}
        return {
            "stopped": False,
            "status": os.waitstatus_to_exitcode(status),
            "changes": self._changes(),
            **dict(zip(("out", "err"), map(_read, self.streams), strict=True)),
        }

    def _changes(self) -> list[str]:
        [length] = struct.unpack_from("I", self.notes)
        return self.notes[4 : 4 + length].decode().splitlines()


def _read(stream: tuple[int, int]) -> str:
    with open(stream[0], "rb") as reading:
        return reading.read().decode()


def prepare() -> None:
    """Import whatever any command needs, so that no child has to."""
    # Which imports more when it is called.
    importlib.metadata.entry_points(group="nom_negotiate")
    package = importlib.import_module("nom_negotiate")
    for module in pkgutil.walk_packages(package.__path__, "nom_negotiate."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def serve() -> None:
    """Do one job after the other until the standard input ends."""
    prepare()
    jobs: dict[int, Job] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            answer = jobs[asked["wait"]].wait()
            if not answer["stopped"]:
                jobs.pop(asked["wait"]).notes.close()
        else:
            job = Job(asked)
            jobs[job.pid] = job
            answer = {"pid": job.pid}
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Be the server, or the `nom` of the arguments."""
    faulthandler.enable()
    if len(sys.argv) == 1:
        serve()
        return
    suffer(Trouble(run=[], at=int(sys.argv[1])), lambda text: None)
    cli.main(sys.argv[2:])


if __name__ == "__main__":
    main()
