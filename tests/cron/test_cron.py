"""The files in cron/ are read by the programs they are for, and do what their README says.

Rules of the room:

- A file is tested as it is shipped. Only what its README tells an operator to change is changed:
  the command, the data root and the user.
- A program that is not installed makes a test skip and say so; `./dev check` installs them where
  it can.
"""

from __future__ import annotations

import getpass
import grp
import gzip
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CRON = Path(__file__).resolve().parents[2] / "cron"
UNITS = ["nom-poll.service", "nom-poll.timer", "nom-run.service"]
SERVICES = ["nom-poll.service", "nom-run.service"]

# The placeholders of cron/README.md.
NOM = "/opt/nom/bin/nom"
DATA = "/srv/nom/data"


def program(name: str) -> str:
    """Return where a program of the system is, or skip."""
    # Debian keeps logrotate where a user's PATH does not look.
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def read(name: str) -> str:
    return (CRON / name).read_text(encoding="utf-8")


def run(*command: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )


# ------------------------------------------------------------------ what the files say


class Crontab:
    """A user's crontab: settings, and lines of five fields and a command."""

    def __init__(self, text: str) -> None:
        self.settings: dict[str, str] = {}
        self.lines: list[tuple[list[str], str]] = []
        for line in text.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            if setting := re.fullmatch(r"(\w+)\s*=\s*(.*)", line):
                self.settings[setting[1]] = setting[2].strip("\"'")
            else:
                *fields, command = line.split(None, 5)
                self.lines.append((fields, command))


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Return a unit file as sections of keys, each with all its values."""
    sections: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in read(name).splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = sections.setdefault(header[1], {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


def field_allows(field: str, low: int, high: int) -> bool:
    """Say whether a crontab field is one that cron reads, with numbers in range."""
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if match is None:
            return False
        if any(n is not None and not low <= int(n) <= high for n in match.groups()[:2]):
            return False
        if match[3] == "0":
            return False
    return True


def test_the_crontab_has_one_line_of_five_fields_and_a_command() -> None:
    [(fields, command)] = Crontab(read("crontab")).lines
    ranges = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)]
    assert len(fields) == 5
    assert all(field_allows(field, *r) for field, r in zip(fields, ranges, strict=True))
    # cron's PATH is /usr/bin:/bin, so a command is named in full
    assert shlex.split(command)[:2] == [NOM, "poll"]


def test_the_crontab_ends_in_a_newline_and_has_no_percent_sign() -> None:
    # cron drops a last line without a newline, and reads % as one
    text = read("crontab")
    assert text.endswith("\n")
    assert all("%" not in command for _, command in Crontab(text).lines)


@pytest.mark.parametrize("field", ["*/0", "60", "1-75", "every", "", "*/", "5,61"])
def test_a_field_that_cron_would_refuse_is_refused(field: str) -> None:
    assert not field_allows(field, 0, 59)


def test_every_file_names_the_same_data_root_command_and_user() -> None:
    assert Crontab(read("crontab")).settings == {"NOM_DATA": DATA}
    for name in SERVICES:
        service = unit(name)["Service"]
        assert service["Environment"] == [f"NOM_DATA={DATA}"]
        assert service["ReadWritePaths"] == [DATA]
        assert service["ExecStart"][0].split()[0] == NOM
        assert (service["User"], service["Group"]) == (["nom"], ["nom"])
    assert f"{DATA}/poller/stats.jsonl {{" in read("logrotate")
    assert "su nom nom" in read("logrotate")


def test_the_readme_explains_every_file_and_every_placeholder() -> None:
    readme = read("README.md")
    files = {path.name for path in CRON.iterdir()} - {"README.md"}
    assert [name for name in [*files, f"`{NOM}`", f"`{DATA}`", "`nom`"] if name not in readme] == []


def test_both_services_are_shut_in_alike() -> None:
    run_, poll = (unit(name)["Service"] for name in SERVICES)
    differs = {key for key in run_ | poll if run_.get(key) != poll.get(key)}
    assert differs <= {
        "Type",
        "ExecStart",
        "Restart",
        "RestartSec",
        "TimeoutStartSec",
        "TimeoutStopSec",
    }


# ------------------------------------------------------------------ systemd


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units as an operator installs them, with a command that is there."""
    paths = []
    for name in UNITS:
        path = tmp_path / name
        path.write_text(read(name).replace(NOM, "/bin/true"), encoding="utf-8")
        paths.append(path)
    return paths


def test_systemd_reads_the_units_without_complaint(installed: list[Path]) -> None:
    result = run(program("systemd-analyze"), "verify", "--man=no", *installed)
    assert (result.returncode, result.stderr) == (0, "")


def test_systemd_complains_about_a_unit_that_is_wrong(installed: list[Path]) -> None:
    poll = installed[0]
    poll.write_text(poll.read_text().replace("ProtectSystem=strict", "ProtectSystem=stric"))
    result = run(program("systemd-analyze"), "verify", "--man=no", poll)
    assert "stric" in result.stderr


def test_the_timer_ticks_every_thirty_seconds() -> None:
    [calendar] = unit("nom-poll.timer")["Timer"]["OnCalendar"]
    result = run(program("systemd-analyze"), "calendar", "--iterations=2", calendar)
    assert result.returncode == 0, result.stderr
    seconds = [int(s) for s in re.findall(r"\d\d:\d\d:(\d\d) UTC", result.stdout)]
    assert set(seconds) == {0, 30}


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_calls_the_service_safe(installed: list[Path], name: str) -> None:
    [path] = [path for path in installed if path.name == name]
    analyze = program("systemd-analyze")
    # 2.0 of 10 is where systemd's own scale passes from "ok" to "safe"
    result = run(analyze, "security", "--offline=yes", "--threshold=20", "--no-pager", path)
    if "unrecognized option" in result.stderr:
        pytest.skip("systemd-analyze is older than 250")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr


# ------------------------------------------------------------------ logrotate

LINE = json.dumps({"active": 3, "agreed": 1, "duration_ms": 12.5, "padding": "x" * 160}) + "\n"


class Log:
    """A stats log in a data root of its own, and the shipped rule made to point at it."""

    def __init__(self, root: Path) -> None:
        self.logrotate = program("logrotate")
        self.path = root / "data" / "poller" / "stats.jsonl"
        self.path.parent.mkdir(parents=True)
        group = grp.getgrgid(os.getgid()).gr_name
        rule = read("logrotate").replace(DATA, str(root / "data"))
        rule = rule.replace("su nom nom", f"su {getpass.getuser()} {group}")
        self.rule = root / "nom.logrotate"
        self.rule.write_text(rule, encoding="utf-8")
        # logrotate does not trust a rule that others may write
        self.rule.chmod(0o644)
        self.state = root / "logrotate.state"

    def append(self, line: str) -> None:
        """Write a line as a pass does: open by path, append, close."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)

    def rotate(self, *options: str) -> str:
        result = run(self.logrotate, "--state", self.state, *options, self.rule)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout + result.stderr

    def names(self) -> set[str]:
        return {path.name for path in self.path.parent.iterdir()}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    # logrotate works only below directories that nobody else may write
    tmp_path.chmod(0o755)
    return Log(tmp_path)


def test_logrotate_reads_the_rule_without_complaint(log: Log) -> None:
    log.append(LINE)
    said = log.rotate("--debug")
    assert str(log.path) in said
    assert "error" not in said.lower()
    assert log.names() == {"stats.jsonl"}


def test_a_data_root_without_a_log_is_no_error(log: Log) -> None:
    log.rotate()
    assert log.names() == set()


def test_a_small_log_stays_and_a_large_one_is_moved_away(log: Log) -> None:
    log.append(LINE)
    log.rotate()
    assert log.names() == {"stats.jsonl"}

    log.append(LINE * (11 * 2**20 // len(LINE)))
    size = log.path.stat().st_size
    log.rotate()
    assert log.names() == {"stats.jsonl.1"}
    assert log.path.with_name("stats.jsonl.1").stat().st_size == size


def test_a_line_after_a_rotation_lands_in_a_fresh_file_and_none_is_lost(log: Log) -> None:
    log.append("first\n")
    with log.path.open("a", encoding="utf-8") as pass_in_hand:
        log.rotate("--force")
        log.append("second\n")
        pass_in_hand.write("late\n")
    moved = log.path.with_name("stats.jsonl.1")
    assert log.path.read_text() == "second\n"
    assert moved.read_text() == "first\nlate\n"

    log.rotate("--force")
    log.append("third\n")
    assert log.names() == {"stats.jsonl", "stats.jsonl.1", "stats.jsonl.2.gz"}
    assert log.path.read_text() == "third\n"
    assert moved.read_text() == "second\n"
    with gzip.open(log.path.with_name("stats.jsonl.2.gz"), "rt") as packed:
        assert packed.read() == "first\nlate\n"


def test_the_number_of_old_logs_is_bounded(log: Log) -> None:
    for number in range(9):
        log.append(f"{number}\n")
        log.rotate("--force")
    assert len(log.names()) == 6


# ------------------------------------------------------------------ the commands, carried out


@pytest.fixture
def nom(tmp_path: Path) -> Path:
    """The installed command."""
    cli = importlib.util.find_spec("nom_negotiate.cli")
    if cli is None or cli.origin is None:
        pytest.skip("nom_negotiate.cli is not there yet")
    command = Path(sys.executable).with_name("nom")
    if not command.exists():
        pytest.skip(f"{command} is not installed")
    return command


class Host:
    """What cron and systemd give a command: a root to work on, and next to no environment."""

    def __init__(self, root: Path, nom: Path) -> None:
        self.data = root / "a data root"
        self.data.mkdir()
        self.nom = nom
        self.home = root
        self.environment = {
            "HOME": str(root),
            "LOGNAME": "nom",
            "SHELL": "/bin/sh",
            "PATH": "/usr/bin:/bin",
            "NOM_DATA": str(self.data),
        }
        subprocess.run([nom, "init"], env=self.environment, cwd=root, check=True, timeout=60)

    def start(self, command: str) -> subprocess.Popen[str]:
        line = command.replace(NOM, shlex.quote(str(self.nom)))
        return subprocess.Popen(
            # exec: the signal is for nom, and systemd has no shell in between
            ["/bin/sh", "-c", f"exec {line}"],
            env=self.environment,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def passes(self) -> list[dict[str, object]]:
        log = self.data / "poller" / "stats.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def host(tmp_path: Path, nom: Path) -> Host:
    return Host(tmp_path, nom)


def test_the_crontab_line_is_a_pass_that_prints_nothing(host: Host) -> None:
    [(_, command)] = Crontab(read("crontab")).lines
    for number in (1, 2):
        process = host.start(command)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
        assert len(host.passes()) == number


def test_the_service_of_the_timer_is_a_pass(host: Host) -> None:
    [command] = unit("nom-poll.service")["Service"]["ExecStart"]
    process = host.start(command)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    assert len(host.passes()) == 1


def test_the_loop_works_until_it_is_told_to_stop(host: Host) -> None:
    [command] = unit("nom-run.service")["Service"]["ExecStart"]
    process = host.start(command)
    deadline = time.monotonic() + 60
    while not host.passes() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert host.passes()
