from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter import host_sources
from exporter.assess.report import Report, WaiverReport, WaiverState
from exporter.config import Config
from exporter.facts.evidence import ContainerEvent
from exporter.host_ledger import HostLedger
from exporter.host_sources import Sources, build_agent, build_sources, telling_waivers
from exporter.ledger import Ledger, Now, Store
from exporter.ledger.ledger import Batch


def with_waiver(state: WaiverState) -> Report:
    return Report(0.0, (), (), waivers=(WaiverReport("old*", "rootful", "why not", None, state),))


def test_an_ailing_waiver_is_told_once_each_time_that_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    ailing, well = with_waiver(WaiverState.UNMATCHED), with_waiver(WaiverState.IDLE)
    reports: Iterator[Report] = iter((well, ailing, ailing, well, ailing, with_waiver(WaiverState.EXPIRED)))
    report = telling_waivers(lambda: next(reports))
    told = []
    with caplog.at_level(logging.WARNING, "bulkhead"):
        for _ in range(6):
            caplog.clear()
            report()
            told.append([record.getMessage() for record in caplog.records])
    unmatched = ["a waiver matches no container"]
    assert told[:5] == [[], unmatched, [], [], unmatched]
    assert told[5][0].startswith("a waiver has expired")
    assert vars(caplog.records[0])["container"] == "old*"


def test_systemd_is_asked_for_units_that_only_the_ledger_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    before = Ledger(Store(state))
    started = ContainerEvent(1, "d" * 64, "dns", "start", "dns.service")
    before.settle(Batch(evidence=(started,)), Now("b" * 32, 1, 1.0))
    before.close()
    (tmp_path / "proc/sys/kernel/random").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("65e0bb86-b9e7-4ad0-94bd-cb6ea4444883\n")
    sources: list[Sources] = []
    books: list[HostLedger] = []

    def build(config: Config, root: Path) -> Sources:
        sources.append(build_sources(config, root))
        return sources[0]

    class Kept(HostLedger):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            books.append(self)

    monkeypatch.setattr(host_sources, "build_sources", build)
    monkeypatch.setattr(host_sources, "HostLedger", Kept)
    build_agent(Config(state_dir=state), tmp_path)
    assert sources[0].interest.units() == {"dns.service"}
    sources[0].podman.close()
    books[0].counter.close()
    books[0].ledger.close()
