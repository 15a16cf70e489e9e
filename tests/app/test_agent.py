from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.app import agent as app_agent
from exporter.app.agent import build_agent
from exporter.app.collectors import Sources, build_sources
from exporter.app.ledger import HostLedger
from exporter.app.reload import Standards
from exporter.config import Config
from exporter.facts.evidence import ContainerEvent
from exporter.facts.process import ProcessTable
from exporter.facts.reading import Failed, Read
from exporter.facts.unit import Quadlet
from exporter.ledger import Ledger, Now, Store
from exporter.ledger.ledger import Batch
from exporter.runtime.poller import Poller
from tests.assess.secure import CONTAINER, PROCESSES
from tests.sources.host_trees import add_cgroup, cgroup_mount, payload_path


class Built:
    """An agent of the host below `root`, built and not started, with all that it was built of."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (root / "proc/sys/kernel/random").mkdir(parents=True)
        (root / "proc/sys/kernel/random/boot_id").write_text("65e0bb86-b9e7-4ad0-94bd-cb6ea4444883\n")
        sources: list[Sources] = []
        books: list[HostLedger] = []

        def build(*given: Any, **more: Any) -> Sources:
            sources.append(build_sources(*given, **more))
            return sources[0]

        class Kept(HostLedger):
            def __init__(self, *given: Any, **more: Any) -> None:
                super().__init__(*given, **more)
                books.append(self)

        monkeypatch.setattr(app_agent, "build_sources", build)
        monkeypatch.setattr(app_agent, "HostLedger", Kept)
        config = Config(state_dir=root / "state")
        self.agent = build_agent(config, Standards(config), root)
        (self.sources,), (self.books,) = sources, books
        self.pollers: dict[str, Poller[Any]] = {poller.name: poller for poller in self.agent._pollers}

    def poked(self) -> set[str]:
        """The clocks that were poked since the last time."""
        names = {name for name, poller in self.pollers.items() if poller._wake.is_set()}
        for poller in self.pollers.values():
            poller._wake.clear()
        return names

    def close(self) -> None:
        self.sources.ground.podman.close()
        self.sources.ground.cgroup.close()
        self.books.counter.close()
        self.books.ledger.close()


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Built]:
    cgroup_mount(tmp_path / "sys/fs/cgroup")
    made = Built(tmp_path, monkeypatch)
    yield made
    made.close()


def answer(poller: Poller[Any], value: object) -> None:
    poller._reading = Read(value, 1.0, 0.0)
    poller._answered.set()
    poller._on_answer(poller._reading)


def test_what_is_new_to_one_source_makes_those_be_read_that_ask_about_it(built: Built, tmp_path: Path) -> None:
    add_cgroup(tmp_path / "sys/fs/cgroup", payload_path("web"))
    built.sources.ground.cgroup.discover()
    answer(built.pollers["cgroup_tree"], None)
    assert built.poked() == {"process", "systemd", "podman"}
    answer(built.pollers["cgroup_tree"], None)
    assert built.poked() == set()
    answer(built.pollers["podman"], (replace(CONTAINER, unit="new.service"),))
    assert built.poked() == {"systemd", "quadlet"}
    answer(built.pollers["quadlet"], (Quadlet("other.service", "other", "/o.container", wanted=True),))
    assert built.poked() == {"systemd"}
    assert built.sources.context.units() >= {"web.service", "services-web.slice", "new.service", "other.service"}
    answer(built.pollers["process"], ProcessTable((PROCESSES,), ()))
    assert built.poked() == {"zfs_mounted", "volume"}
    answer(built.pollers["process"], built.pollers["process"].value())
    assert built.poked() == set()


@pytest.mark.parametrize(
    ("name", "woken"), [("podman", {"cgroup_tree", "podman", "process", "systemd"}), ("systemd", {"systemd"})]
)
def test_an_event_wakes_the_pollers_whose_answers_it_may_change(built: Built, name: str, woken: set[str]) -> None:
    for stream in ("podman", "systemd"):
        follow = (lambda wake, _: wake()) if stream == name else (lambda *_: None)
        vars(built.sources.by_name[stream])["follow"] = follow
    for follow in built.agent._followers[:2]:
        follow(threading.Event())
    assert built.poked() == woken


def test_a_walk_that_fails_is_a_problem_of_the_cgroups_that_are_read_all_the_same(built: Built, tmp_path: Path) -> None:
    add_cgroup(tmp_path / "sys/fs/cgroup", payload_path("web"))

    def problems() -> str:
        report = built.agent.report()
        return next(one.reason for one in report.collectors if one.name == "cgroup")

    assert problems() == ""
    tree = built.pollers["cgroup_tree"]
    tree._reading = Failed("no answer for 40 s", 40.0)
    tree._answered.set()
    assert problems() == "new containers are not found: no answer for 40 s"


def test_systemd_is_asked_for_units_that_only_the_ledger_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    before = Ledger(Store(state))
    started = ContainerEvent(1, "d" * 64, "dns", "start", "dns.service")
    before.settle(Batch(evidence=(started,)), Now("b" * 32, 1, 1.0))
    before.close()
    built = Built(tmp_path, monkeypatch)
    assert built.sources.context.units() == {"dns.service"}
    built.sources.ground.podman.close()
    built.books.counter.close()
    built.books.ledger.close()
