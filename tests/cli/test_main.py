"""What holds for every command: options, statuses, and where what is said goes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.support import TERMS, Nom, environment, spawn
from tests.support import ALICE, BOB

from nom_negotiate import __version__
from nom_negotiate.cli import app, entry, main
from nom_negotiate.errors import FAMILIES


def test_main_exits_with_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"nom {__version__}\n"


def test_python_dash_m_is_nom() -> None:
    said = spawn("--version")
    assert (said.returncode, said.stdout, said.stderr) == (0, f"nom {__version__}\n", "")


def test_every_family_of_errors_has_a_status_of_its_own_and_the_help_names_it(nom: Nom) -> None:
    statuses = [family.exit_status for family in FAMILIES]
    assert len(set(statuses)) == len(statuses)
    said = nom("--help").out
    for status in (0, 1, *statuses):
        assert f" {status} " in said


# Options


@pytest.mark.parametrize("before", [True, False])
def test_the_common_options_stand_before_or_after_the_command(
    nom: Nom, capsys: pytest.CaptureFixture[str], before: bool
) -> None:
    nom.start()
    options = ["--data", str(nom.root), "--as", BOB, "--json"]
    assert entry.run([*options, "ls"] if before else ["ls", *options]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["revision"] == 0


def test_the_option_that_comes_last_counts(nom: Nom, tmp_path: Path) -> None:
    nom.ok("init", "--data", str(tmp_path / "other"))
    assert (tmp_path / "other").is_dir()
    assert not nom.root.exists()


def test_the_environment_names_the_root_and_who_acts(
    nom: Nom, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOM_DATA", str(nom.root))
    monkeypatch.setenv("NOM_USER", ALICE)
    assert entry.run(["start", BOB, "C", "--buy", *TERMS, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["initiator"] == ALICE
    assert nom.root.is_dir()


def test_an_option_counts_more_than_the_environment(
    nom: Nom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOM_DATA", str(tmp_path / "other"))
    monkeypatch.setenv("NOM_USER", BOB)
    nom.start()
    assert not (tmp_path / "other").exists()


def test_without_any_setting_the_root_is_data_in_the_current_directory(tmp_path: Path) -> None:
    assert entry.run(["init"]) == 0
    assert (tmp_path / "data" / "config.json").is_file()


def test_who_acts_must_be_named(nom: Nom) -> None:
    said = nom("start", BOB, "C", "--buy", *TERMS)
    assert said.status == 2
    assert said.err == (
        "nom: this is done by a party, and none was named; say who acts with --as ADDRESS or"
        " NOM_USER\n"
    )


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["acept"], "there is no command acept; did you mean accept?; see `nom --help`"),
        (["zzz"], "there is no command zzz; see `nom --help`"),
        (["ls", "--nope"], "no such option '--nope'"),
        (["show"], "missing argument 'ID'; see `nom show --help`"),
        (["accept", "x", "--round", "two"], "invalid value for '--round'"),
        (["start", BOB, "C", "--buy"], "missing option '--price'"),
        (["start", BOB, "C", *TERMS], "say either --buy or --sell; see `nom start --help`"),
        (["start", BOB, "C", "--buy", "--sell", *TERMS], "say either --buy or --sell"),
        (["reject", "x", "--price", "1"], "a counter-offer needs both --price and --quantity"),
        (["init", "--name", "A"], "--name needs exactly one --party"),
        (["archive", "nope"], "there is no command nope; see `nom archive --help`"),
        (["\x1b[31m\nred"], r"there is no command \x1b[31m\nred"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(nom: Nom, arguments: list[str], message: str) -> None:
    said = nom(*arguments)
    assert said.status == 2
    assert said.out == ""
    assert said.err.startswith(f"nom: {message}")
    assert said.err.count("\n") == 1
    assert not nom.root.exists()


def test_nom_alone_says_on_stderr_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Usage: nom" in said.err


# Errors for programs


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["show", "nobody_C_1"], "unknown_negotiation", 5),
        (["show", "a/b"], "invalid_id", 2),
        (["show", "--nope"], "usage", 2),
        (["nope"], "usage", 2),
    ],
)
def test_an_error_with_json_is_one_line_of_json_on_stderr(
    nom: Nom, arguments: list[str], code: str, status: int
) -> None:
    said = nom(*arguments, "--json")
    assert said.status == status
    assert said.out == ""
    assert said.err.count("\n") == 1
    error = json.loads(said.err)["error"]
    assert set(error) == {"code", "message", "hint", "exit_status"}
    assert (error["code"], error["exit_status"]) == (code, status)


def test_a_notice_with_json_is_json_too(nom: Nom) -> None:
    said = nom.ok("start", BOB, "C", "--as", ALICE, "--buy", *TERMS, "--json")
    assert [json.loads(line) for line in said.err.splitlines()] == [
        {"notice": f"created a directory for {ALICE}"},
        {"notice": f"created a directory for {BOB}"},
    ]


def test_the_word_json_behind_a_double_dash_is_no_option(nom: Nom) -> None:
    said = nom("show", "--", "--json", "more")
    assert said.status == 2
    assert said.err.startswith("nom: got unexpected extra argument")


# A fault of ours, and ends from outside


def _fail(*_: object) -> None:
    raise RuntimeError("a\nb")


def test_a_fault_is_one_line_without_a_traceback(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.App, "desk", _fail)
    said = nom("ls")
    assert said.status == 1
    assert said.err.startswith(r"nom: a fault of this program: RuntimeError: a\nb; ")
    assert said.err.count("\n") == 1


def test_a_fault_shows_its_traceback_on_request(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.App, "desk", _fail)
    monkeypatch.setenv("NOM_DEBUG", "1")
    assert "Traceback (most recent call last)" in nom("ls").err


def test_ctrl_c_ends_quietly_with_130(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app.App, "desk", interrupted)
    said = nom("ls")
    assert (said.status, said.out, said.err.strip()) == (130, "", "")


def test_a_reader_that_has_gone_is_no_error(nom: Nom) -> None:
    nom.deal()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = subprocess.run(
            [sys.executable, "-m", "nom_negotiate", "--data", str(nom.root), "tree"],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert (process.returncode, process.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_finds_no_space_is_trouble_with_the_disk(nom: Nom) -> None:
    nom.deal()
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "nom_negotiate", "--data", str(nom.root), "tree"],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            timeout=60,
            check=False,
        )
    assert process.returncode == 7
    assert process.stderr.startswith("nom: cannot write the output: no space left on the device")
    assert process.stderr.count("\n") == 1


# Where it goes, and how it looks there


def test_a_pipe_gets_neither_colour_nor_folded_lines(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = spawn("ls", "--data", str(nom.root), env=environment(COLUMNS="20"))
    assert said.returncode == 0
    assert "\x1b" not in said.stdout
    [head, row] = said.stdout.splitlines()
    assert head.split()[0] == "ID"
    assert row.split()[0] == negotiation_id


def _on_a_terminal(nom: Nom, *arguments: str, **more: str) -> str:
    """Run nom with a terminal of 60 columns as its stdout, and return what came there."""
    try:
        primary, secondary = pty.openpty()
    except OSError as error:
        # A bare chroot has no /dev/pts: ENOENT, or ENOSPC as "out of pty devices".
        pytest.skip(f"no terminal can be had here: {error}")
    settings = {"TERM": "xterm-256color", "COLUMNS": "60", **more}
    with subprocess.Popen(
        [sys.executable, "-m", "nom_negotiate", "--data", str(nom.root), *arguments],
        stdout=secondary,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=environment(**settings),
    ) as process:
        os.close(secondary)
        chunks = []
        try:
            while chunk := os.read(primary, 65536):
                chunks.append(chunk)
        except OSError:
            pass  # EIO: Linux says so, instead of an end of file, once the other end is closed
        finally:
            os.close(primary)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, b"")
    return b"".join(chunks).decode()


def test_a_terminal_gets_colour_and_tables_that_fit(nom: Nom) -> None:
    negotiation_id = nom.start()
    why = "that is too low for the quality that we deliver"
    terms = ("--price", "6", "--quantity", "900")
    nom.ok("reject", negotiation_id, "--as", BOB, "--reason", why, *terms)
    for command in (["ls"], ["show", negotiation_id]):
        said = _on_a_terminal(nom, *command)
        assert "\x1b[" in said
        lines = re.sub(r"\x1b\[[0-9;]*m", "", said).splitlines()
        assert max(map(len, lines)) <= 60
        assert any(line.startswith(f"{negotiation_id} ") for line in lines)
        assert why not in said


def test_on_a_terminal_that_is_too_narrow_an_id_is_still_whole(nom: Nom) -> None:
    negotiation_id = nom.start()
    assert negotiation_id in _on_a_terminal(nom, "ls", COLUMNS="20")


def test_no_color_is_respected_on_a_terminal(nom: Nom) -> None:
    nom.start()
    assert "\x1b" not in _on_a_terminal(nom, "ls", NO_COLOR="1")


def test_a_dumb_terminal_gets_plain_text(nom: Nom) -> None:
    nom.start()
    assert "\x1b" not in _on_a_terminal(nom, "ls", TERM="dumb")


def test_colour_can_be_forced_into_a_pipe_where_nothing_is_folded(nom: Nom) -> None:
    negotiation_id = nom.start()
    said = spawn("ls", "--data", str(nom.root), env=environment(COLUMNS="20", FORCE_COLOR="1"))
    assert "\x1b[" in said.stdout
    assert len(said.stdout.splitlines()) == 2
    assert negotiation_id in said.stdout


def test_what_stdout_cannot_show_is_escaped(nom: Nom) -> None:
    negotiation_id = nom.start("--message", "für Özgür")
    latin = environment(PYTHONIOENCODING="ascii")
    said = spawn("show", negotiation_id, "--data", str(nom.root), env=latin)
    assert (said.returncode, said.stderr) == (0, "")
    assert r"f\xfcr \xd6zg\xfcr" in said.stdout
    said = spawn("show", negotiation_id, "--json", "--data", str(nom.root), env=latin)
    assert json.loads(said.stdout)["messages"][0]["text"] == "für Özgür"
