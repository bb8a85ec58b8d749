"""Every command has help, an example and the common options, and the table tells the truth."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from tests.cli.support import Nom

from nom_negotiate.cli.commands import nom
from nom_negotiate.cli.group import LazyGroup


def commands(group: LazyGroup = nom, path: str = "nom") -> Iterator[tuple[str, str, click.Command]]:
    """Yield every command with its path and what the table says of it, groups included."""
    context = click.Context(group)
    for entry in group.table.values():
        command = group.get_command(context, entry.name)
        assert command is not None
        yield f"{path} {entry.name}", entry.help, command
        if isinstance(command, LazyGroup):
            yield from commands(command, f"{path} {entry.name}")


ALL = list(commands())
every_command = pytest.mark.parametrize(
    ("path", "said", "command"), ALL, ids=[path for path, _, _ in ALL]
)


@every_command
def test_the_table_says_what_the_command_says(path: str, said: str, command: click.Command) -> None:
    assert (command.help or "").splitlines()[0] == said
    assert command.name == path.split()[-1]


@every_command
def test_a_command_has_an_example_of_itself(path: str, said: str, command: click.Command) -> None:
    assert f"  {path}" in (command.epilog or "")


@every_command
def test_the_options_of_an_example_exist(path: str, said: str, command: click.Command) -> None:
    if isinstance(command, click.Group):
        return
    text = (command.epilog or "").replace("\\\n", " ")
    examples = [line for line in text.splitlines() if line.strip().startswith(f"{path} ")]
    assert examples or f"  {path}\n" in text
    for example in examples:
        arguments = shlex.split(example.split("   (")[0])[len(path.split()) :]
        context = click.Context(command, resilient_parsing=True)
        parser = command.make_parser(context)
        parser.parse_args(args=[a for a in arguments if a != ">/dev/null"])


@every_command
def test_a_command_has_the_common_options(path: str, said: str, command: click.Command) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert {"--data", "--as", "--json"} <= options


@every_command
def test_every_option_has_help(path: str, said: str, command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


@every_command
def test_help_is_data(nom: Nom, path: str, said: str, command: click.Command) -> None:
    printed = nom.ok(*path.split()[1:], "--help")
    assert printed.err == ""
    assert said in printed.out
    assert not nom.root.exists()


def test_the_commands_of_the_design_are_there() -> None:
    designed = "init start offer accept reject withdraw say ls show tree poll run stats archive"
    assert {*designed.split(), "schemas", "demo"} <= set(nom.table)


def test_help_lists_every_command_with_its_line(nom: Nom) -> None:
    printed = nom.ok("--help").out
    for path, said, _ in ALL:
        if len(path.split()) == 2:
            assert any(
                line.split() == [path.split()[1], *said.split()] for line in printed.splitlines()
            )
