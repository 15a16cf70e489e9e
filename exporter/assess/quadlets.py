"""Quadlet files judged before they are deployed: by the checks of what runs, on what was asked for.

A file that quadlet would refuse is judged by no check: it is a problem, and so never passes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from exporter.assess.checks.check import Check
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.judgements import not_applicable
from exporter.assess.checks.subject import ContainerSubject, Sharers
from exporter.assess.isolation.sharers import claim_declared, sharers_of_ids, sharers_of_labels
from exporter.assess.storage.volumes import AskedSources, VolumeHolder, holder_of
from exporter.facts.container import Container, full_name
from exporter.facts.quadlet_file import QuadletFile, QuadletProblem
from exporter.report.examination import Examination, Examined, Place, SubjectKind
from exporter.report.findings import CheckInfo, Finding, Verdict

CAUSES: Mapping[str, tuple[str, ...]] = {
    "rootful": ("[Container]",),
    "read_only_rootfs": ("--read-only", "[Container]"),
    "auto_remove": ("--rm", "[Container]"),
    "all_capabilities_dropped": ("--privileged", "--cap-add", "--cap-drop", "[Container]"),
    "no_new_privileges": ("--security-opt=no-new-privileges", "[Container]"),
    "private_user_namespace": ("--pod-id-file", "--userns", "--uidmap", "--gidmap", "[Container]"),
    "user_namespace_disjoint": ("--userns", "--uidmap", "--gidmap", "[Container]"),
    "selinux_confined": ("--security-opt=label", "--privileged", "--pid", "--ipc", "[Container]"),
    "selinux_unique_label": ("--security-opt=label", "[Container]"),
    "volumes_labelled_private": ("--volume", "--mount", "[Container]"),
    "shared_volumes_idmapped": ("--volume", "--mount", "[Container]"),
    "label_not_shared_twice": ("--volume", "--mount", "[Container]"),
    "own_dataset": ("--volume", "--mount", "[Container]"),
    "dataset_quota": ("--volume", "--mount", "[Container]"),
    "volumes_nosuid_nodev": ("--volume", "--mount", "[Container]"),
    "no_host_path_of_the_system": ("--volume", "--mount", "[Container]"),
    "seccomp_filtered": ("--security-opt=seccomp", "--privileged", "[Container]"),
    "apparmor_confined": ("--security-opt=apparmor", "--privileged", "[Container]"),
    "own_slice": ("Slice", "[Service]"),
    "resource_accounting": ("CPUAccounting", "MemoryAccounting", "[Service]"),
    "memory_limited": ("MemoryMax", "--memory", "[Service]"),
    "memory_high_set": ("MemoryHigh", "--cgroup-conf", "[Service]"),
    "swap_limited": ("MemorySwapMax", "--memory-swap", "--memory", "[Service]"),
    "images_in_system_storage": ("[Container]",),
    "cpu_limited": ("CPUQuota", "--cpus", "[Service]"),
    "pids_limited": ("--pids-limit", "TasksMax", "[Service]"),
    "limits_redundant": ("[Service]",),
    "restart_paced": ("RestartSec", "Restart", "[Service]"),
    "macvlan_network": ("--network", "--pod-id-file", "[Container]"),
    "not_privileged": ("--privileged", "[Container]"),
    "no_host_namespaces": ("--pid", "--ipc", "--network", "--uts", "--cgroupns", "--userns", "[Container]"),
    "no_added_devices": ("--device", "[Container]"),
    "paths_masked": ("--security-opt=unmask", "--privileged", "[Container]"),
    "image_pinned": ("Image", "[Container]"),
}
"""By check: the flags, keys and sections that decide it. Of those that a file has, the first is the finding's place."""


def examine_quadlets(files: Iterable[QuadletFile], problems: Iterable[QuadletProblem], title: str = "") -> Examination:
    """What the checks say of each container that was asked for; other files count through those that name them."""
    everyone = tuple(files)
    neighbours = _neighbours(everyone)
    ids, labels = _sharers(everyone)
    sources = _asked_sources(everyone)
    return Examination(
        checks=tuple(
            CheckInfo(one.id, one.severity, one.title, one.why, one.fix_quadlet, one.fix_podman, one.references)
            for one in CHECKS
        ),
        subjects=tuple(
            _examined(
                file,
                file.container,
                in_slice=neighbours.get(_slice(file), ()),
                ids=ids.get(file.path, Sharers()),
                label=labels.get(file.path, Sharers()),
                sources=sources[file.tree],
            )
            for file in everyone
            if file.asked and file.container
        ),
        problems=tuple(dict.fromkeys(_sentence(problem) for problem in problems)),
        title=title,
    )


def _examined(
    file: QuadletFile,
    container: Container,
    *,
    in_slice: tuple[str, ...],
    ids: Sharers,
    label: Sharers,
    sources: AskedSources,
) -> Examined:
    subject = ContainerSubject(
        name=full_name(container.user, container.name),
        user=container.user,
        container=container,
        processes=None,
        cgroups=None,
        unit=file.unit,
        host=None,
        running=False,
        neighbours_in_slice=tuple(other for other in in_slice if other != container.name),
        ids_shared_with=ids,
        label_shared_with=label,
        asked_by_others=sources.of_others(_tenant(container)),
    )
    findings = tuple(_finding(check, subject) for check in CHECKS)
    amiss = [one.check for one in findings if one.outcome.verdict in {Verdict.FAIL, Verdict.UNKNOWN}]
    places = tuple((check, place_of(check, file)) for check in amiss)
    return Examined(file.path, findings, file.path, places, SubjectKind.FILE)


def _finding(check: Check, subject: ContainerSubject) -> Finding:
    outcome = (
        check.declared(subject) if check.declared else not_applicable("decided by what runs, not by what is asked")
    )
    return Finding(check.id, check.severity, outcome)


def place_of(check: str, file: QuadletFile) -> Place:
    """Where the cause of a check's finding stands."""
    lines = {request.name: request.origin for request in file.requests}
    for cause in (*CAUSES.get(check, ()), "[Container]"):
        origin = lines.get(cause)
        # What is lacking is lacking in the file itself: its drop-ins may be many files' own.
        if origin and (not cause.startswith("[") or origin.file == file.path):
            return Place(origin.file, origin.line)
    return Place(file.path, 1)


def _slice(file: QuadletFile) -> tuple[str, str]:
    return file.tree, file.unit.slice if file.unit else ""


def _neighbours(files: tuple[QuadletFile, ...]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By tree and slice: the containers that ask for it."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        if file.container is not None:
            found[_slice(file)].append(file.container.name)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _sharers(files: tuple[QuadletFile, ...]) -> tuple[dict[str, Sharers], dict[str, Sharers]]:
    """By path: with whom beside it a container shares ids that were asked for by number, and its label."""
    ids: dict[str, Sharers] = {}
    labels: dict[str, Sharers] = {}
    for tree in {file.tree for file in files}:
        beside = {file.container.name: file for file in files if file.tree == tree and file.container}
        claims = [claim_declared(name, file.container) for name, file in beside.items() if file.container]
        ids |= {beside[name].path: Sharers((), others) for name, others in sharers_of_ids(claims, None).items()}
        labels |= {beside[name].path: Sharers((), others) for name, others in sharers_of_labels(claims).items()}
    return ids, labels


def _asked_sources(files: tuple[QuadletFile, ...]) -> dict[str, AskedSources]:
    """By tree: who asks for which volume."""
    tenants: defaultdict[str, list[VolumeHolder]] = defaultdict(list)
    for file in files:
        if file.container is not None:
            tenants[file.tree].append(_tenant(file.container))
    return {tree: AskedSources(of_tree) for tree, of_tree in tenants.items()}


def _tenant(container: Container) -> VolumeHolder:
    return holder_of(full_name(container.user, container.name), container, None)


def _sentence(problem: QuadletProblem) -> str:
    place = f"{problem.path}:{problem.line}" if problem.line else problem.path
    return f"{place}: {problem.message}"
