"""What we ask of others: few packages, locked, under licences that bind nobody to publish."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).resolve().parents[2]
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"


def pyproject() -> dict[str, Any]:
    with (REPO / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def locked(name: str) -> dict[str, str]:
    """Return the packages of a lock file and their versions."""
    text = (REPO / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9.-]*)==([^\s;]+)", text, re.MULTILINE))


def groups(*names: str) -> list[str]:
    declared = pyproject()["dependency-groups"]
    return [entry for name in names for entry in declared[name] if isinstance(entry, str)]


def test_the_runtime_needs_five_packages() -> None:
    names = {Requirement(entry).name for entry in pyproject()["project"]["dependencies"]}
    assert names == {"msgspec", "orjson", "click", "rich", "watchdog"}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [(RUNTIME, groups("build")), (DEVELOPMENT, groups("build", "dev"))],
    ids=[RUNTIME, DEVELOPMENT],
)
def test_the_lock_is_what_pyproject_asks_for(lock: str, wanted: list[str]) -> None:
    versions = locked(lock)
    wanted = [*pyproject()["project"]["dependencies"], *wanted]
    stale = [
        entry
        for entry in wanted
        if not Requirement(entry).specifier.contains(
            versions.get(canonicalize_name(Requirement(entry).name), "0")
        )
    ]
    assert stale == [], "run ./dev lock"


def test_both_locks_name_the_same_versions() -> None:
    assert locked(RUNTIME).items() <= locked(DEVELOPMENT).items()


def test_every_locked_package_has_hashes() -> None:
    for lock in (RUNTIME, DEVELOPMENT):
        text = (REPO / lock).read_text(encoding="utf-8")
        for entry in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
            assert "--hash=sha256:" in entry, entry


def licence(name: str) -> str | None:
    """Return all that an installed package says of its licence, or None if it is not installed."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None  # for another platform
    said = [*(about.get_all("License-Expression") or []), *(about.get_all("License") or [])]
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    # Some put the whole text there: its first line names it.
    return " | ".join([*(text.strip().partition("\n")[0] for text in said), *classifiers])


@pytest.mark.parametrize("name", sorted(locked(DEVELOPMENT)))
def test_no_dependency_has_a_licence_that_obliges_its_users(name: str) -> None:
    said = licence(name)
    if said is None:
        pytest.skip(f"{name} is not installed on this platform")
    assert said, f"{name} does not say its licence"
    assert not re.search(r"\bA?GPL|Affero|General Public", said), said
