"""What can be imported from the package: every name is there, said, and imported when asked for."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import nom_negotiate

SOURCE = Path(__file__).resolve().parents[2] / "src"
DEFERRING = ("nom_negotiate", "nom_negotiate.codec", "nom_negotiate.store.files")


def python(code: str) -> str:
    """Run a few lines of Python in a fresh process, and return what they print."""
    environment = {"PYTHONPATH": str(SOURCE), "PYTHONWARNINGS": "error"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )
    assert said.returncode == 0, said.stderr
    return said.stdout


def for_type_checkers(package: str) -> dict[str, str]:
    """Return the names that a package imports under `TYPE_CHECKING`, each with its module."""
    file = importlib.import_module(package).__file__
    assert file is not None
    found: dict[str, str] = {}
    for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If):
            for statement in node.body:
                assert isinstance(statement, ast.ImportFrom)
                assert statement.module is not None
                found |= {alias.name: statement.module for alias in statement.names}
    return found


@pytest.mark.parametrize("name", nom_negotiate.__all__)
def test_every_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(nom_negotiate, name)
    assert found.__name__ == name
    assert inspect.getdoc(found)
    assert found.__doc__, "its own, and not what it inherits"


@pytest.mark.parametrize("package", DEFERRING)
def test_a_type_checker_is_told_the_same_names_as_a_program(package: str) -> None:
    module = importlib.import_module(package)
    told = for_type_checkers(package)
    assert told
    for name, home in told.items():
        assert getattr(module, name) is getattr(importlib.import_module(home), name)
    # And nothing else: what is public is what either of them can import.
    plain = {name for name in module.__all__ if name not in told}
    assert plain <= {"MAX_DEPTH", "MAX_RECORD_BYTES"}
    assert set(told) <= set(module.__all__)


def test_the_names_are_sorted_and_each_stands_there_once() -> None:
    assert nom_negotiate.__all__ == sorted(set(nom_negotiate.__all__))


@pytest.mark.parametrize("package", DEFERRING)
def test_every_name_is_listed_before_it_was_asked_for(package: str) -> None:
    listed = python(f"import {package} as it; print(set(it.__all__) - set(dir(it)))")
    assert listed == "set()\n"


def test_a_star_import_brings_all_of_them() -> None:
    code = "from nom_negotiate import *; import nom_negotiate as it"
    assert python(f"{code}; print({{*it.__all__}} - {{*dir()}})") == "set()\n"


@pytest.mark.parametrize("package", DEFERRING)
def test_a_name_that_is_not_there_is_refused_as_of_any_module(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nothing'"):
        _ = importlib.import_module(package).Nothing
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        exec(f"from {package} import Nothing")


def test_a_name_is_looked_up_once() -> None:
    looked_up = python(
        "import nom_negotiate as it\n"
        "before = 'NomError' in vars(it)\n"
        "it.NomError\n"
        "print(before, vars(it)['NomError'] is it.NomError)\n"
    )
    assert looked_up == "False True\n"


def test_importing_the_package_imports_hardly_anything() -> None:
    code = "import sys; before = {*sys.modules}; import nom_negotiate"
    new = python(f"{code}; print(*({{*sys.modules}} - before))")
    assert set(new.split()) == {"nom_negotiate", "nom_negotiate.deferral", "__future__"}


@pytest.mark.parametrize("name", ["NomError", "Desk"])
def test_who_asks_for_an_error_or_a_desk_gets_no_record_with_it(name: str) -> None:
    code = f"import sys; from nom_negotiate import {name}; print(*sys.modules)"
    heavy = {"msgspec", "orjson", "click", "filelock", "hashlib", "logging", "dataclasses"}
    assert heavy.isdisjoint(python(code).split())


def test_a_desk_that_is_opened_has_read_nothing_and_imports_no_record(tmp_path: Path) -> None:
    code = f"import sys; from nom_negotiate import Desk; Desk({str(tmp_path)!r})"
    loaded = set(python(f"{code}; print(*sys.modules)").split())
    assert "nom_negotiate.store.files.store" in loaded
    assert {"msgspec", "orjson", "filelock", "hashlib", "logging", "dataclasses"}.isdisjoint(loaded)
