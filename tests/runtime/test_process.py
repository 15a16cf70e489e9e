from __future__ import annotations

import queue
import signal

import pytest

from exporter.runtime.process import Happening, _wait, url_to_open


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("::", "http://localhost:9946/"),
        ("0.0.0.0", "http://localhost:9946/"),
        ("127.0.0.1", "http://127.0.0.1:9946/"),
        ("fd00::1", "http://[fd00::1]:9946/"),
    ],
)
def test_the_url_is_one_that_a_browser_opens(host: str, url: str) -> None:
    assert url_to_open(host, 9946) == url


def test_a_signal_that_comes_just_before_the_wait_is_seen_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    waited: list[float] = []

    class OneSignal(queue.SimpleQueue[Happening]):
        def get(self, block: bool = True, timeout: float | None = None) -> Happening:  # noqa: FBT001, FBT002 - the base's signature
            assert block
            assert timeout is not None
            waited.append(timeout)
            return signal.SIGTERM

    assert _wait(OneSignal(), lambda: None)
    assert 0 < waited[0] <= 1
