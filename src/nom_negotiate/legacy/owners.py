r"""Whose directory it is, where the content of a format leaves the owner out.

The old programs made a directory name of an address by turning every byte outside
`[a-zA-Z0-9_\-@.]` into `_`. Two addresses may share a name, and no name leads back. But the
other way round it can be tried: of all addresses that the data names, whose directory would
this be?
"""

from __future__ import annotations

import string
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from nom_negotiate.core.identity import Address
from nom_negotiate.legacy import fields
from nom_negotiate.legacy.fields import Refused

_SAFE: Final = frozenset(string.ascii_letters + string.digits + "_-@.")


def old_directory_name(address: Address) -> str:
    """Return the name that the old programs gave the directory of `address`, casefolded."""
    return "".join(char if char in _SAFE else "_" * len(char.encode()) for char in address)


class Owners:
    """Find the owner of a directory among the addresses that the data names."""

    def __init__(self, known: Iterable[Address]) -> None:
        self._by_name: defaultdict[str, set[Address]] = defaultdict(set)
        for address in known:
            self._by_name[old_directory_name(address)].add(address)

    def of(self, directory: str, hints: Iterable[Address] = ()) -> Address:
        """Return whose directory it is.

        Args:
            directory: its name.
            hints: addresses to be preferred, such as those that a mirrored record names.

        Raises:
            Refused: where several known addresses share the name, and the hints do not
                decide; or where nobody does, and the name itself is no address.
        """
        name = directory.casefold()
        preferred = {hint for hint in hints if old_directory_name(hint) == name}
        known = self._by_name.get(name, set())
        for candidates in (preferred, known):
            if len(candidates) == 1:
                return next(iter(candidates))
        if known:
            several = ", ".join(sorted(known))
            raise Refused(f"the owner of the directory could be any of {several}")
        return fields.address(directory, "the name of the directory")
