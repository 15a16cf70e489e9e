"""Which program this is, and how much of a host it shows: facts for the report that no source has."""

from __future__ import annotations

import platform

from exporter import __version__
from exporter.assess.assessment import Build
from exporter.config import Config


def build_of(config: Config) -> Build:
    """This program, and how much of a host it shows."""
    return Build(
        product_version=__version__,
        python_version=platform.python_version(),
        max_containers=config.series.max_containers,
    )
