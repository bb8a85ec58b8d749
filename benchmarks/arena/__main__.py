"""Play the arena and print what came of it: see benchmarks/README.md."""

from __future__ import annotations

import argparse
import functools
import json
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks.arena import contest, plain, probes
from benchmarks.arena.games import ADVISOR, BUILT_IN, OTHERS, STRONG
from benchmarks.arena.measures import measured
from benchmarks.arena.scenarios import HELD_OUT, TUNED, Scenario, draw

DRAWN: Final[dict[str, Callable[[int], Scenario]]] = {
    "tuned": functools.partial(draw, ranges=TUNED),
    "held-out": functools.partial(draw, ranges=HELD_OUT),
    "plain": plain.draw,
}
"""Who draws the scenarios."""

READINGS: Final[dict[str, Callable[[str, str], bool]]] = {
    "ours_to_its": lambda name, other: True,
    "without_its_like": lambda name, other: other != name,
    "against_built_in": lambda name, other: other in BUILT_IN,
    "against_strong": lambda name, other: other in STRONG,
}
"""Against whom a contestant, by name, and the advisor are compared."""


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for."""
    told = _parser().parse_args(arguments)
    # NegMAS and its agents warn of what we cannot change.
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    pool = [*BUILT_IN, *STRONG]
    others = [*pool, *OTHERS] if told.everybody else pool
    found: dict[str, Any] = {
        "drawn": told.drawn,
        "seed": told.seed,
        "scenarios": told.scenarios,
    }
    found["contest"] = _contest(told, others, told.contestants or pool)
    if told.probes:
        gathered = probes.gather(others, told.probes, DRAWN[told.drawn], told.seed + 5_000_000)
        found["probability"] = {"all": _measured(gathered)}
        for kind in sorted({probe.kind for probe in gathered}):
            found["probability"][kind] = _measured([p for p in gathered if p.kind == kind])
    print(json.dumps(found, indent=2))
    return 0


def _measured(gathered: Sequence[probes.Probe]) -> dict[str, float | None]:
    return measured([p.said for p in gathered], [p.accepted for p in gathered])


def _contest(told: Any, others: list[str], contestants: list[str]) -> dict[str, Any]:
    played = list(contest.games(others, told.scenarios, DRAWN[told.drawn], told.seed))
    ours = contest.contend(ADVISOR, played)
    rows: dict[str, Any] = {ADVISOR: _row(ours)}
    rows[ADVISOR]["p50_ms"] = round(1_000 * contest.percentile(ours.seconds, 50), 3)
    rows[ADVISOR]["p99_ms"] = round(1_000 * contest.percentile(ours.seconds, 99), 3)
    rows[ADVISOR]["by_counterparty"] = _split(ours, played)
    for name in contestants:
        print(f"arena: {name}", file=sys.stderr)
        standing = _kept(told, name, played)
        rows[name] = _row(standing)
        for label, some in READINGS.items():
            found = contest.ratio(ours, standing, played, functools.partial(some, name))
            rows[name][label] = found and [round(number, 3) for number in found]
    return rows


def _kept(told: Any, name: str, played: list[contest.Game]) -> contest.Standing:
    """Let a contestant play, or look up what it made of the same games before."""
    if told.keep is None:
        return contest.contend(name, played)
    which = f"{told.drawn}-{told.seed}-{told.scenarios}-{len(played)}"
    path = told.keep / f"{which}-{name}.json"
    if not path.exists():
        told.keep.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(contest.contend(name, played))))
    return contest.Standing(**json.loads(path.read_text()))


def _row(standing: contest.Standing) -> dict[str, Any]:
    return {
        "advantage": round(standing.mean, 4),
        "agreed": round(standing.agreed, 3),
        "welfare": round(standing.welfare, 3),
        "distance_to_nash": round(standing.nash, 3),
        "below_no_deal": standing.below,
    }


def _split(standing: contest.Standing, played: Sequence[contest.Game]) -> dict[str, float]:
    by_name: dict[str, list[float]] = {}
    for game, advantage in zip(played, standing.advantages, strict=True):
        by_name.setdefault(game.other, []).append(advantage)
    return {name: round(sum(values) / len(values), 3) for name, values in by_name.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arena", description=__doc__)
    parser.add_argument("--scenarios", type=int, default=40, help="how many (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="of the first scenario (default: 0)")
    parser.add_argument(
        "--drawn",
        choices=tuple(DRAWN),
        default="tuned",
        help="where scenarios come from: the ranges for tuning, those held out, another hand",
    )
    parser.add_argument(
        "--everybody", action="store_true", help="a dozen more counterparties than the pool"
    )
    parser.add_argument(
        "--probes", type=int, default=0, help="scenarios to probe the probability in (default: 0)"
    )
    parser.add_argument(
        "--keep", type=Path, help="where to keep the games of the others, and to look for them"
    )
    parser.add_argument("contestants", nargs="*", help="beside the advisor (default: the pool)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
