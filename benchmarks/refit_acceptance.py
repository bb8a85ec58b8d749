"""Fit the acceptance model anew and write its weights into the package.

Run in the arena's environment (benchmarks/arena-requirements.txt):

    python -m benchmarks.refit_acceptance --scenarios 40
    python -m benchmarks.refit_acceptance --probes kept.jsonl

Ridge logistic regression by Newton's method on standardised features: the penalty keeps features
that say nearly the same from fighting each other. The weights are for the plain features.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.arena import plain, probes
from benchmarks.arena.games import BUILT_IN, OTHERS, STRONG
from benchmarks.arena.measures import measured
from benchmarks.arena.scenarios import HELD_OUT, TUNED, draw

TARGET: Final = Path("src/nom_negotiate/advisor/coefficients.py")
PENALTY: Final = 20.0
FOLDS: Final = 6
SEED: Final = 3_000_000

HEAD: Final = '''"""The weights of the acceptance model, from benchmarks/refit_acceptance.py."""

from __future__ import annotations

from typing import Final

WEIGHTS: Final[dict[str, float]] = {
'''


def main(arguments: Sequence[str]) -> int:
    """Gather probes, fit, and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refit_acceptance")
    parser.add_argument("--scenarios", type=int, default=40, help="of each kind (default: 40)")
    parser.add_argument(
        "--probes", type=Path, nargs="+", help="probes that were kept, instead of playing"
    )
    parser.add_argument("--keep", type=Path, help="where to keep the probes that are gathered")
    parser.add_argument("--dry", action="store_true", help="say how good it is, write nothing")
    told = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    rows = _kept(told.probes) if told.probes else _gathered(told.scenarios)
    if told.keep:
        told.keep.write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = list(rows[0][0])
    x = np.array([[features[name] for name in names] for features, _ in rows])
    y = np.array([float(accepted) for _, accepted in rows])
    fold = np.arange(len(y)) * FOLDS // len(y)
    said = np.zeros(len(y))
    for one in range(FOLDS):
        weights = fitted(x[fold != one], y[fold != one])
        said[fold == one] = logistic(x[fold == one] @ weights)
    print(json.dumps(measured(list(said), [bool(accepted) for accepted in y]), indent=2))
    if not told.dry:
        weights = fitted(x, y)
        lines = [
            f'    "{name}": {weight:.5g},\n' for name, weight in zip(names, weights, strict=True)
        ]
        TARGET.write_text(HEAD + "".join(lines) + "}\n")
    return 0


def _gathered(scenarios: int) -> list[tuple[dict[str, float], bool]]:
    everybody = [*BUILT_IN, *STRONG, *OTHERS]
    found = [
        *probes.gather(everybody, scenarios, functools.partial(draw, ranges=TUNED), SEED),
        *probes.gather(everybody, scenarios, functools.partial(draw, ranges=HELD_OUT), SEED),
        *probes.gather(everybody, scenarios, plain.draw, SEED),
    ]
    return [(probe.features, probe.accepted) for probe in found]


def _kept(paths: Sequence[Path]) -> list[tuple[dict[str, float], bool]]:
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    return [(features, bool(accepted)) for features, accepted in rows]


def logistic(score: Any) -> Any:
    """Return the probability of a score."""
    return 1 / (1 + np.exp(-np.clip(score, -30, 30)))


def fitted(x: Any, y: Any) -> Any:
    """Return the weights; the first column is the constant, which is not penalised."""
    centre, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1
    centre[0], scale[0] = 0, 1
    z = (x - centre) / scale
    ridge = np.full(z.shape[1], PENALTY)
    ridge[0] = 1e-9
    weights = np.zeros(z.shape[1])
    for _ in range(60):
        p = logistic(z @ weights)
        slope = z.T @ (p - y) + ridge * weights
        bend = (z * (p * (1 - p))[:, None]).T @ z + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-7:
            break
    plain = weights / scale
    plain[0] = weights[0] - (weights[1:] * centre[1:] / scale[1:]).sum()
    return plain


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
