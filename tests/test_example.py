"""The recorded host, from its facts to the pages that a person and Prometheus are shown."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from exporter.assess.assessment import Build, assess
from exporter.notify.alert import Origin
from exporter.notify.watch import Watch, after_report, holding
from exporter.present.metrics.exposition import render
from exporter.present.page import landing_page
from exporter.report.host import Report
from exporter.report.thresholds import Thresholds
from exporter.sources.example import ExampleHost, load_recording
from exporter.sources.example.script import INTRUDED

BEGAN = 1_800_000_000.0


@pytest.fixture(scope="module")
def report() -> Report:
    snapshot = ExampleHost(load_recording(), BEGAN).snapshot(BEGAN + 300)
    return assess(snapshot, Thresholds(), Build(product_version="0", is_example=True))


def test_the_page_of_the_recorded_host_is_the_golden_one(report: Report, golden: Callable[[str, str], None]) -> None:
    golden("recorded-host.prom", render(report, None)[0].decode())


def test_promtool_finds_nothing_to_say_of_it(report: Report) -> None:
    found = subprocess.run(
        ["promtool", "check", "metrics"], input=render(report, None)[0], capture_output=True, timeout=60, check=False
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_the_only_wall_that_falls_on_the_example_host_is_the_one_that_its_script_tears_down() -> None:
    host, watch = ExampleHost(load_recording(), BEGAN), Watch()
    lost = set()
    for at_seconds in range(0, 1300, 10):
        snapshot = host.snapshot(BEGAN + at_seconds)
        report = assess(snapshot, Thresholds(), Build(product_version="0", is_example=True))
        # With "given up" left out: a unit that failed is what happens, and no wall.
        watch = replace(after_report(watch, report, sure_seconds=17), given_up={})
        lost |= {alert.labels["container"] for alert in holding(watch, Origin("host1"))}
    assert lost == {INTRUDED}


def test_every_page_says_that_it_is_an_example(report: Report) -> None:
    assert "bulkhead_example_host 1" in render(report, None)[0].decode()
    assert "example host" in landing_page(report).lower()
