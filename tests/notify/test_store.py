"""What is on its way survives disks that are full, broken, hanging or damaged."""

from __future__ import annotations

import logging
import random
import resource
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.notify.store import FILE, Store
from exporter.rows import Rows
from tests.effort import examples
from tests.notify.host import ONE, Host


def test_a_full_disk_keeps_alerts_in_memory_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()  # no file can be written there, not by root either
    with caplog.at_level(logging.ERROR, "bulkhead"):
        host = Host(tmp_path)
        host.kill("web")
        host.live(60)
    assert host.said(ONE) == [True]
    assert "cannot be written" in host.store.problem
    told = [record for record in caplog.records if "cannot be written" in record.message]
    assert len(told) == 1


def test_a_disk_that_can_be_written_again_has_all_that_was_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    host = Host(tmp_path)
    host.up = dict.fromkeys(host.peers, False)
    host.kill("web")
    host.live(60)
    (tmp_path / FILE).rmdir()
    host.kill("db")
    host.live(60)
    assert host.store.problem == ""
    host.crash()
    host.up = dict.fromkeys(host.peers, True)
    host.deliver()
    assert {one.labels["container"] for _, one in host.taken[ONE]} == {"web", "db"}


def test_what_was_kept_is_read_from_a_disk_that_is_full_since(host: Host) -> None:
    host.up = dict.fromkeys(host.peers, False)
    host.kill("web")
    host.live(60)
    host.store.close()
    host.kill("db")  # while the agent is away
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # no file grows: a full disk, for this process
    try:
        host.start()
        problem = host.store.problem
        host.up = dict.fromkeys(host.peers, True)
        host.deliver()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written" in problem
    assert {one.labels["container"] for _, one in host.taken[ONE]} == {"web", "db"}
    host.live(5)
    host.crash()
    host.live(5)
    assert host.said(ONE) == [True]


def test_what_could_not_be_read_at_the_start_is_taken_in_when_it_can_be_and_never_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(tmp_path)
    host.up = dict.fromkeys(host.peers, False)
    host.live(900)
    host.kill("web")
    host.live(60)
    host.store.close()
    host.kill("db")  # while the agent is away

    def open_file(_: Rows) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(Rows, "_open", open_file)
        host.start()
        host.live(60)
        assert "disk I/O error" in host.outbox.notifications(host.now).problem
    host.up = dict.fromkeys(host.peers, True)
    host.live(10)
    assert host.outbox.notifications(host.now).problem == ""
    assert {one.labels["container"] for _, one in host.taken[ONE]} == {"web", "db"}
    host.crash()
    host.live(5)
    assert host.said(ONE) == [True]


def test_a_page_does_not_wait_for_a_disk_that_hangs(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, came = threading.Event(), threading.Event()

    def save(*_: object) -> None:
        came.set()
        hangs.wait(30)

    monkeypatch.setattr(host.store, "save", save)
    host.kill("web")
    waiting = threading.Thread(target=host.look)
    waiting.start()
    assert came.wait(30)
    assert host.outbox.notifications(host.now).queued == 0  # as it was known before
    hangs.set()
    waiting.join()
    assert host.outbox.notifications(host.now).queued == 2


@pytest.mark.parametrize("spoil", [lambda raw: b"x" * len(raw), lambda raw: raw[:5000] + b"\xff" * (len(raw) - 5000)])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    host = Host(tmp_path)
    host.kill("web")
    host.look()
    host.store.close()
    path = tmp_path / FILE
    path.write_bytes(spoil(path.read_bytes()))
    host.start()
    host.kill("db")
    host.look()
    assert host.store.problem == ""
    host.crash()
    host.deliver()
    assert "db" in {one.labels["container"] for _, one in host.taken[ONE]}


def test_of_a_damaged_file_alerts_that_are_whole_go_on_and_it_is_set_aside(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.up = dict.fromkeys(host.peers, False)
    host.kill("web")
    host.kill("db")
    host.look()
    host.store.close()
    path = tmp_path / FILE
    data = path.read_bytes()
    for seed in range(examples(300)):
        chance = random.Random(seed)
        spoiled = bytearray(data)
        spoiled[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(spoiled) if seed % 4 else data[: chance.randrange(1, len(data))])
        store = Store(tmp_path)
        _, entries = store.load()
        assert {entry.labels["container"] for entry in entries.values()} <= {"web", "db"}, f"seed {seed}"
        assert seed % 4 == 0 or len(entries) >= 1 or b"row" not in spoiled, f"seed {seed}"
        is_aside = (tmp_path / f"{FILE}.damaged-1").exists() or (tmp_path / f"{FILE}.other-format-1").exists()
        assert is_aside == ("is now" in store.salvaged_lately), f"seed {seed}"
        assert is_aside or len(entries) == 2, f"seed {seed}"
        assert store.problem == ""
        store.close()
        again = Store(tmp_path)
        assert again.load()[1] == entries
        assert again.salvaged_lately == ""
        again.close()
        for one in tmp_path.iterdir():
            one.unlink()


def test_the_collector_says_that_the_queue_was_damaged(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.kill("web")
    host.look()
    host.store.close()
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[data.index(b"began_seconds")] ^= 1
    path.write_bytes(data)
    host.start()
    problem = host.outbox.notifications(host.now).problem
    assert f"is now {path}.damaged-1" in problem
    assert "1 are known to be lost" in problem
