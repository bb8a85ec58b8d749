"""The file of the last scan: it is believed as it was written, and not at all otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nom_negotiate.store.files import scancache
from nom_negotiate.store.files.atomic import Disk
from nom_negotiate.store.files.scancache import TAIL_BYTES, Cache, Due, Header, Rows, ScanFile

AT = 1_704_312_345
HOME = "alice@stonybrook.edu"
ROW = ("alice_bob_C_1", 1, 2, 3, AT + 60, "bob@stonybrook.edu")
CACHE = {HOME: Rows()}
CACHE[HOME].add(*ROW)


class Recording(Disk):
    """A disk that says how much is written."""

    def __init__(self) -> None:
        super().__init__(durable=False)
        self.written = 0

    def _write(self, fd: int, data: bytes) -> None:
        self.written += len(data)
        super()._write(fd, data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scan"


@pytest.fixture
def disk() -> Recording:
    return Recording()


@pytest.fixture
def file(path: Path, disk: Recording) -> ScanFile:
    return ScanFile(str(path), disk)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many bytes each read has brought."""
    sizes: list[int] = []
    pread = os.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counted)
    return sizes


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that starts the machine anew."""
    return lambda name: monkeypatch.setattr(scancache, "boot_id", lambda: name)


def name(number: int) -> str:
    return f"{HOME}:alice_bob_C_{number:05d}"


def due(*seconds: int) -> list[Due]:
    return [Due(AT + s, name(s)) for s in sorted(seconds, reverse=True)]


def rows(cache: Cache) -> dict[str, list[tuple[Any, ...]]]:
    return {home: list(found) for home, found in cache.items()}


def header_of(file: ScanFile) -> Header:
    found = file.glance()
    assert found is not None
    return found[0]


def next_due(file: ScanFile) -> int | None:
    found = file.glance()
    assert found is not None
    return None if found[1] is None else found[1] - AT


# What was written


def test_what_a_scan_has_seen_is_found_again(file: ScanFile) -> None:
    file.write(AT, CACHE, due(60, 5, 7))
    found = header_of(file)
    assert found.at == AT
    assert rows(file.cache(found)) == rows(CACHE)
    assert next_due(file) == 5


def test_a_scan_that_found_nothing_says_so(file: ScanFile) -> None:
    file.write(AT, {}, [])
    assert file.cache(header_of(file)) == {}
    assert next_due(file) is None
    assert file.pop(header_of(file), AT + 10**9) == []


def test_a_scan_takes_the_place_of_the_one_before(file: ScanFile) -> None:
    file.write(AT, CACHE, due(5))
    file.write(AT + 300, {}, due(400))
    assert header_of(file).at == AT + 300
    assert file.cache(header_of(file)) == {}
    assert next_due(file) == 400


def test_a_scan_leaves_no_other_file_behind(file: ScanFile, path: Path) -> None:
    file.write(AT, CACHE, due(5))
    file.write(AT, CACHE, due(5))
    assert os.listdir(path.parent) == ["scan"]


def test_names_that_are_not_ascii_are_found_again(file: ScanFile) -> None:
    file.write(AT, {}, [Due(AT, f"{HOME}:größe_bob_C_1")])
    assert file.pop(header_of(file), AT + 1) == [f"{HOME}:größe_bob_C_1"]


# What is due


def test_what_was_due_is_taken_and_the_rest_stays(file: ScanFile) -> None:
    file.write(AT, CACHE, due(9, 1, 5, 3))
    found = header_of(file)
    assert sorted(file.pop(found, AT + 5) or ()) == [name(1), name(3)]
    assert next_due(file) == 5
    assert file.pop(found, AT + 5) == []
    assert file.pop(found, AT + 100) == [name(9), name(5)]
    assert next_due(file) is None
    assert rows(file.cache(found)) == rows(CACHE)


def test_what_is_started_since_the_scan_is_due_in_its_turn(file: ScanFile) -> None:
    file.write(AT, CACHE, due(9, 5, 3))
    found = header_of(file)
    assert file.push(found, due(4, 1))
    assert next_due(file) == 1
    taken = [file.pop(found, AT + second + 1) for second in (1, 3, 4, 5, 9)]
    assert taken == [[name(1)], [name(3)], [name(4)], [name(5)], [name(9)]]
    assert rows(file.cache(found)) == rows(CACHE)


def test_what_is_due_at_the_same_second_is_all_taken(file: ScanFile) -> None:
    rows = [Due(AT, name(number)) for number in range(3)]
    file.write(AT, {}, rows)
    assert file.push(header_of(file), [Due(AT, name(7))])
    taken = file.pop(header_of(file), AT + 1)
    assert sorted(taken or ()) == [name(0), name(1), name(2), name(7)]


def test_nothing_new_to_be_due_changes_nothing(file: ScanFile, path: Path) -> None:
    file.write(AT, CACHE, due(5))
    before = path.read_bytes()
    assert file.push(header_of(file), [])
    assert path.read_bytes() == before


def test_the_end_of_a_long_due_list_is_read_and_written_alone(
    file: ScanFile, disk: Recording, path: Path, reads: list[int]
) -> None:
    file.write(AT, CACHE, due(*range(10_000)))
    size = path.stat().st_size
    assert size > 50 * TAIL_BYTES
    found = header_of(file)
    assert next_due(file) == 0
    disk.written = 0
    assert file.pop(found, AT + 3) == [name(2), name(1), name(0)]
    assert file.push(found, due(4, 1))
    assert next_due(file) == 1
    assert max(reads) <= TAIL_BYTES
    assert disk.written < TAIL_BYTES


def test_all_of_a_long_due_list_is_taken_where_all_of_it_is_due(file: ScanFile) -> None:
    file.write(AT, CACHE, due(*range(10_000)))
    found = header_of(file)
    assert file.pop(found, AT + 9_000) == [name(number) for number in range(8_999, -1, -1)]
    assert next_due(file) == 9_000
    assert len(file.pop(found, AT + 10_000) or ()) == 1_000
    assert next_due(file) is None
    assert rows(file.cache(found)) == rows(CACHE)


@given(
    st.lists(st.integers(0, 50), max_size=300),
    st.lists(st.one_of(st.integers(0, 50), st.lists(st.integers(0, 50), max_size=300)), max_size=8),
)
def test_the_due_list_is_a_queue_by_time(
    tmp_path_factory: pytest.TempPathFactory, first: list[int], steps: list[Any]
) -> None:
    file = ScanFile(str(tmp_path_factory.mktemp("due") / "scan"), Disk(durable=False))
    file.write(AT, CACHE, due(*first))
    found, model = header_of(file), list(first)
    for step in steps:
        if isinstance(step, list):
            assert file.push(found, due(*step))
            model += step
        else:
            taken = file.pop(found, AT + step)
            assert taken is not None
            assert sorted(taken) == sorted(name(at) for at in model if at < step)
            model = [at for at in model if at >= step]
        assert next_due(file) == min(model, default=None)
        assert rows(file.cache(found)) == rows(CACHE)


# What is not believed


def test_without_a_file_nothing_is_known(file: ScanFile) -> None:
    assert file.glance() is None


def test_another_start_of_the_machine_is_not_believed(
    file: ScanFile, boot: Callable[[str], None]
) -> None:
    boot("0f0e0d0c-0000-4000-8000-000000000001")
    file.write(AT, CACHE, due(5))
    assert file.glance() is not None
    boot("0f0e0d0c-0000-4000-8000-000000000002")
    assert file.glance() is None


def test_where_starts_cannot_be_told_apart_no_scan_is_believed(
    file: ScanFile, boot: Callable[[str], None]
) -> None:
    boot("")
    file.write(AT, CACHE, due(5))
    assert file.glance() is None


def test_a_scan_from_the_future_says_when_it_was(file: ScanFile) -> None:
    # Whoever asks has a clock, and judges.
    file.write(AT + 10**9, CACHE, due(5))
    assert header_of(file).at == AT + 10**9


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def without_its_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().partition(b"\n")[2])


def field(position: int, value: bytes) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        line, _, rest = path.read_bytes().partition(b"\n")
        fields = line.split(b" ")
        fields[position] = value
        path.write_bytes(b" ".join(fields) + b"\n" + rest)

    return change


def tail(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(path.read_bytes() + data)


LOST: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "blocks that were never written": lambda path: path.write_bytes(b"\0" * 4096),
    "not ours": lambda path: path.write_bytes(b"hello\n" * 100),
    "a directory": directory,
    "a FIFO": fifo,
    "a link": link,
    "a link to itself": link_to_itself,
    "without its header": without_its_header,
    "of another version": field(0, b"nom.scan/1"),
    "no boot id": field(1, b"-"),
    "no time": field(2, b"soon"),
    "no size": field(3, b"x"),
    "a size below nothing": field(3, b"-1"),
    "a size beyond the file": field(3, b"99999"),
    "a size beyond any file": field(3, b"9" * 40),
    "no checksum": field(4, b""),
    "a header without end": lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b" ")),
    "a due line that is none": tail(b"hello\n"),
    "a due line without its end": tail(b"1704312345 alice"),
    "a due line that is no UTF-8": tail(b"1704312345 \xff\xfe\n"),
    "a due time that is none": tail(b"9e9 alice@x:y\n"),
    "a blank line": tail(b"\n"),
}


@pytest.mark.parametrize("damage", LOST.values(), ids=LOST)
def test_a_file_that_is_not_what_was_written_is_as_good_as_none(
    file: ScanFile, path: Path, damage: Callable[[Path], object]
) -> None:
    file.write(AT, CACHE, due(5, 9))
    damage(path)
    assert file.glance() is None


@pytest.mark.parametrize("damage", LOST.values(), ids=LOST)
def test_the_next_scan_puts_a_damaged_file_right(
    file: ScanFile, path: Path, damage: Callable[[Path], object]
) -> None:
    file.write(AT, CACHE, due(5, 9))
    damage(path)
    if path.is_dir() and not path.is_symlink():
        # Not ours to remove.
        with pytest.raises(OSError, match="directory"):
            file.write(AT, CACHE, due(5, 9))
        return
    file.write(AT, CACHE, due(5, 9))
    assert next_due(file) == 5
    assert path.is_file()
    assert not path.is_symlink()


@pytest.mark.parametrize("damage", LOST.values(), ids=LOST)
def test_what_is_damaged_after_it_was_looked_at_costs_no_more_than_a_look(
    file: ScanFile, path: Path, damage: Callable[[Path], object]
) -> None:
    file.write(AT, CACHE, due(5, 9))
    found = header_of(file)
    damage(path)
    # The header is not read again: what follows it may be as it was.
    assert rows(file.cache(found)) in (rows(CACHE), {})
    assert set(file.pop(found, AT + 6) or ()) <= {name(5), name(9)}


def test_a_cache_with_one_bit_changed_is_not_believed(file: ScanFile, path: Path) -> None:
    file.write(AT, CACHE, due(5))
    found, data = header_of(file), path.read_bytes()
    for position in range(found.begin, found.end):
        changed = bytearray(data)
        changed[position] ^= 1
        path.write_bytes(changed)
        assert file.cache(found) == {}, position


@pytest.mark.parametrize(
    "content",
    [
        b'{"alice@x":{"alice_bob_C_1":[1,2,3]}}\n',
        b'["alice@x",["alice_bob_C_1"]]\n',
        b'["alice@x",["a","b"],[1],[2],[3],[4],["bob@x"]]\n',
        b'["alice@x",["a"],[1],[2],[-3],[4],["bob@x"]]\n',
        b'["alice@x",["a"],[1],[9223372036854775808],[3],[4],["bob@x"]]\n',
        b'["alice@x",["a"],[1],[2],[3],[4],["bob@x"]]',
        b"\n",
    ],
)
def test_a_cache_of_another_shape_is_not_believed(
    file: ScanFile, path: Path, content: bytes
) -> None:
    file.write(AT, CACHE, [])
    start = path.read_bytes().split(b" ")[:3]
    path.write_bytes(b"%b %d %d\n%b" % (b" ".join(start), len(content), crc32(content), content))
    assert file.cache(header_of(file)) == {}


def test_what_is_written_in_many_parts_is_found_again(
    file: ScanFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scancache, "WRITE_BYTES", 10)
    cache = {f"team{number}@x": Rows() for number in range(3)}
    for home, found in cache.items():
        found.add(*ROW)
        found.add(f"{home}_bob_C_2", *ROW[1:])
    file.write(AT, cache, due(*range(100)))
    assert rows(file.cache(header_of(file))) == rows(cache)
    assert file.pop(header_of(file), AT + 100) == [name(number) for number in reversed(range(100))]


def test_a_file_that_is_cut_short_anywhere_is_as_good_as_none_or_has_lost_what_was_due(
    file: ScanFile, path: Path
) -> None:
    file.write(AT, CACHE, due(5, 7, 9))
    whole, found = path.read_bytes(), header_of(file)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        glance = file.glance()
        if size < found.end:
            assert glance is None, size
            assert file.pop(found, AT + 100) is None
            assert not file.push(found, due(1))
        else:
            # The whole lines that are left; a scan finds what was due.
            left = whole[found.end : size]
            assert (glance is not None) == (left == b"" or left.endswith(b"\n")), size
            if glance is not None:
                assert glance[1] in (None, AT + 7, AT + 9)
                assert rows(file.cache(found)) == rows(CACHE)


@given(st.data())
def test_no_damage_makes_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damage") / "scan"
    file = ScanFile(str(path), Disk(durable=False))
    file.write(AT, CACHE, due(5, 7, 9))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        position = data.draw(st.integers(0, len(content)))
        content[position : position + data.draw(st.integers(0, 9))] = data.draw(
            st.one_of(st.binary(max_size=9), st.sampled_from([b" ", b"\n", b"99999999", b"-"]))
        )
    path.write_bytes(content)
    found = file.glance()
    if found is not None:
        header, _ = found
        assert isinstance(file.cache(header), dict)
        taken = file.pop(header, AT + 100)
        assert taken is None or all(isinstance(each, str) for each in taken)
        assert file.push(header, due(1)) in (True, False)
    file.write(AT, CACHE, due(5))
    assert next_due(file) == 5
