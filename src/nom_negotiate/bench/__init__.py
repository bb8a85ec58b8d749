"""Measures a file system with the product's own operations, for whoever chooses a disk or a mount.

`measure` is the face. Each operation of the product takes turns with the bare file operations
that it needs, in a temporary directory; the `Measurement` has all figures, with their units in
their names.
"""

from nom_negotiate.bench.figures import Figure, Measurement
from nom_negotiate.bench.measuring import SECONDS, measure

__all__ = ["SECONDS", "Figure", "Measurement", "measure"]
