"""What a stranger installs holds everything, and nothing of whoever built it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]
INFO = f"nom_negotiate-{VERSION}.dist-info"
SHIPPED = {"data/legacy-sample": "_data/legacy-sample", "data/vectors": "_data/vectors"}


def build(target: str, source: Path, into: Path) -> Path:
    """Build with the backend itself: nothing is fetched, and nothing is written beside it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=120,
    )
    [made] = into.iterdir()
    return made


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", REPO, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    made = build("sdist", REPO, tmp_path_factory.mktemp("sdist"))
    into = tmp_path_factory.mktemp("unpacked")
    # tar, not tarfile: some Pythons warn without a filter, and Debian 12's does not know of any
    subprocess.run(["tar", "-xzf", made, "-C", into], check=True, timeout=60)
    [root] = into.iterdir()
    return root


def test_the_wheel_holds_the_package_its_types_its_command_and_its_licence(wheel: Path) -> None:
    files = contents(wheel)
    assert "nom_negotiate/__init__.py" in files
    assert "nom_negotiate/py.typed" in files
    assert b"nom = nom_negotiate.cli:main" in files[f"{INFO}/entry_points.txt"]
    assert b"Apache License" in files[f"{INFO}/licenses/LICENSE"]
    assert b"License-Expression: Apache-2.0" in files[f"{INFO}/METADATA"]


def test_the_wheel_holds_the_shipped_data_byte_for_byte(wheel: Path) -> None:
    files = contents(wheel)
    packed = {name: data for name, data in files.items() if name.startswith("nom_negotiate/_data/")}
    expected = {
        f"nom_negotiate/{place}/{path.relative_to(REPO / folder).as_posix()}": path.read_bytes()
        for folder, place in SHIPPED.items()
        for path in (REPO / folder).rglob("*")
        if path.is_file()
    }
    assert expected
    assert packed == expected


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in contents(wheel)}
    assert tops == {"nom_negotiate", INFO}
    assert [name for name in contents(wheel) if name.endswith(".pyc")] == []


def test_a_wheel_built_from_the_sdist_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    assert contents(build("wheel", sdist, tmp_path)) == contents(wheel)


def test_the_sdist_holds_what_it_takes_to_run_the_checks(sdist: Path) -> None:
    needed = ["dev", ".ci/run", "pyproject.toml", "requirements-dev.lock", "cron/crontab", "tests"]
    assert [name for name in needed if not (sdist / name).exists()] == []


def test_the_installed_wheel_finds_itself_and_its_data(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(site), str(wheel)], check=True, timeout=120)
    code = (
        "import nom_negotiate, importlib.resources as r; "
        "print(nom_negotiate.__file__); "
        "print(*sorted(p.name for p in (r.files('nom_negotiate') / '_data').iterdir()))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(site)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.splitlines()
    assert said == [str(site / "nom_negotiate" / "__init__.py"), "legacy-sample vectors"]
