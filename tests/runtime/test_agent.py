from __future__ import annotations

import threading
from types import TracebackType

from exporter.report.host import Report
from exporter.runtime.agent import Agent
from exporter.runtime.poller import Clock, Poller

RARELY = Clock(interval_seconds=3600, deadline_seconds=5)
PATIENCE_SECONDS = 10


def test_an_agent_is_ready_once_every_source_has_spoken() -> None:
    gate = threading.Event()
    quick: Poller[object] = Poller("quick", lambda: 1, RARELY)
    slow: Poller[object] = Poller("slow", lambda: gate.wait(PATIENCE_SECONDS), RARELY)
    agent = Agent((quick, slow), (), lambda: Report(0.0, (), ()))
    agent.start()
    try:
        assert quick.answered(PATIENCE_SECONDS)
        assert not agent.ready()
        gate.set()
        assert slow.answered(PATIENCE_SECONDS)
        assert agent.ready()
    finally:
        agent.stop()


class CountingLock:
    """A lock that tells how many have come to it."""

    def __init__(self) -> None:
        self.arrivals = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.arrivals.release()
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.release()


def test_scrapes_that_wait_for_a_report_share_the_next_one() -> None:
    gate, made = threading.Event(), []

    def make() -> Report:
        made.append(1)
        gate.wait(PATIENCE_SECONDS)
        return Report(float(len(made)), (), ())

    agent = Agent((), (), make)
    lock = CountingLock()
    agent._lock = lock  # type: ignore[assignment]  # stands in for the lock, and counts
    seen: list[float] = []
    threads = [threading.Thread(target=lambda: seen.append(agent.report().taken_at_seconds)) for _ in range(8)]
    for thread in threads:
        thread.start()
        assert lock.arrivals.acquire(timeout=PATIENCE_SECONDS)
    gate.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    # The first report was begun before the other seven asked: one more is made, for all of them.
    assert sorted(seen) == [1.0] + [2.0] * 7
