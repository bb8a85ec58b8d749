"""How good a probability is: Brier skill, calibration error, area under the curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BINS: Final = 10


def measured(said: Sequence[float], came: Sequence[bool]) -> dict[str, float | None]:
    """Return the measures of probabilities beside what came.

    Skill is 1 - Brier score / Brier score of always saying the base rate; the calibration error
    is the mean over probes of the distance of a bin's mean probability (ten bins of equal
    width) to the frequency in it; the area under the curve counts ties as half. Where all of
    them came, or none, there is neither skill nor area: None.
    """
    n = len(said)
    rate = sum(came) / n
    brier = sum((p - c) ** 2 for p, c in zip(said, came, strict=True)) / n
    error = 0.0
    for index in range(BINS):
        inside = [
            (p, c) for p, c in zip(said, came, strict=True) if min(BINS - 1, int(p * BINS)) == index
        ]
        error += abs(sum(p for p, _ in inside) - sum(c for _, c in inside)) / n
    both = 0 < rate < 1
    return {
        "probes": n,
        "accepted": round(rate, 4),
        "brier_skill": round(1 - brier / (rate * (1 - rate)), 4) if both else None,
        "calibration_error": round(error, 4),
        "auc": round(_area(said, came), 4) if both else None,
    }


def _area(said: Sequence[float], came: Sequence[bool]) -> float:
    order = sorted(range(len(said)), key=lambda i: said[i])
    ranks = [0.0] * len(said)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and said[order[end]] == said[order[start]]:
            end += 1
        for place in range(start, end):
            ranks[order[place]] = (start + end + 1) / 2
        start = end
    yes = sum(came)
    total = sum(rank for rank, c in zip(ranks, came, strict=True) if c)
    return (total - yes * (yes + 1) / 2) / (yes * (len(said) - yes))
