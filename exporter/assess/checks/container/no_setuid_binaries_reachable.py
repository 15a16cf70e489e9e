"""No program in reach gives whoever runs it another user's rights, or capabilities.

To know every set-user-id bit, each layer of the image and each volume would have to be searched: that is not cheap,
and true only until something is written. What is cheap and lasts is whether such a bit can have any effect: it has none
for a process with NoNewPrivs (nor for its descendants), and none on a mount that is nosuid. Where neither holds of
everything, nobody knows what is reachable, and the check says so: it passes or is unknown, and never fails.
"""

from __future__ import annotations

from exporter.assess.checks.check import Check
from exporter.assess.checks.judgements import judge_every_process, passed, unknown, with_mounts_seen
from exporter.assess.checks.subject import ContainerSubject
from exporter.report.findings import Outcome, Severity, Verdict


def examine(subject: ContainerSubject) -> Outcome:
    """Judge whether set-user-id bits have any effect."""
    outcome = judge_every_process(
        subject,
        lambda process: process.no_new_privileges,
        declared=None,
        good="set-user-id has no effect",
        bad="a process can gain privileges",
    )
    if outcome.verdict is not Verdict.FAIL:
        return outcome
    mounts = subject.processes.mounts if subject.processes else ()
    if mounts and all("nosuid" in mount.options for mount in mounts):
        return with_mounts_seen(passed("every mount is nosuid"), subject.unseen_mounts)
    return unknown("programs of image and volumes not searched", outcome.detail)


CHECK = Check(
    id="no_setuid_binaries_reachable",
    title="No set-user-id program has an effect",
    severity=Severity.INFO,
    why="A set-user-id program with a flaw makes its owner of whoever runs it.",
    fix_quadlet="NoNewPrivileges=true",
    fix_podman="--security-opt no-new-privileges",
    references=("CIS Docker 4.8", "execve(2): nosuid and no_new_privs", "PR_SET_NO_NEW_PRIVS(2const)"),
    examine=examine,
)
