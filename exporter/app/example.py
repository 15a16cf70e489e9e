"""The agent of the embedded example host: other facts (but for its own process), the same judgement and pages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporter.app.build import build_of
from exporter.app.doctor import has_podman_socket
from exporter.app.reload import Standards
from exporter.assess.assessment import assess
from exporter.config import Config
from exporter.report.host import Report
from exporter.runtime.agent import Agent
from exporter.sources.agent import AgentSource
from exporter.sources.example import ExampleHost, load_recording


def build_example_agent(
    config: Config,
    standards: Standards,
    is_web_exposed: Callable[[], bool | None] = lambda: None,
    itself: AgentSource | None = None,
) -> Agent:
    """The agent of the embedded example host, ready to start: it has no other source to ask."""
    example = ExampleHost(load_recording(), time.time())
    build = build_of(config, is_web_exposed, is_example=True)
    itself = itself or AgentSource(Path("/proc"))

    def make_report() -> Report:
        snapshot = replace(example.snapshot(time.time()), agent=itself.read())
        thresholds, waivers = standards.both()
        # Looked at each time: --auto-example looks once, and podman's socket may come later.
        here = replace(build(), has_podman=has_podman_socket(config))
        return assess(snapshot, thresholds, here, waivers)

    return Agent((), (), make_report)
