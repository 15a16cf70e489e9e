"""Sources that answer with little, or refuse: a test says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exporter.app.collectors import COLLECTORS, Ground, Sources
from exporter.app.context import Context
from exporter.config import Config
from exporter.facts.cgroup import CgroupLevel, ContainerCgroups, Level, PayloadUse
from exporter.facts.container import Container
from exporter.facts.host import Firewall, Host, InputChain
from exporter.facts.network import Interface, NamespaceTraffic
from exporter.facts.process import ProcessTable
from exporter.facts.quadlet_file import UnmadeQuadlet
from exporter.facts.storage import Dataset, Pool, Storage
from exporter.facts.unit import Quadlet, Unit
from exporter.sources.cgroup import SliceSource

HOST = Host("h", "b", "6.12", 1, 0, "enforcing", None, 2, account_uids=(("root", 0), ("alice", 1000)))
CGROUPS = ContainerCgroups("a" * 64, 0, PayloadUse(), (CgroupLevel("/x", 1, Level.PAYLOAD),))


def answers(value: object) -> Callable[[], Any]:
    return lambda: value


def refuses(error: Exception) -> Callable[[], Any]:
    def read() -> object:
        raise error

    return read


def sources(**reads: Callable[[], Any]) -> Sources:
    """Sources that answer with little, but for those that are given."""
    dataset = Dataset("tank/a", "filesystem", "/a", 1, 1, 1, quota_bytes=5)
    usual: dict[str, Callable[[], Any]] = {
        "podman": answers((Container("a" * 64, "web", "", "i", "i", "running"),)),
        "cgroup": answers((CGROUPS,)),
        "process": answers(ProcessTable((), ())),
        "systemd": answers((Unit("web.service", "loaded", "active", "running"),)),
        "quadlet": answers((Quadlet("web.service", "web", "/w", wanted=True),)),
        "quadlet_file": answers((UnmadeQuadlet("/etc/containers/systemd/old.container", 3, "no image.", ""),)),
        "zfs": answers(Storage((dataset,), (Pool("tank", "online"),))),
        "zfs_mounted": answers((dataset,)),
        "volume": answers(()),
        "host": answers(HOST),
        "traffic": answers((NamespaceTraffic(("a" * 64,), (Interface("eth0", *range(8)),)),)),
        "firewall": answers(Firewall((InputChain("inet", "filter", "input", "drop", denies=True),))),
    }
    unheard = {collector.name for collector in COLLECTORS} - usual.keys()
    if unheard:
        pytest.fail(f"tests/fake_sources.py: say what the new sources answer here: {', '.join(sorted(unheard))}")
    made: dict[str, Any] = {name: SimpleNamespace(read=read, problems=()) for name, read in (usual | reads).items()}
    for name in ("podman", "systemd"):
        vars(made[name]).update(events=0, events_lost=0, follow=lambda *_: None)
    vars(made["cgroup"]).update(discover=lambda: None, found=tuple, left_out={})
    ground = Ground(Config(), Path("/nowhere"), Context(lambda: ("/x",)), made["cgroup"], made["podman"])
    return Sources(made, ground, cast("SliceSource", SimpleNamespace(read=tuple, problems=())))
