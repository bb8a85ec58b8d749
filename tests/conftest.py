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
