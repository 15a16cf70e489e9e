"""Alerts as alerts/rules/ make them: the same name, labels and words (a test holds both equal).

    {"labels": {"alertname": "BulkheadOomKill", "severity": "critical", "container": "web", "instance": "host1:9946",
     "job": "bulkhead"}, "annotations": {...}, "startsAt": "2027-01-15T08:00:00.000Z", "endsAt": ...}

Alertmanager takes two alerts for one if all of their labels are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_RUNBOOKS = "https://github.com/bulkhead-exporter/bulkhead/blob/main/alerts/runbooks"
_RUNBOOKS_LABEL = "bulkhead_runbooks"  # of Prometheus' external labels: where a site serves its own copy


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose alerts these are, in the words of the Prometheus that scrapes this agent."""

    instance: str
    job: str = "bulkhead"
    external_labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert that holds."""

    labels: Mapping[str, str] = field(hash=False)
    annotations: Mapping[str, str] = field(hash=False, compare=False)
    since_seconds: float = field(compare=False)  # unix time of the event
    latest_seconds: float = field(default=0.0, compare=False)  # of the latest event that it tells of, if there are more

    @property
    def key(self) -> str:
        """What Alertmanager tells alerts apart by: all labels."""
        return "\n".join(f"{name}={value!r}" for name, value in sorted(self.labels.items()))


def oom_kill(origin: Origin, container: str, kills: int, since_seconds: float, latest_seconds: float = 0.0) -> Alert:
    """Processes of the container were killed for want of memory."""
    where = f"ontainer {container} on {origin.instance}"
    return _alert(
        origin,
        {"alertname": "BulkheadOomKill", "severity": "critical", "container": container},
        f"C{where}: killed for want of memory",
        f"Processes of c{where} were killed for want of memory, about {kills} in the last 10 minutes. Find out whose "
        "limit fired (payload, service or slice), then raise the limit to the recommended one or mend the leak.",
        since_seconds,
        latest_seconds=latest_seconds,
    )


def looping(origin: Origin, container: str, restarts: int, since_seconds: float) -> Alert:
    """The container is restarted again and again."""
    where = f"Container {container} on {origin.instance}"
    return _alert(
        origin,
        {
            "alertname": "BulkheadRestartLoop",
            "severity": "critical",
            "condition": "looping",
            "container": container,
        },
        f"{where}: restarts again and again",
        f"{where} was restarted about {restarts} times in the last 10 minutes: it ends soon after each start. Read the "
        "last lines of its unit's journal for the exit code, and stop the unit if it harms others.",
        since_seconds,
    )


def gave_up(origin: Origin, container: str, since_seconds: float) -> Alert:
    """The start limit of the container's unit is hit."""
    where = f"ontainer {container} on {origin.instance}"
    return _alert(
        origin,
        {
            "alertname": "BulkheadRestartLoop",
            "severity": "critical",
            "condition": "gave_up",
            "container": container,
            "state": "failed",
        },
        f"C{where}: systemd gave up on it",
        f"The unit of c{where} has failed again and again, and systemd will not try again: the service is down. Read "
        "its journal, mend the cause, then reset and start it.",
        since_seconds,
    )


def wall_lost(origin: Origin, container: str, check: str, title: str, since_seconds: float) -> Alert:
    """A critical check that the container passed fails."""
    where = f"Container {container} on {origin.instance}"
    return _alert(
        origin,
        {
            "alertname": "BulkheadCriticalCheckFailing",
            "severity": "critical",
            "container": container,
            "check": check,
            "title": title,
        },
        f"{where}: check {check} fails",
        f'{where} fails the critical check {check} ("{title}"): a compromise of it could reach further than it should. '
        "Put the setting right in its quadlet and restart it.",
        since_seconds,
    )


def limit_not_applied(origin: Origin, container: str, resource: str, since_seconds: float) -> Alert:
    """A limit that was in force is not."""
    where = f"ontainer {container} on {origin.instance}"
    return _alert(
        origin,
        {
            "alertname": "BulkheadLimitNotApplied",
            "severity": "critical",
            "container": container,
            "resource": resource,
            "kind": "not_applied",
        },
        f"C{where}: limit {resource} is not in force",
        f"A limit of {resource} was asked for c{where}, and the kernel does not have it: the container may take more "
        "than it was given. Compare bulkhead_container_limit_declared with bulkhead_container_limit_in_force, then "
        "restart its unit.",
        since_seconds,
    )


def trial_labels(origin: Origin) -> dict[str, str]:
    """Of what `bulkhead alert-test` sends: no rule has it."""
    return _with_origin(origin, {"alertname": "BulkheadTest", "severity": "none"})


def _alert(
    origin: Origin,
    labels: dict[str, str],
    summary: str,
    description: str,
    since_seconds: float,
    *,
    latest_seconds: float = 0.0,
) -> Alert:
    base = dict(origin.external_labels).get(_RUNBOOKS_LABEL) or _RUNBOOKS
    annotations = {
        "summary": summary,
        "description": description,
        "runbook_url": f"{base}/{labels['alertname']}.md",
    }
    return Alert(_with_origin(origin, labels), annotations, since_seconds, latest_seconds)


def _with_origin(origin: Origin, labels: dict[str, str]) -> dict[str, str]:
    # As Prometheus does: an external label never replaces one of the alert's own.
    return {**dict(origin.external_labels), **labels, "instance": origin.instance, "job": origin.job}
