"""How the sources are doing: of each whether it is on this host, whether it answered, and how old its answer is."""

from __future__ import annotations

from dataclasses import fields, replace

from exporter.facts.reading import Absent, Failed, Read, Reading
from exporter.facts.snapshot import EventCount, Snapshot
from exporter.report.collectors import CollectorReport


def collector_reports(snapshot: Snapshot) -> tuple[CollectorReport, ...]:
    """How each source is doing: every reading of the snapshot, by the name of its field."""
    counts = {count.collector: count for count in snapshot.events}
    reports = []
    for field in fields(Snapshot):
        reading = getattr(snapshot, field.name)
        if isinstance(reading, Read | Absent | Failed):
            report = _collector_report(field.name, reading, snapshot.taken_at_seconds)
            count = counts.get(field.name, EventCount(field.name, 0, 0))
            reports.append(replace(report, events=count.seen, events_lost=count.lost))
    return tuple(reports)


def _collector_report(name: str, reading: Reading[object], now_seconds: float) -> CollectorReport:
    match reading:
        case Read():
            return CollectorReport(
                name=name,
                present=True,
                success=not reading.problems,
                duration_seconds=reading.duration_seconds,
                age_seconds=max(0.0, now_seconds - reading.read_at_seconds),
                reason="; ".join(reading.problems),
            )
        case Absent():
            return CollectorReport(name, False, False, reading.duration_seconds, None, reading.reason)
        case Failed():
            age = max(0.0, now_seconds - reading.last.read_at_seconds) if reading.last else None
            return CollectorReport(name, True, False, reading.duration_seconds, age, reading.reason)
