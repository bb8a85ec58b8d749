"""Times and durations are read as people write them."""

from __future__ import annotations

import pytest
from tests.support import NOON

from nom_negotiate.cli import values
from nom_negotiate.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("90m", 5400), ("24h", 86400), ("2d", 172800), ("1w", 604800), ("1h30m", 5400)],
)
def test_a_duration_has_units(text: str, seconds: int) -> None:
    assert values.parse_duration(text, "--idle") == seconds
    assert values.parse_time(text, "--valid-until", NOON) == NOON + seconds


def test_a_number_alone_is_seconds() -> None:
    assert values.parse_duration("3600", "--idle") == 3600
    assert values.parse_time("1704312345", "--valid-until", NOON) == 1704312345


@pytest.mark.parametrize(
    "text", ["", "soon", "-1h", "1.5h", "1y", "h", "0s", "0", "400d", "1 h", "9" * 13, "٣h", "\n1h"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--idle") as refused:
        values.parse_duration(text, "--idle")
    assert refused.value.code == "invalid_time"


@pytest.mark.parametrize("text", ["", "tomorrow", "-1", "1e9", "1704312345.5", "9" * 13])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--valid-until"):
        values.parse_time(text, "--valid-until", NOON)


@pytest.mark.parametrize("name", ["C", "H2O", "CO2-eq", "x" * 32])
def test_a_chemical_may_be_called_anything_that_can_stand_in_an_id(name: str) -> None:
    assert values.parse_chemical(name) == name


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a b", ".C", "-C", "x" * 33, "Ü", "C\n"])
def test_a_chemical_that_cannot_stand_in_an_id_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="--chemical"):
        values.parse_chemical(name)
