"""A watch over what is opened, listed and changed: nothing outside of one directory is.

It replaces the functions of `os` for as long as the product runs. Where a path leads is asked
of the kernel (`/proc/self/fd`), so a link on the way cannot hide it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

LISTING: Final = ("listdir", "scandir")
CHANGING: Final = ("mkdir", "rmdir", "unlink", "readlink", "symlink", "rename", "link")
LIBRARIES: Final = tuple(
    os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, Path(__file__).parents[2])
)
"""Where the interpreter finds its modules and what is installed."""

# As they are: what is replaced below must not watch itself.
OPEN, READLINK = os.open, os.readlink


class Breakout(BaseException):
    """Tell that something outside was touched; no handler of errors takes it for its own."""


def _of_descriptor(fd: int) -> str:
    return READLINK(f"/proc/self/fd/{fd}")


def _directory(path: str, dir_fd: int | None) -> str | None:
    """Return where a directory really is, None where there is none: then nothing can happen."""
    try:
        fd = OPEN(path or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    except OSError:
        return None
    try:
        return _of_descriptor(fd)
    finally:
        os.close(fd)


@contextmanager
def kept_inside(root: Path) -> Iterator[None]:
    """Fail where anything outside of `root` is opened, listed or changed."""
    inside = (os.path.realpath(root), *LIBRARIES)

    def check(what: str, path: Any, found: str | None) -> None:
        if found is None:
            return
        if not any(found == place or found.startswith(f"{place}/") for place in inside):
            raise Breakout(f"{what} of {path!r} went out of the root, to {found}")

    def opening(real: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            fd = real(path, flags, mode, dir_fd=dir_fd)
            check("open", path, _of_descriptor(fd))
            return fd

        return call

    def listing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".") -> Any:
            found = _of_descriptor(path) if isinstance(path, int) else _directory(path, None)
            check(real.__name__, path, found)
            return real(path)

        return call

    def changing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*paths: Any, **more: Any) -> Any:
            named = [more.get(name) for name in ("dir_fd", "src_dir_fd", "dst_dir_fd")]
            fd = next((fd for fd in named if fd is not None), None)
            # The text of a symbolic link is no place: what counts is where the link is put.
            for path in paths[1:2] if real.__name__ == "symlink" else paths:
                if isinstance(path, str | bytes | os.PathLike):
                    parent = os.path.dirname(os.fsdecode(path))
                    check(real.__name__, path, _directory(parent, fd))
            return real(*paths, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opening(os.open))
        for name in LISTING:
            patch.setattr(os, name, listing(getattr(os, name)))
        for name in CHANGING:
            patch.setattr(os, name, changing(getattr(os, name)))
        yield
