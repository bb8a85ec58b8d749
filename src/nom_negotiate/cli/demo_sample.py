"""The data that is shipped with the package: in the wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path

from nom_negotiate.errors import NotFound


def directory(name: str) -> str:
    """Return the directory of shipped data of that name, such as `legacy-sample`.

    Raises:
        NotFound: `unknown_source`, where the installation is not whole.
    """
    package = Path(__file__).parents[1]
    # An editable install runs from the checkout, where the data is in its own place.
    for place in (package / "_data" / name, package.parents[1] / "data" / name):
        if place.is_dir():
            return str(place)
    raise NotFound(
        "unknown_source",
        f"the shipped data {name} is not in {package}",
        hint="install the package again",
    )
