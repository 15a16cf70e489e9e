"""How the agent of the rich report is doing: its process and its sources, one of which fails."""

from __future__ import annotations

from exporter.facts.agent import AgentProcess
from exporter.report.collectors import CollectorReport

NOW_SECONDS = 1_763_942_400.0  # 2025-11-24T00:00:00Z
_MIB = 1024 * 1024
AGENT = AgentProcess(
    name="agent",
    cpu_seconds=92.75,
    resident_memory_bytes=52 * _MIB,
    virtual_memory_bytes=394 * _MIB,
    start_time_seconds=NOW_SECONDS - 7200.5,
    open_files=214,
    open_files_max=65_536,
)
COLLECTORS = (
    CollectorReport("podman", present=True, success=True, duration_seconds=0.0625, age_seconds=2.5, events=41),
    CollectorReport("cgroup", present=True, success=True, duration_seconds=0.0039, age_seconds=0.0),
    CollectorReport("process", present=True, success=True, duration_seconds=0.0312, age_seconds=4.0),
    CollectorReport(
        "systemd",
        present=True,
        success=False,
        duration_seconds=5.0,
        age_seconds=310.0,
        reason="D-Bus at /run/dbus/system_bus_socket did not answer within 5 s: see `systemctl status dbus`",
        events=7,
        events_lost=1,
    ),
    CollectorReport(
        "zfs", present=False, success=False, duration_seconds=0.0, age_seconds=None, reason="no ZFS module is loaded"
    ),
)
