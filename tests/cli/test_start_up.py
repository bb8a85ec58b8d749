"""What a start of `nom` imports: a pass is started once a minute, forever.

A module that creeps in costs every start of every command, and is seen by nobody. So each row
says what a start does without; what is late on purpose says so where it is imported.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.support import Nom, environment, python, spawn
from tests.support import ALICE

LOADED = """
import sys
from nom_negotiate.cli import entry
status = entry.run(sys.argv[1:])
print(status, *sys.modules, file=sys.stderr)
"""

COMMANDS = {
    *("init", "start", "offer", "accept", "reject", "withdraw", "say", "ls", "show", "tree"),
    *("poll", "run", "doctor", "stats", "archive", "schemas", "demo", "migrate"),
}

# No start of a common command has use for these.
RARE = {
    *("asyncio", "importlib.metadata", "rich", "sqlite3", "watchdog"),
    *("nom_negotiate.doctor", "nom_negotiate.legacy", "nom_negotiate.market"),
    *("nom_negotiate.schemas", "nom_negotiate.store.files.inspection"),
    *("nom_negotiate.store.files.packing", "nom_negotiate.store.files.packs"),
    *("nom_negotiate.store.files.tree", "nom_negotiate.store.memory"),
}

# Who looks at no record does without these, too.
RECORDS = {
    *("dataclasses", "decimal", "filelock", "hashlib", "json", "logging", "msgspec", "orjson"),
    *("secrets", "urllib.parse"),
}
STORE = {"nom_negotiate.core", "nom_negotiate.desk", "nom_negotiate.store"}


def loaded(*arguments: str, root: Path) -> set[str]:
    """Return the modules of a process that has run `nom` with these arguments."""
    said = python(LOADED, *arguments, NOM_DATA=str(root))
    status, *modules = said.stderr.splitlines()[-1].split()
    assert status == "0", said.stderr
    return set(modules)


def commands(modules: set[str]) -> set[str]:
    """Return which commands are among the modules."""
    prefix = "nom_negotiate.cli."
    return {name.removeprefix(prefix) for name in modules if name.startswith(prefix)} & COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["--version"], ["poll", "--help"], ["run", "--help"], ["ls", "--help"]),
        *(["start", "--help"], ["accept", "--help"], ["show", "--help"], ["archive", "--help"]),
    ],
    ids=" ".join,
)
def test_help_and_version_look_at_no_store(nom: Nom, arguments: list[str]) -> None:
    modules = loaded(*arguments, root=nom.root)
    assert (RARE | RECORDS | STORE).isdisjoint(modules)
    # The archive has a list and a view of its own, made of those of all.
    assert commands(modules) <= {*arguments, *(("ls", "show") if "archive" in arguments else ())}


@pytest.mark.parametrize(
    ("words", "offered"),
    [("nom po", "poll"), ("nom archive pa", "pack"), ("nom accept --ro", "--round")],
)
def test_a_shell_completes_commands_and_options_without_a_store(words: str, offered: str) -> None:
    asked = {
        "_NOM_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        # It ends the process by itself, so that the interpreter has to tell.
        "PYTHONPROFILEIMPORTTIME": "1",
    }
    said = spawn(env=environment(**asked))
    assert said.stdout == f"plain,{offered}\n"
    modules = {line.rpartition("|")[2].strip() for line in said.stderr.splitlines()}
    assert "click.shell_completion" in modules
    assert (RARE | RECORDS | STORE).isdisjoint(modules)


def test_an_idle_poll_imports_no_record_no_json_and_no_lock(nom: Nom) -> None:
    nom.start()
    nom.start(chemical="N")
    nom.ok("poll")
    modules = loaded("poll", root=nom.root)
    assert commands(modules) == {"poll"}
    assert (RARE | RECORDS).isdisjoint(modules)
    # Nobody has written and nothing is due: what would look at a negotiation stays away, too.
    assert {name for name in modules if name.startswith("nom_negotiate.core.")} == {
        "nom_negotiate.core.identity"
    }
    assert {
        *("nom_negotiate.extensions", "nom_negotiate.figures", "nom_negotiate.one_pass"),
        *("nom_negotiate.party", "nom_negotiate.store.reading"),
        *("nom_negotiate.store.files.agenda", "nom_negotiate.store.files.mending"),
        *("nom_negotiate.store.files.namespace", "nom_negotiate.store.files.settlement"),
    }.isdisjoint(modules)


@pytest.mark.parametrize("arguments", [["poll"], ["poll", "--json"]], ids=" ".join)
def test_a_pass_imports_what_it_needs_and_no_more(nom: Nom, arguments: list[str]) -> None:
    # The first one sweeps, too, as one in an hour does.
    nom.ok("poll")
    nom.start()
    modules = loaded(*arguments, root=nom.root)
    assert "nom_negotiate.store.files.namespace" in modules
    assert commands(modules) == {"poll"}
    # Nobody acts and nothing ends: neither is the code for it needed.
    assert (RARE | {"nom_negotiate.figures", "nom_negotiate.party"}).isdisjoint(modules)


def test_who_acts_needs_neither_the_poller_nor_what_is_rare(nom: Nom) -> None:
    nom.start()
    modules = loaded("ls", "--as", ALICE, root=nom.root)
    assert commands(modules) == {"ls"}
    assert RARE.isdisjoint(modules)
    assert "nom_negotiate.poller" not in modules


def test_a_process_of_its_own_ends_without_looking_for_cycles() -> None:
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "from nom_negotiate.cli import main\n"
        "main({})\n"
    )
    assert python(code.format(""), "--version").stdout.endswith("True\n")
    # Whoever calls it from a program goes on after it.
    assert python(code.format("['--version']")).stdout.endswith("False\n")
