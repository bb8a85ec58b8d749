"""How the tests of the command line call it, and what they look at afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support import ALICE, BOB

from nom_negotiate.cli import entry

SOURCE = Path(__file__).resolve().parents[2] / "src"
TERMS = ("--price", "5.50", "--quantity", "1000")


class Result(NamedTuple):
    """What one call of `nom` gave."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Nom:
    """`nom` over one data root, called in this process; stdout is a pipe."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys

    def __call__(self, *arguments: str, data: Path | None = None) -> Result:
        self.capsys.readouterr()
        status = entry.run(["--data", str(data or self.root), *arguments])
        said = self.capsys.readouterr()
        return Result(status, said.out, said.err)

    def ok(self, *arguments: str) -> Result:
        result = self(*arguments)
        assert result.status == 0, result.err
        return result

    def json(self, *arguments: str) -> Any:
        return self.ok(*arguments, "--json").json

    def start(self, *options: str, chemical: str = "C") -> str:
        """Let alice start buying from bob, and return the id."""
        started = self.json("start", BOB, chemical, "--as", ALICE, "--buy", *TERMS, *options)
        negotiation_id: str = started["id"]
        return negotiation_id

    def deal(self) -> str:
        """Let alice and bob agree on 900 at 6, settled."""
        negotiation_id = self.start()
        self.ok("offer", negotiation_id, "--as", BOB, "--price", "6", "--quantity", "900")
        self.ok("accept", negotiation_id, "--as", ALICE)
        self.ok("poll")
        return negotiation_id


def tree_of(root: Path) -> dict[str, bytes | str | None]:
    """Return all that lies under a root: bytes of files, texts of links, None for directories."""
    if root.is_file():
        return {"": root.read_bytes()}
    return {
        str(path.relative_to(root)): (
            os.readlink(path)
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else None
        )
        for path in sorted(root.rglob("*"))
    }


def environment(**more: str) -> dict[str, str]:
    """Return an environment without any setting of ours but those that are named."""
    ours = ("NOM_", "_NOM_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHON", "LC_", "LANG")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"PYTHONPATH": str(SOURCE), "LC_ALL": "C.UTF-8", "PYTHONWARNINGS": "error"} | more


def spawn(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Any:
    """Run `nom` as a process of its own, and return it once it has ended."""
    return subprocess.run(
        [sys.executable, "-m", "nom_negotiate", *arguments],
        env=environment() if env is None else env,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **options,
    )


def python(code: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines of Python in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
