"""The containers and the host of a report as one examination, and what makes its verdicts less than whole."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from exporter.report.collectors import CollectorReport
from exporter.report.container import ContainerReport
from exporter.report.examination import STARTING, Examination, Examined, SubjectKind
from exporter.report.host import Report


def audited(report: Report, globs: tuple[str, ...] = ()) -> Examination:
    """The examination of the containers whose name matches any of the globs; without globs of all, and the host."""
    containers = [one for one in report.containers if not globs or any(fnmatchcase(one.name, glob) for glob in globs)]
    host = () if globs else (Examined("host", report.host_findings, kind=SubjectKind.HOST),)
    return Examination(
        checks=tuple(check for check in report.checks if not (globs and check.is_of_host)),
        subjects=(
            *(Examined(one.name, one.findings, state=STARTING if one.is_starting else one.state) for one in containers),
            *host,
        ),
        problems=(*_problems_of_sources(report), *_problems_of_starts(containers), *_problems_of_choice(report, globs)),
        title="the example host" if report.is_example else (report.host.hostname if report.host else "this host"),
        waivers=report.waivers,
    )


def _problems_of_sources(report: Report) -> Iterator[str]:
    for collector in report.collectors:
        if collector.present and not collector.success:
            yield f"{collector.name}: {collector.reason}"
    absent = {collector.name: collector for collector in report.collectors if not collector.present}
    if "podman" in absent and report.containers:
        known = f"yet there are containers ({len(report.containers)} known): what was declared for them is not known"
        yield f"podman: {_reason(absent['podman'])}, {known}"
    if {"podman", "cgroup"} <= absent.keys():
        yield f"nothing here tells what runs: {_reason(absent['podman'])}; {_reason(absent['cgroup'])}"


def _problems_of_starts(containers: list[ContainerReport]) -> Iterator[str]:
    for one in containers:
        if one.is_starting:
            yield f"{one.name} is starting and was not judged: {one.lacks}; ask again in a moment"


def _whose(report: Report) -> str:
    users = ", ".join(f"{count} of {owner}" for owner, count in report.dropped_by_owner if owner)
    return f" ({users})" if users else ""


def _reason(collector: CollectorReport) -> str:
    return collector.reason.rstrip(".")


def _problems_of_choice(report: Report, globs: tuple[str, ...]) -> Iterator[str]:
    if report.dropped_containers:
        yield f"containers beyond series.max_containers were not judged: {report.dropped_containers}{_whose(report)}"
    for glob in globs:
        if not any(fnmatchcase(one.name, glob) for one in report.containers):
            yield f"no container's name matches {glob}"
