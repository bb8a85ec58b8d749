"""A call of the operating system fails at every step of `nom poll`: once, or from then on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.real.killing import CHANGES
from tests.faults.real.support import (
    NOW,
    SOAK,
    TroubledNom,
    agree,
    agree_and_more,
    copied,
    found_clean,
    left_to_age,
    named,
    settled_exactly_once,
    tree_of,
    without_temporaries,
)
from tests.support import HOUR

CAUSES = {
    "ENOSPC": ("no_space", "no space left on the device"),
    "EDQUOT": ("no_space", "the disk quota is used up"),
    "EROFS": ("read_only", "the file system is mounted read-only"),
    "EACCES": ("denied", "permission denied"),
    "EMFILE": ("too_many_files", "this process has too many open files"),
    "ENFILE": ("too_many_files", "the system has too many open files"),
    "EIO": ("store_failed", "Input/output error"),
    "ESTALE": ("store_failed", "Stale file handle"),
}
HINTS = 7
"""Changes for hints: making the doorbell, the mark of a pass, the scan file. Nothing needs them."""

READS = (*CHANGES, "read", "scandir", "listdir")
EVERY = 1
SOME = 1 if SOAK else 7
CASES = [
    ("ENOSPC", False, CHANGES, EVERY),
    ("ENOSPC", True, CHANGES, EVERY),
    ("EMFILE", False, READS, 1 if SOAK else 2),
    ("EMFILE", True, READS, SOME),
    ("EACCES", True, CHANGES, EVERY),
    *((name, True, CHANGES, SOME) for name in ("EDQUOT", "EROFS", "ENFILE", "EIO", "ESTALE")),
    ("EIO", False, READS, SOME),
]
"""Error, whether it lasts, which calls may fail, and every how manieth of them does."""


def one_deal(root: Path) -> None:
    agree(root)


def ids(case: object) -> str | None:
    return {CHANGES: "changes", READS: "reads"}.get(case) if isinstance(case, tuple) else None


@pytest.mark.parametrize(("error", "lasting", "among", "stride"), CASES, ids=ids)
def test_what_a_poll_could_not_do_is_named_and_made_good_by_the_next(
    error: str,
    lasting: bool,
    among: tuple[str, ...],
    stride: int,
    nom: TroubledNom,
    memory: Path,
) -> None:
    tree, root = memory / "tree", memory / "root"
    if SOAK:
        agree_and_more(tree)
    else:
        agree(tree)
    open_ones = len(nom("poll", "--json", root=copied(tree, root), fixed=NOW).json["active"])
    settled_exactly_once(root, open_ones=open_ones)
    expected, before = tree_of(root), tree_of(tree)
    at, harmless = 1, 0
    while True:
        trouble = {"at": at, "deed": error, "lasting": lasting, "among": among}
        result = nom("poll", "--json", root=copied(tree, root), fixed=NOW, **trouble)
        if len(result.changes) < at:
            break
        when = f"at {at}: {result.changes[at - 1]}"
        if not named(result, *CAUSES[error]):
            # It was tried again or not needed; or all of it is left for the next pass.
            harmless += 1
            assert result.status == 0, f"{when}: {result.err}"
            assert tree_of(root) in (expected, before), f"{when}: nothing was said of it"
        again = nom("poll", "--json", root=root, fixed=NOW)
        assert (again.status, again.json["problems"]) == (0, []), when
        assert without_temporaries(tree_of(root)) == expected, when
        if SOAK or at % 3 == 0:
            left_to_age(root)
            assert nom("poll", root=root, fixed=NOW + 2 * HOUR).status == 0, when
            assert tree_of(root) == expected, when
            found_clean(nom, root, when)
        at += stride
    assert harmless < at / 10 + HINTS
