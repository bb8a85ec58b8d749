"""Writers and pollers that go on for long: no deal is lost, none is settled twice.

How fast they are is for `./dev bench` to say; here they must be right.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).resolve().parents[2]
SOAK = os.environ.get("NOM_SOAK") == "1"
NEGOTIATIONS, UPDATES = (10_000, 1_000_000) if SOAK else (200, 4_000)


def endured(directory: Path, *options: str) -> dict[str, Any]:
    """Run the endurance script; return what it says."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "benchmarks.endurance", str(directory), *options],
        cwd=REPO,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    said: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == (said["wrong"] == [])
    return said


@pytest.mark.timeout(7200 if SOAK else 200)
def test_every_deal_of_many_writers_settles_exactly_once_and_no_word_is_lost(
    tmp_path: Path,
) -> None:
    said = endured(tmp_path, "--negotiations", str(NEGOTIATIONS), "--updates", str(UPDATES))
    assert said["wrong"] == []
    assert said["updates"] == UPDATES
    assert said["deals"] > UPDATES / 20, "hardly anything was agreed: this proves nothing"
    assert len(said["per_second"]) == 10
    assert len(said["peak_mb"]) == 2
