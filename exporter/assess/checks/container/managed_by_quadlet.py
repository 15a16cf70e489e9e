"""A quadlet describes the container, and it runs in the unit that systemd's generator made of that.

Declared: the quadlet whose generated unit has the container's name. In force: the container's cgroup is below that
unit's. Quadlets of users are not read; a pod's own container is made by its pod.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import failed, not_applicable, passed, unknown
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity


def examine(subject: ContainerSubject) -> Outcome:
    """Judge which unit the container runs in, and which quadlet names it."""
    if subject.quadlets is None:
        return unknown("quadlets of users are not read" if subject.user else "quadlets not readable")
    if subject.cgroups is None or not subject.cgroups.levels:
        return unknown("cgroup not readable")
    if subject.container is not None and subject.container.is_infra:
        return not_applicable("a pod's own container")
    if not subject.quadlets:
        return failed("no quadlet describes it", "it was started by hand, by a script or by a unit of its own")
    inside = {level.name for level in subject.cgroups.levels}
    if not any(quadlet.unit in inside for quadlet in subject.quadlets):
        quadlet = subject.quadlets[0]
        return failed("not in its quadlet's unit", f"{quadlet.source_path} is not what runs", drift=True)
    return passed("described by a quadlet")


CHECK = Check(
    id="managed_by_quadlet",
    title="Managed by a quadlet",
    severity=Severity.INFO,
    why="What stands in a file is reviewed, linted and the same after a reboot; what was typed is none of that.",
    fix_quadlet="Write /etc/containers/systemd/NAME.container with ContainerName=NAME, then systemctl daemon-reload",
    fix_podman="Start it with systemctl start NAME, not with podman run",
    references=("podman-systemd.unit(5)",),
    examine=examine,
)
