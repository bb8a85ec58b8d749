"""Every error a caller can meet: one family, one code, one line, one thing to do."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import pytest

import nom_negotiate
from nom_negotiate.errors import CODES, FAMILIES, InputError, NomError, RuleViolation

PACKAGE = Path(nom_negotiate.__file__).parent


def test_every_family_has_an_exit_status_of_its_own() -> None:
    statuses = [family.exit_status for family in FAMILIES]
    assert len(set(statuses)) == len(statuses)
    # 0 is done, 1 is a crash of the interpreter, 2 is what every tool says to wrong usage.
    assert set(statuses) == set(range(2, 2 + len(statuses)))
    assert InputError.exit_status == 2
    assert set(FAMILIES) == set(NomError.__subclasses__())


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_http_status_and_says_what_to_do(code: str) -> None:
    row = CODES[code]
    assert 400 <= row.http_status < 600
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert row.hint
    assert "\n" not in row.hint
    assert not row.hint.endswith(".")
    assert row.hint[0].islower()


def test_an_error_carries_all_that_a_caller_needs() -> None:
    error = InputError("invalid_number", "price must be 0 or more, found -1")
    assert str(error) == error.message == "price must be 0 or more, found -1"
    assert (error.code, error.http_status, error.exit_status) == ("invalid_number", 400, 2)
    assert error.hint == CODES["invalid_number"].hint
    assert InputError("invalid_number", "no", hint="do this").hint == "do this"
    assert InputError("invalid_number", "no", hint="").hint == ""


def test_an_error_crosses_to_another_process_as_what_it_is() -> None:
    error = pickle.loads(pickle.dumps(RuleViolation("own_offer", "not yours", hint="wait")))
    assert type(error) is RuleViolation
    assert (error.code, error.message, error.hint, str(error)) == (
        "own_offer",
        "not yours",
        "wait",
        "not yours",
    )


def test_a_code_that_is_not_in_the_table_is_no_code() -> None:
    with pytest.raises(KeyError):
        NomError("made_up", "no such thing")


def raised() -> set[str]:
    """Return every code that the package raises, by the source text."""
    found = set()
    families = {family.__name__ for family in FAMILIES}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", None))
            if name in families and node.args:
                found |= {
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    return found


def test_every_code_that_is_raised_is_in_the_table() -> None:
    assert raised() <= set(CODES)
    assert "invalid_number" in raised()
