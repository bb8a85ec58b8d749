"""The rules of the rooms that an import linter cannot see.

Rules of the room:

- What is judged is the source text, through its syntax tree: nothing is imported, so a rule
  holds for code that no test runs.
- A *deed* is something a line of code does to the world. `MAY` says which rooms may do it.
- A call is judged by what its name was imported as (`from os import rename as move` is
  `os.rename`), and a method of an object of unknown type by its name, where that name is a
  path's and hardly anybody else's.
- What a checker of text cannot see (a function handed over as a value under another name,
  `exec`) is left to the reader. The synthetic sources below say what it does see.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest

REPO = Path(__file__).resolve().parents[2]
PACKAGE = REPO / "src" / "nom_negotiate"


class Deed(Enum):
    """What a line of code does to the world."""

    CHANGES_DISK = "only store/files/atomic.py changes the disk"
    STARTS_PROCESS = "another process could do anything: only mount.py starts one, to try a lock"
    LOCKS = "locks are files: only store/files/ takes them"
    READS_DISK = "only store/files/ looks at the data root, and legacy/ at its source"
    WRITES_UNSEEN = "only store/files/ calls atomic: everybody else writes through a store"
    READS_ENVIRONMENT = "only the interfaces read the environment"
    TALKS = "only the interfaces print or ask"
    EXITS = "only the interfaces exit: everybody else raises"
    IMPURE = "core does no I/O and knows no clock, randomness or JSON"


# Which rooms may do a deed: how their paths below src/nom_negotiate begin.
INTERFACES = ("cli/", "__main__.py", "schemas.py")
MAY: dict[Deed, tuple[str, ...]] = {
    # The demo makes itself a place to play in, and schemas.py writes docs/schemas: neither is
    # anybody's data root.
    Deed.CHANGES_DISK: ("store/files/atomic.py", "cli/demo", "schemas.py"),
    Deed.STARTS_PROCESS: ("store/files/mount.py",),
    Deed.LOCKS: ("store/files/",),
    Deed.READS_DISK: ("store/files/", "legacy/", "cli/demo", "schemas.py"),
    Deed.WRITES_UNSEEN: ("store/files/",),
    Deed.READS_ENVIRONMENT: INTERFACES,
    Deed.TALKS: INTERFACES,
    Deed.EXITS: INTERFACES,
    Deed.IMPURE: (),
}


class Breach(NamedTuple):
    """One line that does what its room may not."""

    path: str
    line: int
    what: str
    deed: Deed

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.deed.value}"


# ------------------------------------------------------------------ what names do


def words(text: str, prefix: str = "") -> frozenset[str]:
    return frozenset(prefix + word for word in text.split())


CHANGING = words(
    """chflags chmod chown copy_file_range fchmod fchown fdatasync fsync ftruncate lchflags lchmod
    lchown link makedirs mkdir mkfifo mknod posix_fallocate pwrite pwritev remove removedirs
    removexattr rename renames replace rmdir sendfile setxattr symlink sync truncate unlink utime
    write writev system popen posix_spawn posix_spawnp startfile""",
    "os.",
)
# Of these modules every function counts, but for those in HARMLESS.
CHANGING_MODULES = words("shutil tempfile dbm shelve")
STARTING_MODULES = words("subprocess multiprocessing")
HARMLESS = words("shutil.which shutil.get_terminal_size subprocess.SubprocessError")

READING = words(
    "access fstat fwalk getxattr listdir listxattr lstat pread preadv read readlink readv scandir "
    "stat statvfs walk",
    "os.",
) | words(
    "exists getatime getctime getmtime getsize isdir isfile islink ismount lexists realpath "
    "samefile sameopenfile samestat",
    "os.path.",
)
# sqlite3 could write as well; legacy/ opens an old database read-only, and nobody else has one.
READING_MODULES = words("glob fileinput linecache sqlite3")

ENVIRONMENT = words("environ environb getenv getenvb putenv unsetenv", "os.")
TALKING = words("print input", "builtins.") | words(
    "stdin stdout stderr __stdin__ __stdout__ __stderr__ displayhook", "sys."
)
TALKING_MODULES = words("click rich getpass")
EXITING = words("builtins.exit builtins.quit builtins.SystemExit sys.exit os._exit os.abort")

# Methods of pathlib.Path. A name that other objects have too needs more than the name: see
# `judge_method`.
CHANGING_METHODS = words(
    "write_text write_bytes touch mkdir rmdir unlink symlink_to hardlink_to chmod lchmod rename"
)
READING_METHODS = words(
    "read_text read_bytes is_file is_dir is_symlink is_mount is_fifo is_socket iterdir rglob lstat "
    "readlink samefile"
)

# Functions that open a file, and where the mode stands among their positional arguments.
OPENERS = {
    "builtins.open": 1,
    "io.open": 1,
    "codecs.open": 1,
    "os.fdopen": 1,
    "gzip.open": 1,
    "bz2.open": 1,
    "lzma.open": 1,
    "tarfile.open": 1,
    "zipfile.ZipFile": 1,
}
READ_ONLY_FLAGS = words(
    "O_RDONLY O_CLOEXEC O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_NOCTTY O_NOATIME O_PATH", "os."
)

BUILTINS = words("open print input exit quit getattr SystemExit")


def banned_in_core() -> frozenset[str]:
    """Return the modules that core may not import, from the import linter's own contract."""
    with (REPO / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [contract] = [c for c in contracts if c["id"] == "core-is-pure"]
    return frozenset(contract["forbidden_modules"])


BANNED_IN_CORE = banned_in_core()


# ------------------------------------------------------------------ reading a file


class Reader(ast.NodeVisitor):
    """Collect the deeds of one source file."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.deeds: list[tuple[int, str, Deed]] = []
        # Names first: a function may use what is imported further down, or in another function.
        self.names = {name: f"builtins.{name}" for name in BUILTINS}
        self.constants: dict[str, ast.expr] = {}
        for node in ast.walk(tree):
            for name, origin in self.bindings(node):
                self.names[name] = origin
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.constants[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                if node.value is not None:
                    self.constants[node.target.id] = node.value
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                # The module's own `open` is not the builtin.
                self.names.pop(node.name, None)
        for node in ast.walk(tree):
            # Nor is a parameter or a variable of that name.
            if isinstance(node, ast.arg):
                self.forget_builtin(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.forget_builtin(node.id)
        self.visit(tree)

    def note(self, node: ast.AST, what: str, deed: Deed) -> None:
        self.deeds.append((getattr(node, "lineno", 0), what, deed))

    # -- names

    def forget_builtin(self, name: str) -> None:
        if self.names.get(name) == f"builtins.{name}":
            del self.names[name]

    def package(self, level: int) -> str:
        """Return the package that a relative import of this level starts from."""
        parts = ["nom_negotiate", *self.path.removesuffix(".py").split("/")]
        return ".".join(parts[: len(parts) - level])

    def origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        return ".".join(filter(None, [self.package(node.level), node.module]))

    def bindings(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, f"{self.origin(node)}.{alias.name}"

    def dotted(self, node: ast.expr) -> str | None:
        """Return what a name was imported as, or None for a name that was not."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else None
        return None

    # -- imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.judge_import(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.note(node, f"from {node.module} import *", Deed.CHANGES_DISK)
            self.judge_import(node, f"{self.origin(node)}.{alias.name}")

    def judge_import(self, node: ast.AST, name: str) -> None:
        top = name.partition(".")[0]
        if top in BANNED_IN_CORE and self.path.startswith("core/"):
            self.note(node, f"import {top}", Deed.IMPURE)
        if top in ("fcntl", "filelock"):
            self.note(node, f"import {top}", Deed.LOCKS)
        if top in TALKING_MODULES:
            self.note(node, f"import {top}", Deed.TALKS)
        if f"{name}.".startswith("nom_negotiate.store.files.atomic."):
            self.note(node, "import atomic", Deed.WRITES_UNSEEN)

    # -- deeds

    def visit_Name(self, node: ast.Name) -> None:
        self.judge_name(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not self.judge_name(node):
            self.visit(node.value)

    def judge_name(self, node: ast.Name | ast.Attribute) -> bool:
        """Judge a name where it stands, called or not: a function is handed over as a value too."""
        name = self.dotted(node)
        if name is None:
            return False
        deed = deed_of(name)
        if deed is not None:
            self.note(node, name.removeprefix("builtins."), deed)
        return True

    def visit_Call(self, node: ast.Call) -> None:
        name = self.dotted(node.func)
        if name == "os.open":
            self.judge_os_open(node)
        elif name in OPENERS:
            self.judge_mode(node, name.removeprefix("builtins."), OPENERS[name])
        elif name == "builtins.getattr":
            self.judge_getattr(node)
        elif name is None and isinstance(node.func, ast.Attribute):
            self.judge_method(node, node.func.attr)
            self.visit(node.func.value)
        else:
            self.visit(node.func)
        for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
            self.visit(argument)

    def judge_mode(self, node: ast.Call, what: str, position: int) -> None:
        mode: ast.expr = ast.Constant("r")
        if len(node.args) > position:
            mode = node.args[position]
        mode = next((k.value for k in node.keywords if k.arg == "mode"), mode)
        reads = (
            isinstance(mode, ast.Constant)
            and isinstance(mode.value, str)
            and not set(mode.value.partition(":")[0]) & set("wax+")
        )
        self.note(node, f"{what}()", Deed.READS_DISK if reads else Deed.CHANGES_DISK)

    def judge_os_open(self, node: ast.Call) -> None:
        flags = next((k.value for k in node.keywords if k.arg == "flags"), None)
        if flags is None and len(node.args) > 1:
            flags = node.args[1]
        reads = flags is not None and self.only_reads(flags)
        self.note(node, "os.open()", Deed.READS_DISK if reads else Deed.CHANGES_DISK)

    def only_reads(self, flags: ast.expr) -> bool:
        """Say whether every flag is known to change nothing; an unknown one is held to."""
        if isinstance(flags, ast.BinOp):
            return self.only_reads(flags.left) and self.only_reads(flags.right)
        if isinstance(flags, ast.Call) and self.dotted(flags.func) == "builtins.getattr":
            # getattr(os, "O_NOFOLLOW", 0): a flag that not every system has
            name = flags.args[1]
            return isinstance(name, ast.Constant) and f"os.{name.value!s}" in READ_ONLY_FLAGS
        if isinstance(flags, ast.Name) and flags.id in self.constants:
            return self.only_reads(self.constants[flags.id])
        return self.dotted(flags) in READ_ONLY_FLAGS

    def judge_getattr(self, node: ast.Call) -> None:
        base = self.dotted(node.args[0]) if node.args else None
        if base is None or len(node.args) < 2:
            return
        name = node.args[1]
        if isinstance(name, ast.Constant):
            deed = deed_of(f"{base}.{name.value!s}")
        else:
            deed = Deed.CHANGES_DISK if base == "os" else None
        if deed is not None:
            self.note(node, f"getattr({base}, …)", deed)

    def judge_method(self, node: ast.Call, method: str) -> None:
        arguments = len(node.args)
        if method in CHANGING_METHODS:
            self.note(node, f".{method}()", Deed.CHANGES_DISK)
        elif method in READING_METHODS:
            self.note(node, f".{method}()", Deed.READS_DISK)
        elif method == "replace" and arguments == 1 and not node.keywords:
            # str.replace takes two, and the replace of a record takes keywords
            self.note(node, ".replace()", Deed.CHANGES_DISK)
        elif method in {"exists", "stat"} and arguments == 0:
            self.note(node, f".{method}()", Deed.READS_DISK)
        elif method == "open" and looks_like_path_open(node):
            self.judge_mode(node, ".open", 0)


def looks_like_path_open(node: ast.Call) -> bool:
    """Tell Path.open from the open of a store or an archive by its first argument, a mode."""
    if not node.args:
        return all(k.arg in {"mode", "encoding", "errors", "newline"} for k in node.keywords)
    first = node.args[0]
    return (
        isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and 0 < len(first.value) <= 3
        and set(first.value) <= set("rwaxbt+")
    )


def deed_of(name: str) -> Deed | None:
    """Return what the thing of this dotted name does."""
    top = name.partition(".")[0]
    if name in HARMLESS or name == top:
        return None
    if name in CHANGING or top in CHANGING_MODULES or name in {"os.open", *OPENERS}:
        return Deed.CHANGES_DISK
    if top in STARTING_MODULES:
        return Deed.STARTS_PROCESS
    if name in READING or top in READING_MODULES:
        return Deed.READS_DISK
    if any(name == n or name.startswith(f"{n}.") for n in ENVIRONMENT):
        return Deed.READS_ENVIRONMENT
    if any(name == n or name.startswith(f"{n}.") for n in TALKING):
        return Deed.TALKS
    if name in EXITING:
        return Deed.EXITS
    return None


def breaches(path: str, source: str) -> list[Breach]:
    """Return the lines of this file (its path below the package) that do what it may not."""
    reader = Reader(path, ast.parse(source, path))
    return [
        Breach(path, line, what, deed)
        for line, what, deed in reader.deeds
        if not path.startswith(MAY[deed])
    ]


# ------------------------------------------------------------------ the tree


def modules() -> list[str]:
    return sorted(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules())
def test_a_module_keeps_the_rules_of_its_room(path: str) -> None:
    found = breaches(path, (PACKAGE / path).read_text(encoding="utf-8"))
    assert not found, "\n" + "\n".join(map(str, found))


def test_there_are_modules_to_judge() -> None:
    assert "errors.py" in modules()
    assert any(path.startswith("core/") for path in modules())


# ------------------------------------------------------------------ the checker itself


@pytest.mark.parametrize(
    ("path", "source", "deed"),
    [
        # the disk, changed
        ("desk.py", "import os\nos.rename('a', 'b')", Deed.CHANGES_DISK),
        ("desk.py", "from os import rename as move\nmove('a', 'b')", Deed.CHANGES_DISK),
        ("desk.py", "import os as o\nlist(map(o.unlink, paths))", Deed.CHANGES_DISK),
        ("desk.py", "import os\ngetattr(os, 'link')('a', 'b')", Deed.CHANGES_DISK),
        ("desk.py", "import os\ngetattr(os, verb)('a', 'b')", Deed.CHANGES_DISK),
        ("desk.py", "from os import *", Deed.CHANGES_DISK),
        ("desk.py", "import shutil\nshutil.rmtree(root)", Deed.CHANGES_DISK),
        ("desk.py", "def f():\n    from tempfile import mkdtemp\n    mkdtemp()", Deed.CHANGES_DISK),
        ("poller.py", "from pathlib import Path\nPath('a').write_text('')", Deed.CHANGES_DISK),
        ("poller.py", "(root / 'poller').mkdir(parents=True)", Deed.CHANGES_DISK),
        ("poller.py", "path.rename(other)", Deed.CHANGES_DISK),
        ("poller.py", "path.replace(other)", Deed.CHANGES_DISK),
        ("poller.py", "path.open('a')", Deed.CHANGES_DISK),
        ("poller.py", "path.open(mode='w')", Deed.CHANGES_DISK),
        ("cli/init.py", "open(path, 'xb')", Deed.CHANGES_DISK),
        ("cli/init.py", "open(path, mode)", Deed.CHANGES_DISK),
        ("legacy/run.py", "path.unlink(missing_ok=True)", Deed.CHANGES_DISK),
        ("legacy/events.py", "import io\nio.open(path, 'r+')", Deed.CHANGES_DISK),
        ("store/memory.py", "import os\nos.fsync(fd)", Deed.CHANGES_DISK),
        ("store/files/archive.py", "import os\nos.rename('a', 'b')", Deed.CHANGES_DISK),
        ("store/files/layout.py", "path.mkdir()", Deed.CHANGES_DISK),
        ("store/files/layout.py", "import os\nos.open(p, os.O_RDONLY | flags)", Deed.CHANGES_DISK),
        ("store/files/layout.py", "import os\nos.open(p, os.O_CREAT)", Deed.CHANGES_DISK),
        ("store/files/layout.py", "import os\nos.fdopen(fd, 'wb')", Deed.CHANGES_DISK),
        # another process
        ("cli/init.py", "import subprocess\nsubprocess.run(['rm', path])", Deed.STARTS_PROCESS),
        ("store/files/atomic.py", "from subprocess import run\nrun(['sync'])", Deed.STARTS_PROCESS),
        # locks
        ("poller.py", "from filelock import FileLock", Deed.LOCKS),
        ("legacy/run.py", "import fcntl", Deed.LOCKS),
        # the disk, looked at
        ("desk.py", "import os\nos.listdir(root)", Deed.READS_DISK),
        ("desk.py", "import os.path\nos.path.exists(root)", Deed.READS_DISK),
        ("desk.py", "from os.path import isdir\nisdir(root)", Deed.READS_DISK),
        ("desk.py", "open(path)", Deed.READS_DISK),
        ("desk.py", "path.read_bytes()", Deed.READS_DISK),
        ("market.py", "path.exists()", Deed.READS_DISK),
        ("market.py", "[p for p in root.iterdir()]", Deed.READS_DISK),
        ("codec.py", "import os\nos.open(p, os.O_RDONLY)", Deed.READS_DISK),
        ("market.py", "import sqlite3\nsqlite3.connect(path)", Deed.READS_DISK),
        ("cli/tree.py", "import os\nfor entry in os.scandir(root): pass", Deed.READS_DISK),
        # past the store
        ("legacy/run.py", "from nom_negotiate.store.files import atomic", Deed.WRITES_UNSEEN),
        ("desk.py", "from .store.files.atomic import write", Deed.WRITES_UNSEEN),
        ("store/memory.py", "from .files import atomic", Deed.WRITES_UNSEEN),
        ("cli/init.py", "import nom_negotiate.store.files.atomic as a", Deed.WRITES_UNSEEN),
        # the environment
        ("desk.py", "import os\nos.environ['NOM_DATA']", Deed.READS_ENVIRONMENT),
        ("desk.py", "import os\nos.environ.get('NOM_DATA')", Deed.READS_ENVIRONMENT),
        ("poller.py", "from os import getenv\ngetenv('NOM_DATA')", Deed.READS_ENVIRONMENT),
        ("store/files/layout.py", "from os import environ\nenviron", Deed.READS_ENVIRONMENT),
        # printing
        ("poller.py", "print('one pass')", Deed.TALKS),
        ("poller.py", "report(print)", Deed.TALKS),
        ("poller.py", "import sys\nsys.stderr.write('late')", Deed.TALKS),
        ("legacy/run.py", "from rich.progress import track", Deed.TALKS),
        ("desk.py", "import click", Deed.TALKS),
        # leaving
        ("poller.py", "import sys\nsys.exit(1)", Deed.EXITS),
        ("poller.py", "raise SystemExit(1)", Deed.EXITS),
        ("poller.py", "import os\nos._exit(1)", Deed.EXITS),
        ("legacy/run.py", "exit()", Deed.EXITS),
        # core
        ("core/rules.py", "import time", Deed.IMPURE),
        ("core/rules.py", "from os import path", Deed.IMPURE),
        ("core/rules.py", "def f():\n    import random", Deed.IMPURE),
        ("core/deeper/terms.py", "import json", Deed.IMPURE),
    ],
)
def test_a_breach_is_found(path: str, source: str, deed: Deed) -> None:
    assert deed in {breach.deed for breach in breaches(path, source)}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("store/files/atomic.py", "import os\nos.rename('a', 'b')\npath.mkdir()\nopen(p, 'w')"),
        ("store/files/namespace.py", "from . import atomic\natomic.rename(a, b)\natomic.mkdir(a)"),
        ("store/files/layout.py", "import os\nos.listdir(root)\npath.read_bytes()"),
        (
            "store/files/namespace.py",
            "import os\n"
            "SAFELY = os.O_RDONLY | os.O_CLOEXEC | getattr(os, 'O_NOFOLLOW', 0)\n"
            "fd = os.open(p, SAFELY | os.O_NONBLOCK)\n"
            "with os.fdopen(fd, 'rb') as file: file.read()",
        ),
        ("store/files/mount.py", "import subprocess\nsubprocess.run(['true'], timeout=1)"),
        ("store/files/lock.py", "import fcntl\nfcntl.flock(fd, fcntl.LOCK_EX)"),
        ("legacy/events.py", "path.read_text()\nfor p in root.rglob('*.json'): open(p, 'rb')"),
        ("legacy/events.py", "import tarfile\ntarfile.open(path, 'r:gz')"),
        (
            "desk.py",
            "import os\ndef f(root: str | os.PathLike[str]) -> str: return os.fspath(root)",
        ),
        ("desk.py", "name.replace('a', 'b')\ntext.replace(old, new, 1)"),
        ("desk.py", "import msgspec\nmsgspec.structs.replace(state, revision=2)"),
        ("desk.py", "record.replace(price=1)\nnow.replace(tzinfo=None)"),
        ("desk.py", "import time\ntime.time()"),
        ("desk.py", "store.open(negotiation_id)\nstore.open('alice_bob_C_1')"),
        ("desk.py", "def open(name): ...\nopen('alice_bob_C_1')"),
        ("desk.py", "def f(input, exit=None): return input, exit"),
        ("cli/main.py", "import os, sys\nos.environ.get('NOM_DATA')\nprint(1)\nsys.exit(2)"),
        ("cli/__init__.py", "import click\nfrom rich.table import Table\nraise SystemExit(2)"),
        ("core/terms.py", "import hashlib, msgspec\nfrom decimal import Decimal"),
        ("core/rules.py", "def replace(a): ...\n'print and os.rename are only words here'"),
    ],
)
def test_what_a_room_is_for_is_no_breach(path: str, source: str) -> None:
    assert breaches(path, source) == []
