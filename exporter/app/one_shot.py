"""A survey of the host: every source is asked once, each within its deadline, and side by side.

A source that needs to know whom to ask about waits for the collectors that its entry in collectors.py names:

    host, cgroup, podman, quadlet, zfs, firewall    at once
    process, systemd                                when the cgroup tree, podman and the quadlets have answered
    zfs_mounted, volume, traffic                    when the processes were read, and the figures of cgroups once more

A source that hangs costs its deadline and is reported as failed; the other sources are read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from exporter.app.collectors import COLLECTORS, Collector, Sources, problems_of
from exporter.facts.reading import Read, Reading
from exporter.facts.snapshot import Snapshot
from exporter.runtime.poller import start_reading

DEADLINE_SECONDS = 30.0


def survey(sources: Sources, deadline_seconds: float = DEADLINE_SECONDS) -> Snapshot:
    """All that the host says now."""
    readings: dict[str, Any] = {}
    waiting: dict[str, Callable[[], Reading[Any]]] = {}
    again: dict[str, Callable[[], Reading[Any]]] = {}

    def wait_for(name: str) -> None:
        if name in readings:
            return
        readings[name] = waiting[name]()
        sources.context.keep(name, readings[name])
        for collector in COLLECTORS:
            if collector.read_again_after == name:
                source = sources.by_name[collector.name]
                again[collector.name] = start_reading(deadline_seconds, source.read, problems_of(source))

    for collector in _in_order():
        for name in collector.after:
            wait_for(name)
        waiting[collector.name] = asked(collector, sources, deadline_seconds)
    for name in waiting:
        wait_for(name)
    readings |= {name: answer() for name, answer in again.items() if isinstance(readings[name], Read)}
    return Snapshot(taken_at_seconds=time.time(), cgroups_left_out=sources.ground.cgroup.left_out, **readings)


def asked(collector: Collector, sources: Sources, deadline_seconds: float) -> Callable[[], Reading[Any]]:
    """Begin to ask a source, and first have it look for what is new; what is returned waits for its answer."""
    source, walk = sources.by_name[collector.name], collector.walk

    def read() -> Any:
        if walk is not None:
            walk(source)
        return source.read()

    return start_reading(collector.patience * deadline_seconds, read, problems_of(source))


def _in_order() -> Iterator[Collector]:
    """The table, with what waits for nobody first, then what waits for these, and so on."""
    known: set[str] = set()
    left = COLLECTORS
    while left:
        ready = tuple(one for one in left if known.issuperset(one.after))
        if not ready:
            raise AssertionError(f"collectors that wait for one another: {', '.join(one.name for one in left)}")
        yield from ready
        known |= {one.name for one in ready}
        left = tuple(one for one in left if one not in ready)
