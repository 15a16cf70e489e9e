"""No process has any capability, nor a way to get one.

Declared: an empty bounding set in the OCI configuration (CapDrop in inspect is computed against the
server's defaults of today). In force: CapBnd, CapPrm, CapEff, CapInh and CapAmb of every process.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import asked, judge_every_process, promise
from exporter.assess.checks.subject import ContainerSubject
from exporter.facts.process import Process
from exporter.report.findings import Outcome, Severity


def _has_none(process: Process) -> bool:
    return not (
        process.bounding_capabilities
        | process.permitted_capabilities
        | process.effective_capabilities
        | process.inheritable_capabilities
        | process.ambient_capabilities
    )


def declared(subject: ContainerSubject) -> Outcome:
    """Judge the bounding set that was asked for."""
    bounding = subject.container.security.bounding_capabilities if subject.container else None
    shown = ", ".join((bounding or ())[:5])
    return asked(
        "no capabilities", "capabilities are kept", stands=None if bounding is None else not bounding, detail=shown
    )


def examine(subject: ContainerSubject) -> Outcome:
    """Judge the five capability sets of every process."""
    return judge_every_process(
        subject,
        _has_none,
        declared=promise(declared(subject)),
        good="no capabilities",
        bad="a process has capabilities",
    )


CHECK = Check(
    id="all_capabilities_dropped",
    title="All capabilities are dropped",
    severity=Severity.CRITICAL,
    why="A process that looks like root inside can do nothing that root can, such as change files it does not own.",
    fix_quadlet="DropCapability=all (and no AddCapability=)",
    fix_podman="--cap-drop all",
    references=("podman-run(1): --cap-drop", "CIS Docker 5.3", "PSS restricted: capabilities", "capabilities(7)"),
    examine=examine,
    declared=declared,
    causes=("--privileged", "--cap-add", "--cap-drop", "[Container]"),
)
