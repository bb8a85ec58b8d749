"""The decoders under a fuzzer that is led by coverage: `./dev fuzz` calls this with libFuzzer's
arguments, the first of which is the directory of the corpus.

The first byte of an input says which decoder gets the rest. One more number stands for a whole
namespace: what follows are its files, parted by zero bytes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["nom_negotiate"]):
    from tests.hostile.decoding import DECODERS, check, check_files, seeds, words

NAMES = ("alice_state.json", "bob_state.json", "outcome.json", "carol_state.json")
KINDS = tuple(DECODERS)


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    number = kind[0] % (len(KINDS) + 1) if kind else 0
    if number < len(KINDS):
        check(KINDS[number], rest)
    else:
        check_files(dict(zip(NAMES, rest.split(b"\0"), strict=False)), 1_704_312_465)


def plant(corpus: Path) -> None:
    """Write valid files of each kind into the corpus, and the words of the dictionary beside it."""
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as base:
        found = seeds(Path(base) / "prepared")
    for number, kind in enumerate(KINDS):
        for which, data in enumerate(found[kind]):
            (corpus / f"seed-{kind.replace(' ', '-')}-{which}").write_bytes(bytes([number]) + data)
    sets = [found["state"][:2], found["state"][2:4], [*found["state"][:2], found["outcome"][0]]]
    for which, files in enumerate(sets):
        together = bytes([len(KINDS)]) + b"\0".join(files)
        (corpus / f"seed-namespace-{which}").write_bytes(together)
    lines = (word.encode() for word in words() if 0 < len(word.encode()) <= 64)
    quoted = ("".join(f"\\x{byte:02x}" for byte in line) for line in lines)
    corpus.with_suffix(".dict").write_text("".join(f'"{word}"\n' for word in quoted))


if __name__ == "__main__":
    plant(Path(sys.argv[1]))
    atheris.Setup([*sys.argv, f"-dict={Path(sys.argv[1]).with_suffix('.dict')}"], one_input)
    atheris.Fuzz()
