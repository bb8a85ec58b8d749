"""A line of figures. Apart from records: a poll that finds nothing to do writes only this."""

from __future__ import annotations

from collections.abc import Mapping


def encode_figures(figures: Mapping[str, int | float]) -> bytes:
    """Return figures as one line of JSON, with its line feed.

    It says what `encode_line` would, without what that imports.

    Args:
        figures: finite numbers, by names that need no escaping.
    """
    body = ",".join(f'"{name}":{figure!r}' for name, figure in figures.items())
    return f"{{{body}}}\n".encode()
