"""From an `OSError` to the error that names its cause."""

from __future__ import annotations

import errno
from typing import Final

from nom_negotiate.errors import StoreError
from nom_negotiate.store.files.layout import shown

_CODES: Final[dict[int, tuple[str, str]]] = {
    errno.ENOSPC: ("no_space", "no space left on the device"),
    errno.EDQUOT: ("no_space", "the disk quota is used up"),
    errno.EFBIG: ("no_space", "the file size limit is reached"),
    errno.EROFS: ("read_only", "the file system is mounted read-only"),
    errno.EACCES: ("denied", "permission denied"),
    errno.EPERM: ("denied", "operation not permitted"),
    errno.EMFILE: ("too_many_files", "this process has too many open files"),
    errno.ENFILE: ("too_many_files", "the system has too many open files"),
}


def store_error(error: OSError, doing: str) -> StoreError:
    """Return the store error for `error`, which happened while `doing` something."""
    code, text = _CODES.get(error.errno or 0, ("store_failed", error.strerror or str(error)))
    name = f" ({shown(error.filename)})" if isinstance(error.filename, str) else ""
    return StoreError(code, f"cannot {doing}: {text}{name}")


def is_passing(error: OSError) -> bool:
    """Return whether an error tells how the disk is now, and not what it can do at all."""
    code, _ = _CODES.get(error.errno or 0, ("", ""))
    return code in ("no_space", "read_only", "too_many_files")


class reported:  # noqa: N801  (it reads as a verb: `with reported("read it"):`)
    """Turn any `OSError` of the block into a `StoreError` that says what was being done.

    The one place where all errnos are caught: whatever the disk answers, the caller gets
    an error with a code, and no state was half written (see `atomic`).
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, OSError):
            raise store_error(error, self._doing) from error
