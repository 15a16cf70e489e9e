"""systemd restarts the container when it fails, and not so fast that a crash loop eats the host.

Declared: Restart=on-failure (or always) with RestartSec= of a second or more. systemd itself enforces it.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity

_RESTARTING = frozenset({"always", "on-failure", "on-abnormal"})
_SHORTEST_PAUSE_SECONDS = 1.0


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the unit's restart policy."""
    if subject.container is not None and not subject.container.unit and subject.unit is None:
        return not_applicable("no unit runs it")
    if subject.unit is None:
        return unknown("unit not readable")
    unit = subject.unit
    if unit.restart_policy not in _RESTARTING:
        return failed("not restarted on failure", f"Restart={unit.restart_policy or 'no'}")
    if unit.restart_delay_seconds is None:
        return unknown("restart pause not readable")
    if unit.restart_delay_seconds < _SHORTEST_PAUSE_SECONDS:
        return failed("restarted without a pause", f"RestartSec={unit.restart_delay_seconds:g}s")
    return passed("restarted with a pause")


CHECK = Check(
    id="restart_paced",
    title="Restarted with a pause",
    severity=Severity.INFO,
    why="A killed container comes back by itself, and one that cannot start does not spin.",
    fix_quadlet="[Service] Restart=on-failure and RestartSec=10s",
    fix_podman="Run it from a unit with Restart=on-failure",
    references=("systemd.service(5)",),
    examine=examine,
    declared=examine,
    causes=("RestartSec", "Restart", "[Service]"),
)
