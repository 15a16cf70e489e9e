"""The agent of the embedded example host: other facts, the same judgement and pages."""

from __future__ import annotations

import time
from dataclasses import replace

from exporter.app.build import build_of
from exporter.assess.assessment import assess
from exporter.config import Config
from exporter.runtime.agent import Agent
from exporter.sources.example import ExampleHost, load_recording


def build_example_agent(config: Config) -> Agent:
    """The agent of the embedded example host, ready to start: it has no source to ask."""
    example = ExampleHost(load_recording(), time.time())
    build = replace(build_of(config), is_example=True)
    return Agent((), (), lambda: assess(example.snapshot(time.time()), config.thresholds, build, config.waivers))
