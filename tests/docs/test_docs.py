"""The commands in README and docs run, and print what the page says they print.

A page is one shell session in an empty directory. In a ```console block a line that begins
with `$ ` is run; the lines after it are what it prints, on either stream, where `...` stands
for anything, and `[exit status N]` for how it ends. In a ```python block the code is run, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nom_negotiate.cli.commands import TABLE
from nom_negotiate.errors import FAMILIES

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
MARK = "--end-of-command--"


class Session:
    """One shell that runs the commands of a page one after the other."""

    def __init__(self, directory: Path) -> None:
        (directory / "legacy-sample").symlink_to(REPO / "data" / "legacy-sample")
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(directory),
            "LC_ALL": "C.UTF-8",
        }
        self.shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment,
            text=True,
        )

    def run(self, command: str) -> str:
        """Return what the command prints, with its exit status where that is not 0."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{command}\nstatus=$?; echo; echo {MARK} $status\n")
        self.shell.stdin.flush()
        lines: list[str] = []
        for line in self.shell.stdout:
            if line.startswith(MARK):
                status = line.split()[1]
                printed = "".join(lines).removesuffix("\n")
                return printed if status == "0" else f"{printed}[exit status {status}]\n"
            lines.append(line)
        raise AssertionError(f"the shell ended during {command}: {''.join(lines)}")

    def close(self) -> None:
        """End the shell."""
        self.shell.communicate()


def commands(text: str) -> list[tuple[str, str]]:
    """Return the commands of a page with what they are said to print."""
    found: list[tuple[str, str]] = []
    for kind, body in BLOCK.findall(text):
        if kind != "console":
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            while command.endswith("\\"):
                more, _, printed = printed.partition("\n")
                command = f"{command}\n{more}"
            found.append((command, printed))
    return found


def matches(expected: str, printed: str) -> bool:
    """Return whether the output is what the page says, with `...` for anything."""
    parts = [re.escape(part) for part in expected.strip().split("...")]
    return re.fullmatch(".*".join(parts), printed.strip(), re.DOTALL) is not None


def name(page: Path) -> str:
    """Return the page's path in the repository."""
    return str(page.relative_to(REPO))


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page.read_text())], ids=name)
def test_the_commands_of_a_page_print_what_it_says(page: Path, tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        for command, expected in commands(page.read_text()):
            printed = session.run(command)
            assert matches(expected, printed), f"$ {command}\n{printed}\n-- expected --\n{expected}"
            if "[exit status" not in expected:
                assert "[exit status" not in printed, f"$ {command}\n{printed}"
    finally:
        session.close()


@pytest.mark.parametrize("page", [REPO / "README.md", REPO / "docs/operation.md"], ids=name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = [body for kind, body in BLOCK.findall(page.read_text()) if kind == "python"]
    assert blocks
    for body in blocks:
        subprocess.run([sys.executable, "-W", "error", "-c", body], cwd=tmp_path, check=True)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_readme_names_the_two_commands_that_do_everything() -> None:
    blocks = [
        body for kind, body in BLOCK.findall((REPO / "README.md").read_text()) if kind == "sh"
    ]

    assert blocks == ["./dev demo\n", "./dev check\n"]
    assert (REPO / ".ci" / "run").read_text().rstrip().endswith("exec ./dev check")


def test_a_wrong_output_on_a_page_is_noticed() -> None:
    assert matches("a ... c\n", "a b c\n")
    assert not matches("a ... d\n", "a b c\n")
    assert not matches("", "something\n")


def test_a_failing_command_on_a_page_is_noticed(tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        assert session.run("false") == "[exit status 1]\n"
        assert session.run("echo one; echo two >&2") == "one\ntwo\n"
    finally:
        session.close()


def test_every_command_and_every_family_of_errors_is_documented() -> None:
    page = (REPO / "docs" / "cli.md").read_text()

    for entry in TABLE:
        assert f"`nom {entry.name}" in page, entry.name
    for family in FAMILIES:
        assert f"| {family.exit_status} |" in page, family
