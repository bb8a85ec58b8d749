"""What every test folder may use: hypothesis profiles, and a clock that is driven by hand."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings
from tests.support import Clock

# The same examples in every run, nothing kept between runs, and no deadline for a single
# example: a shared machine may stop for a moment.
# No explaining of failures either: it traces each line, and takes longer than the search.
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
settings.register_profile("default", derandomize=True, database=None, deadline=None, phases=PHASES)
# For an hour of one's own: other examples each time. HYPOTHESIS_PROFILE=search
settings.register_profile("search", database=None, deadline=None, phases=PHASES, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture
def clock() -> Clock:
    """Return a clock that moves only when it is told to."""
    return Clock()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much the enumeration of crash points has run, whichever workers ran it."""
    noted = [
        note for report in terminalreporter.getreports("passed") for note in report.user_properties
    ]
    counts = {
        what: sum(count for name, count in noted if name == what)
        for what in ("crash points", "worlds")
    }
    if counts["crash points"]:
        said = " and ".join(f"{count} {what}" for what, count in counts.items())
        terminalreporter.write_line(f"every crash point: {said} were run")
