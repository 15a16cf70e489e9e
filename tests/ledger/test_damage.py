"""A ledger in which bits are flipped, or whose end is missing: what is whole goes on, nothing is silently different."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from exporter.facts.counts import Counts, Totals
from exporter.facts.evidence import ContainerEvent, KernelKill, KillCount, KillCounts, RestartScheduled
from exporter.ledger import Batch, Identities, Ledger, Now, Store
from exporter.ledger.store import FILE, SCHEMA
from tests.effort import examples

BOOT = "f" * 32
SHARED = "/system.slice"
NAMES = tuple(f"c{number}" for number in range(20))
IDS = {f"{number:064x}": name for number, name in enumerate(NAMES)}
UNITS = {f"{name}.service": name for name in NAMES}
IDENTITIES = Identities(IDS, UNITS, {SHARED: frozenset(NAMES)})
A_PAGE = 20  # accounts that lie in one page of the file, at most
PAGE_BYTES = 4096


def now(seconds: int) -> Now:
    return Now(BOOT, seconds * 1_000_000, 1000.0 + seconds)


def fill(directory: Path) -> Totals:
    """Every container is started, killed and restarted three times."""
    with closing(Ledger(Store(directory), now(0))) as ledger:
        for turn in range(4):
            evidence: list[ContainerEvent | KernelKill | RestartScheduled] = []
            for number, (container_id, name) in enumerate(IDS.items() if turn else ()):
                cgroup, at_us = f"{SHARED}/{name}.service/libpod-payload-{container_id}", turn * 20_000_000 + number
                evidence += [
                    ContainerEvent(at_us * 1000, container_id, name, "died", f"{name}.service", 137),
                    ContainerEvent(at_us * 1000 + 500, container_id, name, "start", f"{name}.service"),
                    KernelKill(BOOT, at_us, at_us, number + 2, cgroup, cgroup, 1000.0 + turn),
                    RestartScheduled(BOOT, at_us, at_us, f"{name}.service", turn),
                ]
            counts = KillCounts((KillCount(SHARED, 1, turn * len(NAMES), 0),))
            batch = Batch(tuple(evidence), counts, identities=IDENTITIES, cursors={"journal": f"s={turn}"})
            ledger.settle(batch, now(turn * 20 + 20))
        return ledger.settle(Batch(identities=IDENTITIES), now(300))


@pytest.fixture(scope="module")
def written() -> Iterator[tuple[bytes, Totals]]:
    """The file of a ledger, and what it had counted."""
    with tempfile.TemporaryDirectory() as directory:
        totals = fill(Path(directory))
        yield (Path(directory) / FILE).read_bytes(), totals


def opened(directory: Path, seconds: int) -> Totals:
    """What an agent that starts and settles once has counted."""
    with closing(Ledger(Store(directory), now(seconds))) as ledger:
        began = ledger.totals()
        settled = ledger.settle(Batch(), now(seconds + 5))
        assert settled.containers == began.containers
        assert settled.durable
        return settled


def flipped(data: bytes, *bits: int) -> bytes:
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def check_what_is_left(directory: Path, good: Totals, *, most_lost: int) -> None:
    found = opened(directory, 400)
    of_before = {one.name: one for one in good.containers}
    assert all(one == of_before[one.name] for one in found.containers)
    lost = of_before.keys() - {one.name for one in found.containers}
    assert len(lost) <= most_lost
    aside = list(directory.glob(f"{FILE}.*-1"))
    assert found.unattributed_oom_kills == 0
    assert bool(aside) == bool(found.salvaged)
    assert aside or not lost
    if aside:
        assert opened(directory, 500).containers == found.containers
        assert not list(directory.glob(f"{FILE}.*-2"))


def with_each(
    good: Totals, tries: int, spoil: Callable[[random.Random], bytes], most_lost: Callable[[bytes], int]
) -> None:
    for seed in range(tries):
        with tempfile.TemporaryDirectory() as directory:
            spoiled = spoil(random.Random(seed))
            (Path(directory) / FILE).write_bytes(spoiled)
            try:
                check_what_is_left(Path(directory), good, most_lost=most_lost(spoiled))
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error


def test_a_bit_that_is_flipped_loses_what_lies_in_its_page_at_most(written: tuple[bytes, Totals]) -> None:
    data, good = written
    of_user_version = range(60 * 8, 64 * 8)
    bits = [bit for bit in range(len(data) * 8) if bit not in of_user_version]
    with_each(good, examples(1000), lambda chance: flipped(data, chance.choice(bits)), lambda _: A_PAGE // 2)


def test_many_flipped_bits_lose_more_and_make_up_nothing(written: tuple[bytes, Totals]) -> None:
    data, good = written
    spoil = lambda chance: flipped(data, *(chance.randrange(len(data) * 8) for _ in range(20)))  # noqa: E731
    with_each(good, examples(100), spoil, lambda _: len(NAMES))


def test_a_file_without_its_end_has_all_that_lies_before_it(written: tuple[bytes, Totals]) -> None:
    data, good = written
    pages_with_accounts = [at for at in range(0, len(data), PAGE_BYTES) if b"account" in data[at : at + PAGE_BYTES]]

    def most_lost(left: bytes) -> int:
        whole = [at for at in pages_with_accounts if at + PAGE_BYTES <= len(left)]
        return 0 if whole == pages_with_accounts else len(NAMES)

    with_each(good, examples(100), lambda chance: data[: chance.randrange(1, len(data))], most_lost)


def test_what_was_lost_is_named_and_begins_at_0(tmp_path: Path, written: tuple[bytes, Totals]) -> None:
    data, good = written
    at = data.index(b'{"name":"c7"')
    (tmp_path / FILE).write_bytes(flipped(data, at * 8 + 8))
    with closing(Ledger(Store(tmp_path), now(400))) as ledger:
        began = ledger.totals()
        assert began.salvaged_seconds == 1400.0
        assert f"is now {tmp_path / FILE}.damaged-1" in began.salvaged
        assert "1 are known to be lost, and the totals of c7 began anew" in began.salvaged
        found = {one.name: one for one in ledger.settle(Batch(identities=IDENTITIES), now(410)).containers}
        assert found["c7"] == Counts("c7", oom_kills_by_limit=found["c7"].oom_kills_by_limit, exits=found["c7"].exits)
        assert sum(count for _, count in (*found["c7"].oom_kills_by_limit, *found["c7"].exits)) == 0
        assert [found[one.name] for one in good.containers if one.name != "c7"] == [
            one for one in good.containers if one.name != "c7"
        ]
        assert ledger.cursor("journal") == "s=3"


def test_a_lost_book_takes_no_kill_out_of_a_total(tmp_path: Path, written: tuple[bytes, Totals]) -> None:
    data, good = written
    at = data.index(b'{"path":"/system.slice"')
    (tmp_path / FILE).write_bytes(flipped(data, at * 8 + 8))
    assert opened(tmp_path, 400).containers == good.containers


@pytest.mark.parametrize("word", [b"row", b"key", b"body", b"checksum", b"CREATE"])
def test_a_table_that_cannot_be_found_is_salvaged(tmp_path: Path, word: bytes, written: tuple[bytes, Totals]) -> None:
    data, good = written
    at = data.rindex(word, 0, PAGE_BYTES)
    (tmp_path / FILE).write_bytes(flipped(data, at * 8))
    check_what_is_left(tmp_path, good, most_lost=0)


def test_a_word_of_the_file_that_is_no_text_is_salvaged(tmp_path: Path, written: tuple[bytes, Totals]) -> None:
    """SQLite quotes it in its message, which Python cannot decode."""
    data, good = written
    (tmp_path / FILE).write_bytes(flipped(data, data.rindex(b"TABLE row", 0, PAGE_BYTES) * 8 + 7))
    check_what_is_left(tmp_path, good, most_lost=0)


@pytest.mark.parametrize("bit", range(4))
def test_a_flipped_version_is_another_version_or_is_found_out(
    tmp_path: Path, bit: int, written: tuple[bytes, Totals]
) -> None:
    data, good = written
    assert data[63] == SCHEMA
    (tmp_path / FILE).write_bytes(flipped(data, 63 * 8 + bit))
    is_older = SCHEMA ^ 1 << bit < SCHEMA
    check_what_is_left(tmp_path, good, most_lost=0 if is_older else len(NAMES))


def test_a_file_that_is_damaged_while_the_agent_runs_is_written_anew_from_memory(
    tmp_path: Path, written: tuple[bytes, Totals]
) -> None:
    data, _ = written
    (tmp_path / FILE).write_bytes(data)
    with closing(Ledger(Store(tmp_path), now(400))) as ledger:
        rows = ledger._store._rows
        assert rows is not None
        rows.close()
        (tmp_path / FILE).write_bytes(data[:1000] + b"\xff" * (len(data) - 1000))
        event = ContainerEvent(10**12, "9" * 64, "new", "start", "new.service")
        settled = ledger.settle(Batch((event,)), now(410))
        assert settled.durable
    names = {one.name for one in opened(tmp_path, 500).containers}
    assert names == {*NAMES, "new"}
    assert list(tmp_path.glob(f"{FILE}.damaged-1"))


def test_a_file_that_is_damaged_when_a_settlement_fails_is_salvaged_at_once(
    tmp_path: Path, written: tuple[bytes, Totals]
) -> None:
    data, good = written
    (tmp_path / FILE).write_bytes(data)
    with closing(Ledger(Store(tmp_path), now(400))) as ledger:
        rows = ledger._store._rows
        assert rows is not None
        rows.close()
        (tmp_path / FILE).write_bytes(flipped(data, data.index(b'{"name":"c7"') * 8 + 8))
        with pytest.raises(AttributeError):
            ledger.settle(Batch(counts=cast("Any", None)), now(410))
        found = ledger.settle(Batch(), now(420))
        assert (found.durable, found.salvaged_seconds) == (True, 1410.0)
        assert {one.name for one in good.containers} - {one.name for one in found.containers} == {"c7"}


def test_a_ledger_of_before_checksums_is_taken_over_with_all_its_counts(
    tmp_path: Path, written: tuple[bytes, Totals]
) -> None:
    data, good = written
    (tmp_path / "now.db").write_bytes(data)
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute(
            "CREATE TABLE row (kind TEXT, key TEXT, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        database.execute("ATTACH ? AS now", (str(tmp_path / "now.db"),))
        database.execute("INSERT INTO row SELECT kind, key, body FROM now.row")
        database.execute("PRAGMA user_version = 2")
    found = opened(tmp_path, 400)
    assert (found.containers, found.salvaged) == (good.containers, "")
    with closing(Ledger(Store(tmp_path), now(410))) as ledger:
        ledger.settle(Batch(identities=IDENTITIES, cursors={"journal": "s=9"}), now(420))
    data = (tmp_path / FILE).read_bytes()
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    (tmp_path / FILE).write_bytes(flipped(data, data.index(b'{"name":"c7"') * 8 + 8))
    check_what_is_left(tmp_path, good, most_lost=1)


WEB = "/services.slice/services-web.slice"
WEB_ID = "a" * 64
OF_WEB = Identities({WEB_ID: "web"}, {"web.service": "web"}, {WEB: frozenset({"web"})})


def counts_of_web(kills: int) -> KillCounts:
    own = f"{WEB}/web.service/libpod-payload-{WEB_ID}"
    return KillCounts((KillCount(WEB, 7, kills, 0), KillCount(own, 8, kills, 0, WEB_ID)))


@pytest.mark.parametrize("lost", ["account", "book", "life", "host", "all"])
def test_what_the_kernel_still_counts_of_before_the_damage_is_no_kill(tmp_path: Path, lost: str) -> None:
    with closing(Ledger(Store(tmp_path), now(0))) as ledger:
        for turn, kills in enumerate((0, 5)):
            batch = Batch(counts=counts_of_web(kills), identities=OF_WEB, vmstat_oom_kills=kills)
            totals = ledger.settle(batch, now(turn + 1))
        assert [one.oom_kills for one in totals.containers] == [5]
    with closing(sqlite3.connect(tmp_path / FILE)) as database, database:
        database.execute("UPDATE row SET checksum = x'' WHERE kind = ?1 OR ?1 = 'all'", (lost,))
    with closing(Ledger(Store(tmp_path), now(400))) as ledger:
        seen = [ledger.totals()]
        for turn, kills in enumerate((5, 5, 6, 6), start=1):
            batch = Batch(counts=counts_of_web(kills), identities=OF_WEB, vmstat_oom_kills=kills)
            seen.append(ledger.settle(batch, now(400 + turn * 100)))
        begun = 0 if lost in {"account", "all"} else 5
        assert [one.oom_kills for totals in seen[1:] for one in totals.containers] == [
            begun,
            begun,
            begun + 1,
            begun + 1,
        ]
        begun = 0 if lost in {"host", "all"} else 5
        assert [totals.host_oom_kills for totals in seen[1:]] == [begun, begun, begun + 1, begun + 1]
        assert {totals.unattributed_oom_kills for totals in seen} == {0}
