"""Bar 2: `nom poll` as a whole process, as cron starts it."""

from __future__ import annotations

import compileall
import subprocess
import sys
from functools import partial
from pathlib import Path

import nom_negotiate
from benchmarks import ours
from benchmarks.market import TEAMS, cases
from benchmarks.pairs import in_turns, timed
from benchmarks.results import Found, counted
from benchmarks.setting import Setting

TITLE = "`nom poll` as a whole process"
ROOM_GB = 1.0
FEW = 10
PASS = "`python -c pass`"
HELP = "`nom --help`"


def run(setting: Setting) -> Found:
    """Start processes in turns."""
    found = Found()
    # As pip leaves an installation: else each process compiles what it imports.
    compileall.compile_dir(str(Path(nom_negotiate.__file__).parent), quiet=1)
    many = setting.sizes.known
    calls = {PASS: [sys.executable, "-c", "pass"], HELP: [*nom(), "--help"]}
    roots = {size: setting.directory / f"data-{size}" for size in (FEW, many)}
    for size, root in roots.items():
        ours.new_root(root, TEAMS)
        ours.plant(root, cases(size))
        calls[poll(size)] = [*nom(), "--data", str(root), "poll"]
    ours.calm(*roots.values())
    found.add(
        in_turns(
            [timed(name, partial(start, command)) for name, command in calls.items()],
            rounds=2 * setting.sizes.rounds,
            budget_s=setting.sizes.seconds,
        )
    )
    found.compare(2, f"{poll(many)} / {poll(FEW)}", poll(many), poll(FEW), at_most=1.15)
    found.compare(2, f"{poll(many)} / {PASS}", poll(many), PASS, at_most=7)
    found.show("Whole processes (ms)", list(calls))
    return found


def poll(size: int) -> str:
    """Return the name of a poll over so many."""
    return f"`nom poll`, {counted(size)} idle"


def nom() -> list[str]:
    """Return the command as it is installed, else as a module."""
    script = Path(sys.executable).with_name("nom")
    return [str(script)] if script.exists() else [sys.executable, "-m", "nom_negotiate"]


def start(command: list[str]) -> None:
    """Run a process to its end."""
    subprocess.run(
        command,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # With this Python need not copy itself to start another one.
        close_fds=False,
    )
