from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.config import Alertmanager
from exporter.notify import couriers
from exporter.notify.couriers import LONGEST_RETRY_SECONDS, Couriers, Post, backoff_seconds
from exporter.notify.notifier import Notifier, OutgoingNow
from exporter.notify.outbox import Outbox
from exporter.notify.post import Answer, post
from exporter.notify.posting import Posting
from exporter.notify.store import Store
from exporter.report.thresholds import Thresholds
from tests.notify.alertmanager import (
    Behaviour,
    FakeAlertmanager,
    accepts,
    alertmanager,
    answers,
    closes,
    rejecting,
    wedged,
)
from tests.notify.totals import ORIGIN, totals

PATIENCE_SECONDS = 20
RESEND_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LONGEST_RETRY_SECONDS", 0.05)


@contextmanager
def running(directory: Path | None, *fakes: FakeAlertmanager | str, send: Post = post) -> Iterator[Notifier]:
    """A notifier of an agent that has settled in."""
    urls = [fake if isinstance(fake, str) else fake.url for fake in fakes]
    peers = tuple(Alertmanager(url, timeout_seconds=0.3) for url in urls)
    outbox = Outbox(Store(directory), ORIGIN, Thresholds, tuple(urls), RESEND_SECONDS)
    sending = Couriers(OutgoingNow(outbox), peers, RESEND_SECONDS, send)
    made = Notifier(outbox, sending.wake)
    stop = threading.Event()
    thread = threading.Thread(target=sending.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
        outbox.close()


def eventually(holds: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.01)
    return True


def kill(made: Notifier, *names: str) -> None:
    made.see_totals(totals(web=0, db=0))
    made.see_totals(totals(**{"web": 0, "db": 0} | dict.fromkeys(names, 1)))


def results(made: Notifier, fake: FakeAlertmanager) -> dict[str, int]:
    return {one.result: one.count for one in made.notifications().deliveries if one.alertmanager == fake.url}


def test_every_alertmanager_is_told_at_once(tmp_path: Path) -> None:
    with alertmanager() as one, alertmanager() as two, running(tmp_path, one, two) as made:
        began = time.monotonic()
        kill(made, "web")
        assert one.came.acquire(timeout=PATIENCE_SECONDS)
        assert two.came.acquire(timeout=PATIENCE_SECONDS)
        assert time.monotonic() - began < 5
        assert one.names() == two.names() == ["web"]
        assert eventually(lambda: made.notifications().queued == 0)
        assert results(made, one) == {"accepted": 1, "rejected": 0, "failed": 0}


@pytest.mark.parametrize("ill", [wedged, closes, answers(500), answers(401), answers(302), answers(429)])
def test_one_that_is_ill_keeps_no_alert_from_the_others_and_gets_it_when_it_is_well(
    ill: Behaviour, tmp_path: Path
) -> None:
    with alertmanager() as well, alertmanager(ill) as other, running(tmp_path, other, well) as made:
        kill(made, "web")
        assert eventually(lambda: well.names() == ["web"])
        assert eventually(lambda: results(made, other)["failed"] > 1)
        assert eventually(lambda: made.notifications().queued == 1)
        other.behaviour = accepts
        assert eventually(lambda: other.names() == ["web"])
        assert eventually(lambda: made.notifications().queued == 0)
        assert len(other.taken) == 1


def test_an_alert_that_is_not_valid_keeps_none_from_being_taken_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.ERROR, "bulkhead"),
        alertmanager(rejecting("db")) as fake,
        running(tmp_path, fake) as made,
    ):
        kill(made, "web", "db")
        assert eventually(lambda: made.notifications().queued == 0)
        made.see_totals(totals(web=1, db=2))
        assert results(made, fake)["rejected"] == 1
        assert fake.names() == ["web"]
    assert [(vars(one)["container"], vars(one)["reason"]) for one in caplog.records] == [
        ("db", 'HTTP 400 Bad Request: "invalid label set"')
    ]


def test_trouble_is_told_when_it_begins_and_when_it_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.INFO, "bulkhead"),
        alertmanager(answers(503)) as fake,
        running(tmp_path, fake) as made,
    ):
        kill(made, "web")
        assert eventually(lambda: results(made, fake)["failed"] > 2)
        fake.behaviour = accepts
        assert eventually(lambda: made.notifications().queued == 0)
    assert [record.message for record in caplog.records] == [
        "Alertmanager takes no alerts: they are kept and tried again",
        "Alertmanager takes alerts again",
    ]


def test_a_delivery_that_meets_a_bug_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []

    def buggy(peer: Alertmanager, postings: Iterable[Posting]) -> Answer:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("a bug")
        return post(peer, postings)

    with alertmanager() as fake, running(tmp_path, fake, send=buggy) as made:
        kill(made, "web")
        assert eventually(lambda: fake.names() == ["web"])
    assert "please report this" in caplog.text


def test_waits_grow_up_to_a_bound_and_are_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(couriers, "LONGEST_RETRY_SECONDS", LONGEST_RETRY_SECONDS)
    longest = [backoff_seconds(failures, lambda _, most: most) for failures in (1, 2, 3, 4, 100)]
    assert longest == [1, 2, 4, 8, 30]
    assert backoff_seconds(5, lambda least, _: least) == 0
    assert len({backoff_seconds(9) for _ in range(5)}) > 1


AGENT = """
import sys, threading
from pathlib import Path
from exporter.report.thresholds import Thresholds
from exporter.config import Alertmanager
from exporter.notify.couriers import Couriers
from exporter.notify.notifier import Notifier, OutgoingNow
from exporter.notify.outbox import Outbox
from exporter.notify.store import Store
from tests.notify.totals import ORIGIN, totals
url = sys.argv[2]
outbox = Outbox(Store(Path(sys.argv[1])), ORIGIN, Thresholds, (url,))
sending = Couriers(OutgoingNow(outbox), (Alertmanager(url, timeout_seconds=30),), 60.0)
made = Notifier(outbox, sending.wake)
threading.Thread(target=sending.run, args=(threading.Event(),), daemon=True).start()
made.see_totals(totals(web=0, db=0))
made.see_totals(totals(web=1, db=0))
print("queued", flush=True)
threading.Event().wait()
"""


def test_an_agent_that_is_killed_loses_nothing_of_what_no_alertmanager_took(tmp_path: Path) -> None:
    with alertmanager(wedged) as fake:
        agent = subprocess.Popen(
            [sys.executable, "-c", AGENT, tmp_path, fake.url], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert agent.stdout is not None
            assert agent.stdout.readline() == "queued\n"
            assert eventually(lambda: len(fake.requests) > 0)
        finally:
            os.kill(agent.pid, signal.SIGKILL)
            agent.communicate(timeout=PATIENCE_SECONDS)
        assert fake.taken == []
        fake.behaviour = accepts
        with running(tmp_path, fake) as made:
            # Before anything is heard of the host again, and the kill is not found anew when it is.
            assert eventually(lambda: fake.names() == ["web"])
            made.see_totals(totals(web=1, db=0))
            made.see_totals(totals(web=1, db=1))
            assert eventually(lambda: fake.names() == ["web", "db"])
            assert eventually(lambda: made.notifications().queued == 0)
        assert len(fake.taken) == 2
