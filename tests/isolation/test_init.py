"""`nom init --isolation unix` gives a root to the Unix users it is for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.cli.support import Nom
from tests.support import ALICE, BOB

from nom_negotiate import Desk
from nom_negotiate.store.files import FileStore
from nom_negotiate.store.files.isolation import UnixOwners

UNIX = ("--isolation", "unix", "--poller-user", "61000", "--group", "61100")
AS_ALICE = ("--party", ALICE, "--user", "61001")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")


@pytest.fixture
def nom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Nom:
    return Nom(tmp_path / "root", capsys)


def owner(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def wrong(nom: Nom) -> list[str]:
    owners = FileStore(nom.root).owners
    assert isinstance(owners, UnixOwners)
    return [problem.path for problem in owners.wrong()]


@needs_root
def test_the_root_is_the_pollers_and_the_rooms_are_the_partys(nom: Nom) -> None:
    said = nom.json("init", *UNIX)
    assert (said["isolation"], said["closed"]) == ("unix", True)
    nom.ok("init", *AS_ALICE)
    home = nom.root / "teams" / ALICE
    assert owner(nom.root) == (61000, 61100, 0o750)
    assert owner(home) == (61000, 61100, 0o2750)
    assert owner(home / "private") == (61001, 61001, 0o700)
    assert owner(home / "transactions") == (61001, 61000, 0o2770)
    assert owner(home / "negotiations") == (61000, 61100, 0o3770)
    assert wrong(nom) == []


@needs_root
def test_a_person_reads_who_the_poller_is(nom: Nom) -> None:
    nom.ok("init", *UNIX)
    assert nom.ok("init").out.splitlines()[-1] == (
        "isolation  Unix users; the poller is 61000, the market's group 61100"
    )


@needs_root
def test_it_can_be_repeated_and_mends_owners_and_modes(nom: Nom) -> None:
    nom.ok("init", *UNIX, *AS_ALICE)
    os.chmod(nom.root / "teams" / ALICE / "negotiations", 0o777)
    os.chown(nom.root / "teams" / ALICE / "transactions", 0, 0)
    assert sorted(wrong(nom)) == [
        f"teams/{ALICE}/negotiations",
        f"teams/{ALICE}/transactions",
    ]
    nom.ok("init", *AS_ALICE)
    assert wrong(nom) == []


@needs_root
def test_a_root_with_a_past_keeps_it(nom: Nom) -> None:
    deal = nom.deal()
    nom.ok("init", *UNIX)
    nom.ok("init", *AS_ALICE)
    nom.ok("init", "--party", BOB, "--user", "61002")
    assert wrong(nom) == []
    desk = Desk(nom.root, notice=lambda text: pytest.fail(text))
    for address in (ALICE, BOB):
        party = desk.party(address)
        assert [one.id for one in party.negotiations(archived=True)] == [deal]
        assert len(party.transactions()) == 1
    assert desk.stats().ended == {"agreed": 1}


@needs_root
def test_a_root_with_active_negotiations_is_left_as_it_is(nom: Nom) -> None:
    nom.start()
    result = nom("init", *UNIX)
    assert result.status == 2
    assert "without active negotiations, found 1" in result.err
    assert nom.json("init")["isolation"] == "shared"


def test_nobody_but_root_isolates(nom: Nom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = nom("init", *UNIX)
    assert result.status == 8
    assert "root" in result.err
    assert not nom.root.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--isolation", "unix"), "--poller-user and --group"),
        ((*UNIX, "--open"), "needs a closed data root"),
        (("--poller-user", "nom"), "need --isolation unix"),
        (("--isolation", "unix", "--poller-user", "no-such-user"), "must be a Unix user"),
        (("--isolation", "unix", "--group", "no-such-group"), "must be a Unix group"),
        (("--user", "61001"), "exactly one --party"),
        (AS_ALICE, "--user needs a data root with --isolation unix"),
        ((*UNIX, "--party", ALICE), "--party needs --user"),
    ],
)
@needs_root
def test_what_makes_no_sense_is_refused(nom: Nom, arguments: tuple[str, ...], said: str) -> None:
    result = nom("init", *arguments)
    assert result.status == 2
    assert said in result.err
    assert not nom.root.exists()


@needs_root
def test_an_isolated_root_stays_isolated(nom: Nom) -> None:
    nom.ok("init", *UNIX)
    result = nom("init", "--isolation", "shared")
    assert result.status == 2
    assert "stays so" in result.err


@needs_root
def test_nothing_is_migrated_into_an_isolated_root(nom: Nom) -> None:
    nom.ok("init", *UNIX)
    sample = Path(__file__).parents[2] / "data" / "legacy-sample"
    result = nom("migrate", "run", str(sample))
    assert result.status == 8
    assert "is isolated" in result.err
    assert not (nom.root / "migration").exists()
