"""Names of a package whose modules are imported when they are asked for, and not before.

Whoever imports one module of a package imports the package's `__init__` first. Where that
brings in every neighbour, the smallest module costs as much as all of them, and `nom poll` is
started once a minute, forever.
"""

from __future__ import annotations

import sys

# `typing` says the same, and costs as much to import as the start of the interpreter.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def defer(
    package: str, homes: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for a package that has these names (PEP 562).

    Type checkers are to see plain imports of the same names, under `TYPE_CHECKING`: they would
    take a `__getattr__` for leave to import anything.

    Args:
        package: its `__name__`.
        homes: the names that each of its modules defines, by the module's name in the package.
    """
    home_of = {name: module for module, names in homes.items() for name in names}

    def found(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module  # whoever asks for no name does without it

        value: object = getattr(import_module(f"{package}.{home_of[name]}"), name)
        # From now on the name is found without coming here.
        setattr(sys.modules[package], name, value)
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return found, listed
