"""`nom bench`: what the operations cost on the file system of a data root."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

import click
import msgspec

from nom_negotiate import bench as library
from nom_negotiate.bench import Figure, Measurement
from nom_negotiate.cli.app import App, common
from nom_negotiate.cli.doctor import KEY_WIDTH, lines_of_finding, lines_of_mount, shape_of_finding
from nom_negotiate.cli.output import Column, Line, Span, Table, line, visible
from nom_negotiate.cli.wording import plural

MAX_SECONDS: Final = 3600
SIGNALLED: Final = 128
"""And the number of the signal, as a shell reports it."""

IN_MEMORY: Final = ("tmpfs", "ramfs")
CHEAP: Final = 1.5
"""Times a bare rename; a sync that is no dearer has hardly reached a device."""

LABELS: Final = {
    "raw_start": "make a directory, a file, a link",
    "start": "start",
    "raw_replace_synced": "write, fsync, rename, fsync directory",
    "offer": "offer",
    "say": "say",
    "raw_read": "open and read 2 files",
    "snapshot": "snapshot",
    "raw_deal": "the files of a deal, each synced",
    "deal": "accept and poll",
    "raw_replace": "write, rename",
    "offer_relaxed": "offer, not durable",
    "say_relaxed": "say, not durable",
    "raw_batch": "the files of {} deals, no sync",
    "batch": "poll, {} deals",
    "batch_relaxed": "poll, {} deals, not durable",
    "raw_stats": "stat {} directories",
    "idle_pass": "idle poll, {} active",
    "raw_reads": "open and read {} files",
    "scan": "full scan, {} active",
    "raw_stat": "stat a directory",
    "raw_syncfs": "syncfs",
    "notification": "rename to notification",
}
"""What a person reads for an operation; its size goes in."""


@click.command(
    epilog="""\b
Examples:
  nom bench
  nom bench --seconds 5
  nom bench /mnt/disk --json
""",
)
@click.argument("directory", required=False, type=click.Path(), metavar="[DIR]")
@click.option(
    "--seconds",
    type=click.IntRange(1, MAX_SECONDS),
    default=int(library.SECONDS),
    show_default=True,
    metavar="N",
    help="About how long to measure.",
)
@common
@click.pass_obj
def bench(app: App, directory: str | None, seconds: int) -> int:
    """Measure what the operations cost here.

    Measures the file system of the data root, or of DIR, with the operations of this program,
    each beside the bare file operations that it needs. RATIO is how many times longer it takes
    than those. Works in a temporary directory in it, which is removed again, also on Ctrl-C; a
    data root that is not there yet is measured where it would be made. Needs about 100 MB.
    """
    found = None
    with _held_signals() as signals:

        @contextmanager
        def at_work() -> Iterator[None]:
            about = plural(seconds, "second")
            app.out.hint(f"measuring for about {about}; Ctrl-C leaves nothing behind")
            with signals.let_through():
                yield

        with suppress(_Stopped):
            found = library.measure(
                app.root if directory is None else directory,
                seconds=seconds,
                planned=directory is None,
                interruptible=at_work,
            )
    if signals.number is not None or found is None:
        return SIGNALLED + (signals.number or signal.SIGINT)
    if app.out.as_json:
        app.out.json(_shape(found))
        return 0
    app.out.lines([*_head(found), []])
    app.out.table(_table(found))
    app.out.lines([[], *map(line, meaning(found))])
    for one in found.findings:
        app.out.lines([[], *lines_of_finding(one)])
    return 0


class _Stopped(BaseException):
    """A signal asked to stop."""


class _Signals:
    """Signals that wait until they are let through.

    Attributes:
        number: of the first one that came.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._open = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.number = self.number or number
        self._check()

    @contextmanager
    def let_through(self) -> Iterator[None]:
        """Let a signal end the block, also one that came before it."""
        self._open = True
        try:
            self._check()
            yield
        finally:
            self._open = False

    def _check(self) -> None:
        if self._open and self.number is not None:
            raise _Stopped


@contextmanager
def _held_signals() -> Iterator[_Signals]:
    """Hold off what asks to stop: while files are removed it would leave some of them."""
    signals = _Signals()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # What is ignored stays ignored: `nohup` asks for that.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    former = {number: signal.signal(number, signals.ask) for number in heard}
    try:
        yield signals
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _shape(found: Measurement) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(found),
        "directory": visible(found.directory),
        "operations": [msgspec.structs.asdict(figure) for figure in found.operations],
        "mount": {key: visible(value) for key, value in found.mount.items()},
        "findings": [shape_of_finding(one) for one in found.findings],
    }


def _head(found: Measurement) -> Iterable[Line]:
    load = f", load {found.load[0]:.2f} before" if found.load else ""
    told = {
        "measured in": visible(found.directory),
        "machine": f"{visible(found.system)}, {found.processors} processors{load}",
    }
    for key, value in told.items():
        yield line(Span(f"{key:<{KEY_WIDTH}}", "dim"), value)
    yield from lines_of_mount(found.mount)


def _table(found: Measurement) -> Table:
    columns = [
        Column("OPERATION"),
        Column("TIMES", right=True, rank=2),
        Column("P50 ms", right=True),
        Column("P90 ms", right=True, rank=1),
        Column("P99 ms", right=True),
        Column("MIN ms", right=True, rank=1),
        Column("RATIO", right=True),
    ]
    return Table(columns, [_row(figure) for figure in found.operations])


def _row(figure: Figure) -> list[Span]:
    raw = figure.operation.startswith("raw_")
    style = "dim" if raw else ""
    label = LABELS[figure.operation].format(f"{figure.size:,}")
    times = (figure.p50_ms, figure.p90_ms, figure.p99_ms, figure.min_ms)
    return [
        Span(f"raw: {label}" if raw else label, style),
        Span(str(figure.repetitions), style),
        *(Span(f"{ms:.3f}", style) for ms in times),
        Span("" if figure.ratio is None else f"{figure.ratio:.2f}", style),
    ]


def meaning(found: Measurement) -> list[str]:
    """Return what the figures come to, in a few sentences."""
    parts = (_cost(found), _deals(found), _offers(found), *_caveats(found))
    return [sentence for sentence in parts if sentence]


def _cost(found: Measurement) -> str:
    synced, bare, offer = map(found.of, ("raw_replace_synced", "raw_replace", "offer"))
    if synced is None or bare is None or offer is None:
        return ""
    return (
        f"Replacing a file durably takes {synced.p50_ms:.2f} ms here, {_times(synced, bare)} as"
        f" long as without fsync; one party makes about {_a_second(offer)} durable offers a second."
    )


def _deals(found: Measurement) -> str:
    deal, batch = found.of("deal"), found.of("batch")
    if deal is None or batch is None:
        return ""
    return (
        f"A durable deal takes {deal.p50_ms:.1f} ms from its acceptance to the archive; a pass with"
        f" {batch.size} of them settles about {_a_second(batch)} a second."
    )


def _offers(found: Measurement) -> str:
    notice, sync = found.of("notification"), found.of("raw_syncfs")
    parts = [
        f"renames are told to watchers within {notice.p99_ms:.1f} ms (p99)"
        if notice is not None
        else "no change notifications arrive, so changes are found by looking",
        f"syncfs takes {sync.p50_ms:.2f} ms" if sync is not None else "there is no syncfs",
        f"times of files go in steps of {found.timestamp_step_ms:.3f} ms"
        if found.timestamp_step_ms is not None
        else "times of files were not seen to move",
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _caveats(found: Measurement) -> Iterable[str]:
    kind = found.mount.get("file system", "").partition(",")[0]
    synced, bare = found.of("raw_replace_synced"), found.of("raw_replace")
    if kind in IN_MEMORY:
        yield f"{kind} is memory: nothing here survives a power cut."
    elif synced is not None and bare is not None and synced.p50_ms < CHEAP * bare.p50_ms:
        yield (
            "A sync costs next to nothing here: either the device has a protected cache, or it"
            " does not keep what it says it has written."
        )
    load = max(found.load, default=0)
    if load > found.processors:
        yield (
            f"The machine had other things to do (load {load:.1f} on {found.processors}"
            " processors): measure again when it has not, and until then compare ratios only."
        )


def _times(figure: Figure, other: Figure) -> str:
    return f"{figure.p50_ms / other.p50_ms:.1f} times" if other.p50_ms else "many times"


def _a_second(figure: Figure) -> str:
    """Return how many of them come to an end in a second, in two digits that count."""
    rate = figure.size * 1000 / figure.p50_ms
    return f"{float(f'{rate:.2g}'):,g}" if rate < 10 else f"{float(f'{rate:.2g}'):,.0f}"
