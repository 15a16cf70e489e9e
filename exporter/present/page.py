"""The landing page: what this host is, what is wrong on it, and where the metrics are. One self-contained document.

Everything that comes from a container goes through `_text`, which bounds and escapes it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from exporter.assess.priority import gravest_first, most_urgent_first
from exporter.present.style import STYLE
from exporter.present.untrusted import bounded
from exporter.report.collectors import CollectorReport
from exporter.report.container import ContainerReport, RankedContainer
from exporter.report.findings import CheckInfo, Finding, Severity, Verdict, WaiverState
from exporter.report.host import Report

EXAMPLE_BANNER = "This is an embedded example host, not your containers."
_NOTHING = '<span class="quiet" title="not known, or none set">&ndash;</span>'
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024
_LOGO = (
    '<svg viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2">'
    '<rect x="2.5" y="4" width="19" height="16" rx="2"/><path d="M9 4v16M15.5 4v16"/></svg>'
)


def landing_page(report: Report) -> str:
    """The whole page as HTML; serve it with style.CONTENT_SECURITY_POLICY."""
    rows = most_urgent_first(report)
    hostname = _text(report.host.hostname if report.host else "this host")
    banner = f'<p class="example" role="note">{EXAMPLE_BANNER}</p>' if report.is_example else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{"Example: " if report.is_example else ""}{hostname} &ndash; Bulkhead</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<div><h1>{_LOGO}Bulkhead</h1>
<p class="quiet">Watches the walls between containers of {hostname}{_host_words(report)}</p></div>
<nav aria-label="Endpoints"><a href="/metrics">/metrics</a> <a href="/-/healthy">/-/healthy</a> \
<a href="/-/ready">/-/ready</a></nav>
</header>
<main>
{banner}{_tiles(report, rows)}
<h2 id="containers">Containers, worst first</h2>
{_containers(report, rows)}
<h2 id="host">The host</h2>
{_host_checks(report)}
<h2 id="sources">Sources</h2>
{_collectors(report.collectors)}
</main>
<footer>{_footer(report)}</footer>
</body>
</html>
"""


def _text(text: str) -> str:
    # bdi: a name with right-to-left marks must not turn the words around it.
    return f"<bdi>{escape(bounded(text))}</bdi>" if not text.isascii() else escape(bounded(text))


def _host_words(report: Report) -> str:
    if report.host is None:
        return ""
    words = [f"Linux {report.host.kernel}"]
    if report.host.selinux_mode:
        words.append(f"SELinux {report.host.selinux_mode}")
    if report.host.memory_total_bytes:
        words.append(f"{_size(report.host.memory_total_bytes)} memory")
    return " · " + " · ".join(map(_text, words))


def _tiles(report: Report, rows: tuple[RankedContainer, ...]) -> str:
    running = _total(row.container.state == "running" if row.container.state else None for row in rows)
    oom_kills = _total(row.container.oom_kills for row in rows)
    restarts = _total(row.container.restarts for row in rows)
    critical = _total(map(_critical_failures, rows))
    hidden = _total(map(_critical_unknowns, rows))
    near = _total(map(_is_near_a_limit, rows))
    silent = sum(one.present and not one.success for one in report.collectors)
    killed = Severity.CRITICAL if any(row.oom_severity for row in rows) else None
    loops = Severity.CRITICAL if any(row.restarts_severity for row in rows) else None
    tiles = (
        ("containers running", _NOTHING if running is None else f"{running} of {len(rows)}", None),
        ("OOM kills", _count(oom_kills), killed),
        ("automatic restarts", _count(restarts), loops),
        ("near a limit or quota", _count(near), Severity.WARNING if near else None),
        ("critical checks failing", _count(critical), Severity.CRITICAL if critical else None),
        ("critical checks unknown", _count(hidden), Severity.WARNING if hidden else None),
        ("sources failing", _count(silent), Severity.WARNING if silent else None),
    )
    return '<dl class="tiles">' + "".join(_tile(*tile) for tile in tiles) + "</dl>"


def _total(figures: Iterable[int | None]) -> int | None:
    """The sum of those that are known; None where none is: that is not zero."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _critical_failures(row: RankedContainer) -> int | None:
    if all(finding.outcome.verdict is Verdict.UNKNOWN for finding in row.container.findings):
        return None
    return sum(finding.severity is Severity.CRITICAL for finding in row.failed)


def _critical_unknowns(row: RankedContainer) -> int | None:
    if not row.container.findings:
        return None
    return sum(finding.severity is Severity.CRITICAL for finding in row.unknown)


def _is_near_a_limit(row: RankedContainer) -> bool | None:
    if row.container.memory.ratio is None and row.quota_ratio is None:
        return None
    return row.memory_severity is not None or row.quota_severity is not None


def _tile(label: str, value: str, severity: Severity | None) -> str:
    return f"<div><dt>{label}</dt><dd{_class(severity)}>{value}</dd></div>"


def _containers(report: Report, rows: tuple[RankedContainer, ...]) -> str:
    if not rows:
        return '<p class="quiet">No container is known yet. The sources below tell why.</p>'
    target = dict(report.thresholds).get("memory_target_ratio")
    checks = {check.id: check for check in report.checks}
    aim = f", target {target:.0%}" if target is not None else ""
    body = "\n".join(_container(row, target, checks, report.taken_at_seconds) for row in rows)
    left_out = ""
    if report.dropped_containers:
        left_out = (
            f'<p class="quiet">{report.dropped_containers} more containers are beyond the configured maximum.</p>'
        )
    return f"""<div class="frame" tabindex="0" role="region" aria-labelledby="containers"><table>
<thead><tr><th scope="col">Container</th><th scope="col">State</th><th scope="col">Memory of limit{aim}</th>
<th scope="col" class="number">OOM kills</th><th scope="col" class="number">Restarts</th>
<th scope="col">Quota</th><th scope="col">Checks</th></tr></thead>
<tbody>
{body}
</tbody></table></div>{left_out}"""


def _container(row: RankedContainer, target: float | None, checks: Mapping[str, CheckInfo], now_seconds: float) -> str:
    one = row.container
    image = _image(one.container.image) if one.container else ""
    why = _amiss(row.failed, row.unknown, checks)
    span = f'<tr class="why"><td colspan="7">{why}</td></tr>' if why else ""
    return (
        f'<tr><th scope="row">{_text(one.name)}{image}</th><td>{_state(row)}</td>'
        f"<td>{_memory(row, target)}</td>"
        f"<td{_class(row.oom_severity, 'number')}>{_count(one.oom_kills)}{_last_kill(one, now_seconds)}</td>"
        f"<td{_class(row.restarts_severity, 'number')}>{_count(one.restarts)}</td>"
        f"<td>{_bar(row.quota_ratio, row.quota_severity, 'fullest quota')}</td>"
        f"<td>{_checks(row)}</td></tr>{span}"
    )


def _last_kill(one: ContainerReport, now_seconds: float) -> str:
    if one.counts is None or one.counts.last_oom_kill_seconds is None:
        return ""
    return f"<small>{_age(now_seconds - one.counts.last_oom_kill_seconds)} ago</small>"


def _image(image: str) -> str:
    return f'<small title="{escape(bounded(image))}">{_text(image)}</small>'


def _state(row: RankedContainer) -> str:
    one = row.container
    words = [one.state or "unknown"]
    if one.container is not None and one.container.health:
        words.append(one.container.health)
    if one.unit is not None and one.unit.active_state not in {"active", ""}:
        words.append(f"unit {one.unit.active_state}")
    tone = row.state_severity or ("good" if one.state == "running" else "")
    return _badge(", ".join(words), tone)


def _memory(row: RankedContainer, target: float | None) -> str:
    memory = row.container.memory
    if memory.ratio is not None:
        sizes = f" of {_size(memory.limit_bytes)}" if memory.limit_bytes is not None else ""
        return _bar(memory.ratio, row.memory_severity, "memory of limit", target, sizes)
    if memory.working_set_bytes is not None:
        return f'<span class="bar"><small>{_size(memory.working_set_bytes)}, no limit</small></span>'
    return _NOTHING


def _bar(
    ratio: float | None, severity: Severity | None, label: str, target: float | None = None, after: str = ""
) -> str:
    # Widths are attributes of SVG: style attributes would need a weaker content security policy.
    if ratio is None:
        return _NOTHING
    mark = f'<rect class="target" x="{target * 100 - 0.5:.1f}" width="1.5" height="10"/>' if target is not None else ""
    return (
        f'<span{_class(severity, "bar")}><svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{label} {ratio:.0%}"><rect class="track" width="100" height="10"/>'
        f'<rect class="fill" width="{max(0.0, min(ratio, 1.0)) * 100:.1f}" height="10"/>{mark}</svg>'
        f"<span>{ratio:.0%}</span><small>{after}</small></span>"
    )


def _checks(row: RankedContainer) -> str:
    return _badge("starting", "") if row.container.is_starting else _check_badges(row.container.findings)


def _check_badges(findings: tuple[Finding, ...]) -> str:
    verdicts = [finding.outcome.verdict for finding in findings]
    failing = gravest_first(findings, Verdict.FAIL)
    judged = sum(verdict in {Verdict.PASS, Verdict.FAIL} for verdict in verdicts)
    unknown = gravest_first(findings, Verdict.UNKNOWN)
    badges = []
    if failing:
        badges.append(_badge(f"{len(failing)} of {judged} fail", failing[0].severity))
    elif judged:
        badges.append(_badge(f"all {judged} pass", "good"))
    if unknown:
        tone = Severity.WARNING if unknown[0].severity is Severity.CRITICAL else ""
        badges.append(_badge(f"{len(unknown)} unknown", tone))
    if waived := verdicts.count(Verdict.WAIVED):
        badges.append(_badge(f"{waived} waived", ""))
    return " ".join(badges) or _NOTHING


def _amiss(failed: tuple[Finding, ...], unknown: tuple[Finding, ...], checks: Mapping[str, CheckInfo]) -> str:
    """What fails with how to mend it, and then what could not be judged with why."""
    failures = "".join(_failed_check(finding, checks.get(finding.check)) for finding in failed)
    gaps = "".join(_unknown_check(finding, checks.get(finding.check)) for finding in unknown)
    return _details("Failed checks and their fixes", failed, failures) + _details("Not judged", unknown, gaps)


def _details(heading: str, findings: tuple[Finding, ...], items: str) -> str:
    if not findings:
        return ""
    counts = Counter(finding.severity for finding in findings)
    words = ", ".join(f"{counts[severity]} {severity}" for severity in Severity if counts[severity])
    return f"<details><summary>{heading}: {words}</summary><ul>{items}</ul></details>"


def _host_checks(report: Report) -> str:
    checks = {check.id: check for check in report.checks}
    badges = _check_badges(report.host_findings)
    failed, unknown = (gravest_first(report.host_findings, verdict) for verdict in (Verdict.FAIL, Verdict.UNKNOWN))
    return f"<p>{badges}</p>{_amiss(failed, unknown, checks)}{_unmade_quadlets(report)}{_waivers(report)}"


def _unmade_quadlets(report: Report) -> str:
    items = "".join(
        f"<li>{_badge('no unit', Severity.WARNING)} {_text(one.path)}{f':{one.line}' if one.line else ''}"
        f"<p>{_text(one.reason)}</p></li>"
        for one in report.unmade_quadlets
    )
    return f"<ul>{items}</ul>" if items else ""


def _waivers(report: Report) -> str:
    """Those that need eyes: the others do what they were written for."""
    items = "".join(
        f"<li>{_badge(f'waiver {waiver.state}', Severity.WARNING)} {_text(waiver.check)} of "
        f"{_text(waiver.container or 'the host')}<p>{_text(waiver.reason)}</p></li>"
        for waiver in report.waivers
        if waiver.state in {WaiverState.EXPIRED, WaiverState.UNMATCHED}
    )
    return f"<ul>{items}</ul>" if items else ""


def _failed_check(finding: Finding, check: CheckInfo | None) -> str:
    drift = f" {_badge('not as declared', Severity.WARNING)}" if finding.outcome.drift else ""
    fix = ""
    if check is not None and check.is_of_host:
        fix = f'<p class="quiet">Fix: <code>{_text(check.fix_host)}</code></p>'
    elif check is not None:
        fix = (
            f'<p class="quiet">Fix: <code>{_text(check.fix_quadlet)}</code> in the quadlet, '
            f"or <code>{_text(check.fix_podman)}</code> for podman.</p>"
        )
    badge = _badge(finding.severity, finding.severity)
    return f"<li>{badge} {_title(finding, check)}{drift}{_because(finding)}{fix}</li>"


def _unknown_check(finding: Finding, check: CheckInfo | None) -> str:
    badge = _badge(f"{finding.severity}, unknown", Severity.WARNING if finding.severity is Severity.CRITICAL else "")
    return f"<li>{badge} {_title(finding, check)}{_because(finding)}</li>"


def _title(finding: Finding, check: CheckInfo | None) -> str:
    return f"<strong>{_text(check.title if check else finding.check)}</strong>"


def _because(finding: Finding) -> str:
    detail = f": {_text(finding.outcome.detail)}" if finding.outcome.detail else ""
    return f"<p>{_text(finding.outcome.reason)}{detail}</p>"


def _collectors(collectors: Iterable[CollectorReport]) -> str:
    body = "\n".join(
        f'<tr><th scope="row">{_text(one.name)}</th><td>{_health(one)}</td>'
        f'<td class="number">{_seconds(one.age_seconds)}</td><td class="number">{_seconds(one.duration_seconds)}</td>'
        f'<td class="number">{one.events}{f", {one.events_lost} lost" if one.events_lost else ""}</td>'
        f"<td>{_text(one.reason)}</td></tr>"
        for one in collectors
    )
    return f"""<div class="frame" tabindex="0" role="region" aria-labelledby="sources"><table>
<thead><tr><th scope="col">Source</th><th scope="col">Health</th><th scope="col" class="number">Age</th>
<th scope="col" class="number">Read took</th><th scope="col" class="number">Events</th>
<th scope="col">Why not</th></tr></thead>
<tbody>
{body}
</tbody></table></div>"""


def _health(one: CollectorReport) -> str:
    if not one.present:
        return _badge("not on this host", "")
    return _badge("answers", "good") if one.success else _badge("failing", Severity.CRITICAL)


def _footer(report: Report) -> str:
    taken = datetime.fromtimestamp(report.taken_at_seconds, UTC)
    version = f"Bulkhead {report.product_version}" + (f" ({report.revision})" if report.revision else "")
    return (
        f'As of <time datetime="{taken:%Y-%m-%dT%H:%M:%SZ}">{taken:%Y-%m-%d %H:%M:%S} UTC</time>. '
        f"Kills and restarts are counted once each, since their container is known. {_text(version)}"
    )


def _badge(words: str, tone: str) -> str:
    return f'<span class="badge{f" {tone}" if tone else ""}">{_text(words)}</span>'


def _class(severity: Severity | None, always: str = "") -> str:
    words = " ".join(filter(None, (always, severity)))
    return f' class="{words}"' if words else ""


def _count(number: int | None) -> str:
    return _NOTHING if number is None else str(number)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _age(seconds: float) -> str:
    for unit, per_unit in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= per_unit:
            return f"{seconds / per_unit:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _size(number_bytes: float) -> str:
    power = min(int(math.log(max(number_bytes, 1), _STEP)), len(_UNITS) - 1)
    return f"{number_bytes / _STEP**power:.3g} {_UNITS[power]}"
