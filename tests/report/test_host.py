from __future__ import annotations

import msgspec
import pytest

from exporter.assess.assessment import Build, assess
from exporter.facts.snapshot import Snapshot
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from tests.assess.snapshots import SNAPSHOT, WITHOUT_ZFS


@pytest.mark.parametrize("snapshot", [SNAPSHOT, WITHOUT_ZFS])
def test_a_report_crosses_a_process_boundary_unchanged(snapshot: Snapshot) -> None:
    report = assess(snapshot, Thresholds(), Build())
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
