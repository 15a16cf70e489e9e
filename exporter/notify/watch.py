"""What is remembered of containers to know what alerts hold now: pure, and kept over restarts of the agent.

    a kill          the ledger's total rose; holds for 9 minutes
    looping         as many restarts in the window as the settings say; holds while it is so, and for 9 minutes at most
                    once systemd has given up
    given up        systemd's start limit was hit; holds while the unit stays failed
    a lost wall     a critical check passed, and now fails for longer than one reading; holds until it passes or is
                    waived. That it can no longer be judged ends nothing. Of limits there is an alert for each resource,
                    which says more than their check

Where the rule would end (the check is waived, the container is gone) these end too: otherwise the agent's alert would
page again just after the rule's alert has resolved, or the other way round. For the same reason a kill holds for
less than the rule's 10 minutes: increase() ends when the last sample from before the kill leaves its window, a scrape's
interval sooner or later, and an alert that is sent as firing after that begins anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from exporter.assess.checks.container import limits_applied
from exporter.assess.kernel_counts import restarts_in_window
from exporter.facts.counts import Counts, Totals
from exporter.notify import alert
from exporter.notify.alert import Alert, Origin
from exporter.present.untrusted import bounded
from exporter.report.container import ContainerReport, Drift
from exporter.report.findings import Severity, Verdict
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds

LOOK_BACK_SECONDS = 540  # the rule looks back 600, and its last sample may be of a minute before
# Kills of a container that is seen for the first time are news only if the agent ran before it, as in the rule.
_NEWCOMER_SECONDS = 900
_BUCKET_SECONDS = 10
_LIMIT = "limit:"


@dataclass(frozen=True, slots=True)
class Kills:
    """Kills of one container that still count towards its alert."""

    since_seconds: float
    latest_seconds: float  # when it was seen
    by_bucket: tuple[tuple[int, int], ...]  # unix time over 10, how many: a storm of an hour needs no more than these

    @property
    def count(self) -> int:
        """All of them."""
        return sum(count for _, count in self.by_bucket)


@dataclass(frozen=True, slots=True)
class Wall:
    """A critical check that a container has passed."""

    title: str
    failing_since_seconds: float | None = None  # None: it does not fail, or its container is away
    is_lost: bool = False  # it has failed for longer than one reading, and neither passed nor been waived since


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known. Names are as in the series."""

    began_seconds: float | None = None  # unix time; None: nothing was ever seen
    oom_kills: Mapping[str, int] = field(default_factory=dict)  # totals as last seen
    kills: Mapping[str, Kills] = field(default_factory=dict)
    looping: Mapping[str, tuple[float, int]] = field(default_factory=dict)  # since, how many restarts
    given_up: Mapping[str, float] = field(default_factory=dict)  # since when systemd starts the unit no more
    walls: Mapping[str, Wall] = field(default_factory=dict)  # by "check container", or "limit:resource container"


def after_totals(watch: Watch, totals: Totals, thresholds: Thresholds, now_seconds: float) -> Watch:
    """The watch after a settlement of the ledger."""
    began = now_seconds if watch.began_seconds is None else watch.began_seconds
    is_settled_in = now_seconds - began >= _NEWCOMER_SECONDS
    kills = {name: left for name, of in watch.kills.items() if (left := _recent(of, now_seconds)) is not None}
    looping: dict[str, tuple[float, int]] = {}
    window_seconds = min(thresholds.restart_loop_window_seconds, LOOK_BACK_SECONDS)
    short = replace(thresholds, restart_loop_window_seconds=window_seconds)
    for counts in totals.containers:
        name = bounded(counts.name)
        known = watch.oom_kills.get(name, 0 if is_settled_in else counts.oom_kills)
        # A lower total means that the ledger was reset: do not alert for the kills it already contains.
        if counts.oom_kills > known:
            kills[name] = _risen(kills.get(name), counts, counts.oom_kills - known, now_seconds)
        restarts = restarts_in_window(counts, totals, short if name in watch.given_up else thresholds)
        if restarts >= thresholds.restart_loop_restarts:
            looping[name] = (watch.looping.get(name, (now_seconds, 0))[0], restarts)
    oom_kills = {bounded(counts.name): counts.oom_kills for counts in totals.containers}
    return replace(watch, began_seconds=began, oom_kills=oom_kills, kills=kills, looping=looping)


def after_report(watch: Watch, report: Report, sure_seconds: float) -> Watch:
    """The watch after a report in which every source has spoken.

    `sure_seconds`: how long a check has to fail. A container that is being started is half made.
    """
    now_seconds = report.taken_at_seconds
    given_up: dict[str, float] = {}
    walls = dict(watch.walls)
    titles = {check.id: check.title for check in report.checks}
    seen = set()
    for one in report.containers:
        name = bounded(one.name)
        if _has_given_up(one):
            given_up[name] = min(watch.given_up.get(name, now_seconds), now_seconds)
        if one.is_starting:
            # It cannot be judged yet, and nothing says that its failure is over: alerts that hold are kept until then.
            seen |= {key for key in walls if key.partition(" ")[2] == name}
        if _has_unjudged_limits(one):
            seen |= {key for key in walls if key.startswith(_LIMIT) and key.partition(" ")[2] == name}
        for wall, verdict in _verdicts(one):
            key = f"{wall} {name}"
            seen.add(key)
            after = _wall_after(walls.get(key), verdict, titles.get(wall, ""), now_seconds, sure_seconds)
            if after is not None:
                walls[key] = after
    for key in walls.keys() - seen:
        walls[key] = replace(walls[key], failing_since_seconds=None)
    # The memory of walls lives as long as the ledger knows the container: it is away in each restart.
    here = {bounded(one.name) for one in report.containers} | watch.oom_kills.keys()
    walls = {key: wall for key, wall in walls.items() if key.partition(" ")[2] in here}
    return replace(watch, given_up=given_up, walls=walls)


def joined(kept: Watch, began: Watch) -> Watch:
    """The watch of a disk that could be read only after another one had begun in memory.

    Kills of between the two are news; those that the second has told of are not.
    """
    told = {name: kills.count for name, kills in began.kills.items()}
    oom_kills = {
        name: min(count, kept.oom_kills[name] + told.get(name, 0)) if name in kept.oom_kills else count
        for name, count in began.oom_kills.items()
    }
    return replace(
        kept,
        began_seconds=began.began_seconds if kept.began_seconds is None else kept.began_seconds,
        oom_kills={**kept.oom_kills, **oom_kills},
        kills={**kept.kills, **began.kills},
        looping={**kept.looping, **began.looping},
        given_up={**kept.given_up, **began.given_up},
        walls={**kept.walls, **began.walls},
    )


def holding(watch: Watch, origin: Origin) -> tuple[Alert, ...]:
    """The alerts that hold now."""
    alerts = [
        alert.oom_kill(origin, name, kills.count, kills.since_seconds, kills.latest_seconds)
        for name, kills in watch.kills.items()
    ]
    alerts += [alert.looping(origin, name, restarts, since) for name, (since, restarts) in watch.looping.items()]
    alerts += [alert.gave_up(origin, name, since) for name, since in watch.given_up.items()]
    for key, wall in watch.walls.items():
        if wall.is_lost and wall.failing_since_seconds is not None:
            check, _, name = key.partition(" ")
            if check.startswith(_LIMIT):
                resource = check.removeprefix(_LIMIT)
                alerts.append(alert.limit_not_applied(origin, name, resource, wall.failing_since_seconds))
            else:
                alerts.append(alert.wall_lost(origin, name, check, wall.title, wall.failing_since_seconds))
    return tuple(alerts)


def _risen(kills: Kills | None, counts: Counts, rise: int, now_seconds: float) -> Kills:
    bucket = int(now_seconds // _BUCKET_SECONDS)
    buckets = dict(kills.by_bucket) if kills else {}
    buckets[bucket] = buckets.get(bucket, 0) + rise
    told_seconds = counts.last_oom_kill_seconds
    is_known = told_seconds is not None and 0 < told_seconds <= now_seconds
    happened_seconds = told_seconds if is_known and told_seconds is not None else now_seconds
    return Kills(kills.since_seconds if kills else happened_seconds, now_seconds, tuple(buckets.items()))


def _recent(kills: Kills, now_seconds: float) -> Kills | None:
    now = int(now_seconds // _BUCKET_SECONDS)
    oldest = now - LOOK_BACK_SECONDS // _BUCKET_SECONDS
    buckets: dict[int, int] = {}
    for bucket, count in kills.by_bucket:
        if bucket >= oldest:
            # The wall clock was set back: what lies in its future is of now.
            buckets[min(bucket, now)] = buckets.get(min(bucket, now), 0) + count
    return replace(kills, by_bucket=tuple(buckets.items())) if buckets else None


def _verdicts(one: ContainerReport) -> Iterator[tuple[str, Verdict]]:
    """The container's walls by name, each with its verdict: critical checks, and limits by resource."""
    for finding in one.findings:
        if finding.severity is Severity.CRITICAL and finding.check != limits_applied.CHECK.id:
            yield finding.check, finding.outcome.verdict
    for drift in one.limit_drifts:
        if drift.kind is Drift.NOT_APPLIED:
            yield f"{_LIMIT}{drift.resource}", Verdict.FAIL if drift.holds else Verdict.PASS


def _has_unjudged_limits(one: ContainerReport) -> bool:
    """Whether a limit that is missing among the drifts may be out of force: not all of them could be judged."""
    verdicts = {finding.outcome.verdict for finding in one.findings if finding.check == limits_applied.CHECK.id}
    return not verdicts.isdisjoint({Verdict.UNKNOWN, Verdict.FAIL})


def _has_given_up(one: ContainerReport) -> bool:
    return one.unit is not None and one.unit.active_state == "failed" and one.unit.result == "start-limit-hit"


def _wall_after(
    wall: Wall | None, verdict: Verdict, title: str, now_seconds: float, sure_seconds: float
) -> Wall | None:
    if verdict is Verdict.PASS:
        return Wall(title)
    if wall is None:  # it was never passed
        return None
    is_failing = wall.is_lost or wall.failing_since_seconds is not None
    if verdict is Verdict.FAIL or (verdict is Verdict.UNKNOWN and is_failing):
        since = now_seconds if wall.failing_since_seconds is None else wall.failing_since_seconds
        since = min(since, now_seconds)  # the wall clock was set back
        return Wall(title, since, wall.is_lost or now_seconds - since >= sure_seconds)
    return Wall(title)
