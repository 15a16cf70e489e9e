"""The front and the collector over a real socket: pages, alerts, and each without the other."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.app.collector import Answering, Front
from exporter.app.front import RemoteOutgoing, RemotePages, following_news
from exporter.app.pages import RenderedPages
from exporter.config import Alertmanager
from exporter.link.client import Link
from exporter.link.messages import Answer as LinkAnswer
from exporter.link.messages import DueAnswer, Page, PageAnswer, Request, State
from exporter.link.peer import Peer
from exporter.link.server import Bounds, LinkServer, listening
from exporter.notify.couriers import Courier, Couriers
from exporter.notify.notifier import Notifier, OutgoingNow
from exporter.notify.outbox import Outbox
from exporter.notify.post import post
from exporter.notify.posting import Posting
from exporter.notify.store import Store
from exporter.report.thresholds import Thresholds
from exporter.sources.agent import FrontProcess
from tests.notify.alertmanager import Behaviour, accepts, alertmanager, answers, wedged
from tests.notify.totals import ORIGIN, totals
from tests.present.reports import rich_report

PATIENCE_SECONDS = 20
OWN = frozenset({os.getuid()})


def eventually(holds: Callable[[], bool]) -> bool:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.01)
    return True


@dataclass(frozen=True)
class Collector:
    notifier: Notifier
    outbox: Outbox
    front: Front


@contextlib.contextmanager
def collecting(directory: Path, url: str = "") -> Iterator[Collector]:
    """A collector with an outbox on disk, as long as it lives."""
    peers = (url,) if url else ()
    outbox = Outbox(Store(directory), ORIGIN, Thresholds, peers)
    outgoing = OutgoingNow(outbox) if url else None
    new, front = threading.Event(), Front(os.getuid())
    answering = Answering(RenderedPages(rich_report, lambda: True), outgoing, peers, new, front)
    try:
        with linked(directory, answering.answer, front.meet):
            yield Collector(Notifier(outbox, new.set), outbox, front)
    finally:
        outbox.close()


@contextlib.contextmanager
def linked(
    directory: Path, answer: Callable[[Request], LinkAnswer], meet: Callable[[Peer], None] = lambda _: None
) -> Iterator[None]:
    """Something in the place of a collector that answers so."""
    stop = threading.Event()
    server = LinkServer(listening(directory / "c.sock"), OWN, answer, Bounds(request_seconds=30), meet)
    thread = threading.Thread(target=server.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)


@contextlib.contextmanager
def fronting(directory: Path, url: str) -> Iterator[None]:
    """A front that sends alerts, as long as it lives."""
    link = Link(directory / "c.sock", PATIENCE_SECONDS, OWN)
    couriers = Couriers(RemoteOutgoing(link), (Alertmanager(url, timeout_seconds=0.3),), 60.0)
    stop = threading.Event()
    threads = [
        threading.Thread(target=couriers.run, args=(stop,), daemon=True),
        threading.Thread(target=following_news, args=(link, couriers, stop), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        threads[0].join(PATIENCE_SECONDS)


def remote_pages(directory: Path, timeout_seconds: float = PATIENCE_SECONDS, connections: int = 8) -> RemotePages:
    path = directory / "c.sock"
    pages, states = (Link(path, timeout_seconds, OWN, most) for most in (connections, 1))
    return RemotePages(pages, states, lambda: True)


def kill(collector: Collector) -> None:
    collector.notifier.see_totals(totals(web=0))
    collector.notifier.see_totals(totals(web=1))


def test_pages_of_the_front_are_those_of_the_collector(tmp_path: Path) -> None:
    here = RenderedPages(rich_report, lambda: True)
    with collecting(tmp_path):
        pages = remote_pages(tmp_path)
        for path, accept, encoding in (
            ("/metrics", None, None),
            ("/metrics", "application/openmetrics-text", "gzip"),
            ("/", None, "gzip"),
            ("/nowhere", None, None),
        ):
            assert pages.answer(path, accept, encoding) == here.answer(path, accept, encoding)
        assert pages.state("/-/ready") == here.state("/-/ready")


def test_the_collector_knows_the_process_of_the_front_and_whether_others_reach_its_pages(tmp_path: Path) -> None:
    with collecting(tmp_path) as collector:
        remote_pages(tmp_path).answer("/metrics", None, None)
        assert collector.front.is_exposed() is True
        assert collector.front.process() == FrontProcess(os.getpid(), os.getuid())


def test_a_moment_of_many_clients_is_one_page_of_each_kind_for_the_collector(tmp_path: Path) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> LinkAnswer:
        asked.append(request)
        time.sleep(0.2)
        return PageAnswer(200, "text/plain", b"page")

    with linked(tmp_path, answer), ThreadPoolExecutor(40) as clients:
        pages = remote_pages(tmp_path)
        answers = list(
            clients.map(lambda number: pages.answer("/metrics", f"text/plain, x/{number}", f"x{number}"), range(40))
        )
        assert pages.answer("/nowhere", None, None).status == 404
    assert len({id(one.body) for one in answers}) <= 2
    assert len(asked) <= 2


def test_pages_that_hang_keep_neither_alerts_nor_readiness_waiting(tmp_path: Path) -> None:
    hangs = threading.Event()

    def answer(request: Request) -> LinkAnswer:
        match request:
            case Page():
                hangs.wait(PATIENCE_SECONDS)
                return PageAnswer(200, "text/plain", b"")
            case State():
                return PageAnswer(200, "text/plain", b"ready")
            case _:
                return DueAnswer(())

    with linked(tmp_path, answer), ThreadPoolExecutor(40) as clients:
        pages = remote_pages(tmp_path, connections=2)
        path, accepts = tmp_path / "c.sock", (None, "application/openmetrics-text")
        for number in range(40):
            clients.submit(pages.answer, ("/", "/metrics")[number % 2], accepts[number % 4 // 2], None)
        began = time.monotonic()
        assert pages.state("/-/ready").body == b"ready"
        assert RemoteOutgoing(Link(path, PATIENCE_SECONDS, OWN, connections=1)).postings("x", 3) == ()
        assert time.monotonic() - began < 5
        hangs.set()


def test_without_a_collector_a_page_is_503_that_says_why_and_the_front_is_healthy_and_not_ready(tmp_path: Path) -> None:
    pages = remote_pages(tmp_path, 1)
    answer = pages.answer("/metrics", None, None)
    assert answer.status == 503
    assert b"systemctl status bulkhead-collector" in answer.body
    assert pages.state("/-/ready").status == 503
    assert pages.state("/-/healthy").status == 200


def test_a_kill_reaches_alertmanager_through_the_front_at_once_and_once(tmp_path: Path) -> None:
    with alertmanager() as fake, collecting(tmp_path, fake.url) as collector, fronting(tmp_path, fake.url):
        began = time.monotonic()
        kill(collector)
        assert fake.came.acquire(timeout=PATIENCE_SECONDS)
        assert time.monotonic() - began < 10
        assert eventually(lambda: collector.notifier.notifications().queued == 0)
        assert fake.names() == ["web"]


def test_many_alerts_with_long_names_are_each_sent_once_and_confirmed(tmp_path: Path) -> None:
    names = [f"{number:02}" + "\N{POLICE CAR}" * 250 for number in range(80)]
    with alertmanager() as fake, collecting(tmp_path, fake.url) as collector, fronting(tmp_path, fake.url):
        collector.notifier.see_totals(totals(**dict.fromkeys(names, 0)))
        collector.notifier.see_totals(totals(**dict.fromkeys(names, 1)))
        assert eventually(lambda: collector.notifier.notifications().queued == 0)
        assert sorted(fake.names()) == names
        assert len(fake.taken) == len(names)


def test_what_could_not_be_noted_is_posted_again_later_and_not_without_a_pause(tmp_path: Path) -> None:
    class Deaf(OutgoingNow):
        def note_accepted(self, peer: str, sent: tuple[Posting, ...]) -> None:
            """Hears nothing, as over a link that has just broken."""

    with alertmanager() as fake:
        outbox = Outbox(Store(tmp_path), ORIGIN, Thresholds, (fake.url,))
        notifier = Notifier(outbox, lambda: None)
        notifier.see_totals(totals(web=0))
        notifier.see_totals(totals(web=1))
        courier = Courier(Deaf(outbox), Alertmanager(fake.url), 60.0, post)
        assert not courier.deliver()
        assert len(fake.requests) == 1
        outbox.close()


@pytest.mark.parametrize("ill", [wedged, answers(500)])
def test_what_no_alertmanager_took_waits_in_the_collector(tmp_path: Path, ill: Behaviour) -> None:
    with alertmanager(ill) as fake, collecting(tmp_path, fake.url) as collector:
        kill(collector)
        with fronting(tmp_path, fake.url):
            assert eventually(lambda: len(fake.requests) > 0)
        # The front has died; another one finds the collector's word.
        fake.behaviour = accepts
        assert collector.notifier.notifications().queued == 1
        with fronting(tmp_path, fake.url):
            assert eventually(lambda: fake.names() == ["web"])
            assert eventually(lambda: collector.notifier.notifications().queued == 0)


def test_a_collector_that_restarts_loses_and_repeats_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "bulkhead")
    with alertmanager() as fake, fronting(tmp_path, fake.url):
        with collecting(tmp_path, fake.url) as collector:
            kill(collector)
            assert eventually(lambda: fake.names() == ["web"])
            assert eventually(lambda: collector.notifier.notifications().queued == 0)
        with collecting(tmp_path, fake.url) as again:
            again.notifier.see_totals(totals(web=1, db=0))
            again.notifier.see_totals(totals(web=1, db=1))
            assert eventually(lambda: sorted(fake.names()) == ["db", "web"])
    assert "the collector gives no alerts: nothing is sent to this Alertmanager" in caplog.text


def test_the_process_of_the_front_has_nothing_loaded_that_reads_or_judges_a_host(tmp_path: Path) -> None:
    """Whoever takes it over finds no such code in it, and no root to run it."""
    listing = (
        "import sys, exporter.cli as cli, exporter.runtime.process as process\n"
        "process.run = lambda *_, **__: True\n"
        f"assert cli.main(['front', '--socket', '{tmp_path}/c.sock', '--listen', '127.0.0.1:0']) == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "exporter.http.connections" in loaded
    foreign = ("exporter.assess", "exporter.ledger", "exporter.rows", "exporter.sources", "exporter.present.metrics")
    assert sorted(name for name in loaded if name.startswith(foreign)) == []
    assert loaded & {"podman", "pydbus", "gi", "libzfs_core", "prometheus_client", "sqlite3"} == set()
