"""Quadlet files judged before they are deployed: by the checks of what runs, on what was asked for.

A file that quadlet would refuse is judged by no check: it is a problem, and so never passes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from exporter.assess.checks.check import ContainerCheck
from exporter.assess.checks.container import CHECKS
from exporter.assess.checks.subject import ContainerSubject, Sharers
from exporter.assess.isolation.sharers import claim_declared, sharers_of_ids, sharers_of_labels
from exporter.assess.storage.volumes import AskedSources, VolumeHolder, holder_of
from exporter.facts.container import Container
from exporter.facts.quadlet_file import QuadletFile, QuadletProblem
from exporter.report.examination import Examination, Examined, Place, SubjectKind
from exporter.report.findings import Verdict


def examine_quadlets(files: Iterable[QuadletFile], problems: Iterable[QuadletProblem], title: str = "") -> Examination:
    """The findings of each container that was asked for; files beside it count only as what surrounds it."""
    every_file = tuple(files)
    names_in_slice = _names_by_slice(every_file)
    ids, labels = _sharers(every_file)
    sources = _asked_sources(every_file)
    return Examination(
        checks=tuple(check.info for check in CHECKS),
        subjects=tuple(
            _examined(
                file,
                file.container,
                in_slice=names_in_slice.get(_slice(file), ()),
                ids=ids.get(file.path, Sharers()),
                label=labels.get(file.path, Sharers()),
                sources=sources[file.tree],
            )
            for file in every_file
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
        name=container.name,
        user=container.user,
        container=container,
        processes=None,
        cgroups=None,
        unit=file.unit,
        host=None,
        running=False,
        other_occupants=tuple(other for other in in_slice if other != container.name),
        ids_shared_with=ids,
        label_shared_with=label,
        asked_by_others=sources.of_others(_volume_holder(container)),
    )
    findings = tuple(check.judge_declared(subject) for check in CHECKS)
    amiss = {one.check for one in findings if one.outcome.verdict in {Verdict.FAIL, Verdict.UNKNOWN}}
    places = tuple((check.id, place_of(check, file)) for check in CHECKS if check.id in amiss)
    return Examined(file.path, findings, file.path, places, SubjectKind.FILE)


def place_of(check: ContainerCheck, file: QuadletFile) -> Place:
    """Where the cause of a check's finding stands."""
    lines = {request.name: request.origin for request in file.requests}
    for cause in (*check.causes, "[Container]"):
        origin = lines.get(cause)
        # What is lacking is lacking in the file itself: its drop-ins may be many files' own.
        if origin and (not cause.startswith("[") or origin.file == file.path):
            return Place(origin.file, origin.line)
    return Place(file.path, 1)


def _slice(file: QuadletFile) -> tuple[str, str]:
    return file.tree, file.unit.slice if file.unit else ""


def _names_by_slice(files: tuple[QuadletFile, ...]) -> dict[tuple[str, str], tuple[str, ...]]:
    """By tree and slice: the containers that ask for it."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        if file.container is not None:
            found[_slice(file)].append(file.container.name)
    return {key: tuple(sorted(names)) for key, names in found.items()}


def _sharers(files: tuple[QuadletFile, ...]) -> tuple[dict[str, Sharers], dict[str, Sharers]]:
    """By path: the containers of the same tree that share ids asked for by number, and those that share the label."""
    ids: dict[str, Sharers] = {}
    labels: dict[str, Sharers] = {}
    for tree in {file.tree for file in files}:
        beside = {file.container.name: file for file in files if file.tree == tree and file.container}
        claims = [claim_declared(name, file.container) for name, file in beside.items() if file.container]
        ids |= {beside[name].path: Sharers((), others) for name, others in sharers_of_ids(claims, None).items()}
        labels |= {beside[name].path: Sharers((), others) for name, others in sharers_of_labels(claims).items()}
    return ids, labels


def _asked_sources(files: tuple[QuadletFile, ...]) -> dict[str, AskedSources]:
    """By tree: which containers ask for which volume."""
    holders: defaultdict[str, list[VolumeHolder]] = defaultdict(list)
    for file in files:
        if file.container is not None:
            holders[file.tree].append(_volume_holder(file.container))
    return {tree: AskedSources(of_tree) for tree, of_tree in holders.items()}


def _volume_holder(container: Container) -> VolumeHolder:
    return holder_of(container.name, container, None)


def _sentence(problem: QuadletProblem) -> str:
    place = f"{problem.path}:{problem.line}" if problem.line else problem.path
    return f"{place}: {problem.message}"
