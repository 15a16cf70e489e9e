"""Nobody switched the walls off as a whole.

Declared: HostConfig.Privileged. In force: no process has every capability in its bounding set, as
`podman run --privileged` and `podman exec --privileged` give.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, failed, judge_every_process, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.process import Process
from exporter.report.findings import Outcome, Severity, Verdict

# capabilities(7): 0 to 37 are there since Linux 3.16; those that came later may be missing.
_EVERY_CAPABILITY = (1 << 38) - 1


def _is_limited(process: Process) -> bool:
    return process.bounding_capabilities & _EVERY_CAPABILITY != _EVERY_CAPABILITY


def declared(subject: ContainerSubject) -> Outcome:
    """Judge what podman was asked."""
    privileged = subject.container.security.privileged if subject.container else None
    return asked("not privileged", "privileged", stands=None if privileged is None else not privileged)


def examine(subject: ContainerSubject) -> Outcome:
    """Judge every process; --privileged opens devices and paths too, which no process shows."""
    wanted = declared(subject)
    outcome = judge_every_process(
        subject, _is_limited, declared=promise(wanted), good="not privileged", bad="a process has every capability"
    )
    if outcome.verdict is Verdict.PASS and wanted.verdict is Verdict.FAIL:
        return failed("privileged", "podman was asked for --privileged")
    return outcome


CHECK = Check(
    id="not_privileged",
    title="Not privileged",
    severity=Severity.CRITICAL,
    why="--privileged takes down nearly every wall at once: capabilities, seccomp, labels, masked paths and devices.",
    fix_quadlet="Remove --privileged from PodmanArgs=, and give what is really needed",
    fix_podman="Remove --privileged; for a process that is inside now: end that podman exec",
    references=("podman-run(1): --privileged", "CIS Docker 5.4, 5.22", "PSS baseline: privileged containers"),
    examine=examine,
    declared=declared,
    causes=("--privileged", "[Container]"),
)
