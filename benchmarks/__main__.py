"""Measure, keep the results, and write docs/performance.md: see README.md."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType, ModuleType
from typing import Final, NoReturn

from benchmarks import report, results, volume
from benchmarks.sections import archived, endured, poll, process, scan, settle, update, writers
from benchmarks.setting import QUICK, Setting, Sizes, soak

SECTIONS: Final[dict[str, ModuleType]] = {
    "poll": poll,
    "process": process,
    "scan": scan,
    "settle": settle,
    "update": update,
    "writers": writers,
    "archived": archived,
    "endured": endured,
}
MILLION: Final = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Run the sections that are named, else all of them."""
    told = _parser().parse_args(arguments)
    home = report.RESULTS / "quick" if told.quick else report.RESULTS
    try:
        sizes = (QUICK if told.quick else _full()).changed(told.sizes)
    except ValueError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    unknown = set(told.sections) - SECTIONS.keys()
    if unknown:
        print(
            f"benchmarks: expected some of {', '.join(SECTIONS)}, found {', '.join(unknown)}",
            file=sys.stderr,
        )
        return 2
    on = None if told.render else _place(told.on)
    redis = _has_redis()
    signal.signal(signal.SIGTERM, _terminated)
    for name in () if told.render else told.sections or SECTIONS:
        path = home / f"{name}.json"
        kept = results.read(path)
        if told.resume and kept is not None and kept["sizes"] == _plain(sizes):
            _say(f"{name}: measured already")
            continue
        _measure(name, sizes, on, path, redis=redis)
    if told.quick:
        report.write(home, home / "performance.md", home / "measured.json")
    else:
        report.write(home, report.DOCUMENT, report.MEASURED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("sections", nargs="*", default=[], metavar="NAME", help="; ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="a small version, in a minute")
    parser.add_argument(
        "--on",
        type=Path,
        metavar="DIR",
        default=os.environ.get("NOM_BENCH_DIR") or None,
        help="measure there, not in an image of our own [$NOM_BENCH_DIR]",
    )
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=[],
        metavar="NAME=N[,N]",
        help="change one: " + ", ".join(asdict(Sizes())),
    )
    parser.add_argument("--resume", action="store_true", help="leave out what has results")
    parser.add_argument("--render", action="store_true", help="only write the document anew")
    return parser


def _full() -> Sizes:
    return replace(Sizes(), endured=MILLION) if soak() else Sizes()


def _plain(sizes: Sizes) -> dict[str, object]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(sizes).items()
    }


def _place(named: Path | None) -> Path | None:
    if named is None and not volume.can_mount():
        raise SystemExit(
            "benchmarks: this needs an ext4 with a journal. As root one is made in a file; else say"
            " where one is, with --on DIR or NOM_BENCH_DIR"
        )
    if named is not None:
        _say(f"measuring in {named}: {volume.described(named)}")
    return named


def _has_redis() -> bool:
    try:
        from benchmarks.peers import redis
    except ImportError:
        _say("without Redis: its client is not installed (benchmarks/requirements.txt)")
        return False
    if not redis.is_installed():
        _say("without Redis: there is no redis-server on the path")
        return False
    return True


def _measure(name: str, sizes: Sizes, on: Path | None, path: Path, *, redis: bool) -> None:
    section = SECTIONS[name]
    _say(f"{name}: {section.TITLE.replace('`', '')}")
    with volume.volume(report.RESULTS, on, section.ROOM_GB) as directory:
        began, before = time.monotonic(), results.load()
        found = section.run(Setting(sizes, directory, redis))
        head = {
            "section": name,
            "title": section.TITLE,
            "measured": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            "took_s": round(time.monotonic() - began, 1),
            "machine": results.machine(),
            "volume": volume.described(directory),
            "load_before": before,
            "load_after": results.load(),
            "sizes": _plain(sizes),
        }
    results.write(path, head, found)
    for bar in found.bars:
        _say(f"  {'met    ' if bar.met else 'NOT MET'} {bar.what}: {results.number(bar.value)}")
    _say(f"{name}: {head['took_s']} s")


def _terminated(number: int, frame: FrameType | None) -> NoReturn:
    # As an exception, so that the volume is unmounted.
    raise SystemExit(128 + number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
