"""The disk in memory does what the real one does, and a power cut takes what it may."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from tests.faults import power
from tests.faults.memory_host import MemoryLocks, installed, modules_of_the_file_store
from tests.faults.memory_os import HOME, MemoryOS, NotInMemory, Step
from tests.support import NOON, Clock

from nom_negotiate.store.files import atomic, locking, store

SOAK = os.environ.get("NOM_SOAK") == "1"
NEST = "1/2/3/4/5/6"
"""So deep that no path leaves what both have: one has four `..` at most, and a link one."""

NAMES = ("a", "b", "c")
TOO_LONG = "x" * 256

names = st.sampled_from(NAMES)
paths = st.one_of(
    names,
    st.lists(names, min_size=1, max_size=3).map("/".join),
    st.lists(st.sampled_from((*NAMES, "..", ".")), min_size=1, max_size=4).map("/".join),
    st.sampled_from(("é", "x" * 255, TOO_LONG, f"a/{TOO_LONG}", ".", "a/..")),
)
looked = paths | paths.map("{}/".format)
# What has a name of its own: nobody renames or removes `..`.
named = paths.filter(lambda path: path.rsplit("/", 1)[-1] not in (".", ".."))
# Where two paths are wrong, which one is told first is no matter.
short = named.filter(lambda path: TOO_LONG not in path)
# At most one `..`, at the beginning: links that go up by way of other links could add up to
# more than NEST, and what is done there is done to the machine.
texts = st.one_of(
    names,
    st.lists(names, min_size=1, max_size=3).map("/".join),
    st.lists(names, max_size=2).map(lambda below: "/".join(("..", *below))),
    st.sampled_from(("", ".", "ROOT/a", "ROOT/b/c", "nowhere")),
)
data = st.sampled_from((b"", b"1", b"two", b"three" * 20))
ACCESS = (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)
FLAGS = (os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW)


def flags_of(access: int, more: list[int], directory: bool) -> int:
    flags = access
    for flag in more:
        flags |= flag
    # Both at once mean something else on each kernel.
    return flags | os.O_DIRECTORY if directory and not flags & os.O_CREAT else flags


flags = st.builds(
    flags_of, st.sampled_from(ACCESS), st.lists(st.sampled_from(FLAGS)), st.booleans()
)


def described(os_: Any, path: str) -> Any:
    """Return what is at a path and below it."""
    status = os_.stat(path, follow_symlinks=False)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return "link", os_.readlink(path), status.st_nlink
    if stat.S_ISDIR(status.st_mode):
        return mode, {name: described(os_, f"{path}/{name}") for name in sorted(os_.listdir(path))}
    fd = os_.open(path, os.O_RDONLY)
    try:
        return mode, os_.read(fd, 10_000), status.st_nlink, status.st_size
    finally:
        os_.close(fd)


class SameAsReal(RuleBasedStateMachine):
    """Do the same on both, and compare what they answer."""

    fds = Bundle("fds")

    @initialize()
    def begin(self) -> None:
        self.home = os.path.realpath(tempfile.mkdtemp(prefix="same-as-real-"))
        self.real_root = f"{self.home}/{NEST}"
        self.memory_root = f"{HOME}/{NEST}"
        self.memory = MemoryOS(Clock())
        umask = os.umask(0o022)
        os.umask(umask)
        self.memory.umask_ = umask
        os.makedirs(self.real_root)
        at = HOME
        for name in NEST.split("/"):
            at += f"/{name}"
            self.memory.mkdir(at)
        self.open: dict[int, int] = {}

    def teardown(self) -> None:
        for fd in getattr(self, "open", {}):
            os.close(fd)
        shutil.rmtree(self.home)

    def both(self, call: Any) -> tuple[Any, Any]:
        """Return what both answer to a call that is given an `os`, its root and a translation."""
        results: list[Any] = []
        for os_, root, number in ((os, self.real_root, 0), (self.memory, self.memory_root, 1)):

            def fd(pair: tuple[int, int] | None, number: int = number) -> int | None:
                return None if pair is None else pair[number]

            try:
                results.append(call(os_, root, fd))
            except OSError as error:
                results.append(error)
        real, memory = results
        if isinstance(real, OSError) or isinstance(memory, OSError):
            numbers = [getattr(one, "errno", one) for one in (real, memory)]
            assert numbers[0] == numbers[1], (real, memory)
            assert type(real) is type(memory)
        return real, memory

    def same(self, call: Any) -> None:
        real, memory = self.both(call)
        assert isinstance(real, OSError) or real == memory, (real, memory)

    @rule(target=fds, path=paths, flags=flags, below=st.none() | fds)
    def opened(self, path: str, flags: int, below: tuple[int, int] | None) -> Any:
        def call(os_: Any, root: str, fd: Any) -> Any:
            if below is None:
                return os_.open(f"{root}/{path}", flags, 0o640)
            return os_.open(path, flags, 0o640, dir_fd=fd(below))

        real, memory = self.both(call)
        if isinstance(real, OSError):
            return multiple()
        if not os.readlink(f"/proc/self/fd/{real}").startswith(self.real_root):
            # From a directory above the root a path would lead further up, and out of NEST.
            os.close(real)
            self.memory.close(memory)
            return multiple()
        self.open[real] = memory
        return real, memory

    @rule(pair=consumes(fds))
    def close(self, pair: tuple[int, int]) -> None:
        os.close(pair[0])
        self.memory.close(pair[1])
        del self.open[pair[0]]

    @rule(pair=fds, data=data)
    def write(self, pair: tuple[int, int], data: bytes) -> None:
        self.same(lambda os_, root, fd: os_.write(fd(pair), data))

    @rule(pair=fds, length=st.sampled_from((0, 1, 2, 1000)))
    def read(self, pair: tuple[int, int], length: int) -> None:
        self.same(lambda os_, root, fd: os_.read(fd(pair), length))

    @rule(pair=fds, offset=st.integers(0, 5))
    def read_at(self, pair: tuple[int, int], offset: int) -> None:
        self.same(lambda os_, root, fd: os_.pread(fd(pair), 3, offset))

    @rule(pair=fds, offset=st.integers(-1, 5), whence=st.sampled_from((0, 1, 2)))
    def seek(self, pair: tuple[int, int], offset: int, whence: int) -> None:
        if not stat.S_ISDIR(os.fstat(pair[0]).st_mode):
            self.same(lambda os_, root, fd: os_.lseek(fd(pair), offset, whence))

    @rule(pair=fds, length=st.sampled_from((0, 2, 9)))
    def shorten(self, pair: tuple[int, int], length: int) -> None:
        self.same(lambda os_, root, fd: os_.ftruncate(fd(pair), length))

    @rule(pair=fds)
    def look_at_open(self, pair: tuple[int, int]) -> None:
        def call(os_: Any, root: str, fd: Any) -> Any:
            status = os_.fstat(fd(pair))
            if stat.S_ISDIR(status.st_mode):
                return status.st_mode, sorted(os_.listdir(fd(pair)))
            return status.st_mode, status.st_size, status.st_nlink

        self.same(call)
        os.fsync(pair[0])
        self.memory.fsync(pair[1])

    @rule(pair=fds, mode=st.sampled_from((0o600, 0o755)))
    def change_mode_of_open(self, pair: tuple[int, int], mode: int) -> None:
        self.same(lambda os_, root, fd: os_.fchmod(fd(pair), mode))

    @rule(path=paths, mode=st.sampled_from((0o600, 0o750)))
    def change_mode(self, path: str, mode: int) -> None:
        if os.geteuid() == 0:
            self.same(lambda os_, root, fd: os_.chmod(f"{root}/{path}", mode))

    @rule(path=paths, length=st.sampled_from((0, 2, 9)))
    def truncate(self, path: str, length: int) -> None:
        self.same(lambda os_, root, fd: os_.truncate(f"{root}/{path}", length))

    @rule(path=looked, follow=st.booleans(), below=st.none() | fds)
    def look(self, path: str, follow: bool, below: tuple[int, int] | None) -> None:
        def call(os_: Any, root: str, fd: Any) -> Any:
            where = path if below is not None else f"{root}/{path}"
            status = os_.stat(where, follow_symlinks=follow, dir_fd=fd(below))
            return status.st_mode, stat.S_ISREG(status.st_mode) and status.st_size

        self.same(call)

    @rule(path=looked)
    def ask(self, path: str) -> None:
        def call(os_: Any, root: str, fd: Any) -> Any:
            verbs = ("lexists", "exists", "isdir", "isfile", "islink")
            return [getattr(os_.path, verb)(f"{root}/{path}") for verb in verbs]

        self.same(call)

    @rule(path=looked, below=st.none() | fds)
    def scan(self, path: str, below: tuple[int, int] | None) -> None:
        def call(os_: Any, root: str, fd: Any) -> Any:
            with os_.scandir(f"{root}/{path}" if below is None else fd(below)) as entries:
                return sorted(
                    (
                        entry.name,
                        entry.path.removeprefix(root).replace("//", "/"),
                        entry.is_symlink(),
                        entry.is_dir(follow_symlinks=False),
                        entry.is_file(follow_symlinks=False),
                        entry.stat(follow_symlinks=False).st_mode,
                    )
                    for entry in entries
                )

        self.same(call)

    @rule(path=paths)
    def read_link(self, path: str) -> None:
        real, memory = self.both(lambda os_, root, fd: os_.readlink(f"{root}/{path}"))
        if isinstance(real, str):
            assert real.replace(self.real_root, "") == memory.replace(self.memory_root, "")

    @rule(one=short, other=short)
    def rename(self, one: str, other: str) -> None:
        self.same(lambda os_, root, fd: os_.rename(f"{root}/{one}", f"{root}/{other}"))

    @rule(one=short, other=short)
    def link(self, one: str, other: str) -> None:
        self.same(
            lambda os_, root, fd: os_.link(
                f"{root}/{one}", f"{root}/{other}", follow_symlinks=False
            )
        )

    @rule(text=texts, path=named)
    def symlink(self, text: str, path: str) -> None:
        # The text of an absolute one is as long as its root, and so it is not compared.
        self.same(lambda os_, root, fd: os_.symlink(text.replace("ROOT", root), f"{root}/{path}"))

    @rule(path=named)
    def unlink(self, path: str) -> None:
        self.same(lambda os_, root, fd: os_.unlink(f"{root}/{path}"))

    @rule(path=named, mode=st.sampled_from((0o755, 0o700)))
    def make_directory(self, path: str, mode: int) -> None:
        self.same(lambda os_, root, fd: os_.mkdir(f"{root}/{path}", mode))

    @rule(path=named)
    def remove_directory(self, path: str) -> None:
        self.same(lambda os_, root, fd: os_.rmdir(f"{root}/{path}"))

    @invariant()
    def the_trees_are_the_same(self) -> None:
        if hasattr(self, "home"):
            # From one level below: the directory itself was made in another way.
            real = repr(described(os, f"{self.home}/1")).replace(self.real_root, "ROOT")
            memory = repr(described(self.memory, f"{HOME}/1")).replace(self.memory_root, "ROOT")
            assert real == memory

    @invariant()
    def what_is_held_has_a_number_of_its_own(self) -> None:
        if hasattr(self, "home"):
            disk = self.memory.disk
            open_ = {one.inode for one in disk.fds.values()}
            held = [i for id_, i in disk.inodes.items() if i.links or id_ in open_]
            assert len({inode.number for inode in held}) == len(held)
            assert not {inode.number for inode in held} & set(disk.free)


SameAsReal.TestCase.settings = settings(
    max_examples=2000 if SOAK else 120,
    stateful_step_count=60 if SOAK else 40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestSameAsReal = SameAsReal.TestCase


# Steps


def test_a_step_is_told_before_and_after_and_a_write_in_its_middle() -> None:
    memory = MemoryOS(Clock())
    told: list[str] = []
    memory.step = lambda step: told.append(f"{step.when} {step.name} {int(step.changes)}")
    fd = memory.open(f"{HOME}/a", os.O_WRONLY | os.O_CREAT)
    memory.write(fd, b"1234")
    with pytest.raises(FileNotFoundError):
        memory.unlink(f"{HOME}/b")
    memory.listdir(HOME)
    assert told == [
        *("before open 1", "after open 1"),
        *("before write 1", "middle write 1", "after write 1"),
        *("before unlink 1", "after unlink 1"),
        *("before listdir 0", "after listdir 0"),
    ]


def test_what_a_step_raises_ends_the_program_there() -> None:
    memory = MemoryOS(Clock())

    class Crash(BaseException):
        pass

    def crash(step: Step) -> None:
        if step.when == "middle":
            raise Crash

    memory.step = crash
    fd = memory.open(f"{HOME}/a", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(Crash):
        memory.write(fd, b"1234")
    assert memory.tree() == {"a": b"12"}


def test_a_fork_is_independent() -> None:
    memory = MemoryOS(Clock())
    fd = memory.open(f"{HOME}/a", os.O_WRONLY | os.O_CREAT)
    fork = memory.fork()
    for twin, data in ((memory, b"one"), (fork, b"other")):
        twin.write(fd, data)
        twin.mkdir(f"{HOME}/{data.decode()}")
    assert memory.tree() == {"a": b"one", "one": None}
    assert fork.tree() == {"a": b"other", "other": None}


def test_nothing_that_is_not_in_memory_is_let_through() -> None:
    memory = MemoryOS(Clock())
    for call in ("walk", "system", "mkfifo", "lockf", "getenv"):
        with pytest.raises(NotInMemory):
            getattr(memory, call)
    with pytest.raises(NotInMemory):
        memory.path.realpath("/")
    with pytest.raises(NotInMemory):
        memory.open("relative", os.O_RDONLY)


# Installed


def test_the_file_store_works_in_memory_while_it_is_installed() -> None:
    before = vars(atomic)["os"], locking.exclusive
    memory = MemoryOS(Clock())
    with installed(memory):
        assert vars(atomic)["os"] is memory
        found = store.FileStore(f"{HOME}/data")
        with found.polling() as free:
            assert free
            with found.polling() as again:
                assert not again
        with found.polling() as once_more:
            assert once_more
    assert (vars(atomic)["os"], locking.exclusive) == before
    assert memory.tree()["data/poller/lock"] == b""
    assert not memory.disk.fds
    assert not os.path.exists(HOME)


def test_no_module_of_the_file_store_gets_past_it() -> None:
    memory = MemoryOS(Clock())
    real = (os, os.path, time, locking.exclusive)
    with installed(memory):
        for module in modules_of_the_file_store():
            for name, value in vars(module).items():
                assert not any(value is one for one in real), f"{module.__name__}.{name}"
                where = getattr(value, "__module__", None)
                assert where not in ("os", "posix", "posixpath", "io"), f"{module.__name__}.{name}"


def test_a_lock_is_let_go_when_its_holder_dies() -> None:
    memory = MemoryOS(Clock())
    who = "one"
    asked: list[tuple[str, float]] = []

    def wait(path: str, timeout_s: float) -> bool:
        asked.append((path, timeout_s))
        locks.died("one")
        return True

    locks = MemoryLocks(holder=lambda: who, wait=wait)
    with locks.exclusive(memory, f"{HOME}/lock", 5) as had:
        assert had
        who = "other"
        with locks.exclusive(memory, f"{HOME}/lock", 5) as had_too:
            assert had_too
            assert asked == [(f"{HOME}/lock", 5)]


# Power cuts


def contents(memory: MemoryOS, limit: int = 1000) -> list[dict[str, Any]]:
    """Return every tree that a power cut may leave."""
    found = power.worlds(memory, Random(0), limit)
    assert found.complete
    trees = [world.tree() for world in found.all]
    assert sorted(map(repr, trees)) == sorted(map(repr, memory_worlds(memory, limit)))
    return trees


def memory_worlds(memory: MemoryOS, limit: int) -> list[dict[str, Any]]:
    return [world.tree() for world in memory.worlds(Random(0), limit)]


def put(memory: MemoryOS, name: str, data: bytes, *, sync: bool = False) -> None:
    fd = memory.open(f"{HOME}/{name}", os.O_WRONLY | os.O_CREAT)
    memory.write(fd, data)
    if sync:
        memory.fsync(fd)
    memory.close(fd)


def sync(memory: MemoryOS, name: str = "") -> None:
    fd = memory.open(f"{HOME}/{name}".rstrip("/"), os.O_RDONLY)
    memory.fsync(fd)
    memory.close(fd)


@pytest.fixture
def memory() -> MemoryOS:
    return MemoryOS(Clock())


def unordered(trees: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted(tree.items())) for tree in trees)


def test_a_file_that_was_not_synced_is_missing_empty_half_or_whole(memory: MemoryOS) -> None:
    put(memory, "a", b"1234")
    assert unordered(contents(memory)) == unordered([{}, {"a": b""}, {"a": b"12"}, {"a": b"1234"}])


def test_the_content_and_the_name_are_durable_each_by_its_own_sync(memory: MemoryOS) -> None:
    put(memory, "a", b"1234", sync=True)
    assert unordered(contents(memory)) == unordered([{}, {"a": b"1234"}])
    sync(memory)
    assert contents(memory) == [{"a": b"1234"}]
    put(memory, "b", b"1234")
    sync(memory)
    assert {len(tree["b"]) for tree in contents(memory)} == {0, 2, 4}


def test_what_is_appended_leaves_what_was_synced(memory: MemoryOS) -> None:
    put(memory, "a", b"1234", sync=True)
    sync(memory)
    fd = memory.open(f"{HOME}/a", os.O_WRONLY | os.O_APPEND)
    memory.write(fd, b"56")
    assert unordered(contents(memory)) == unordered(
        [{"a": b"1234"}, {"a": b"12345"}, {"a": b"123456"}]
    )
    memory.ftruncate(fd, 0)
    memory.write(fd, b"98")
    assert {tree["a"] for tree in contents(memory)} == {b"1234", b"", b"9", b"98"}


def test_a_rename_is_whole_and_needs_the_name_that_it_renames(memory: MemoryOS) -> None:
    put(memory, "old", b"1", sync=True)
    put(memory, "new", b"2", sync=True)
    sync(memory)
    put(memory, "new.tmp", b"3", sync=True)
    memory.rename(f"{HOME}/new.tmp", f"{HOME}/new")
    memory.unlink(f"{HOME}/old")
    assert unordered(contents(memory)) == unordered(
        [
            {**old, **new}
            for old in ({"old": b"1"}, {})
            for new in ({"new": b"2"}, {"new": b"2", "new.tmp": b"3"}, {"new": b"3"})
        ]
    )


def test_a_rename_is_durable_when_both_of_its_directories_are(memory: MemoryOS) -> None:
    for name in ("one", "two"):
        memory.mkdir(f"{HOME}/{name}")
    sync(memory)
    put(memory, "one/a", b"1", sync=True)
    sync(memory, "one")
    memory.rename(f"{HOME}/one/a", f"{HOME}/two/a")
    put(memory, "two/b", b"", sync=True)
    sync(memory, "two")
    made = {"one": None, "two": None, "two/b": b""}
    assert unordered(contents(memory)) == unordered(
        [{**made, "one/a": b"1"}, {**made, "two/a": b"1"}]
    )
    memory.unlink(f"{HOME}/two/a")
    assert len(contents(memory)) == 3
    sync(memory, "two")
    assert unordered(contents(memory)) == unordered([{**made, "one/a": b"1"}, made])
    sync(memory, "one")
    assert contents(memory) == [made]


def test_a_directory_without_a_durable_name_takes_its_content_along(memory: MemoryOS) -> None:
    memory.mkdir(f"{HOME}/a")
    put(memory, "a/b", b"1", sync=True)
    sync(memory, "a")
    memory.rename(f"{HOME}/a", f"{HOME}/c")
    assert unordered(contents(memory)) == unordered(
        [{}, {"a": None, "a/b": b"1"}, {"c": None, "c/b": b"1"}]
    )


def test_a_link_and_the_removal_of_its_source_are_independent(memory: MemoryOS) -> None:
    put(memory, "a.tmp", b"1", sync=True)
    sync(memory)
    memory.link(f"{HOME}/a.tmp", f"{HOME}/a")
    memory.unlink(f"{HOME}/a.tmp")
    assert unordered(contents(memory)) == unordered(
        [{}, {"a": b"1"}, {"a.tmp": b"1"}, {"a": b"1", "a.tmp": b"1"}]
    )
    for world in memory.worlds(Random(0), 10):
        links = {name: world.stat(f"{HOME}/{name}").st_nlink for name in world.tree()}
        assert set(links.values()) <= {len(links)}
        assert list(world.worlds(Random(0), 10)) != []
        assert contents(world) == [world.tree()]


def test_a_mode_is_durable_with_its_file(memory: MemoryOS) -> None:
    put(memory, "a", b"", sync=True)
    sync(memory)
    memory.chmod(f"{HOME}/a", 0o600)

    def modes() -> set[int]:
        worlds = memory.worlds(Random(0), 10)
        return {stat.S_IMODE(world.stat(f"{HOME}/a").st_mode) for world in worlds}

    assert modes() == {0o755, 0o600}
    sync(memory, "a")
    assert modes() == {0o600}


def test_a_sample_has_the_extremes_and_says_that_it_is_one(memory: MemoryOS) -> None:
    for number in range(12):
        put(memory, str(number), b"1", sync=True)
    sample = power.worlds(memory, Random(1), 40)
    assert not sample.complete
    trees = [world.tree() for world in sample.all]
    assert len(trees) == 40
    sizes = [len(tree) for tree in trees]
    assert sizes[:2] == [0, 12]
    assert {1, 11} <= set(sizes)
    again = power.worlds(memory, Random(1), 40)
    assert [world.tree() for world in again.all] == trees


def test_time_passes_as_the_clock_says(memory: MemoryOS) -> None:
    put(memory, "a", b"1")
    assert memory.stat(f"{HOME}/a").st_mtime == NOON
